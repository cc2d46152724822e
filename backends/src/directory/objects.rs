//! What a thread's snapshots hold: files and folders of its own, and those of the templates that its workspaces began as.

use std::{ffi::OsStr, fs::File, io, sync::Arc};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use sessile_core::{
    error::{Error, Result},
    hash::Hash,
    id::ThreadId,
    workspace::{FilePath, Node, NodeEntry, TreeId, WorkspaceName},
};

use super::{
    root::{Place, Root, make, open_if_folder},
    shelf::Shelf,
    templates,
};
use crate::folder::{failed, remove_all};

/// The snapshots of a thread.
#[derive(Debug)]
pub(super) struct Objects {
    /// Where all that is new goes.
    own: Shelf,
    /// What others keep as well, and keep as long as this thread is named there.
    bases: Vec<Shelf>,
}

/// The name of a thread's folder.
fn folder(store: u128, thread: ThreadId) -> String {
    let store = WorkspaceName::store_text(store);
    format!("{store}.{}", WorkspaceName::thread_text(thread))
}

/// The name of the folder of a workspace's thread.
pub(super) fn folder_of(name: &WorkspaceName) -> String {
    folder(name.store(), name.id().thread())
}

impl Objects {
    /// Those of a workspace's thread, if there are any.
    pub(super) fn open(root: &Root, of: &WorkspaceName) -> Result<Option<Self>> {
        let name = folder_of(of);
        let dir = open_if_folder(&root.dir(Place::Snapshots)?, &name)
            .map_err(|e| failed("open the snapshots", &name, e))?;
        dir.map(|dir| Self::with_bases(root, dir, &name)).transpose()
    }

    /// Those of a workspace's thread, to write.
    pub(super) fn make(root: &Root, of: &WorkspaceName) -> Result<Self> {
        let name = folder_of(of);
        let open = |all: &Dir| {
            make(all, OsStr::new(&name))?;
            let dir = all.open_dir_nofollow(&name)?;
            Shelf::prepare(&dir)?;
            Ok(dir)
        };
        let dir = open(&root.dir(Place::Snapshots)?)
            .map_err(|e| failed("make the folder of the snapshots", &name, e))?;
        Self::with_bases(root, dir, &name)
    }

    fn with_bases(root: &Root, dir: Dir, name: &str) -> Result<Self> {
        let own = Shelf::new(dir, format!("snapshots/{name}"));
        Ok(Self { own, bases: templates::of_thread(root, name)? })
    }

    /// Removes those of a thread, and those of templates that no other thread uses.
    pub(super) fn drop_all(root: &Root, store: u128, thread: ThreadId) -> Result<()> {
        let name = folder(store, thread);
        templates::leave(root, &name)?;
        remove_all(&root.dir(Place::Snapshots)?, OsStr::new(&name))
            .map_err(|e| failed("remove the snapshots", &name, e))
    }

    /// Its own, and then those that it builds upon.
    fn shelves(&self) -> impl Iterator<Item = &Shelf> {
        std::iter::once(&self.own).chain(&self.bases)
    }

    /// The digest of a tree that is kept here; `NotFound` if it is not.
    pub(super) fn root_of(&self, tree: &TreeId) -> Result<Hash> {
        let digest = Hash::parse(tree.as_str());
        let digest = digest.filter(|digest| self.has_folder(digest));
        digest.ok_or_else(|| Error::not_found(tree.clone()))
    }

    /// Whether a folder is kept, and so all below it.
    pub(super) fn has_folder(&self, digest: &Hash) -> bool {
        self.shelves().any(|shelf| shelf.has_folder(digest))
    }

    /// Whether a file is kept.
    pub(super) fn has_file(&self, digest: &Hash, bytes: u64) -> bool {
        self.shelves().any(|shelf| shelf.has_file(digest, bytes))
    }

    /// Keeps a copy of a file; answers the digest and length of what was kept.
    pub(super) fn put_file(&self, from: &File) -> io::Result<(Hash, u64)> {
        self.own.put_file(from)
    }

    /// Keeps a copy of a file that nobody writes into, and that has this digest.
    pub(super) fn put_known(&self, from: &File, digest: &Hash) -> io::Result<()> {
        self.own.put_known(from, digest)
    }

    /// Keeps a folder. What it names must be kept before.
    pub(super) fn put_folder(&self, digest: &Hash, node: &Node) -> Result<()> {
        self.own.put_folder(digest, node)
    }

    /// What the first has that has it whole.
    fn find_whole<T>(
        &self,
        look: impl Fn(&Shelf) -> Result<Option<T>>,
        lost: impl FnOnce(&Shelf) -> Error,
    ) -> Result<T> {
        let mut damage = None;
        for shelf in self.shelves() {
            match look(shelf) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(e @ Error::CorruptFile { .. }) => damage = damage.or(Some(e)),
                Err(e) => return Err(e),
            }
        }
        Err(damage.unwrap_or_else(|| lost(&self.own)))
    }

    /// The bytes of a file; `CorruptFile` if they are not those that its digest names.
    pub(super) fn read_file(&self, digest: &Hash) -> Result<Vec<u8>> {
        self.find_whole(|shelf| shelf.read_file(digest), |own| own.lost_file(digest))
    }

    /// Makes a file with the content that a digest names; `CorruptFile` if that is damaged.
    pub(super) fn copy_out(
        &self,
        digest: &Hash,
        dir: &Dir,
        name: &OsStr,
        executable: bool,
    ) -> Result<()> {
        let copy = |shelf: &Shelf| shelf.copy_out(digest, dir, name, executable);
        self.find_whole(copy, |own| own.lost_file(digest))
    }

    /// A folder; `CorruptFile` if it is not what its digest names.
    pub(super) fn read_folder(&self, digest: &Hash) -> Result<Arc<Node>> {
        self.find_whole(|shelf| shelf.read_folder(digest), |own| own.lost_folder(digest))
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
}
