//! The rules: one pure state machine for threads, one for projects, one for what belongs to a tenant as a whole.
//!
//! A state is a fold of records. `decide` looks at a state and a call and answers, refuses, or gives the records to write;
//! `evolve` folds one record into a state. Both are pure: no clock, no input or output, no randomness.

pub(crate) mod decision;
pub(crate) mod event;
pub(crate) mod idempotency;
pub(crate) mod project;
pub(crate) mod tenant;
pub(crate) mod thread;
