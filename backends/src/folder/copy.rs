//! Copies of files and folders, sharing blocks where the file system can.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Seek},
};

use cap_std::fs::Dir;
use sessile_core::{
    error::{Error, Result},
    workspace::{FileKind, FilePath},
};

use super::{Folder, Missing, Scanned, change::new_file, failed, make_dir, name::os_name};

impl Folder {
    /// Copies what a scan of another folder found into this one, which is empty: files with their rights, links as links,
    /// empty folders too. `proceed` is asked before each.
    ///
    /// # Errors
    /// Names the file that cannot be read or written, or that has become something else since the scan.
    pub(crate) fn copy_from(
        &self,
        source: &Self,
        found: &[Scanned],
        mut proceed: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        for Scanned { path, kind, .. } in found {
            proceed()?;
            let dir = self.parent_of(path, Missing::Fail)?;
            let name = os_name(path, path.name())?;
            match kind {
                FileKind::Directory => make_dir(&dir, &name, path)?,
                FileKind::Link { target } => {
                    put_link(&dir, &name, path, target).map_err(|e| failed("copy", path, e))?;
                }
                _ => {
                    let (from, meta) = source.open_to_read(path).map_err(|e| went(path, e))?;
                    let copy = copy_new(&from.into_std(), &dir, &name, false)
                        .and_then(|to| same_rights(&to, &meta));
                    copy.map_err(|e| failed("copy", path, e))?;
                }
            }
        }
        // Only now: a folder may be one that nobody writes into. The innermost first.
        for Scanned { path, kind, .. } in found.iter().rev() {
            if *kind == FileKind::Directory {
                let meta = source
                    .open_folder(Some(path))
                    .and_then(|dir| dir.dir_metadata().map_err(|e| failed("look at", path, e)));
                let meta = meta.map_err(|e| went(path, e))?;
                let dir = self.open_folder(Some(path))?;
                same_folder_rights(&dir, &meta).map_err(|e| failed("copy", path, e))?;
            }
        }
        Ok(())
    }

    /// Moves a file that was written elsewhere to a path, in one step; replaces a file or link.
    pub(crate) fn move_in(&self, from: &Dir, name: &str, path: &FilePath) -> Result<()> {
        let dir = self.parent_of(path, Missing::Make)?;
        from.rename(name, &dir, os_name(path, path.name())?).map_err(|e| failed("write", path, e))
    }
}

/// Makes a file with the content of another, from its beginning, and answers it.
pub(crate) fn copy_new(from: &File, dir: &Dir, name: &OsStr, executable: bool) -> io::Result<File> {
    let mut options = new_file(executable);
    options.read(true);
    let to = dir.open_with(name, &options)?.into_std();
    let (mut reader, mut writer) = (from, &to);
    // An empty file has no blocks to share.
    if reflink_copy::reflink_file(from, &to).is_err() {
        to.set_len(0)?;
        reader.rewind()?;
        io::copy(&mut reader, &mut writer)?;
    }
    writer.rewind()?;
    Ok(to)
}

fn went(path: &FilePath, e: Error) -> Error {
    match e {
        Error::NotFound { .. } | Error::PathConflict { .. } => {
            Error::failed(format!("cannot copy {path}: it went away while the folder was copied"))
        }
        e => e,
    }
}

#[cfg(unix)]
fn put_link(dir: &Dir, name: &OsStr, path: &FilePath, target: &[u8]) -> io::Result<()> {
    dir.symlink_contents(&*os_name(path, target).map_err(io::Error::other)?, name)
}

#[cfg(not(unix))]
fn put_link(_: &Dir, _: &OsStr, _: &FilePath, _: &[u8]) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "links are not kept on this system"))
}

/// Bits of a mode that are copied: not those by which a program runs as another user.
#[cfg(unix)]
const RIGHTS: u32 = 0o777;

#[cfg(unix)]
fn same_rights(to: &File, meta: &cap_std::fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = cap_std::fs::PermissionsExt::mode(&meta.permissions());
    to.set_permissions(std::fs::Permissions::from_mode(mode & RIGHTS))
}

#[cfg(unix)]
fn same_folder_rights(dir: &Dir, meta: &cap_std::fs::Metadata) -> io::Result<()> {
    use cap_std::fs::PermissionsExt as _;
    let mode = meta.permissions().mode() & RIGHTS;
    dir.set_permissions(".", cap_std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn same_rights(_: &File, _: &cap_std::fs::Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn same_folder_rights(_: &Dir, _: &cap_std::fs::Metadata) -> io::Result<()> {
    Ok(())
}
