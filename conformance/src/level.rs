//! Levels: what a backend claims, and what a run says of each claim.

use std::fmt;

use sessile_core::journal::{Durability, JournalInfo, Sharing};

/// A claim of a backend. Each clause belongs to one; `CONTRACT.md` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It is a journal: the `J` clauses. Where it fails, no other level is judged.
    Journal,
    /// A store stands on it: all that one caller after the other needs.
    Store,
    /// Callers may come at once, in the tasks of one process.
    Concurrent,
    /// Processes share a store. Claimed by [`JournalInfo::sharing`]; where it is not, its clauses are judged with tasks.
    Shared,
    /// What was acknowledged survives kills, restarts and crashes. Claimed by [`JournalInfo::durability`].
    Durable,
    /// It stands a medium that is full, read-only or fails to flush. Claimed by nothing but `level: Medium`, for it takes the hook
    /// `crash`, which no driver of a server can have.
    Medium,
}

impl Level {
    /// All, each with the claims that it builds on before it.
    pub const ALL: [Self; 6] =
        [Self::Journal, Self::Store, Self::Concurrent, Self::Shared, Self::Durable, Self::Medium];

    /// Whether a journal that says this of itself claims it.
    pub(crate) fn is_claimed_by(self, info: &JournalInfo) -> bool {
        match self {
            Self::Journal | Self::Store | Self::Concurrent => true,
            Self::Shared => info.sharing >= Sharing::ManyProcesses,
            Self::Durable => info.durability > Durability::None,
            Self::Medium => false,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Journal => "Journal",
            Self::Store => "Store",
            Self::Concurrent => "Concurrent",
            Self::Shared => "Shared",
            Self::Durable => "Durable",
            Self::Medium => "Medium",
        })
    }
}
