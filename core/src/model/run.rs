//! Runs: one agent program working on a session, once.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Labels, Totals};
use crate::{
    clock::Timestamp,
    id::{RunId, SessionId, SubSessionId, Version},
};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunStatus {
    /// Waits for its turn.
    Queued,
    /// At work.
    Running,
    /// Waits for a person.
    AwaitingHitl,
    /// The person answered; the answer is being taken up.
    AwaitingHitlResolution,
    /// Waits for sub-sessions: runs on in the commit that ends the last of them.
    AwaitingSubsession,
    /// Over.
    Succeeded,
    /// Over.
    Failed,
    /// Over; never means failed.
    Cancelled,
}

impl RunStatus {
    /// Whether it is over.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::AwaitingHitl => "awaiting_hitl",
            Self::AwaitingHitlResolution => "awaiting_hitl_resolution",
            Self::AwaitingSubsession => "awaiting_subsession",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunOutcome {
    /// It did what it was for.
    Succeeded,
    /// It did not.
    Failed {
        /// Why: any text of at most 32 MiB.
        reason: String,
    },
    /// It was stopped.
    Cancelled,
    /// It failed: a sweep found that nobody works on it any more (RUN4). Only the store ends a run so.
    Abandoned,
    /// It failed, because a sub-session that it waited for did, and the edge to that one is `fail_fast` (SUB11). Only the
    /// store ends a run so.
    SubSessionFailed {
        /// The edge.
        edge: SubSessionId,
    },
}

impl RunOutcome {
    /// The terminal status it leads to.
    pub const fn status(&self) -> RunStatus {
        match self {
            Self::Succeeded => RunStatus::Succeeded,
            Self::Failed { .. } | Self::Abandoned | Self::SubSessionFailed { .. } => {
                RunStatus::Failed
            }
            Self::Cancelled => RunStatus::Cancelled,
        }
    }

    /// Whether a caller may end a run so; else it is what the store says of one.
    pub const fn is_for_callers(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed { .. } | Self::Cancelled)
    }
}

/// In words, for a person.
impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded => f.write_str("succeeded"),
            Self::Failed { reason } => write!(f, "failed: {reason}"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Abandoned => f.write_str("failed: abandoned"),
            Self::SubSessionFailed { edge } => write!(f, "failed: sub-session {edge} failed"),
        }
    }
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its session.
    pub session: SessionId,
    /// 1, 2, 3 ... within its session.
    pub iteration: u32,
    /// The run it tries again.
    pub retry_of: Option<RunId>,
    /// The task it works on: its own, else the session's when it began.
    pub task: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// What the agent program knows it by: given when it was started, or a UUID that the store minted. Unique in the
    /// thread. A run that an older release started has `ext_` and its own id.
    pub external_id: String,
    /// The model that it works with, as it was named when it was started.
    pub model: Option<String>,
    /// Who runs the model, as it was named when it was started.
    pub provider: Option<String>,
    /// Where it stands.
    pub status: RunStatus,
    /// The edges that it named when it began to wait for sub-sessions; none in any other status.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub awaits: Vec<SubSessionId>,
    /// How it ended; present iff it is over.
    pub outcome: Option<RunOutcome>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; present iff it is over.
    pub ended_at: Option<Timestamp>,
    /// What it used; zero when nothing was booked.
    pub usage: Totals,
    /// Version of the last record that changed its status.
    pub version: Version,
}
