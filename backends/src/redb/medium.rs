//! What lies under the engine: watched, because the engine does not say which of its steps failed.

use std::{
    io,
    ops::Bound,
    sync::{Arc, Mutex, OnceLock},
};

use redb::{BackendError, StorageBackend};

use sessile_driver::lock;

/// Whether a flush has failed, and with which error. It stays so.
#[derive(Debug, Default)]
pub(super) struct Flush(OnceLock<String>);

impl Flush {
    pub(super) fn failed(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    pub(super) fn fail(&self, error: &io::Error) {
        let _ = self.0.set(error.to_string());
    }
}

/// The watch that records a failed flush.
#[derive(Debug)]
pub(super) struct Watch(Mutex<Arc<Flush>>);

impl Watch {
    pub(super) fn new(flush: &Arc<Flush>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(flush.clone())))
    }

    pub(super) fn set(&self, flush: &Arc<Flush>) {
        *lock(&self.0) = flush.clone();
    }
}

/// A medium that the engine may close and get again.
#[derive(Debug)]
pub(super) struct Medium {
    pub(super) inner: Arc<dyn StorageBackend>,
    /// A file is locked and closed; a medium of a caller is not, and is closed with its last owner.
    pub(super) is_file: bool,
    pub(super) watch: Arc<Watch>,
}

impl StorageBackend for Medium {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data().inspect_err(|e| lock(&self.watch.0).fail(e))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        if self.is_file { self.inner.close() } else { Ok(()) }
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.lockable()?.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.lockable()?.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.lockable()?.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.lockable()?.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.lockable()?.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.lockable()?.query_lock_range(start, end)
    }
}

impl Medium {
    fn lockable(&self) -> Result<&dyn StorageBackend, BackendError> {
        if self.is_file { Ok(&*self.inner) } else { Err(BackendError::Unsupported) }
    }
}
