//! Workspaces that are worktrees of a Git repository: kind `git_worktree`.
//!
//! ```no_run
//! # async fn open() -> sessile::Result<()> {
//! use std::sync::Arc;
//!
//! use sessile::git_worktree::{Command, GitWorktree};
//!
//! let worktrees = GitWorktree::open("/src/website", "/src/website.worktrees")
//!     .await?
//!     .with_setup(Command::new("npm").arg("ci"));
//! let driver: Arc<dyn sessile_core::workspace::WorkspaceDriver> = Arc::new(worktrees);
//! # Ok(())
//! # }
//! ```
//!
//! # What a workspace is
//!
//! A folder `<root>/<name>`, which is a worktree of the repository, on a branch `<prefix>/<name>` of its own. It begins at the
//! commit that a base names (anything that git resolves to a commit; `HEAD` of the repository if none is named), without an
//! upstream. Its reference is the branch and the commit: `sessile/fix-login.<store>.<thread>.7 <commit>`.
//!
//! The program `git`, 2.36 or later, does the work, in a tokio runtime with time and io. What else is in the repository stays as
//! it is byte for byte: branches, index, settings (but see [`with_sparse`](GitWorktree::with_sparse)), other worktrees. If the
//! root lies in the repository's own folder, have git ignore it there.
//!
//! **Files that git ignores.** If the repository's own worktree has a file `.worktreeinclude` at its top, then what its patterns
//! (those of `.gitignore`) name *and* git ignores is copied into each new worktree, sharing storage where the file system can:
//! `.env`, a local configuration. What the commit has itself at such a path stays as the commit has it. The workspace is only made
//! if all arrived, and the reference that it begins with says how many: `<branch> <commit> +3 included`. Nested repositories are
//! not copied.
//!
//! **Hooks and setup.** The hook `post-checkout` runs as with `git worktree add`, then the [setup](GitWorktree::with_setup); if
//! either fails, the workspace is not made. What a setup that failed began elsewhere is its own to clean up. No other hook runs.
//!
//! # What counts as work
//!
//! Changes that are staged or not, files that are neither tracked nor ignored (ignored ones too with
//! [`counting_ignored`](GitWorktree::counting_ignored)), commits on a detached `HEAD` that are on no branch and no tag, commits in
//! a submodule that no remote of it has, and a worktree that was locked by `git worktree lock`. Such a workspace is not
//! disposed of without force.
//!
//! **Commits are no such work: the branch keeps them.** On disposal the branch is deleted if the commit it is at is in the history
//! of the repository's `HEAD` or of the base, or by force. Otherwise it stays, and is the user's from then on: a branch without
//! a worktree is in no list of the driver. `git branch --list 'sessile/*' --no-merged` shows them.
//!
//! # Snapshots
//!
//! A snapshot is a tree in the repository's objects, with all files and links but those that git ignores, and is kept by a ref
//! `refs/<prefix>/<store>/<thread>/<tree>`, so that `git show` and `git diff` can read it. It has the bytes that stand in the
//! files: attributes and filters of the repository (line ends, keywords, encodings, Git LFS) do *not* apply, neither when it is
//! taken nor when it is put back. So content that a filter keeps elsewhere for commits is in the repository's objects with a
//! snapshot. The worktree's index and the stash are not touched.
//!
//! Submodules and nested repositories are not part of a snapshot: restoring leaves them alone, and a branch begins without
//! them. Restoring does not move `HEAD`; what was staged stays staged.
//!
//! # Not promised
//!
//! - Protection from a program in a workspace that changes the repository's own settings, hooks or objects: it has the user's
//!   rights. Filters that these settings name run when files are checked out, and when git looks whether they are changed.
//! - That files survive a loss of power before the file system has written them; snapshots do.

mod command;
mod create;
mod dispose;
mod git;
mod include;
mod inspect;
mod kept;
mod list;
mod lock;
mod names;
mod open;
mod place;
mod restore;
mod snapshot;
mod status;
#[cfg(test)]
mod tests;

use std::path::Path;

use async_trait::async_trait;
use sessile_core::{
    error::{Error, Result},
    id::{TenantId, ThreadId},
    workspace::{
        Begun, Disposal, FileChange, FileEntry, FilePath, Inspection, TreeChange, TreeId,
        WorkspaceCapabilities, WorkspaceDriver, WorkspaceName, WorkspaceRef,
    },
};
use sessile_driver::blocking;

pub use command::{Command, port};
use lock::Lock;
use names::Prefix;
use open::Repository;
use place::{Found, Place};

use crate::folder::Folder;

/// Workspaces that are worktrees of a Git repository. See the [module](self).
#[derive(Clone, Debug)]
pub struct GitWorktree {
    repository: Repository,
    prefix: Prefix,
    sparse: Vec<String>,
    setup: Option<Command>,
    teardown: Option<Command>,
    ignored: bool,
}

impl GitWorktree {
    /// Opens a repository - its folder, its git folder, or a bare one; by any path - and a folder under which worktrees are
    /// made. That one is made if it is missing. Drivers, in this process and in others, may share both.
    ///
    /// # Errors
    /// `Invalid` if there is no repository, if the path leads into the middle of one, or if the root is the repository or lies
    /// in its git folder. `Unsupported` if `git` is older than 2.36. `Unavailable` if there is no `git`.
    pub async fn open(repository: impl AsRef<Path>, root: impl AsRef<Path>) -> Result<Self> {
        let repository = Repository::open(repository.as_ref(), root.as_ref()).await?;
        Ok(Self {
            repository,
            prefix: Prefix::new("sessile".into())?,
            sparse: Vec::new(),
            setup: None,
            teardown: None,
            ignored: false,
        })
    }

    /// With another name that branches and refs begin with: 1 to 64 letters, digits, `-` and `_`, and `/` between. Default
    /// `sessile`. `Invalid` for what git would take for something else, such as `heads`. Workspaces that were made with another
    /// prefix keep their branch, and are disposed of without it.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Result<Self> {
        self.prefix = Prefix::new(prefix.into())?;
        Ok(self)
    }

    /// With files of some folders only, besides those at the top: a sparse checkout in cone mode. Git then switches
    /// `extensions.worktreeConfig` on in the repository's settings, once, and for good. `Invalid` for what is no path of a
    /// folder, or has control characters, backslashes, or `"`, `#` or `!` at its beginning.
    pub fn with_sparse(
        mut self,
        folders: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self> {
        self.sparse = folders.into_iter().map(Into::into).collect();
        for folder in &self.sparse {
            FilePath::new(folder)?;
            let strange = folder.chars().any(|c| c.is_control() || c == '\\');
            if strange || folder.starts_with(['"', '#', '!']) {
                return Err(Error::invalid(
                    "sparse",
                    format!("{folder:?} cannot be a folder of it"),
                ));
            }
        }
        Ok(self)
    }

    /// With a program that prepares each new worktree. If it fails, the workspace is not made.
    #[must_use]
    pub fn with_setup(mut self, setup: Command) -> Self {
        self.setup = Some(setup);
        self
    }

    /// With a program that runs in each worktree before it is removed. If it fails, the workspace stays, unless it is
    /// disposed of by force. It does not run for what was never made completely.
    #[must_use]
    pub fn with_teardown(mut self, teardown: Command) -> Self {
        self.teardown = Some(teardown);
        self
    }

    /// Counts files that git ignores as work, too: such a workspace is only disposed of by force. What was included or what a
    /// setup has made counts as well.
    #[must_use]
    pub const fn counting_ignored(mut self) -> Self {
        self.ignored = true;
        self
    }

    async fn lock(&self) -> Result<Lock> {
        Lock::take(&self.repository.root.join(".lock")).await
    }

    /// The worktree of a workspace; `NotFound` if it is not there, or was never complete.
    async fn worktree(&self, of: &WorkspaceRef) -> Result<Place> {
        let place = self.place(&of.name).await?.filter(Place::is_ready);
        place.ok_or_else(|| Error::not_found(of.name.id()))
    }

    /// Works on the files of a workspace.
    async fn files<T: Send + 'static>(
        &self,
        of: &WorkspaceRef,
        work: impl FnOnce(&Folder) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.repository.root.join(of.name.to_string());
        let id = of.name.id();
        blocking::run(move || match place::look(&path) {
            Ok(Found::Folder) => work(&restore::open(&path)?),
            Ok(_) => Err(Error::not_found(id)),
            Err(e) => Err(Error::unavailable(format!("cannot open {}", path.display()), e)),
        })
        .await?
    }
}

#[async_trait]
impl WorkspaceDriver for GitWorktree {
    fn kind(&self) -> &str {
        "git_worktree"
    }

    fn capabilities(&self) -> WorkspaceCapabilities {
        WorkspaceCapabilities {
            executable: cfg!(unix),
            links: cfg!(unix),
            empty_directories: false,
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
        self.begin(name, base).await
    }

    async fn branch(
        &self,
        name: &WorkspaceName,
        source: &WorkspaceRef,
        tree: Option<&TreeId>,
    ) -> Result<Begun> {
        self.begin_as(name, source, tree).await
    }

    async fn inspect(&self, of: &WorkspaceRef) -> Result<Option<Inspection>> {
        self.inspection(&of.name).await
    }

    async fn list_files(
        &self,
        of: &WorkspaceRef,
        folder: Option<&FilePath>,
    ) -> Result<Vec<FileEntry>> {
        let path = folder.cloned();
        self.files(of, move |folder| folder.list(path.as_ref())).await
    }

    async fn read_file(
        &self,
        of: &WorkspaceRef,
        path: &FilePath,
        tree: Option<&TreeId>,
    ) -> Result<Vec<u8>> {
        if let Some(tree) = tree {
            return self.read_tree(of, path, tree).await;
        }
        let path = path.clone();
        self.files(of, move |folder| folder.read(&path)).await
    }

    async fn change_files(&self, of: &WorkspaceRef, changes: &[FileChange]) -> Result<String> {
        let changes = changes.to_vec();
        self.files(of, move |folder| folder.changes(&changes)).await?;
        Ok(of.reference.clone())
    }

    async fn snapshot(&self, of: &WorkspaceRef) -> Result<TreeId> {
        let tree = self.tree_now(&self.worktree(of).await?).await?;
        self.keep_tree(&of.name, &tree).await
    }

    async fn restore(&self, of: &WorkspaceRef, tree: &TreeId) -> Result<String> {
        let place = self.worktree(of).await?;
        let tree = self.known(&of.name, tree).await?;
        self.make_files(&place, tree).await?;
        Ok(of.reference.clone())
    }

    async fn diff(
        &self,
        of: &WorkspaceRef,
        from: &TreeId,
        to: Option<&TreeId>,
    ) -> Result<Vec<TreeChange>> {
        self.changes_between(of, from, to).await
    }

    async fn list(&self, store: u128) -> Result<Vec<WorkspaceName>> {
        self.held(store).await
    }

    async fn dispose(&self, name: &WorkspaceName, force: bool) -> Result<Disposal> {
        self.remove(name, force).await
    }

    async fn list_snapshots(&self, store: u128) -> Result<Vec<ThreadId>> {
        self.threads(store).await
    }

    async fn drop_snapshots(&self, store: u128, thread: ThreadId) -> Result<()> {
        self.forget(store, thread).await
    }
}
