//! A journal in a folder of files that a person can read.
//!
//! ```text
//! <root>/_sessile.json                                    the store: id, format, which openings ended cleanly
//! <root>/_lock                                            who has it open for writing
//! <root>/<tenant>/projects/prj_<26>/records.jsonl         a project's journal
//! <root>/<tenant>/projects/prj_<26>/threads/thd_<26>      empty: which threads the project has, for people
//! <root>/<tenant>/threads/<first four>/thd_<26>/records.jsonl
//! <root>/<tenant>/threads/<first four>/thd_<26>/snapshot  a cache
//! <root>/<tenant>/threads/<first four>/thd_<26>/blobs/    large bodies, as they are
//! <root>/<tenant>/threads/<first four>/thd_<26>/dropped   instead of all these, once it is dropped
//! ```
//!
//! A line of `records.jsonl` is one batch, as a JSON object with its length and a CRC-32: `cat`, `grep` and `jq` work, and so
//! does `cp` of a store that was closed. A file that was closed cleanly ends in a line that seals it. Tenants are encoded so
//! that no two share a folder, on file systems without case either.
//!
//! # What holds
//!
//! - A commit is one line, written and flushed (`fdatasync`) before it is acknowledged; the first of a space also flushes
//!   the folders it made. The next line is written only then. Durability is [`PowerLoss`](sessile_core::journal::Durability::PowerLoss), on a file system that
//!   keeps what it said it flushed, and where a rename is atomic.
//! - One process writes: sharing is [`OneProcess`](sessile_core::journal::Sharing::OneProcess). A second writer is refused and told which process has the store.
//!   Handles that [only read](Options::read_only) may stand beside it, in any process.
//! - Commits to different spaces are flushed in parallel, at most [`Options::flushes`] at once; those of one space follow
//!   each other.
//! - What a crash left unfinished at the end of a file is cut when its space is first asked for, and told by
//!   [`Disk::repairs`]; it was never acknowledged. Nothing else is ever cut: a bad line before a good one, and any damage to
//!   the end of a file whose last opening ended in a clean close, is `Corrupt` with its space and version. Damage stops its
//!   space; to the store's own file, the store.
//! - A write that failed is taken back, that is flushed, and the answer is `Unavailable`; the next may succeed. If taking it
//!   back or a flush fails, the commit is `Indeterminate` and its space `Unavailable` to writers until the store is opened
//!   again; other spaces go on.
//! - What was erased is gone from the file when `erase` answers: the file is written anew beside the old one and takes its
//!   place. `scrub` removes what crashes left lying, and is always `Done`.
//!
//! # What it costs
//!
//! - Opening reads one file. A space costs one look at the end of its file, and one pass over it when its records are first
//!   read: about 24 bytes of memory for each batch and 16 for each record, given back by [`Options::memory`]. At most
//!   [`Options::files`] files stay open.
//! - The first list of a tenant's threads looks at the end of each of their files, on up to eight threads; from then on about
//!   300 bytes a thread stay in memory, and its card as long as all cards together fit into [`Options::memory`]. With 100,000
//!   threads the first list reads 100,000 small pieces. A handle that only reads does so for every page.
//! - `close` flushes every file that was written since the store was opened. Erasing copies the file.
//! - A writer that goes away without `close` costs a flush for each space it wrote, when that is next asked for.
//!
//! # Not promised
//!
//! - Safety on a network file system, on one that does not lock, or if another program changes files while the store is open.
//! - That a handle that only reads never sees a commit a moment before it is acknowledged, or one that then fails.
//! - That two handles that only read, or a reader and the writer, agree at one moment.
//! - That what a person changes in a file is taken: its checksum no longer fits. The markers below a project are made, not
//!   read.
//! - That a copy of a store that is open is whole beyond what [`Disk::repairs`] would cut.
//! - That erased bytes leave the device: the file system frees them, it does not overwrite them.

mod cell;
mod commit;
mod erase;
mod files;
mod lists;
mod lockfile;
mod log;
#[doc(hidden)]
pub mod medium;
mod meta;
mod options;
mod path;
mod read;
mod settle;
mod shared;
mod side;
mod tail;
mod tamper;

use std::{
    collections::HashSet,
    io,
    ops::Range,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use async_lock::{RwLock, RwLockReadGuardArc, Semaphore};
use async_trait::async_trait;
use sessile_core::{
    error::{Error, Result},
    id::{Space, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Head, Journal, JournalInfo, ListQuery, ListRow, Position,
        ReadRange, Record, Scrub, Snapshot,
    },
};

pub use self::options::Options;
#[doc(hidden)]
pub use self::tamper::{set_format, tamper};
use self::{
    cell::{Cell, Guard, State},
    commit::Append,
    lists::Shown,
    medium::{Medium, Os},
    read::Plan,
    shared::Shared,
};
use crate::lines::{frame, line};
use crate::{bell, blocking, check, clock, coop, lock::lock};

/// A read of at most this many records runs on the caller's thread; a longer one where it may block.
const SHORT_READ: usize = 64;

/// How long a write that brings no patience of its own waits for others of its space.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a read begins again because its lines are not where they were.
const ATTEMPTS: usize = 8;

/// What a crash left unfinished at the end of a space's file, and the first look at it cut.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repair {
    /// Whose file it is.
    pub space: Space,
    /// Bytes that were cut: of one batch that was never acknowledged.
    pub bytes: u64,
}

/// A journal in a folder. What it promises stands at the [module](self).
///
/// # Where it blocks
///
/// On a multi-threaded tokio runtime writes, long reads and first looks at a space run in place, with `block_in_place`;
/// elsewhere on another thread. Heads and reads of up to 64 records of a space that is known run on the caller's thread. Do
/// not call it from a `LocalSet` of a multi-threaded runtime: `block_in_place` panics there.
///
/// Dropping it without [`close`](Journal::close) loses nothing that was acknowledged, and counts as a crash.
#[derive(Debug)]
pub struct Disk {
    shared: Arc<Shared>,
    /// Writes hold it; close takes it.
    gate: Arc<RwLock<()>>,
    /// Bounds the threads that flush.
    flushes: Arc<Semaphore>,
}

impl Disk {
    /// Opens a store, or makes one; the folder it lies in must exist.
    ///
    /// # Errors
    ///
    /// `Unavailable` if another holds it open for writing, and says who; `Invalid` if the path is no folder, lies in none,
    /// or is opened only to read and has no store; `CorruptFile` if the store's own file is damaged, or the folder holds
    /// other things; `NewerFormat` if a newer release wrote it.
    pub async fn open(root: impl AsRef<Path>, options: Options) -> Result<Self> {
        Self::open_on(Arc::new(Os), root, options).await
    }

    /// Opens a store on another medium than the file system, for tests.
    #[doc(hidden)]
    pub async fn open_on(
        medium: Arc<dyn Medium>,
        root: impl AsRef<Path>,
        options: Options,
    ) -> Result<Self> {
        let root = root.as_ref().to_owned();
        let flushes = Arc::new(Semaphore::new(options.flushes.max(1)));
        let open = move || Shared::open(medium, &root, &options);
        let shared = Arc::new(blocking::run(open).await??);
        Ok(Self { shared, gate: Arc::default(), flushes })
    }

    /// What this handle has cut so far from files that a crash left unfinished. A space is looked at when it is first asked
    /// for, so the list grows; it is complete for a tenant once its threads and projects were listed.
    pub fn repairs(&self) -> Vec<Repair> {
        lock(&self.shared.repairs).clone()
    }

    fn cell(&self, space: &Space) -> Arc<Cell> {
        self.shared.cells.get(&self.shared.root, space)
    }

    /// Keeps the handle from being closed; `Closed` if it is, or is about to be.
    fn enter(&self) -> Result<RwLockReadGuardArc<()>> {
        let pass = self.gate.try_read_arc().ok_or_else(check::closed)?;
        self.shared.check()?;
        Ok(pass)
    }

    /// The right to write to a space; `Contended` if others keep it for too long.
    async fn guard(&self, cell: &Cell, until: Instant) -> Result<Guard> {
        let guard = match cell.work.try_lock_arc() {
            Some(guard) => guard,
            None => within(cell, until, cell.work.lock_arc()).await?,
        };
        match &guard.poisoned {
            None => Ok(guard),
            Some(reason) => Err(cell.error(reason)),
        }
    }

    /// Runs what writes, where it may block, when there is a place for it.
    async fn write<T: Send + 'static>(
        &self,
        cell: &Cell,
        until: Instant,
        work: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = match self.flushes.try_acquire_arc() {
            Some(place) => place,
            None => within(cell, until, self.flushes.acquire_arc()).await?,
        };
        let shared = Arc::clone(&self.shared);
        blocking::run(move || {
            let done = work(&shared);
            drop(place);
            done
        })
        .await?
    }

    /// Makes the state of a space known, with `whole` all its lines, and gives the guard back.
    async fn settled(&self, cell: &Arc<Cell>, guard: Guard, whole: bool) -> Result<Guard> {
        if self.is_known(cell, whole) {
            return Ok(guard);
        }
        let (shared, cell) = (Arc::clone(&self.shared), Arc::clone(cell));
        blocking::run(move || shared.settle(&cell, whole).map(|()| guard)).await?
    }

    fn is_known(&self, cell: &Cell, whole: bool) -> bool {
        let seen = lock(&cell.seen);
        let complete = match &seen.state {
            State::Unknown => false,
            State::Live(tail) if whole => seen.log.as_ref().is_some_and(|log| log.upto >= tail.end),
            _ => true,
        };
        complete && self.shared.epoch.is_some()
    }

    /// For readers: makes the state known if it is not.
    async fn look(&self, cell: &Arc<Cell>, whole: bool) -> Result<()> {
        if !self.is_known(cell, whole) {
            let guard = cell.work.lock_arc().await;
            let guard = self.settled(cell, guard, whole).await?;
            drop(guard);
        }
        Ok(())
    }

    async fn head_of(&self, space: &Space) -> Result<Option<Head>> {
        let cell = self.cell(space);
        self.look(&cell, false).await?;
        match &lock(&cell.seen).state {
            State::Live(tail) => Ok(Some(tail.head())),
            _ => Ok(None),
        }
    }

    async fn records(&self, cell: &Arc<Cell>, range: &ReadRange) -> Result<Vec<Record>> {
        let most = self.shared.info.limits.batch_bytes;
        for attempt in 0..ATTEMPTS {
            if attempt == 0 && self.shared.epoch.is_none() {
                self.look(cell, true).await?;
            }
            let fetch = match self.shared.plan(cell, range)? {
                Plan::Nothing => return Ok(Vec::new()),
                Plan::LookUp => {
                    self.look(cell, true).await?;
                    continue;
                }
                Plan::Fetch(fetch) => fetch,
            };
            let generation = fetch.generation;
            let fetched = if range.limit <= SHORT_READ {
                fetch.run(most)?
            } else {
                blocking::run(move || fetch.run(most)).await??
            };
            if let Some(records) = fetched {
                return Ok(records);
            }
            // A line is not where it was: the file is looked up anew, while nobody writes to it.
            let guard = cell.work.lock_arc().await;
            cell.forget(generation);
            drop(guard);
        }
        Err(cell.error("the file changes while it is read"))
    }

    /// Answers a writer that expected another head.
    async fn refuse(
        &self,
        cell: Arc<Cell>,
        guard: Guard,
        expected: Option<Position>,
    ) -> Result<Commit> {
        let shared = Arc::clone(&self.shared);
        blocking::run(move || {
            let refusal = shared.refusal(&cell, expected);
            drop(guard);
            refusal
        })
        .await?
    }

    /// The end of a space that is as expected.
    fn expected(cell: &Cell, expected: Option<Position>) -> Option<Option<tail::Tail>> {
        commit::expected(&lock(&cell.seen).state, expected)
    }
}

/// Waits for a lock, but not longer than that.
async fn within<T>(cell: &Cell, until: Instant, lock: impl Future<Output = T>) -> Result<T> {
    let left = until.saturating_duration_since(clock::instant());
    let mut lock = std::pin::pin!(lock);
    let mut sleep = std::pin::pin!(clock::sleep(left));
    std::future::poll_fn(|cx| {
        if let std::task::Poll::Ready(locked) = lock.as_mut().poll(cx) {
            return std::task::Poll::Ready(Ok(locked));
        }
        let contended = || Err(Error::Contended { space: cell.space.clone() });
        sleep.as_mut().poll(cx).map(|()| contended())
    })
    .await
}

/// What the medium's error means here: not applied.
fn failed(what: &str, path: &Path, e: io::Error) -> Error {
    Error::unavailable(format!("cannot {what} {}", path.display()), e)
}

#[async_trait]
impl Journal for Disk {
    fn info(&self) -> &JournalInfo {
        &self.shared.info
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        coop::breathe().await;
        self.shared.check()?;
        self.head_of(space).await
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        coop::breathe().await;
        let epoch = self.shared.writer()?;
        check::batch(&self.shared.info.limits, expected, batch)?;
        let pass = self.enter()?;
        let until = clock::deadline(batch.patience);
        let cell = self.cell(space);
        let guard = self.guard(&cell, until).await?;
        let guard = self.settled(&cell, guard, false).await?;
        let Some(before) = Self::expected(&cell, expected) else {
            return self.refuse(cell, guard, expected).await;
        };
        let append = Append::new(&cell, epoch, before, batch)?;
        let work = {
            let cell = Arc::clone(&cell);
            move |shared: &Shared| {
                let done = shared.append(&cell, guard, append);
                drop(pass);
                done
            }
        };
        self.write(&cell, until, work).await
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        coop::breathe().await;
        self.shared.check()?;
        self.records(&self.cell(space), range).await
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.shared.writer()?;
        let limit = self.shared.info.limits.blob_bytes;
        check::within("bytes of a snapshot", limit, snapshot.bytes.len())?;
        let pass = self.enter()?;
        let (cell, until) = (self.cell(space), clock::deadline(PATIENCE));
        let guard = self.guard(&cell, until).await?;
        let guard = self.settled(&cell, guard, false).await?;
        let (own, snapshot) = (Arc::clone(&cell), snapshot.clone());
        let work = move |shared: &Shared| {
            let saved = shared.save_snapshot(&own, &snapshot);
            drop((guard, pass));
            saved
        };
        self.write(&cell, until, work).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.shared.check()?;
        let cell = self.cell(space);
        self.look(&cell, false).await?;
        if !matches!(lock(&cell.seen).state, State::Live(_)) {
            return Ok(None);
        }
        let shared = Arc::clone(&self.shared);
        blocking::run(move || shared.load_snapshot(&cell)).await?
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        coop::breathe().await;
        self.shared.check()?;
        let is_reader = self.shared.epoch.is_none();
        let mut building = None;
        if is_reader || !self.shared.lists.is_built(query) {
            building = Some(self.shared.lists.building.lock_arc().await);
            if is_reader || !self.shared.lists.is_built(query) {
                let (shared, query) = (Arc::clone(&self.shared), query.clone());
                blocking::run(move || shared.build(&query)).await??;
            }
        }
        let mut rows = Vec::new();
        let (limit, mut query) = (query.limit, query.clone());
        while rows.len() < limit {
            query.limit = limit - rows.len();
            let found = self.shared.lists.page(&query)?;
            let Some((last, updated, _)) = found.last() else { break };
            query.after = Some((*updated, last.bits()));
            for (space, _, shown) in found {
                let head = match shown {
                    Shown::Head(head) => Some(head),
                    Shown::Unread => self.head_of(&space).await?,
                    Shown::Damaged(error) => return Err(error),
                };
                rows.extend(head.map(|head| ListRow { space, head }));
            }
        }
        drop(building);
        Ok(rows)
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        let until = clock::deadline(time);
        let mut pause = Duration::from_millis(1);
        loop {
            let listener = self.shared.bell.listen(space);
            self.shared.check()?;
            let cell = self.cell(space);
            self.look(&cell, false).await?;
            let is_past = match &lock(&cell.seen).state {
                State::Live(tail) => tail.position.version > after,
                State::Dropped => true,
                State::Absent | State::Unknown => false,
            };
            drop(cell);
            if is_past {
                return Ok(true);
            }
            let left = until.saturating_duration_since(clock::instant());
            if left.is_zero() {
                return Ok(false);
            }
            // Who only reads hears no bell: it looks.
            let nap = if self.shared.epoch.is_some() { left } else { left.min(pause) };
            bell::rung(listener, nap).await;
            pause = (pause * 2).min(Duration::from_millis(16));
        }
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.shared.writer()?;
        let pass = self.enter()?;
        let (cell, until) = (self.cell(space), clock::deadline(PATIENCE));
        let guard = self.guard(&cell, until).await?;
        let guard = self.settled(&cell, guard, false).await?;
        if lock(&cell.seen).state == State::Dropped {
            return Ok(Commit::Done);
        }
        let Some(before) = Self::expected(&cell, expected) else {
            return self.refuse(cell, guard, expected).await;
        };
        let own = Arc::clone(&cell);
        let work = move |shared: &Shared| {
            let done = shared.drop_now(&own, guard, before);
            drop(pass);
            done
        };
        self.write(&cell, until, work).await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        self.shared.writer()?;
        let pass = self.enter()?;
        let (cell, until) = (self.cell(space), clock::deadline(PATIENCE));
        let guard = self.guard(&cell, until).await?;
        let guard = self.settled(&cell, guard, true).await?;
        let (own, versions) = (Arc::clone(&cell), versions.to_vec());
        let work = move |shared: &Shared| {
            let done = shared.erase(&own, guard, &versions);
            drop(pass);
            done
        };
        self.write(&cell, until, work).await
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.shared.writer()?;
        let pass = self.enter()?;
        let shared = Arc::clone(&self.shared);
        blocking::run(move || {
            let done = shared.scrub();
            drop(pass);
            done
        })
        .await?
    }

    async fn close(&self) -> Result<()> {
        if self.shared.is_closed.swap(true, Ordering::AcqRel) {
            return Err(check::closed());
        }
        self.shared.bell.ring_all();
        let gate = self.gate.write_arc().await;
        let shared = Arc::clone(&self.shared);
        blocking::run(move || {
            let done = shared.finish();
            drop(gate);
            done
        })
        .await?
    }
}

#[async_trait]
impl Blobs for Disk {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.shared.writer()?;
        check::within("bytes of one blob", self.shared.info.limits.blob_bytes, bytes.len())?;
        let pass = self.enter()?;
        let cell = self.cell(space);
        self.look(&cell, false).await?;
        let name = check::new_blob_name();
        if lock(&cell.seen).state == State::Dropped {
            // No record can ever name it.
            return Ok(name);
        }
        let (own, put, bytes) = (Arc::clone(&cell), name.clone(), Arc::<[u8]>::from(bytes));
        let work = move |shared: &Shared| {
            let done = shared.put_blob(&own, &put, &bytes);
            drop(pass);
            done
        };
        self.write(&cell, clock::deadline(PATIENCE), work).await?;
        Ok(name)
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        coop::breathe().await;
        self.shared.check()?;
        let cell = self.cell(space);
        self.look(&cell, false).await?;
        let (shared, name) = (Arc::clone(&self.shared), name.clone());
        blocking::run(move || shared.get_blob(&cell, &name, range)).await?
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        self.shared.writer()?;
        let pass = self.enter()?;
        let (cell, until) = (self.cell(space), clock::deadline(PATIENCE));
        let (own, in_use) = (Arc::clone(&cell), in_use.clone());
        let work = move |shared: &Shared| {
            let collected = shared.collect(&own, &in_use, older_than);
            drop(pass);
            collected
        };
        self.write(&cell, until, work).await
    }
}

#[cfg(test)]
mod tests;
