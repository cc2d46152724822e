//! Sessile's core: the ids, the records, the rules, and the traits a backend implements.
//!
//! A **thread is a journal**: everything that happens in one line of work is one ordered list of records, numbered by one
//! counter, the *head*. The rules are one pure state machine over those records, and a backend is a place to keep
//! journals ([`journal`]). Programs use the crate `sessile`, which brings backends; authors of backends start at
//! [`journal::Journal`].

pub mod archive;
pub mod background;
pub mod clock;
pub mod command;
pub mod error;
pub mod handle;
pub mod hash;
pub mod id;
pub mod journal;
pub mod json;
pub mod kinds;
pub mod model;
pub mod prelude;
pub mod record;
mod rules;
pub mod search;
pub mod store;
pub mod summarizer;
pub mod tokens;
pub mod workspace;

pub use clock::{Clock, IdSource, Timestamp};
pub use command::{Caller, Key};
pub use error::{Error, ErrorKind, Result};
pub use handle::Handle;
pub use store::Store;
