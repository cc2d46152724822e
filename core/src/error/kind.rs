//! Kinds of errors, and the words their fields are made of.

use std::fmt;

use crate::{
    id::{ProjectId, SessionId, ThreadId},
    model::{CollapseStatus, RunStatus, SessionStatus, SubSessionStatus, WorkspaceStatus},
};

/// What a program can do about an [`Error`](super::Error). Coarse on purpose: two errors of one kind want the same
/// reaction; the table at [`Error`](super::Error) says which.
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

/// Which of an entity's counters was not the expected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Counter {
    /// The entity's own version.
    Version,
    /// The version of the session's last entry.
    Tail,
    /// The journal's head.
    Head,
    /// How often the session was handed over.
    OwnerVersion,
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "version",
            Self::Tail => "tail",
            Self::Head => "head",
            Self::OwnerVersion => "owner version",
        })
    }
}

/// What is closed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Closure {
    /// The store's handle was closed.
    Store,
    /// The project is archived.
    ProjectArchived(ProjectId),
    /// The project is being deleted.
    ProjectDeleting(ProjectId),
    /// The thread is archived.
    ThreadArchived(ThreadId),
    /// The session is archived.
    SessionArchived(SessionId),
}

/// What it is and what opens it again.
impl fmt::Display for Closure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store => f.write_str("the store is closed; open it again"),
            Self::ProjectArchived(id) => write!(f, "project {id} is archived; reopen it first"),
            Self::ProjectDeleting(id) => {
                write!(f, "project {id} is being deleted; delete it again to finish or undo that")
            }
            Self::ThreadArchived(id) => write!(f, "thread {id} is archived; reopen it first"),
            Self::SessionArchived(id) => write!(f, "session {id} is archived; restore it first"),
        }
    }
}

/// A state, for [`Error::IllegalTransition`](super::Error::IllegalTransition).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Of a session.
    Session(SessionStatus),
    /// Of an edge.
    Edge(SubSessionStatus),
    /// Of a run.
    Run(RunStatus),
    /// Of a workspace.
    Workspace(WorkspaceStatus),
    /// Of a collapse.
    Collapse(CollapseStatus),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(status) => status.fmt(f),
            Self::Edge(status) => status.fmt(f),
            Self::Run(status) => status.fmt(f),
            Self::Workspace(status) => status.fmt(f),
            Self::Collapse(status) => status.fmt(f),
        }
    }
}

/// What was asked of a thread that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ThreadAction {
    /// Refused while sessions are at work, runs live or leases are held.
    Archive,
    /// Refused while any session exists.
    Delete,
    /// Refused while sessions are at work, runs live or leases are held.
    Purge,
}

impl fmt::Display for ThreadAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Archive => "archive",
            Self::Delete => "delete",
            Self::Purge => "purge",
        })
    }
}

/// Which rule of the parent relation an edge would break (SUB1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForestRule {
    /// A session is not its own parent.
    OwnParent,
    /// A session has one parent at most.
    SecondParent,
    /// No session stands below itself.
    Cycle,
    /// No intervention answers what came of itself (INT1).
    InterventionCycle,
}

impl fmt::Display for ForestRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnParent => "a session cannot be its own parent",
            Self::SecondParent => "it has a parent already; delete that edge first",
            Self::Cycle => "the parent stands below it, and the relation has no cycles",
            Self::InterventionCycle => "it would answer what came of itself",
        })
    }
}

/// What is wrong with the bundle of an archived session (ARC2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BundleFault {
    /// Its manifest, which is written last, is not there.
    NoManifest,
    /// A part that the manifest names is not there.
    MissingPart,
    /// It is not what was archived: bytes changed, or it is of another session.
    Altered,
}

impl fmt::Display for BundleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoManifest => "it has no manifest",
            Self::MissingPart => "a part of it is missing",
            Self::Altered => "it is not what was archived",
        })
    }
}
