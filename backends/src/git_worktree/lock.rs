//! One at a time writes to the repository: across tasks, and across processes that have the same root.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    time::Duration,
};

use sessile_core::error::{Error, Result};
use sessile_driver::clock;

/// How long others are waited for.
const WAIT: Duration = Duration::from_secs(300);

/// The lock of a root. It ends with its last holder: this, and every program that was given a [`share`](Self::share), so that a
/// `git` whose parent was killed still has it.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Waits for the lock; `Unavailable` after five minutes.
    pub(super) async fn take(path: &Path) -> Result<Self> {
        let failed = |e| Error::unavailable(format!("cannot lock {}", path.display()), e);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(failed)?;
        let until = clock::deadline(WAIT);
        let mut pause = Duration::from_millis(2);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(e)) => return Err(failed(e)),
                Err(TryLockError::WouldBlock) if clock::instant() >= until => {
                    let reason = format!("{} is locked by another process", path.display());
                    return Err(Error::failed(reason));
                }
                Err(TryLockError::WouldBlock) => {
                    clock::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(40));
                }
            }
        }
    }

    /// The same lock for a program.
    pub(super) fn share(&self) -> Result<File> {
        self.0.try_clone().map_err(|e| Error::unavailable("cannot pass a lock on", e))
    }
}
