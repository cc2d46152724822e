//! Entries that left the journal with their session's archive, and those that came back.
//!
//! A payload that was removed from a record never comes back to it. What returns stands in the body of a later record, for many
//! entries at once: a *pack*.

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

use super::{forks::Forks, state::ThreadState};
use crate::id::Version;

/// The entries of a session's own log that stand in its bundle only: those after one version, up to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Evicted {
    pub(crate) after: Version,
    pub(crate) upto: Version,
}

impl Evicted {
    pub(crate) const fn holds(&self, version: Version) -> bool {
        self.after < version && version <= self.upto
    }
}

/// A record that holds entries of one session's log: those after one version, up to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pack {
    pub(crate) session: Version,
    pub(crate) after: Version,
    pub(crate) upto: Version,
    /// The record.
    pub(crate) version: Version,
}

/// Where entries stand that came back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Returned {
    /// By session, and by the first version, excluded: the last version, and the pack.
    packs: RedBlackTreeMapSync<Version, RedBlackTreeMapSync<Version, (Version, Version)>>,
}

impl Returned {
    /// The pack that holds an entry of a session.
    pub(crate) fn pack_of(&self, session: Version, version: Version) -> Option<Version> {
        let (_, (upto, pack)) = self.packs.get(&session)?.range(..version).next_back()?;
        (version <= *upto).then_some(*pack)
    }

    pub(crate) fn packs(&self) -> impl Iterator<Item = Pack> {
        self.packs.iter().flat_map(|(session, packs)| {
            packs.iter().map(|(after, (upto, version))| Pack {
                session: *session,
                after: *after,
                upto: *upto,
                version: *version,
            })
        })
    }

    pub(super) fn insert(&mut self, pack: Pack) {
        let mut packs = self.packs.get(&pack.session).cloned().unwrap_or_default();
        packs.insert_mut(pack.after, (pack.upto, pack.version));
        self.packs.insert_mut(pack.session, packs);
    }

    pub(super) fn remove(&mut self, is_erased: impl Fn(&Pack) -> bool) {
        let erased: Vec<_> = self.packs().filter(is_erased).collect();
        for pack in erased {
            if let Some(packs) = self.packs.get_mut(&pack.session) {
                packs.remove_mut(&pack.after);
            }
        }
    }

    pub(crate) fn weight(&self) -> usize {
        self.packs.values().map(|packs| 96 + packs.size() * 96).sum()
    }
}

impl Forks {
    /// The last version of a session's own log that a fork shows; 0 for none.
    pub(crate) fn shared_upto(&self, of: Version) -> Version {
        self.bases().filter(|base| base.session == of).map(|base| base.upto).max().unwrap_or(0)
    }
}

/// Where the payload of an entry is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// In its own record.
    Here,
    /// Nowhere.
    Erased,
    /// In the bundle of this session.
    Evicted(Version),
    /// In the pack at this version.
    Returned(Version),
}

impl ThreadState {
    /// Where the payload of a record is; an entry's is asked for with its session.
    pub(crate) fn stored(&self, session: Option<Version>, version: Version) -> Stored {
        if self.erased.erased_by(version).is_some() {
            return Stored::Erased;
        }
        // Where nothing was ever evicted, reading looks no further.
        let Some(session) = session.filter(|_| self.last_eviction > 0) else {
            return Stored::Here;
        };
        let archived = self.session(session).and_then(|it| it.archived.as_deref());
        if archived.and_then(|it| it.evicted).is_some_and(|evicted| evicted.holds(version)) {
            return Stored::Evicted(session);
        }
        self.returned.pack_of(session, version).map_or(Stored::Here, Stored::Returned)
    }

    /// Whether a pack may hold something that is erased: it has what was not when it was made.
    pub(crate) fn may_hold(&self, pack: &Pack, erased: Version) -> bool {
        pack.after < erased
            && erased <= pack.upto
            && self.erased.erased_by(erased).is_some_and(|by| by > pack.version)
    }

    /// What an eviction takes of a session: its own entries but for those that a fork shows.
    pub(crate) fn evictable(&self, session: Version) -> Option<Evicted> {
        let it = self.session(session)?;
        let after = self.forks.shared_upto(session).max(it.first_entry.saturating_sub(1));
        (after < it.last_entry).then_some(Evicted { after, upto: it.last_entry })
    }

    /// Changes with everything that takes payloads out of the journal.
    pub(crate) fn removals(&self) -> (usize, Version) {
        (self.erased.count(), self.last_eviction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_is_found_by_what_it_holds() {
        let mut returned = Returned::default();
        let pack = |session, after, upto, version| Pack { session, after, upto, version };
        for it in [pack(2, 3, 10, 100), pack(2, 10, 20, 101), pack(4, 0, 9, 102)] {
            returned.insert(it);
        }
        let of = |session, version| returned.pack_of(session, version);
        assert_eq!([of(2, 3), of(2, 4), of(2, 10)], [None, Some(100), Some(100)]);
        assert_eq!([of(2, 11), of(2, 21), of(3, 5)], [Some(101), None, None]);
        assert_eq!([of(4, 1), of(4, 10)], [Some(102), None]);
        returned.remove(|pack| pack.version == 101);
        assert_eq!(returned.packs().map(|it| it.version).collect::<Vec<_>>(), [100, 102]);
    }
}
