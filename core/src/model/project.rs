//! Projects.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Autonomy, Budget, BudgetUse};
use crate::{
    archive::check_name,
    clock::Timestamp,
    command::Need,
    error::{Error, Result},
    id::{ProjectId, TenantId, Version},
    workspace::check_kind,
};

/// Whether a project takes new work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProjectStatus {
    /// Takes threads and sessions.
    #[default]
    Open,
    /// Takes none; what is there stays readable, and sessions at work may finish.
    Archived,
    /// A deletion began and has not ended: it takes nothing, and `delete_project` finishes or undoes it.
    Deleting,
}

impl fmt::Display for ProjectStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Archived => "archived",
            Self::Deleting => "deleting",
        })
    }
}

/// Caps of a project's threads, 0 to 1,000 each, and what its sessions get. A lowered cap ends nothing that lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProjectConfig {
    /// How deep a session may stand below its root; the root is 0.
    pub max_delegation_depth: u32,
    /// How many live children a session may have.
    pub max_delegation_width: u32,
    /// How many interventions may follow one upon the other.
    #[serde(default = "ten")]
    pub max_intervention_depth: u32,
    /// What the agent programs of the project share; the store looks at none of it. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_references: Vec<SharedReference>,
    /// Whether they share what their sessions deliver; data for the agent programs, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared_deliverables: bool,
    /// Who writes and accepts collapses, where the command does not say. Manual.
    #[serde(default, skip_serializing_if = "Autonomy::is_manual")]
    pub autonomy: Autonomy,
    /// The kind of workspace that a new session gets, where its creation does not say. None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<DefaultWorkspace>,
    /// What all its threads together may use (BUD1). None.
    ///
    /// Before its runs spend, a thread draws a slice of it in the project's journal: an eighth of what is left, at least a 128th
    /// of the whole. So whatever many processes do, no run starts without something left of a slice, and most runs start without
    /// a look at the project; and the budget may refuse while slices are out that are not used up. What is left of a slice goes
    /// back when the thread is archived, deleted or purged, by [`return_budget`](crate::Handle::return_budget), and by a
    /// [sweep](crate::store::Store::sweep).
    ///
    /// A thread draws from its first new session on after the project got the budget; what was used before does not count. Another
    /// budget counts for a thread from its next draw on. Taken away, a budget forgets what was spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Which sub-sessions are archived, and where. None.
    #[serde(default, skip_serializing_if = "Retention::is_off")]
    pub retention: Retention,
}

/// How long sub-sessions are kept that are over, and where archived sessions go. Nothing happens by itself: a program calls
/// [`Store::retain`](crate::store::Store::retain) from time to time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Retention {
    /// A sub-session that could be archived and was not written to for longer than this, and the store's `max_skew`, is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_sub_session_ttl: Option<Duration>,
    /// Sub-sessions of a thread that are not archived; of more, those that could be archived are, the ones first that were
    /// written to longest ago. What is at work counts, and stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_sub_sessions: Option<u32>,
    /// The name of the archive that the project's sessions go to, where a command names none. Without one nothing is kept for
    /// a limited time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_backend: Option<String>,
    /// The entries of archived sub-sessions leave the journal, until those are restored; see
    /// [`Archiving::evict`](crate::command::Archiving::evict).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub evict: bool,
}

impl Retention {
    /// Where archived sessions go.
    pub fn to(archive_backend: impl Into<String>) -> Self {
        Self { archive_backend: Some(archive_backend.into()), ..Self::default() }
    }

    /// With a time that sub-sessions are kept that nobody uses.
    #[must_use]
    pub const fn with_idle_sub_session_ttl(mut self, ttl: Duration) -> Self {
        self.idle_sub_session_ttl = Some(ttl);
        self
    }

    /// With a number of sub-sessions that a thread keeps.
    #[must_use]
    pub const fn with_max_sub_sessions(mut self, sub_sessions: u32) -> Self {
        self.max_sub_sessions = Some(sub_sessions);
        self
    }

    /// With archived sub-sessions whose entries leave the journal.
    #[must_use]
    pub const fn evicting(mut self) -> Self {
        self.evict = true;
        self
    }

    fn is_off(&self) -> bool {
        *self == Self::default()
    }
}

const fn ten() -> u32 {
    10
}

/// Something that the agent programs of a project share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SharedReference {
    /// What it is.
    pub kind: SharedKind,
    /// Where it is: 1 to 1,024 bytes.
    pub reference: String,
}

/// What agent programs share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SharedKind {
    /// What agents remember.
    MemoryStore,
    /// Secrets.
    Vault,
    /// What agents look up.
    KnowledgeBase,
}

/// The kind of workspace that the sessions of a project get.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DefaultWorkspace {
    /// The kind of its driver: `[a-z0-9][a-z0-9_-]*`, 1 to 64 bytes.
    pub kind: String,
    /// Whether a session must have it.
    pub need: Need,
}

impl Default for ProjectConfig {
    fn default() -> Self {
        Self {
            max_delegation_depth: 4,
            max_delegation_width: 8,
            max_intervention_depth: ten(),
            shared_references: Vec::new(),
            shared_deliverables: false,
            autonomy: Autonomy::Manual,
            workspace: None,
            budget: None,
            retention: Retention::default(),
        }
    }
}

impl ProjectConfig {
    /// With another depth cap.
    #[must_use]
    pub const fn with_max_delegation_depth(mut self, depth: u32) -> Self {
        self.max_delegation_depth = depth;
        self
    }

    /// With another width cap.
    #[must_use]
    pub const fn with_max_delegation_width(mut self, width: u32) -> Self {
        self.max_delegation_width = width;
        self
    }

    /// With another cap of interventions.
    #[must_use]
    pub const fn with_max_intervention_depth(mut self, depth: u32) -> Self {
        self.max_intervention_depth = depth;
        self
    }

    /// With one more reference that is shared.
    #[must_use]
    pub fn with_shared(mut self, kind: SharedKind, reference: impl Into<String>) -> Self {
        self.shared_references.push(SharedReference { kind, reference: reference.into() });
        self
    }

    /// With deliverables that are shared.
    #[must_use]
    pub const fn with_shared_deliverables(mut self) -> Self {
        self.shared_deliverables = true;
        self
    }

    /// With collapses that are written and accepted like this.
    #[must_use]
    pub const fn with_autonomy(mut self, autonomy: Autonomy) -> Self {
        self.autonomy = autonomy;
        self
    }

    /// With a workspace of this kind for each new session.
    #[must_use]
    pub fn with_workspace(mut self, kind: impl Into<String>, need: Need) -> Self {
        self.workspace = Some(DefaultWorkspace { kind: kind.into(), need });
        self
    }

    /// With a budget.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// With sub-sessions that are archived.
    #[must_use]
    pub fn with_retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.budget.as_ref().map_or(Ok(()), Budget::check)?;
        if let Some(archive) = &self.retention.archive_backend {
            check_name(archive)?;
        }
        if let Some(workspace) = &self.workspace {
            check_kind(&workspace.kind)?;
        }
        if self.shared_references.len() > 64 {
            let reason = format!("{}, where at most 64 are allowed", self.shared_references.len());
            return Err(Error::invalid("shared_references", reason));
        }
        let mut references = self.shared_references.iter().map(|it| it.reference.len());
        if let Some(bytes) = references.find(|bytes| !(1..=1024).contains(bytes)) {
            let reason = format!("{bytes} bytes, where 1 to 1024 are allowed");
            return Err(Error::invalid("shared_references", reason));
        }
        for (field, cap) in [
            ("max_delegation_depth", self.max_delegation_depth),
            ("max_delegation_width", self.max_delegation_width),
            ("max_intervention_depth", self.max_intervention_depth),
        ] {
            if cap > 1000 {
                return Err(Error::invalid(field, format!("{cap}, where 0 to 1000 are allowed")));
            }
        }
        Ok(())
    }
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its tenant.
    pub tenant: TenantId,
    /// What the agent program knows it by; never changes.
    pub external_id: Option<String>,
    /// Its name, verbatim; not unique.
    pub name: String,
    /// Its status.
    pub status: ProjectStatus,
    /// Its caps.
    pub config: ProjectConfig,
    /// What is used of its budget: spent of slices that were given back, and reserved as slices that are out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetUse>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its own record last changed.
    pub updated_at: Timestamp,
    /// Version of the last record that changed one of the fields above.
    pub version: Version,
}
