//! Removing for ever: payloads that were erased, blobs that no record names.

use std::collections::HashSet;

use super::thread_outcome;
use crate::{
    command::{Caller, Needs, ThreadCommand, ThreadOutcome},
    error::{Error, Result},
    id::{Space, ThreadId, Version},
    journal::{BlobName, RecordBody},
    rules::decision::Request,
    store::{
        environment::{BLOB_UNUSED_FOR, unknown_outcome},
        inner::StoreInner,
    },
};

/// Versions of one erasure, and records of one read.
const PIECE: usize = 1024;

impl StoreInner {
    /// Erases entries: first the record that says so is written, then the payloads are removed. From the record on no
    /// read shows them.
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
        match self.journal().erase(&space, &versions).await {
            Ok(()) => Ok(outcome),
            // The record stands and the payload is not shown any more: that is no refusal.
            Err(error) if error.is_retryable() => Err(unknown_outcome(&space, error)),
            Err(error) => Err(error),
        }
    }

    /// Finishes erasures that were cut off between record and payload, then collects blobs that no record names.
    pub(super) async fn vacuum(&self, caller: &Caller, thread: ThreadId) -> Result<ThreadOutcome> {
        let space = thread.space(&caller.tenant);
        let fresh = self.fresh(&space).await?;
        let state = fresh.as_thread()?;
        if state.thread.is_none() {
            return Err(Error::not_found(thread));
        }
        let erased: Vec<Version> = state.erased.versions().collect();
        for piece in erased.chunks(PIECE) {
            self.journal().erase(&space, piece).await?;
        }
        let in_use = self.named_blobs(&space, fresh.version()).await?;
        let collected = self.journal().collect_blobs(&space, &in_use, BLOB_UNUSED_FOR).await?;
        Ok(ThreadOutcome::Vacuumed(collected))
    }

    /// The blobs that records up to the head name.
    async fn named_blobs(&self, space: &Space, head: Version) -> Result<HashSet<BlobName>> {
        let mut named = HashSet::new();
        let mut after = 0;
        while after < head {
            let records = self.environment.read(space, after, head, PIECE).await?;
            let Some(last) = records.last() else {
                return Err(Error::corrupt(space, after + 1, "the record is missing"));
            };
            after = last.version;
            named.extend(records.into_iter().filter_map(|record| match record.body {
                RecordBody::Blob(name) => Some(name),
                _ => None,
            }));
        }
        Ok(named)
    }
}
