//! File operations of a workspace that is a folder, confined to it.
//!
//! A path is walked name by name, each opened below the one before without following a link: no path, no link in it, and no
//! link that somebody puts there meanwhile leads out of the folder. A link in the middle of a path is a `PathConflict`, as a
//! file would be; only the last name may be a link, and is then meant itself.
//!
//! All of it blocks; a driver calls it where it may.
//!
//! What is mounted in a folder is not removed with it: whoever removes looks first.
//!
//! # Not promised
//!
//! - Flushing: what is written survives the end of the process, and a loss of power as far as the file system sees to it.
//! - Sockets, pipes and devices: they are left out of lists and scans, and removed with the folder they are in.
//! - Owners, times, extended attributes and mode bits other than "the owner may run it".

mod change;
#[cfg(feature = "directory")]
mod copy;
#[cfg(feature = "directory")]
pub(crate) mod exchange;
#[cfg(all(test, unix))]
pub(crate) mod model;
mod mounts;
mod name;
mod read;
mod remove;
mod scan;
#[cfg(all(test, unix))]
mod tests;

use std::{fmt, io, path::Path};

use cap_fs_ext::DirExt;
use cap_std::{
    ambient_authority,
    fs::{Dir, Metadata},
};
use sessile_core::{
    error::{Error, Result},
    workspace::FilePath,
};

#[cfg(feature = "directory")]
pub(crate) use change::rights_of_new;
#[cfg(feature = "directory")]
pub(crate) use copy::{READ_ONLY, copy_new, same_folder_rights};
pub(crate) use mounts::refuse_mounts;
pub(crate) use name::{TEMPORARY, is_dot_git, is_temporary, os_name, path_of, temporary};
pub(crate) use read::{executable, open_file};
pub(crate) use remove::{remove_all, unlock};
pub(crate) use scan::{Scanned, Stat};

/// A folder and the rules of its driver.
pub(crate) struct Folder {
    dir: Dir,
    /// Names that are the driver's own, at any depth.
    reserved: fn(&[u8]) -> bool,
    /// Whether a folder stays that holds nothing.
    empty_directories: bool,
}

impl Folder {
    /// Opens a folder by its path. The names above the last may be links, the last must be the folder itself. The path is
    /// used this once.
    ///
    /// # Errors
    /// `NotFound` of [`io::ErrorKind`] if nothing is there; any other if it is no folder, or cannot be opened.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path has no last name"));
        };
        let parent = Dir::open_ambient_dir(parent, ambient_authority())?;
        Ok(Self::new(parent.open_dir_nofollow(name)?))
    }

    /// The folder of a handle.
    pub(crate) fn new(dir: Dir) -> Self {
        Self { dir, reserved: |_| false, empty_directories: true }
    }

    /// Keeps names for the driver: they are never listed or scanned, and any path with one of them is `Invalid`.
    pub(crate) fn reserving(mut self, reserved: fn(&[u8]) -> bool) -> Self {
        self.reserved = reserved;
        self
    }

    /// Lets a folder go with the last file in it: removing and renaming take empty parents along, and making one is
    /// `Unsupported`.
    pub(crate) fn without_empty_directories(mut self) -> Self {
        self.empty_directories = false;
        self
    }

    /// The folder itself.
    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Whether lists and scans leave a name out.
    fn is_hidden(&self, name: &[u8]) -> bool {
        is_temporary(name) || (self.reserved)(name)
    }

    /// Refuses a path that a user may not name.
    pub(crate) fn check(&self, path: &FilePath) -> Result<()> {
        for name in path.names() {
            if self.is_hidden(name) {
                let reason = format!("{path}: \"{}\" is a reserved name", name.escape_ascii());
                return Err(Error::invalid("path", reason));
            }
            os_name(path, name)?;
        }
        Ok(())
    }

    /// The folder at a path; the top with `None`. `NotFound` if nothing is there, `PathConflict` if it is no folder, or one
    /// above it is none.
    pub(crate) fn open_folder(&self, path: Option<&FilePath>) -> Result<Dir> {
        self.walk(path, path.into_iter().flat_map(FilePath::names), Missing::Fail)
    }

    /// The folder that a path lies in.
    fn parent_of(&self, path: &FilePath, missing: Missing) -> Result<Dir> {
        let mut names: Vec<_> = path.names().collect();
        names.pop();
        self.walk(Some(path), names.into_iter(), missing)
    }

    fn walk<'a>(
        &self,
        whole: Option<&FilePath>,
        names: impl Iterator<Item = &'a [u8]>,
        missing: Missing,
    ) -> Result<Dir> {
        let top = || self.dir.try_clone().map_err(|e| failed("open", &"the folder", e));
        let Some(whole) = whole else { return top() };
        let mut dir: Option<Dir> = None;
        let mut gone: Vec<u8> = Vec::new();
        for name in names {
            if !gone.is_empty() {
                gone.push(b'/');
            }
            gone.extend_from_slice(name);
            let os = os_name(whole, name)?;
            let above = dir.as_ref().unwrap_or(&self.dir);
            let next = match above.open_dir_nofollow(&os) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => match missing {
                    Missing::Fail => return Err(Error::not_found(whole.clone())),
                    Missing::Make => {
                        let path = FilePath::new(&gone)?;
                        make_dir(above, &os, &path)?;
                        above.open_dir_nofollow(&os).map_err(|e| failed("open", &path, e))?
                    }
                },
                Err(e) => {
                    let path = FilePath::new(&gone)?;
                    return Err(match above.symlink_metadata(&os) {
                        Ok(meta) if !meta.is_dir() => not_a_folder(&path, &meta),
                        // It may be one by now, or gone.
                        _ if e.kind() == io::ErrorKind::NotADirectory => {
                            Error::PathConflict { path, reason: "it is a link or a file" }
                        }
                        _ => failed("open", &path, e),
                    });
                }
                Ok(next) => next,
            };
            dir = Some(next);
        }
        dir.map_or_else(top, Ok)
    }

    /// What lies at a path; `None` if nothing does.
    fn metadata(&self, dir: &Dir, path: &FilePath) -> Result<Option<Metadata>> {
        match dir.symlink_metadata(os_name(path, path.name())?) {
            Ok(meta) => Ok(Some(meta)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed("look at", path, e)),
        }
    }
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// What to do about a folder above a path that is not there.
#[derive(Clone, Copy)]
enum Missing {
    Fail,
    Make,
}

/// Makes a folder; one that is there already is as good.
fn make_dir(dir: &Dir, name: &std::ffi::OsStr, path: &FilePath) -> Result<()> {
    match dir.create_dir(name) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(failed("make", path, e)),
        _ => Ok(()),
    }
}

fn not_a_folder(path: &FilePath, meta: &Metadata) -> Error {
    let reason = if meta.is_symlink() {
        "it is a link, which is not followed"
    } else {
        "it is a file, not a folder"
    };
    Error::PathConflict { path: path.clone(), reason }
}

/// The error of a file operation. A name that the file system does not take is the caller's to change.
pub(crate) fn failed(what: &str, path: &dyn fmt::Display, e: io::Error) -> Error {
    // macOS answers EILSEQ, which has no kind, to a name that is not UTF-8.
    let refuses_name = e.kind() == io::ErrorKind::InvalidFilename
        || (cfg!(target_vendor = "apple") && e.raw_os_error() == Some(92));
    if refuses_name {
        return Error::invalid("path", format!("cannot {what} {path}: {e}"));
    }
    Error::unavailable(format!("cannot {what} {path}"), e)
}
