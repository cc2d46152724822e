//! Which records have lost their payload.

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

use crate::id::Version;

/// Erased versions, as ranges: from the first to the last, and the version of the record that erased them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Erased {
    ranges: RedBlackTreeMapSync<Version, (Version, Version)>,
}

impl Erased {
    /// The version of the record that erased this one.
    pub(crate) fn erased_by(&self, version: Version) -> Option<Version> {
        let (_, (last, by)) = self.ranges.range(..=version).next_back()?;
        (version <= *last).then_some(*by)
    }

    /// Adds what the record at `by` erased: ranges of versions, both ends included, that were not erased before.
    pub(crate) fn add(&mut self, ranges: &[(Version, Version)], by: Version) {
        for (first, last) in ranges {
            self.ranges.insert_mut(*first, (*last, by));
        }
    }

    /// All erased versions, ascending.
    pub(crate) fn versions(&self) -> impl Iterator<Item = Version> {
        self.ranges.iter().flat_map(|(first, (last, _))| *first..=*last)
    }

    /// What the record at this version erased, ascending.
    pub(crate) fn by(&self, record: Version) -> impl Iterator<Item = Version> {
        let ranges = self.ranges.iter().filter(move |(_, (_, by))| *by == record);
        ranges.flat_map(|(first, (last, _))| *first..=*last)
    }

    /// How many ranges were erased; it grows with each erasure.
    pub(crate) fn count(&self) -> usize {
        self.ranges.size()
    }

    pub(crate) fn weight(&self) -> usize {
        self.ranges.size() * 96
    }
}

/// Sorted, without repeats, neighbours joined.
pub(crate) fn ranges(mut versions: Vec<Version>) -> Vec<(Version, Version)> {
    versions.sort_unstable();
    let mut ranges: Vec<(Version, Version)> = Vec::new();
    for version in versions {
        match ranges.last_mut() {
            Some((_, last)) if *last == version || *last + 1 == version => *last = version,
            _ => ranges.push((version, version)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_find_their_versions() {
        assert_eq!(ranges(vec![9, 3, 4, 4, 5, 8, 1]), [(1, 1), (3, 5), (8, 9)]);
        let mut erased = Erased::default();
        erased.add(&[(3, 5), (8, 8)], 20);
        erased.add(&[(6, 7)], 21);
        let by: Vec<_> = (1..=9).map(|version| erased.erased_by(version)).collect();
        let (a, b) = (Some(20), Some(21));
        assert_eq!(by, [None, None, a, a, a, b, b, a, None]);
        assert_eq!(erased.versions().collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8]);
    }
}
