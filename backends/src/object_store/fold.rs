//! Folding a log into segments, and deleting what was folded. Any process may do it, at any time, twice, and be killed
//! anywhere.
//!
//! A fold writes a segment nobody knows, then creates the next manifest, which names it. Manifests are numbered, and the
//! greatest is never deleted: whoever makes one from an older state finds its number taken, or creates one that is not the
//! greatest and counts for nothing. Segments that the greatest manifest does not name, and that were not made for a later
//! one, can go at once. Log objects below the boundary wait for the grace: a writer that slept might create one anew.

use std::{collections::BTreeMap, sync::Arc};

use sessile_core::{
    error::{Error, Result},
    id::Version,
    journal::RecordBody,
};

use super::{
    Inner,
    commit::Created,
    format::{Logged, Manifest, Segment},
    keys::{Part, SpaceKeys, part},
    site::Site,
    view::View,
};

/// A segment is joined with the next as long as both together are no larger than this.
const SEGMENT_BYTES: u64 = 8 << 20;
/// Attempts of one fold, where others fold too.
const ATTEMPTS: usize = 8;

impl Inner {
    /// Folds after a commit, if there is enough. That it fails harms nobody.
    pub(super) async fn fold_when_due(&self, site: &Site) {
        let due = |view: Arc<View>| view.tail.len() >= self.options.fold_after;
        if site.cell.view().is_some_and(due) {
            let _ = self.fold(site).await;
        }
    }

    /// Folds the whole log, and deletes what may be deleted.
    pub(super) async fn fold(&self, site: &Site) -> Result<Arc<View>> {
        for _ in 0..ATTEMPTS {
            let view = self.look(site).await?;
            if view.tail.is_empty() {
                self.sweep(site, &view).await?;
                return Ok(view);
            }
            let Some(next) = self.next_manifest(site, &view).await? else { continue };
            if let Some(view) = self.establish(site, &view, next).await? {
                return Ok(view);
            }
        }
        Err(site.contended())
    }

    /// A manifest that has the tail in segments too; they are written. `None`: a segment went meanwhile.
    async fn next_manifest(&self, site: &Site, view: &View) -> Result<Option<Manifest>> {
        let n = view.manifest.n + 1;
        let mut next = Manifest {
            n,
            nonce: format!("{:032x}", rand::random::<u128>()),
            boundary: view.last(),
            link: view.position().map(|position| position.hash),
            project: view.project(),
            dropped: view.dropped(),
            segments: view.manifest.segments.clone(),
            card: view.card(),
        };
        if next.dropped {
            (next.segments, next.card) = (Vec::new(), None);
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
        next.segments.push(self.write_segment(site, n, &batches).await?);
        Ok(Some(next))
    }

    async fn write_segment(&self, site: &Site, n: u64, batches: &[Arc<Logged>]) -> Result<Segment> {
        let mut bytes = Vec::new();
        for batch in batches {
            let line = batch.encode();
            bytes.extend(line.ok_or_else(|| Error::invalid("batch", "is larger than 4 GiB"))?);
        }
        let segment = Segment {
            name: SpaceKeys::new_segment(n),
            first: batches.first().map_or(0, |batch| batch.first),
            last: batches.last().map_or(0, |batch| batch.last),
            bytes: bytes.len() as u64,
        };
        let key = site.keys.segment(&segment.name);
        match self.create(&key, bytes.into()).await? {
            Created::Fresh => Ok(segment),
            // The name is nobody else's, but the object may have come half way only in the store's own words: ask.
            Created::Doubt(source) => match self.get(&key).await? {
                Some(there) if there.len() as u64 == segment.bytes => Ok(segment),
                _ => Err(Error::Unavailable {
                    reason: "the object store did not take a segment".into(),
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
        let now = self.look(site).await?;
        let is_ours = now.manifest.n == next.n && now.manifest.nonce == next.nonce;
        if is_ours {
            let kept = |segment: &Segment| next.segments.iter().any(|s| s.name == segment.name);
            for segment in view.manifest.segments.iter().filter(|segment| !kept(segment)) {
                self.kept.drop_segment(&segment.name);
            }
        }
        self.sweep(site, &now).await?;
        Ok(is_ours.then_some(now))
    }

    /// Deletes what counts for nothing any more: older manifests and unnamed segments at once, log objects a grace after
    /// this handle first saw the boundary above them. Says whether log objects are left below the boundary.
    pub(super) async fn sweep(&self, site: &Site, view: &View) -> Result<bool> {
        let settled = site.cell.settled(self.options.clock.elapsed(), self.options.grace);
        let (manifest, mut dead, mut is_left) = (&view.manifest, Vec::new(), false);
        for key in self.keys_below(&site.keys.journal()).await? {
            let is_dead = match part(&key) {
                Some(Part::Manifest(n)) => n < manifest.n,
                Some(Part::Segment(n, name)) => {
                    n <= manifest.n && !manifest.segments.iter().any(|s| s.name == name)
                }
                Some(Part::Log(first)) => {
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
            let mut view = self.look(site).await?;
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
            let mut dead: Vec<_> = blobs.iter().map(|name| keys.blob(name)).collect();
            dead.push(keys.snapshot());
            self.delete(dead).await?;
            let Some(next) = next else {
                // An erasure that was cut off may have left the old segments.
                self.sweep(site, &view).await?;
                return Ok(());
            };
            if self.establish(site, &view, next).await?.is_some() {
                return Ok(());
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
            segments.push(if hit {
                let batches: Vec<_> = batches.into_iter().map(Arc::new).collect();
                self.write_segment(site, n, &batches).await?
            } else {
                segment.clone()
            });
        }
        let nonce = format!("{:032x}", rand::random::<u128>());
        let next = Manifest { n, nonce, segments, ..Manifest::clone(&view.manifest) };
        Ok(Some((changed.then_some(next), blobs)))
    }

    /// After a drop: everything but what keeps the space dropped.
    pub(super) async fn clear(
        &self,
        site: &Site,
        marks: Vec<object_store::path::Path>,
    ) -> Result<()> {
        let keys = &site.keys;
        self.fold(site).await?;
        let mut dead = self.keys_below(&keys.blobs()).await?;
        dead.push(keys.snapshot());
        dead.extend(marks);
        self.delete(dead).await
    }

    /// Sweeps every space of the store; says how many have log objects that must wait.
    pub(super) async fn sweep_all(&self) -> Result<usize> {
        let mut spaces = BTreeMap::new();
        for key in self.keys_below(self.keys.root()).await? {
            if let (Some(keys), Some(_)) = (SpaceKeys::of_key(&key), part(&key)) {
                spaces.insert(keys.name().to_owned(), keys);
            }
        }
        let mut waiting = 0;
        for keys in spaces.into_values() {
            let site = &self.site_of(keys);
            let mut view = self.look(site).await?;
            if view.dropped() {
                // It may have been cut off.
                self.clear(site, site.keys.marks(view.project())).await?;
                view = self.look(site).await?;
            }
            waiting += usize::from(self.sweep(site, &view).await?);
        }
        Ok(waiting)
    }
}

/// Why a scrub is not done.
pub(super) fn why(waiting: usize, grace: std::time::Duration) -> String {
    format!(
        "log objects of {waiting} spaces may be deleted only {grace:?} after they were folded, as this handle has seen it"
    )
}
