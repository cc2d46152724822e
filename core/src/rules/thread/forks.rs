//! Forks: sessions whose log begins with a part of another's.

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

use crate::id::Version;

/// The part of a session's log that a fork begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Base {
    pub(crate) session: Version,
    /// Up to this version of the thread.
    pub(crate) upto: Version,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Node {
    /// What it reads before its own log. Never a part without entries, but for the first session of a chain: so a chain has
    /// no more links than its log has entries.
    base: Option<Base>,
    /// Forks that have this one as base.
    forks: u32,
    /// It was deleted, and lives on in its forks.
    deleted: bool,
}

/// The sessions that are forks or have some.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Forks {
    nodes: RedBlackTreeMapSync<Version, Node>,
}

impl Forks {
    /// What a fork of `asked` reads. `first` is the first entry of that session's own, if it has any: a fork from before it
    /// reads what that session itself reads from.
    fn resolve(&self, asked: Base, first: Version) -> Base {
        let own = first != 0 && first <= asked.upto;
        let base = self.nodes.get(&asked.session).and_then(|node| node.base);
        base.filter(|_| !own).unwrap_or(asked)
    }

    /// Adds a fork of `asked`, whose own first entry is `first`, 0 for none.
    pub(crate) fn add(&mut self, fork: Version, asked: Base, first: Version) {
        let base = self.resolve(asked, first);
        let mut node = self.nodes.get(&base.session).copied().unwrap_or_default();
        node.forks += 1;
        self.nodes.insert_mut(base.session, node);
        self.nodes.insert_mut(fork, Node { base: Some(base), ..Node::default() });
    }

    /// A session is deleted; what only it and its deleted bases read is forgotten.
    pub(crate) fn delete(&mut self, session: Version) {
        let Some(node) = self.nodes.get_mut(&session) else { return };
        node.deleted = true;
        let mut next = Some(session);
        while let Some(version) = next.take() {
            let Some(node) = self.nodes.get(&version).copied() else { return };
            if node.forks > 0 || !(node.deleted || node.base.is_none()) {
                return;
            }
            self.nodes.remove_mut(&version);
            if let Some(base) = node.base
                && let Some(below) = self.nodes.get_mut(&base.session)
            {
                below.forks = below.forks.saturating_sub(1);
                next = Some(base.session);
            }
        }
    }

    /// The parts that a session's log consists of, the oldest first; the last is its own, without end.
    pub(crate) fn parts(&self, session: Version) -> Vec<Base> {
        let own = Base { session, upto: Version::MAX };
        let below = |part: &Base| self.nodes.get(&part.session).and_then(|node| node.base);
        let mut parts: Vec<_> = std::iter::successors(Some(own), below).collect();
        parts.reverse();
        parts
    }

    /// Whether a session's log shows what stands at this version in the log of `of`.
    pub(crate) fn shows(&self, session: Version, of: Version, version: Version) -> bool {
        let own = Base { session, upto: Version::MAX };
        let below = |part: &Base| self.nodes.get(&part.session).and_then(|node| node.base);
        std::iter::successors(Some(own), below)
            .any(|part| part.session == of && version <= part.upto)
    }

    /// Whether a fork shows what stands at this version in the log of a session, deleted or not. One look at each fork.
    pub(crate) fn is_shared(&self, of: Version, version: Version) -> bool {
        self.bases().any(|base| base.session == of && version <= base.upto)
    }

    /// What each fork begins with.
    pub(super) fn bases(&self) -> impl Iterator<Item = Base> {
        self.nodes.values().filter_map(|node| node.base)
    }

    pub(crate) fn weight(&self) -> usize {
        self.nodes.size() * 128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(session: Version, upto: Version) -> Base {
        Base { session, upto }
    }

    #[test]
    fn a_chain_reads_each_part_once_and_goes_with_its_last_reader() {
        let mut forks = Forks::default();
        forks.add(10, part(2, 8), 3);
        // Has no entry of its own yet: a fork of it is a fork of what it reads.
        forks.add(11, part(10, 10), 0);
        forks.add(20, part(10, 15), 12);
        let own = |session| part(session, Version::MAX);
        assert_eq!(forks.parts(2), [own(2)]);
        assert_eq!(forks.parts(11), [part(2, 8), own(11)]);
        assert_eq!(forks.parts(20), [part(2, 8), part(10, 15), own(20)]);
        assert!(forks.shows(20, 2, 8) && forks.shows(20, 10, 15) && forks.shows(20, 20, 99));
        assert!(!forks.shows(20, 2, 9) && !forks.shows(20, 10, 16) && !forks.shows(2, 10, 12));

        forks.delete(2);
        forks.delete(10);
        assert!(forks.is_shared(2, 8) && forks.is_shared(10, 15) && !forks.is_shared(10, 16));
        assert_eq!(forks.parts(20), [part(2, 8), part(10, 15), own(20)]);
        forks.delete(20);
        assert!(!forks.is_shared(10, 1) && forks.is_shared(2, 8));
        forks.delete(11);
        assert!(!forks.is_shared(2, 1) && forks.nodes.is_empty());
    }
}
