//! What a workspace driver implements.

use std::{fmt, path::PathBuf};

use async_trait::async_trait;
use serde::Serialize;

use super::{FileChange, FileEntry, FilePath, TreeChange, TreeId, WorkspaceName};
use crate::{
    error::{Error, Result},
    id::{TenantId, ThreadId},
};

/// What a driver keeps. What it declares it does; what it does not is `Unsupported`. The suite tests both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorkspaceCapabilities {
    /// Whether a file may be run.
    pub executable: bool,
    /// Symbolic links.
    pub links: bool,
    /// Folders without anything in them. Without this a folder goes with the last file in it.
    pub empty_directories: bool,
    /// Names that are not UTF-8; without this they are `Invalid`.
    pub any_names: bool,
    /// Snapshots: `snapshot`, `restore`, `diff`, and branching from a tree.
    pub snapshots: bool,
    /// It holds nothing outside the journal: its content is blobs of the thread, found by the reference alone. Creating and
    /// disposing is then one commit, and there is nothing to reap.
    pub in_journal: bool,
}

/// A workspace, as its driver gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceRef {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub name: WorkspaceName,
    /// What the driver said last; see [`Begun::reference`].
    pub reference: String,
    /// The tree that was recorded last: of its last snapshot, or what it began with.
    pub saved: Option<TreeId>,
}

/// A workspace that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// What the driver wants to be told when it is asked again: a branch, a commit, the root of a tree. At most 1 KiB; kept in
    /// the journal. People see it.
    pub reference: String,
    /// What it begins with, if the driver keeps snapshots.
    pub tree: Option<TreeId>,
}

/// What there is of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// What it is based on now, for people: a branch with its commit, a tree.
    pub reference: String,
    /// Whether it holds work that disposing of it would lose.
    pub dirty: bool,
    /// Its folder, if it is one.
    pub path: Option<PathBuf>,
}

/// What became of a disposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposal {
    /// It is gone.
    Removed,
    /// It was gone.
    AlreadyGone,
    /// It holds work that would be lost, and stays as it is: save that, or force it.
    Refused,
}

/// Makes and keeps workspaces of one kind.
///
/// # What holds
///
/// - WSP1 `create` and `branch` do all or nothing. After an error nothing is held; after a crash or a dropped future, what is
///   left is in [`list`](Self::list), and `dispose` removes it.
/// - WSP2 a branch begins equal to its source, with all that is not committed or saved there; then neither sees what is done to the other.
/// - WSP3 `dispose` is idempotent, and takes work along only with `force`: in any interleaving with a crash.
/// - WSP4 `inspect` tells what is the case, also after somebody removed the folder by hand.
/// - WSP5 no label, path, base or tree acts as an option, leaves the driver's root, or touches what is not the workspace's: a
///   link in a workspace is never followed.
/// - WSP6 `list` shows all that the driver holds of a store, what is half made or half removed too, and nothing of another store's.
/// - WSP8 calls may come at once, from several processes, on one repository.
/// - WSP9 what is written comes back, byte for byte.
///
/// # What does not
///
/// - Two calls on *one* workspace at once may see each other's half: its owner is one session, which knows what it does.
/// - Processes that work in a folder are not known to the driver, and not stopped by it.
///
/// An error means: nothing was done, but for `change_files`, which says what holds.
#[async_trait]
pub trait WorkspaceDriver: Send + Sync + fmt::Debug + 'static {
    /// The name of its kind: `[a-z0-9][a-z0-9_-]*`, 1 to 64 bytes, constant.
    fn kind(&self) -> &str;

    /// What it keeps; constant.
    fn capabilities(&self) -> WorkspaceCapabilities;

    /// Makes a workspace from the driver's own base, or from one that the caller names: a branch, a tag, a commit, a tree.
    /// `Invalid` for a base that is none. A workspace of this very name that is held already is first removed: its maker is gone.
    async fn create(
        &self,
        tenant: &TenantId,
        name: &WorkspaceName,
        base: Option<&str>,
    ) -> Result<Begun>;

    /// Makes a workspace that begins as another is, or as a tree that was taken in its thread. The source stays as it is.
    async fn branch(
        &self,
        name: &WorkspaceName,
        source: &WorkspaceRef,
        tree: Option<&TreeId>,
    ) -> Result<Begun>;

    /// What there is of it; `None` if it is not there.
    async fn inspect(&self, of: &WorkspaceRef) -> Result<Option<Inspection>>;

    /// What lies in a folder, not deeper; at the top with `None`. In the order of the bytes of their names. What the driver
    /// keeps for itself, such as `.git`, is left out. `NotFound` if there is none, `PathConflict` if it is no folder.
    async fn list_files(
        &self,
        of: &WorkspaceRef,
        folder: Option<&FilePath>,
    ) -> Result<Vec<FileEntry>>;

    /// The bytes of a file, as it is or as it was in a tree. `NotFound` if there is none, `PathConflict` if it is no file.
    async fn read_file(
        &self,
        of: &WorkspaceRef,
        path: &FilePath,
        tree: Option<&TreeId>,
    ) -> Result<Vec<u8>>;

    /// Makes changes, in this order; answers the reference that holds from here on. After an error those before the one that
    /// failed may have been made.
    async fn change_files(&self, of: &WorkspaceRef, changes: &[FileChange]) -> Result<String>;

    /// Takes and keeps what it holds now. When nothing has changed it writes nothing and answers the same content. A snapshot
    /// lives as long as its thread.
    async fn snapshot(&self, of: &WorkspaceRef) -> Result<TreeId> {
        let _ = of;
        Err(unsupported(self.kind(), "snapshots"))
    }

    /// Makes it what a tree of its thread is; answers the reference that holds from here on. `NotFound` if there is no such tree.
    async fn restore(&self, of: &WorkspaceRef, tree: &TreeId) -> Result<String> {
        let _ = (of, tree);
        Err(unsupported(self.kind(), "snapshots"))
    }

    /// What changed from a tree to another, or to what it holds now; by path.
    async fn diff(
        &self,
        of: &WorkspaceRef,
        from: &TreeId,
        to: Option<&TreeId>,
    ) -> Result<Vec<TreeChange>> {
        let _ = (of, from, to);
        Err(unsupported(self.kind(), "snapshots"))
    }

    /// All that it holds of a store, half made and half removed too. Empty for a driver that is
    /// [`in_journal`](WorkspaceCapabilities::in_journal).
    async fn list(&self, store: u128) -> Result<Vec<WorkspaceName>>;

    /// Removes it with all that belongs to it, if nothing would be lost or it is forced.
    async fn dispose(&self, name: &WorkspaceName, force: bool) -> Result<Disposal>;

    /// The threads of a store that it keeps snapshots of, outside the journal.
    async fn list_snapshots(&self, store: u128) -> Result<Vec<ThreadId>> {
        let _ = store;
        Ok(Vec::new())
    }

    /// Removes the snapshots of a thread that is gone. Idempotent.
    async fn drop_snapshots(&self, store: u128, thread: ThreadId) -> Result<()> {
        let _ = (store, thread);
        Ok(())
    }
}

/// What a driver answers that does not keep something.
fn unsupported(kind: &str, what: &str) -> Error {
    Error::Unsupported { what: format!("{what} of workspaces of kind `{kind}`") }
}

/// Object safety is part of the contract.
const _: fn(&dyn WorkspaceDriver) = |_| {};
