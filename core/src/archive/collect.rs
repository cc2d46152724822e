//! What the collector of bundles is asked, and what it found.

use std::fmt;

use serde::Serialize;

use crate::id::ArchiveId;

/// How to collect bundles that belong to nothing (ARC4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectBundles {
    /// Say what would be removed, and remove nothing.
    pub dry_run: bool,
}

impl CollectBundles {
    /// Remove them.
    pub const fn new() -> Self {
        Self { dry_run: false }
    }

    /// Only say what would be removed.
    #[must_use]
    pub const fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }
}

/// Why a bundle belongs to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unclaimed {
    /// Its session was restored, or was never archived with it.
    NotArchived,
    /// Whoever archived took longer than it may.
    ArchiverGone,
    /// Its thread was deleted.
    ThreadGone,
}

impl fmt::Display for Unclaimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotArchived => "no session is archived with it",
            Self::ArchiverGone => "its archiver is gone",
            Self::ThreadGone => "its thread is gone",
        })
    }
}

/// What became of a bundle that belongs to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CollectOutcome {
    /// It would be removed.
    Found,
    /// It is gone.
    Removed,
    /// Its session was archived with it after all.
    Claimed,
    /// It could not be removed, for this reason. The next collector tries again.
    Failed(String),
}

/// A bundle that belongs to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CollectedBundle {
    /// The name of its archive.
    pub backend: String,
    /// Whose it was.
    pub archive: ArchiveId,
    /// Why it belongs to nothing.
    pub why: Unclaimed,
    /// What became of it.
    pub outcome: CollectOutcome,
}

impl CollectedBundle {
    pub(crate) fn new(
        backend: &str,
        archive: ArchiveId,
        why: Unclaimed,
        outcome: CollectOutcome,
    ) -> Self {
        Self { backend: backend.to_owned(), archive, why, outcome }
    }
}
