//! A workspace driver of maps: the smallest there is, so that the rules of the core can be judged with next to nothing
//! below them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use sessile_core::{
    Error, Result,
    hash::Hash,
    id::{TenantId, ThreadId},
    workspace::{
        Begun, Disposal, FileChange, FileEntry, FileKind, FilePath, Inspection, TreeChange, TreeId,
        WorkspaceCapabilities, WorkspaceDriver, WorkspaceName, WorkspaceRef,
    },
};

use crate::{
    Backend, Dir,
    internal::workspaces::{Files, Item, changes_between},
};

/// Keeps workspaces in memory: files with their names, links, folders only while something is in them.
#[derive(Clone, Debug, Default)]
pub struct MapDriver(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    /// What each holds, and what it held when it was kept last.
    workspaces: BTreeMap<WorkspaceName, (Files, Files)>,
    trees: BTreeMap<(u128, ThreadId, String), Files>,
}

fn digest(files: &Files) -> String {
    let text = format!("{:?}", files.items());
    Hash::of(&[text.as_bytes()]).to_string()
}

impl MapDriver {
    /// Workspaces of maps as a backend; those of one location share what they hold.
    pub fn backend() -> Backend {
        Backend::workspace("maps", |dir: Dir| async move {
            if let Some(driver) = dir.kept::<Self>() {
                return driver;
            }
            let driver = Arc::new(Self::default());
            dir.keep(Arc::clone(&driver));
            driver
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().expect("no panic inside")
    }

    fn begin(&self, name: &WorkspaceName, files: Files) -> Begun {
        let tree = self.keep(name, &files);
        self.held().workspaces.insert(name.clone(), (files.clone(), files));
        Begun { reference: "maps".into(), tree: Some(tree) }
    }

    fn keep(&self, name: &WorkspaceName, files: &Files) -> TreeId {
        let content = digest(files);
        let key = (name.store(), name.id().thread(), content.clone());
        self.held().trees.insert(key, files.clone());
        TreeId::new(content).expect("a digest")
    }

    fn files(&self, of: &WorkspaceRef) -> Result<Files> {
        let held = self.held().workspaces.get(&of.name).map(|(files, _)| files.clone());
        held.ok_or_else(|| Error::not_found(of.name.id()))
    }

    fn tree(&self, of: &WorkspaceName, tree: &TreeId) -> Result<Files> {
        let key = (of.store(), of.id().thread(), tree.content().to_owned());
        self.held().trees.get(&key).cloned().ok_or_else(|| Error::not_found(tree.clone()))
    }
}

#[async_trait]
impl WorkspaceDriver for MapDriver {
    fn kind(&self) -> &str {
        "maps"
    }

    fn capabilities(&self) -> WorkspaceCapabilities {
        WorkspaceCapabilities { links: true, snapshots: true, ..WorkspaceCapabilities::default() }
    }

    async fn create(
        &self,
        _: &TenantId,
        name: &WorkspaceName,
        base: Option<&str>,
    ) -> Result<Begun> {
        // So that a creation can be seen in the middle.
        tokio::task::yield_now().await;
        match base {
            None => Ok(self.begin(name, Files::default())),
            Some(base) => Err(Error::invalid("base", format!("{base:?}, where there is none"))),
        }
    }

    async fn branch(
        &self,
        name: &WorkspaceName,
        source: &WorkspaceRef,
        tree: Option<&TreeId>,
    ) -> Result<Begun> {
        let files = match tree {
            Some(tree) => self.tree(&source.name, tree)?,
            None => self.files(source)?,
        };
        Ok(self.begin(name, files))
    }

    async fn inspect(&self, of: &WorkspaceRef) -> Result<Option<Inspection>> {
        let held = self.held();
        let inspection = |(now, kept): &(Files, Files)| Inspection {
            reference: digest(now),
            dirty: now != kept,
            path: None,
        };
        Ok(held.workspaces.get(&of.name).map(inspection))
    }

    async fn list_files(
        &self,
        of: &WorkspaceRef,
        folder: Option<&FilePath>,
    ) -> Result<Vec<FileEntry>> {
        let files = self.files(of)?;
        if let Some(folder) = folder {
            let is_folder = files.items().keys().any(|path| path.is_under(folder));
            match files.items().get(folder) {
                Some(_) => {
                    let reason = "it is no folder";
                    return Err(Error::PathConflict { path: folder.clone(), reason });
                }
                None if !is_folder => return Err(Error::not_found(folder.clone())),
                None => {}
            }
        }
        let depth = folder.map_or(0, |folder| folder.names().count());
        let mut entries = BTreeMap::new();
        for (path, item) in files.items() {
            if folder.is_some_and(|folder| !path.is_under(folder)) {
                continue;
            }
            let names: Vec<_> = path.names().take(depth + 1).collect();
            let is_deeper = path.names().count() > depth + 1;
            let kind = match item {
                _ if is_deeper => FileKind::Directory,
                Item::File { content, .. } => {
                    FileKind::File { executable: false, bytes: content.len() as u64, digest: None }
                }
                Item::Link(target) => FileKind::Link { target: target.clone() },
                Item::EmptyFolder => FileKind::Directory,
            };
            entries.insert(FilePath::new(names.join(&b'/'))?, kind);
        }
        Ok(entries.into_iter().map(|(path, kind)| FileEntry { path, kind }).collect())
    }

    async fn read_file(
        &self,
        of: &WorkspaceRef,
        path: &FilePath,
        tree: Option<&TreeId>,
    ) -> Result<Vec<u8>> {
        let files = match tree {
            Some(tree) => self.tree(&of.name, tree)?,
            None => self.files(of)?,
        };
        match files.items().get(path) {
            Some(Item::File { content, .. }) => Ok(content.clone()),
            Some(_) => Err(Error::PathConflict { path: path.clone(), reason: "it is no file" }),
            None if files.items().keys().any(|inner| inner.is_under(path)) => {
                Err(Error::PathConflict { path: path.clone(), reason: "it is a folder" })
            }
            None => Err(Error::not_found(path.clone())),
        }
    }

    async fn change_files(&self, of: &WorkspaceRef, changes: &[FileChange]) -> Result<String> {
        let mut files = self.files(of)?;
        for change in changes {
            let path = change.path();
            if std::str::from_utf8(path.as_bytes()).is_err() {
                return Err(Error::invalid("path", "it is no text"));
            }
            match change {
                FileChange::MakeDirectory { .. } | FileChange::Write { executable: true, .. } => {
                    return Err(Error::Unsupported { what: format!("{change:?} of maps") });
                }
                FileChange::Link { target, .. }
                    if target.is_empty() || target.len() > 4095 || target.contains(&0) =>
                {
                    return Err(Error::invalid("target", "1 to 4,095 bytes without NUL"));
                }
                _ => {}
            }
            files.apply(change).map_err(|kind| match kind {
                sessile_core::ErrorKind::NotFound => Error::not_found(path.clone()),
                _ => Error::PathConflict { path: path.clone(), reason: "something is in the way" },
            })?;
        }
        if let Some((now, _)) = self.held().workspaces.get_mut(&of.name) {
            *now = files;
        }
        Ok(of.reference.clone())
    }

    async fn snapshot(&self, of: &WorkspaceRef) -> Result<TreeId> {
        let files = self.files(of)?;
        let tree = self.keep(&of.name, &files);
        self.held().workspaces.insert(of.name.clone(), (files.clone(), files));
        Ok(tree)
    }

    async fn restore(&self, of: &WorkspaceRef, tree: &TreeId) -> Result<String> {
        let files = self.tree(&of.name, tree)?;
        self.held().workspaces.insert(of.name.clone(), (files.clone(), files));
        Ok(of.reference.clone())
    }

    async fn diff(
        &self,
        of: &WorkspaceRef,
        from: &TreeId,
        to: Option<&TreeId>,
    ) -> Result<Vec<TreeChange>> {
        let before = self.tree(&of.name, from)?;
        let after = match to {
            Some(tree) => self.tree(&of.name, tree)?,
            None => self.files(of)?,
        };
        let changes = changes_between(&before, &after).into_iter();
        Ok(changes.map(|(path, change)| TreeChange { path, change }).collect())
    }

    async fn list(&self, store: u128) -> Result<Vec<WorkspaceName>> {
        let held = self.held();
        Ok(held.workspaces.keys().filter(|name| name.store() == store).cloned().collect())
    }

    async fn dispose(&self, name: &WorkspaceName, force: bool) -> Result<Disposal> {
        let mut held = self.held();
        match held.workspaces.get(name) {
            None => Ok(Disposal::AlreadyGone),
            Some((now, kept)) if now != kept && !force => Ok(Disposal::Refused),
            Some(_) => {
                held.workspaces.remove(name);
                Ok(Disposal::Removed)
            }
        }
    }

    async fn list_snapshots(&self, store: u128) -> Result<Vec<ThreadId>> {
        let held = self.held();
        let mut threads: Vec<_> =
            held.trees.keys().filter(|key| key.0 == store).map(|key| key.1).collect();
        threads.dedup();
        Ok(threads)
    }

    async fn drop_snapshots(&self, store: u128, thread: ThreadId) -> Result<()> {
        self.held().trees.retain(|key, _| (key.0, key.1) != (store, thread));
        Ok(())
    }
}
