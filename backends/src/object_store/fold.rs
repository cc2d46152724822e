//! Folding a log into segments, and deleting what was folded. Any process may do it, at any time, twice, and be killed
//! anywhere.
//!
//! A fold writes a segment nobody knows, then creates the next manifest, which names it. Manifests are numbered, and the
//! greatest is never deleted: whoever makes one from an older state finds its number taken, or creates one that is not the
//! greatest and counts for nothing. Segments that the greatest manifest does not name, and that were not made for a later
//! one, can go at once. Log objects below the boundary wait for the grace: a writer that slept might create one anew.

use std::sync::Arc;

use object_store::path::Path;
use sessile_core::{
    error::{Error, Result},
    id::Version,
    journal::RecordBody,
};

use super::{
    Inner,
    commit::Created,
    format::{Logged, Manifest, Segment},
    keys::{JournalKey, SpaceKeys, part},
    site::Site,
    view::View,
};

/// A segment is joined with the next as long as both together are no larger than this.
const SEGMENT_BYTES: u64 = 8 << 20;
/// Attempts of one fold, where others fold too.
const ATTEMPTS: usize = 8;

impl Inner {
    /// Folds after a commit, if the log is long enough. A failure is ignored: a later commit folds again.
    pub(super) async fn fold_when_due(&self, site: &Site) {
        let is_due = |view: &View| view.tail.len() >= self.options.fold_after;
        if site.cell.view().is_some_and(|view| is_due(&view))
            // Another may have folded what this handle has in its tail still.
            && let Ok((view, listed)) = self.look_and_list(site).await
            && is_due(&view)
        {
            let _ = self.fold_from(site, view, listed).await;
        }
    }

    /// Folds the whole log, and deletes what may be deleted.
    pub(super) async fn fold(&self, site: &Site) -> Result<Arc<View>> {
        let (view, listed) = self.look_and_list(site).await?;
        self.fold_from(site, view, listed).await
    }

    /// Folds what a look has shown, or another look if others fold too.
    async fn fold_from(
        &self,
        site: &Site,
        mut view: Arc<View>,
        mut listed: Vec<Path>,
    ) -> Result<Arc<View>> {
        for _ in 0..ATTEMPTS {
            if view.tail.is_empty() {
                self.sweep(site, &view, listed).await?;
                return Ok(view);
            }
            if let Some(next) = self.next_manifest(site, &view).await?
                && let Some(view) = self.establish(site, &view, next).await?
            {
                return Ok(view);
            }
            (view, listed) = self.look_and_list(site).await?;
        }
        Err(site.contended())
    }

    /// A manifest that has the tail in segments too; they are written. `None`: a segment went meanwhile, or it took long.
    pub(super) async fn next_manifest(&self, site: &Site, view: &View) -> Result<Option<Manifest>> {
        let n = view.manifest.n + 1;
        let mut next = Manifest {
            n,
            nonce: format!("{:032x}", rand::random::<u128>()),
            boundary: view.last(),
            link: view.position().map(|position| position.hash),
            project: view.project(),
            dropped: view.dropped(),
            erasure: view.manifest.erasure,
            segments: view.manifest.segments.clone(),
            card: view.card(),
        };
        if next.dropped {
            (next.segments, next.card, next.erasure) = (Vec::new(), None, n);
            return Ok(Some(next));
        }
        let mut batches: Vec<Arc<Logged>> = view.tail.values().cloned().collect();
        let mut bytes: u64 = batches.iter().map(|batch| batch.weight() as u64).sum();
        while let Some(last) = next.segments.last()
            && last.bytes <= bytes.saturating_mul(2)
            && last.bytes.saturating_add(bytes) <= SEGMENT_BYTES
        {
            let Some(before) = self.segment(site, last, true).await? else { return Ok(None) };
            bytes += last.bytes;
            batches.splice(0..0, before.iter().cloned().map(Arc::new));
            next.segments.pop();
        }
        let Some(segment) = self.write_segment(site, view, &batches).await? else {
            return Ok(None);
        };
        next.segments.push(segment);
        Ok(Some(next))
    }

    /// A new segment for the manifest after the one of `view`. `None`: the look is too old, and the segment might land after
    /// a scrub that waited for it.
    async fn write_segment(
        &self,
        site: &Site,
        view: &View,
        batches: &[Arc<Logged>],
    ) -> Result<Option<Segment>> {
        let mut bytes = Vec::new();
        for batch in batches {
            let line = batch.encode();
            bytes.extend(line.ok_or_else(|| Error::invalid("batch", "it is larger than 4 GiB"))?);
        }
        let segment = Segment {
            name: SpaceKeys::new_segment(view.manifest.n + 1),
            first: batches.first().map_or(0, |batch| batch.first),
            last: batches.last().map_or(0, |batch| batch.last),
            bytes: bytes.len() as u64,
        };
        let key = site.keys.segment(&segment.name);
        if !self.is_look_fresh(view) {
            return Ok(None);
        }
        match self.create(&key, bytes.into()).await? {
            Created::Fresh => Ok(Some(segment)),
            // The name is nobody else's, but the object may have come half way only in the store's own words: ask.
            Created::Doubt(source) => match self.get(&key).await? {
                Some(there) if there.len() as u64 == segment.bytes => Ok(Some(segment)),
                _ => Err(Error::Unavailable {
                    reason: "it is not known whether the object store took a segment; it is safe to try again".into(),
                    operation: None,
                    source: Some(source),
                }),
            },
        }
    }

    /// Creates a manifest after the one of `view`; `None` if another came first. Deletes what it leaves without a name.
    async fn establish(
        &self,
        site: &Site,
        view: &View,
        next: Manifest,
    ) -> Result<Option<Arc<View>>> {
        let keys = &site.keys;
        let bytes = next.encode().ok_or_else(|| Error::invalid("manifest", "is too large"))?;
        self.create(&keys.manifest(next.n), bytes.into()).await?;
        // Whether it counts is for a look to say: one that was created where another had been deleted does not.
        let (now, listed) = self.look_and_list(site).await?;
        let is_ours = now.manifest.n == next.n && now.manifest.nonce == next.nonce;
        if is_ours {
            let kept = |segment: &Segment| next.segments.iter().any(|s| s.name == segment.name);
            for segment in view.manifest.segments.iter().filter(|segment| !kept(segment)) {
                self.kept.drop_segment(&segment.name);
            }
        }
        self.sweep(site, &now, listed).await?;
        Ok(is_ours.then_some(now))
    }

    /// Deletes what of these keys counts for nothing any more: older manifests and unnamed segments at once, log objects a
    /// grace after this handle first saw the boundary above them. Says whether log objects are left below the boundary.
    pub(super) async fn sweep(&self, site: &Site, view: &View, listed: Vec<Path>) -> Result<bool> {
        let settled = site.cell.settled(self.options.clock.elapsed(), self.options.grace);
        let (manifest, mut dead, mut is_left) = (&view.manifest, Vec::new(), false);
        for key in listed {
            let is_dead = match part(&key) {
                Some(JournalKey::Manifest(n)) => n < manifest.n,
                Some(JournalKey::Segment(n, name)) => {
                    n <= manifest.n && !manifest.segments.iter().any(|s| s.name == name)
                }
                Some(JournalKey::Log(first)) => {
                    let is_below = first <= manifest.boundary || manifest.dropped;
                    let may_go = first <= settled;
                    is_left |= is_below && !may_go;
                    is_below && may_go
                }
                None => false,
            };
            if is_dead {
                dead.push(key);
            }
        }
        self.delete(dead).await?;
        Ok(is_left)
    }

    /// Removes payloads: folds what is in the log still, then writes the segments anew without them.
    pub(super) async fn erase(&self, site: &Site, versions: &[Version]) -> Result<()> {
        let keys = &site.keys;
        for _ in 0..ATTEMPTS {
            let (mut view, listed) = self.look_and_list(site).await?;
            if view.dropped() || view.position().is_none() {
                return Ok(());
            }
            let head = view.last();
            let wanted: Vec<Version> =
                versions.iter().copied().filter(|v| (1..=head).contains(v)).collect();
            if wanted.iter().any(|version| *version > view.manifest.boundary) {
                view = self.fold(site).await?;
            }
            let Some((next, blobs)) = self.without(site, &view, &wanted).await? else { continue };
            // Blobs first: once no record names them, nobody finds them again.
            self.delete(blobs.iter().map(|name| keys.blob(name)).collect()).await?;
            let Some(next) = next else {
                // An erasure that was cut off may have left the old segments.
                self.sweep(site, &view, listed).await?;
                return Ok(());
            };
            if self.establish(site, &view, next).await?.is_some() {
                return self.delete(vec![keys.snapshot(view.manifest.erasure)]).await;
            }
        }
        Err(site.contended())
    }

    /// The next manifest with segments that lack these payloads, if any had one, and the blobs they named.
    async fn without(
        &self,
        site: &Site,
        view: &View,
        versions: &[Version],
    ) -> Result<Option<(Option<Manifest>, Vec<Arc<str>>)>> {
        let n = view.manifest.n + 1;
        let (mut blobs, mut changed) = (Vec::new(), false);
        let mut segments = Vec::new();
        for segment in &view.manifest.segments {
            if !versions.iter().any(|v| (segment.first..=segment.last).contains(v)) {
                segments.push(segment.clone());
                continue;
            }
            let Some(batches) = self.segment(site, segment, false).await? else { return Ok(None) };
            let mut batches = Vec::clone(&batches);
            let mut hit = false;
            for record in batches.iter_mut().flat_map(|batch| &mut batch.records) {
                if versions.contains(&record.version) && record.body != RecordBody::None {
                    if let RecordBody::Blob(name) = &record.body {
                        blobs.push(name.0.clone());
                    }
                    record.body = RecordBody::None;
                    record.salt = [0; 16];
                    hit = true;
                }
            }
            changed |= hit;
            if !hit {
                segments.push(segment.clone());
                continue;
            }
            let batches: Vec<_> = batches.into_iter().map(Arc::new).collect();
            let Some(segment) = self.write_segment(site, view, &batches).await? else {
                return Ok(None);
            };
            segments.push(segment);
        }
        let nonce = format!("{:032x}", rand::random::<u128>());
        let next = Manifest { n, nonce, segments, erasure: n, ..Manifest::clone(&view.manifest) };
        Ok(Some((changed.then_some(next), blobs)))
    }

    /// After a drop: everything but what keeps the space dropped.
    pub(super) async fn clear(&self, site: &Site, marks: Vec<Path>) -> Result<()> {
        let keys = &site.keys;
        let erasure = self.look(site).await?.manifest.erasure;
        self.fold(site).await?;
        let mut dead = self.keys_below(&keys.blobs()).await?;
        dead.push(keys.snapshot(erasure));
        dead.extend(marks);
        self.delete(dead).await
    }
}
