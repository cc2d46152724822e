//! What the suite is made of: no part of the promise, and free to change in any release.
//!
//! The project's own tests reach in here to test the suite itself and to make work for other processes.

pub mod archives;
pub mod assertions;
mod background;
pub mod child_programs;
mod clock;
pub mod concurrent;
mod context;
mod counting;
pub mod crash;
pub mod fault;
pub mod history;
pub(crate) mod hooks;
pub mod hostile;
pub mod id_arguments;
pub mod looking_back;
pub mod machine;
mod map_driver;
mod map_journal;
pub mod model;
mod parent_pipe;
pub mod process;
mod proxy;
pub mod raw_batches;
pub mod rounds;
pub mod shapes;
pub mod shorthand;
pub mod stops;
pub mod text_limits;
pub(crate) mod wire;
pub mod wired_journal;
pub mod workspaces;
pub mod wrong_journals;

pub(crate) use self::map_journal::flip;
pub use self::{
    archives::MapArchive,
    background::InTasks,
    clock::{SeededIds, TestClock},
    context::ClauseContext,
    counting::CountingJournal,
    map_driver::MapDriver,
    map_journal::MapJournal,
};
pub(crate) use self::{child_programs::child_programs, hooks::HookFailed};
pub use crate::clause::Verdict;
