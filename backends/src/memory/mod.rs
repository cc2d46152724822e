//! A journal in memory.

mod log;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sessile_core::{
    error::{Error, Result, Subject},
    id::{Space, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Durability, Head, Journal, JournalInfo, ListQuery, ListRow,
        Position, ReadRange, Record, Scrub, Sharing, Snapshot,
    },
};

use self::log::SpaceCell;
use sessile_driver::{check, coop, index::Index, lock, notifier::Notifier};

/// The format number of this journal.
const FORMAT: u32 = 1;

/// A journal in the memory of this process: for tests, and for work that need not outlive it.
///
/// Durability is [`Durability::None`], sharing [`Sharing::OneProcess`]: clone the `Arc` that holds it. Commits to
/// different spaces do not wait for each other. Bounds are [`Limits::STANDARD`](sessile_core::journal::Limits::STANDARD).
///
/// Not promised: any bound on memory. A dropped space leaves its name behind for as long as the journal lives.
pub struct Memory {
    info: JournalInfo,
    spaces: RwLock<HashMap<Space, Arc<SpaceCell>>>,
    index: Mutex<Index<Arc<SpaceCell>>>,
    notifier: Notifier,
    closed: AtomicBool,
}

impl Memory {
    /// An empty journal with this store id; take a random one.
    pub fn new(store: u128) -> Self {
        Self {
            info: JournalInfo::new("memory", store, Durability::None, Sharing::OneProcess, FORMAT),
            spaces: RwLock::default(),
            index: Mutex::default(),
            notifier: Notifier::new(),
            closed: AtomicBool::new(false),
        }
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(check::closed()) } else { Ok(()) }
    }

    fn find(&self, space: &Space) -> Option<Arc<SpaceCell>> {
        self.spaces.read().unwrap_or_else(PoisonError::into_inner).get(space).cloned()
    }

    fn find_or_create(&self, space: &Space) -> Arc<SpaceCell> {
        self.find(space).unwrap_or_else(|| {
            let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
            spaces.entry(space.clone()).or_default().clone()
        })
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("info", &self.info).finish_non_exhaustive()
    }
}

#[async_trait]
impl Journal for Memory {
    fn info(&self) -> &JournalInfo {
        &self.info
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        coop::yield_budget().await;
        self.check_open()?;
        Ok(self.find(space).and_then(|cell| lock(&cell.head).clone()))
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        coop::yield_budget().await;
        self.check_open()?;
        check::batch(&self.info.limits, space, expected, batch)?;
        let cell = match self.find(space) {
            Some(cell) => cell,
            None if expected.is_some() => return Ok(Commit::Diverged { head: None }),
            None => self.find_or_create(space),
        };
        let commit = cell.commit(space, expected, batch, &self.index)?;
        if matches!(commit, Commit::Done) {
            self.notifier.notify(space);
        }
        Ok(commit)
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        coop::yield_budget().await;
        self.check_open()?;
        let cell = self.find(space);
        Ok(cell.map_or_else(Vec::new, |cell| cell.read(range, self.info.limits.batch_bytes)))
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.check_open()?;
        check::require_within(
            space,
            "bytes of a snapshot",
            self.info.limits.blob_bytes,
            snapshot.bytes.len(),
        )?;
        if let Some(cell) = self.find(space) {
            cell.save_snapshot(snapshot);
        }
        Ok(())
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.check_open()?;
        Ok(self.find(space).and_then(|cell| cell.load_snapshot()))
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        self.check_open()?;
        let row = |space, cell: &Arc<SpaceCell>| {
            let head = lock(&cell.head).clone()?;
            Some(ListRow { space, head })
        };
        Ok(lock(&self.index).list(query, row))
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        let is_past = || {
            self.check_open()?;
            Ok(self.find(space).is_some_and(|cell| cell.is_past(after)))
        };
        self.notifier.wait(space, time, is_past).await
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.check_open()?;
        let cell = match self.find(space) {
            Some(cell) => cell,
            None if expected.is_some() => return Ok(Commit::Diverged { head: None }),
            None => self.find_or_create(space),
        };
        let commit = cell.drop_all(space, expected, &self.index);
        self.notifier.notify(space);
        commit
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        self.check_open()?;
        if let Some(cell) = self.find(space) {
            cell.erase(versions);
        }
        Ok(())
    }

    /// Does nothing: erased content has no copy. Freed memory is not overwritten.
    async fn scrub(&self) -> Result<Scrub> {
        self.check_open()?;
        Ok(Scrub::Done)
    }

    async fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.notifier.notify_all();
        Ok(())
    }
}

#[async_trait]
impl Blobs for Memory {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.check_open()?;
        check::require_within(
            space,
            "bytes of one blob",
            self.info.limits.blob_bytes,
            bytes.len(),
        )?;
        let name = check::new_blob_name();
        self.find_or_create(space).put_blob(&name, bytes);
        Ok(name)
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        self.check_open()?;
        let blob = self.find(space).and_then(|cell| cell.blob(name));
        let blob = blob.ok_or_else(|| Error::not_found(Subject::blob(space, name)))?;
        let (start, length) = check::clamp_range(blob.len() as u64, range);
        let (start, length) = (start as usize, length as usize);
        Ok(blob.get(start..start.saturating_add(length)).unwrap_or_default().to_vec())
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        self.check_open()?;
        Ok(self.find(space).map_or(0, |cell| cell.collect(in_use, older_than)))
    }
}

#[cfg(test)]
mod tests;
