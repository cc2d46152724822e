//! What a sweep is asked, and what it ended.

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::{
    error::Error,
    id::{RunId, SessionId, ThreadId},
};

/// Which runs a sweep ends: those that nobody works on any more (RUN4).
///
/// A run is abandoned if the lease of its session expired by more than the store's `max_skew`; or if its session has no
/// lease, and no record for longer than `silent_for` and `max_skew`. What a run waits for makes no difference, a person
/// neither: choose a bound that is longer than a person may take. A run that waits for sub-sessions is not silent as long as
/// one of them has a live run, a lease that has not expired, or a record within the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Sweep {
    /// How long a session without a lease may be silent.
    pub silent_for: Duration,
    /// Says which runs would be ended, and ends none.
    pub dry_run: bool,
}

impl Sweep {
    /// Ends runs under an expired lease, and runs of sessions without a lease that were silent for longer than this.
    pub const fn silent_for(time: Duration) -> Self {
        Self { silent_for: time, dry_run: false }
    }

    /// Only says which runs would be ended.
    #[must_use]
    pub const fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }
}

/// Why a sweep ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Swept {
    /// The lease of its session expired.
    LeaseExpired,
    /// Its session has no lease, and was silent.
    Silent,
    /// It waited for a sub-session whose runs the sweep ended, and the edge to that is `fail_fast`.
    SubSessionFailed,
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeaseExpired => "the lease of its session expired",
            Self::Silent => "its session was silent",
            Self::SubSessionFailed => "a sub-session that it waited for failed",
        })
    }
}

/// A run that a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct SweptRun {
    /// Which run.
    pub run: RunId,
    /// Its session.
    pub session: SessionId,
    /// Why.
    pub why: Swept,
}

impl SweptRun {
    /// Of its parts.
    pub const fn new(run: RunId, session: SessionId, why: Swept) -> Self {
        Self { run, session, why }
    }
}

/// What a sweep of all threads did in one of them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SweptThread {
    /// Which thread.
    pub thread: ThreadId,
    /// The runs that it ended, or would, in that order.
    pub runs: Vec<SweptRun>,
    /// Why it could not go on in this thread. The next sweep tries again.
    pub failed: Option<Error>,
}
