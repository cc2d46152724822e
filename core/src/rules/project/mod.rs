//! The rules of a project: one pure state machine over its records.
//!
//! A project's journal holds little: its name, its caps, its status, and the reservations of its threads.

mod decide;
mod state;

pub(crate) use state::ProjectState;
