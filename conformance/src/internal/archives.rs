//! Archives of maps, and an archive that fails on purpose.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use sessile_core::{Error, Result, archive::ArchiveBackend, error::Subject};

use crate::{Backend, Dir};

/// The name that every store of the suite knows its archive by.
pub const ARCHIVE: &str = "cold";

/// Keeps bundles in memory.
#[derive(Debug, Default)]
pub struct MapArchive(Mutex<BTreeMap<String, Vec<u8>>>);

impl MapArchive {
    /// The archive of a location.
    pub fn of(dir: &Dir) -> Arc<Self> {
        dir.kept::<Self>().unwrap_or_else(|| {
            let archive = Arc::new(Self::default());
            dir.keep(Arc::clone(&archive));
            archive
        })
    }

    /// Archives of maps as a backend; those of one location share what they hold.
    pub fn backend() -> Backend {
        Backend::archive("map_archive", |dir: Dir| async move { Self::of(&dir) })
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().expect("no panic inside")
    }
}

#[async_trait]
impl ArchiveBackend for MapArchive {
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        tokio::task::yield_now().await;
        self.held().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    async fn get(&self, name: &str) -> Result<Vec<u8>> {
        tokio::task::yield_now().await;
        let bytes = self.held().get(name).cloned();
        bytes.ok_or_else(|| Error::not_found(Subject::file(name)))
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        tokio::task::yield_now().await;
        let held = self.held();
        let names = held.keys().filter(|name| name.starts_with(prefix));
        let names = names.filter(|name| after.is_none_or(|after| name.as_str() > after));
        Ok(names.take(limit).cloned().collect())
    }

    async fn remove(&self, name: &str) -> Result<()> {
        tokio::task::yield_now().await;
        self.held().remove(name);
        Ok(())
    }
}

/// A call of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveCall {
    /// `put`, of this name.
    Put(String),
    /// `get`.
    Get(String),
    /// `list`.
    List(String),
    /// `remove`.
    Remove(String),
}

/// What becomes of a call that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is not passed on.
    Before,
    /// It is passed on.
    After,
    /// It is not passed on, and never answers.
    Hangs,
}

/// Passes calls on and takes note of them, until so many were made: the next and all later fail.
pub struct FailingArchive {
    inner: Arc<dyn ArchiveBackend>,
    left: AtomicUsize,
    failure: Failure,
    calls: Mutex<Vec<ArchiveCall>>,
}

impl FailingArchive {
    /// Over an archive; the call after `calls` fails, and all after it.
    pub fn after(inner: Arc<dyn ArchiveBackend>, calls: usize, failure: Failure) -> Arc<Self> {
        Arc::new(Self { inner, left: calls.into(), failure, calls: Mutex::default() })
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<ArchiveCall> {
        self.calls.lock().expect("no panic inside").clone()
    }

    /// Whether a call failed.
    pub fn has_failed(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    async fn pass<T>(
        &self,
        call: ArchiveCall,
        doing: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.calls.lock().expect("no panic inside").push(call);
        let less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return doing.await;
        }
        match self.failure {
            Failure::Before => {}
            Failure::After => drop(doing.await?),
            Failure::Hangs => std::future::pending().await,
        }
        Err(Error::failed("the archive fails for now"))
    }
}

impl fmt::Debug for FailingArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FailingArchive")
    }
}

#[async_trait]
impl ArchiveBackend for FailingArchive {
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.pass(ArchiveCall::Put(name.into()), self.inner.put(name, bytes)).await
    }

    async fn get(&self, name: &str) -> Result<Vec<u8>> {
        self.pass(ArchiveCall::Get(name.into()), self.inner.get(name)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        self.pass(ArchiveCall::List(prefix.into()), self.inner.list(prefix, after, limit)).await
    }

    async fn remove(&self, name: &str) -> Result<()> {
        self.pass(ArchiveCall::Remove(name.into()), self.inner.remove(name)).await
    }
}
