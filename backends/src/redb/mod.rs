//! A journal in a redb file: an ordered map for [`KvJournal`].

mod error;
mod medium;
mod open;
mod options;
mod scrub;

use std::{
    ops::Range,
    path::Path,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Instant,
};

use ::redb::{
    Database, ReadableDatabase as _, ReadableTable as _, StorageBackend, Table, TableDefinition,
};
use async_trait::async_trait;
use sessile_core::{
    error::{Error, Result},
    journal::{Direction, Durability, Journal as _, Scrub, Sharing},
};

pub use self::options::Options;
use self::{
    error::{EngineResult, RedbFailure},
    medium::Flush,
    open::Place,
};
use sessile_driver::{
    blocking, check,
    kv::{ApplyError, GuardedBatch, Key, Kv, KvInfo, KvJournal, Value, keys, values},
};

/// The only table.
const ROWS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");

/// Keys or rows that are read on the caller's thread; more through [`blocking::run`].
const SHORT_READ: usize = 256;

/// Opens a journal in a redb file, or creates it; its directory must exist. One process has a file open at a time.
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
/// of the hand-over. Heads and reads of up to 256 records always run in place.
///
/// Opening a file that was not closed - after a crash, or a kill - reads all of it, unless
/// [`quick_repair`](Options::quick_repair) was on; that option says what it costs.
///
/// # After a failure
///
/// A write or read of the file that fails rolls back and is `Unavailable`. The engine then wants the file opened again; the
/// handle does so itself, at the next call, and so a full disk is no end. If the failure came while a transaction ended, the
/// commit is `Indeterminate`, and the file opened again tells. A failed flush is an end: what the medium holds is unknown,
/// so every later call is `Unavailable` until another handle opens the file.
///
/// # Erasing
///
/// [`scrub`](sessile_core::journal::Journal::scrub) writes all that is left into a new file, flushes it and puts it in the
/// place of the old one, which is deleted: no page that the engine has freed, and might use again, is left. It needs as much
/// disk as the file, and everybody waits for it. A kill leaves the old file or the new one; the next open or scrub removes
/// what was half written. Copies that the file system or the device keeps are out of reach.
///
/// # Not promised
///
/// - Safety on a file system without locks, or if the file is written by something else.
/// - Safety from one who controls which pages a crash leaves unflushed and knows what they hold: the checksums that find a
///   torn commit are not cryptographic. With quick repair a commit is flushed in two steps, which needs none.
/// - That the file ever shrinks, but by a scrub.
///
/// # Errors
///
/// `Unavailable` if another handle has it open, or if it cannot be written; `Invalid` if the path is a directory or
/// lies in none; `CorruptFile` if it is no redb database, a damaged one, or another application's; `NewerFormat` if a
/// newer release wrote it.
pub async fn open(path: impl AsRef<Path>, options: Options) -> Result<KvJournal> {
    journal(Place::File(open::place(path.as_ref())?), options).await
}

/// Opens a store on a medium other than a file, such as a simulated one. The caller ensures that nobody else uses it. It
/// cannot be scrubbed.
#[doc(hidden)]
pub async fn open_on(medium: impl StorageBackend, options: Options) -> Result<KvJournal> {
    journal(Place::Medium(Arc::new(medium)), options).await
}

async fn journal(place: Place, options: Options) -> Result<KvJournal> {
    let kv = blocking::run(move || {
        let flush = Arc::<Flush>::default();
        let slot = DatabaseSlot::open(place.open(&options, &flush)?, 0);
        let name = place.name().display().to_string();
        let info = KvInfo::new("redb", name, Durability::PowerLoss, Sharing::OneProcess);
        let shared =
            Shared { place, options, info, store: OnceLock::new(), slot: RwLock::new(slot), flush };
        Ok::<_, Error>(Arc::new(shared))
    });
    let kv = kv.await??;
    let journal = KvJournal::open(Arc::new(Redb(Arc::clone(&kv)))).await?;
    let _ = kv.store.set(journal.info().store);
    Ok(journal)
}

/// A redb file as an ordered map.
#[derive(Debug)]
struct Redb(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    place: Place,
    options: Options,
    info: KvInfo,
    /// The id of the store, once it is known.
    store: OnceLock<u128>,
    slot: RwLock<DatabaseSlot>,
    /// Whether a flush failed: the handle then refuses every call.
    flush: Arc<Flush>,
}

/// The open database. Transactions run under the read lock; opening it again takes the write lock.
#[derive(Debug)]
struct DatabaseSlot {
    db: Option<Database>,
    generation: u64,
    /// By its owner: it is not opened again.
    is_closed: bool,
}

impl DatabaseSlot {
    const fn open(db: Database, generation: u64) -> Self {
        Self { db: Some(db), generation, is_closed: false }
    }

    /// Lets go of the database. With damaged pages the engine may panic even then.
    fn discard(&mut self) {
        let db = self.db.take();
        let _ = error::guarded(|| {
            drop(db);
            Ok(())
        });
    }
}

impl Drop for DatabaseSlot {
    fn drop(&mut self) {
        self.discard();
    }
}

impl Shared {
    /// Checks that no flush failed.
    fn check(&self) -> Result<()> {
        let Some(said) = self.flush.failed() else { return Ok(()) };
        let file = &self.info.place;
        Err(Error::failed(format!("an earlier flush of {file} failed ({said}); open it again")))
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
        if slot.is_closed {
            return Err(check::closed());
        }
        if slot.generation == generation {
            slot.discard();
            let db = self.place.open(&self.options, &self.flush)?;
            let store = error::guarded(|| get(&db, &[keys::STORE.to_vec()]));
            let store = store.map_err(|failure| failure.told(|e| self.engine_error(e)))?;
            let ours = self.store.get().map(|id| values::encode_store(values::FORMAT, *id));
            if ours.is_some() && store.first() != Some(&ours) {
                let reason = format!("{} holds another store now; open it again", self.info.place);
                return Err(Error::failed(reason));
            }
            *slot = DatabaseSlot::open(db, generation + 1);
        }
        Ok(())
    }

    /// Runs one query; after a failure once more, with the file opened again.
    fn read<T>(&self, query: impl Fn(&Database) -> EngineResult<T>) -> Result<T> {
        let mut is_first = true;
        loop {
            let (generation, found) = self.with(&query)?;
            match found {
                Ok(value) => return Ok(value),
                Err(RedbFailure::Engine(e)) if is_first && error::is_final(&e) => {
                    is_first = false;
                    self.revive(generation)?;
                }
                Err(failure) => return Err(failure.told(|e| self.engine_error(e))),
            }
        }
    }

    /// One transaction. A failure leaves nothing behind, unless it came while the transaction ended: then the file, opened
    /// again, tells.
    fn apply(&self, batches: &[GuardedBatch]) -> Result<Vec<bool>, ApplyError> {
        let mut ending = None;
        let (generation, done) = self.with(|db| {
            let mut txn = db.begin_write()?;
            txn.set_quick_repair(self.options.quick_repair);
            let applied = {
                let mut rows = txn.open_table(ROWS)?;
                let applied = batches.iter().map(|batch| apply_one(&mut rows, batch));
                applied.collect::<EngineResult<Vec<bool>>>()?
            };
            if applied.contains(&true) {
                ending = Some(applied.clone());
                txn.commit()?;
            } else {
                txn.abort()?;
            }
            Ok(applied)
        })?;
        let error = match done {
            Ok(applied) => return Ok(applied),
            Err(RedbFailure::Stated(error)) => return Err(error.into()),
            Err(RedbFailure::Engine(error)) => error,
        };
        // If it fails, whoever comes next tries again.
        let revived = if error::is_final(&error) { self.revive(generation) } else { Ok(()) };
        let Some(applied) = ending else { return Err(self.engine_error(error).into()) };
        match revived.and_then(|()| self.landed(batches, &applied)) {
            Ok(true) => Ok(applied),
            Ok(false) => Err(self.engine_error(error).into()),
            Err(_) => Err(ApplyError::Unknown(Arc::new(error))),
        }
    }

    /// Whether the last batch that was applied is there, and so all are.
    fn landed(&self, batches: &[GuardedBatch], applied: &[bool]) -> Result<bool> {
        let last = batches.iter().zip(applied).rev().find(|(_, applied)| **applied);
        let Some((key, value)) = last.and_then(|(batch, _)| batch.put.last()) else {
            return Ok(false);
        };
        let keys = [key.clone()];
        Ok(self.read(|db| get(db, &keys))?.first() == Some(value))
    }

    /// Closes the database after the transactions under way.
    fn shut(&self) -> Result<()> {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        slot.discard();
        slot.is_closed = true;
        drop(slot);
        let Some(said) = self.flush.failed() else { return Ok(()) };
        Err(Error::failed(format!("cannot flush {} for the last time: {said}", self.info.place)))
    }
}

fn get(db: &Database, keys: &[Key]) -> EngineResult<Vec<Option<Value>>> {
    let rows = db.begin_read()?.open_table(ROWS)?;
    let get = |key: &Key| Ok(rows.get(&**key)?.map(|value| value.value().to_vec()));
    keys.iter().map(get).collect()
}

fn apply_one(rows: &mut Table<'_, &[u8], &[u8]>, batch: &GuardedBatch) -> EngineResult<bool> {
    for (key, value) in &batch.guards {
        if rows.get(&**key)?.as_ref().map(|value| value.value()) != value.as_deref() {
            return Ok(false);
        }
    }
    for range in &batch.clear {
        rows.retain_in(&*range.start..&*range.end, |_, _| false)?;
    }
    for (key, value) in &batch.put {
        match value {
            Some(value) => rows.insert(&**key, &**value)?,
            None => rows.remove(&**key)?,
        };
    }
    Ok(true)
}

fn scan(
    db: &Database,
    range: &Range<Key>,
    direction: Direction,
    (rows, bytes): (usize, usize),
) -> EngineResult<Vec<(Key, Value)>> {
    let table = db.begin_read()?.open_table(ROWS)?;
    let mut range = table.range::<&[u8]>(&*range.start..&*range.end)?;
    let (mut found, mut left) = (Vec::with_capacity(rows.min(SHORT_READ)), bytes);
    while found.len() < rows && left > 0 {
        let row = match direction {
            Direction::Forward => range.next(),
            Direction::Backward => range.next_back(),
        };
        let Some(row) = row else { break };
        let (key, value) = row?;
        left = left.saturating_sub(value.value().len());
        found.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(found)
}

impl Redb {
    /// Whether a read of so many rows may run on this thread: it is short, and no scrub is in the way.
    fn is_here(&self, rows: usize) -> bool {
        rows <= SHORT_READ && self.0.slot.try_read().is_ok()
    }
}

#[async_trait]
impl Kv for Redb {
    fn info(&self) -> &KvInfo {
        &self.0.info
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Value>>> {
        if self.is_here(keys.len()) {
            return self.0.read(|db| get(db, keys));
        }
        let (shared, keys) = (Arc::clone(&self.0), keys.to_vec());
        blocking::run(move || shared.read(|db| get(db, &keys))).await?
    }

    async fn scan(
        &self,
        range: Range<Key>,
        direction: Direction,
        rows: usize,
        bytes: usize,
    ) -> Result<Vec<(Key, Value)>> {
        if self.is_here(rows) {
            return self.0.read(|db| scan(db, &range, direction, (rows, bytes)));
        }
        let shared = Arc::clone(&self.0);
        let scan = move |db: &Database| scan(db, &range, direction, (rows, bytes));
        blocking::run(move || shared.read(scan)).await?
    }

    async fn apply(
        &self,
        batches: &[GuardedBatch],
        _until: Instant,
    ) -> Result<Vec<bool>, ApplyError> {
        if blocking::in_place() {
            return blocking::here(|| self.0.apply(batches));
        }
        let (shared, batches) = (Arc::clone(&self.0), batches.to_vec());
        // Without a thread nothing was begun; a thread that panicked has not got past the engine's own rollback.
        blocking::run(move || shared.apply(&batches)).await?
    }

    async fn scrub(&self) -> Result<Scrub> {
        let shared = Arc::clone(&self.0);
        blocking::run(move || scrub::scrub(&shared)).await?
    }

    async fn close(&self) -> Result<()> {
        let shared = Arc::clone(&self.0);
        blocking::run(move || shared.shut()).await?
    }
}

#[cfg(test)]
mod tests;
