//! All that a folder holds, with what tells whether it has changed.

use std::io;

use cap_std::fs::{Dir, Metadata};
use sessile_core::{
    error::{Error, Result},
    workspace::{FileKind, FilePath},
};

use super::{Folder, failed, is_temporary, name::os_bytes, read::kind_of};

/// What a file system says of a file, so that two looks tell whether it was written between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "directory", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Stat {
    /// Its length.
    pub(crate) len: u64,
    /// When its content was last changed, in nanoseconds since 1970.
    pub(crate) mtime: i64,
    /// When anything about it was last changed; 0 where that is not known.
    pub(crate) ctime: i64,
    /// Which file it is; 0 where that is not known.
    pub(crate) inode: u64,
}

/// One thing in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Where.
    pub(crate) path: FilePath,
    /// What.
    pub(crate) kind: FileKind,
    /// How to know it again.
    pub(crate) stat: Stat,
}

impl Folder {
    /// All files, links and folders at any depth, in the order of their paths' bytes. Links are not followed; what is hidden
    /// is left out with all below it. What changes meanwhile is there as it was before or after.
    pub(crate) fn scan(&self) -> Result<Vec<Scanned>> {
        self.scan_where(|_| true)
    }

    /// As [`scan`](Self::scan), of what a rule keeps: a folder that it does not is left out with all in it.
    pub(crate) fn scan_where(
        &self,
        mut keep: impl FnMut(&Scanned) -> bool,
    ) -> Result<Vec<Scanned>> {
        let mut found = Vec::new();
        // Each folder is opened from the top: however deep they lie, two are open at once.
        let mut waiting = vec![None];
        while let Some(folder) = waiting.pop() {
            let dir = match self.open_folder(folder.as_ref()) {
                // It went, or became something else, since it was listed.
                Err(Error::NotFound { .. } | Error::PathConflict { .. }) if folder.is_some() => {
                    continue;
                }
                dir => dir?,
            };
            self.each(&dir, folder.as_ref(), |path, meta| {
                let Some(kind) = kind_of(&dir, &path, &meta)? else { return Ok(()) };
                let scanned = Scanned { path, kind, stat: Stat::of(&meta) };
                if keep(&scanned) {
                    if scanned.kind == FileKind::Directory {
                        waiting.push(Some(scanned.path.clone()));
                    }
                    found.push(scanned);
                }
                Ok(())
            })?;
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Removes what kills left of files that were being written, at any depth. Nobody else may write meanwhile.
    pub(crate) fn sweep(&self) -> Result<()> {
        let mut waiting = vec![None];
        waiting.extend(
            self.scan()?.into_iter().filter_map(|found| {
                (found.kind == FileKind::Directory).then_some(Some(found.path))
            }),
        );
        for folder in waiting {
            let shown = |e| failed("clean", &"the folder", e);
            sweep(&self.open_folder(folder.as_ref())?).map_err(shown)?;
        }
        Ok(())
    }

    /// As [`sweep`](Self::sweep), in the folder itself and no deeper.
    pub(crate) fn sweep_top(&self) -> io::Result<()> {
        sweep(&self.dir)
    }
}

fn sweep(dir: &Dir) -> io::Result<()> {
    for entry in dir.entries()? {
        let name = entry?.file_name();
        if os_bytes(&name).is_some_and(|name| is_temporary(&name)) {
            super::remove_all(dir, &name)?;
        }
    }
    Ok(())
}

impl Stat {
    /// What the metadata of a file say.
    #[cfg(unix)]
    pub(crate) fn of(meta: &Metadata) -> Self {
        use cap_std::fs::MetadataExt;
        let nanos =
            |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        Self {
            len: meta.len(),
            mtime: nanos(meta.mtime(), meta.mtime_nsec()),
            ctime: nanos(meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
        }
    }

    /// What the metadata of a file say.
    #[cfg(not(unix))]
    pub(crate) fn of(meta: &Metadata) -> Self {
        let since = meta
            .modified()
            .ok()
            .and_then(|time| time.into_std().duration_since(std::time::UNIX_EPOCH).ok());
        let mtime = since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0);
        Self { len: meta.len(), mtime, ctime: 0, inode: 0 }
    }
}
