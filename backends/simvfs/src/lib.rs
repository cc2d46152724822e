//! SQLite on a [`SimDisk`]: a VFS whose files are simulated. For tests only.
//!
//! Databases, journals and write-ahead logs are on the medium. Locks and the shared memory of WAL are those of the
//! system's own VFS, on an empty file in a temporary directory: they do not survive a machine, and nothing is asked of them.
//! As the system's VFS does, it flushes the name of a new journal or write-ahead log with its first flush.

mod file;
mod vfs;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
};

use sessile_conformance::medium::{SimDisk, WeakDisk};
use tempfile::TempDir;

/// The name of the VFS, once something is mounted.
pub const NAME: &str = "sessile-sim";

static MOUNTED: Mutex<BTreeMap<PathBuf, WeakDisk>> = Mutex::new(BTreeMap::new());

fn mounted() -> MutexGuard<'static, BTreeMap<PathBuf, WeakDisk>> {
    MOUNTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a medium is to be found, until it is dropped.
struct Mount(TempDir);

impl Drop for Mount {
    fn drop(&mut self) {
        mounted().remove(self.0.path());
    }
}

/// Lets files of a directory be files of the root of a medium, for as long as the medium exists.
///
/// # Errors
/// When there is no temporary directory, or SQLite takes no VFS.
pub fn mount(disk: &SimDisk) -> std::io::Result<PathBuf> {
    static REGISTERED: Once = Once::new();
    let mut registered = Ok(());
    REGISTERED.call_once(|| registered = vfs::register());
    registered?;
    let temp = tempfile::tempdir()?;
    let path = temp.path().to_owned();
    mounted().insert(path.clone(), disk.downgrade());
    disk.keep(Arc::new(Mount(temp)));
    Ok(path)
}

/// The medium a file is on, and its path there.
fn on(path: &Path) -> Option<(SimDisk, PathBuf)> {
    let disk = mounted().get(path.parent()?)?.upgrade()?;
    Some((disk, PathBuf::from(path.file_name()?)))
}
