//! Where a workspace is: its folder, and what the repository knows of it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sessile_core::workspace::WorkspaceName;

/// The folder in a root for what is being removed. No name of a workspace begins with a dot.
pub(super) const TRASH: &str = ".trash";
/// The folder of this driver in the repository's folder for a worktree; it goes with that.
const OWN: &str = "sessile";
/// Is in [`OWN`] once a workspace was made completely.
const READY: &str = "ready";

/// What lies at the path of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Folder,
    /// A link or a file; nobody looks through it.
    Other,
}

/// A worktree: its folder, and the folder in the repository that belongs to it, from which `git` takes its `HEAD`.
///
/// Commands name both, and look at no `.git` in the workspace: that one is within reach of who works there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) admin: PathBuf,
}

impl Place {
    /// The folder of this driver, for what belongs to this one workspace.
    pub(super) fn own(&self) -> PathBuf {
        self.admin.join(OWN)
    }

    /// Whether the workspace was made completely.
    pub(super) fn is_ready(&self) -> bool {
        self.own().join(READY).is_file()
    }

    /// Notes that the workspace was made completely, so that a loss of power does not forget it: what is in it from now on
    /// may be work.
    pub(super) fn set_ready(&self) -> io::Result<()> {
        let own = self.own();
        fs::create_dir_all(&own)?;
        fs::File::create(own.join(READY))?.sync_all()?;
        #[cfg(unix)]
        for folder in [&own, &self.admin] {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

pub(super) fn look(path: &Path) -> io::Result<Found> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(Found::Folder),
        Ok(_) => Ok(Found::Other),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Found::Nothing)
        }
        Err(e) => Err(e),
    }
}

/// What lies in a folder, nothing if it is not there.
pub(super) fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => {
            let paths: io::Result<_> = entries.map(|entry| Ok(entry?.path())).collect();
            or_none(paths)
        }
        Err(e) => or_none(Err(e)),
    }
}

/// What is not there, or goes while it is listed, has nothing in it.
fn or_none(paths: io::Result<Vec<PathBuf>>) -> io::Result<Vec<PathBuf>> {
    match paths {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        paths => paths,
    }
}

/// The workspaces that entries of a folder are named after.
pub(super) fn names_in(folder: &Path) -> io::Result<Vec<WorkspaceName>> {
    let name = |path: PathBuf| path.file_name()?.to_str()?.parse().ok();
    Ok(entries(folder)?.into_iter().filter_map(name).collect())
}

/// Which worktree a folder below `worktrees` of a repository belongs to. `None` for one that is half made, and does not say
/// so yet: no worktree of somebody else is without that for longer than a moment.
fn worktree_of(admin: &Path) -> io::Result<Option<PathBuf>> {
    let text = match fs::read(admin.join("gitdir")) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        text => text?,
    };
    let text = text.trim_ascii_end();
    #[cfg(unix)]
    let path = {
        use std::os::unix::ffi::OsStrExt;
        Path::new(std::ffi::OsStr::from_bytes(text)).to_owned()
    };
    #[cfg(not(unix))]
    let path = PathBuf::from(String::from_utf8_lossy(text).into_owned());
    // Git can write it relative to the folder that it stands in.
    Ok(admin.join(path).parent().map(Path::to_owned).filter(|_| !text.is_empty()))
}

/// Whether a path, in whatever spelling, is the one of a workspace in a root. It need not exist.
fn is_at(path: &Path, root: &Path, name: &str) -> bool {
    let parent = path.parent().filter(|_| path.file_name().is_some_and(|last| last == name));
    parent.is_some_and(|parent| {
        parent == root || fs::canonicalize(parent).is_ok_and(|parent| parent == root)
    })
}

/// The repository's folders for the worktree of a name in a root: one, or a half made one.
pub(super) fn admins(common: &Path, root: &Path, name: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for admin in entries(&common.join("worktrees"))? {
        let is_named = admin.file_name().is_some_and(|last| last == name);
        match worktree_of(&admin)? {
            Some(path) if is_at(&path, root, name) => found.push(admin),
            None if is_named => found.push(admin),
            _ => {}
        }
    }
    Ok(found)
}

/// The workspaces of a root that a repository has folders for.
pub(super) fn names_of_admins(common: &Path, root: &Path) -> io::Result<Vec<WorkspaceName>> {
    let mut names = Vec::new();
    for admin in entries(&common.join("worktrees"))? {
        let path = worktree_of(&admin)?;
        let named = path.as_ref().unwrap_or(&admin).file_name().and_then(|name| name.to_str());
        let Some(name) = named.and_then(|name| name.parse::<WorkspaceName>().ok()) else {
            continue;
        };
        if path.is_none_or(|path| is_at(&path, root, &name.to_string())) {
            names.push(name);
        }
    }
    Ok(names)
}

/// The worktree of a name, if it is there.
pub(super) fn find(common: &Path, root: &Path, name: &WorkspaceName) -> io::Result<Option<Place>> {
    let name = name.to_string();
    let folder = root.join(&name);
    if look(&folder)? != Found::Folder {
        return Ok(None);
    }
    // Usually the two have one name.
    let usual = common.join("worktrees").join(&name);
    if worktree_of(&usual)?.is_some_and(|path| is_at(&path, root, &name)) {
        return Ok(Some(Place { folder, admin: usual }));
    }
    for admin in entries(&common.join("worktrees"))? {
        if worktree_of(&admin)?.is_some_and(|path| is_at(&path, root, &name)) {
            return Ok(Some(Place { folder, admin }));
        }
    }
    Ok(None)
}
