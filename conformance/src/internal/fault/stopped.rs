//! A journal and a workspace driver of which one call, whichever it is, goes wrong: that of a given number, counted over both.

use std::{
    collections::HashSet,
    fmt,
    future::{Future, pending},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sessile_core::{
    Error, Result,
    id::{Space, TenantId, ThreadId, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Head, Journal, JournalInfo, ListQuery, ListRow, Position,
        ReadRange, Record, Scrub, Snapshot,
    },
    workspace::{
        Begun, Disposal, FileChange, FileEntry, FilePath, Inspection, TreeChange, TreeId,
        WorkspaceCapabilities, WorkspaceDriver, WorkspaceName, WorkspaceRef,
    },
};
use tokio::sync::Notify;

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It fails and does nothing.
    Fails,
    /// It does what it should, and nobody is told.
    LosesReply,
    /// Whoever waits for it is dropped, before the call does anything, or after.
    Dropped {
        /// After it.
        done: bool,
    },
    /// The process ends, before the call does anything, or after.
    Killed {
        /// After it.
        done: bool,
    },
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Fails,
        Self::Dropped { done: false },
        Self::LosesReply,
        Self::Killed { done: true },
        Self::Dropped { done: true },
        Self::Killed { done: false },
    ];
}

/// Counts calls, and has one of them go wrong.
#[derive(Debug)]
pub struct CountedCalls {
    at: usize,
    way: Way,
    made: AtomicUsize,
    is_over: AtomicBool,
    came: AtomicBool,
    wrote: AtomicBool,
    is_off: AtomicBool,
    gone: Notify,
}

impl CountedCalls {
    /// That of this number, from 0, goes wrong in this way.
    pub fn stopped_at(at: usize, way: Way) -> Arc<Self> {
        Arc::new(Self {
            at,
            way,
            made: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            came: AtomicBool::new(false),
            wrote: AtomicBool::new(false),
            is_off: AtomicBool::new(false),
            gone: Notify::new(),
        })
    }

    /// From here on no call goes wrong any more, unless the process has ended.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Whether the call that goes wrong was made.
    pub fn came(&self) -> bool {
        self.came.load(Ordering::SeqCst)
    }

    /// Whether that call was to change anything.
    pub fn was_write(&self) -> bool {
        self.wrote.load(Ordering::SeqCst)
    }

    /// Waits until whoever waits for the call is to be dropped.
    pub async fn gone(&self) {
        self.gone.notified().await;
    }

    async fn read<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.counted(false, call, || Err(lost())).await
    }

    async fn write<T>(
        &self,
        call: impl Future<Output = Result<T>>,
        unknown: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.counted(true, call, unknown).await
    }

    async fn counted<T>(
        &self,
        is_write: bool,
        call: impl Future<Output = Result<T>>,
        unknown: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if self.is_off.load(Ordering::SeqCst) {
            return pending().await;
        }
        let is_over = self.is_over.load(Ordering::SeqCst);
        if is_over || self.made.fetch_add(1, Ordering::SeqCst) != self.at {
            return call.await;
        }
        self.came.store(true, Ordering::SeqCst);
        self.wrote.store(is_write, Ordering::SeqCst);
        let (is_done, is_off) = match self.way {
            Way::Fails => return Err(lost()),
            Way::LosesReply => {
                let _nobody_is_told = call.await;
                return unknown();
            }
            Way::Dropped { done } => (done, false),
            Way::Killed { done } => (done, true),
        };
        if is_done {
            let _nobody_is_told = call.await;
        }
        self.is_off.store(is_off, Ordering::SeqCst);
        self.gone.notify_one();
        pending().await
    }
}

fn lost() -> Error {
    Error::failed("it goes wrong on purpose")
}

const UNKNOWN: Commit = Commit::Indeterminate { source: None };

/// A journal whose calls are counted.
pub struct StoppedJournal {
    inner: Arc<dyn Journal>,
    calls: Arc<CountedCalls>,
}

impl StoppedJournal {
    /// Over a journal.
    pub fn over(inner: Arc<dyn Journal>, calls: Arc<CountedCalls>) -> Self {
        Self { inner, calls }
    }
}

impl fmt::Debug for StoppedJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoppedJournal").field("calls", &self.calls).finish_non_exhaustive()
    }
}

#[async_trait]
impl Journal for StoppedJournal {
    fn info(&self) -> &JournalInfo {
        self.inner.info()
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        self.calls.read(self.inner.head(space)).await
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        self.calls.write(self.inner.commit(space, expected, batch), || Ok(UNKNOWN)).await
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        self.calls.read(self.inner.read(space, range)).await
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.calls.write(self.inner.save_snapshot(space, snapshot), || Err(lost())).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.calls.read(self.inner.load_snapshot(space)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        self.calls.read(self.inner.list(query)).await
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        self.inner.wait(space, after, time).await
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.calls.write(self.inner.drop_space(space, expected), || Ok(UNKNOWN)).await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        self.calls.write(self.inner.erase(space, versions), || Err(lost())).await
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.inner.scrub().await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

#[async_trait]
impl Blobs for StoppedJournal {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.calls.write(self.inner.put_blob(space, bytes), || Err(lost())).await
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        self.calls.read(self.inner.get_blob(space, name, range)).await
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        let collected = self.inner.collect_blobs(space, in_use, older_than);
        self.calls.write(collected, || Err(lost())).await
    }
}

/// A workspace driver whose calls are counted.
#[derive(Debug)]
pub struct StoppedDriver {
    inner: Arc<dyn WorkspaceDriver>,
    calls: Arc<CountedCalls>,
}

impl StoppedDriver {
    /// Over a driver.
    pub fn over(inner: Arc<dyn WorkspaceDriver>, calls: Arc<CountedCalls>) -> Self {
        Self { inner, calls }
    }

    async fn write<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.calls.write(call, || Err(lost())).await
    }
}

#[async_trait]
impl WorkspaceDriver for StoppedDriver {
    fn kind(&self) -> &str {
        self.inner.kind()
    }

    fn capabilities(&self) -> WorkspaceCapabilities {
        self.inner.capabilities()
    }

    async fn create(
        &self,
        tenant: &TenantId,
        name: &WorkspaceName,
        base: Option<&str>,
    ) -> Result<Begun> {
        self.write(self.inner.create(tenant, name, base)).await
    }

    async fn branch(
        &self,
        name: &WorkspaceName,
        source: &WorkspaceRef,
        tree: Option<&TreeId>,
    ) -> Result<Begun> {
        self.write(self.inner.branch(name, source, tree)).await
    }

    async fn inspect(&self, of: &WorkspaceRef) -> Result<Option<Inspection>> {
        self.calls.read(self.inner.inspect(of)).await
    }

    async fn list_files(
        &self,
        of: &WorkspaceRef,
        folder: Option<&FilePath>,
    ) -> Result<Vec<FileEntry>> {
        self.calls.read(self.inner.list_files(of, folder)).await
    }

    async fn read_file(
        &self,
        of: &WorkspaceRef,
        path: &FilePath,
        tree: Option<&TreeId>,
    ) -> Result<Vec<u8>> {
        self.calls.read(self.inner.read_file(of, path, tree)).await
    }

    async fn change_files(&self, of: &WorkspaceRef, changes: &[FileChange]) -> Result<String> {
        self.write(self.inner.change_files(of, changes)).await
    }

    async fn snapshot(&self, of: &WorkspaceRef) -> Result<TreeId> {
        self.write(self.inner.snapshot(of)).await
    }

    async fn restore(&self, of: &WorkspaceRef, tree: &TreeId) -> Result<String> {
        self.write(self.inner.restore(of, tree)).await
    }

    async fn diff(
        &self,
        of: &WorkspaceRef,
        from: &TreeId,
        to: Option<&TreeId>,
    ) -> Result<Vec<TreeChange>> {
        self.calls.read(self.inner.diff(of, from, to)).await
    }

    async fn list(&self, store: u128) -> Result<Vec<WorkspaceName>> {
        self.calls.read(self.inner.list(store)).await
    }

    async fn dispose(&self, name: &WorkspaceName, force: bool) -> Result<Disposal> {
        self.write(self.inner.dispose(name, force)).await
    }

    async fn list_snapshots(&self, store: u128) -> Result<Vec<ThreadId>> {
        self.calls.read(self.inner.list_snapshots(store)).await
    }

    async fn drop_snapshots(&self, store: u128, thread: ThreadId) -> Result<()> {
        self.write(self.inner.drop_snapshots(store, thread)).await
    }
}
