//! What every part of a store stands on: the journal, the options, and how much is in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::StoreOptions;
use crate::{
    error::{Error, Result},
    id::Space,
    journal::{Direction, Journal, ReadRange, Record},
};

/// A record names a blob within this time of its put, or never. Half of [`BLOB_UNUSED_FOR`]: the rest is for commits
/// that are slow on their way.
pub(in crate::store) const BLOB_NAMED_WITHIN: Duration = Duration::from_secs(12 * 60 * 60);

/// A blob that no record names is collected after this time.
pub(super) const BLOB_UNUSED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The journal and the options of one store; all its sequencers share it.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) options: StoreOptions,
    /// Bytes of all states in memory, about.
    loaded: AtomicUsize,
}

impl Environment {
    pub(super) const fn new(journal: Arc<dyn Journal>, options: StoreOptions) -> Self {
        Self { journal, options, loaded: AtomicUsize::new(0) }
    }

    /// The store's elapsed time; deadlines are points on it.
    pub(super) fn elapsed(&self) -> Duration {
        self.options.clock.elapsed()
    }

    /// The time left until `deadline`.
    pub(super) fn left(&self, deadline: Duration) -> Duration {
        deadline.saturating_sub(self.elapsed())
    }

    /// Whether the states in memory weigh more than [`StoreOptions::memory`] allows.
    pub(super) fn is_over_memory(&self) -> bool {
        self.loaded.load(Ordering::Relaxed) > self.options.memory
    }

    /// Counts a state that weighed `before` bytes and weighs `after` now.
    pub(super) fn reweigh(&self, before: usize, after: usize) {
        self.loaded.fetch_add(after, Ordering::Relaxed);
        self.loaded.fetch_sub(before, Ordering::Relaxed);
    }

    /// Records past `after` up to `upto`, oldest first, at most `limit`.
    pub(super) async fn read(
        &self,
        space: &Space,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> Result<Vec<Record>> {
        let range = ReadRange { stream: None, after, upto, direction: Direction::Forward, limit };
        self.journal.read(space, &range).await
    }
}

/// An error of a write that may have been applied all the same.
pub(super) fn unknown_outcome(space: &Space, error: Error) -> Error {
    let source = match error {
        Error::Unavailable { source, .. } => source,
        error => Some(Arc::new(error) as _),
    };
    Error::indeterminate(space, source)
}
