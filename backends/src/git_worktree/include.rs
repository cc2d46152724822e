//! Files that git ignores, and that a new worktree needs nevertheless: those that `.worktreeinclude` names.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use cap_std::fs::Dir;
use sessile_core::{
    error::{Error, Result},
    workspace::FilePath,
};
use sessile_driver::blocking;

use super::{
    GitWorktree,
    git::{Git, zero_terminated},
    place::Place,
    restore::open,
    snapshot::os,
};
use crate::folder::{Folder, failed, is_dot_git, open_file, temporary};

/// The file with the patterns, at the top of the repository's own worktree.
const FILE: &str = ".worktreeinclude";

impl GitWorktree {
    /// Copies what the patterns name; how many files and links these were. What the commit itself has at such a path stays.
    pub(super) async fn include(&self, place: &Place) -> Result<usize> {
        let Some(main) = self.repository.main.clone() else { return Ok(0) };
        let patterns = main.join(FILE);
        match fs::symlink_metadata(&patterns) {
            Ok(meta) if meta.is_file() => {}
            Ok(_) => return Err(Error::failed(format!("{} is no file", patterns.display()))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(e) => {
                return Err(Error::unavailable(format!("cannot open {}", patterns.display()), e));
            }
        }
        let paths = self.included(&main, &patterns).await?;
        let to = place.folder.clone();
        blocking::run(move || copy(&main, &to, &paths)).await?
    }

    /// What the patterns name, and git ignores, and is no nested repository.
    async fn included(&self, main: &Path, patterns: &Path) -> Result<Vec<FilePath>> {
        let git = Git::at(main);
        let from = {
            let mut arg = std::ffi::OsString::from("--exclude-from=");
            arg.push(patterns);
            arg
        };
        let named =
            git.call(["ls-files", "-z", "--others", "--ignored"]).arg(from).output().await?;
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let call = git.call(["ls-files", "-z", "--others", "--ignored", "--exclude-standard"]);
        let ignored = call.output().await?;
        let ignored: std::collections::HashSet<_> = zero_terminated(&ignored).collect();
        let mut paths = Vec::new();
        for path in zero_terminated(&named).filter(|path| ignored.contains(path)) {
            let path = path
                .strip_suffix(b"/")
                .map_or_else(|| FilePath::new(path).map(Some), |_| Ok(None))?;
            paths.extend(path.filter(|path| !path.names().any(is_dot_git)));
        }
        Ok(paths)
    }
}

/// Copies files and links from a folder to another, and sees that all arrived.
fn copy(from: &Path, to: &PathBuf, paths: &[FilePath]) -> Result<usize> {
    let source = Folder::open(from)
        .map_err(|e| Error::unavailable(format!("cannot open {}", from.display()), e))?;
    let target = open(to)?;
    let mut copied = 0;
    for path in paths {
        let incomplete =
            |e: Error| Error::unavailable(format!("cannot copy {path}, which {FILE} names"), e);
        copied += usize::from(copy_one(&source, &target, path).map_err(incomplete)?);
    }
    Ok(copied)
}

fn copy_one(source: &Folder, target: &Folder, path: &FilePath) -> Result<bool> {
    let name = os(path.name())?;
    let (from, above) = (source.open_folder(path.parent().as_ref())?, path.parent());
    let meta = from.symlink_metadata(name).map_err(|e| failed("look at", path, e))?;
    let there = match target.open_folder(above.as_ref()) {
        Ok(dir) => dir.symlink_metadata(name).is_ok(),
        Err(Error::NotFound { .. }) => false,
        Err(e) => return Err(e),
    };
    if there {
        return Ok(false);
    }
    if meta.is_symlink() {
        let dir = make_above(target, above.as_ref())?;
        copy_link(&from, &dir, name).map_err(|e| failed("copy the link", path, e))?;
        return Ok(true);
    }
    let (mut file, meta) = open_file(&from, path)?;
    let dir = make_above(target, above.as_ref())?;
    let made = temporary();
    let mut write = || {
        let mut options = cap_std::fs::OpenOptions::new();
        let mut new = dir.open_with(&made, options.read(true).write(true).create_new(true))?;
        let (old, plain) = (file.try_clone()?.into_std(), new.try_clone()?.into_std());
        if reflink_copy::reflink_file(&old, &plain).is_err() {
            io::copy(&mut file, &mut new)?;
        }
        new.set_permissions(meta.permissions())?;
        if new.metadata()?.len() != meta.len() {
            return Err(io::Error::other("it changed while it was copied"));
        }
        drop(new);
        dir.rename(&made, &dir, name)
    };
    write().map_err(|e| {
        let _left = dir.remove_file(&made);
        failed("copy", path, e)
    })?;
    Ok(true)
}

#[cfg(unix)]
fn copy_link(from: &Dir, to: &Dir, name: &std::ffi::OsStr) -> io::Result<()> {
    to.symlink_contents(from.read_link_contents(name)?, name)
}

#[cfg(not(unix))]
fn copy_link(_: &Dir, _: &Dir, _: &std::ffi::OsStr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The folder, made where it is missing, without following a link.
fn make_above(target: &Folder, folder: Option<&FilePath>) -> Result<Dir> {
    use cap_fs_ext::DirExt;
    let mut dir = target.open_folder(None)?;
    for name in folder.into_iter().flat_map(FilePath::names) {
        let name = os(name)?;
        let step = dir.open_dir_nofollow(name).or_else(|e| {
            if e.kind() != io::ErrorKind::NotFound {
                return Err(e);
            }
            dir.create_dir(name)?;
            dir.open_dir_nofollow(name)
        });
        dir = step.map_err(|e| Error::unavailable("cannot make a folder", e))?;
    }
    Ok(dir)
}
