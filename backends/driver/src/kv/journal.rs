//! A journal over an ordered map.

use std::{
    collections::HashSet,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sessile_core::{
    error::{Error, Result},
    id::{Space, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Direction, Head, Journal, JournalInfo, ListQuery, ListRow,
        Position, ReadRange, Record, Scrub, Sharing, Snapshot,
    },
};

use super::{
    ApplyError, GuardedBatch, Key, Kv, Value,
    group::Group,
    keys, order,
    space::{Cache, State},
    values::{self, FORMAT},
};
use crate::{
    check, clock, coop,
    notifier::{Notifier, notified},
};

/// How often other processes are looked after by those who wait for a commit.
const OFTEN: Duration = Duration::from_millis(1);
/// How seldom, after a while.
const SELDOM: Duration = Duration::from_millis(64);
/// Rows of one scan, where all are wanted.
const PIECE: usize = 256;
/// How long a drop waits for other processes.
const PATIENCE: Duration = Duration::from_secs(5);

/// A [`Journal`] over any [`Kv`]. Its durability and sharing are those of the engine.
///
/// A commit is one [`Kv::apply`], shared with the commits of other spaces that wait at the same time. What it needs to know of
/// its space is remembered from the last commit and guarded, so that in steady state nothing is read. A read of records is
/// one or two scans, or lookups.
#[derive(Debug)]
pub struct KvJournal {
    pub(super) kv: Arc<dyn Kv>,
    pub(super) info: JournalInfo,
    pub(super) group: Group,
    pub(super) cache: Cache,
    pub(super) notifier: Notifier,
    /// Spaces that are not where they belong in the order of updates, about.
    pub(super) moved: AtomicUsize,
    closed: AtomicBool,
}

impl KvJournal {
    /// Opens the store in an engine, or makes one in an engine that is empty.
    ///
    /// # Errors
    /// `CorruptFile` if the engine holds something else; `NewerFormat` if a newer release wrote it; what the engine returns.
    pub async fn open(kv: Arc<dyn Kv>) -> Result<Self> {
        let store = store(&*kv).await?;
        let of = kv.info().clone();
        let mut info = JournalInfo::new(of.backend, store, of.durability, of.sharing, FORMAT);
        info.limits = of.limits;
        Ok(Self {
            group: Group::new(Arc::clone(&kv)),
            kv,
            info,
            cache: Cache::new(),
            notifier: Notifier::new(),
            // What an earlier handle left is moved after the first commit.
            moved: AtomicUsize::new(order::MOST),
            closed: AtomicBool::new(false),
        })
    }

    /// The engine below. What is written to it past the journal, the journal does not know of.
    pub const fn engine(&self) -> &Arc<dyn Kv> {
        &self.kv
    }

    /// The value of one key.
    pub(super) async fn get(&self, key: Key) -> Result<Option<Value>> {
        Ok(self.kv.get(&[key]).await?.into_iter().next().flatten())
    }

    /// All rows of a range, in pieces.
    pub(super) async fn scan_all(&self, mut range: Range<Key>) -> Result<Vec<(Key, Value)>> {
        let mut all = Vec::new();
        loop {
            let some = range.clone();
            let rows = self.kv.scan(some, Direction::Forward, PIECE, usize::MAX).await?;
            let is_last = rows.len() < PIECE;
            all.extend(rows);
            match all.last() {
                Some((last, _)) if !is_last => range.start = keys::next(last.clone()),
                _ => return Ok(all),
            }
        }
    }

    /// The beginning of every call: others get their share of the thread, and a closed handle refuses.
    async fn enter(&self) -> Result<()> {
        coop::yield_budget().await;
        if self.closed.load(Ordering::Acquire) { Err(check::closed()) } else { Ok(()) }
    }

    /// The end of every call: one that was under way when the handle closed, and came to nothing by that, says so.
    fn leave<T>(&self, answer: Result<T>) -> Result<T> {
        match answer {
            Err(Error::Unavailable { .. }) if self.closed.load(Ordering::Acquire) => {
                Err(check::closed())
            }
            answer => answer,
        }
    }
}

/// The id of the store in an engine.
async fn store(kv: &dyn Kv) -> Result<u128> {
    let place = &kv.info().place;
    let foreign = |reason: &str| Error::CorruptFile { file: place.clone(), reason: reason.into() };
    loop {
        let found = kv.get(&[keys::STORE.to_vec()]).await?.into_iter().next().flatten();
        if let Some(found) = found {
            return match values::decode_store(&found) {
                Some((FORMAT, Some(store))) => Ok(store),
                Some((newer, _)) if newer > FORMAT => Err(Error::NewerFormat {
                    what: place.clone(),
                    needs: newer.into(),
                    has: FORMAT.into(),
                }),
                Some((FORMAT, None)) | None => Err(foreign("it has no store id")),
                Some(_) => Err(foreign("its format number was never in use")),
            };
        }
        let all = Vec::new()..vec![u8::MAX];
        if !kv.scan(all, Direction::Forward, 1, usize::MAX).await?.is_empty() {
            return Err(foreign("it holds the data of another application"));
        }
        let id = values::encode_store(FORMAT, rand::random());
        let key = keys::STORE.to_vec();
        let new = GuardedBatch {
            guards: vec![(key.clone(), None)],
            clear: Vec::new(),
            put: vec![(key, Some(id))],
        };
        match kv.apply(&[new], clock::deadline(PATIENCE)).await {
            // Whoever was first, its id is there now.
            Ok(_) => {}
            Err(ApplyError::Refused(error)) => return Err(error),
            Err(ApplyError::Unknown(source)) => {
                let reason = "it is not known whether the store was made; open it again".into();
                return Err(Error::Unavailable { reason, operation: None, source: Some(source) });
            }
        }
    }
}

#[async_trait]
impl Journal for KvJournal {
    fn info(&self) -> &JournalInfo {
        &self.info
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        self.enter().await?;
        let state = self.leave(self.state(space).await)?;
        Ok(if let State::Live(live) = state { Some(live.row.head) } else { None })
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        self.enter().await?;
        check::batch(&self.info.limits, space, expected, batch)?;
        self.leave(self.append(space, expected, batch).await)
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        self.enter().await?;
        self.leave(self.read_range(space, range).await)
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.enter().await?;
        let limit = self.info.limits.blob_bytes;
        check::require_within(space, "bytes of a snapshot", limit, snapshot.bytes.len())?;
        self.leave(self.keep_snapshot(space, snapshot).await)
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.enter().await?;
        self.leave(self.kept_snapshot(space).await)
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        self.enter().await?;
        self.leave(self.rows(query).await)
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        let until = clock::deadline(time);
        let mut pause = OFTEN;
        loop {
            let listener = self.notifier.listen(space);
            self.enter().await?;
            let is_past = match self.leave(self.state(space).await)? {
                State::Live(live) => live.row.version() > after,
                State::Unborn(_) => false,
                State::Dropped => true,
            };
            let left = until.saturating_duration_since(clock::instant());
            if is_past || left.is_zero() {
                return Ok(is_past);
            }
            let alone = self.info.sharing == Sharing::OneProcess;
            notified(listener, if alone { left } else { left.min(pause) }).await;
            pause = (pause * 2).min(SELDOM);
        }
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.enter().await?;
        self.leave(self.drop_all(space, expected, clock::deadline(PATIENCE)).await)
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        self.enter().await?;
        self.leave(self.erase_all(space, versions).await)
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.enter().await?;
        self.leave(self.kv.scrub().await)
    }

    async fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.notifier.notify_all();
        self.group.close().await;
        self.kv.close().await
    }
}

#[async_trait]
impl Blobs for KvJournal {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.enter().await?;
        let limit = self.info.limits.blob_bytes;
        check::require_within(space, "bytes of one blob", limit, bytes.len())?;
        let name = check::new_blob_name();
        self.leave(self.keep_blob(space, &name, bytes).await)?;
        Ok(name)
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        self.enter().await?;
        self.leave(self.blob(space, name, range).await)
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        self.enter().await?;
        self.leave(self.collect(space, in_use, older_than).await)
    }
}
