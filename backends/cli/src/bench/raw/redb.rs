//! A plain redb database: one table, each transaction durable at once.

use std::path::PathBuf;

use redb::{Database, ReadableDatabase as _, TableDefinition};

use super::{BODY, LOG, Raw, SESSIONS, SHORT, WRITERS, writers};
use crate::{
    bench::sizes::Sizes,
    fail::{Fail, Result},
};

/// Space and version: space 0 is the log, the spaces from 1 are threads.
const TABLE: TableDefinition<'static, (u64, u64), &str> = TableDefinition::new("record");
/// The spaces of those who write.
const WRITER: u64 = 1 << 32;

pub(super) struct Redb {
    path: PathBuf,
    db: Option<Database>,
    next: u64,
}

fn engine(error: impl Into<redb::Error>) -> Fail {
    Fail::input(format!("the bare engine: {}", error.into()))
}

impl Redb {
    pub(super) fn new(path: PathBuf, sizes: &Sizes) -> Result<Self> {
        let db = Database::create(&path).map_err(engine)?;
        let raw = Self { path, db: Some(db), next: 0 };
        let (long, short) = ("x".repeat(BODY), "x".repeat(SHORT));
        let log = (0..LOG as u64).map(|version| ((0, version), &*long));
        let threads = (1..=sizes.threads as u64)
            .flat_map(|space| (0..=SESSIONS as u64).map(move |version| (space, version)));
        raw.put(log.chain(threads.map(|key| (key, &*short))))?;
        Ok(raw)
    }

    fn db(&self) -> Result<&Database> {
        self.db.as_ref().ok_or_else(|| Fail::input("the bare engine is closed"))
    }

    fn put<'a>(&self, rows: impl Iterator<Item = ((u64, u64), &'a str)>) -> Result<()> {
        let txn = self.db()?.begin_write().map_err(engine)?;
        {
            let mut table = txn.open_table(TABLE).map_err(engine)?;
            for (key, body) in rows {
                table.insert(key, body).map_err(engine)?;
            }
        }
        txn.commit().map_err(engine)
    }

    /// The rows of a space, from the end.
    fn read(&self, space: u64, limit: usize) -> Result<()> {
        let txn = self.db()?.begin_read().map_err(engine)?;
        let table = txn.open_table(TABLE).map_err(engine)?;
        let rows = table.range((space, 0)..=(space, u64::MAX)).map_err(engine)?;
        let rows: std::result::Result<Vec<(u64, String)>, redb::StorageError> = rows
            .rev()
            .take(limit)
            .map(|row| row.map(|(key, body)| (key.value().1, body.value().to_owned())))
            .collect();
        std::hint::black_box(rows.map_err(engine)?);
        Ok(())
    }
}

impl Raw for Redb {
    fn create(&mut self, n: u64) -> Result<u64> {
        let body = "x".repeat(SHORT);
        for _ in 0..n {
            self.next += 1;
            self.put(std::iter::once(((2 * WRITER + self.next, 0), &*body)))?;
        }
        Ok(n)
    }

    fn append(&mut self, n: u64) -> Result<u64> {
        let body = "x".repeat(BODY);
        for _ in 0..n {
            self.next += 1;
            self.put(std::iter::once(((WRITER, self.next), &*body)))?;
        }
        Ok(n)
    }

    fn append_together(&mut self, each: u64) -> Result<u64> {
        let first = self.next + 1;
        self.next += each;
        writers::run(each, |rows| {
            self.put(rows.iter().map(|r| ((WRITER + 1 + r.writer as u64, first + r.nth), &*r.body)))
        })
    }

    fn append_batches(&mut self, n: u64) -> Result<u64> {
        let body = "x".repeat(BODY);
        for _ in 0..n {
            let first = self.next + 1;
            self.next += WRITERS as u64;
            self.put((first..=self.next).map(|version| ((WRITER, version), &*body)))?;
        }
        Ok(n * WRITERS as u64)
    }

    fn tail(&mut self, n: u64) -> Result<u64> {
        (0..n).try_for_each(|_| self.read(0, 50))?;
        Ok(n)
    }

    fn list(&mut self, n: u64) -> Result<u64> {
        (0..n).try_for_each(|_| self.read(1, SESSIONS + 1))?;
        Ok(n)
    }

    fn threads(&mut self, n: usize) -> Result<u64> {
        (1..=n as u64).try_for_each(|space| self.read(space, SESSIONS + 1))?;
        Ok(n as u64)
    }

    fn open(&mut self, n: u64) -> Result<u64> {
        self.db = None;
        for _ in 0..n {
            let db = Database::open(&self.path).map_err(engine)?;
            let txn = db.begin_read().map_err(engine)?;
            txn.open_table(TABLE).map_err(engine)?.get((0, 0)).map_err(engine)?;
        }
        Ok(n)
    }
}
