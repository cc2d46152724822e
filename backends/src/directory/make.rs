//! Making a workspace: all of it, or nothing.

use std::{
    ffi::OsStr,
    sync::{Arc, Mutex},
};

use cap_fs_ext::DirExt;
use sessile_core::{
    error::{Error, Result},
    workspace::{Begun, WorkspaceName},
};
use sessile_driver::{blocking, lock};

use super::{
    dispose::{clear, dispose},
    index::Contents,
    root::{Place, Root},
    save::save,
};
use crate::folder::{Folder, failed, temporary};

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

/// Makes a workspace: `fill` puts the files into a folder that nobody sees, and says what those are.
pub(super) fn make(
    root: &Root,
    name: &WorkspaceName,
    proceed: &Proceed,
    fill: impl FnOnce(&Folder) -> Result<Filled>,
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
    fill: impl FnOnce(&Folder) -> Result<Filled>,
) -> Result<Begun> {
    let shown = |e| failed("make the workspace", name, e);
    // A name of its own below the workspace's: a maker that was taken for dead cannot move what its successor makes.
    let (making, own) = (root.make(Place::Making, name)?, temporary());
    making.create_dir(&own).map_err(shown)?;
    let folder = Folder::new(making.open_dir_nofollow(&own).map_err(shown)?);
    let Filled { expected, kept } = fill(&folder)?;
    let (tree, held) = save(root, name, &folder, &kept, proceed)?;
    if held != expected {
        let reason =
            format!("cannot make the workspace {name}: the copy holds {held} of {expected} files");
        return Err(Error::failed(reason));
    }
    let workspaces = root.dir(Place::Workspaces)?;
    proceed.commit(|| making.rename(&own, &workspaces, name.to_string()).map_err(shown))?;
    // An empty folder, if that fails: it is removed with the workspace.
    let _ = root.dir(Place::Making)?.remove_dir(OsStr::new(&name.to_string()));
    Ok(Begun { reference: tree.as_str().to_owned(), tree: Some(tree) })
}
