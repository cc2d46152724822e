//! What is done by a path: files and folders made, named, flushed, listed.

use std::{io, path::Path};

use super::{Open, SimDisk, SimFile, Stat};
use crate::medium::tree::{Ino, Op};

impl SimDisk {
    /// Opens or makes a file.
    pub fn open(&self, path: &Path, open: Open) -> io::Result<SimFile> {
        let state = self.running()?;
        let (dir, name) = state.place(path)?;
        if state.read_only && open != Open::Read {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let ino = match (state.lookup(dir, &name), open) {
            (Some(_), Open::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(ino), _) if state.tree.file(ino).is_some() => ino,
            (Some(_), _) => return Err(io::ErrorKind::IsADirectory.into()),
            (None, Open::Read | Open::Write) => return Err(io::ErrorKind::NotFound.into()),
            (None, Open::Create | Open::CreateNew) => {
                drop(state);
                self.make(dir, name, false)?
            }
        };
        let writable = open != Open::Read;
        Ok(SimFile::new(self.clone(), ino, writable))
    }

    fn make(&self, dir: Ino, name: String, is_dir: bool) -> io::Result<Ino> {
        let ino = {
            let mut state = self.running()?;
            state.next += 1;
            state.next
        };
        self.perform(Op::Make { dir, name, ino, is_dir })?;
        Ok(ino)
    }

    /// Gives a file another name; what had that name is gone.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let state = self.running()?;
        let (from, to) = (state.place(from)?, state.place(to)?);
        let ino = state.lookup(from.0, &from.1).ok_or(io::ErrorKind::NotFound)?;
        drop(state);
        self.perform(Op::Rename { from, to, ino })
    }

    /// Removes a file, or an empty folder.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let state = self.running()?;
        let (dir, name) = state.place(path)?;
        let ino = state.lookup(dir, &name).ok_or(io::ErrorKind::NotFound)?;
        if state.tree.folder(ino).is_some_and(|folder| !folder.live.is_empty()) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        drop(state);
        self.perform(Op::Remove { dir, name })
    }

    /// Makes a folder; the one it is in exists.
    pub fn create_dir(&self, path: &Path) -> io::Result<()> {
        let state = self.running()?;
        let (dir, name) = state.place(path)?;
        if state.lookup(dir, &name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        drop(state);
        self.make(dir, name, true).map(drop)
    }

    /// Flushes the names in a folder.
    pub fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let ino = self.running()?.dir(path)?;
        self.perform(Op::SyncDir { ino })
    }

    /// Names in a folder, and whether each is a folder.
    pub fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>> {
        let state = self.running()?;
        let dir = state.dir(path)?;
        let Some(folder) = state.tree.folder(dir) else { return Ok(Vec::new()) };
        let is_dir = |ino| state.tree.folder(ino).is_some();
        Ok(folder.live.iter().map(|(name, ino)| (name.clone(), is_dir(*ino))).collect())
    }

    /// What is at a path.
    pub fn stat(&self, path: &Path) -> io::Result<Stat> {
        let state = self.running()?;
        let (dir, name) = state.place(path)?;
        let ino = state.lookup(dir, &name).ok_or(io::ErrorKind::NotFound)?;
        Ok(state.stat(ino))
    }

    /// Puts a whole file in a folder, in one durable operation: what an object store does.
    pub fn put_object(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.running()?;
        let (dir, name) = state.place(path)?;
        state.next += 1;
        let ino = state.next;
        drop(state);
        self.perform(Op::PutObject { dir, name, ino, bytes: bytes.to_vec() })
    }

    /// Takes a file away, in one durable operation.
    pub fn delete_object(&self, path: &Path) -> io::Result<()> {
        let (dir, name) = self.running()?.place(path)?;
        self.perform(Op::DeleteObject { dir, name })
    }

    /// The whole content of a file.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.running()?;
        let (dir, name) = state.place(path)?;
        let ino = state.lookup(dir, &name).ok_or(io::ErrorKind::NotFound)?;
        Ok(state.tree.file(ino).ok_or(io::ErrorKind::IsADirectory)?.live.clone())
    }
}
