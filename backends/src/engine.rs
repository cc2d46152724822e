//! What a transactional engine does for [`Group`](crate::group::Group), and the jobs it gets.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};

use sessile_core::{
    clock::Timestamp,
    error::{Error, Result, Source},
    id::{Space, Version},
    journal::{Batch, BlobName, Commit, Position, Snapshot},
};

/// One write, owned: its caller may be gone when it is taken.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) space: Space,
    pub(crate) write: Write,
    /// When its caller stops waiting for other processes.
    pub(crate) until: Instant,
}

/// What to write.
#[derive(Debug)]
pub(crate) enum Write {
    /// Append a batch.
    Batch { expected: Option<Position>, batch: Batch },
    /// Drop the space.
    Drop { expected: Option<Position> },
    /// Keep a snapshot.
    Snapshot(Snapshot),
    /// Keep a blob, put at this time.
    Blob { name: BlobName, bytes: Arc<[u8]>, at: Timestamp },
    /// Erase the payload of records.
    Erase { versions: Vec<Version> },
    /// Delete blobs that are not in use and were put at this time or before; counts them.
    Collect { in_use: HashSet<BlobName>, upto: Timestamp, count: Arc<AtomicU64> },
}

impl Job {
    pub(crate) fn weight(&self) -> usize {
        match &self.write {
            Write::Batch { batch, .. } => batch.weight(),
            Write::Drop { .. } | Write::Erase { .. } | Write::Collect { .. } => 0,
            Write::Snapshot(snapshot) => snapshot.bytes.len(),
            Write::Blob { bytes, .. } => bytes.len(),
        }
    }
}

/// What an engine made of a group.
#[derive(Debug)]
pub(crate) struct Committed {
    /// One for each job, in order.
    pub(crate) answers: Vec<Result<Commit>>,
    /// The job whose writer may go first next time: the engine has kept the right to write for it.
    pub(crate) hold: Option<usize>,
}

impl Committed {
    /// Of what each job was answered before the transaction ended: nothing, if it wrote. With doubt about the end, what
    /// wrote is indeterminate; what was refused may have been refused because of it.
    pub(crate) fn new(
        answers: Vec<Option<Commit>>,
        doubt: Option<Source>,
        hold: Option<usize>,
    ) -> Self {
        let answer = |answer: Option<Commit>| match (answer, &doubt) {
            (None, None) => Ok(Commit::Done),
            (None, Some(source)) => Ok(Commit::Indeterminate { source: Some(source.clone()) }),
            (Some(answer), None) => Ok(answer),
            (Some(_), Some(source)) => Err(Error::Unavailable {
                reason: "a commit of the same group is in doubt".into(),
                source: Some(source.clone()),
            }),
        };
        Self { answers: answers.into_iter().map(answer).collect(), hold }
    }
}

/// The writing half of a transactional engine. Every method may block; one thread at a time calls them.
pub(crate) trait Engine: Send + fmt::Debug {
    /// Gets the right to write, if nobody else has it now: `false` means another process has. What was held stays held.
    fn begin(&mut self) -> Result<bool>;

    /// Writes a group in one transaction and makes it durable: the right to write ends, unless `hold` says otherwise.
    /// A job that is refused contributes nothing. An error means that nothing of the group was applied: the group
    /// then commits each job alone, once. `hold` is allowed only if `may_hold`.
    fn commit(&mut self, jobs: &[&Job], may_hold: bool) -> Result<Committed>;

    /// Gives up the right to write; nothing happens if it is not held.
    fn release(&mut self);

    /// Ends the engine: later calls are `Closed`.
    fn close(&mut self) -> Result<()>;
}
