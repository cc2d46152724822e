//! Removing for ever: payloads that were erased, blobs that no record names.

use std::{collections::HashSet, time::Duration};

use super::{
    flow::{thread_of, thread_outcome},
    pending::as_indeterminate,
    shared::Shared,
};
use crate::{
    command::{Caller, Needs, ThreadCommand, ThreadOutcome},
    error::{Error, Result},
    id::{Space, ThreadId, Version},
    journal::{BlobName, Direction, ReadRange, RecordBody},
    rules::decision::Request,
};

/// A record names a blob within this time of its put, or never. Half of [`UNUSED_FOR`]: the rest is for commits that are
/// slow on their way.
pub(super) const NAMED_WITHIN: Duration = Duration::from_secs(12 * 60 * 60);

/// A blob that no record names is collected after this time.
const UNUSED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Versions in one erasure of a journal.
const PIECE: usize = 1024;

impl Shared {
    /// First the record that says so, then the payload: whoever finds a payload that is to be gone does not show it.
    pub(super) async fn erase(
        &self,
        caller: &Caller,
        thread: ThreadId,
        command: ThreadCommand,
        needs: Needs,
    ) -> Result<ThreadOutcome> {
        let versions = needs.facts.clone();
        let space = thread.space(&caller.tenant);
        let request = Request::Thread(command);
        let outcome = thread_outcome(self.call(caller, &space, request, needs).await?)?;
        match self.journal.erase(&space, &versions).await {
            Ok(()) => Ok(outcome),
            // The record stands and the payload is not shown any more: that is no refusal.
            Err(error) if error.is_retryable() => Err(as_indeterminate(&space, error)),
            Err(error) => Err(error),
        }
    }

    /// Finishes what was cut off between record and payload, then collects blobs.
    pub(super) async fn vacuum(&self, caller: &Caller, thread: ThreadId) -> Result<ThreadOutcome> {
        let space = thread.space(&caller.tenant);
        let machine = self.fresh(&space).await?;
        let state = thread_of(&machine)?;
        if state.thread.is_none() {
            return Err(Error::not_found(thread));
        }
        let erased: Vec<Version> = state.erased.versions().collect();
        for piece in erased.chunks(PIECE) {
            self.journal.erase(&space, piece).await?;
        }
        let in_use = self.named_blobs(&space, machine.version()).await?;
        let collected = self.journal.collect_blobs(&space, &in_use, UNUSED_FOR).await?;
        Ok(ThreadOutcome::Vacuumed(collected))
    }

    async fn named_blobs(&self, space: &Space, head: Version) -> Result<HashSet<BlobName>> {
        let mut referenced_versions = HashSet::new();
        let mut after = 0;
        while after < head {
            let range = ReadRange {
                stream: None,
                after,
                upto: head,
                direction: Direction::Forward,
                limit: PIECE,
            };
            let records = self.journal.read(space, &range).await?;
            let Some(last) = records.last() else {
                return Err(Error::corrupt(space, after + 1, "the record is missing"));
            };
            after = last.version;
            referenced_versions.extend(records.into_iter().filter_map(
                |record| match record.body {
                    RecordBody::Blob(name) => Some(name),
                    _ => None,
                },
            ));
        }
        Ok(referenced_versions)
    }
}
