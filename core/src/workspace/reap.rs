//! What a reaper is asked, and what it found.

use std::fmt;

use serde::Serialize;

use super::WorkspaceName;
use crate::id::ThreadId;

/// How to reap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reap {
    /// Say what would be removed, and remove nothing.
    pub dry_run: bool,
    /// Remove what holds work, too.
    pub force: bool,
}

impl Reap {
    /// Remove what is leaked and holds no work.
    pub const fn new() -> Self {
        Self { dry_run: false, force: false }
    }

    /// Only say what would be removed.
    #[must_use]
    pub const fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Remove what holds work, too.
    #[must_use]
    pub const fn with_force(mut self) -> Self {
        self.force = true;
        self
    }
}

/// Why something is leaked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Leak {
    /// Its session was deleted.
    SessionGone,
    /// Its owner disposed of it, and that was cut off.
    GivenUp,
    /// Its maker took longer than it may, or gave up and could not remove it.
    MakerGone,
    /// No record claims it: it was removed, and then made by a maker that slept.
    NoRecord,
    /// Its thread was deleted.
    ThreadGone,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SessionGone => "its session is gone",
            Self::GivenUp => "it was given up",
            Self::MakerGone => "its maker is gone",
            Self::NoRecord => "no record claims it",
            Self::ThreadGone => "its thread is gone",
        })
    }
}

/// What became of something leaked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReapOutcome {
    /// It would be removed.
    Found,
    /// It is gone.
    Removed,
    /// It holds work and stays.
    KeptWork,
    /// It is claimed again, or another reaper has it.
    Claimed,
    /// It could not be removed, for this reason. It stays leaked, and the next reaper tries again.
    Failed(String),
}

/// What is leaked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Leaked {
    /// A workspace.
    Workspace(WorkspaceName),
    /// The snapshots of a thread.
    Snapshots(ThreadId),
}

impl fmt::Display for Leaked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace(name) => name.fmt(f),
            Self::Snapshots(thread) => write!(f, "snapshots of {thread}"),
        }
    }
}

/// One thing that a reaper found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reaped {
    /// The kind of its driver.
    pub kind: String,
    /// What it is.
    pub what: Leaked,
    /// Why it is leaked.
    pub why: Leak,
    /// What became of it.
    pub outcome: ReapOutcome,
}

impl Reaped {
    pub(crate) fn new(kind: &str, what: Leaked, why: Leak, outcome: ReapOutcome) -> Self {
        Self { kind: kind.to_owned(), what, why, outcome }
    }
}
