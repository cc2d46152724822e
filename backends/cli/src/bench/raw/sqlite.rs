//! A plain SQLite database: write-ahead log, flushed at each commit; one table with one index.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::{
    BODY, LOG, Raw, SESSIONS, SHORT, WRITERS,
    writers::{self, Row},
};
use crate::{
    bench::sizes::Sizes,
    fail::{Fail, Result},
};

pub(in crate::bench) struct Sqlite {
    path: PathBuf,
    db: Connection,
    next: i64,
}

fn engine(error: rusqlite::Error) -> Fail {
    Fail::input(format!("the bare engine: {error}"))
}

/// Opens a database as its users do, and asks it one thing.
fn open(path: &Path) -> Result<Connection> {
    let db = Connection::open(path).map_err(engine)?;
    db.pragma_update(None, "journal_mode", "WAL").map_err(engine)?;
    db.pragma_update(None, "synchronous", "FULL").map_err(engine)?;
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(engine)?;
    Ok(db)
}

impl Sqlite {
    /// A database of as many rows as the store beside it has records in its large fixtures: space 0 is the log, the
    /// spaces from 1 are threads.
    pub(in crate::bench) fn new(path: PathBuf, sizes: &Sizes) -> Result<Self> {
        let mut db = open(&path)?;
        db.execute_batch(
            "CREATE TABLE record (id INTEGER PRIMARY KEY, space INTEGER NOT NULL, version INTEGER NOT NULL, \
             body TEXT NOT NULL, UNIQUE (space, version))",
        )
        .map_err(engine)?;
        let fill = db.transaction().map_err(engine)?;
        {
            let mut insert = fill.prepare(INSERT).map_err(engine)?;
            let (long, short) = ("x".repeat(BODY), "x".repeat(SHORT));
            for version in 0..LOG {
                insert.execute(params![0, version as i64, long]).map_err(engine)?;
            }
            for space in 1..=sizes.threads {
                for version in 0..=SESSIONS {
                    insert.execute(params![space as i64, version as i64, short]).map_err(engine)?;
                }
            }
        }
        fill.commit().map_err(engine)?;
        Ok(Self { path, db, next: 0 })
    }

    /// So many transactions of so many short rows, in one space.
    pub(in crate::bench) fn transactions(&mut self, n: u64, rows: u64) -> Result<u64> {
        let body = "x".repeat(SHORT);
        for _ in 0..n {
            let all = self.db.transaction().map_err(engine)?;
            {
                let mut insert = all.prepare_cached(INSERT).map_err(engine)?;
                for _ in 0..rows {
                    self.next += 1;
                    insert.execute(params![-1, self.next, body]).map_err(engine)?;
                }
            }
            all.commit().map_err(engine)?;
        }
        Ok(n)
    }

    fn read(&self, sql: &str, space: Option<i64>) -> Result<()> {
        let mut select = self.db.prepare_cached(sql).map_err(engine)?;
        let pair = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
        let rows = match space {
            Some(space) => select.query_map([space], pair),
            None => select.query_map([], pair),
        };
        let rows = rows.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).map_err(engine)?;
        std::hint::black_box(rows);
        Ok(())
    }
}

impl Raw for Sqlite {
    fn create(&mut self, n: u64) -> Result<u64> {
        let body = "x".repeat(SHORT);
        let mut insert = self.db.prepare_cached(INSERT).map_err(engine)?;
        for _ in 0..n {
            self.next += 1;
            insert.execute(params![-1000 - self.next, 0, body]).map_err(engine)?;
        }
        Ok(n)
    }

    fn append(&mut self, n: u64) -> Result<u64> {
        let body = "x".repeat(BODY);
        let mut insert = self.db.prepare_cached(INSERT).map_err(engine)?;
        for _ in 0..n {
            self.next += 1;
            insert.execute(params![-1, self.next, body]).map_err(engine)?;
        }
        Ok(n)
    }

    fn append_together(&mut self, each: u64) -> Result<u64> {
        let first = self.next + 1;
        self.next += each as i64;
        writers::run(each, |rows| {
            let all = self.db.transaction().map_err(engine)?;
            {
                let mut insert = all.prepare_cached(INSERT).map_err(engine)?;
                for Row { writer, nth, body } in rows {
                    let row = params![-2 - *writer as i64, first + *nth as i64, body];
                    insert.execute(row).map_err(engine)?;
                }
            }
            all.commit().map_err(engine)
        })
    }

    fn append_batches(&mut self, n: u64) -> Result<u64> {
        let body = "x".repeat(BODY);
        for _ in 0..n {
            let all = self.db.transaction().map_err(engine)?;
            {
                let mut insert = all.prepare_cached(INSERT).map_err(engine)?;
                for _ in 0..WRITERS {
                    self.next += 1;
                    insert.execute(params![-1, self.next, body]).map_err(engine)?;
                }
            }
            all.commit().map_err(engine)?;
        }
        Ok(n * WRITERS as u64)
    }

    fn tail(&mut self, n: u64) -> Result<u64> {
        let sql = "SELECT version, body FROM record WHERE space = 0 ORDER BY version DESC LIMIT 50";
        (0..n).try_for_each(|_| self.read(sql, None))?;
        Ok(n)
    }

    fn list(&mut self, n: u64) -> Result<u64> {
        (0..n).try_for_each(|_| self.read(LIST, Some(1)))?;
        Ok(n)
    }

    fn threads(&mut self, n: usize) -> Result<u64> {
        (1..=n).try_for_each(|space| self.read(LIST, Some(space as i64)))?;
        Ok(n as u64)
    }

    fn open(&mut self, n: u64) -> Result<u64> {
        self.db = Connection::open_in_memory().map_err(engine)?;
        (0..n).try_for_each(|_| open(&self.path).map(drop))?;
        Ok(n)
    }
}

const INSERT: &str = "INSERT INTO record (space, version, body) VALUES (?1, ?2, ?3)";
const LIST: &str = "SELECT version, body FROM record WHERE space = ?1 ORDER BY version LIMIT 101";
