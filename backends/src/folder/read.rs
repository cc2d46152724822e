//! What a folder holds, and what stands in a file.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    io::{self, Read},
    time::{Duration, SystemTime},
};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use sessile_core::{
    error::{Error, Result},
    workspace::{FileEntry, FileKind, FilePath},
};

use super::{
    Folder, Missing, failed,
    name::{os_bytes, os_name, path_of},
};

impl Folder {
    /// What lies in a folder, not deeper, by the bytes of the names; at the top with `None`. `NotFound` if there is none,
    /// `PathConflict` if it is no folder, or lies below a file or link.
    pub(crate) fn list(&self, path: Option<&FilePath>) -> Result<Vec<FileEntry>> {
        if let Some(path) = path {
            self.check(path)?;
        }
        let dir = self.open_folder(path)?;
        let mut entries = Vec::new();
        self.each(&dir, path, |path, meta| {
            entries.extend(kind_of(&dir, &path, &meta)?.map(|kind| FileEntry { path, kind }));
            Ok(())
        })?;
        entries.sort_by(|a, b| a.path.name().cmp(b.path.name()));
        Ok(entries)
    }

    /// The bytes of a file. `NotFound` if there is none, `PathConflict` if it is no file.
    pub(crate) fn read(&self, path: &FilePath) -> Result<Vec<u8>> {
        let (mut file, meta) = self.open_to_read(path)?;
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0).min(1 << 30));
        file.read_to_end(&mut bytes).map_err(|e| failed("read", path, e))?;
        Ok(bytes)
    }

    /// A file, opened to read. Errors as of [`read`](Self::read).
    pub(crate) fn open_to_read(&self, path: &FilePath) -> Result<(File, Metadata)> {
        self.check(path)?;
        let dir = self.parent_of(path, Missing::Fail)?;
        open_file(&dir, path)
    }

    /// Calls with what lies in an open folder, by the order of names; what is hidden, or goes meanwhile, is left out.
    pub(super) fn each(
        &self,
        dir: &Dir,
        path: Option<&FilePath>,
        mut take: impl FnMut(FilePath, Metadata) -> Result<()>,
    ) -> Result<()> {
        let shown =
            |e| failed("list", &path.map_or("the folder".into(), |path| path.to_string()), e);
        for name in names(dir).map_err(shown)? {
            if os_bytes(&name).is_some_and(|name| self.is_hidden(&name)) {
                continue;
            }
            let path = path_of(path, &name)?;
            match dir.symlink_metadata(&name) {
                Ok(meta) => take(path, meta)?,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(failed("look at", &path, e)),
            }
        }
        Ok(())
    }
}

/// The names in a folder. A file system may leave out what takes the place of another while it is listed (POSIX `readdir`
/// does not say; btrfs does): a folder that changed meanwhile is listed again, and one name of any list is enough.
fn names(dir: &Dir) -> io::Result<BTreeSet<OsString>> {
    /// Of a folder that never rests. Each has its chance to see what the others missed.
    const LISTS: usize = 8;
    let mut names = BTreeSet::new();
    let mut before = changed(dir)?;
    for list in 0..LISTS {
        for entry in dir.entries()? {
            names.insert(entry?.file_name());
        }
        let after = changed(dir)?;
        // Two changes within a tick of the clock look like one.
        if after == before && (list > 0 || !is_recent(after)) {
            break;
        }
        before = after;
    }
    Ok(names)
}

fn changed(dir: &Dir) -> io::Result<SystemTime> {
    Ok(dir.dir_metadata()?.modified()?.into_std())
}

/// Whether a time may be that of the present tick of the clock.
fn is_recent(time: SystemTime) -> bool {
    /// The longest tick of Linux, twice.
    const TICK: Duration = Duration::from_millis(20);
    time.elapsed().is_ok_and(|since| since < TICK)
}

/// What a row of a list says of it; `None` for what is no file, link or folder, or is gone by now.
pub(super) fn kind_of(dir: &Dir, path: &FilePath, meta: &Metadata) -> Result<Option<FileKind>> {
    Ok(if meta.is_dir() {
        Some(FileKind::Directory)
    } else if meta.is_symlink() {
        match dir.read_link_contents(os_name(path, path.name())?) {
            Ok(target) => {
                let target = os_bytes(target.as_os_str()).map(|target| target.into_owned());
                target.map(|target| FileKind::Link { target })
            }
            // Gone, or another thing by now.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
                None
            }
            Err(e) => return Err(failed("read the link", path, e)),
        }
    } else if meta.is_file() {
        Some(FileKind::File { executable: executable(meta), bytes: meta.len(), digest: None })
    } else {
        None
    })
}

/// Opens the last name of a path to read, in its folder. `NotFound` if nothing is there, `PathConflict` if it is no file.
pub(crate) fn open_file(dir: &Dir, path: &FilePath) -> Result<(File, Metadata)> {
    let name = os_name(path, path.name())?;
    let mut options = OpenOptions::new();
    // Opening a pipe must not wait for somebody who writes to it.
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let conflict = |reason| Error::PathConflict { path: path.clone(), reason };
    let refused = |meta: &Metadata| {
        if meta.is_dir() {
            Some(conflict("it is a folder, not a file"))
        } else if meta.is_symlink() {
            Some(conflict("it is a link, which is not followed"))
        } else if meta.is_file() {
            None
        } else {
            Some(conflict("it is no file, link or folder"))
        }
    };
    let opened = dir.open_with(&name, &options).and_then(|file| Ok((file.metadata()?, file)));
    match opened {
        Ok((meta, file)) => refused(&meta).map_or(Ok((file, meta)), Err),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(Error::not_found(path.clone())),
        Err(e) => {
            let found = dir.symlink_metadata(&name).ok();
            Err(found.as_ref().and_then(refused).unwrap_or_else(|| failed("read", path, e)))
        }
    }
}

/// Whether the owner may run a file.
#[cfg(unix)]
pub(crate) fn executable(meta: &Metadata) -> bool {
    use cap_std::fs::PermissionsExt;
    meta.permissions().mode() & 0o100 != 0
}

/// Whether the owner may run a file: not kept here.
#[cfg(not(unix))]
pub(crate) fn executable(_: &Metadata) -> bool {
    false
}
