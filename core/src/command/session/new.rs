//! What commands create and change inside a thread.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{Inheritance, NewWorkspace, StateChange, WorkspaceChoice};
use crate::{
    id::{RunId, SessionId, Version},
    json::Json,
    model::{
        Actor, Budget, CompletionMode, FailureMode, Labels, NewEntry, PrevArtifact, SubSessionKind,
    },
};

/// The edge of a session created under a parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewSubSession {
    /// The session above.
    pub parent: SessionId,
    /// How it comes to be.
    pub kind: SubSessionKind,
    /// What a failure does.
    pub failure_mode: FailureMode,
    /// How the result comes back.
    pub completion_mode: CompletionMode,
    /// What it is for, 0 to 256 bytes.
    pub purpose: Option<String>,
    /// The parent's live run that asks for it.
    pub spawned_by_run: Option<RunId>,
    /// What an intervention answers; only an edge of that kind has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev_artifact: Option<PrevArtifact>,
    /// What the child begins with of what the parent knows; nothing for an edge between sessions that exist.
    #[serde(skip_serializing_if = "Inheritance::is_empty")]
    pub inherit: Inheritance,
}

impl NewSubSession {
    /// Under this parent, with the defaults.
    pub fn under(parent: SessionId) -> Self {
        Self {
            parent,
            kind: SubSessionKind::default(),
            failure_mode: FailureMode::default(),
            completion_mode: CompletionMode::default(),
            purpose: None,
            spawned_by_run: None,
            prev_artifact: None,
            inherit: Inheritance::Empty,
        }
    }

    /// For an intervention that answers this.
    #[must_use]
    pub fn answering(mut self, artifact: PrevArtifact) -> Self {
        self.kind = SubSessionKind::Intervention;
        self.prev_artifact = Some(artifact);
        self
    }

    /// For a child that begins with this.
    #[must_use]
    pub fn inheriting(mut self, inherit: Inheritance) -> Self {
        self.inherit = inherit;
        self
    }

    /// As the parent's run asks for it.
    #[must_use]
    pub const fn spawned_by(mut self, run: RunId) -> Self {
        self.spawned_by_run = Some(run);
        self
    }

    /// For a recipient of a handoff of this session.
    pub fn handoff_of(source: SessionId) -> Self {
        Self { kind: SubSessionKind::UserHandoff, ..Self::under(source) }
    }

    /// With a purpose.
    #[must_use]
    pub fn for_purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = Some(purpose.into());
        self
    }
}

/// What a fork continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fork {
    /// A session of the same thread.
    pub session: SessionId,
    /// The version of the thread up to which its log is shared; the head without it. From before the session was created,
    /// or past the head, it is `NotFound`.
    pub version: Option<Version>,
}

/// A session to create.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewSession {
    /// What the agent program knows it by: 1 to 512 bytes, no control characters, unique in the thread. Where a session has
    /// it already, that one is the answer, unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Its name, 0 to 256 bytes.
    pub name: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// The task it works on, 1 to 128 bytes.
    pub task: Option<String>,
    /// Who owns it. Of a child, an agent without a parent of its own acts on behalf of the caller.
    pub actor: Option<Actor>,
    /// Its edge, if it is created under a parent: one commit, in which the parent's log gets a marker.
    pub parent: Option<NewSubSession>,
    /// Makes it a fork: its log begins with what the log of another session of the thread shows, by reference. Labels, task,
    /// owner and state are not taken over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
    /// What its state begins with, in the same commit: at most 1,024 keys of 1 to 256 bytes, together 256 KiB as JSON.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub state: BTreeMap<String, Json>,
    /// The entries it begins with, in the same commit; at most 1,000. They belong to no run and answer no entry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turn: Vec<NewEntry>,
    /// The caller holds its lease from the beginning, for so long, 1 ms to 1 day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<Duration>,
    /// The workspace that it gets, made before the session is: both are there, or neither. A session that is begun together
    /// with its thread gets none.
    #[serde(skip_serializing_if = "WorkspaceChoice::is_default")]
    pub workspace: WorkspaceChoice,
    /// What it may use. Below a parent it is a share of the nearest budget above it, the thread's at last: what is left of it
    /// counts as used there, in the commit that creates the session and until the one that ends its edge (BUD1). Without one the
    /// session spends of the budgets above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

impl NewSession {
    /// With a name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// With one more label.
    #[must_use]
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels = self.labels.with(key, value);
        self
    }

    /// With a task.
    #[must_use]
    pub fn for_task(mut self, task: impl Into<String>) -> Self {
        self.task = Some(task.into());
        self
    }

    /// With an owner.
    #[must_use]
    pub fn owned_by(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Under an external id.
    #[must_use]
    pub fn with_external_id(mut self, external_id: impl Into<String>) -> Self {
        self.external_id = Some(external_id.into());
        self
    }

    /// With the entries it begins with.
    #[must_use]
    pub fn with_turn(mut self, entries: impl IntoIterator<Item = NewEntry>) -> Self {
        self.turn = entries.into_iter().collect();
        self
    }

    /// With its lease, for so long.
    #[must_use]
    pub const fn with_lease(mut self, ttl: Duration) -> Self {
        self.lease = Some(ttl);
        self
    }

    /// With a workspace.
    #[must_use]
    pub fn with_workspace(mut self, workspace: NewWorkspace) -> Self {
        self.workspace = WorkspaceChoice::Make(workspace);
        self
    }

    /// Without a workspace, whatever its project says.
    #[must_use]
    pub fn without_workspace(mut self) -> Self {
        self.workspace = WorkspaceChoice::None;
        self
    }

    /// With a budget.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Under a parent.
    #[must_use]
    pub fn under(mut self, parent: NewSubSession) -> Self {
        self.parent = Some(parent);
        self
    }

    /// As a fork of a session, at a version of the thread or, with `None`, as it is when this is committed (MSG12).
    #[must_use]
    pub fn fork_of(mut self, session: SessionId, at: impl Into<Option<Version>>) -> Self {
        self.fork = Some(Fork { session, version: at.into() });
        self
    }

    /// With one more key in its state.
    #[must_use]
    pub fn with_state(mut self, key: impl Into<String>, value: Json) -> Self {
        self.state.insert(key.into(), value);
        self
    }
}

/// What a session becomes; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UpdateSession {
    /// Its name; `Some(None)` takes it away.
    pub name: Option<Option<String>>,
    /// Its labels, whole.
    pub labels: Option<Labels>,
    /// Its task; `Some(None)` takes it away.
    pub task: Option<Option<String>>,
    /// Its owner; only where it has none yet.
    pub actor: Option<Actor>,
    /// Its budget; `Some(None)` takes it away. Where it is a share of another, more is taken from there. What the session itself
    /// used before it has one counts as used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Option<Budget>>,
}

/// An edge between existing sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkSessions {
    /// The session below.
    pub child: SessionId,
    /// The edge.
    pub edge: NewSubSession,
}

/// What an edge becomes; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UpdateEdge {
    /// What it is for; `Some(None)` takes it away.
    pub purpose: Option<Option<String>>,
    /// What a failure does.
    pub failure_mode: Option<FailureMode>,
    /// How the result comes back.
    pub completion_mode: Option<CompletionMode>,
    /// What an intervention answers, where that is not said yet (INT4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev_artifact: Option<PrevArtifact>,
}

/// What an append expects to find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Expect {
    /// Anything.
    #[default]
    Any,
    /// The session's last entry at this version; 0 when it has none (MSG3).
    Tail(Version),
}

/// Entries to append: one turn, atomic (MSG2). 1 to 1,000 entries, each at most 32 MiB before encoding. With them the state
/// of the session and of its thread may change: all of it is committed, or nothing (SES15).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Append {
    /// In this order.
    pub entries: Vec<NewEntry>,
    /// What must be there.
    pub expect: Expect,
    /// What changes in the session's state; at most 1,024 changes, each of another key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<StateChange>,
    /// What changes in the thread's state; at most 1,024 changes, each of another key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub thread_state: Vec<StateChange>,
}

impl Append {
    /// These entries, whatever is there.
    pub const fn of(entries: Vec<NewEntry>) -> Self {
        Self { entries, expect: Expect::Any, state: Vec::new(), thread_state: Vec::new() }
    }

    /// Only if the session's last entry is at this version.
    #[must_use]
    pub const fn expecting_tail(mut self, tail: Version) -> Self {
        self.expect = Expect::Tail(tail);
        self
    }

    /// With these changes of the session's state, beside those it has.
    #[must_use]
    pub fn with_state(mut self, changes: impl IntoIterator<Item = StateChange>) -> Self {
        self.state.extend(changes);
        self
    }

    /// With these changes of the thread's state, beside those it has.
    #[must_use]
    pub fn with_thread_state(mut self, changes: impl IntoIterator<Item = StateChange>) -> Self {
        self.thread_state.extend(changes);
        self
    }
}

impl From<Vec<NewEntry>> for Append {
    fn from(entries: Vec<NewEntry>) -> Self {
        Self::of(entries)
    }
}

impl From<NewEntry> for Append {
    fn from(entry: NewEntry) -> Self {
        vec![entry].into()
    }
}

/// A run to start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewRun {
    /// The ended run of the same session that it tries again.
    pub retry_of: Option<RunId>,
    /// The task, 1 to 128 bytes; the session's without it.
    pub task: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// What the agent program knows it by, 1 to 512 bytes, unique in the thread for ever (RUN1); the store mints a UUID
    /// where it is `None`. The form `ext_` with a run's own id is refused: runs of older releases are known by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The model that it works with, as people know it: 1 to 128 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Who runs the model, as people know it: 1 to 128 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Begin queued instead of running.
    pub queued: bool,
}
