//! Sessions that begin with the whole history of their parent, by reference.

use sessile_core::id::Version;

use super::state::*;

impl Thread {
    /// The parts of logs that a session's log consists of: whose, and up to which version.
    fn parts(&self, session: Version) -> Vec<(Version, Version)> {
        let mut parts = vec![(session, Version::MAX)];
        while let Some((of, upto)) = parts.last().and_then(|(of, _)| self.bases.get(of)) {
            parts.push((*of, *upto));
        }
        parts
    }

    /// Whether a session's log shows what stands at a version in the log of another.
    pub(super) fn shows(&self, session: Version, version: Version, of: Version) -> bool {
        self.parts(session).iter().any(|(part, upto)| *part == of && version <= *upto)
    }

    /// The last version of a session's own log that may stand in another's.
    pub(super) fn shown_elsewhere(&self, of: Version) -> Version {
        let others = self.sessions.keys().filter(|other| **other != of);
        let parts = others.flat_map(|other| self.parts(*other));
        parts.filter(|(part, _)| *part == of).map(|(_, upto)| upto).max().unwrap_or(0)
    }

    /// A session is gone: what no other shows, nobody reads any more.
    pub(super) fn forget_unread(&mut self) {
        let is_read = |version: Version, entry: &LoggedEntry| {
            self.sessions.keys().any(|session| self.shows(*session, version, entry.session))
        };
        let gone = self.entries.iter().filter(|(version, entry)| !is_read(**version, entry));
        let gone: Vec<Version> = gone.map(|(version, _)| *version).collect();
        for version in gone {
            self.entries.remove(&version);
            self.unread.insert(version);
        }
    }
}
