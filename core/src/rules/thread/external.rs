//! Which external ids the runs of a thread have (RUN1, RUN5).

use std::sync::Arc;

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

use crate::{
    hash::ShortHash,
    id::{RunId, Version},
};

/// The external id of a run whose record has none: a release that wrote level 1 derived it from the run's own id.
pub(crate) fn derived_external_id(run: RunId) -> String {
    let text = run.to_string();
    format!("ext_{}", text.strip_prefix("run_").unwrap_or(&text))
}

/// The run that a derived external id belongs to.
pub(crate) fn run_of_derived(external_id: &str) -> Option<RunId> {
    format!("run_{}", external_id.strip_prefix("ext_")?).parse().ok()
}

/// A random UUID (version 4), as text.
pub(crate) fn uuid_v4(random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let piece = |shift: u32, digits: u32| bits >> shift & ((1 << (4 * digits)) - 1);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        piece(96, 8),
        piece(80, 4),
        piece(64, 4),
        piece(48, 4),
        piece(0, 12)
    )
}

/// An external id is taken once per thread and for ever, so none may be forgotten. The digest of each, with the version
/// of the record that tells of its run: its start while the run lives, its end afterwards.
///
/// A run costs 24 bytes in one sorted block, and about 112 while it is among the newest: these are in a map that goes
/// into the block when it has grown to an eighth of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(ShortHash, Version)>", into = "Vec<(ShortHash, Version)>")]
pub(crate) struct ExternalIds {
    /// Ascending, without repeats.
    block: Arc<Vec<Row>>,
    /// What is newer than the block, and what was changed since.
    newest: RedBlackTreeMapSync<ShortHash, Version>,
}

/// Half a digest at a time: three words, where a number of 128 bits would be aligned to make four of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    digest: [u64; 2],
    version: Version,
}

/// The newest ids have a map of their own up to this many, however small the block is.
const NEWEST: usize = 256;

impl ExternalIds {
    /// The record that tells of the run with this external id.
    pub(crate) fn get(&self, digest: ShortHash) -> Option<Version> {
        if let Some(version) = self.newest.get(&digest) {
            return Some(*version);
        }
        let at = self.block.binary_search_by_key(&digest.words(), |row| row.digest).ok()?;
        self.block.get(at).map(|row| row.version)
    }

    /// Takes an external id, or names another record of its run.
    pub(crate) fn set(&mut self, digest: ShortHash, version: Version) {
        self.newest.insert_mut(digest, version);
        if self.newest.size() > NEWEST.max(self.block.len() / 8) {
            self.block = Arc::new(self.rows());
            self.newest = RedBlackTreeMapSync::default();
        }
    }

    /// Both parts merged, ascending.
    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::with_capacity(self.block.len() + self.newest.size());
        let mut old = self.block.iter().copied().peekable();
        for (digest, version) in &self.newest {
            let new = Row { digest: digest.words(), version: *version };
            while let Some(row) = old.next_if(|row| row.digest < new.digest) {
                rows.push(row);
            }
            old.next_if(|row| row.digest == new.digest);
            rows.push(new);
        }
        rows.extend(old);
        rows
    }

    /// Bytes it takes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        self.block.len() * size_of::<Row>() + self.newest.size() * 112
    }
}

impl From<Vec<(ShortHash, Version)>> for ExternalIds {
    fn from(rows: Vec<(ShortHash, Version)>) -> Self {
        let mut block: Vec<Row> = rows
            .into_iter()
            .map(|(digest, version)| Row { digest: digest.words(), version })
            .collect();
        block.sort_unstable_by_key(|row| row.digest);
        Self { block: Arc::new(block), newest: RedBlackTreeMapSync::default() }
    }
}

impl From<ExternalIds> for Vec<(ShortHash, Version)> {
    fn from(ids: ExternalIds) -> Self {
        ids.rows().into_iter().map(|row| (ShortHash::from_words(row.digest), row.version)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ThreadId;

    #[test]
    fn every_id_is_found_before_and_after_it_goes_into_the_block() {
        let mut ids = ExternalIds::default();
        let digest = |n: u64| ShortHash::of(&n.to_string());
        for n in 0..3000 {
            assert_eq!(ids.get(digest(n)), None);
            ids.set(digest(n), n);
            // Its run ends.
            if n % 3 == 0 {
                ids.set(digest(n / 2), 10_000 + n / 2);
            }
        }
        let ended = |n: u64| (0..3000).any(|end| end % 3 == 0 && end / 2 == n);
        let rows: Vec<(ShortHash, Version)> = ids.clone().into();
        let again = ExternalIds::from(rows.clone());
        assert_eq!(rows.len(), 3000);
        for n in 0..3000 {
            let version = if ended(n) { 10_000 + n } else { n };
            assert_eq!((ids.get(digest(n)), again.get(digest(n))), (Some(version), Some(version)));
        }
        assert!(ids.weight() < 3000 * 56, "{} bytes", ids.weight());
    }

    #[test]
    fn a_uuid_has_its_version_and_its_variant() {
        assert_eq!(uuid_v4(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid_v4(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let counted = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;
        assert_eq!(uuid_v4(counted), "00112233-4455-4677-8899-aabbccddeeff");
    }

    #[test]
    fn a_derived_id_names_its_run() {
        let run = RunId::new(ThreadId::from_bits(7), 42);
        assert_eq!(run_of_derived(&derived_external_id(run)), Some(run));
        assert_eq!(run_of_derived("ext_of_the_caller"), None);
    }
}
