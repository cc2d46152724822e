//! The rules of a project: one pure state machine over its records.
//!
//! A project's journal holds little: its name, its caps, its status, the reservations of its threads, and their slices of its
//! budget.

mod decide;
mod slices;
mod state;

pub(crate) use state::ProjectState;
