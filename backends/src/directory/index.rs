//! What a workspace held at its last snapshot, and how to know unread that it still does.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io::{self, Write},
};

use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use sessile_core::{
    error::Result,
    hash::Hash,
    workspace::{FileKind, FilePath, WorkspaceName},
};

use super::{
    root::{Place, Root},
    shelf::digest_of,
};
use crate::folder::{Folder, Scanned, Stat, copy_new, failed, rights_of_new, temporary};

const FORMAT: u32 = 1;
const FILE: &str = "index";

/// What lay at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Held {
    #[serde(rename = "f")]
    File {
        #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
        executable: bool,
        #[serde(rename = "h")]
        digest: Hash,
        #[serde(rename = "s")]
        stat: Stat,
    },
    #[serde(rename = "l")]
    Link { target: Vec<u8> },
    #[serde(rename = "d")]
    Directory,
}

/// All that lay in a workspace.
pub(super) type Contents = BTreeMap<FilePath, Held>;

/// What a workspace held, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    /// When the look began, by the clock that sets the times of files, in nanoseconds since 1970: what was written then or
    /// later may have been written again without another time.
    pub(super) taken: i64,
    /// The tree of the contents.
    pub(super) tree: Hash,
    pub(super) contents: Contents,
}

#[derive(Serialize, Deserialize)]
struct Text {
    format: u32,
    taken: i64,
    tree: Hash,
    contents: Vec<(FilePath, Held)>,
}

impl Index {
    /// That of a workspace; `None` if there is none, or none that can be read: then everything counts as changed.
    pub(super) fn load(root: &Root, name: &WorkspaceName) -> Result<Option<Self>> {
        let Some(dir) = root.open(Place::Index, name)? else { return Ok(None) };
        let index = Self::read(&dir).map_err(|e| failed("read the index of", name, e))?;
        Ok(index.map(|(index, _)| index))
    }

    /// That in a folder, with the digest of its file; `None` as of [`load`](Self::load).
    pub(super) fn read(dir: &Dir) -> io::Result<Option<(Self, Hash)>> {
        let bytes = match dir.read(FILE) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let text: Option<Text> = serde_json::from_slice(&bytes).ok();
        let index = text.filter(|text| text.format == FORMAT).map(|text| Self {
            taken: text.taken,
            tree: text.tree,
            contents: text.contents.into_iter().collect(),
        });
        Ok(index.map(|index| (index, Hash::of(&[&bytes]))))
    }

    /// Puts a copy of the index in a folder into another, in one step.
    pub(super) fn copy(from: &Dir, to: &Dir) -> io::Result<()> {
        let made = temporary();
        let copy = || {
            let from = from.open(FILE)?.into_std();
            copy_new(&from, to, OsStr::new(&made), rights_of_new(false))?;
            to.rename(&made, to, FILE)
        };
        copy().inspect_err(|_| drop(to.remove_file(&made)))
    }

    /// Sees to it that a loss of power leaves all of the index in a folder.
    pub(super) fn sync(dir: &Dir) -> io::Result<()> {
        dir.open(FILE)?.sync_all()
    }

    /// The digest of a file that is now known by this, if it is certain without reading it.
    pub(super) fn known(&self, path: &FilePath, now: &Stat) -> Option<Hash> {
        match self.contents.get(path)? {
            Held::File { digest, stat, .. }
                if stat == now && stat.mtime.max(stat.ctime) < self.taken =>
            {
                Some(*digest)
            }
            _ => None,
        }
    }

    /// Whether what was found is what it holds, as is certain without reading any of it.
    pub(super) fn knows(&self, found: &[Scanned]) -> bool {
        self.doubtful(found).is_some_and(|doubtful| doubtful.is_empty())
    }

    /// Whether a folder holds something else. Reads files that it cannot tell of otherwise.
    pub(super) fn differs(&self, folder: &Folder) -> Result<bool> {
        let found = folder.scan()?;
        let Some(doubtful) = self.doubtful(&found) else { return Ok(true) };
        for (path, was) in doubtful {
            let (mut file, _) = folder.open_to_read(path)?;
            let (digest, _) = digest_of(&mut file).map_err(|e| failed("read", path, e))?;
            if digest != *was {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Files among what was found that have to be read to know that they are what it holds, with what they were; `None` if
    /// anything is certain to be something else.
    fn doubtful<'a>(&'a self, found: &'a [Scanned]) -> Option<Vec<(&'a FilePath, &'a Hash)>> {
        if found.len() != self.contents.len() {
            return None;
        }
        let mut doubtful = Vec::new();
        // Both are in the order of their paths.
        for (found, (path, held)) in found.iter().zip(&self.contents) {
            if found.path != *path {
                return None;
            }
            let same = match (&found.kind, held) {
                (FileKind::Directory, Held::Directory) => true,
                (FileKind::Link { target }, Held::Link { target: was }) => target == was,
                (
                    FileKind::File { executable, bytes, digest: None },
                    Held::File { executable: was, digest, stat },
                ) => {
                    if self.known(&found.path, &found.stat).is_none() {
                        doubtful.push((&found.path, digest));
                    }
                    executable == was && *bytes == stat.len
                }
                _ => false,
            };
            if !same {
                return None;
            }
        }
        Some(doubtful)
    }
}

/// An index that is being made. Its file is there first: the file system says by it what time it is.
pub(super) struct Draft {
    dir: Dir,
    made: String,
    file: cap_std::fs::File,
    /// Of what, for messages.
    of: String,
    pub(super) taken: i64,
}

impl Draft {
    /// Begins one; what changes in the workspace from here on has a time that is not older.
    pub(super) fn begin(root: &Root, name: &WorkspaceName) -> Result<Self> {
        Self::begin_in(root.make(Place::Index, name)?, name.to_string())
    }

    /// Begins one of something whose files have their times from the clock of this folder's file system.
    pub(super) fn begin_in(dir: Dir, of: String) -> Result<Self> {
        let made = temporary();
        let begin = || {
            let file = dir.create(&made)?;
            let taken = Stat::of(&file.metadata()?).mtime;
            Ok((file, taken))
        };
        let (file, taken) = begin().map_err(|e| failed("write the index of", &of, e))?;
        Ok(Self { dir, made, file, of, taken })
    }

    /// Puts it in the place of the one before, in one step. Answers the digest of its file.
    pub(super) fn finish(self, tree: Hash, contents: Contents) -> Result<Hash> {
        let contents = contents.into_iter().collect();
        let text = Text { format: FORMAT, taken: self.taken, tree, contents };
        let write = || {
            let bytes = serde_json::to_vec(&text)?;
            (&self.file).write_all(&bytes)?;
            self.dir.rename(&self.made, &self.dir, OsStr::new(FILE))?;
            Ok(Hash::of(&[&bytes]))
        };
        write().map_err(|e| failed("write the index of", &self.of, e))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Finished, there is nothing of that name. Else it is hidden, and goes with the workspace.
        let _ = self.dir.remove_file(&self.made);
    }
}
