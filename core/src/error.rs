//! One error for callers, rules and journals: a kind to act on, typed fields, a source for a person.

use std::{fmt, sync::Arc};

use crate::{
    id::{Space, Version},
    model::{RunStatus, SessionSample, SessionStatus, SubSessionStatus},
};

/// The answer of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What lies below an error, for a person; shared, so that one failed commit can answer many callers.
pub type Source = Arc<dyn std::error::Error + Send + Sync>;

/// What a program can do about an [`Error`]. Coarse on purpose: two errors of one kind want the same reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request can never succeed: change it.
    Invalid,
    /// The request names what belongs to another tenant.
    TenantIsolation,
    /// What was named does not exist.
    NotFound,
    /// The store, project or thread takes no such write.
    Closed,
    /// Something changed since the caller looked: read again and decide again.
    Stale,
    /// The current state does not allow it.
    Precondition,
    /// A cap, a size or a budget is exhausted.
    Capacity,
    /// Another holds the lease, or held it since.
    Fenced,
    /// Too many others wrote at once, for longer than the deadline. Not applied.
    Contended,
    /// What is stored is damaged.
    Corrupt,
    /// The engine failed, for now. Not applied.
    Unavailable,
    /// It may have been applied, or may still be: ask again with the same key, or read.
    Indeterminate,
    /// This store cannot do it.
    Unsupported,
    /// What is stored was written by a newer release.
    NewerFormat,
}

/// Which of an entity's three counters an expectation missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Counter {
    /// The entity's own version.
    Version,
    /// The version of the session's last entry.
    Tail,
    /// The journal's head.
    Head,
}

/// Why a project or thread refuses, or what else is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Closure {
    /// The store's handle was closed.
    Store,
    /// The project is archived.
    ProjectArchived,
    /// The project is being deleted.
    ProjectDeleting,
    /// The thread is archived.
    ThreadArchived,
}

/// A state, for [`Error::IllegalTransition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Of a session.
    Session(SessionStatus),
    /// Of an edge.
    Edge(SubSessionStatus),
    /// Of a run.
    Run(RunStatus),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(status) => write!(f, "session {status}"),
            Self::Edge(status) => write!(f, "edge {status}"),
            Self::Run(status) => write!(f, "run {status}"),
        }
    }
}

/// What a thread was kept from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ThreadAction {
    /// Sessions at work, live runs or leases.
    Archive,
    /// Any session at all.
    Delete,
    /// Sessions at work, live runs or leases.
    Purge,
}

/// A refusal, a failure or a doubt. "Refused" means: nothing was written and nothing is locked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is malformed: `field` says where, `reason` says why.
    #[error("invalid {field}: {reason}")]
    Invalid {
        /// The part of the request.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// One idempotency key, two different commands.
    #[error("key {n} of this producer was used for another command")]
    KeyReused {
        /// The key's number.
        n: u64,
    },
    /// The key's number is older than what is remembered; it was not applied now.
    #[error(
        "key {n} is not after {greatest}, the greatest this producer used, and is no longer remembered"
    )]
    KeyExpired {
        /// The key's number.
        n: u64,
        /// The greatest number seen from this producer.
        greatest: u64,
    },
    /// The id or actor belongs to another tenant.
    #[error("{what} belongs to another tenant")]
    TenantIsolation {
        /// Which id or field.
        what: String,
    },
    /// Nothing with this id exists for this tenant.
    #[error("{id} does not exist")]
    NotFound {
        /// The id as text.
        id: String,
    },
    /// The store, project or thread is closed for this.
    #[error("{}", closed(what))]
    Closed {
        /// What is closed.
        what: Closure,
    },
    /// The two things named are not in one thread, or not in the thread and project that were said.
    #[error("{what} is not in the same thread or project")]
    WrongThread {
        /// The id that does not fit.
        what: String,
    },
    /// The run is over and takes no more of this.
    #[error("run {run} has ended")]
    RunEnded {
        /// The run's id as text.
        run: String,
    },
    /// A lease of another holder is current, or the token given is not of the current one.
    #[error("fenced: the session's lease is {current:?}, the token given {given:?}")]
    Fenced {
        /// The token of the current lease, if there is one.
        current: Option<Version>,
        /// The token that came with the call.
        given: Option<Version>,
    },
    /// The machine of sessions, edges or runs has no such step.
    #[error("no transition from {from} to {to}")]
    IllegalTransition {
        /// The state it is in.
        from: State,
        /// The state that was asked for.
        to: State,
    },
    /// The thread still holds sessions that forbid this.
    #[error("thread is not empty: {total} sessions forbid to {}", match action { ThreadAction::Archive => "archive", ThreadAction::Delete => "delete", ThreadAction::Purge => "purge" })]
    ThreadNotEmpty {
        /// What was asked.
        action: ThreadAction,
        /// At most 50 of them, in creation order.
        samples: Vec<SessionSample>,
        /// How many there are, exactly.
        total: u64,
    },
    /// The project still holds threads.
    #[error("project is not empty: {threads} or more threads are left")]
    ProjectNotEmpty {
        /// How many were seen; at least 1.
        threads: u64,
    },
    /// The session is named by an edge and cannot be deleted.
    #[error("session {session} is named by edge {edge}")]
    SessionLinked {
        /// The session's id as text.
        session: String,
        /// One edge that names it, as text.
        edge: String,
    },
    /// The edge would give a session a second parent, or close a cycle.
    #[error("the parent relation is a forest: {reason}")]
    NotAForest {
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// A cap or a size is reached.
    #[error("{what}: {actual} exceeds the limit of {limit}")]
    Capacity {
        /// What is bounded.
        what: &'static str,
        /// The bound.
        limit: u64,
        /// What the request would make it.
        actual: u64,
    },
    /// The expected counter is not the actual one.
    #[error("stale: expected {counter:?} {expected}, actual {actual}")]
    Stale {
        /// Which counter.
        counter: Counter,
        /// What the caller expected.
        expected: Version,
        /// What it is.
        actual: Version,
    },
    /// Others kept winning until the deadline. Nothing was written.
    #[error("contended: others wrote to {space} until the deadline")]
    Contended {
        /// The journal.
        space: Space,
    },
    /// A record, snapshot or blob is damaged.
    #[error("corrupt at version {version} of {space}: {reason}")]
    Corrupt {
        /// The journal.
        space: Space,
        /// The damaged record; 0 where no single record is meant.
        version: Version,
        /// What does not fit.
        reason: String,
    },
    /// The store's file itself is damaged, or is something else.
    #[error("{file} is damaged or no store: {reason}")]
    CorruptFile {
        /// The file.
        file: String,
        /// What was found.
        reason: String,
    },
    /// The engine failed; nothing was written.
    #[error("unavailable: {reason}")]
    Unavailable {
        /// What failed, in one line.
        reason: String,
        /// What the engine said.
        #[source]
        source: Option<Source>,
    },
    /// It is not known whether the write landed, or will.
    #[error("indeterminate: the write to {space} may have landed")]
    Indeterminate {
        /// The journal.
        space: Space,
        /// What the engine said.
        #[source]
        source: Option<Source>,
    },
    /// This store, or this release, cannot do it; nothing was changed.
    #[error("unsupported: {what}")]
    Unsupported {
        /// What was asked.
        what: String,
    },
    /// Written by a newer release.
    #[error("{what} needs format {needs}, this release reads up to {has}")]
    NewerFormat {
        /// The store or the record.
        what: String,
        /// The level it needs.
        needs: u64,
        /// The level this release has.
        has: u64,
    },
}

fn closed(what: &Closure) -> &'static str {
    match what {
        Closure::Store => "the store is closed",
        Closure::ProjectArchived => "the project is archived",
        Closure::ProjectDeleting => "the project is being deleted",
        Closure::ThreadArchived => "the thread is archived",
    }
}

impl Error {
    /// An [`Error::Invalid`].
    pub fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { field, reason: reason.into() }
    }

    /// An [`Error::NotFound`].
    pub fn not_found(id: impl fmt::Display) -> Self {
        Self::NotFound { id: id.to_string() }
    }

    /// An [`Error::Unavailable`] with what the engine said.
    pub fn unavailable(
        reason: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Unavailable { reason: reason.into(), source: Some(Arc::new(source)) }
    }

    /// An [`Error::Corrupt`].
    pub fn corrupt(space: &Space, version: Version, reason: impl Into<String>) -> Self {
        Self::Corrupt { space: space.clone(), version, reason: reason.into() }
    }

    /// What a program can do about it.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } | Self::KeyReused { .. } | Self::KeyExpired { .. } => {
                ErrorKind::Invalid
            }
            Self::TenantIsolation { .. } => ErrorKind::TenantIsolation,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Closed { .. } => ErrorKind::Closed,
            Self::Stale { .. } => ErrorKind::Stale,
            Self::WrongThread { .. }
            | Self::RunEnded { .. }
            | Self::IllegalTransition { .. }
            | Self::ThreadNotEmpty { .. }
            | Self::ProjectNotEmpty { .. }
            | Self::SessionLinked { .. }
            | Self::NotAForest { .. } => ErrorKind::Precondition,
            Self::Capacity { .. } => ErrorKind::Capacity,
            Self::Fenced { .. } => ErrorKind::Fenced,
            Self::Contended { .. } => ErrorKind::Contended,
            Self::Corrupt { .. } | Self::CorruptFile { .. } => ErrorKind::Corrupt,
            Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::Indeterminate { .. } => ErrorKind::Indeterminate,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::NewerFormat { .. } => ErrorKind::NewerFormat,
        }
    }

    /// Whether the very same call may succeed later. An [`ErrorKind::Indeterminate`] write is retryable only with an
    /// idempotency key: without one, a retry may apply it twice.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Contended | ErrorKind::Unavailable | ErrorKind::Indeterminate
        )
    }
}
