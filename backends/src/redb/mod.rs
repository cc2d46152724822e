//! A journal in a redb file.

mod apply;
mod error;
mod index;
mod list;
mod medium;
mod open;
mod options;
mod owner;
mod read;
mod schema;
mod scrub;
mod streams;
mod write;

use std::{
    collections::HashSet,
    ops::Range,
    path::Path,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use ::redb::{Database, ReadTransaction, ReadableDatabase as _, StorageBackend};
use async_trait::async_trait;
use sessile_core::{
    error::{Error, Result, Subject},
    id::{Space, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Durability, Head, Journal, JournalInfo, ListQuery, ListRow,
        Position, ReadRange, Record, Scrub, Sharing, Snapshot,
    },
};

pub use self::options::Options;
#[doc(hidden)]
use self::{
    error::{EngineResult, RedbFailure},
    medium::Flush,
    open::Place,
    read::Reading,
    write::Writer,
};
use sessile_driver::{
    blocking, check,
    clock::{self, Clock as _, SystemClock},
    coop,
    engine::{Job, Write},
    group::GroupCommit,
    notifier::Notifier,
};

/// A read of up to this many records runs on the caller's thread; a longer one through [`blocking::run`].
const SHORT_READ: usize = 64;

/// A journal in a redb file, which one process has open at a time.
///
/// Durability is [`Durability::PowerLoss`], as redb promises for a commit with immediate durability: everything queued
/// is one transaction, flushed before it is acknowledged. Sharing is [`Sharing::OneProcess`]: clone the `Arc` that holds
/// it. A second open, by any process, is refused as `Unavailable` and names the file and, where the operating system says,
/// the process that has it.
///
/// # Where it blocks
///
/// As for `sqlite::Sqlite`: on a worker of a multi-threaded tokio runtime, and in the future of its `block_on`, a commit runs
/// in place; elsewhere - a task of a `LocalSet`, a `current_thread` runtime, or no runtime - on another thread, for the price
/// of the hand-over. Heads and reads of up to 64 records always run in place.
///
/// Opening a file that was not closed - after a crash, or a kill - reads all of it, unless
/// [`quick_repair`](Options::quick_repair) was on; that option says what it costs.
///
/// # After a failure
///
/// A write or read of the file that fails rolls back and is `Unavailable`. The engine then wants the file opened again; the
/// handle does so itself, at the next call, and so a full disk is no end. If the failure came while a transaction ended,
/// what the file holds after it was opened again decides: done, or `Unavailable`. A failed flush is an end: what the
/// medium holds is unknown, so the group is `Indeterminate` and every later call `Unavailable` until another handle opens
/// the file.
///
/// # Erasing
///
/// [`scrub`](Journal::scrub) writes all that is left into a new file, flushes it and puts it in the place of the old one,
/// which is deleted: no page that the engine has freed, and might use again, is left. It needs as much disk as the file,
/// and everybody waits for it. A kill leaves the old file or the new one; the next open or scrub removes what was half
/// written. Copies that the file system or the device keeps are out of reach.
///
/// # Not promised
///
/// - Safety on a file system without locks, or if the file is written by something else.
/// - Safety from one who controls which pages a crash leaves unflushed and knows what they hold: the checksums that find a
///   torn commit are not cryptographic. With quick repair a commit is flushed in two steps, which needs none.
/// - That the file ever shrinks, but by a scrub.
#[derive(Debug)]
pub struct Redb {
    shared: Arc<RedbShared>,
    group: Arc<GroupCommit>,
}

/// The state that readers and the writer share.
#[derive(Debug)]
pub(crate) struct RedbShared {
    place: Place,
    options: Options,
    info: JournalInfo,
    slot: RwLock<DatabaseSlot>,
    notifier: Notifier,
    closed: AtomicBool,
    /// Whether a flush failed: the handle then refuses every call.
    flush: Arc<Flush>,
}

/// The open database. Transactions run under the read lock; opening it again takes the write lock.
#[derive(Debug)]
struct DatabaseSlot {
    db: Option<Database>,
    generation: u64,
}

impl RedbShared {
    /// Checks that the handle was not closed, and that no flush failed.
    fn check(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(check::closed());
        }
        match self.flush.failed() {
            None => Ok(()),
            Some(said) => {
                let file = self.place.name().display();
                let reason = format!("an earlier flush of {file} failed ({said}); open it again");
                Err(Error::failed(reason))
            }
        }
    }

    fn engine_error(&self, error: ::redb::Error) -> Error {
        error::engine(self.place.name(), error)
    }

    /// Runs work on the open database; returns the number of its opening too.
    fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> EngineResult<T>,
    ) -> Result<(u64, EngineResult<T>)> {
        self.check()?;
        let mut slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        if slot.db.is_none() {
            let generation = slot.generation;
            drop(slot);
            self.revive(generation)?;
            slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        }
        match &slot.db {
            Some(db) => Ok((slot.generation, error::guarded(|| work(db)))),
            None => Err(check::closed()),
        }
    }

    /// Opens the file again after a failure, unless that was done since.
    fn revive(&self, generation: u64) -> Result<()> {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        self.check()?;
        if slot.generation == generation {
            slot.db = None;
            let (db, store) = self.place.open(&self.options, &self.flush)?;
            if store != self.info.store {
                let reason = format!(
                    "{} holds another store now; open it again",
                    self.place.name().display()
                );
                return Err(Error::failed(reason));
            }
            *slot = DatabaseSlot { db: Some(db), generation: generation + 1 };
        }
        Ok(())
    }

    /// Runs one query; after a failure once more, with the file opened again.
    fn read<T>(&self, query: impl Fn(&ReadTransaction) -> EngineResult<T>) -> Result<T> {
        let mut is_first = true;
        loop {
            let (generation, found) = self.with(|db| query(&db.begin_read()?))?;
            match found {
                Ok(value) => return Ok(value),
                Err(RedbFailure::Stated(error)) => return Err(error),
                Err(RedbFailure::Engine(e)) if is_first && error::is_final(&e) => {
                    is_first = false;
                    self.revive(generation)?;
                }
                Err(RedbFailure::Engine(e)) => return Err(self.engine_error(e)),
            }
        }
    }

    /// Closes the database after the transactions under way.
    fn shut(&self) -> Result<()> {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        let db = slot.db.take();
        drop(slot);
        drop(db);
        match self.flush.failed() {
            None => Ok(()),
            Some(said) => {
                let reason = format!(
                    "cannot flush {} for the last time: {said}",
                    self.place.name().display()
                );
                Err(Error::failed(reason))
            }
        }
    }
}

impl Redb {
    /// Opens a file, or creates it; its directory must exist.
    ///
    /// # Errors
    ///
    /// `Unavailable` if another handle has it open, or if it cannot be written; `Invalid` if the path is a directory or
    /// lies in none; `CorruptFile` if it is no redb database, a damaged one, or another application's; `NewerFormat` if a
    /// newer release wrote it.
    pub async fn open(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let place = Place::File(open::place(path.as_ref())?);
        blocking::run(move || Self::over(place, options)).await?
    }

    /// Opens a store on a medium other than a file, such as a simulated one. The caller ensures that nobody else uses it. It
    /// cannot be scrubbed.
    #[doc(hidden)]
    pub fn open_on(medium: impl StorageBackend, options: Options) -> Result<Self> {
        Self::over(Place::Medium(Arc::new(medium)), options)
    }

    fn over(place: Place, options: Options) -> Result<Self> {
        let flush = Arc::<Flush>::default();
        let (db, store) = place.open(&options, &flush)?;
        let durability = Durability::PowerLoss;
        let info = JournalInfo::new("redb", store, durability, Sharing::OneProcess, schema::FORMAT);
        let shared = Arc::new(RedbShared {
            place,
            options,
            info,
            slot: RwLock::new(DatabaseSlot { db: Some(db), generation: 0 }),
            notifier: Notifier::new(),
            closed: AtomicBool::new(false),
            flush,
        });
        let group = GroupCommit::new(Box::new(Writer(shared.clone())));
        Ok(Self { shared, group })
    }

    /// A query in place, or on another thread if it is long or would have to wait for a scrub.
    async fn query<T: Send + 'static>(
        &self,
        is_short: bool,
        query: impl Fn(&ReadTransaction) -> EngineResult<T> + Send + 'static,
    ) -> Result<T> {
        coop::yield_budget().await;
        if is_short && self.shared.slot.try_read().is_ok() {
            return self.shared.read(query);
        }
        let shared = self.shared.clone();
        blocking::run(move || shared.read(query)).await?
    }

    /// The deadline of a write: a year, because no other process has the file.
    async fn submit(&self, space: &Space, write: Write) -> Result<Commit> {
        coop::yield_budget().await;
        self.shared.check()?;
        let until = clock::deadline(Duration::MAX);
        self.group.submit(Job { space: space.clone(), write, until }).await
    }

    /// A write that has no expected head.
    async fn keep(&self, space: &Space, write: Write) -> Result<()> {
        self.submit(space, write).await.and_then(check::require_known)
    }
}

#[async_trait]
impl Journal for Redb {
    fn info(&self) -> &JournalInfo {
        &self.shared.info
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        let space = space.clone();
        self.query(true, move |txn| Ok(read::find(txn, &space)?.map(|row| row.head))).await
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        self.shared.check()?;
        check::batch(&self.shared.info.limits, space, expected, batch)?;
        self.submit(space, Write::Batch { expected, batch: batch.clone() }).await
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        let (space, range) = (space.clone(), *range);
        let bytes = self.shared.info.limits.batch_bytes;
        let query = move |txn: &ReadTransaction| {
            let Some(row) = read::find(txn, &space)? else { return Ok(Vec::new()) };
            let (records, streams) =
                (&txn.open_table(schema::RECORD)?, &txn.open_table(schema::STREAM)?);
            let head = row.head.position.version;
            Reading { space: &space, id: row.id, head, records, streams, bytes }.read(&range)
        };
        self.query(range.limit <= SHORT_READ, query).await
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.shared.check()?;
        let limit = self.shared.info.limits.blob_bytes;
        check::require_within(space, "bytes of a snapshot", limit, snapshot.bytes.len())?;
        self.keep(space, Write::Snapshot(snapshot.clone())).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        let space = space.clone();
        let query = move |txn: &ReadTransaction| {
            let Some(row) = read::find(txn, &space)? else { return Ok(None) };
            let kept = txn.open_table(schema::SNAPSHOT)?.get(row.id)?;
            Ok(kept.and_then(|kept| schema::decode_snapshot(kept.value())))
        };
        self.query(false, query).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        let query = query.clone();
        self.query(query.limit <= SHORT_READ, move |txn| list::list(txn, &query)).await
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        let is_past = || {
            self.shared.read(|txn| {
                if let Some(row) = read::find(txn, space)? {
                    return Ok(row.head.position.version > after);
                }
                let other = txn.open_table(schema::OTHER)?.get(schema::space_key(space))?;
                Ok(other.is_some_and(|number| number.value() == schema::DROPPED))
            })
        };
        self.shared.notifier.wait(space, time, is_past).await
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.submit(space, Write::Drop { expected }).await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        self.keep(space, Write::Erase { versions: versions.to_vec() }).await
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.shared.check()?;
        let shared = self.shared.clone();
        blocking::run(move || scrub::scrub(&shared)).await?
    }

    async fn close(&self) -> Result<()> {
        let (shared, group) = (self.shared.clone(), self.group.clone());
        if shared.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        shared.notifier.notify_all();
        blocking::run(move || group.close()).await?
    }
}

#[async_trait]
impl Blobs for Redb {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.shared.check()?;
        check::require_within(
            space,
            "bytes of one blob",
            self.shared.info.limits.blob_bytes,
            bytes.len(),
        )?;
        let name = check::new_blob_name();
        let write = Write::Blob { name: name.clone(), bytes: bytes.into(), at: SystemClock.now() };
        self.keep(space, write).await?;
        Ok(name)
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        let (space, name) = (space.clone(), name.clone());
        let query = move |txn: &ReadTransaction| {
            let missing = || RedbFailure::Stated(Error::not_found(Subject::blob(&space, &name)));
            let id = match read::number(&txn.open_table(schema::SPACE)?, &space)? {
                Some(id) => Some(id),
                None => {
                    let other = txn.open_table(schema::OTHER)?.get(schema::space_key(&space))?;
                    other.map(|number| number.value()).filter(|id| *id != schema::DROPPED)
                }
            };
            let key = (id.ok_or_else(missing)?, name.0.as_bytes());
            let blob = txn.open_table(schema::BLOB)?.get(key)?.ok_or_else(missing)?;
            let bytes = blob.value();
            let (start, length) = check::clamp_range(bytes.len() as u64, range.clone());
            let bytes = bytes.get(start as usize..).unwrap_or_default();
            Ok(bytes.get(..length as usize).unwrap_or_default().to_vec())
        };
        self.query(false, query).await
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        let count = Arc::new(AtomicU64::new(0));
        let upto = check::time_before(SystemClock.now(), older_than);
        let write = Write::Collect { in_use: in_use.clone(), upto, count: Arc::clone(&count) };
        self.keep(space, write).await?;
        Ok(count.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
