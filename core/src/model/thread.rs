//! Threads.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Actor, BudgetUse, Labels, Totals};
use crate::{
    clock::Timestamp,
    id::{ProjectId, TenantId, ThreadId, Version},
};

/// Whether a thread takes new work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ThreadStatus {
    /// Takes sessions and entries.
    #[default]
    Open,
    /// Takes nothing but an explicit reopen or delete.
    Archived,
}

impl fmt::Display for ThreadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Archived => "archived",
        })
    }
}

/// A thread: one line of work, and the unit of consistency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Thread {
    /// Its id.
    pub id: ThreadId,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its project; never changes.
    pub project: ProjectId,
    /// What the agent program knows it by; never changes.
    pub external_id: Option<String>,
    /// Its title, verbatim; may be empty, not unique.
    pub title: String,
    /// Its labels.
    pub labels: Labels,
    /// Its status.
    pub status: ThreadStatus,
    /// Who created it; `None` where that was erased.
    pub created_by: Option<Actor>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Time of its last commit, of whatever kind; never goes back.
    pub updated_at: Timestamp,
    /// Version of the last record that changed title, labels, budget or status. Appends, runs, leases and usage do not.
    pub version: Version,
    /// The journal's head when this was read.
    pub head: Version,
    /// Sessions that exist.
    pub sessions: u64,
    /// Its budget, and what all its sessions used of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetUse>,
}

/// A thread as lists show it: from its card, at its newest commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ThreadRow {
    /// Its id.
    pub id: ThreadId,
    /// Its project.
    pub project: ProjectId,
    /// What the agent program knows it by; never changes.
    pub external_id: Option<String>,
    /// Its title.
    pub title: String,
    /// Its labels.
    pub labels: Labels,
    /// Its status.
    pub status: ThreadStatus,
    /// When it was created.
    pub created_at: Timestamp,
    /// Time of its last commit.
    pub updated_at: Timestamp,
    /// The journal's head.
    pub head: Version,
    /// Sessions that exist.
    pub sessions: u64,
    /// What it used so far; the four largest currencies, `None` when nothing was ever booked.
    pub totals: Option<Totals>,
}
