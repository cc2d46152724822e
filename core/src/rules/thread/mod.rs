//! The rules of a thread: one pure state machine over its records.

mod decide;
mod erased;
mod evolve;
mod state;
mod view;

pub(crate) use state::ThreadState;

pub(crate) use decide::{closed_project, external_id, stale, wrong_journal};
pub(crate) use erased::Erased;
pub(crate) use view::Reading;
