//! What a thread's snapshots hold: files and folders, each named by its digest.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    sync::Arc,
};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use sessile_core::{
    error::{Error, Result},
    hash::Hash,
    id::ThreadId,
    workspace::{FilePath, Node, NodeEntry, TreeId, WorkspaceName},
};

use super::root::{Place, Root, make, open_if_folder};
use crate::folder::{copy_new, failed, remove_all, temporary};

const FILES: &str = "objects";
const FOLDERS: &str = "folders";

/// The snapshots of a thread.
#[derive(Debug)]
pub(super) struct Objects {
    dir: Dir,
    name: String,
}

impl Objects {
    fn folder(store: u128, thread: ThreadId) -> String {
        let store = WorkspaceName::store_text(store);
        format!("{store}.{}", WorkspaceName::thread_text(thread))
    }

    /// Those of a workspace's thread, if there are any.
    pub(super) fn open(root: &Root, of: &WorkspaceName) -> Result<Option<Self>> {
        let name = Self::folder(of.store(), of.id().thread());
        let dir = open_if_folder(&root.dir(Place::Snapshots)?, &name)
            .map_err(|e| failed("open the snapshots", &name, e))?;
        Ok(dir.map(|dir| Self { dir, name }))
    }

    /// Those of a workspace's thread, to write.
    pub(super) fn make(root: &Root, of: &WorkspaceName) -> Result<Self> {
        let name = Self::folder(of.store(), of.id().thread());
        let open = |all: &Dir| {
            make(all, OsStr::new(&name))?;
            let dir = all.open_dir_nofollow(&name)?;
            make(&dir, OsStr::new(FILES))?;
            make(&dir, OsStr::new(FOLDERS))?;
            Ok(dir)
        };
        let dir = open(&root.dir(Place::Snapshots)?)
            .map_err(|e| failed("make the folder of the snapshots", &name, e))?;
        Ok(Self { dir, name })
    }

    /// Removes those of a thread.
    pub(super) fn drop_all(root: &Root, store: u128, thread: ThreadId) -> Result<()> {
        let name = Self::folder(store, thread);
        remove_all(&root.dir(Place::Snapshots)?, OsStr::new(&name))
            .map_err(|e| failed("remove the snapshots", &name, e))
    }

    /// The digest of a tree that is kept here; `NotFound` if it is not.
    pub(super) fn root_of(&self, tree: &TreeId) -> Result<Hash> {
        let digest = Hash::parse(tree.as_str());
        let digest = digest.filter(|digest| self.has_folder(digest));
        digest.ok_or_else(|| Error::not_found(tree.clone()))
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
        let made = temporary();
        let put = || {
            let mut copy = copy_new(from, &self.dir, OsStr::new(&made), false)?;
            let (digest, bytes) = digest_of(&mut copy)?;
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
            failed("write into the snapshots", &self.name, e)
        })
    }

    /// Gives a file that was written its name, by which nobody writes into it.
    fn settle(&self, file: &File, made: &str, place: &str) -> io::Result<()> {
        let mut rights = file.metadata()?.permissions();
        rights.set_readonly(true);
        file.set_permissions(rights)?;
        let Some((shard, _)) = place.rsplit_once('/') else { return Ok(()) };
        match self.dir.rename(made, &self.dir, place) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                make(&self.dir, OsStr::new(shard))?;
                self.dir.rename(made, &self.dir, place)
            }
            done => done,
        }
    }

    /// A file, to be read.
    fn open_file(&self, digest: &Hash) -> Result<File> {
        let place = place(FILES, digest);
        match self.dir.open(&place) {
            Ok(file) => Ok(file.into_std()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err(self.damaged(&place, "it is gone"))
            }
            Err(e) => Err(failed("read a file of the snapshots", &self.name, e)),
        }
    }

    /// The bytes of a file; `CorruptFile` if they are not those that its digest names.
    pub(super) fn read_file(&self, digest: &Hash) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_file(digest)?
            .read_to_end(&mut bytes)
            .map_err(|e| failed("read a file of the snapshots", &self.name, e))?;
        if Hash::of(&[&bytes]) != *digest {
            return Err(self.damaged_file(digest));
        }
        Ok(bytes)
    }

    /// Makes a file with the content that a digest names; `CorruptFile` if that is damaged.
    pub(super) fn copy_out(
        &self,
        digest: &Hash,
        dir: &Dir,
        name: &OsStr,
        executable: bool,
    ) -> Result<()> {
        let from = self.open_file(digest)?;
        let copied = copy_new(&from, dir, name, executable).and_then(|mut to| digest_of(&mut to));
        let (is, _) = copied.map_err(|e| failed("copy from the snapshots", &self.name, e))?;
        if is == *digest { Ok(()) } else { Err(self.damaged_file(digest)) }
    }

    /// A folder; `CorruptFile` if it is not what its digest names.
    pub(super) fn read_folder(&self, digest: &Hash) -> Result<Arc<Node>> {
        let place = place(FOLDERS, digest);
        let text = self.dir.read(&place).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => self.damaged(&place, "it is gone"),
            _ => failed("read a folder of the snapshots", &self.name, e),
        })?;
        let node = Node::decode(&text).map_err(|reason| self.damaged(&place, &reason))?;
        if node.digest() != *digest {
            return Err(self.damaged(&place, "its content is not what its digest says"));
        }
        Ok(Arc::new(node))
    }

    /// What stands at a path of a tree. `NotFound` if nothing does, `PathConflict` if a file or link is above it.
    pub(super) fn find(&self, root: &Hash, path: &FilePath) -> Result<NodeEntry> {
        let mut node = self.read_folder(root)?;
        let mut names = path.names().peekable();
        let mut gone: Vec<u8> = Vec::new();
        while let Some(name) = names.next() {
            gone.extend_from_slice(if gone.is_empty() { b"" } else { b"/" });
            gone.extend_from_slice(name);
            let Some(entry) = node.entries.get(name) else { break };
            match entry {
                entry if names.peek().is_none() => return Ok(entry.clone()),
                NodeEntry::Directory(object) => node = self.read_folder(&object.digest)?,
                _ => {
                    let reason = "it is a file or link, not a folder";
                    return Err(Error::PathConflict { path: FilePath::new(&gone)?, reason });
                }
            }
        }
        Err(Error::not_found(path.clone()))
    }

    fn damaged_file(&self, digest: &Hash) -> Error {
        self.damaged(&place(FILES, digest), "its content is not what its digest says")
    }

    fn damaged(&self, place: &str, reason: &str) -> Error {
        let file = format!("snapshots/{}/{place}", self.name);
        Error::CorruptFile { file, reason: reason.to_owned() }
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
