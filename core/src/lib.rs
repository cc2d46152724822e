//! Sessile's core: the ids, the records, the rules, and the traits a backend implements.
//!
//! A **thread is a journal**: everything that happens in one line of work is one ordered list of records, numbered by one
//! counter, the *head*. The rules are one pure state machine over those records ([`thread`]), and a backend is a
//! place to keep journals ([`journal`]). Programs use the crate `sessile`, which brings backends; authors of backends
//! start at [`journal::Journal`].

pub mod clock;
pub mod command;
mod decision;
pub mod error;
mod fold;
pub mod handle;
pub mod hash;
pub mod id;
mod idempotency;
pub mod journal;
pub mod json;
pub mod model;
pub mod prelude;
pub mod project;
pub mod record;
pub mod store;
pub mod thread;

pub use clock::{Clock, IdSource, Timestamp};
pub use command::{Caller, Key};
pub use error::{Error, ErrorKind, Result};
