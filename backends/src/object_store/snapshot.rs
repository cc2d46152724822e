//! Snapshots: one object for each space, named after the last erasure.
//!
//! One that was saved before an erasure, or lands after it, has another name than the one that is read then, and goes with
//! the next scrub.

use bytes::Bytes;
use futures_util::future;
use object_store::{ObjectStore as _, PutOptions};
use sessile_core::{
    error::Result,
    hash::Hash,
    journal::{Position, Snapshot},
};

use super::{Inner, look, site::Site};

/// Version, link, then the bytes.
fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = snapshot.position.version.to_be_bytes().to_vec();
    bytes.extend_from_slice(snapshot.position.hash.bytes());
    bytes.extend_from_slice(&snapshot.bytes);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Snapshot> {
    let (version, rest) = bytes.split_first_chunk::<8>()?;
    let (hash, bytes) = rest.split_first_chunk::<32>()?;
    let position =
        Position { version: u64::from_be_bytes(*version), hash: Hash::from_bytes(*hash) };
    Some(Snapshot { position, bytes: bytes.to_vec() })
}

impl Inner {
    /// Saves a snapshot, unless a newer one is there.
    pub(super) async fn save_snapshot(&self, site: &Site, snapshot: &Snapshot) -> Result<()> {
        let view = match site.cell.view() {
            // It must not land after a scrub that waited for it.
            Some(view) if self.is_look_fresh(&view) => view,
            _ => self.look(site).await?,
        };
        let Some(head) = view.position() else { return Ok(()) };
        let erasure = view.manifest.erasure;
        let newer = self.snapshot(site, erasure).await?.is_some_and(|kept| {
            kept.position.version > snapshot.position.version
                && kept.position.version <= head.version
        });
        if newer {
            return Ok(());
        }
        let bytes = Bytes::from(encode(snapshot));
        let key = site.keys.snapshot(erasure);
        let put = self.store.put_opts(&key, bytes.into(), PutOptions::default()).await;
        put.map(|_| ()).map_err(|e| look::unavailable("keep a snapshot", e))
    }

    /// The snapshot saved since the last erasure there is: that is looked up, at the same time if one is known.
    pub(super) async fn load_snapshot(&self, site: &Site) -> Result<Option<Snapshot>> {
        let known = site.cell.view().map(|view| view.manifest.erasure);
        let reading = async {
            match known {
                Some(erasure) => self.snapshot(site, erasure).await,
                None => Ok(None),
            }
        };
        let (view, read) = future::try_join(self.look(site), reading).await?;
        match view.manifest.erasure {
            _ if view.dropped() => Ok(None),
            erasure if known == Some(erasure) => Ok(read),
            erasure => self.snapshot(site, erasure).await,
        }
    }

    async fn snapshot(&self, site: &Site, erasure: u64) -> Result<Option<Snapshot>> {
        let bytes = self.get(&site.keys.snapshot(erasure)).await?;
        Ok(bytes.as_deref().and_then(decode))
    }
}
