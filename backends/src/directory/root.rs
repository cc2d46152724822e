//! Where things lie below the root.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use cap_fs_ext::DirExt;
use cap_std::{ambient_authority, fs::Dir};
use sessile_core::{
    error::{Error, Result},
    id::ThreadId,
    workspace::WorkspaceName,
};

use super::{subvolumes::Subvolumes, templates};
use crate::folder::{Folder, failed};

/// Folders of the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Workspaces,
    Making,
    Trash,
    Index,
    Snapshots,
    Templates,
}

impl Place {
    /// Those with something for each name of a workspace.
    pub(super) const NAMED: [Self; 4] = [Self::Workspaces, Self::Making, Self::Trash, Self::Index];

    const fn name(self) -> &'static str {
        match self {
            Self::Workspaces => "workspaces",
            Self::Making => "making",
            Self::Trash => "trash",
            Self::Index => "index",
            Self::Snapshots => "snapshots",
            Self::Templates => "templates",
        }
    }
}

/// The root, resolved.
#[derive(Clone, Debug)]
pub(super) struct Root {
    path: Arc<Path>,
    subvolumes: Arc<Subvolumes>,
}

impl Root {
    pub(super) fn new(path: &Path) -> Result<Self> {
        let shown = |e| failed("make the folder", &path.display(), e);
        match std::fs::create_dir_all(path) {
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory
                ) =>
            {
                let reason = format!("{} is no folder", path.display());
                return Err(Error::invalid("root", reason));
            }
            made => made.map_err(shown)?,
        }
        let path = path.canonicalize().map_err(shown)?.into();
        let root = Self { path, subvolumes: Arc::default() };
        for place in Place::NAMED.into_iter().chain([Place::Snapshots, Place::Templates]) {
            root.dir(place)?;
        }
        Ok(root)
    }

    /// The same, that makes subvolumes as these say.
    #[cfg(test)]
    pub(super) fn with(mut self, subvolumes: Subvolumes) -> Self {
        self.subvolumes = subvolumes.into();
        self
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn subvolumes(&self) -> &Subvolumes {
        &self.subvolumes
    }

    /// One of the folders of the root, made if it is missing; never through a link.
    pub(super) fn dir(&self, place: Place) -> Result<Dir> {
        let path = self.at(place);
        let open = || {
            let root = Dir::open_ambient_dir(&self.path, ambient_authority())?;
            match root.open_dir_nofollow(place.name()) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    make(&root, OsStr::new(place.name()))?;
                    root.open_dir_nofollow(place.name())
                }
                dir => dir,
            }
        };
        open().map_err(|e| failed("open the folder", &path.display(), e))
    }

    /// The folder of a workspace in one of them; `None` if there is none, or something that is no folder.
    pub(super) fn open(&self, place: Place, name: &WorkspaceName) -> Result<Option<Dir>> {
        open_if_folder(&self.dir(place)?, &name.to_string())
            .map_err(|e| failed("open the workspace", name, e))
    }

    /// The folder of a workspace in one of them, made if it is missing.
    pub(super) fn make(&self, place: Place, name: &WorkspaceName) -> Result<Dir> {
        let dir = self.dir(place)?;
        let text = name.to_string();
        make(&dir, OsStr::new(&text))
            .and_then(|()| dir.open_dir_nofollow(&text))
            .map_err(|e| failed("make a folder for", name, e))
    }

    /// The live folder of a workspace; `NotFound` if there is none.
    pub(super) fn live(&self, name: &WorkspaceName) -> Result<Folder> {
        let dir = self.open(Place::Workspaces, name)?;
        dir.map(Folder::new).ok_or_else(|| Error::not_found(name.id()))
    }

    /// The path of the live folder.
    pub(super) fn live_path(&self, name: &WorkspaceName) -> PathBuf {
        self.path_of(Place::Workspaces, name)
    }

    /// The path of one of the folders.
    pub(super) fn at(&self, place: Place) -> PathBuf {
        self.path.join(place.name())
    }

    /// The path of what one of the folders holds of a workspace.
    pub(super) fn path_of(&self, place: Place, name: &WorkspaceName) -> PathBuf {
        self.at(place).join(name.to_string())
    }

    /// The names of a store's workspaces that anything is held of.
    pub(super) fn names(&self, store: u128) -> Result<Vec<WorkspaceName>> {
        let mut names = BTreeSet::new();
        for place in Place::NAMED {
            for text in self.texts(place)? {
                names
                    .extend(text.parse().ok().filter(|name: &WorkspaceName| name.store() == store));
            }
        }
        Ok(names.into_iter().collect())
    }

    /// The threads of a store that snapshots are held of, be it in a template's folder alone.
    pub(super) fn threads(&self, store: u128) -> Result<Vec<ThreadId>> {
        let store = WorkspaceName::store_text(store);
        let thread = |text: &String| {
            let thread = text.strip_prefix(&store)?.strip_prefix('.')?;
            // Strict: what reads as an id, and is not how it is written, is not ours.
            WorkspaceName::thread_of_text(thread)
                .filter(|id| WorkspaceName::thread_text(*id) == thread)
        };
        let mut texts = self.texts(Place::Snapshots)?;
        texts.append(&mut templates::threads(self)?);
        Ok(texts.iter().filter_map(thread).collect())
    }

    /// The names in one of the folders that are text.
    pub(super) fn texts(&self, place: Place) -> Result<BTreeSet<String>> {
        let shown = |e| failed("list", &place.name(), e);
        let mut texts = BTreeSet::new();
        for entry in self.dir(place)?.entries().map_err(shown)? {
            texts.extend(entry.map_err(shown)?.file_name().into_string());
        }
        Ok(texts)
    }
}

/// Makes a folder; one that is there is as good.
pub(super) fn make(dir: &Dir, name: &OsStr) -> io::Result<()> {
    match dir.create_dir(name) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

/// Opens a folder; `None` if there is nothing, a link, or a file.
pub(super) fn open_if_folder(dir: &Dir, name: &str) -> io::Result<Option<Dir>> {
    match dir.open_dir_nofollow(name) {
        Ok(inner) => Ok(Some(inner)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => match dir.symlink_metadata(name) {
            Ok(meta) if meta.is_dir() && e.kind() != io::ErrorKind::NotADirectory => Err(e),
            Ok(_) => Ok(None),
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(_) => Err(e),
        },
    }
}
