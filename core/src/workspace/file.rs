//! Files of a workspace, and what can be done to them.

use serde::Serialize;

use super::FilePath;
use crate::hash::Hash;

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileKind {
    /// A file.
    File {
        /// Whether it may be run, where the driver keeps that.
        executable: bool,
        /// Its length.
        bytes: u64,
        /// The digest of its content, where the driver has it at hand.
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<Hash>,
    },
    /// A symbolic link. No driver follows it.
    Link {
        /// What it says, byte for byte.
        target: Vec<u8>,
    },
    /// A folder.
    Directory,
}

/// One row of a folder's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileEntry {
    /// Where, from the top of the workspace.
    pub path: FilePath,
    /// What.
    pub kind: FileKind,
}

/// One change of a workspace's files. Folders above a path are made where they are missing; where a file or link is in
/// their place, it is a [`PathConflict`](crate::Error::PathConflict).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileChange {
    /// Writes a file, whole; replaces a file or a link, not a folder.
    Write {
        /// Where.
        path: FilePath,
        /// What stands in it.
        content: Vec<u8>,
        /// Whether it may be run; `true` is `Unsupported` where the driver does not keep that.
        executable: bool,
    },
    /// Makes a symbolic link; replaces a file or a link, not a folder.
    Link {
        /// Where.
        path: FilePath,
        /// What it says: 1 to 4,095 bytes without NUL. It need not exist, and is never followed.
        target: Vec<u8>,
    },
    /// Makes an empty folder, or leaves the one that is there.
    MakeDirectory {
        /// Where.
        path: FilePath,
    },
    /// Removes a file, a link, or a folder with all in it. Removing what is not there is no refusal.
    Remove {
        /// Which.
        path: FilePath,
    },
    /// Gives a file, link or folder another path: replaces a file or a link there, not a folder, and a folder replaces
    /// nothing. A folder does not go into itself. `NotFound` if nothing is at `from`.
    Rename {
        /// Where it is.
        from: FilePath,
        /// Where it goes.
        to: FilePath,
    },
}

impl FileChange {
    /// A file that may not be run.
    pub fn write(path: FilePath, content: impl Into<Vec<u8>>) -> Self {
        Self::Write { path, content: content.into(), executable: false }
    }

    /// The path that something lies at afterwards, or nothing does any more.
    pub const fn path(&self) -> &FilePath {
        match self {
            Self::Write { path, .. }
            | Self::Link { path, .. }
            | Self::MakeDirectory { path }
            | Self::Remove { path }
            | Self::Rename { to: path, .. } => path,
        }
    }
}
