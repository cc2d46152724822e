//! Removes workspaces: one step after the other, each of which can be the last before a crash.
//!
//! The folder is moved into the trash first, in one step: until then everything is as it was, from then on it is decided. The
//! base goes last, so that it names what is left of the workspace all the time.

use std::{fs, io, path::Path};

use cap_std::{ambient_authority, fs::Dir};
use sessile_core::{
    error::{Error, Result},
    workspace::{Disposal, WorkspaceName},
};
use sessile_driver::blocking;

use super::{
    GitWorktree,
    inspect::{State, failed},
    lock::Lock,
    place::{self, Found, TRASH},
};
use crate::folder::{refuse_mounts, remove_all, unlock};

impl GitWorktree {
    pub(super) async fn remove(&self, name: &WorkspaceName, force: bool) -> Result<Disposal> {
        self.outlive_makers().await?;
        let state = self.state(name).await?;
        if !state.is_held() {
            return Ok(Disposal::AlreadyGone);
        }
        if !force && self.is_dirty(name, &state).await? {
            return Ok(Disposal::Refused);
        }
        if let (Some(teardown), Some(place)) = (&self.teardown, &state.place)
            && place.is_ready()
        {
            match teardown.run("teardown", name, &place.folder).await {
                Err(e) if !force => return Err(e),
                _ => {}
            }
        }
        self.take_apart(name, &state, force).await?;
        Ok(Disposal::Removed)
    }

    /// Waits for a `git` whose caller is gone: it has the lock until it is through.
    pub(super) async fn outlive_makers(&self) -> Result<()> {
        self.lock().await.map(drop)
    }

    /// Removes all of it, whatever it holds.
    pub(super) async fn take_apart(
        &self,
        name: &WorkspaceName,
        state: &State,
        force: bool,
    ) -> Result<()> {
        let text = name.to_string();
        let (root, entry) = (self.repository.root.clone(), text.clone());
        let found = state.found;
        let away = blocking::run(move || move_away(&root, &entry, found)).await?;
        away.map_err(|e| Error::unavailable(format!("cannot move workspace {name} away"), e))?;
        {
            let lock = self.lock().await?;
            self.remove_admins(name, &lock).await?;
            self.remove_branch(name, &lock, force).await?;
        }
        let root = self.repository.root.clone();
        let emptied = blocking::run(move || empty(&root, &text)).await?;
        emptied.map_err(|e| Error::unavailable(format!("cannot remove workspace {name}"), e))?;
        let lock = self.lock().await?;
        let base = self.prefix.base_ref(name);
        self.delete_ref(&base, None, &lock).await
    }

    /// Removes what the repository knows of its worktree, and of no other: `git worktree prune` would do more.
    async fn remove_admins(&self, name: &WorkspaceName, lock: &Lock) -> Result<()> {
        let (common, root, text) =
            (self.repository.common.clone(), self.repository.root.clone(), name.to_string());
        let list = || place::admins(&common, &root, &text);
        if list().map_err(|e| failed(name, e))?.is_empty() {
            return Ok(());
        }
        // Twice by force: also if it is locked.
        let call = self.repository.git.call(["worktree", "remove", "--force", "--force", "--"]);
        let removed = call.arg(root.join(&text)).locked(lock).finish().await?;
        // One that is half made git does not know, and nobody else does.
        let left = list().map_err(|e| failed(name, e))?;
        if left.is_empty() {
            return Ok(());
        }
        let worktrees = common.join("worktrees");
        let remove = move || {
            let dir = Dir::open_ambient_dir(&worktrees, ambient_authority())?;
            for admin in left {
                if let Some(entry) = admin.file_name() {
                    remove_all(&dir, entry)?;
                }
            }
            drop(dir);
            // As git does it: the last one takes the folder along.
            match fs::remove_dir(&worktrees) {
                Err(e)
                    if e.kind() != io::ErrorKind::NotFound
                        && e.kind() != io::ErrorKind::DirectoryNotEmpty =>
                {
                    Err(e)
                }
                _ => Ok(()),
            }
        };
        blocking::run(remove).await?.map_err(|e| {
            let said = String::from_utf8_lossy(&removed.stderr).trim().to_owned();
            Error::unavailable(
                format!("cannot remove the worktree of workspace {name} ({said})"),
                e,
            )
        })
    }

    /// Removes its branch, unless that has commits of its own, which stay as the user's, or another worktree is on it.
    async fn remove_branch(&self, name: &WorkspaceName, lock: &Lock, force: bool) -> Result<()> {
        let at = self.prefix.branch_ref(name);
        let (Some(tip), base) = self.refs(name).await? else {
            // Not there, or not readable: a kill may have left its lock file.
            return Ok(());
        };
        if self.is_checked_out(&at).await? {
            return Ok(());
        }
        let merged = match &base {
            Some(base) if *base == tip => true,
            Some(base) if self.is_ancestor(&tip, base).await? => true,
            _ => self.is_ancestor(&tip, "HEAD").await?,
        };
        if force || merged {
            self.delete_ref(&at, Some(&tip), lock).await?;
        }
        Ok(())
    }

    /// Whether a worktree is on a branch. That of the workspace is gone by now.
    async fn is_checked_out(&self, branch: &str) -> Result<bool> {
        let call = self.repository.git.call(["worktree", "list", "--porcelain", "-z"]);
        let list = call.output().await?;
        let wanted = format!("branch {branch}");
        Ok(list.split(|b| *b == 0).any(|line| line == wanted.as_bytes()))
    }

    async fn is_ancestor(&self, of: &str, commit: &str) -> Result<bool> {
        let call = self.repository.git.call(["merge-base", "--is-ancestor", of, commit]);
        // What is not known to be merged is kept.
        Ok(call.finish().await?.status.success())
    }

    /// Deletes a ref of this driver. A lock file that its killed predecessor left goes, too: with the driver's lock nobody else
    /// writes to such a ref.
    pub(super) async fn delete_ref(&self, at: &str, old: Option<&str>, lock: &Lock) -> Result<()> {
        let call = self.repository.git.call(["update-ref", "--no-deref", "-d", at]);
        let call = match old {
            Some(old) => call.arg(old),
            None => call,
        };
        self.remove_stale_lock(at)?;
        call.locked(lock).output().await.map(drop)
    }

    /// Removes the lock file of a ref of this driver. Who calls has the driver's lock.
    pub(super) fn remove_stale_lock(&self, at: &str) -> Result<()> {
        let path = self.repository.common.join(format!("{at}.lock"));
        match fs::remove_file(&path) {
            Err(e)
                if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                Err(Error::unavailable(format!("cannot remove {}", path.display()), e))
            }
            _ => Ok(()),
        }
    }
}

/// Puts what lies at a workspace's path into the trash.
fn move_away(root: &Path, name: &str, found: Found) -> io::Result<()> {
    refuse_mounts(&root.join(name))?;
    if found == Found::Nothing {
        return Ok(());
    }
    let trash = root.join(TRASH);
    match fs::create_dir(&trash) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    if place::look(&trash)? != Found::Folder {
        return Err(io::Error::other(format!("{} is no folder", trash.display())));
    }
    // What was thrown away before goes first: it has the name.
    empty(root, name)?;
    let dir = Dir::open_ambient_dir(root, ambient_authority())?;
    match dir.symlink_metadata(name) {
        // Moving a folder writes into it, too: the way up.
        Ok(meta) if meta.is_dir() => unlock(&dir, name.as_ref(), &meta)?,
        Ok(_) => {}
        // Somebody else was faster.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    }
    loop {
        match fs::rename(root.join(name), trash.join(name)) {
            // Another disposal took the trash away, which was empty.
            Err(e)
                if e.kind() == io::ErrorKind::NotFound
                    && place::look(&trash)? == Found::Nothing =>
            {
                fs::create_dir(&trash)?;
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            moved => return moved,
        }
    }
}

/// Removes what is in the trash under a name.
fn empty(root: &Path, name: &str) -> io::Result<()> {
    let trash = root.join(TRASH);
    if place::look(&trash.join(name))? == Found::Nothing {
        return Ok(());
    }
    refuse_mounts(&trash.join(name))?;
    let dir = Dir::open_ambient_dir(&trash, ambient_authority())?;
    remove_all(&dir, name.as_ref())
}
