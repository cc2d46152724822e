//! Copies of files and folders, sharing blocks where the file system can.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Seek},
};

use cap_std::fs::{Dir, Metadata};
use sessile_core::{
    error::{Error, Result},
    workspace::{FileKind, FilePath},
};

use super::{
    Folder, Missing, Scanned, Stat, change::new_file, failed, name::os_name, read::open_file,
};

/// Files that are not written by the owner either.
pub(crate) const READ_ONLY: u32 = 0o444;

impl Folder {
    /// Copies what a scan of another folder found into this one, which is empty: files with their rights, links as links,
    /// empty folders too. `proceed` is asked before each. `copied` gets each file's copy, to be read from its beginning, and
    /// what its source was known by after it was copied.
    ///
    /// # Errors
    /// Names the file that cannot be read or written, or that has become something else since the scan.
    pub(crate) fn copy_from(
        &self,
        source: &Self,
        found: &[Scanned],
        mut proceed: impl FnMut() -> Result<()>,
        mut copied: impl FnMut(&Scanned, Stat, &File) -> Result<()>,
    ) -> Result<()> {
        let (mut above, mut above_source) = (Parents::of(self), Parents::of(source));
        for scanned in found {
            proceed()?;
            let Scanned { path, kind, .. } = scanned;
            let dir = above.parent_of(path)?;
            let name = os_name(path, path.name())?;
            match kind {
                // Two names of the source that are one here would be two halves of one folder.
                FileKind::Directory => {
                    dir.create_dir(&*name).map_err(|e| failed("make", path, e))?
                }
                FileKind::Link { target } => {
                    put_link(dir, &name, path, target).map_err(|e| failed("copy", path, e))?;
                }
                _ => {
                    let from = above_source.parent_of(path).and_then(|dir| open_file(dir, path));
                    let (from, meta) = from.map_err(|e| went(path, e))?;
                    let from = from.into_std();
                    let copy = || {
                        let to = copy_new(&from, dir, &name, rights(&meta))?;
                        same_rights(&to, &meta)?;
                        Ok((to, Stat::of(&Metadata::from_file(&from)?)))
                    };
                    let (to, stat) = copy().map_err(|e| failed("copy", path, e))?;
                    copied(scanned, stat, &to)?;
                }
            }
        }
        // Only now: a folder may be one that nobody writes into.
        self.same_rights_of_folders(source, found)
    }

    /// Gives the folders among what a scan of another folder found, which are here as well, the rights that they have there.
    pub(crate) fn same_rights_of_folders(&self, source: &Self, found: &[Scanned]) -> Result<()> {
        // The innermost first.
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

/// Folders that paths lie in, the last of which stays open: most paths lie where the one before does.
struct Parents<'a> {
    folder: &'a Folder,
    last: Option<(Option<FilePath>, Dir)>,
}

impl<'a> Parents<'a> {
    const fn of(folder: &'a Folder) -> Self {
        Self { folder, last: None }
    }

    fn parent_of(&mut self, path: &FilePath) -> Result<&Dir> {
        let parent = path.parent();
        let last = match self.last.take() {
            Some((last, dir)) if last == parent => (last, dir),
            _ => {
                let dir = self.folder.open_folder(parent.as_ref())?;
                (parent, dir)
            }
        };
        Ok(&self.last.insert(last).1)
    }
}

/// Makes a file with the content of another, from its beginning, and answers it. It has these rights, less those that the
/// process gives to nothing it makes.
pub(crate) fn copy_new(from: &File, dir: &Dir, name: &OsStr, rights: u32) -> io::Result<File> {
    let mut options = new_file(rights);
    options.read(true);
    let to = dir.open_with(name, &options)?.into_std();
    let (mut reader, mut writer) = (from, &to);
    match reflink_copy::reflink_file(from, &to) {
        Ok(()) => return Ok(to),
        // Nothing was done.
        Err(e)
            if matches!(e.kind(), io::ErrorKind::Unsupported | io::ErrorKind::CrossesDevices) => {}
        Err(_) => {
            to.set_len(0)?;
            writer.rewind()?;
        }
    }
    reader.rewind()?;
    io::copy(&mut reader, &mut writer)?;
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

/// What is copied of a file's rights: not those by which a program runs as another user.
#[cfg(unix)]
fn rights(meta: &Metadata) -> u32 {
    use cap_std::fs::PermissionsExt as _;
    meta.permissions().mode() & 0o777
}

#[cfg(unix)]
fn same_rights(to: &File, meta: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    // Setting what is there already costs more than looking.
    if to.metadata()?.permissions().mode() & 0o7777 == rights(meta) {
        return Ok(());
    }
    to.set_permissions(std::fs::Permissions::from_mode(rights(meta)))
}

/// Gives a folder the rights of another.
#[cfg(unix)]
pub(crate) fn same_folder_rights(dir: &Dir, meta: &Metadata) -> io::Result<()> {
    use cap_std::fs::PermissionsExt as _;
    if dir.dir_metadata()?.permissions().mode() & 0o7777 == rights(meta) {
        return Ok(());
    }
    dir.set_permissions(".", cap_std::fs::Permissions::from_mode(rights(meta)))
}

#[cfg(not(unix))]
fn rights(_: &Metadata) -> u32 {
    0o666
}

#[cfg(not(unix))]
fn same_rights(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Gives a folder the rights of another: nothing here.
#[cfg(not(unix))]
pub(crate) fn same_folder_rights(_: &Dir, _: &Metadata) -> io::Result<()> {
    Ok(())
}
