//! A journal over another whose blobs come back with a wrong byte, as from a bad disk.

use std::{ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use sessile_core::{
    Result,
    id::{Space, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Head, Journal, JournalInfo, ListQuery, ListRow, Position,
        ReadRange, Record, Snapshot,
    },
};

/// Passes everything on; the middle byte of each blob read is wrong.
#[derive(Debug)]
pub struct Bent(Arc<dyn Journal>);

impl Bent {
    /// Over this journal.
    pub fn over(journal: Arc<dyn Journal>) -> Self {
        Self(journal)
    }
}

#[async_trait]
impl Journal for Bent {
    fn info(&self) -> &JournalInfo {
        self.0.info()
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        self.0.head(space).await
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        self.0.commit(space, expected, batch).await
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        self.0.read(space, range).await
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.0.save_snapshot(space, snapshot).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.0.load_snapshot(space).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        self.0.list(query).await
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        self.0.wait(space, after, time).await
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.0.drop_space(space, expected).await
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}

#[async_trait]
impl Blobs for Bent {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.0.put_blob(space, bytes).await
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        let mut bytes = self.0.get_blob(space, name, range).await?;
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 1;
        }
        Ok(bytes)
    }
}
