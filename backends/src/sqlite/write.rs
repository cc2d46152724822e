//! The writing connection: groups, and what becomes of them when something fails.

use std::sync::Arc;

use rusqlite::Connection;
use sessile_core::{
    error::{Error, Result, Source},
    id::Space,
    journal::{Commit, Head},
};

use super::{
    SqliteShared,
    commit::{self, Applied},
    error::{self, is_busy},
    known::{KnownSpaces, Prepared},
    open,
    read::{self, SqliteFailure},
};
use sessile_driver::engine::{Committed, Engine, Job, Write};

#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<SqliteShared>,
    /// None after an error left it in doubt; the next writer opens another.
    conn: Option<Connection>,
    /// It holds the file's write lock.
    begun: bool,
    known: KnownSpaces,
}

impl Writer {
    pub(super) fn new(shared: Arc<SqliteShared>, conn: Connection) -> Self {
        Self { shared, conn: Some(conn), begun: false, known: KnownSpaces::new() }
    }

    fn try_begin(&mut self) -> rusqlite::Result<()> {
        if self.begun {
            return Ok(());
        }
        let conn = match self.conn.take() {
            Some(conn) if conn.is_autocommit() => conn,
            _ => open::reopen_writer(&self.shared.path, &self.shared.options)?,
        };
        let conn = self.conn.insert(conn);
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.begun = true;
        Ok(())
    }

    /// Applies jobs inside the transaction, in order.
    fn apply(&mut self, jobs: &[&Job]) -> Result<Vec<Applied>> {
        let Self { shared, conn: Some(conn), known, .. } = self else { return Err(unusable()) };
        let mut on = Prepared::new(conn);
        let apply = |job: &&Job| {
            commit::apply(&mut on, known, job).map_err(|failure| match failure {
                SqliteFailure::Stated(error) => error,
                // The only constraint a batch can meet is the version it was to have: a record that nobody acknowledged.
                SqliteFailure::Engine(e)
                    if e.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
                        && matches!(job.write, Write::Batch { .. }) =>
                {
                    let version = first_version(job);
                    Error::corrupt(&job.space, version, format!("it cannot be written: {e}"))
                }
                SqliteFailure::Engine(e) => shared.engine_error(e),
            })
        };
        jobs.iter().map(apply).collect()
    }

    /// Ends the transaction. An error means that nothing was applied; `Some`, that nobody knows.
    fn end(&mut self, jobs: &[&Job]) -> Result<Option<Source>> {
        let Some(conn) = &self.conn else { return Err(unusable()) };
        let ended = conn.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        let error = match ended {
            Ok(_) => {
                self.begun = false;
                return Ok(None);
            }
            Err(error) => error,
        };
        self.release();
        if error::is_clean(&error) {
            return Err(self.shared.engine_error(error));
        }
        self.conn = None;
        if error::is_flush(&error) {
            self.shared.poison(&error);
        } else if self.landed(jobs) {
            return Ok(None);
        }
        Ok(Some(Arc::new(error)))
    }

    /// Whether the first thing that can be looked up is there for all to see, and so everything is.
    fn landed(&self, jobs: &[&Job]) -> bool {
        jobs.iter()
            .find_map(|job| match &job.write {
                Write::Batch { batch, .. } => Some((job, batch.records.last()?)),
                _ => None,
            })
            .is_some_and(|(job, last)| {
                let range = sessile_core::journal::ReadRange {
                    stream: None,
                    after: last.version.saturating_sub(1),
                    upto: last.version,
                    direction: sessile_core::journal::Direction::Forward,
                    limit: 1,
                };
                let read =
                    self.shared.read(|conn| read::read(conn, &job.space, &range, usize::MAX));
                read.is_ok_and(|records| records.first() == Some(last))
            })
    }

    /// After a commit: tries once to keep going first for a writer that lost to another process. What it is told is read
    /// again, under the lock.
    fn hold(&mut self, job: &Job) -> Option<Commit> {
        self.try_begin().ok()?;
        let answer = self.apply(&[job]).ok().and_then(|mut applied| applied.pop());
        match answer {
            Some(Applied::Answer(answer @ Commit::HeadMoved { head: Some(_), .. })) => Some(answer),
            _ => {
                self.release();
                None
            }
        }
    }
}

fn unusable() -> Error {
    Error::failed("the connection for writing is lost; open the store again")
}

fn first_version(job: &Job) -> u64 {
    match &job.write {
        Write::Batch { batch, .. } => batch.records.first().map_or(0, |record| record.version),
        _ => 0,
    }
}

impl Engine for Writer {
    fn begin(&mut self) -> Result<bool> {
        self.shared.check()?;
        match self.try_begin() {
            Ok(()) => Ok(true),
            Err(e) if is_busy(&e) => Ok(false),
            Err(e) => Err(self.shared.engine_error(e)),
        }
    }

    fn commit(&mut self, jobs: &[&Job], may_hold: bool) -> Result<Committed> {
        let mut answers: Vec<Option<Commit>> = Vec::with_capacity(jobs.len());
        let mut written: Vec<&Job> = Vec::with_capacity(jobs.len());
        let mut lost = None;
        for (at, (job, applied)) in jobs.iter().zip(self.apply(jobs)?).enumerate() {
            match applied {
                Applied::Wrote => {
                    written.push(job);
                    answers.push(None);
                }
                Applied::Answer(answer) => {
                    let by_others = !written.iter().any(|other| other.space == job.space);
                    if by_others && matches!(answer, Commit::HeadMoved { head: Some(_), .. }) {
                        lost = lost.or(Some(at));
                    }
                    answers.push(Some(answer));
                }
            }
        }
        let mut hold = lost.filter(|_| may_hold);
        let mut doubt = None;
        if written.is_empty() {
            if hold.is_none() {
                self.release();
            }
        } else {
            doubt = self.end(&written)?;
            for job in &written {
                self.shared.notifier.notify(&job.space);
            }
            // The head that a job was refused on may be one that is in doubt now.
            hold = hold.filter(|_| doubt.is_none());
            if let Some((at, job)) = hold.and_then(|at| Some((at, *jobs.get(at)?))) {
                match (self.hold(job), answers.get_mut(at)) {
                    (Some(answer), Some(place)) => *place = Some(answer),
                    _ => hold = None,
                }
            }
        }
        Ok(Committed::new(answers, doubt, hold))
    }

    fn release(&mut self) {
        if std::mem::take(&mut self.begun)
            && let Some(conn) = &self.conn
            && !conn.is_autocommit()
            && conn.prepare_cached("ROLLBACK").and_then(|mut s| s.execute([])).is_err()
        {
            self.conn = None;
        }
    }

    /// The pages that this connection wrote are in its cache; a reader finds its own out of date after every commit.
    fn head(&mut self, space: &Space) -> Option<Option<Head>> {
        let conn = self.conn.as_ref().filter(|conn| conn.is_autocommit())?;
        read::head(conn, space).ok()
    }

    fn close(&mut self) -> Result<()> {
        self.release();
        let Some(conn) = self.conn.take() else { return Ok(()) };
        // Others may be at work: then the last of them does it.
        let _ = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        conn.close().map_err(|(_, e)| self.shared.engine_error(e))
    }
}
