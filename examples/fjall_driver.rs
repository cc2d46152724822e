//! How do I put a store on an engine of my own?
//!
//! If it is an ordered map with transactions, implement `Kv`, and make a journal of it. This is all of a driver for fjall, a
//! log-structured engine; the conformance suite judges it beside the journals that come with Sessile.

use std::{
    ops::Range,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

use async_trait::async_trait;
use fjall::{
    KeyspaceCreateOptions, PersistMode, Readable as _, SingleWriterTxDatabase as Database,
    SingleWriterTxKeyspace as Keyspace,
};
use sessile::driver::{
    blocking, check,
    kv::{ApplyError, GuardedBatch, Key, Kv, KvInfo, KvJournal, Value},
    owner,
};
use sessile::journal::{Direction, Durability, Scrub, Sharing};
use sessile::prelude::*;

/// A folder that fjall keeps; one process has it open at a time.
#[derive(Debug)]
pub(crate) struct Fjall {
    info: KvInfo,
    open: Arc<RwLock<Option<Open>>>,
}

/// What is open until the handle is closed.
struct Open {
    database: Database,
    rows: Keyspace,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Open")
    }
}

impl Open {
    fn new(folder: &Path) -> fjall::Result<Self> {
        let database = Database::builder(folder).open()?;
        let rows = database.keyspace("rows", KeyspaceCreateOptions::default)?;
        Ok(Self { database, rows })
    }

    fn get(&self, keys: &[Key]) -> fjall::Result<Vec<Option<Value>>> {
        let now = self.database.read_tx();
        keys.iter().map(|key| Ok(now.get(&self.rows, key)?.map(|value| value.to_vec()))).collect()
    }

    fn scan(
        &self,
        range: Range<Key>,
        direction: Direction,
        rows: usize,
        bytes: usize,
    ) -> fjall::Result<Vec<(Key, Value)>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.database.read_tx();
        let (mut all, mut left, mut found) = (now.range(&self.rows, range), bytes, Vec::new());
        while found.len() < rows && left > 0 {
            let row = match direction {
                Direction::Forward => all.next(),
                Direction::Backward => all.next_back(),
            };
            let Some(row) = row else { break };
            let (key, value) = row.into_inner()?;
            left = left.saturating_sub(value.len());
            found.push((key.to_vec(), value.to_vec()));
        }
        Ok(found)
    }

    /// One transaction. Only its end can leave doubt: until then nothing is written.
    fn apply(&self, batches: &[GuardedBatch]) -> Result<Vec<bool>, ApplyError> {
        let mut now = self.database.write_tx().durability(Some(PersistMode::SyncAll));
        let mut applied = Vec::with_capacity(batches.len());
        for batch in batches {
            let mut holds = true;
            for (key, value) in &batch.guards {
                let found = now.get(&self.rows, key).map_err(failed)?;
                holds &= found.as_deref() == value.as_deref();
            }
            applied.push(holds);
            if !holds {
                continue;
            }
            for range in &batch.clear {
                let keys = now.range(&self.rows, range.clone()).map(fjall::Guard::key);
                for key in keys.collect::<fjall::Result<Vec<_>>>().map_err(failed)? {
                    now.remove(&self.rows, key);
                }
            }
            for (key, value) in &batch.put {
                match value {
                    Some(value) => now.insert(&self.rows, &**key, &**value),
                    None => now.remove(&self.rows, &**key),
                }
            }
        }
        if applied.contains(&true) {
            now.commit().map_err(|error| ApplyError::Unknown(Arc::new(error)))?;
        } else {
            now.rollback();
        }
        Ok(applied)
    }
}

fn failed(error: fjall::Error) -> Error {
    Error::unavailable("fjall failed", error)
}

impl Fjall {
    /// Opens a folder, or creates it.
    pub(crate) async fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref().to_path_buf();
        let place = folder.display().to_string();
        let lock = folder.join("lock");
        let open = blocking::run(move || Open::new(&folder)).await?;
        let open = open.map_err(|error| {
            let by = owner::of(&lock).map(|by| format!(": it is in use by {by}"));
            Error::unavailable(format!("cannot open {place}{}", by.unwrap_or_default()), error)
        })?;
        let info = KvInfo::new("fjall", place, Durability::PowerLoss, Sharing::OneProcess);
        Ok(Self { info, open: Arc::new(RwLock::new(Some(open))) })
    }

    /// Runs work where it may block.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Open) -> T + Send + 'static,
    ) -> Result<T> {
        let open = Arc::clone(&self.open);
        let work = move || {
            let open = open.read().unwrap_or_else(PoisonError::into_inner);
            open.as_ref().map(work).ok_or_else(check::closed)
        };
        blocking::run(work).await?
    }
}

#[async_trait]
impl Kv for Fjall {
    fn info(&self) -> &KvInfo {
        &self.info
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Value>>> {
        let keys = keys.to_vec();
        self.with(move |open| open.get(&keys)).await?.map_err(failed)
    }

    async fn scan(
        &self,
        range: Range<Key>,
        direction: Direction,
        rows: usize,
        bytes: usize,
    ) -> Result<Vec<(Key, Value)>> {
        self.with(move |open| open.scan(range, direction, rows, bytes)).await?.map_err(failed)
    }

    async fn apply(
        &self,
        batches: &[GuardedBatch],
        _until: Instant,
    ) -> Result<Vec<bool>, ApplyError> {
        let batches = batches.to_vec();
        self.with(move |open| open.apply(&batches)).await?
    }

    /// What was removed stays in the engine's files until it merges them, and it does not say when it has.
    async fn scrub(&self) -> Result<Scrub> {
        Err(Error::Unsupported { what: "fjall does not say when what was removed is gone".into() })
    }

    async fn close(&self) -> Result<()> {
        let open = Arc::clone(&self.open);
        let taken = move || open.write().unwrap_or_else(PoisonError::into_inner).take();
        blocking::run(move || drop(taken())).await
    }
}

#[cfg_attr(test, allow(dead_code, reason = "the suite opens the journal itself"))]
#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir().map_err(|error| Error::unavailable("no folder", error))?;
    let journal = KvJournal::open(Arc::new(Fjall::open(folder.path()).await?)).await?;
    let store = Store::new(Arc::new(journal), sessile::options());
    let ann = store.caller("acme", Actor::user("ann"))?;
    let project = ann.create_project("website").await?;
    let thread = ann.create_thread(project, "fix the login").await?;
    let coder = ann.create_session(thread, "coder").await?;
    ann.append(coder, [user("Why?"), assistant("A typo.")]).await?;
    for entry in ann.entries(coder).all().await? {
        println!("{entry}");
    }
    store.close().await
}
