//! Removing a folder with all in it, whatever its rights, and never through a link.

use std::{
    ffi::{OsStr, OsString},
    io,
};

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, Metadata};

use super::temporary;

/// Folders that are open at once on the way down; what lies deeper is moved up first, so that any depth can be removed.
const DEPTH: usize = 32;

/// Removes what lies in a folder under a name: a folder with all in it, anything else itself. Nothing there is no error.
///
/// Folders are made writable by their owner where that is what is missing; the folder that holds the name is not.
pub(crate) fn remove_all(dir: &Dir, name: &OsStr) -> io::Result<()> {
    let mut waiting = vec![name.to_owned()];
    while let Some(name) = waiting.pop() {
        remove(dir, dir, &name, 0, &mut waiting)?;
    }
    Ok(())
}

fn remove(
    top: &Dir,
    dir: &Dir,
    name: &OsStr,
    depth: usize,
    waiting: &mut Vec<OsString>,
) -> io::Result<()> {
    let meta = match dir.symlink_metadata(name) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        meta => meta?,
    };
    if !meta.is_dir() {
        return gone(dir.remove_file_or_symlink(name));
    }
    if depth >= DEPTH {
        let up = OsString::from(temporary());
        // Moving a folder writes into it, too: the way up.
        unlock(dir, name, &meta)?;
        return match gone(dir.rename(name, top, &up)) {
            // Within another subvolume than the top: from here on anew.
            Err(e) if e.kind() == io::ErrorKind::CrossesDevices => remove_all(dir, name),
            moved => moved.map(|()| waiting.push(up)),
        };
    }
    // Somebody may still be writing: a few more rounds find what came meanwhile.
    let mut rounds = 8;
    loop {
        unlock(dir, name, &meta)?;
        let inner = match dir.open_dir_nofollow(name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            inner => inner?,
        };
        // Names first: what a folder lists while it shrinks is not defined everywhere.
        let list = || inner.entries()?.map(|entry| entry.map(|e| e.file_name())).collect();
        let names: Vec<_> = match list() {
            // Somebody else has removed it since it was opened.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            names => names?,
        };
        for name in names {
            remove(top, &inner, &name, depth + 1, waiting)?;
        }
        drop(inner);
        match gone(dir.remove_dir(name)) {
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty && rounds > 0 => rounds -= 1,
            done => return done,
        }
    }
}

/// What somebody else removed meanwhile is removed.
fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Lets the owner of a folder list it, write into it and move it. A link that takes its place meanwhile leads no further than
/// the folder it lies in.
#[cfg(unix)]
pub(crate) fn unlock(dir: &Dir, name: &OsStr, meta: &Metadata) -> io::Result<()> {
    use cap_std::fs::{Permissions, PermissionsExt};
    let mode = meta.permissions().mode();
    if mode & 0o700 == 0o700 {
        return Ok(());
    }
    gone(dir.set_permissions(name, Permissions::from_mode(mode & 0o7777 | 0o700)))
}

/// Lets the owner of a folder list it, write into it and move it: nothing forbids that here.
#[cfg(not(unix))]
pub(crate) fn unlock(_: &Dir, _: &OsStr, _: &Metadata) -> io::Result<()> {
    Ok(())
}
