//! A journal in an SQLite file.

mod blobs;
mod commit;
mod error;
mod known;
mod list;
mod open;
mod options;
mod pool;
mod range;
mod read;
mod schema;
mod scrub;
mod watch;
mod write;

use std::{
    collections::HashSet,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use rusqlite::Connection;
use sessile_core::{
    error::{Error, Result},
    id::{Space, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Durability, Head, Journal, JournalInfo, ListQuery, ListRow,
        Position, ReadRange, Record, Scrub, Sharing, Snapshot,
    },
};

pub use self::options::{Options, Synchronous};
#[doc(hidden)]
use self::{
    error::is_busy,
    pool::Pool,
    read::{EngineResult, SqliteFailure},
    watch::Watch,
    write::Writer,
};
use sessile_driver::{
    blocking, check,
    clock::{self, Clock as _, SystemClock},
    coop,
    engine::{Job, Write},
    group::GroupCommit,
    notifier::{self, Notifier},
    reservation,
};

/// A read of up to this many records runs on the caller's thread; a longer one through [`blocking::run`].
const SHORT_READ: usize = 64;

/// How long a write without a patience of its own waits for other processes.
const PATIENCE: Duration = Duration::from_secs(5);

/// A journal in an SQLite file, which any processes of one host may share.
///
/// Durability is [`Durability::PowerLoss`], as SQLite promises for WAL with `synchronous=FULL`, or
/// [`Durability::ProcessKill`] with [`Synchronous::Normal`]. Sharing is [`Sharing::ManyProcesses`]. A person reads the file
/// with `sqlite3`: the views are `thread`, `session`, `message` and `state`.
///
/// # Where it blocks
///
/// On a worker of a multi-threaded tokio runtime a commit runs in place, with `block_in_place`: it occupies its thread for
/// one commit of the engine, while the worker's other tasks move on. Other futures of the same task, such as a timeout, wait
/// for it; if other processes hold the file, they are polled every 20 ms. The same holds in the future of `block_on`, with
/// all that this future polls. Elsewhere - a task of a `LocalSet`, a `current_thread` runtime, or no runtime - a commit runs
/// on another thread, which costs its hand-over: about a third of the throughput of a single writer. Heads and reads of up
/// to 64 records always run in place.
///
/// # After a failure
///
/// A failed write rolls back and is `Unavailable`; the next may succeed, for instance once there is space on a full disk. After a
/// failed flush the content of the file is unknown: the commits of the group are `Indeterminate`, and every later call is
/// `Unavailable` until the file is opened again.
///
/// # Not promised
///
/// - Safety on a network file system, or if a program other than SQLite touches the file.
/// - That what was erased or dropped leaves the disk at once: it is overwritten with zeros in the file, but copies stay in
///   the write-ahead log until [`scrub`](sessile_core::journal::Journal::scrub) is done; it is `Pending` while another
///   process is in the middle of a read. Copies that the file system or the device keeps are out of reach.
#[derive(Debug)]
pub struct Sqlite {
    shared: Arc<SqliteShared>,
    group: Arc<GroupCommit>,
}

/// The state that readers and the writer share.
#[derive(Debug)]
pub(crate) struct SqliteShared {
    path: PathBuf,
    options: Options,
    info: JournalInfo,
    pool: Pool,
    watch: Watch,
    notifier: Notifier,
    closed: AtomicBool,
    /// Why the handle is of no use until the file is opened again.
    poisoned: OnceLock<String>,
}

impl SqliteShared {
    /// Checks that the handle was not closed, and that no flush failed.
    fn check(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(check::closed());
        }
        match self.poisoned.get() {
            None => Ok(()),
            Some(reason) => Err(Error::failed(reason.clone())),
        }
    }

    fn poison(&self, error: &rusqlite::Error) {
        let file = self.path.display();
        let _ = self
            .poisoned
            .set(format!("an earlier flush of {file} failed ({error}); open it again"));
        self.notifier.notify_all();
    }

    fn engine_error(&self, error: rusqlite::Error) -> Error {
        error::engine(&self.path, error)
    }

    /// Runs one query on a connection of the pool; waits while other processes recover or close the file.
    fn read<T>(&self, query: impl Fn(&Connection) -> EngineResult<T>) -> Result<T> {
        self.check()?;
        let until = clock::deadline(open::PATIENCE);
        let mut attempt = 0;
        loop {
            let asked =
                self.pool.get(&self.path, &self.options).map_err(SqliteFailure::Engine).and_then(
                    |reader| {
                        let found = reader.conn().map_err(SqliteFailure::Engine).and_then(&query);
                        if matches!(found, Err(SqliteFailure::Engine(_))) {
                            reader.discard();
                        }
                        found
                    },
                );
            match asked {
                Ok(value) => return Ok(value),
                Err(SqliteFailure::Stated(error)) => return Err(error),
                Err(SqliteFailure::Engine(e)) if is_busy(&e) && clock::instant() < until => {
                    reservation::pause(attempt);
                    attempt += 1;
                }
                Err(SqliteFailure::Engine(e)) => return Err(self.engine_error(e)),
            }
        }
    }
}

impl Sqlite {
    /// Opens a file, or creates it; its directory must exist. Any number of processes may do so at once.
    ///
    /// # Errors
    ///
    /// `Invalid` if the path is a directory or lies in none; `CorruptFile` if it is no database, a damaged one, or another
    /// application's; `NewerFormat` if a newer release wrote it; `Unavailable` if it cannot be written.
    pub async fn open(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let path = check::absolute_file(path.as_ref())?;
        blocking::run(move || {
            let (conn, store) = open::open(&path, &options)?;
            Ok(Self::over(path, options, conn, store))
        })
        .await?
    }

    fn over(path: PathBuf, options: Options, conn: Connection, store: u128) -> Self {
        let durability = match options.synchronous {
            Synchronous::Full => Durability::PowerLoss,
            Synchronous::Normal => Durability::ProcessKill,
        };
        let shared = Arc::new(SqliteShared {
            path,
            options,
            info: JournalInfo::new(
                "sqlite",
                store,
                durability,
                Sharing::ManyProcesses,
                schema::FORMAT,
            ),
            pool: Pool::default(),
            watch: Watch::default(),
            notifier: Notifier::new(),
            closed: AtomicBool::new(false),
            poisoned: OnceLock::new(),
        });
        let group = GroupCommit::new(Box::new(Writer::new(shared.clone(), conn)));
        Self { shared, group }
    }

    /// A query in place, or on another thread if it is long or would have to wait for a connection.
    async fn query<T: Send + 'static>(
        &self,
        is_short: bool,
        query: impl Fn(&Connection) -> EngineResult<T> + Send + 'static,
    ) -> Result<T> {
        coop::yield_budget().await;
        if is_short && !self.shared.pool.is_exhausted() {
            return self.shared.read(query);
        }
        let shared = self.shared.clone();
        blocking::run(move || shared.read(query)).await?
    }

    async fn submit(&self, space: &Space, write: Write, patience: Duration) -> Result<Commit> {
        coop::yield_budget().await;
        self.shared.check()?;
        let until = clock::deadline(patience);
        self.group.submit(Job { space: space.clone(), write, until }).await
    }

    /// A write that has no expected head.
    async fn keep(&self, space: &Space, write: Write) -> Result<()> {
        self.submit(space, write, PATIENCE).await.and_then(check::require_known)
    }
}

#[async_trait]
impl Journal for Sqlite {
    fn info(&self) -> &JournalInfo {
        &self.shared.info
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        coop::yield_budget().await;
        self.shared.check()?;
        if let Some(head) = self.group.head(space) {
            return Ok(head);
        }
        if !self.shared.pool.is_exhausted() {
            return self.shared.read(|conn| read::head(conn, space));
        }
        let space = space.clone();
        self.query(false, move |conn| read::head(conn, &space)).await
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        self.shared.check()?;
        check::batch(&self.shared.info.limits, space, expected, batch)?;
        let write = Write::Batch { expected, batch: batch.clone() };
        self.submit(space, write, batch.patience).await
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        let (space, range) = (space.clone(), *range);
        let bytes = self.shared.info.limits.batch_bytes;
        let query = move |conn: &Connection| read::read(conn, &space, &range, bytes);
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
        self.query(false, move |conn| blobs::load_snapshot(conn, &space)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        let query = query.clone();
        self.query(query.limit <= SHORT_READ, move |conn| list::list(conn, &query)).await
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        let until = clock::deadline(time);
        let mut pause = Duration::from_millis(1);
        let mut seen = None;
        loop {
            let listener = self.shared.notifier.listen(space);
            self.shared.check()?;
            let epoch = self
                .shared
                .watch
                .epoch(|| open::open_reader(&self.shared.path, &self.shared.options));
            // A file that is busy may have changed.
            let epoch = epoch.ok();
            if epoch.is_none() || epoch != seen || listener.is_none() {
                if self.shared.read(|conn| read::is_past(conn, space, after))? {
                    return Ok(true);
                }
                seen = epoch;
            }
            let left = until.saturating_duration_since(clock::instant());
            if left.is_zero() {
                return Ok(false);
            }
            if notifier::notified(listener, left.min(pause)).await {
                seen = None;
            }
            pause = (pause * 2).min(Duration::from_millis(16));
        }
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.submit(space, Write::Drop { expected }, PATIENCE).await
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
        blocking::run(move || {
            shared.pool.close();
            shared.watch.close();
            group.close()
        })
        .await?
    }
}

#[async_trait]
impl Blobs for Sqlite {
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
        self.query(false, move |conn| blobs::get(conn, &space, &name, range.clone())).await
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
