//! A journal in a store of objects: S3, Google Cloud Storage, Azure Blob Storage, a folder, memory.
//!
//! # What it promises
//!
//! - A batch is one object, created only if it is absent; whoever creates `log/<head + 1>` has committed. Nothing is ever
//!   changed in place, so it needs no more of a store than that, and strongly consistent reads and lists. [`Objects::open`]
//!   tries the first out, under a race too, and refuses a store that does not keep it.
//! - Any processes of any hosts may share a store. An acknowledged commit survives what the store says it survives.
//! - A lost or repeated request, a lost reply and a late one are told apart by what is in the store: done, refused, or
//!   [`Indeterminate`](sessile_core::journal::Commit::Indeterminate); a key that is absent proves nothing.
//! - The log is folded into segments of up to 8 MiB, after every 64 commits by the writer, by whom
//!   [`Objects::fold`] calls, at any time and by several at once. A folded log object is deleted a
//!   [grace](Options::grace) later. A writer that slept longer than half a grace between its look and its reply looks
//!   again before it answers: what it created where a deleted object had been counts for nothing.
//!
//! # What it costs
//!
//! Requests, counted by tests (DELETEs apart, which follow a fold):
//!
//! | operation | requests |
//! | --- | --- |
//! | commit | 1 PUT; folding adds at most a tenth |
//! | commit, half a grace or more after the last look or commit | 1 PUT, 1 LIST, 1 GET |
//! | commit that another was faster than | 1 PUT, 1 GET, 1 LIST, then as from the beginning |
//! | first commit of a space | 2 PUTs more, 1 for a project: the marks for lists |
//! | head of a space that is known | 1 GET, or 1 LIST half a grace or more after the last look; 1 GET more for each commit that was missed, up to 3 |
//! | head of a space that is not known | 1 LIST, 1 GET if it was ever folded, 1 for each object of its tail: at most as many as are folded at once, 16 in parallel |
//! | head and snapshot, after a fold | at most 4 |
//! | the last 50 records of a journal that was folded | at most 2 |
//! | a page of a list by id | 1 LIST, and a head for each row: 101 for 100 known threads |
//! | a page of a list by time of update | 1 LIST, and a head for each space of its scope |
//! | `wait` | a head each 20 ms to 1 s |
//!
//! A LIST is a request for each 1,000 keys it brings: log objects stay for a grace, and a list reads all marks of its scope.
//!
//! Every answer is as of now. [`Read::Cached`](sessile_core::command::Read::Cached) spares the head in front of an answer from
//! memory; a list has no memory and is always as of now.
//!
//! # What it does not promise
//!
//! - Anything in a store that is changed by other hands while it is open: put back from a backup, expired by a rule.
//! - That erased bytes leave the store before `scrub` is done, which takes a grace after the erasure; versions and deleted
//!   copies that a bucket is told to keep are out of reach. What a process that slept sends before its look is half a grace
//!   old is waited for; a request that takes longer than that is not.
//! - That a commit which was never acknowledged leaves no object behind: one that lands late, after a drop, say, is read by
//!   nobody, and goes with the next scrub.
//! - Speed for one writer: a commit takes as long as a PUT. Spaces are independent of each other.
//! - Google Cloud Storage goes down the same code path as the others, but is not tested against a server.
//!
//! The layout of keys is in `keys.rs`; every object is lines of JSON with length and checksum.

#[cfg(feature = "cloud")]
mod cloud;
mod commit;
mod fold;
mod format;
mod keys;
mod lists;
mod look;
mod open;
mod options;
mod probe;
mod scrub;
mod site;
mod snapshot;
mod view;

use std::{
    collections::HashSet,
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt as _, PutOptions};
use sessile_core::{
    error::{Error, Result, Subject},
    id::{Space, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Head, Journal, JournalInfo, ListQuery, ListRow, Position,
        ReadRange, Record, Scrub, Snapshot,
    },
};

#[cfg(feature = "cloud")]
pub use self::cloud::{Cloud, client, connect};
pub use self::options::Options;
use self::{commit::Created, keys::Keys, view::Kept};
use sessile_driver::{
    check, clock, coop,
    notifier::{self, Notifier},
};

/// A journal in a store of objects. See the [module](self) for what it promises.
pub struct Objects {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn ObjectStore>,
    keys: Keys,
    options: Options,
    info: JournalInfo,
    kept: Kept,
    notifier: Notifier,
    closed: AtomicBool,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("info", &self.inner.info).finish_non_exhaustive()
    }
}

impl Objects {
    /// Opens the store below a prefix (`""` for all of it), or makes one there.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the store lets two create one object; `NewerFormat` if a newer release wrote it; `Unavailable` if it
    /// cannot be reached or written.
    pub async fn open(store: Arc<dyn ObjectStore>, prefix: &str, options: Options) -> Result<Self> {
        let (durability, sharing) = (options.durability, options.sharing);
        let info = |id| JournalInfo::new("object_store", id, durability, sharing, open::FORMAT);
        let mut inner = Inner {
            store,
            keys: Keys::new(prefix),
            options,
            info: info(0),
            kept: Kept::default(),
            notifier: Notifier::new(),
            closed: AtomicBool::new(false),
        };
        inner.try_out().await?;
        let (id, grace) = inner.meet().await?;
        (inner.info, inner.options.grace) = (info(id), grace);
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens the store in a folder of this host, which is made if it is missing. Every write is flushed.
    pub async fn open_folder(
        folder: impl AsRef<std::path::Path>,
        options: Options,
    ) -> Result<Self> {
        let folder = folder.as_ref();
        let invalid = |e: String| Error::invalid("path", format!("{}: {e}", folder.display()));
        std::fs::create_dir_all(folder).map_err(|e| invalid(e.to_string()))?;
        let store = object_store::local::LocalFileSystem::new_with_prefix(folder)
            .map_err(|e| invalid(e.to_string()))?
            .with_fsync(true);
        Self::open(Arc::new(store), "", options).await
    }

    /// Folds the log of a space into segments, and deletes what may be deleted. Any process may, at any time.
    pub async fn fold(&self, space: &Space) -> Result<()> {
        self.inner.check()?;
        self.inner.fold(&self.inner.site(space)).await.map(|_| ())
    }
}

impl Inner {
    fn check(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(check::closed()) } else { Ok(()) }
    }

    /// Puts a trial object and asks when that was: milliseconds of the store's time, not of this host's.
    async fn store_time(&self) -> Result<u64> {
        let key = self.keys.trial();
        let unavailable = |e| look::unavailable("read the time of the store", e);
        let put = PutOptions::default();
        self.store
            .put_opts(&key, Bytes::from_static(b"now").into(), put)
            .await
            .map_err(unavailable)?;
        let meta = self.store.head(&key).await.map_err(unavailable);
        let _ = self.delete(vec![key]).await;
        Ok(millis(&meta?))
    }
}

fn millis(meta: &object_store::ObjectMeta) -> u64 {
    u64::try_from(meta.last_modified.timestamp_millis()).unwrap_or(0)
}

#[async_trait]
impl Journal for Objects {
    fn info(&self) -> &JournalInfo {
        &self.inner.info
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        coop::yield_budget().await;
        self.inner.check()?;
        Ok(self.inner.peek(&self.inner.site(space)).await?.head())
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        coop::yield_budget().await;
        self.inner.check()?;
        check::batch(&self.inner.info.limits, space, expected, batch)?;
        self.inner.commit(space, expected, batch).await
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        coop::yield_budget().await;
        self.inner.check()?;
        if range.limit == 0 || range.after >= range.upto {
            return Ok(Vec::new());
        }
        self.inner.read(&self.inner.site(space), range).await
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        let inner = &self.inner;
        inner.check()?;
        let limit = inner.info.limits.blob_bytes;
        check::require_within(space, "bytes of a snapshot", limit, snapshot.bytes.len())?;
        inner.save_snapshot(&inner.site(space), snapshot).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.inner.check()?;
        self.inner.load_snapshot(&self.inner.site(space)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        coop::yield_budget().await;
        self.inner.check()?;
        self.inner.list(query).await
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        let inner = &self.inner;
        let site = inner.site(space);
        let until = clock::deadline(time);
        let mut pause = Duration::from_millis(20);
        loop {
            let listener = inner.notifier.listen(space);
            inner.check()?;
            let view = inner.peek(&site).await?;
            if view.last() > after || view.dropped() {
                return Ok(true);
            }
            let left = until.saturating_duration_since(clock::instant());
            if left.is_zero() {
                return Ok(false);
            }
            notifier::notified(listener, left.min(pause)).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        coop::yield_budget().await;
        self.inner.check()?;
        self.inner.drop_space(space, expected).await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        self.inner.check()?;
        self.inner.erase(&self.inner.site(space), versions).await
    }

    /// Lists the whole store.
    async fn scrub(&self) -> Result<Scrub> {
        self.inner.check()?;
        Ok(match self.inner.sweep_all().await? {
            0 => Scrub::Done,
            waiting => Scrub::Pending { why: scrub::why(waiting, self.inner.options.grace) },
        })
    }

    async fn close(&self) -> Result<()> {
        if self.inner.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.inner.notifier.notify_all();
        Ok(())
    }
}

#[async_trait]
impl Blobs for Objects {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        let inner = &self.inner;
        inner.check()?;
        check::require_within(
            space,
            "bytes of one blob",
            inner.info.limits.blob_bytes,
            bytes.len(),
        )?;
        let name = check::new_blob_name();
        let key = inner.keys.space(space).blob(&name.0);
        match inner.create(&key, Bytes::copy_from_slice(bytes)).await? {
            Created::Fresh => Ok(name),
            // The name is nobody else's: what is there is this.
            Created::Doubt(source) => match inner.store.head(&key).await {
                Ok(meta) if meta.size == bytes.len() as u64 => Ok(name),
                _ => {
                    let reason = "it is not known whether the object store took a blob; it is safe to try again".into();
                    Err(Error::Unavailable { reason, operation: None, source: Some(source) })
                }
            },
        }
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        let inner = &self.inner;
        inner.check()?;
        let missing = || Error::not_found(Subject::blob(space, name));
        if !check::is_blob_name(name) {
            return Err(missing());
        }
        let key = inner.keys.space(space).blob(&name.0);
        let Some(range) = range else {
            return Ok(inner.get(&key).await?.ok_or_else(missing)?.to_vec());
        };
        let found = |error| match error {
            StoreError::NotFound { .. } => missing(),
            error => look::unavailable("read a blob", error),
        };
        let size = inner.store.head(&key).await.map_err(found)?.size;
        let (start, length) = check::clamp_range(size, Some(range));
        if length == 0 {
            return Ok(Vec::new());
        }
        let bytes = inner.store.get_range(&key, start..start + length).await.map_err(found)?;
        Ok(bytes.to_vec())
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        let inner = &self.inner;
        inner.check()?;
        let below = inner.keys.space(space).blobs();
        let all: Vec<_> = inner
            .store
            .list(Some(&below))
            .try_collect()
            .await
            .map_err(|e| look::unavailable("list blobs", e))?;
        let unused = |meta: &object_store::ObjectMeta| {
            let name = meta.location.filename().unwrap_or_default();
            !in_use.contains(&BlobName(name.into()))
        };
        let unused: Vec<_> = all.into_iter().filter(unused).collect();
        if unused.is_empty() {
            return Ok(0);
        }
        let now = inner.store_time().await?;
        let age = |meta: &object_store::ObjectMeta| now.saturating_sub(millis(meta));
        let old = unused.into_iter().filter(|meta| u128::from(age(meta)) >= older_than.as_millis());
        let dead: Vec<_> = old.map(|meta| meta.location).collect();
        let count = dead.len() as u64;
        inner.delete(dead).await?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
