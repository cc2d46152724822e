//! What a template held last, whole: a subvolume of which workspaces begin as copies that take one step, whatever it holds.
//!
//! ```text
//! <root>/templates/<key>.<32 digits>/whole/<digest>/files  the files, as a workspace that began as the template had them
//! <root>/templates/<key>.<32 digits>/whole/<digest>/index  the index of that workspace
//! ```
//!
//! The digest is that of the template's index: another state of the template has another name, and what has a name never
//! changes. It is made beside the workspaces, and moved to its place when all of it is there; it leaves that place before the
//! first of it is removed. So a copy is of all of it if it is in its place after the copy was made.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::PathBuf,
};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use sessile_core::{error::Result, hash::Hash};

use super::{
    index::Index,
    make::{Making, Own},
    objects::Objects,
    root::{self, Place, Root, open_if_folder},
    shelf::Shelf,
    subvolumes::{FILES, delete, have_one_owner, is_subvolume},
};
use crate::folder::{Folder, Scanned, temporary};

const WHOLE: &str = "whole";

/// Begins a workspace as what is kept whole of this state of a template, which holds now what was found in it, all of
/// which is known. `None` if nothing is kept, or it cannot be copied so.
pub(super) fn begin(
    making: &Making<'_>,
    shelf: &Shelf,
    state: &Hash,
    (template, found): (&Folder, &[Scanned]),
) -> Result<Option<Own>> {
    if !making.root.subvolumes().serve(&making.dir, found.len()) {
        return Ok(None);
    }
    let Some(own) = copy(making, shelf, state).unwrap_or(None) else { return Ok(None) };
    // No index says what folders may be done with.
    own.folder.same_rights_of_folders(template, found)?;
    Objects::make(making.root, making.name)?;
    Ok(Some(own))
}

fn copy(making: &Making<'_>, shelf: &Shelf, state: &Hash) -> io::Result<Option<Own>> {
    let Some(kept) = open(shelf, state)? else { return Ok(None) };
    if !is_subvolume(&kept, OsStr::new(FILES))? {
        return Ok(None);
    }
    // Files belong to who made them: today that is somebody else.
    if !have_one_owner(&kept.open_dir_nofollow(FILES)?, &making.dir)? {
        return Ok(None);
    }
    let from = path_of(making, shelf, state).join(FILES);
    let copy = |own: &str| making.root.subvolumes().copy(&from, &making.path_of(own));
    let Some(own) = making.subvolume(copy)? else { return Ok(None) };
    let index = making.root.make(Place::Index, making.name).map_err(io::Error::other)?;
    // Who removes it has moved it before.
    if Index::copy(&kept, &index).is_ok() && from.symlink_metadata().is_ok() {
        return Ok(Some(own));
    }
    making.discard(&own.name);
    Ok(None)
}

/// Keeps a workspace, which nobody has seen yet, whole as this state of a template, in the place of the states before. That
/// it cannot be is no error.
pub(super) fn keep(making: &Making<'_>, own: &Own, shelf: &Shelf, state: &Hash) {
    let mut aside = Vec::new();
    let is_kept = try_keep(making, own, shelf, state, &mut aside);
    if is_kept.is_ok() {
        let _ = move_others(making, shelf, state, &mut aside);
    }
    aside.iter().for_each(|name| making.discard(name));
}

fn try_keep(
    making: &Making<'_>,
    own: &Own,
    shelf: &Shelf,
    state: &Hash,
    aside: &mut Vec<String>,
) -> io::Result<()> {
    if !is_subvolume(&making.dir, OsStr::new(&own.name))? || open(shelf, state)?.is_some() {
        return Ok(());
    }
    let made = temporary();
    making.dir.create_dir(&made)?;
    aside.push(made.clone());
    let kept = making.dir.open_dir_nofollow(&made)?;
    let to = making.path_of(&made).join(FILES);
    if !making.root.subvolumes().copy(&making.path_of(&own.name), &to) {
        return Err(io::Error::other("it cannot be copied"));
    }
    let Some(index) = making.root.open(Place::Index, making.name).map_err(io::Error::other)? else {
        return Err(io::ErrorKind::NotFound.into());
    };
    Index::copy(&index, &kept)?;
    Index::sync(&kept)?;
    root::make(shelf.dir(), OsStr::new(WHOLE))?;
    making.dir.rename(&made, shelf.dir(), format!("{WHOLE}/{state}"))?;
    aside.clear();
    Ok(())
}

/// Moves what is kept of other states to where workspaces are made.
fn move_others(
    making: &Making<'_>,
    shelf: &Shelf,
    state: &Hash,
    aside: &mut Vec<String>,
) -> io::Result<()> {
    let Some(whole) = open_if_folder(shelf.dir(), WHOLE)? else { return Ok(()) };
    let names: io::Result<Vec<OsString>> =
        whole.entries()?.map(|entry| entry.map(|e| e.file_name())).collect();
    let state = state.to_string();
    for name in names?.into_iter().filter(|name| **name != *state) {
        let to = temporary();
        // Somebody else may have moved it.
        if whole.rename(&name, &making.dir, &to).is_ok() {
            aside.push(to);
        }
    }
    Ok(())
}

/// Removes, where that takes one step, what is kept whole in the folder of a template, which is one that nobody looks at.
pub(super) fn remove_all_of(root: &Root, templates: &Dir, name: &str) -> io::Result<()> {
    let Some(dir) = open_if_folder(templates, name)? else { return Ok(()) };
    let Some(whole) = open_if_folder(&dir, WHOLE)? else { return Ok(()) };
    let at = root.at(Place::Templates).join(name).join(WHOLE);
    for state in whole.entries()? {
        delete(root, &whole, &at.join(state?.file_name()));
    }
    Ok(())
}

fn open(shelf: &Shelf, state: &Hash) -> io::Result<Option<Dir>> {
    match open_if_folder(shelf.dir(), WHOLE)? {
        Some(whole) => open_if_folder(&whole, &state.to_string()),
        None => Ok(None),
    }
}

fn path_of(making: &Making<'_>, shelf: &Shelf, state: &Hash) -> PathBuf {
    making.root.path().join(shelf.at()).join(WHOLE).join(state.to_string())
}
