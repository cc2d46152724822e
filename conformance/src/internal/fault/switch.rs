//! A journal that can be replaced by another while stores use it.

use std::{
    collections::HashSet,
    ops::Range,
    sync::{Arc, Mutex},
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

/// Passes every call on to the journal that is in place now. `info` is that of the first.
#[derive(Debug)]
pub struct ReplaceableJournal {
    info: JournalInfo,
    now: Mutex<Arc<dyn Journal>>,
}

impl ReplaceableJournal {
    /// Over a journal.
    pub fn over(journal: Arc<dyn Journal>) -> Self {
        Self { info: journal.info().clone(), now: Mutex::new(journal) }
    }

    /// Replaces it by another, as the restore of a backup does.
    pub fn to(&self, journal: Arc<dyn Journal>) {
        *self.now.lock().unwrap() = journal;
    }

    fn now(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.now.lock().unwrap())
    }
}

#[async_trait]
impl Journal for ReplaceableJournal {
    fn info(&self) -> &JournalInfo {
        &self.info
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        self.now().head(space).await
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        self.now().commit(space, expected, batch).await
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        self.now().read(space, range).await
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.now().save_snapshot(space, snapshot).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.now().load_snapshot(space).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        self.now().list(query).await
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        self.now().wait(space, after, time).await
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.now().drop_space(space, expected).await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        self.now().erase(space, versions).await
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.now().scrub().await
    }

    async fn close(&self) -> Result<()> {
        self.now().close().await
    }
}

#[async_trait]
impl Blobs for ReplaceableJournal {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.now().put_blob(space, bytes).await
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        self.now().get_blob(space, name, range).await
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        self.now().collect_blobs(space, in_use, older_than).await
    }
}
