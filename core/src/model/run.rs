//! Runs: one agent program working on a session, once.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Labels, Totals};
use crate::{
    clock::Timestamp,
    id::{RunId, SessionId, Version},
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
}

impl RunOutcome {
    /// The terminal status it leads to.
    pub const fn status(&self) -> RunStatus {
        match self {
            Self::Succeeded => RunStatus::Succeeded,
            Self::Failed { .. } => RunStatus::Failed,
            Self::Cancelled => RunStatus::Cancelled,
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
