//! Folders that btrfs makes, copies and removes as a whole, with the program `btrfs`.
//!
//! Where one cannot be had - another file system, no such program, no right to it, a quota - the answer is no, and the caller does
//! without: nothing here is an error.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use cap_std::fs::Dir;

use super::root::{Place, Root, open_if_folder};
use crate::folder::remove_all;

/// Entries from which on a subvolume is worth the runs of a program: a hundred files are copied in the time of two.
const LEAST: usize = 256;

/// The subvolume in the folder of what is [whole](super::whole).
pub(super) const FILES: &str = "files";

/// The program, looked for when it is first needed.
#[derive(Debug)]
pub(super) struct Subvolumes {
    program: OnceLock<Option<PathBuf>>,
    least: usize,
}

impl Default for Subvolumes {
    fn default() -> Self {
        Self { program: OnceLock::new(), least: LEAST }
    }
}

impl Subvolumes {
    /// For folders of any size.
    #[cfg(test)]
    pub(super) fn of_any_size() -> Self {
        Self { least: 0, ..Self::default() }
    }

    /// As [`of_any_size`](Self::of_any_size), with another program.
    #[cfg(test)]
    pub(super) fn with_program(program: &str) -> Self {
        Self { program: OnceLock::from(Some(program.into())), least: 0 }
    }

    /// Whether a folder of this many entries is worth one, and one can be in this folder.
    pub(super) fn serve(&self, dir: &Dir, entries: usize) -> bool {
        entries >= self.least && self.program().is_some() && is_suitable(dir).unwrap_or(false)
    }

    fn program(&self) -> Option<&Path> {
        self.program.get_or_init(find).as_deref()
    }

    /// Makes an empty one at a path where nothing is.
    pub(super) fn make(&self, at: &Path) -> bool {
        self.run("create", &[at])
    }

    /// Makes one that begins as another, in one step, at a path where nothing is.
    pub(super) fn copy(&self, from: &Path, to: &Path) -> bool {
        self.run("snapshot", &[from, to])
    }

    /// Removes one with all in it, but for another in it: then all stays.
    fn delete(&self, at: &Path) -> bool {
        self.run("delete", &[at])
    }

    /// Paths begin at the root of the system and end with names that this driver gave.
    #[cfg(target_os = "linux")]
    fn run(&self, what: &str, paths: &[&Path]) -> bool {
        use crate::process::{Ending, Limits, run_here};
        /// What others have left to be written may be written first.
        const LONGEST: std::time::Duration = std::time::Duration::from_secs(120);
        let Some(program) = self.program() else { return false };
        let mut command = tokio::process::Command::new(program);
        command.args(["subvolume", what, "--"]).args(paths);
        let limits = Limits { time: LONGEST, output: None, ending: Ending::Killed };
        run_here(command, &limits).is_ok_and(|finished| finished.status.success())
    }

    #[cfg(not(target_os = "linux"))]
    fn run(&self, _: &str, _: &[&Path]) -> bool {
        false
    }
}

/// The program's path. Who is not root often has no `sbin` in `PATH`.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut all = std::env::split_paths(&path).chain(others).map(|folder| folder.join("btrfs"));
    all.find(|program| program.is_absolute() && program.is_file())
}

/// Whether subvolumes can be in a folder, and are there what other folders are: they do not inherit its group.
#[cfg(target_os = "linux")]
fn is_suitable(dir: &Dir) -> io::Result<bool> {
    use cap_std::fs::MetadataExt;
    let is_btrfs =
        nix::sys::statfs::fstatfs(dir)?.filesystem_type() == nix::sys::statfs::BTRFS_SUPER_MAGIC;
    Ok(is_btrfs && dir.dir_metadata()?.mode() & 0o2000 == 0)
}

#[cfg(not(target_os = "linux"))]
fn is_suitable(_: &Dir) -> io::Result<bool> {
    Ok(false)
}

/// Whether what a folder holds under a name is a subvolume: each is a device of its own, whose first inode is this.
#[cfg(target_os = "linux")]
pub(super) fn is_subvolume(dir: &Dir, name: &OsStr) -> io::Result<bool> {
    use cap_std::fs::MetadataExt;
    const FIRST: u64 = 256;
    let meta = match dir.symlink_metadata(name) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        meta => meta?,
    };
    Ok(meta.is_dir() && meta.ino() == FIRST && meta.dev() != dir.dir_metadata()?.dev())
}

/// Whether what a folder holds under a name is a subvolume: there are none here.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_subvolume(_: &Dir, _: &OsStr) -> io::Result<bool> {
    Ok(false)
}

/// Whether both belong to one user.
#[cfg(unix)]
pub(super) fn have_one_owner(a: &Dir, b: &Dir) -> io::Result<bool> {
    use cap_std::fs::MetadataExt;
    Ok(a.dir_metadata()?.uid() == b.dir_metadata()?.uid())
}

#[cfg(not(unix))]
pub(super) fn have_one_owner(_: &Dir, _: &Dir) -> io::Result<bool> {
    Ok(false)
}

/// Removes what one of the root's folders holds under a name, with all in it; nothing there is no error. Nothing is mounted in it.
///
/// What the driver has made as subvolumes, and what nobody else has put one into, goes in one step where that is allowed;
/// all else file by file.
pub(super) fn remove(root: &Root, place: Place, name: &str) -> io::Result<()> {
    let dir = root.dir(place).map_err(io::Error::other)?;
    if let Some(inner) = open_if_folder(&dir, name)? {
        let list = || -> io::Result<Vec<OsString>> {
            inner.entries()?.map(|entry| entry.map(|e| e.file_name())).collect()
        };
        // Somebody else may remove it meanwhile.
        let names = list().unwrap_or_default();
        names.iter().for_each(|own| delete(root, &inner, &root.at(place).join(name).join(own)));
    }
    remove_all(&dir, OsStr::new(name))
}

/// Removes what lies in a folder at this path, if it is a subvolume, or has the one of what is whole. Else, and if that is not
/// allowed, it stays, to be removed file by file.
pub(super) fn delete(root: &Root, dir: &Dir, at: &Path) {
    let Some(name) = at.file_name() else { return };
    if is_subvolume(dir, name).unwrap_or(false) {
        root.subvolumes().delete(at);
    } else if let Some(name) = name.to_str()
        && let Ok(Some(inner)) = open_if_folder(dir, name)
        && is_subvolume(&inner, OsStr::new(FILES)).unwrap_or(false)
    {
        root.subvolumes().delete(&at.join(FILES));
    }
}
