//! Removing a workspace: decided in one step, then finished by whoever asks.

use std::{ffi::OsStr, io};

use cap_std::fs::Metadata;
use sessile_core::{
    error::{Error, Result},
    workspace::{Disposal, WorkspaceName},
};

use super::{
    index::Index,
    root::{Place, Root},
    subvolumes::remove,
};
use crate::folder::{Folder, failed, refuse_mounts, temporary, unlock};

/// Tries of moving a workspace while somebody else finishes an earlier removal.
const TRIES: usize = 16;

/// Removes a workspace, if nothing would be lost or it is forced.
pub(super) fn dispose(root: &Root, name: &WorkspaceName, force: bool) -> Result<Disposal> {
    let live = live(root, name)?;
    require_no_mounts(root, name)?;
    if let Some(meta) = &live {
        if !force && is_dirty(root, name, meta)? {
            // Who removes it at the same time may have been seen at it: then it is no more where it was.
            if self::live(root, name)?.is_some() {
                return Ok(Disposal::Refused);
            }
        } else {
            discard(root, name)?;
        }
    }
    let held = clear(root, name)?;
    Ok(if held || live.is_some() { Disposal::Removed } else { Disposal::AlreadyGone })
}

/// What stands in the place of a workspace.
fn live(root: &Root, name: &WorkspaceName) -> Result<Option<Metadata>> {
    match root.dir(Place::Workspaces)?.symlink_metadata(name.to_string()) {
        Ok(meta) => Ok(Some(meta)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed("look at the workspace", name, e)),
    }
}

/// Whether removing it would lose work. What cannot be read cannot be known to be kept.
fn is_dirty(root: &Root, name: &WorkspaceName, meta: &Metadata) -> Result<bool> {
    if !meta.is_dir() {
        // Not of this driver: a link leads to what stays; anything else may be somebody's work.
        return Ok(!meta.is_symlink());
    }
    match root.open(Place::Workspaces, name) {
        Ok(Some(dir)) => Ok(is_changed(root, name, &Folder::new(dir))),
        Ok(None) => Ok(false),
        Err(_) => Ok(true),
    }
}

/// Whether a folder holds something else than its last snapshot, as far as that can be told.
pub(super) fn is_changed(root: &Root, name: &WorkspaceName, folder: &Folder) -> bool {
    match Index::load(root, name) {
        Ok(Some(index)) => index.differs(folder).unwrap_or(true),
        _ => true,
    }
}

/// Moves it into the trash. What lies there may be removed without asking.
fn discard(root: &Root, name: &WorkspaceName) -> Result<()> {
    let text = name.to_string();
    let workspaces = root.dir(Place::Workspaces)?;
    // Moving a folder writes into it, too: the way up.
    match live(root, name)? {
        None => return Ok(()),
        Some(meta) if meta.is_dir() => unlock(&workspaces, OsStr::new(&text), &meta)
            .map_err(|e| failed("remove the workspace", name, e))?,
        Some(_) => {}
    }
    let mut tries = 0..TRIES;
    while tries.next().is_some() {
        // Whoever finishes an earlier removal may take the folder in the trash meanwhile.
        let trash = match root.make(Place::Trash, name) {
            Ok(trash) => trash,
            Err(e) if tries.is_empty() => return Err(e),
            Err(_) => {
                // Something else may lie there, put by hand; what lies there may go in any case.
                remove(root, Place::Trash, &text)
                    .map_err(|e| failed("remove the workspace", name, e))?;
                continue;
            }
        };
        match workspaces.rename(&text, &trash, temporary()) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if live(root, name)?.is_none() {
                    return Ok(());
                }
            }
            Err(e) => return Err(failed("remove the workspace", name, e)),
        }
    }
    Err(Error::failed(format!("cannot remove the workspace {name}: the trash does not stay")))
}

/// Refuses to remove a workspace while something is mounted in it.
fn require_no_mounts(root: &Root, name: &WorkspaceName) -> Result<()> {
    Place::NAMED.into_iter().try_for_each(|place| {
        refuse_mounts(&root.path_of(place, name))
            .map_err(|e| failed("remove the workspace", name, e))
    })
}

/// Removes all that is held of a workspace that is not there any more, or was not made to the end; answers whether anything
/// was. The trash goes last: until then it is in the list.
pub(super) fn clear(root: &Root, name: &WorkspaceName) -> Result<bool> {
    require_no_mounts(root, name)?;
    let text = name.to_string();
    let mut held = false;
    for place in [Place::Making, Place::Index, Place::Trash] {
        held |= root.dir(place)?.symlink_metadata(&text).is_ok();
        remove(root, place, &text).map_err(|e| failed("remove the workspace", name, e))?;
    }
    Ok(held)
}
