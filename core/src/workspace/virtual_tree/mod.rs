//! Workspaces without a folder: a tree of files in the blobs of a thread's journal, on whatever backend that is.
//!
//! A change writes the files that are new and the folders above them into one blob, a *pack*, and names the new root. All
//! else is shared with the tree before, with other workspaces of the thread, and with snapshots: a branch copies nothing, and
//! a snapshot is the name of the root. The root in use stands in the records, so a change is one commit, and what no record
//! leads to is collected by `vacuum_thread`.

mod reader;
mod writer;

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;

pub(crate) use self::reader::{Place, Reader};
use self::{reader::NodeCache, writer::TreeWriter};
use super::{
    Begun, Disposal, FileChange, FileEntry, FileKind, FilePath, Inspection, NodeEntry, ObjectRef,
    TreeChange, TreeId, WorkspaceCapabilities, WorkspaceDriver, WorkspaceName, WorkspaceRef,
    diff_trees,
};
use crate::{
    error::{Error, Result},
    id::{Space, TenantId, ThreadId},
    journal::{BlobName, Journal},
};

/// The driver that every store has: kind `virtual`.
///
/// A base is the text of a [`TreeId`] of the same thread; without one a workspace begins empty. One file has at most as many
/// bytes as a blob of the journal ([`Limits::blob_bytes`](crate::journal::Limits::blob_bytes)).
#[derive(Debug)]
pub struct VirtualDriver {
    journal: Arc<dyn Journal>,
    nodes: NodeCache,
}

impl VirtualDriver {
    /// Its kind.
    pub const KIND: &str = "virtual";

    /// Over a journal.
    pub(crate) fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, nodes: NodeCache::default() }
    }

    fn reader<'a>(&'a self, space: &'a Space) -> Reader<'a> {
        Reader { journal: &*self.journal, space, nodes: &self.nodes }
    }

    /// The root that a workspace has now.
    fn root(of: &WorkspaceRef) -> Result<ObjectRef> {
        reader::root_of(&TreeId::new(&of.reference)?)
    }

    /// The root of a tree that is there.
    async fn tree(&self, space: &Space, tree: &TreeId) -> Result<ObjectRef> {
        let root = reader::root_of(tree)?;
        match self.reader(space).folder(&root).await {
            Err(Error::NotFound { .. }) => Err(Error::not_found(tree.clone())),
            Err(error) => Err(error),
            Ok(_) => Ok(root),
        }
    }

    /// The blobs that these trees need.
    pub(crate) async fn blobs_of(
        journal: &dyn Journal,
        space: &Space,
        trees: &[TreeId],
    ) -> Result<HashSet<BlobName>> {
        let nodes = NodeCache::default();
        let reader = Reader { journal, space, nodes: &nodes };
        let (mut blobs, mut seen) = (HashSet::new(), HashSet::new());
        let mut folders: Vec<ObjectRef> =
            trees.iter().filter_map(|tree| reader::root_of(tree).ok()).collect();
        while let Some(folder) = folders.pop() {
            if !seen.insert((folder.digest, folder.place.clone())) {
                continue;
            }
            blobs.extend(Place::of(&folder).map(|place| place.blob));
            for entry in reader.folder(&folder).await?.entries.values() {
                match entry {
                    NodeEntry::File { object, .. } => {
                        blobs.extend(Place::of(object).map(|place| place.blob));
                    }
                    NodeEntry::Directory(inner) => folders.push(inner.clone()),
                    NodeEntry::Link { .. } => {}
                }
            }
        }
        Ok(blobs)
    }
}

fn space_of(tenant: &TenantId, thread: ThreadId) -> Space {
    thread.space(tenant)
}

fn space_of_ref(of: &WorkspaceRef) -> Space {
    space_of(&of.tenant, of.name.id().thread())
}

fn begun(root: &ObjectRef) -> Result<Begun> {
    let tree = reader::tree_of(root)?;
    Ok(Begun { reference: tree.as_str().to_owned(), tree: Some(tree) })
}

#[async_trait]
impl WorkspaceDriver for VirtualDriver {
    fn kind(&self) -> &str {
        Self::KIND
    }

    fn capabilities(&self) -> WorkspaceCapabilities {
        WorkspaceCapabilities {
            executable: true,
            links: true,
            empty_directories: true,
            any_names: true,
            snapshots: true,
            in_journal: true,
        }
    }

    async fn create(
        &self,
        tenant: &TenantId,
        name: &WorkspaceName,
        base: Option<&str>,
    ) -> Result<Begun> {
        let Some(base) = base else { return begun(&reader::empty_folder()) };
        let no_tree = |_| Error::invalid("base", format!("{base:?} is no tree of this thread"));
        let tree = TreeId::new(base).map_err(no_tree)?;
        let space = space_of(tenant, name.id().thread());
        match self.tree(&space, &tree).await {
            Ok(root) => begun(&root),
            Err(error @ (Error::NotFound { .. } | Error::Invalid { .. })) => Err(no_tree(error)),
            Err(error) => Err(error),
        }
    }

    async fn branch(
        &self,
        _: &WorkspaceName,
        source: &WorkspaceRef,
        tree: Option<&TreeId>,
    ) -> Result<Begun> {
        match tree {
            Some(tree) => begun(&self.tree(&space_of_ref(source), tree).await?),
            None => begun(&Self::root(source)?),
        }
    }

    async fn inspect(&self, of: &WorkspaceRef) -> Result<Option<Inspection>> {
        let now = TreeId::new(&of.reference)?;
        let dirty = of.saved.as_ref().is_none_or(|saved| saved.content() != now.content());
        let reference = now.content().to_owned();
        Ok(Some(Inspection { reference, dirty, path: None }))
    }

    async fn list_files(
        &self,
        of: &WorkspaceRef,
        folder: Option<&FilePath>,
    ) -> Result<Vec<FileEntry>> {
        let space = space_of_ref(of);
        let node = self.reader(&space).folder_at(&Self::root(of)?, folder).await?;
        let mut files = Vec::with_capacity(node.entries.len());
        for (name, entry) in &node.entries {
            let path = match folder {
                Some(folder) => folder.join(name)?,
                None => FilePath::new(name)?,
            };
            let kind = match entry {
                NodeEntry::File { executable, bytes, object } => FileKind::File {
                    executable: *executable,
                    bytes: *bytes,
                    digest: Some(object.digest),
                },
                NodeEntry::Link { target } => FileKind::Link { target: target.clone() },
                NodeEntry::Directory(_) => FileKind::Directory,
            };
            files.push(FileEntry { path, kind });
        }
        Ok(files)
    }

    async fn read_file(
        &self,
        of: &WorkspaceRef,
        path: &FilePath,
        tree: Option<&TreeId>,
    ) -> Result<Vec<u8>> {
        let space = space_of_ref(of);
        let root = match tree {
            Some(tree) => self.tree(&space, tree).await?,
            None => Self::root(of)?,
        };
        self.reader(&space).file_at(&root, path).await
    }

    async fn change_files(&self, of: &WorkspaceRef, changes: &[FileChange]) -> Result<String> {
        let space = space_of_ref(of);
        let mut writer = TreeWriter::new(self.reader(&space), Self::root(of)?).await?;
        for change in changes {
            writer.apply(change).await?;
        }
        let root = writer.finish().await?;
        Ok(reader::tree_of(&root)?.as_str().to_owned())
    }

    async fn snapshot(&self, of: &WorkspaceRef) -> Result<TreeId> {
        TreeId::new(&of.reference)
    }

    async fn restore(&self, of: &WorkspaceRef, tree: &TreeId) -> Result<String> {
        let root = self.tree(&space_of_ref(of), tree).await?;
        Ok(reader::tree_of(&root)?.as_str().to_owned())
    }

    async fn diff(
        &self,
        of: &WorkspaceRef,
        from: &TreeId,
        to: Option<&TreeId>,
    ) -> Result<Vec<TreeChange>> {
        let space = space_of_ref(of);
        let from = self.tree(&space, from).await?;
        let to = match to {
            Some(tree) => self.tree(&space, tree).await?,
            None => Self::root(of)?,
        };
        diff_trees(&self.reader(&space), &from, &to).await
    }

    async fn list(&self, _: u128) -> Result<Vec<WorkspaceName>> {
        Ok(Vec::new())
    }

    /// There is nothing beside the record.
    async fn dispose(&self, _: &WorkspaceName, _: bool) -> Result<Disposal> {
        Ok(Disposal::AlreadyGone)
    }
}
