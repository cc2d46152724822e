//! The journals of this crate on the suite's simulated medium.

mod objects;

use std::{io, path::Path, sync::Arc};

use redb::StorageBackend;
use sessile::{
    Result,
    disk::{
        self, Disk,
        medium::{Entry, File, Medium, Mode, Stat},
    },
    error::Error,
    redb as pages,
    sqlite::{Options, Sqlite},
};
use sessile_conformance::medium::{self, Open, SimDisk, SimFile};
use sessile_driver::kv::KvJournal;

pub(crate) use self::objects::objects;

fn failed(error: io::Error) -> Error {
    Error::unavailable("the simulated medium fails", error)
}

/// Through a VFS. The journal flushes the name of its file itself, past the VFS: here that is done for it.
pub(crate) async fn sqlite(disk: SimDisk) -> Result<Sqlite> {
    let dir = sessile_simvfs::mount(&disk).map_err(failed)?;
    let options = Options::default().with_vfs(sessile_simvfs::NAME);
    let journal = Sqlite::open(dir.join("store.db"), options).await?;
    disk.sync_dir(Path::new("")).map_err(failed)?;
    Ok(journal)
}

/// One file, for redb.
#[derive(Debug)]
struct Pages(SimFile);

impl StorageBackend for Pages {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.0.read_at(out, offset)? < out.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(data, offset)
    }
}

/// Through the engine's own seam. The name of the file is flushed as the journal does for a file.
pub(crate) async fn redb(disk: SimDisk) -> Result<KvJournal> {
    let file = disk.open(Path::new("store.redb"), Open::Create).map_err(failed)?;
    let journal = pages::open_on(Pages(file), pages::Options::default()).await?;
    disk.sync_dir(Path::new("")).map_err(failed)?;
    Ok(journal)
}

/// The medium as the disk journal wants it.
#[derive(Debug)]
struct Folders(SimDisk);

fn stat(stat: medium::Stat) -> Stat {
    Stat { len: stat.len, modified: stat.modified }
}

impl Medium for Folders {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        let open = match mode {
            Mode::Read => Open::Read,
            Mode::Write => Open::Write,
            Mode::Create => Open::Create,
            Mode::CreateNew => Open::CreateNew,
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(Arc::new(Opened(self.0.open(path, open)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let names = self.0.list(path)?.into_iter();
        Ok(names.map(|(name, is_dir)| Entry { name, is_dir }).collect())
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.0.stat(path).map(stat)
    }
}

#[derive(Debug)]
struct Opened(SimFile);

impl File for Opened {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn stat(&self) -> io::Result<Stat> {
        self.0.stat().map(stat)
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.0.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }
}

/// Through the journal's own seam.
pub(crate) async fn disk(disk: SimDisk) -> Result<Disk> {
    Disk::open_on(Arc::new(Folders(disk)), "/store", disk::Options::default()).await
}
