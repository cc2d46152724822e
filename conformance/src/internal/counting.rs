//! A journal that counts the calls to another.

use std::{
    collections::HashSet,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sessile_core::{
    Result,
    id::{Space, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Head, Journal, JournalInfo, ListQuery, ListRow, Position,
        ReadRange, Record, Scrub, Snapshot,
    },
};

/// Passes everything on, and counts calls and records.
#[derive(Debug)]
pub struct CountingJournal {
    below: Arc<dyn Journal>,
    calls: AtomicU64,
    records: AtomicU64,
}

impl CountingJournal {
    /// Watches a journal.
    pub fn new(below: Arc<dyn Journal>) -> Arc<Self> {
        Arc::new(Self { below, calls: AtomicU64::new(0), records: AtomicU64::new(0) })
    }

    /// Calls so far, of any kind but `info`.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Records read so far.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::SeqCst)
    }

    fn count(&self) -> &dyn Journal {
        self.calls.fetch_add(1, Ordering::SeqCst);
        &*self.below
    }
}

#[async_trait]
impl Journal for CountingJournal {
    fn info(&self) -> &JournalInfo {
        self.below.info()
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        self.count().head(space).await
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        self.count().commit(space, expected, batch).await
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        let records = self.count().read(space, range).await?;
        self.records.fetch_add(records.len() as u64, Ordering::SeqCst);
        Ok(records)
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.count().save_snapshot(space, snapshot).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.count().load_snapshot(space).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        self.count().list(query).await
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        self.count().wait(space, after, time).await
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.count().drop_space(space, expected).await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        self.count().erase(space, versions).await
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.count().scrub().await
    }

    async fn close(&self) -> Result<()> {
        self.count().close().await
    }
}

#[async_trait]
impl Blobs for CountingJournal {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.count().put_blob(space, bytes).await
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        self.count().get_blob(space, name, range).await
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        self.count().collect_blobs(space, in_use, older_than).await
    }
}
