//! Workspaces as callers see them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    id::{SessionId, Version, WorkspaceId},
    model::Actor,
    workspace::{Label, TreeId},
};

/// What became of a workspace so far. One that is gone has no record any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorkspaceStatus {
    /// It is being made; if that takes longer than its reservation, its maker is gone.
    Intended,
    /// It is there.
    Ready,
    /// Nobody owns it; what is there of it is to be removed.
    Leaked,
}

impl fmt::Display for WorkspaceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Intended => "intended",
            Self::Ready => "ready",
            Self::Leaked => "leaked",
        })
    }
}

/// A workspace: the record of it. What is in it, its driver knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// The kind of its driver.
    pub kind: String,
    /// What people call it.
    pub label: Label,
    /// Its name on the medium of its driver: folder, branch.
    pub name: String,
    /// What became of it so far.
    pub status: WorkspaceStatus,
    /// The session that owns it; `None` while it is made for a session that is made with it, or when that was deleted.
    pub session: Option<SessionId>,
    /// What the driver said last: a branch, a commit, the root of a tree. `None` before it is ready.
    pub reference: Option<String>,
    /// The tree that was recorded last: of its last snapshot, or what it began with.
    pub saved: Option<TreeId>,
    /// Who asked for it.
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// The version of the last record about it.
    pub version: Version,
}
