//! What creations answer.

use super::{Appended, GivenWorkspace};
use crate::id::{SessionId, SubSessionId, ThreadId, Version};

/// A project or thread that a creation made, or found under its external id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Created<T> {
    /// Its id.
    pub id: T,
    /// Made by this command; `false`: it was there under the external id, and is as it was.
    pub created: bool,
}

/// A session that a creation made, or found under its external id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedSession {
    /// The session.
    pub id: SessionId,
    /// Made by this command; `false`: it was there under the external id, and is as it was.
    pub created: bool,
    /// The edge to its parent, if it has one.
    pub edge: Option<SubSessionId>,
    /// The entries of its turn, if it was made with some; what it inherited stands before them.
    pub appended: Option<Appended>,
    /// The fencing token of the lease that it was made with.
    pub lease: Option<Version>,
    /// The workspace that it has, if it was made with one.
    pub workspace: GivenWorkspace,
}

impl CreatedSession {
    /// What a store answers of a session without a lease and a workspace.
    pub const fn new(
        id: SessionId,
        created: bool,
        edge: Option<SubSessionId>,
        appended: Option<Appended>,
    ) -> Self {
        Self { id, created, edge, appended, lease: None, workspace: GivenWorkspace::None }
    }
}

/// A thread and its first session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The thread.
    pub thread: Created<ThreadId>,
    /// The session.
    pub session: CreatedSession,
}
