//! Committing: creating the object `log/<head + 1>` if it is absent.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use object_store::{Error as StoreError, ObjectStore as _, PutMode, PutOptions, path::Path};
use sessile_core::{
    error::{Error, Result, Source, Subject},
    id::Space,
    journal::{Batch, Commit, Position},
};

use super::{Inner, format::Logged, look, site::Site, view::View};
use sessile_driver::check;

/// The result of creating an object if it is absent.
#[derive(Debug)]
pub(super) enum Created {
    /// The store says that this request created it.
    Fresh,
    /// The store says something else: there may be an object, from this request or another.
    Doubt(Source),
}

impl Inner {
    /// Creates an object. An error means that the store refused to do anything.
    pub(super) async fn create(&self, key: &Path, bytes: Bytes) -> Result<Created> {
        let mode = PutOptions::from(PutMode::Create);
        match self.store.put_opts(key, bytes.into(), mode).await {
            Ok(_) => Ok(Created::Fresh),
            Err(
                error @ (StoreError::PermissionDenied { .. }
                | StoreError::Unauthenticated { .. }
                | StoreError::NotImplemented { .. }
                | StoreError::InvalidPath { .. }),
            ) => Err(look::unavailable("create an object", error)),
            // The client repeats requests: even AlreadyExists may speak of our own.
            Err(error) => Ok(Created::Doubt(Arc::new(error))),
        }
    }

    /// The answer if the head is not as expected.
    pub(super) fn refusal(view: &View, expected: Option<Position>) -> Option<Commit> {
        let refusal = check::refusal(
            view.dropped(),
            view.position(),
            expected,
            || Ok::<_, Error>(view.head()),
            |range| Ok(look::since(view, range)),
        );
        refusal.unwrap_or_default()
    }

    /// A view to decide on: what is known if it is what the writer expects, else a fresh one.
    async fn view_for(&self, site: &Site, expected: Option<Position>) -> Result<Arc<View>> {
        match site.cell.view() {
            Some(view) if view.position() == expected && !view.dropped() => Ok(view),
            _ => self.look(site).await,
        }
    }

    pub(super) async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        let site = &self.site(space);
        let view = self.view_for(site, expected).await?;
        if let Some(refusal) = Self::refusal(&view, expected) {
            return Ok(refusal);
        }
        if expected.is_none() {
            // Before the first record, so that whatever has a record is listed.
            for mark in site.keys.marks(batch.project) {
                self.mark(&mark).await?;
            }
        }
        let Some(logged) = Logged::of(batch) else { return Ok(Commit::Done) };
        let commit = self.append(site, &view, expected, logged).await?;
        if matches!(commit, Commit::Done) {
            self.notifier.notify(space);
            self.fold_when_due(site).await;
        }
        Ok(commit)
    }

    /// An empty object; that it is there already is fine.
    async fn mark(&self, key: &Path) -> Result<()> {
        let put = self.store.put_opts(key, Bytes::new().into(), PutOptions::default()).await;
        put.map(|_| ()).map_err(|e| look::unavailable("mark a space", e))
    }

    pub(super) async fn drop_space(
        &self,
        space: &Space,
        expected: Option<Position>,
    ) -> Result<Commit> {
        let site = &self.site(space);
        let view = self.view_for(site, expected).await?;
        if view.dropped() {
            return Ok(Commit::Done);
        }
        if let Some(refusal) = Self::refusal(&view, expected) {
            return Ok(refusal);
        }
        let marks = site.keys.marks(view.project());
        let tombstone = Logged::tombstone(view.last() + 1);
        let commit = match self.append(site, &view, expected, tombstone).await? {
            Commit::HeadMoved { head: None, .. } => Commit::Done,
            commit => commit,
        };
        if matches!(commit, Commit::Done) {
            self.notifier.notify(space);
            // What is left, a later scrub finds.
            let _ = self.clear(site, marks).await;
        }
        Ok(commit)
    }

    /// Creates the next object of a log and finds out what became of it.
    async fn append(
        &self,
        site: &Site,
        view: &Arc<View>,
        expected: Option<Position>,
        logged: Logged,
    ) -> Result<Commit> {
        let keys = &site.keys;
        let encoded = logged.encode();
        let bytes = encoded.ok_or_else(|| Error::invalid("batch", "it is larger than 4 GiB"))?;
        let sent = self.options.clock.elapsed();
        let created = self.create(&keys.log(logged.first), bytes.into()).await?;
        if let Created::Doubt(source) = created {
            match self.get(&keys.log(logged.first)).await {
                Ok(Some(there))
                    if Logged::decode(&there).is_some_and(|it| it.nonce == logged.nonce) => {}
                // Nothing was deleted since this writer looked: another's object stands where it always did.
                Ok(Some(there)) if self.is_proof_fresh(view) => {
                    return self.lost(site, view, &there, expected, source).await;
                }
                // Another's object may stand where ours was folded and deleted.
                Ok(Some(_)) => return self.in_segments(site, &logged, expected, source).await,
                // Nothing there proves nothing: it may land yet, or be folded and deleted already.
                Ok(None) => return self.in_segments(site, &logged, expected, source).await,
                Err(_) => return Ok(Commit::Indeterminate { source: Some(source) }),
            }
        }
        if self.is_proof_fresh(view) {
            site.cell.append(view, logged, sent);
            return Ok(Commit::Done);
        }
        // It may have been created where a deleted object had been: only what is above the boundary counts.
        self.proven(site, &logged, expected).await
    }

    /// Whether a reply that came just now is within half a grace of the proof.
    pub(super) fn is_proof_fresh(&self, view: &View) -> bool {
        self.is_recent(view.proved.get())
    }

    /// Whether a request that is sent just now arrives within a grace of the look.
    pub(super) fn is_look_fresh(&self, view: &View) -> bool {
        self.is_recent(view.looked.get())
    }

    fn is_recent(&self, time: Duration) -> bool {
        self.options.clock.elapsed().saturating_sub(time) < self.options.grace / 2
    }

    /// Another's object is there, and counts.
    async fn lost(
        &self,
        site: &Site,
        view: &View,
        there: &[u8],
        expected: Option<Position>,
        source: Source,
    ) -> Result<Commit> {
        let other = look::decode_log(site, view.last() + 1, there)?;
        site.cell.extend(view, Arc::new(other));
        let doubt = Commit::Indeterminate { source: Some(source) };
        Ok(match self.look(site).await {
            Ok(view) => Self::refusal(&view, expected).unwrap_or(doubt),
            // It is not applied, and never will be.
            Err(error) => return Err(error),
        })
    }

    /// Looks whether an object that is there counts.
    async fn proven(
        &self,
        site: &Site,
        logged: &Logged,
        expected: Option<Position>,
    ) -> Result<Commit> {
        let doubt = |error: Error| Commit::Indeterminate { source: Some(Arc::new(error)) };
        let view = match self.look(site).await {
            Ok(view) => view,
            Err(error) => return Ok(doubt(error)),
        };
        if let Some(there) = view.tail.get(&logged.first) {
            if there.nonce == logged.nonce {
                return Ok(Commit::Done);
            }
            return Ok(
                Self::refusal(&view, expected).unwrap_or(Commit::Indeterminate { source: None })
            );
        }
        if view.manifest.boundary < logged.first {
            return Ok(Commit::Indeterminate { source: None });
        }
        let nothing: Source =
            Arc::new(Error::not_found(Subject::file(site.keys.log(logged.first))));
        self.in_segments(site, logged, expected, nothing).await
    }

    /// No object is there: if the boundary has passed it, the segment tells whose it was.
    async fn in_segments(
        &self,
        site: &Site,
        logged: &Logged,
        expected: Option<Position>,
        source: Source,
    ) -> Result<Commit> {
        let doubt = Commit::Indeterminate { source: Some(source) };
        for _ in 0..4 {
            let Ok(view) = self.look(site).await else { return Ok(doubt) };
            if view.dropped() {
                // Where the tombstone stands, nothing else ever did; what stood before it is gone with the rest.
                let is_refused = view.last() == logged.first;
                return Ok(match Self::refusal(&view, expected) {
                    _ if logged.dropped => Commit::Done,
                    Some(refusal) if is_refused => refusal,
                    _ => doubt,
                });
            }
            if view.manifest.boundary < logged.first {
                let there = view.tail.get(&logged.first).map(|it| it.nonce == logged.nonce);
                return Ok(match (there, Self::refusal(&view, expected)) {
                    // It landed between two looks.
                    (Some(true), _) => Commit::Done,
                    (Some(false), Some(refusal)) => refusal,
                    _ => doubt,
                });
            }
            let at =
                |s: &&super::format::Segment| s.first <= logged.first && logged.first <= s.last;
            let Some(segment) = view.manifest.segments.iter().find(at) else { return Ok(doubt) };
            let batches = match self.segment(site, segment, true).await {
                Ok(Some(batches)) => batches,
                Ok(None) => continue,
                // No error: it would say that nothing was written.
                Err(_) => return Ok(doubt),
            };
            let is_ours = batches.iter().any(|batch| batch.nonce == logged.nonce);
            return Ok(match Self::refusal(&view, expected) {
                _ if is_ours => Commit::Done,
                Some(refusal) => refusal,
                None => doubt,
            });
        }
        Ok(doubt)
    }
}
