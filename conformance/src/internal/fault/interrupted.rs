//! A journal with one thing that happens between two of its calls.

use std::{
    collections::HashSet,
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
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

use crate::BoxFuture;

/// A call that can be interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `commit`.
    Commit,
    /// `read`.
    Read,
    /// `erase`.
    Erase,
    /// `drop_space`.
    Drop,
}

/// Passes every call on. Before one call of one kind it runs a future, once; if that fails, the call is not passed on and
/// answers its error.
pub struct InterruptedJournal {
    inner: Arc<dyn Journal>,
    call: Call,
    /// Such calls that come before.
    passed: AtomicUsize,
    event: Mutex<Option<BoxFuture<'static, Result<()>>>>,
}

impl InterruptedJournal {
    /// Over a journal, with what happens before the first call of this kind.
    pub fn before(
        inner: Arc<dyn Journal>,
        call: Call,
        event: impl Future<Output = Result<()>> + Send + 'static,
    ) -> Arc<Self> {
        Self::after(inner, call, 0, event)
    }

    /// The same before the next such call after some.
    pub fn after(
        inner: Arc<dyn Journal>,
        call: Call,
        some: usize,
        event: impl Future<Output = Result<()>> + Send + 'static,
    ) -> Arc<Self> {
        let event = Mutex::new(Some(Box::pin(event) as BoxFuture<'static, _>));
        Arc::new(Self { inner, call, passed: some.into(), event })
    }

    /// Whether it happened.
    pub fn is_over(&self) -> bool {
        self.event.lock().unwrap().is_none()
    }

    async fn interrupt(&self, call: Call) -> Result<()> {
        let less = |left: usize| left.checked_sub(1);
        let is_it = call == self.call
            && self.passed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err();
        let event = if is_it { self.event.lock().unwrap().take() } else { None };
        match event {
            Some(event) => event.await,
            None => Ok(()),
        }
    }
}

impl fmt::Debug for InterruptedJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterruptedJournal").field("call", &self.call).finish_non_exhaustive()
    }
}

#[async_trait]
impl Journal for InterruptedJournal {
    fn info(&self) -> &JournalInfo {
        self.inner.info()
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        self.inner.head(space).await
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        self.interrupt(Call::Commit).await?;
        self.inner.commit(space, expected, batch).await
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        self.interrupt(Call::Read).await?;
        self.inner.read(space, range).await
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.inner.save_snapshot(space, snapshot).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.inner.load_snapshot(space).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        self.inner.list(query).await
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        self.inner.wait(space, after, time).await
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.interrupt(Call::Drop).await?;
        self.inner.drop_space(space, expected).await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        self.interrupt(Call::Erase).await?;
        self.inner.erase(space, versions).await
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.inner.scrub().await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

#[async_trait]
impl Blobs for InterruptedJournal {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.inner.put_blob(space, bytes).await
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        self.inner.get_blob(space, name, range).await
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        self.inner.collect_blobs(space, in_use, older_than).await
    }
}
