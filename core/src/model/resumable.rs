//! Sessions whose work is not over, and that nobody is at.

use serde::Serialize;

use super::SessionStatus;
use crate::{
    clock::Timestamp,
    id::{EntryId, RunId, SessionId, SubSessionId, Version},
};

/// A session that can be taken up again (TLN4): its last activity has not ended, and nobody holds its lease, or whoever did is
/// late by more than the clocks may differ. [`ClaimLease`](crate::command::SessionCommand::ClaimLease) takes it: of several
/// who try one gets it (LEA5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Resumable {
    /// The session.
    pub session: SessionId,
    /// Its name.
    pub name: Option<String>,
    /// The task it works on.
    pub task: Option<String>,
    /// Where it stands.
    pub status: SessionStatus,
    /// What it waits for, run by run; nothing where no run lives: then it waits for whoever goes on.
    pub awaits: Vec<Awaited>,
    /// Its newest note, if it has one: what whoever goes on has to know.
    pub note: Option<EntryId>,
    /// The token of a lease that has expired: until somebody claims it, its holder may still write.
    pub expired_lease: Option<Version>,
    /// When it was last written to.
    pub updated_at: Timestamp,
}

/// What a live run waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Awaited {
    /// Its turn.
    Turn(RunId),
    /// Whoever worked on it, and does not any more.
    Worker(RunId),
    /// A person.
    Person(RunId),
    /// That the answer of a person is taken up.
    Resolution(RunId),
    /// Sub-sessions.
    SubSessions {
        /// The run.
        run: RunId,
        /// Those that are still at it.
        edges: Vec<SubSessionId>,
    },
    /// The recipients of a broadcast of the session.
    Recipients(Vec<SubSessionId>),
}
