//! One error for callers, rules and journals: a kind to act on, typed fields, a source for a person.

mod kind;
mod message;
mod subject;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use kind::{BundleFault, Closure, Counter, ErrorKind, ForestRule, State, ThreadAction};
pub use subject::{StateKey, Subject};

use crate::{
    command::Key,
    id::{
        ArchiveId, ProjectId, RunId, SessionId, Space, SubSessionId, SummaryId, TenantId, ThreadId,
        Version, WorkspaceId,
    },
    model::{Actor, BudgetKind, RunStatus, SessionSample, WorkspaceStatus},
    workspace::FilePath,
};

/// The answer of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What lies below an error, for a person; shared, so that one failed commit can answer many callers.
pub type Source = Arc<dyn std::error::Error + Send + Sync>;

/// A refusal, a failure or a doubt. "Refused" means: nothing was written and nothing is locked.
///
/// Its text is one line for a person: what was asked, what is the case, what to do. A program looks at [`kind`](Self::kind):
///
/// | kind | errors | what a program does |
/// | --- | --- | --- |
/// | `Invalid` | `Invalid`, `KeyReused`, `KeyExpired`, `WrongExternalId` | Corrects the request. After `KeyExpired` it reads whether the key was applied before. |
/// | `TenantIsolation` | `TenantIsolation` | Corrects the request: the id is not of the caller's tenant. |
/// | `NotFound` | `NotFound` | Takes it as deleted, or corrects the id. |
/// | `Closed` | `Closed` | Reopens the thread or project, or restores the session, if that is meant; opens the store again. |
/// | `Precondition` | `WrongThread`, `RunEnded`, `RunLive`, `ExternalIdTaken`, `SessionOwned`, `SessionLinked`, `SessionHasWorkspace`, `AlreadyContinued`, `ArtifactSet`, `NothingToSummarise`, `NotSummarised`, `NotMergeBack`, `WorkspaceNotReady`, `PathConflict`, `IllegalTransition`, `NotAForest`, `ThreadNotEmpty`, `ProjectNotEmpty`, `ChildAtWork`, `ArchiveNotConfigured` | Reads, and does first what the error names. |
/// | `Stale` | `Stale`, `Trimmed` | Reads again, decides again, and retries with the actual counter. A follower reads what there is, and goes on after the version that `Trimmed` names. |
/// | `Fenced` | `Fenced`, `NotOwner` | Stops writing: another holds the lease, or owns the session. Claims the lease if the work shall go on. |
/// | `Capacity` | `Capacity`, `BudgetExceeded` | Makes the request smaller, or raises the project's cap or the budget. |
/// | `Contended` | `Contended` | Retries; nothing was written. |
/// | `Unavailable` | `Unavailable` | Retries later; nothing was written. |
/// | `Indeterminate` | `Indeterminate` | With a key: retries with the same key. Without one: reads before it writes again. |
/// | `Corrupt` | `Corrupt`, `CorruptFile`, `BrokenBundle` | Tells a person; other threads are not affected by a `Corrupt`, and nothing but restoring the session by a `BrokenBundle`. |
/// | `Unsupported` | `Unsupported` | Uses another store, or builds with the feature that is named. |
/// | `NewerFormat` | `NewerFormat` | Uses a newer release. |
/// | that of its cause | `NotHandedOff` | As after its cause; a person looks at the workspaces that are left, if there are any. |
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The request is malformed: `field` says where, `reason` says why.
    Invalid {
        /// The part of the request.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The idempotency key was used for another command.
    KeyReused {
        /// The key.
        key: Box<Key>,
    },
    /// The key is older than what is remembered, or its entry was erased or left the journal with its session's archive; nothing
    /// was written now.
    KeyExpired {
        /// The key.
        key: Box<Key>,
        /// The greatest number seen from this producer; `None` for a text.
        greatest: Option<u64>,
    },
    /// The id or actor belongs to another tenant.
    TenantIsolation {
        /// What was named.
        what: Subject,
        /// The caller's tenant.
        tenant: TenantId,
    },
    /// Nothing with this id exists for this tenant.
    NotFound {
        /// What was named.
        what: Subject,
    },
    /// The store, project, thread or session is closed for this.
    Closed {
        /// What is closed, and why.
        what: Closure,
        /// The command or query that was refused, by its name: `append`. `None` from a journal, which knows none.
        operation: Option<&'static str>,
    },
    /// What was named is not in the thread or session that the request is about.
    WrongThread {
        /// What was named.
        what: Subject,
        /// The thread or session it would have to belong to.
        expected: Subject,
    },
    /// The run has ended and takes no more entries, usage or statuses.
    RunEnded {
        /// The run.
        run: RunId,
    },
    /// The external id, as the agent program gave it back, is not the run's (RUN1).
    WrongExternalId {
        /// The run.
        run: RunId,
        /// What was given back.
        given: Box<str>,
    },
    /// Another run of the thread has or had this external id (RUN1).
    ExternalIdTaken {
        /// The thread.
        thread: ThreadId,
        /// The external id.
        external_id: Box<str>,
    },
    /// The run lives: it cannot be retried.
    RunLive {
        /// The run.
        run: RunId,
        /// Its status.
        status: RunStatus,
    },
    /// The session has an owner: an update gives one only to a session that has none.
    SessionOwned {
        /// The session.
        session: SessionId,
        /// Its owner.
        owner: Box<Actor>,
    },
    /// The session has a lease and the token given is not the current one; or a token was given and there is no lease.
    Fenced {
        /// The session.
        session: SessionId,
        /// The token of the current lease, if there is one.
        current: Option<Version>,
        /// The token that came with the call.
        given: Option<Version>,
    },
    /// The session was handed over: whoever owned it before may not write to it, and only its owner hands it on (SES9, HOF3).
    NotOwner {
        /// The session.
        session: SessionId,
        /// Its owner.
        owner: Box<Actor>,
    },
    /// The edge returns a summary, and is not merged (SUB11).
    NotMergeBack {
        /// The edge.
        edge: SubSessionId,
    },
    /// A handoff came to nothing after workspaces were made for it, and was undone (BRD3).
    NotHandedOff {
        /// Why, and what became of the workspaces.
        undone: Box<NotHandedOff>,
    },
    /// The session, edge or run has no such step.
    IllegalTransition {
        /// The session, edge or run.
        what: Subject,
        /// The state it is in.
        from: State,
        /// The state that was asked for.
        to: State,
    },
    /// The thread still holds sessions that forbid this.
    ThreadNotEmpty {
        /// The thread.
        thread: ThreadId,
        /// What was asked.
        action: ThreadAction,
        /// At most 50 of them, in creation order.
        samples: Vec<SessionSample>,
        /// How many there are, exactly.
        total: u64,
    },
    /// The project still holds threads.
    ProjectNotEmpty {
        /// The project.
        project: ProjectId,
        /// How many were seen; at least 1.
        threads: u64,
    },
    /// The session is named by an edge and cannot be deleted.
    SessionLinked {
        /// The session.
        session: SessionId,
        /// One edge that names it.
        edge: SubSessionId,
    },
    /// Nothing was done in the session since its last summary, or ever (SUM1).
    NothingToSummarise {
        /// The session.
        session: SessionId,
        /// Its last summary.
        last: Option<SummaryId>,
    },
    /// The session has no summary.
    NotSummarised {
        /// The session.
        session: SessionId,
    },
    /// The session goes on as another, and as no second one (SES13).
    AlreadyContinued {
        /// The session.
        session: SessionId,
        /// Its successor.
        successor: SessionId,
    },
    /// A child of the session is at work, so it cannot be archived (ARC1).
    ChildAtWork {
        /// The session.
        session: SessionId,
        /// The edge to such a child.
        edge: SubSessionId,
    },
    /// Nothing says where to archive to, or this store has no archive of that name (ARC1).
    ArchiveNotConfigured {
        /// The project of the session.
        project: ProjectId,
        /// The name that the caller, the project or a record gives.
        backend: Option<Box<str>>,
    },
    /// The bundle of an archived session is not what was archived, or not all of it (ARC2).
    BrokenBundle {
        /// Which.
        archive: ArchiveId,
        /// What is wrong with it.
        fault: BundleFault,
    },
    /// What an intervention answers is said once (INT4).
    ArtifactSet {
        /// The edge.
        edge: SubSessionId,
    },
    /// The session has a workspace, and a session has one at most.
    SessionHasWorkspace {
        /// The session.
        session: SessionId,
        /// Its workspace.
        workspace: WorkspaceId,
    },
    /// The workspace is being made, or is to be removed.
    WorkspaceNotReady {
        /// The workspace.
        workspace: WorkspaceId,
        /// Its status.
        status: WorkspaceStatus,
    },
    /// Something else lies at a path of a workspace than what was asked needs.
    PathConflict {
        /// Where.
        path: FilePath,
        /// What is in the way.
        reason: &'static str,
    },
    /// The edge would give a session a second parent, or close a cycle.
    NotAForest {
        /// The parent that was named.
        parent: SessionId,
        /// The child that was named.
        child: SessionId,
        /// The rule it breaks.
        reason: ForestRule,
    },
    /// A cap or a size is reached.
    Capacity {
        /// What is full: a session, a thread, the journal of a thread.
        what: Subject,
        /// What is bounded: `delegation depth`.
        measure: &'static str,
        /// The bound.
        limit: u64,
        /// What the request would make it.
        actual: u64,
    },
    /// Nothing is left of a budget, or less than the request asks for (BUD1, BUD2).
    BudgetExceeded {
        /// Whose budget it is: a project, a thread or a session.
        of: Subject,
        /// What it bounds.
        kind: BudgetKind,
        /// What is used of it already, with what is reserved for others.
        used: u64,
        /// What it allows.
        limit: u64,
    },
    /// The expected counter is not the actual one.
    Stale {
        /// What the counter is of.
        what: Subject,
        /// Which counter.
        counter: Counter,
        /// What the caller expected.
        expected: Version,
        /// What it is.
        actual: Version,
    },
    /// The feed was trimmed: what is up to a version is not given any more (EVT4).
    Trimmed {
        /// The thread.
        thread: ThreadId,
        /// The feed begins after this version.
        upto: Version,
    },
    /// Others wrote first, again and again, until the deadline. Nothing was written.
    Contended {
        /// The journal.
        space: Space,
        /// The command, by its name. `None` from a journal, which knows none.
        operation: Option<&'static str>,
    },
    /// A record, snapshot or blob is damaged.
    Corrupt {
        /// The journal.
        space: Space,
        /// The damaged record; 0 where no single record is meant.
        version: Version,
        /// What does not fit.
        reason: String,
    },
    /// The store's file itself is damaged, or is something else.
    CorruptFile {
        /// The file.
        file: String,
        /// What was found.
        reason: String,
    },
    /// The engine failed; nothing was written.
    Unavailable {
        /// What failed, and what to do if there is one thing to do; in one line.
        reason: String,
        /// The command or query, by its name. `None` from a journal, which knows none.
        operation: Option<&'static str>,
        /// What the engine said.
        source: Option<Source>,
    },
    /// It is not known whether the write landed, or will.
    Indeterminate {
        /// The journal.
        space: Space,
        /// The command, by its name. `None` from a journal, which knows none.
        operation: Option<&'static str>,
        /// What the engine said.
        source: Option<Source>,
    },
    /// This store, or this release, cannot do it; nothing was changed.
    Unsupported {
        /// What was asked, and what there is instead.
        what: String,
    },
    /// Written by a newer release.
    NewerFormat {
        /// The store or the record.
        what: String,
        /// The level it needs.
        needs: u64,
        /// The level this release has.
        has: u64,
    },
}

/// Why a handoff came to nothing, and what became of the workspaces that were made for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NotHandedOff {
    /// Why.
    pub cause: Error,
    /// How many workspaces had been made.
    pub made: usize,
    /// Those that could not be removed: the [reaper](crate::store::Store::reap) finds them.
    pub left: Vec<WorkspaceId>,
}

// A result that is passed up through every layer stays small.
const _: () = assert!(size_of::<Error>() <= 112);

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable { source, .. } | Self::Indeterminate { source, .. } => {
                source.as_deref().map(|source| source as _)
            }
            Self::NotHandedOff { undone } => Some(&undone.cause),
            _ => None,
        }
    }
}

impl Error {
    /// An [`Error::Invalid`].
    pub fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { field, reason: reason.into() }
    }

    /// An [`Error::NotFound`].
    pub fn not_found(what: impl Into<Subject>) -> Self {
        Self::NotFound { what: what.into() }
    }

    /// An [`Error::Closed`]; the store adds the operation.
    pub const fn closed(what: Closure) -> Self {
        Self::Closed { what, operation: None }
    }

    /// An [`Error::WrongThread`].
    pub fn wrong_thread(what: impl Into<Subject>, expected: impl Into<Subject>) -> Self {
        Self::WrongThread { what: what.into(), expected: expected.into() }
    }

    /// An [`Error::Capacity`].
    pub fn capacity(
        what: impl Into<Subject>,
        measure: &'static str,
        limit: u64,
        actual: u64,
    ) -> Self {
        Self::Capacity { what: what.into(), measure, limit, actual }
    }

    /// An [`Error::Contended`]; the store adds the operation.
    pub fn contended(space: &Space) -> Self {
        Self::Contended { space: space.clone(), operation: None }
    }

    /// An [`Error::Unavailable`] of which nothing more is known; the store adds the operation.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into(), operation: None, source: None }
    }

    /// An [`Error::Unavailable`] with what the engine said; the store adds the operation.
    pub fn unavailable(
        reason: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        let source = Some(Arc::new(source) as _);
        Self::Unavailable { reason: reason.into(), operation: None, source }
    }

    /// An [`Error::Indeterminate`]; the store adds the operation.
    pub fn indeterminate(space: &Space, source: Option<Source>) -> Self {
        Self::Indeterminate { space: space.clone(), operation: None, source }
    }

    /// An [`Error::Corrupt`].
    pub fn corrupt(space: &Space, version: Version, reason: impl Into<String>) -> Self {
        Self::Corrupt { space: space.clone(), version, reason: reason.into() }
    }

    /// The same error, with the name of the command or query it came of, where it has a place for that.
    #[must_use]
    pub(crate) fn during(mut self, asked: &'static str) -> Self {
        match &mut self {
            Self::Closed { operation, .. }
            | Self::Contended { operation, .. }
            | Self::Unavailable { operation, .. }
            | Self::Indeterminate { operation, .. } => *operation = Some(asked),
            _ => {}
        }
        self
    }

    /// What a program can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. }
            | Self::KeyReused { .. }
            | Self::KeyExpired { .. }
            | Self::WrongExternalId { .. } => ErrorKind::Invalid,
            Self::TenantIsolation { .. } => ErrorKind::TenantIsolation,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Closed { .. } => ErrorKind::Closed,
            Self::Stale { .. } | Self::Trimmed { .. } => ErrorKind::Stale,
            Self::WrongThread { .. }
            | Self::RunEnded { .. }
            | Self::RunLive { .. }
            | Self::ExternalIdTaken { .. }
            | Self::SessionOwned { .. }
            | Self::IllegalTransition { .. }
            | Self::ThreadNotEmpty { .. }
            | Self::ProjectNotEmpty { .. }
            | Self::SessionLinked { .. }
            | Self::SessionHasWorkspace { .. }
            | Self::AlreadyContinued { .. }
            | Self::ArtifactSet { .. }
            | Self::NothingToSummarise { .. }
            | Self::NotSummarised { .. }
            | Self::WorkspaceNotReady { .. }
            | Self::PathConflict { .. }
            | Self::NotMergeBack { .. }
            | Self::ChildAtWork { .. }
            | Self::ArchiveNotConfigured { .. }
            | Self::NotAForest { .. } => ErrorKind::Precondition,
            Self::Capacity { .. } | Self::BudgetExceeded { .. } => ErrorKind::Capacity,
            Self::Fenced { .. } | Self::NotOwner { .. } => ErrorKind::Fenced,
            Self::NotHandedOff { undone } => undone.cause.kind(),
            Self::Contended { .. } => ErrorKind::Contended,
            Self::Corrupt { .. } | Self::CorruptFile { .. } | Self::BrokenBundle { .. } => {
                ErrorKind::Corrupt
            }
            Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::Indeterminate { .. } => ErrorKind::Indeterminate,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::NewerFormat { .. } => ErrorKind::NewerFormat,
        }
    }

    /// Whether the very same call may succeed later. An [`ErrorKind::Indeterminate`] write is retryable only with an
    /// idempotency key: without one, a retry may apply it twice.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Contended | ErrorKind::Unavailable | ErrorKind::Indeterminate
        )
    }
}
