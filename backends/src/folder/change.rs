//! Changes of a folder, as [`FileChange`] says.

use std::io::{self, Write};

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, Metadata, OpenOptions};
use sessile_core::{
    error::{Error, Result},
    workspace::{FileChange, FilePath},
};

use super::{
    Folder, Missing, failed, make_dir,
    name::{is_temporary, os_bytes, os_name, temporary},
    not_a_folder, remove_all,
};

/// Bytes of what a link says.
const TARGET_BYTES: usize = 4095;

impl Folder {
    /// Makes changes in this order. After an error those before the one that failed are made.
    pub(crate) fn changes(&self, changes: &[FileChange]) -> Result<()> {
        changes.iter().try_for_each(|change| self.change(change))
    }

    /// Makes one change, or none of it: but folders above the path may have been made, and of a folder that cannot be
    /// removed some may be gone.
    pub(crate) fn change(&self, change: &FileChange) -> Result<()> {
        self.check(change.path())?;
        let done = match change {
            FileChange::Write { path, content, executable } => {
                self.write(path, content, *executable)
            }
            FileChange::Link { path, target } => self.link(path, target),
            FileChange::MakeDirectory { path } => self.make_directory(path),
            FileChange::Remove { path } => self.remove(path),
            FileChange::Rename { from, to } => self.rename(from, to),
            other => Err(Error::Unsupported { what: format!("the change {other:?} of a folder") }),
        };
        if done.is_err() {
            self.prune(change.path());
        }
        done
    }

    /// Writes a file beside its place, and moves it there: who reads sees the old or the new.
    fn write(&self, path: &FilePath, content: &[u8], executable: bool) -> Result<()> {
        if executable && cfg!(not(unix)) {
            return Err(Error::Unsupported {
                what: "files that may be run, on this system".into(),
            });
        }
        let dir = self.parent_of(path, Missing::Make)?;
        self.replaceable(&dir, path)?;
        let made = temporary();
        let write = || {
            let mut file = dir.open_with(&made, &new_file(rights_of_new(executable)))?;
            file.write_all(content)?;
            // What may come late, such as a full disk behind a network, comes before the name.
            drop(file);
            dir.rename(&made, &dir, os_name(path, path.name()).map_err(io::Error::other)?)
        };
        write().map_err(|e| self.withdraw(&dir, &made, failed("write", path, e)))
    }

    #[cfg(unix)]
    fn link(&self, path: &FilePath, target: &[u8]) -> Result<()> {
        if target.is_empty() || target.len() > TARGET_BYTES || target.contains(&0) {
            let reason =
                format!("the link {path} does not have 1 to {TARGET_BYTES} bytes without NUL");
            return Err(Error::invalid("target", reason));
        }
        let dir = self.parent_of(path, Missing::Make)?;
        self.replaceable(&dir, path)?;
        let made = temporary();
        let write = || {
            dir.symlink_contents(&*os_name(path, target).map_err(io::Error::other)?, &made)?;
            dir.rename(&made, &dir, os_name(path, path.name()).map_err(io::Error::other)?)
        };
        write().map_err(|e| self.withdraw(&dir, &made, failed("make the link", path, e)))
    }

    #[cfg(not(unix))]
    fn link(&self, _: &FilePath, _: &[u8]) -> Result<()> {
        Err(Error::Unsupported { what: "links, on this system".into() })
    }

    fn make_directory(&self, path: &FilePath) -> Result<()> {
        if !self.empty_directories {
            return Err(Error::Unsupported { what: "folders without a file in them".into() });
        }
        let dir = self.parent_of(path, Missing::Make)?;
        make_dir(&dir, &os_name(path, path.name())?, path)?;
        match self.metadata(&dir, path)? {
            Some(meta) if !meta.is_dir() => Err(not_a_folder(path, &meta)),
            _ => Ok(()),
        }
    }

    fn remove(&self, path: &FilePath) -> Result<()> {
        let dir = match self.parent_of(path, Missing::Fail) {
            // Below a file or a link nothing lies.
            Err(Error::NotFound { .. } | Error::PathConflict { .. }) => return Ok(()),
            dir => dir?,
        };
        remove_all(&dir, &os_name(path, path.name())?).map_err(|e| failed("remove", path, e))?;
        self.prune(path);
        Ok(())
    }

    fn rename(&self, from: &FilePath, to: &FilePath) -> Result<()> {
        self.check(from)?;
        let source = match self.parent_of(from, Missing::Fail) {
            Err(Error::PathConflict { .. }) => return Err(Error::not_found(from.clone())),
            source => source?,
        };
        let Some(meta) = self.metadata(&source, from)? else {
            return Err(Error::not_found(from.clone()));
        };
        let conflict = |path: &FilePath, reason| Error::PathConflict { path: path.clone(), reason };
        if !(meta.is_dir() || meta.is_file() || meta.is_symlink()) {
            return Err(conflict(from, "it is no file, link or folder"));
        }
        if from == to {
            return Ok(());
        }
        if to.is_under(from) {
            return Err(if meta.is_dir() {
                conflict(to, "a folder does not go into itself")
            } else {
                not_a_folder(from, &meta)
            });
        }
        let target = self.parent_of(to, Missing::Make)?;
        let there = self.replaceable(&target, to)?;
        if meta.is_dir() && there.is_some() {
            return Err(conflict(to, "something is there, and a folder replaces nothing"));
        }
        let (old, new) = (os_name(from, from.name())?, os_name(to, to.name())?);
        let renamed = if there.is_some() {
            // Two names of one file would both stay, by the rules of POSIX; under a third name it is one of them no more.
            let third = temporary();
            source.rename(&*old, &source, &third).and_then(|()| {
                let renamed = source.rename(&third, &target, &*new);
                let undone = match &renamed {
                    Err(_) => source.rename(&third, &source, &*old),
                    Ok(()) => source.remove_file_or_symlink(&third),
                };
                undone.or_else(ignore_missing)?;
                renamed
            })
        } else {
            source.rename(&*old, &target, &*new)
        };
        renamed.map_err(|e| failed("rename", from, e))?;
        self.prune(from);
        Ok(())
    }

    /// Refuses a path with something that nothing may replace; else answers what is there.
    fn replaceable(&self, dir: &Dir, path: &FilePath) -> Result<Option<Metadata>> {
        let conflict = |reason| Err(Error::PathConflict { path: path.clone(), reason });
        match self.metadata(dir, path)? {
            Some(meta) if meta.is_dir() => conflict("it is a folder"),
            Some(meta) if !meta.is_file() && !meta.is_symlink() => {
                conflict("it is no file, link or folder")
            }
            meta => Ok(meta),
        }
    }

    /// Takes what was made for a change that failed; its error counts.
    fn withdraw(&self, dir: &Dir, made: &str, error: Error) -> Error {
        // Left behind it is hidden, and goes with its folder.
        let _ = dir.remove_file_or_symlink(made);
        error
    }

    /// Removes the folders above a path that hold nothing any more, where the driver does not keep them. The change before
    /// is done either way, so that failing to is no error.
    fn prune(&self, path: &FilePath) {
        if self.empty_directories {
            return;
        }
        let mut above = path.parent();
        while let Some(folder) = above {
            let removed = || {
                let dir = self.parent_of(&folder, Missing::Fail).ok()?;
                let name = os_name(&folder, folder.name()).ok()?;
                self.sweep_one(&dir.open_dir_nofollow(&*name).ok()?)?;
                dir.remove_dir(&*name).ok()
            };
            // A parent may be missing because it was never made: the one above it counts.
            if removed().is_none() && self.open_folder(Some(&folder)).is_ok() {
                return;
            }
            above = folder.parent();
        }
    }

    /// Removes what kills left of writes into a folder that holds nothing else; `None` if it holds more.
    fn sweep_one(&self, dir: &Dir) -> Option<()> {
        let names: Vec<_> = dir
            .entries()
            .ok()?
            .map(|entry| entry.map(|e| e.file_name()))
            .collect::<io::Result<_>>()
            .ok()?;
        let left =
            |name: &std::ffi::OsString| os_bytes(name).is_some_and(|name| is_temporary(&name));
        names.iter().all(left).then_some(())?;
        names.iter().try_for_each(|name| dir.remove_file_or_symlink(name)).ok()
    }
}

fn ignore_missing(e: io::Error) -> io::Result<()> {
    if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) }
}

/// How a file is made: new, and with the rights that the process gives to what it makes of these.
pub(super) fn new_file(rights: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt;
        options.mode(rights);
    }
    #[cfg(not(unix))]
    let _ = rights;
    options
}

/// The rights to ask for a new file, as most programs do.
pub(crate) const fn rights_of_new(executable: bool) -> u32 {
    if executable { 0o777 } else { 0o666 }
}
