//! Sessions.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Actor, BudgetUse, KeyedState, Labels};
use crate::{
    clock::Timestamp,
    hash::Hash,
    id::{
        ArchiveId, EntryId, ProjectId, RunId, SessionId, SubSessionId, SummaryId, TenantId,
        ThreadId, Version, WorkspaceId,
    },
};

/// Where a session stands. The steps between them are in the contract (SES2, SES4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SessionStatus {
    /// Nothing is at work.
    #[default]
    Idle,
    /// A run is at work.
    Active,
    /// Waits for a person.
    AwaitingHitl,
    /// Its activity failed; reopen to go on.
    Failed,
    /// Locked by a handoff.
    Locked,
    /// Waits for the recipients of a broadcast.
    AwaitingMerge,
    /// Archived: it takes nothing until it is restored.
    Archived,
}

impl SessionStatus {
    /// The word used in records and lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Active => "active",
            Self::AwaitingHitl => "awaiting_hitl",
            Self::Failed => "failed",
            Self::Locked => "locked",
            Self::AwaitingMerge => "awaiting_merge",
            Self::Archived => "archived",
        }
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A session: one agent's conversation, with its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its project.
    pub project: ProjectId,
    /// Its thread.
    pub thread: ThreadId,
    /// What the agent program knows it by; never changes.
    pub external_id: Option<String>,
    /// Its name; not unique.
    pub name: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// The task it works on.
    pub task: Option<String>,
    /// Where it stands.
    pub status: SessionStatus,
    /// Who owns it.
    pub current_actor: Option<Actor>,
    /// Who owned it before; only grows.
    pub previous_actors: Vec<Actor>,
    /// +1 per committed handoff.
    pub owner_version: u64,
    /// The edge to its parent.
    pub parent: Option<SubSessionId>,
    /// Sessions above it.
    pub depth: u32,
    /// A fork's: the session whose log it continues, which may be deleted by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<ForkBase>,
    /// The session that it goes on with, which may be deleted by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continues: Option<SessionId>,
    /// The session that goes on with it, which may be deleted by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continued_as: Option<SessionId>,
    /// Its workspace, also while that is being made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceId>,
    /// Where it is archived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archive>,
    /// Its newest summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<SummaryId>,
    /// Whether its last activity ended - with a summary, an end note, a failure, a cancelled run, or
    /// the end of merging it back - and none began since.
    pub ended: bool,
    /// Its budget, and what is used of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetUse>,
    /// Entries of its own log, of every kind; those that a fork shares are not counted.
    pub entries: u64,
    /// Version of its own last entry that is no marker, 0 when it has none: what `expected_tail` compares.
    pub tail: Version,
    /// When it was created.
    pub created_at: Timestamp,
    /// Time of the last record in any of its lanes; never goes back.
    pub updated_at: Timestamp,
    /// Version of the last record that changed one of its own fields (name, labels, task, budget, status, actor).
    pub version: Version,
}

/// Where a session is archived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Archive {
    /// Its id, which the names of the bundle's objects contain.
    pub id: ArchiveId,
    /// The name of the archive; empty where that was erased.
    pub backend: String,
    /// Where the session stands again when it is restored.
    pub before: SessionStatus,
    /// Records in the bundle.
    pub records: u64,
    /// Entries among them.
    pub entries: u64,
    /// The digest of the bundle.
    pub digest: Hash,
    /// Entries left the journal, and stand in the bundle only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub evicted: bool,
}

/// Where a fork begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ForkBase {
    /// The session whose log it continues.
    pub session: SessionId,
    /// The version of the thread at which it parted.
    pub version: Version,
}

/// A session as `sessions` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// What the agent program knows it by; never changes.
    pub external_id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// The task it works on.
    pub task: Option<String>,
    /// Where it stands.
    pub status: SessionStatus,
    /// Who owns it.
    pub actor: Option<Actor>,
    /// Its parent.
    pub parent: Option<SessionId>,
    /// Sessions above it.
    pub depth: u32,
    /// Entries in its log.
    pub entries: u64,
    /// Its last entry.
    pub last_entry: Option<EntryId>,
    /// Its newest live run.
    pub open_run: Option<RunId>,
    /// Time of its last record.
    pub updated_at: Timestamp,
    /// Its version.
    pub version: Version,
    /// Its state, where the list was asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<KeyedState>,
}

/// A session that stands in the way, named by an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionSample {
    /// Its id.
    pub session: SessionId,
    /// Where it stands.
    pub status: SessionStatus,
}
