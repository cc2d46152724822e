//! Damage to a store of objects: objects are written again where they are, each line whole.

use futures_util::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path};
use sessile_conformance::Damage;
use sessile_core::{
    id::{Space, SpaceKind, Version},
    journal::{Card, Record, RecordBody},
};
use sessile_driver::lines::{frame, line, name};

use crate::text::{flip, flip_bytes};

const BATCH: &[u8] = b"\"batch\":";

/// The line of a batch.
struct BatchLine {
    /// `first`, `last`, and what else its writer states.
    heading: serde_json::Value,
    card: Option<Card>,
    records: Vec<Record>,
}

impl BatchLine {
    fn decode_all(bytes: &[u8]) -> Vec<Self> {
        let mut rest = bytes;
        let mut batches = Vec::new();
        while !rest.is_empty() {
            let line = frame::line(rest).unwrap();
            let heading = frame::members(line).strip_prefix(BATCH).unwrap();
            let (card, records) = line::content(line).unwrap();
            batches.push(Self { heading: line::first(heading).unwrap(), card, records });
            rest = &rest[line.len()..];
        }
        batches
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = frame::start();
        bytes.extend_from_slice(BATCH);
        serde_json::to_writer(&mut bytes, &self.heading).unwrap();
        line::write_content(&mut bytes, self.card.as_ref(), &self.records).unwrap();
        frame::finish(bytes).unwrap()
    }

    fn first(&self) -> Version {
        self.heading["first"].as_u64().unwrap()
    }

    fn last(&self) -> Version {
        self.heading["last"].as_u64().unwrap()
    }

    fn set_first(&mut self, version: Version) {
        self.heading["first"] = version.into();
    }

    fn set_last(&mut self, version: Version) {
        self.heading["last"] = version.into();
    }

    fn holds(&self, version: Version) -> bool {
        (self.first()..=self.last()).contains(&version)
    }
}

/// Damages the record at a version of a space of the store below this prefix. Handles may still have it in their caches.
pub async fn damage(
    store: &dyn ObjectStore,
    prefix: &str,
    space: &Space,
    version: Version,
    damage: Damage,
) -> bool {
    let kind = match space.kind() {
        SpaceKind::Project => "projects",
        SpaceKind::Thread => "threads",
        SpaceKind::Tenant => "tenant",
    };
    let tenant = name::folder(space.tenant().as_str()).replace('%', "=");
    let folder = below(prefix).join(tenant).join(kind).join(space.characters());
    let (log, segments) = (
        folder.clone().join("journal").join("log"),
        folder.clone().join("journal").join("segment"),
    );
    let mut is_in_segment = false;
    for key in keys(store, &segments).await {
        let mut batches = BatchLine::decode_all(&get(store, &key).await);
        if batches.iter().any(|batch| batch.holds(version)) {
            is_in_segment = true;
            if flip_blob(store, &folder, &mut batches, version, damage).await {
                return true;
            }
            if apply(&mut batches, version, damage).is_none() {
                return false;
            }
            let bytes = batches.iter().flat_map(BatchLine::encode).collect();
            put(store, &key, bytes).await;
        }
    }
    if is_in_segment {
        return true;
    }
    let keys = keys(store, &log).await;
    let mut batches = Vec::new();
    for key in &keys {
        batches.extend(BatchLine::decode_all(&get(store, key).await));
    }
    if flip_blob(store, &folder, &mut batches, version, damage).await {
        return true;
    }
    if apply(&mut batches, version, damage).is_none() {
        return false;
    }
    for key in &keys {
        store.delete(key).await.unwrap();
    }
    for batch in &batches {
        put(store, &log.clone().join(format!("{:020}", batch.first())), batch.encode()).await;
    }
    true
}

/// Makes the store below this prefix say that it has another format.
pub async fn set_format(store: &dyn ObjectStore, prefix: &str, format: u32) {
    let key = below(prefix).join("_sessile.json");
    let mut meta: serde_json::Value = serde_json::from_slice(&get(store, &key).await).unwrap();
    meta["sessile"] = format.into();
    put(store, &key, serde_json::to_vec(&meta).unwrap()).await;
}

fn below(prefix: &str) -> Path {
    prefix.split('/').filter(|part| !part.is_empty()).collect()
}

async fn keys(store: &dyn ObjectStore, folder: &Path) -> Vec<Path> {
    let all = store.list(Some(folder)).map_ok(|meta| meta.location);
    let mut keys: Vec<Path> = all.try_collect().await.unwrap();
    keys.sort();
    keys
}

async fn get(store: &dyn ObjectStore, key: &Path) -> Vec<u8> {
    store.get(key).await.unwrap().bytes().await.unwrap().to_vec()
}

async fn put(store: &dyn ObjectStore, key: &Path, bytes: Vec<u8>) {
    store.put(key, bytes.into()).await.unwrap();
}

/// Flips a bit of the body of a record if it is a blob; `false` if it is none.
async fn flip_blob(
    store: &dyn ObjectStore,
    folder: &Path,
    batches: &mut [BatchLine],
    version: Version,
    damage: Damage,
) -> bool {
    let record = find(batches, version).filter(|_| damage == Damage::FlipBody);
    let Some(RecordBody::Blob(name)) = record.map(|record| record.body.clone()) else {
        return false;
    };
    let key = folder.clone().join("blob").join(&*name.0);
    let mut bytes = get(store, &key).await;
    flip_bytes(&mut bytes);
    put(store, &key, bytes).await;
    true
}

fn find(batches: &mut [BatchLine], version: Version) -> Option<&mut Record> {
    batches.iter_mut().flat_map(|batch| &mut batch.records).find(|r| r.version == version)
}

fn apply(batches: &mut [BatchLine], version: Version, damage: Damage) -> Option<()> {
    match damage {
        Damage::FlipHeader => {
            let record = find(batches, version)?;
            record.header = flip(&record.header).into();
        }
        Damage::FlipBody => {
            let record = find(batches, version)?;
            let RecordBody::Inline(text) = &record.body else { return None };
            record.body = RecordBody::Inline(flip(text).into());
        }
        Damage::Swap(with) => {
            let (one, other) = (find(batches, version)?.clone(), find(batches, with)?.clone());
            *find(batches, version)? = Record { version, ..other };
            *find(batches, with)? = Record { version: with, ..one };
        }
        Damage::Drop => {
            let batch = batches.iter_mut().find(|b| b.holds(version))?;
            batch.records.retain(|record| record.version != version);
        }
        Damage::Insert => {
            let copied = find(batches, version)?.clone();
            let added = version + 1;
            for batch in &mut *batches {
                for record in batch.records.iter_mut().filter(|r| r.version >= added) {
                    record.version += 1;
                }
                if let Some(at) = batch.records.iter().position(|r| r.version == version) {
                    batch.records.insert(at + 1, Record { version: added, ..copied.clone() });
                    batch.set_last(batch.last() + 1);
                } else {
                    batch.set_first(batch.first() + u64::from(batch.first() >= added));
                    batch.set_last(batch.last() + u64::from(batch.last() >= added));
                }
            }
        }
    }
    Some(())
}
