//! The rules of a thread: one pure state machine over its records.

mod budget;
mod context;
mod decide;
mod erased;
mod evicted;
mod evolve;
mod external;
mod forks;
mod keyed;
mod slices;
mod state;
mod view;

pub(crate) use slices::Slices;
pub(crate) use state::{
    ArchiveReservation, ArchivedState, SessionState, ThreadState, WorkspaceState,
};

pub(crate) use context::{ContextFold, LogEntry};
pub(crate) use decide::{
    COPIED_ENTRIES, LONG_REASON, closed_project, refuse_oversize, require_room_for, stale,
    thread_made, wrong_journal,
};
pub(crate) use erased::Erased;
pub(crate) use evicted::{Evicted, Stored};
pub(crate) use external::{derived_external_id, run_of_derived, uuid_v4};
pub(crate) use forks::Base;
pub(crate) use view::Reading;
