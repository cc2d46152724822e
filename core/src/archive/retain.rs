//! What retention is asked, and what it did.

use std::fmt;

use serde::Serialize;

use crate::id::{ArchiveId, ProjectId, SessionId};

/// How to archive what the projects of a tenant keep no longer (ARC5); see
/// [`Retention`](crate::model::Retention).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retain {
    /// Only of this project.
    pub project: Option<ProjectId>,
    /// Say what would be archived, and archive nothing.
    pub dry_run: bool,
}

impl Retain {
    /// In all projects of the tenant.
    pub const fn new() -> Self {
        Self { project: None, dry_run: false }
    }

    /// Only in this project.
    #[must_use]
    pub const fn of_project(mut self, project: ProjectId) -> Self {
        self.project = Some(project);
        self
    }

    /// Only say what would be archived.
    #[must_use]
    pub const fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }
}

/// Why a sub-session is kept no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetentionReason {
    /// Nothing was written to it for longer than the project keeps it.
    Idle,
    /// Its thread has more sub-sessions than the project keeps, and it is one of those written to longest ago.
    TooMany,
    /// It is archived, and its project wants the entries of such to leave the journal.
    NotEvicted,
}

impl fmt::Display for RetentionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "it was idle for too long",
            Self::TooMany => "there are too many",
            Self::NotEvicted => "its entries are still in the journal",
        })
    }
}

/// What became of a sub-session that is kept no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetainOutcome {
    /// It would be archived.
    Found,
    /// It is archived.
    Archived(ArchiveId),
    /// Somebody used it meanwhile: it stays.
    InUse,
    /// It could not be archived, for this reason. The next time tries again.
    Failed(String),
}

/// A sub-session that is kept no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Retained {
    /// Which.
    pub session: SessionId,
    /// Why.
    pub why: RetentionReason,
    /// What became of it.
    pub outcome: RetainOutcome,
}

impl Retained {
    pub(crate) const fn new(
        session: SessionId,
        why: RetentionReason,
        outcome: RetainOutcome,
    ) -> Self {
        Self { session, why, outcome }
    }
}
