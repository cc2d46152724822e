//! Scrubbing: deleting the objects of every space that do not count.
//!
//! A process that slept may still put a segment or a snapshot with what was erased: it looked before the erasure, and what
//! it sends arrives within a grace of its look. So a scrub is not done before a grace has passed since the erasure, by the
//! time of the store.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectStore as _, path::Path};
use sessile_core::error::Result;

use super::{
    Inner,
    keys::{JournalKey, SpaceKeys, part},
    look, millis,
};

/// Spaces that are cleaned at the same time.
const PARALLEL: usize = 16;

/// A space as a listing of the whole store shows it.
struct Found {
    keys: SpaceKeys,
    /// The newest manifest, and when it was put.
    manifest: (u64, u64),
    /// Snapshots, and after which erasure they were saved.
    snapshots: Vec<(u64, Path)>,
}

impl Inner {
    /// Every space there is, by its name.
    async fn find_all(&self) -> Result<BTreeMap<String, Found>> {
        let failed = |e| look::unavailable("list objects", e);
        let mut listed = self.store.list(Some(self.keys.root()));
        let mut spaces = BTreeMap::new();
        while let Some(meta) = listed.try_next().await.map_err(failed)? {
            let key = &meta.location;
            let (keys, snapshot) = match (SpaceKeys::of_key(key), SpaceKeys::of_snapshot(key)) {
                (Some(keys), _) => (keys, None),
                (None, Some((keys, erasure))) => (keys, Some(erasure)),
                (None, None) => continue,
            };
            let name = keys.name().to_owned();
            let new = || Found { keys, manifest: (0, 0), snapshots: Vec::new() };
            let found = spaces.entry(name).or_insert_with(new);
            if let Some(erasure) = snapshot {
                found.snapshots.push((erasure, key.clone()));
            } else if let Some(JournalKey::Manifest(n)) = part(key) {
                found.manifest = found.manifest.max((n, millis(&meta)));
            }
        }
        Ok(spaces)
    }

    /// Sweeps every space of the store; says how many have something that must wait.
    pub(super) async fn sweep_all(&self) -> Result<usize> {
        // Before anything is listed: what was on its way then, and is waited for, has arrived by the time it is.
        let now = self.store_time().await?;
        let spaces = self.find_all().await?;
        stream::iter(spaces.into_values())
            .map(|found| self.sweep_one(found, now))
            .buffer_unordered(PARALLEL)
            .try_fold(0, |waiting, is_left| async move { Ok(waiting + usize::from(is_left)) })
            .await
    }

    /// Whether something must wait.
    async fn sweep_one(&self, found: Found, now: u64) -> Result<bool> {
        let site = &self.site_of(found.keys);
        let mut view = self.look(site).await?;
        if view.dropped() {
            // It may have been cut off.
            self.clear(site, site.keys.marks(view.project())).await?;
            view = self.look(site).await?;
        }
        let (n, since) = found.manifest;
        let age = u128::from(now.saturating_sub(since));
        let is_old = n == view.manifest.n && age >= self.options.grace.as_millis();
        let kept = view.position().map(|_| view.manifest.erasure);
        let old = found.snapshots.into_iter().filter(|(erasure, _)| Some(*erasure) != kept);
        self.delete(old.map(|(_, key)| key).collect()).await?;
        let listed = self.keys_below(&site.keys.journal()).await?;
        let is_left = self.sweep(site, &view, listed).await?;
        Ok(is_left || (view.manifest.erasure > 0 && !is_old))
    }
}

/// Why a scrub is not done.
pub(super) fn why(waiting: usize, grace: std::time::Duration) -> String {
    format!(
        "{waiting} spaces wait: log objects may be deleted only {grace:?} after they were folded, as this handle has seen \
         it, and for as long what a process that slept has put may arrive after an erasure"
    )
}
