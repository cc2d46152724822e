//! The writing half of an engine with transactions, as [`GroupCommit`](crate::group::GroupCommit) uses it, and the jobs it writes.

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
    journal::{Batch, BlobName, Commit, Head, Position, Snapshot},
};

/// One write. It owns its data, because its caller may be dropped before it is committed.
#[derive(Debug)]
pub struct Job {
    /// The space to write to.
    pub space: Space,
    /// What to write.
    pub write: Write,
    /// Until when it waits for other processes to give up the right to write.
    pub until: Instant,
}

/// What to write.
#[derive(Debug)]
pub enum Write {
    /// Append a batch.
    Batch {
        /// The head the writer expects.
        expected: Option<Position>,
        /// What to append.
        batch: Batch,
    },
    /// Drop the space.
    Drop {
        /// The head the writer expects.
        expected: Option<Position>,
    },
    /// Keep a snapshot.
    Snapshot(Snapshot),
    /// Keep a blob.
    Blob {
        /// Its new name.
        name: BlobName,
        /// Its content.
        bytes: Arc<[u8]>,
        /// When it was put.
        at: Timestamp,
    },
    /// Erase the payload of records.
    Erase {
        /// The records.
        versions: Vec<Version>,
    },
    /// Delete blobs that no record needs.
    Collect {
        /// Blobs to keep.
        in_use: HashSet<BlobName>,
        /// Blobs put after this time are kept.
        upto: Timestamp,
        /// Receives the number of deleted blobs.
        count: Arc<AtomicU64>,
    },
}

impl Job {
    /// Its bytes, for the size of a group.
    pub fn weight(&self) -> usize {
        match &self.write {
            Write::Batch { batch, .. } => batch.weight(),
            Write::Drop { .. } | Write::Erase { .. } | Write::Collect { .. } => 0,
            Write::Snapshot(snapshot) => snapshot.bytes.len(),
            Write::Blob { bytes, .. } => bytes.len(),
        }
    }
}

/// The result of a group that was committed.
#[derive(Debug)]
pub struct Committed {
    /// One for each job, in order.
    pub answers: Vec<Result<Commit>>,
    /// The job whose writer gets a reservation: the engine has kept the right to write for it.
    pub hold: Option<usize>,
}

impl Committed {
    /// The result of a transaction. `answers` has a refusal for each job that wrote nothing, and `None` for each that wrote.
    /// `doubt` says that the outcome of the transaction is unknown: a job that wrote is then `Indeterminate`, and a job that was
    /// refused is `Unavailable`, because its refusal may rest on a write that did not happen.
    pub fn new(answers: Vec<Option<Commit>>, doubt: Option<Source>, hold: Option<usize>) -> Self {
        let answer = |answer: Option<Commit>| match (answer, &doubt) {
            (None, None) => Ok(Commit::Done),
            (None, Some(source)) => Ok(Commit::Indeterminate { source: Some(source.clone()) }),
            (Some(answer), None) => Ok(answer),
            (Some(_), Some(source)) => Err(Error::Unavailable {
                reason: "the outcome of another commit in the same transaction is unknown".into(),
                operation: None,
                source: Some(source.clone()),
            }),
        };
        Self { answers: answers.into_iter().map(answer).collect(), hold }
    }
}

/// The writing half of an engine with transactions. Its methods may block; one thread at a time calls them.
pub trait Engine: Send + fmt::Debug {
    /// Gets the right to write without waiting; `false` if another process has it. Does nothing if this engine has it already.
    ///
    /// # Errors
    /// When the engine fails; all jobs of the next group are answered with the error.
    fn begin(&mut self) -> Result<bool>;

    /// Writes a group in one transaction and makes it durable. Then it gives up the right to write, unless it answers with `hold`,
    /// which is allowed only if `may_hold`. A job that is refused writes nothing.
    ///
    /// # Errors
    /// When nothing of the group was applied: each job is then committed alone, once. A transaction whose outcome is unknown is
    /// not an error but [`Committed::new`] with `doubt`.
    fn commit(&mut self, jobs: &[&Job], may_hold: bool) -> Result<Committed>;

    /// Gives up the right to write. Does nothing if this engine does not have it.
    fn release(&mut self);

    /// The newest head of a space, if this engine can tell now, and cheaper than a reader that has to look at what was
    /// written since it read last. Otherwise `None`, an error included: then a reader is asked.
    fn head(&mut self, space: &Space) -> Option<Option<Head>> {
        let _ = space;
        None
    }

    /// Closes the engine. No other method is called afterwards.
    ///
    /// # Errors
    /// When the engine fails.
    fn close(&mut self) -> Result<()>;
}
