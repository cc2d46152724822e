//! A journal that can be damaged, or replaced, while a store is open over it.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use sessile_conformance::Damage;
use sessile_core::{
    error::{Error, Result},
    id::{Space, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Direction, Head, Journal, JournalInfo, ListQuery, ListRow,
        Position, ReadRange, Record, RecordBody, Scrub, Snapshot, Stream,
    },
};
use sessile_driver::{check, lock};

use crate::{
    journals::all,
    text::{flip, flip_bytes},
};

/// Passes every call on to a journal, and answers reads of damaged spaces as a journal over a damaged medium would.
#[derive(Debug)]
pub struct WrappedJournal {
    info: JournalInfo,
    inner: Mutex<Arc<dyn Journal>>,
    damages: Mutex<HashMap<Space, Vec<(Version, Damage)>>>,
    blobs: Mutex<HashSet<BlobName>>,
}

impl WrappedJournal {
    /// Over this journal, undamaged.
    pub fn new(inner: Arc<dyn Journal>) -> Self {
        Self {
            info: inner.info().clone(),
            inner: Mutex::new(inner),
            damages: Mutex::default(),
            blobs: Mutex::default(),
        }
    }

    /// The journal it passes calls on to.
    pub fn inner(&self) -> Arc<dyn Journal> {
        lock(&self.inner).clone()
    }

    /// Passes calls on to another journal from now on: another handle of the same store.
    pub fn replace(&self, journal: Arc<dyn Journal>) {
        *lock(&self.inner) = journal;
    }

    /// Damages a record, as its reads see it; returns whether there is such a record.
    pub async fn damage(&self, space: &Space, version: Version, damage: Damage) -> bool {
        let records = self.undamaged(space).await.unwrap();
        let Some(record) = records.iter().find(|record| record.version == version) else {
            return false;
        };
        match (&record.body, damage) {
            (RecordBody::Blob(name), Damage::FlipBody) => {
                lock(&self.blobs).insert(name.clone());
            }
            _ => lock(&self.damages).entry(space.clone()).or_default().push((version, damage)),
        }
        true
    }

    /// All records of a space.
    async fn undamaged(&self, space: &Space) -> Result<Vec<Record>> {
        let mut records: Vec<Record> = Vec::new();
        loop {
            let after = records.last().map_or(0, |record| record.version);
            let more = self.inner().read(space, &ReadRange { after, ..all() }).await?;
            if more.is_empty() {
                return Ok(records);
            }
            records.extend(more);
        }
    }
}

/// Damages a record among all of a space; `None` is a record that is missing.
fn apply(records: &mut Vec<Option<Record>>, version: Version, damage: Damage) {
    let at = usize::try_from(version).unwrap() - 1;
    match damage {
        Damage::FlipHeader => {
            if let Some(record) = &mut records[at] {
                record.header = flip(&record.header).into();
            }
        }
        Damage::FlipBody => {
            if let Some(Record { body: RecordBody::Inline(text), .. }) = &mut records[at] {
                *text = flip(text).into();
            }
        }
        Damage::Swap(with) => records.swap(at, usize::try_from(with).unwrap() - 1),
        Damage::Drop => records[at] = None,
        Damage::Insert => records.insert(at + 1, records[at].clone()),
    }
    for (version, record) in (1..).zip(records) {
        if let Some(record) = record {
            record.version = version;
        }
    }
}

#[async_trait]
impl Journal for WrappedJournal {
    fn info(&self) -> &JournalInfo {
        &self.info
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        self.inner().head(space).await
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        self.inner().commit(space, expected, batch).await
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        let damages = lock(&self.damages).get(space).cloned();
        let Some(damages) = damages else { return self.inner().read(space, range).await };
        let records = self.undamaged(space).await?;
        let streams: Vec<Stream> = records.iter().map(|record| record.stream).collect();
        let mut records: Vec<Option<Record>> = records.into_iter().map(Some).collect();
        for (version, damage) in damages {
            apply(&mut records, version, damage);
        }
        let upto = range.upto.min(streams.len() as u64);
        let mut versions: Vec<Version> = (range.after.saturating_add(1)..=upto)
            .filter(|version| range.stream.is_none_or(|of| streams[*version as usize - 1] == of))
            .collect();
        if range.direction == Direction::Backward {
            versions.reverse();
        }
        let missing = |version| Error::corrupt(space, version, "the record is missing");
        let record = |version: Version| records[version as usize - 1].clone();
        versions
            .into_iter()
            .take(range.limit)
            .map(|version| record(version).ok_or_else(|| missing(version)))
            .collect()
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.inner().save_snapshot(space, snapshot).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.inner().load_snapshot(space).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        self.inner().list(query).await
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        self.inner().wait(space, after, time).await
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.inner().drop_space(space, expected).await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        self.inner().erase(space, versions).await
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.inner().scrub().await
    }

    async fn close(&self) -> Result<()> {
        self.inner().close().await
    }
}

#[async_trait]
impl Blobs for WrappedJournal {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.inner().put_blob(space, bytes).await
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        if !lock(&self.blobs).contains(name) {
            return self.inner().get_blob(space, name, range).await;
        }
        let mut bytes = self.inner().get_blob(space, name, None).await?;
        flip_bytes(&mut bytes);
        let (start, len) = check::clamp_range(bytes.len() as u64, range);
        Ok(bytes[start as usize..(start + len) as usize].to_vec())
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        self.inner().collect_blobs(space, in_use, older_than).await
    }
}
