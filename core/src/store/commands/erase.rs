//! Removing for ever: payloads that were erased, blobs that no record names.

use std::collections::HashSet;

use super::thread_outcome;
use crate::{
    command::{Caller, Needs, ThreadCommand, ThreadOutcome},
    error::{Error, Result},
    id::{Space, ThreadId, Version},
    journal::{BlobName, RecordBody},
    record::{Body, Event, FilesBody, open},
    rules::decision::{Reply, Request},
    store::{
        environment::{BLOB_UNUSED_FOR, unknown_outcome},
        inner::StoreInner,
    },
    workspace::{TreeId, VirtualDriver},
};

/// Kinds of records that keep a tree.
const KEEPS_TREES: [&str; 2] = ["workspace_ready", "workspace_saved"];

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
        let named = needs.facts.clone();
        let space = thread.space(&caller.tenant);
        // Refused before anything is erased; who archives meanwhile finds out, and begins anew.
        let drafts = self.drafts_of(&space, &named).await?;
        self.archived_with(caller, thread, &[named.as_slice(), &drafts].concat()).await?;
        let request = Request::Thread(command);
        let (outcome, versions) = match self.call(caller, &space, request, needs).await? {
            Reply::Erased { version, versions } => (ThreadOutcome::Changed(version), versions),
            // A key that was known.
            reply => (thread_outcome(reply)?, named),
        };
        let erased = async {
            self.erase_payloads(caller, thread, &versions).await?;
            let archived = self.archived_with(caller, thread, &versions).await?;
            self.erase_in_bundles(caller, thread, archived).await
        };
        match Box::pin(erased).await {
            Ok(()) => Ok(outcome),
            // The record stands and the payload is not shown any more: that is no refusal.
            Err(error) if error.is_retryable() => Err(unknown_outcome(&space, error)),
            Err(error) => Err(error),
        }
    }

    /// Removes the payloads of records that were erased, and from records of entries that were evicted and are back.
    pub(super) async fn erase_payloads(
        &self,
        caller: &Caller,
        thread: ThreadId,
        versions: &[Version],
    ) -> Result<()> {
        self.journal().erase(&thread.space(&caller.tenant), versions).await?;
        self.erase_in_packs(caller, thread, versions).await
    }

    /// The drafts that are erased with these entries.
    async fn drafts_of(&self, space: &Space, entries: &[Version]) -> Result<Vec<Version>> {
        let mut drafts = Vec::new();
        let fresh = self.fresh(space).await?;
        if fresh.as_thread()?.collapses.is_empty() {
            return Ok(drafts);
        }
        for version in entries {
            let opened = self.record_at(space, *version).await?;
            if let Some(Event::Collapsed { collapse, .. }) = opened.map(|it| it.header.event) {
                drafts.push(collapse);
            }
        }
        Ok(drafts)
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
        for (session, it) in &state.sessions {
            if it.archived.as_ref().is_some_and(|archived| archived.evicted.is_some()) {
                Box::pin(self.finish_eviction(&space, *session)).await?;
            }
        }
        if !erased.is_empty() {
            Box::pin(self.erase_in_packs(caller, thread, &erased)).await?;
            let archived = Box::pin(self.archived_with(caller, thread, &erased)).await?;
            Box::pin(self.erase_in_bundles(caller, thread, archived)).await?;
        }
        let (mut in_use, mut trees) = self.named_blobs(&space, fresh.version()).await?;
        let references = state.workspaces.iter().filter_map(|(_, it)| it.reference.as_deref());
        trees.extend(references.filter_map(|reference| TreeId::new(reference).ok()));
        let of_trees = VirtualDriver::blobs_of(&**self.journal(), &space, &trees);
        in_use.extend(Box::pin(of_trees).await?);
        let collected = self.journal().collect_blobs(&space, &in_use, BLOB_UNUSED_FOR).await?;
        Ok(ThreadOutcome::Vacuumed(collected))
    }

    /// The blobs that records up to the head name, and the trees that they keep, which may lie in others.
    async fn named_blobs(
        &self,
        space: &Space,
        head: Version,
    ) -> Result<(HashSet<BlobName>, Vec<TreeId>)> {
        let (mut named, mut trees) = (HashSet::new(), Vec::new());
        let mut after = 0;
        while after < head {
            let records = self.environment.read(space, after, head, PIECE).await?;
            let Some(last) = records.last() else {
                return Err(Error::corrupt(space, after + 1, "the record is missing"));
            };
            after = last.version;
            for record in records.iter().filter(|record| KEEPS_TREES.contains(&&*record.kind)) {
                let opened = open(space, record)?;
                if let Body::Files(FilesBody { tree: Some(tree), .. }) = opened.fold_body(space)? {
                    trees.push(tree);
                }
            }
            named.extend(records.into_iter().filter_map(|record| match record.body {
                RecordBody::Blob(name) => Some(name),
                _ => None,
            }));
        }
        Ok((named, trees))
    }
}
