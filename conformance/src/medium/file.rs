//! An open file.

use std::{
    fmt, io,
    sync::{Arc, Mutex},
};

use super::{SimDisk, Stat};
use crate::medium::tree::{Ino, Op};

/// An open file. It lives on when its name is given to another or removed.
#[derive(Clone)]
pub struct SimFile {
    disk: SimDisk,
    ino: Ino,
    writable: bool,
    lock: Arc<Mutex<Option<Held>>>,
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimFile").field(&self.ino).finish()
    }
}

/// A lock, until it is dropped.
struct Held(SimDisk, Ino);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.state().locked.remove(&self.1);
    }
}

impl SimFile {
    pub(super) fn new(disk: SimDisk, ino: Ino, writable: bool) -> Self {
        Self { disk, ino, writable, lock: Arc::default() }
    }

    /// Reads at most so many bytes; fewer only at the end of the file.
    pub fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.disk.running()?;
        let file = state.tree.file(self.ino).ok_or(io::ErrorKind::NotFound)?;
        let from = (at as usize).min(file.live.len());
        let len = bytes.len().min(file.live.len() - from);
        bytes[..len].copy_from_slice(&file.live[from..from + len]);
        Ok(len)
    }

    /// Writes all bytes; on an error, perhaps some.
    pub fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.is_writable()?;
        self.disk.perform(Op::Write { ino: self.ino, at, bytes: bytes.to_vec() })
    }

    /// Writes all bytes at the end.
    pub fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_at(bytes, self.len()?)
    }

    /// Makes the file shorter, or longer by zeros.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.is_writable()?;
        self.disk.perform(Op::SetLen { ino: self.ino, len })
    }

    fn is_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    /// Flushes contents and length.
    pub fn sync(&self) -> io::Result<()> {
        self.disk.perform(Op::Sync { ino: self.ino })
    }

    /// Its length.
    #[allow(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> io::Result<u64> {
        Ok(self.stat()?.len)
    }

    /// Length and time.
    pub fn stat(&self) -> io::Result<Stat> {
        Ok(self.disk.running()?.stat(self.ino))
    }

    /// Takes the exclusive lock; `false` if another open file has it. Clones of this handle hold it together.
    pub fn try_lock(&self) -> io::Result<bool> {
        let mut lock = self.lock.lock().expect("no panic inside");
        if lock.is_none() && self.disk.running()?.locked.insert(self.ino) {
            *lock = Some(Held(self.disk.clone(), self.ino));
            return Ok(true);
        }
        Ok(false)
    }

    /// Gives the lock up.
    pub fn unlock(&self) -> io::Result<()> {
        *self.lock.lock().expect("no panic inside") = None;
        Ok(())
    }
}
