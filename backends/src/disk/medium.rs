//! The file operations that the journal uses, as a trait: a program may keep the files elsewhere than in the file system,
//! and a test may simulate a medium that loses power.
//!
//! # What the journal relies on
//!
//! - What [`File::sync`] answered `Ok` for, contents and length, survives loss of power, if the name survives.
//! - A name that was made, renamed or removed survives once [`Medium::sync_dir`] of its folder answered `Ok`.
//! - A rename inside one folder is atomic: after a crash the new name leads to the old file or to the new one.
//! - Without a flush anything may survive or not, in any order; a write may be torn at any byte, and bytes of a file's
//!   length that were never flushed read as zeros or as what was written.
//! - After a failed operation the journal assumes nothing about the file but what was flushed before.

use std::{
    fmt, fs, io,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// To read; `NotFound` if there is none.
    Read,
    /// To read and write; `NotFound` if there is none.
    Write,
    /// To read and write; made empty if there is none.
    Create,
    /// To read and write; made empty, `AlreadyExists` if there is one.
    CreateNew,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without the folder. Names that are not UTF-8 are left out of a list.
    pub name: String,
    /// Whether it is a folder.
    pub is_dir: bool,
}

/// What a file looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Bytes.
    pub len: u64,
    /// When it was last written, since 1970, by the clock of the medium.
    pub modified: Duration,
}

/// A place with folders and files. Every method may block.
pub trait Medium: Send + Sync + fmt::Debug + 'static {
    /// Opens or makes a file.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name in the same folder; what had that name is gone.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder; its parent exists. `AlreadyExists` if it does.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Flushes the names in a folder.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// What is in a folder, in any order; `NotFound` if there is no such folder.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;

    /// What a file looks like; `NotFound` if there is none.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
}

/// An open file. It stays readable when its name is given to another or removed.
pub trait File: Send + Sync + fmt::Debug + 'static {
    /// Reads at most `bytes.len()` bytes from `offset` on; fewer only at the end of the file.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all bytes at `offset`, or fails and may have written any part of them.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Flushes contents and length.
    fn sync(&self) -> io::Result<()>;

    /// Bytes and time.
    fn stat(&self) -> io::Result<Stat>;

    /// Takes the exclusive lock of the file without waiting; `false` if another open file has it.
    fn try_lock(&self) -> io::Result<bool>;

    /// Gives the lock up. It also ends with the last handle of this open file.
    fn unlock(&self) -> io::Result<()>;
}

/// Object safety is what a simulator needs.
const _: fn(&dyn Medium, &dyn File) = |_, _| {};

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Os;

#[derive(Debug)]
struct OsFile(fs::File);

fn stat(metadata: &fs::Metadata) -> io::Result<Stat> {
    let modified = metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH);
    Ok(Stat { len: metadata.len(), modified: modified.unwrap_or_default() })
}

impl Medium for Os {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(mode != Mode::Read);
        match mode {
            Mode::Read | Mode::Write => {}
            Mode::Create => {
                options.create(true).truncate(false);
            }
            Mode::CreateNew => {
                options.create_new(true);
            }
        }
        Ok(Arc::new(OsFile(options.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    #[cfg(unix)]
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    /// Folders cannot be flushed here; their changes are in the journal of the file system.
    #[cfg(not(unix))]
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::metadata(path).map(drop)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(Entry { name, is_dir: entry.file_type()?.is_dir() });
            }
        }
        Ok(entries)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        stat(&fs::metadata(path)?)
    }
}

impl OsFile {
    #[cfg(unix)]
    fn read_some(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.0, bytes, offset)
    }

    #[cfg(windows)]
    fn read_some(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.0, bytes, offset)
    }

    #[cfg(unix)]
    fn write_some(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(&self.0, bytes, offset)
    }

    #[cfg(windows)]
    fn write_some(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_write(&self.0, bytes, offset)
    }
}

impl File for OsFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_some(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match self.write_some(rest, offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn stat(&self) -> io::Result<Stat> {
        stat(&self.0.metadata()?)
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(e)) => Err(e),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }
}
