//! Making a workspace: all of it, or nothing.

use std::{
    ffi::OsStr,
    io,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use sessile_core::{
    error::{Error, Result},
    workspace::{Begun, TreeId, WorkspaceName},
};
use sessile_driver::{blocking, lock};

use super::{
    dispose::{clear, dispose},
    index::Contents,
    root::{Place, Root},
    save::save,
    subvolumes::{delete, is_subvolume},
};
use crate::folder::{Folder, failed, remove_all, same_folder_rights, temporary};

/// Whether somebody still waits for work that runs on another thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Proceed(Arc<Mutex<bool>>);

impl Proceed {
    /// An error once nobody waits.
    pub(super) fn check(&self) -> Result<()> {
        if *lock(&self.0) { Err(stopped()) } else { Ok(()) }
    }

    /// Does what cannot be taken back, if somebody waits; who leaves meanwhile leaves after it.
    fn commit<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let left = lock(&self.0);
        if *left {
            return Err(stopped());
        }
        let done = work();
        drop(left);
        done
    }
}

fn stopped() -> Error {
    Error::failed("the caller went away")
}

/// Runs work where blocking work is done. Dropping the future stops it at its next [`check`](Proceed::check).
pub(super) async fn run<T: Send + 'static>(
    work: impl FnOnce(&Proceed) -> Result<T> + Send + 'static,
) -> Result<T> {
    struct Leave(Proceed);
    impl Drop for Leave {
        fn drop(&mut self) {
            *lock(&self.0.0) = true;
        }
    }
    let proceed = Proceed::default();
    let _leave = Leave(proceed.clone());
    blocking::run(move || work(&proceed)).await?
}

/// What a folder was filled with.
#[derive(Default)]
pub(super) struct Filled {
    /// How many files, links and folders.
    pub(super) expected: usize,
    /// Those of the files whose content is known, and kept in the snapshots of the workspace's thread.
    pub(super) kept: Contents,
}

impl Filled {
    /// The same, of which nothing is kept yet.
    pub(super) fn without_kept(self) -> Self {
        Self { kept: Contents::new(), ..self }
    }
}

impl From<Contents> for Filled {
    fn from(kept: Contents) -> Self {
        Self { expected: kept.len(), kept }
    }
}

/// A workspace that is being made.
pub(super) struct Making<'a> {
    pub(super) root: &'a Root,
    pub(super) name: &'a WorkspaceName,
    pub(super) proceed: &'a Proceed,
    /// What a kill leaves here goes with the workspace.
    pub(super) dir: Dir,
}

/// A folder that becomes the workspace, and that nobody sees before. It has a name of its own below the workspace's: a maker
/// that was taken for dead cannot move what its successor makes.
pub(super) struct Own {
    pub(super) name: String,
    pub(super) folder: Folder,
}

impl Making<'_> {
    /// The path of something in the folder of what is being made.
    pub(super) fn path_of(&self, own: &str) -> PathBuf {
        self.root.path_of(Place::Making, self.name).join(own)
    }

    /// An empty folder, for about this many entries: a subvolume where that can be and is worth it.
    pub(super) fn folder(&self, entries: usize) -> Result<Own> {
        if self.root.subvolumes().serve(&self.dir, entries) {
            let made = self.subvolume(|own| self.root.subvolumes().make(&self.path_of(own)));
            if let Some(own) = made.map_err(|e| self.failed(e))? {
                return Ok(own);
            }
        }
        let name = temporary();
        let make = || {
            self.dir.create_dir(&name)?;
            self.dir.open_dir_nofollow(&name)
        };
        let folder = Folder::new(make().map_err(|e| self.failed(e))?);
        Ok(Own { name, folder })
    }

    /// A folder that `make` makes as a subvolume of this name; `None` if it does not.
    pub(super) fn subvolume(&self, make: impl FnOnce(&str) -> bool) -> io::Result<Option<Own>> {
        let name = temporary();
        if !make(&name) || !is_subvolume(&self.dir, OsStr::new(&name))? {
            return Ok(None);
        }
        let folder = Folder::new(self.dir.open_dir_nofollow(&name)?);
        // As any other that is made here.
        same_folder_rights(folder.dir(), &self.dir.dir_metadata()?)?;
        Ok(Some(Own { name, folder }))
    }

    /// Keeps what the folder was filled with in the snapshots of the workspace's thread. Answers the tree.
    pub(super) fn save(&self, own: &Own, filled: &Filled) -> Result<TreeId> {
        let (tree, held) = save(self.root, self.name, &own.folder, &filled.kept, self.proceed)?;
        let Filled { expected, .. } = *filled;
        if held == expected {
            return Ok(tree);
        }
        let name = self.name;
        let reason =
            format!("cannot make the workspace {name}: the copy holds {held} of {expected} files");
        Err(Error::failed(reason))
    }

    /// Removes something here that has become of no use; what stays goes with the workspace.
    pub(super) fn discard(&self, own: &str) {
        delete(self.root, &self.dir, &self.path_of(own));
        let _ = remove_all(&self.dir, OsStr::new(own));
    }

    fn failed(&self, e: io::Error) -> Error {
        failed("make the workspace", self.name, e)
    }
}

/// Makes a workspace: `fill` puts the files into one of its folders, and says which tree those are, to which it is saved.
pub(super) fn make(
    root: &Root,
    name: &WorkspaceName,
    proceed: &Proceed,
    fill: impl FnOnce(&Making<'_>) -> Result<(Own, TreeId)>,
) -> Result<Begun> {
    dispose(root, name, true)?;
    let made = build(root, name, proceed, fill);
    if made.is_err() {
        // What cannot be removed now is in the list, and removed when it is asked for.
        let _ = clear(root, name);
    }
    made
}

fn build(
    root: &Root,
    name: &WorkspaceName,
    proceed: &Proceed,
    fill: impl FnOnce(&Making<'_>) -> Result<(Own, TreeId)>,
) -> Result<Begun> {
    let making = Making { root, name, proceed, dir: root.make(Place::Making, name)? };
    let (own, tree) = fill(&making)?;
    let workspaces = root.dir(Place::Workspaces)?;
    proceed.commit(|| {
        let moved = making.dir.rename(&own.name, &workspaces, name.to_string());
        moved.map_err(|e| making.failed(e))
    })?;
    // An empty folder, if that fails: it is removed with the workspace.
    let _ = root.dir(Place::Making)?.remove_dir(OsStr::new(&name.to_string()));
    Ok(Begun { reference: tree.as_str().to_owned(), tree: Some(tree) })
}
