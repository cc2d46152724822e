//! Files and folders in one place, each named by its digest.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    sync::Arc,
};

use cap_std::fs::Dir;
use sessile_core::{
    error::{Error, Result},
    hash::Hash,
    workspace::Node,
};

use super::root::make;
use crate::folder::{READ_ONLY, copy_new, failed, rights_of_new, temporary};

const FILES: &str = "objects";
const FOLDERS: &str = "folders";

/// A place of files and folders.
#[derive(Debug)]
pub(super) struct Shelf {
    dir: Dir,
    /// Where it lies below the root, for messages.
    at: String,
}

impl Shelf {
    pub(super) const fn new(dir: Dir, at: String) -> Self {
        Self { dir, at }
    }

    /// Makes what a folder needs to be one.
    pub(super) fn prepare(dir: &Dir) -> io::Result<()> {
        make(dir, OsStr::new(FILES))?;
        make(dir, OsStr::new(FOLDERS))
    }

    pub(super) const fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(super) fn at(&self) -> &str {
        &self.at
    }

    /// Whether a folder is kept, and so all below it: what it names is written before it.
    pub(super) fn has_folder(&self, digest: &Hash) -> bool {
        self.dir.symlink_metadata(place(FOLDERS, digest)).is_ok_and(|meta| meta.len() > 0)
    }

    /// Whether a file is kept. One that a loss of power cut is not.
    pub(super) fn has_file(&self, digest: &Hash, bytes: u64) -> bool {
        self.dir.symlink_metadata(place(FILES, digest)).is_ok_and(|meta| meta.len() == bytes)
    }

    /// Keeps a copy of a file; answers the digest and length of what was kept.
    pub(super) fn put_file(&self, from: &File) -> io::Result<(Hash, u64)> {
        self.put(from, digest_of)
    }

    /// Keeps a copy of a file that nobody writes into, and that has this digest.
    pub(super) fn put_known(&self, from: &File, digest: &Hash) -> io::Result<()> {
        self.put(from, |_| Ok((*digest, 0))).map(drop)
    }

    fn put(
        &self,
        from: &File,
        digest: impl FnOnce(&mut File) -> io::Result<(Hash, u64)>,
    ) -> io::Result<(Hash, u64)> {
        let made = temporary();
        let put = || {
            let mut copy = copy_new(from, &self.dir, OsStr::new(&made), READ_ONLY)?;
            let (digest, bytes) = digest(&mut copy)?;
            self.settle(&copy, &made, &place(FILES, &digest))?;
            Ok((digest, bytes))
        };
        put().inspect_err(|_| drop(self.dir.remove_file(&made)))
    }

    /// Keeps a folder. What it names must be kept before.
    pub(super) fn put_folder(&self, digest: &Hash, node: &Node) -> Result<()> {
        let text = node.encode()?;
        let made = temporary();
        let put = || {
            self.dir.write(&made, text)?;
            let file = self.dir.open(&made)?.into_std();
            self.settle(&file, &made, &place(FOLDERS, digest))
        };
        put().map_err(|e| {
            drop(self.dir.remove_file(&made));
            failed("write into", &self.at, e)
        })
    }

    /// Gives a file that was written its name, by which nobody writes into it.
    fn settle(&self, file: &File, made: &str, place: &str) -> io::Result<()> {
        let mut rights = file.metadata()?.permissions();
        if !rights.readonly() {
            rights.set_readonly(true);
            file.set_permissions(rights)?;
        }
        let Some((shard, _)) = place.rsplit_once('/') else { return Ok(()) };
        match self.dir.rename(made, &self.dir, place) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                make(&self.dir, OsStr::new(shard))?;
                self.dir.rename(made, &self.dir, place)
            }
            done => done,
        }
    }

    /// A file, to be read; `None` if it is not here.
    fn open_file(&self, digest: &Hash) -> Result<Option<File>> {
        match self.dir.open(place(FILES, digest)) {
            Ok(file) => Ok(Some(file.into_std())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed("read a file of", &self.at, e)),
        }
    }

    /// The bytes of a file; `None` if it is not here, `CorruptFile` if they are not those that its digest names.
    pub(super) fn read_file(&self, digest: &Hash) -> Result<Option<Vec<u8>>> {
        let Some(mut file) = self.open_file(digest)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| failed("read a file of", &self.at, e))?;
        if Hash::of(&[&bytes]) == *digest { Ok(Some(bytes)) } else { Err(self.altered(digest)) }
    }

    /// Makes a file with the content that a digest names; `None` if that is not here, `CorruptFile` if it is damaged.
    pub(super) fn copy_out(
        &self,
        digest: &Hash,
        dir: &Dir,
        name: &OsStr,
        executable: bool,
    ) -> Result<Option<()>> {
        let Some(from) = self.open_file(digest)? else { return Ok(None) };
        let copied = copy_new(&from, dir, name, rights_of_new(executable));
        let copied = copied.and_then(|mut to| digest_of(&mut to));
        let (is, _) = copied.map_err(|e| failed("copy from", &self.at, e))?;
        if is == *digest {
            return Ok(Some(()));
        }
        // The name is free for another copy; if not, that one says so.
        let _ = dir.remove_file(name);
        Err(self.altered(digest))
    }

    /// A folder; `None` if it is not here, `CorruptFile` if it is not what its digest names.
    pub(super) fn read_folder(&self, digest: &Hash) -> Result<Option<Arc<Node>>> {
        let place = place(FOLDERS, digest);
        let text = match self.dir.read(&place) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|e| failed("read a folder of", &self.at, e))?,
        };
        let node = Node::decode(&text).map_err(|reason| self.damaged(&place, &reason))?;
        if node.digest() != *digest {
            return Err(self.damaged(&place, "its content is not what its digest says"));
        }
        Ok(Some(Arc::new(node)))
    }

    /// That a file is here no more.
    pub(super) fn lost_file(&self, digest: &Hash) -> Error {
        self.damaged(&place(FILES, digest), "it is gone")
    }

    /// That a folder is here no more.
    pub(super) fn lost_folder(&self, digest: &Hash) -> Error {
        self.damaged(&place(FOLDERS, digest), "it is gone")
    }

    fn altered(&self, digest: &Hash) -> Error {
        self.damaged(&place(FILES, digest), "its content is not what its digest says")
    }

    fn damaged(&self, place: &str, reason: &str) -> Error {
        Error::CorruptFile { file: format!("{}/{place}", self.at), reason: reason.to_owned() }
    }
}

fn place(kind: &str, digest: &Hash) -> String {
    let text = digest.to_string();
    let (shard, rest) = text.split_at_checked(2).unwrap_or(("", &text));
    format!("{kind}/{shard}/{rest}")
}

/// The digest and the length of a file, from where it is read.
pub(super) fn digest_of(file: &mut impl Read) -> io::Result<(Hash, u64)> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok((Hash::from_bytes(*hasher.finalize().as_bytes()), hasher.count()))
}
