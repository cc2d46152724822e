//! Edges between the sessions of one thread.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Actor, PrevArtifact};
use crate::{
    clock::Timestamp,
    id::{RunId, SessionId, SubSessionId, SummaryId, Version},
};

/// How the child came to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubSessionKind {
    /// An agent asked for help.
    #[default]
    AgentSpawn,
    /// A person handed it over.
    UserHandoff,
    /// A person stepped in.
    Intervention,
}

/// What a child's failure does to the run that waits for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureMode {
    /// Only ends the edge.
    #[default]
    Delegate,
    /// Fails the awaiting run too.
    FailFast,
}

/// How a child's result comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CompletionMode {
    /// By reference to its summary.
    #[default]
    SummaryRef,
    /// By merging.
    MergeBack,
}

/// Where an edge stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubSessionStatus {
    /// The child has not begun.
    #[default]
    Pending,
    /// The child is at work.
    Active,
    /// The child's last activity ended well, or was cancelled.
    Idle,
    /// The child failed.
    Failed,
    /// The child's result is to be merged back.
    PendingMerge,
    /// It is being merged.
    Merging,
    /// It was merged.
    Merged,
    /// It cannot be merged as it is.
    MergeConflict,
    /// It will not be merged.
    MergeRejected,
    /// The child is archived.
    Archived,
}

impl SubSessionStatus {
    /// Whether the child counts towards its parent's width cap.
    pub const fn is_live(self) -> bool {
        matches!(
            self,
            Self::Pending | Self::Active | Self::PendingMerge | Self::Merging | Self::MergeConflict
        )
    }
}

impl fmt::Display for SubSessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Failed => "failed",
            Self::PendingMerge => "pending_merge",
            Self::Merging => "merging",
            Self::Merged => "merged",
            Self::MergeConflict => "merge_conflict",
            Self::MergeRejected => "merge_rejected",
            Self::Archived => "archived",
        })
    }
}

/// An edge: parent and child are sessions of one thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SubSession {
    /// Its id.
    pub id: SubSessionId,
    /// The session above.
    pub parent: SessionId,
    /// The session below.
    pub child: SessionId,
    /// How the child came to be.
    pub kind: SubSessionKind,
    /// Where it stands.
    pub status: SubSessionStatus,
    /// Who asked for it; `None` where that was erased.
    pub spawned_by: Option<Actor>,
    /// The parent's run that asked for it.
    pub spawned_by_run: Option<RunId>,
    /// What a failure does.
    pub failure_mode: FailureMode,
    /// How the result comes back.
    pub completion_mode: CompletionMode,
    /// Of a recipient of a broadcast: the version that sent it, the same for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<Version>,
    /// What it is for.
    pub purpose: Option<String>,
    /// What an intervention answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev_artifact: Option<PrevArtifact>,
    /// The child's newest summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<SummaryId>,
    /// Of an edge whose child is archived: where it stands again when that is restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_archive: Option<SubSessionStatus>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When one of its fields last changed.
    pub updated_at: Timestamp,
    /// Version of the last record that changed one of the fields above.
    pub version: Version,
}
