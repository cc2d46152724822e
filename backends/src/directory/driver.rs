//! The driver: each call checks, and does its work where blocking work is done.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use sessile_core::{
    error::{Error, Result},
    hash::Hash,
    id::{TenantId, ThreadId},
    workspace::{
        Begun, Disposal, FileChange, FileEntry, FilePath, Inspection, Node, NodeEntry, NodeReader,
        ObjectRef, TreeChange, TreeId, WorkspaceCapabilities, WorkspaceDriver, WorkspaceName,
        WorkspaceRef, diff_trees,
    },
};
use sessile_driver::blocking;

use super::{
    Directory,
    copy::{begin_as, copy_all},
    dispose::{dispose, is_changed},
    index::{Contents, Index},
    make::{Filled, make, run},
    objects::{Objects, folder_of},
    restore::{check_out, restore},
    root::{Place, Root},
    save::{Tree, contents, read_digest, save},
};
use crate::folder::Folder;

#[async_trait]
impl WorkspaceDriver for Directory {
    fn kind(&self) -> &str {
        "directory"
    }

    fn capabilities(&self) -> WorkspaceCapabilities {
        WorkspaceCapabilities {
            executable: cfg!(unix),
            links: cfg!(unix),
            empty_directories: true,
            // The file systems of Apple take Unicode only.
            any_names: cfg!(all(unix, not(target_vendor = "apple"))),
            snapshots: true,
            in_journal: false,
        }
    }

    async fn create(
        &self,
        _: &TenantId,
        name: &WorkspaceName,
        base: Option<&str>,
    ) -> Result<Begun> {
        if let Some(base) = base {
            let reason = format!(
                "{base:?}: a workspace of kind `directory` begins as its template, leave the base out"
            );
            return Err(Error::invalid("base", reason));
        }
        let (this, name) = (self.clone(), name.clone());
        run(move |proceed| {
            make(&this.root, &name, proceed, |making| match &this.template {
                Some(template) => begin_as(template, making),
                None => {
                    let own = making.folder(0)?;
                    let tree = making.save(&own, &Filled::default())?;
                    Ok((own, tree))
                }
            })
        })
        .await
    }

    async fn branch(
        &self,
        name: &WorkspaceName,
        source: &WorkspaceRef,
        tree: Option<&TreeId>,
    ) -> Result<Begun> {
        let (root, name, source) = (self.root.clone(), name.clone(), source.name.clone());
        let tree = tree.cloned();
        if name == source {
            return Err(Error::invalid("name", format!("{name} cannot branch off itself")));
        }
        run(move |proceed| match tree {
            Some(tree) => {
                let (objects, digest) = open_tree(&root, &source, &tree)?;
                make(&root, &name, proceed, |making| {
                    let (own, contents) = check_out(&objects, &digest, making)?;
                    let filled = Filled::from(contents);
                    // Another thread does not have it yet.
                    let is_kept = folder_of(&source) == folder_of(&name);
                    let filled = if is_kept { filled } else { filled.without_kept() };
                    let tree = making.save(&own, &filled)?;
                    Ok((own, tree))
                })
            }
            None => {
                let from = root.live(&source)?;
                make(&root, &name, proceed, |making| {
                    let (own, contents) = copy_all(&source, &from, making)?;
                    let tree = making.save(&own, &contents.into())?;
                    Ok((own, tree))
                })
            }
        })
        .await
    }

    async fn inspect(&self, of: &WorkspaceRef) -> Result<Option<Inspection>> {
        let (root, of) = (self.root.clone(), of.clone());
        run(move |_| {
            let Some(dir) = root.open(Place::Workspaces, &of.name)? else { return Ok(None) };
            let index = Index::load(&root, &of.name)?;
            let dirty = is_changed(&root, &of.name, &Folder::new(dir));
            if dirty && root.open(Place::Workspaces, &of.name)?.is_none() {
                return Ok(None);
            }
            Ok(Some(Inspection {
                reference: index.map_or(of.reference, |index| index.tree.to_string()),
                dirty,
                path: Some(root.live_path(&of.name)),
            }))
        })
        .await
    }

    async fn list_files(
        &self,
        of: &WorkspaceRef,
        folder: Option<&FilePath>,
    ) -> Result<Vec<FileEntry>> {
        let (root, name, folder) = (self.root.clone(), of.name.clone(), folder.cloned());
        run(move |_| root.live(&name)?.list(folder.as_ref())).await
    }

    async fn read_file(
        &self,
        of: &WorkspaceRef,
        path: &FilePath,
        tree: Option<&TreeId>,
    ) -> Result<Vec<u8>> {
        let (root, name, path) = (self.root.clone(), of.name.clone(), path.clone());
        let tree = tree.cloned();
        run(move |_| {
            let Some(tree) = tree else { return root.live(&name)?.read(&path) };
            let (objects, digest) = open_tree(&root, &name, &tree)?;
            let reason = match objects.find(&digest, &path)? {
                NodeEntry::File { object, .. } => return objects.read_file(&object.digest),
                NodeEntry::Link { .. } => "it is a link, which is not followed",
                NodeEntry::Directory(_) => "it is a folder, not a file",
            };
            Err(Error::PathConflict { path, reason })
        })
        .await
    }

    async fn change_files(&self, of: &WorkspaceRef, changes: &[FileChange]) -> Result<String> {
        let (root, of, changes) = (self.root.clone(), of.clone(), changes.to_vec());
        run(move |proceed| {
            let folder = root.live(&of.name)?;
            for change in &changes {
                proceed.check()?;
                folder.change(change)?;
            }
            Ok(of.reference)
        })
        .await
    }

    async fn snapshot(&self, of: &WorkspaceRef) -> Result<TreeId> {
        let (root, name) = (self.root.clone(), of.name.clone());
        run(move |proceed| Ok(save(&root, &name, &root.live(&name)?, &Contents::new(), proceed)?.0))
            .await
    }

    async fn restore(&self, of: &WorkspaceRef, tree: &TreeId) -> Result<String> {
        let (root, name, tree) = (self.root.clone(), of.name.clone(), tree.clone());
        run(move |proceed| {
            restore(&root, &name, &tree, proceed)?;
            Ok(tree.as_str().to_owned())
        })
        .await
    }

    async fn diff(
        &self,
        of: &WorkspaceRef,
        from: &TreeId,
        to: Option<&TreeId>,
    ) -> Result<Vec<TreeChange>> {
        let (root, name) = (self.root.clone(), of.name.clone());
        let (from, to) = (from.clone(), to.cloned());
        let (from, to, reader) = run(move |proceed| {
            let (objects, from) = open_tree(&root, &name, &from)?;
            let (to, now) = match to {
                Some(to) => (objects.root_of(&to)?, HashMap::new()),
                None => {
                    let folder = root.live(&name)?;
                    let index = Index::load(&root, &name)?;
                    let tree = Tree::of(&contents(&folder, index.as_ref(), |found| {
                        proceed.check()?;
                        read_digest(&folder, &found.path)
                    })?)?;
                    (tree.root, tree.by_digest())
                }
            };
            Ok((from, to, Reader { objects: objects.into(), now }))
        })
        .await?;
        let folder = |digest| ObjectRef { digest, place: None };
        diff_trees(&reader, &folder(from), &folder(to)).await
    }

    async fn list(&self, store: u128) -> Result<Vec<WorkspaceName>> {
        let root = self.root.clone();
        run(move |_| root.names(store)).await
    }

    async fn dispose(&self, name: &WorkspaceName, force: bool) -> Result<Disposal> {
        let (root, name) = (self.root.clone(), name.clone());
        run(move |_| dispose(&root, &name, force)).await
    }

    async fn list_snapshots(&self, store: u128) -> Result<Vec<ThreadId>> {
        let root = self.root.clone();
        run(move |_| root.threads(store)).await
    }

    async fn drop_snapshots(&self, store: u128, thread: ThreadId) -> Result<()> {
        let root = self.root.clone();
        run(move |_| Objects::drop_all(&root, store, thread)).await
    }
}

/// The snapshots of a workspace's thread, with a tree that is among them; `NotFound` if it is not.
fn open_tree(root: &Root, name: &WorkspaceName, tree: &TreeId) -> Result<(Objects, Hash)> {
    let objects = Objects::open(root, name)?.ok_or_else(|| Error::not_found(tree.clone()))?;
    let digest = objects.root_of(tree)?;
    Ok((objects, digest))
}

/// Folders that are kept, and those of what a workspace holds now.
struct Reader {
    objects: Arc<Objects>,
    now: HashMap<Hash, Arc<Node>>,
}

#[async_trait]
impl NodeReader for Reader {
    async fn node(&self, folder: &ObjectRef) -> Result<Arc<Node>> {
        if let Some(node) = self.now.get(&folder.digest) {
            return Ok(Arc::clone(node));
        }
        let (objects, digest) = (Arc::clone(&self.objects), folder.digest);
        blocking::run(move || objects.read_folder(&digest)).await?
    }
}
