//! The records a journal holds, for ever.
//!
//! A record is a *head* and a *body*. The head holds ids, numbers, enums and the body's digest - never user text - and
//! is never erased; the hash chain runs over heads. The body holds titles, messages, actors; it may be erased and then
//! folds as empty. Both are JSON, so `jq` and `sqlite3` can read a store.
//!
#![doc = include_str!("../../docs/records.md")]

mod body;
mod hash;
mod kind;
mod scan;
mod seal;
mod spell;
mod sum;
#[cfg(test)]
mod tests;

pub(crate) use body::Body;
pub(crate) use body::{
    ByBody, EdgeBody, EntryReader, ErasureBody, ProjectBody, RunBody, RunEndBody, SessionBody,
    ThreadBody, UsageBody,
};
pub use hash::{Hash, hex128};
pub use kind::{Consequence, EdgeStep, KIND_NAMES, Kind, Lane};
pub(crate) use seal::{Draft, Opened, SealedBody, check_body, open, seal, seal_body};
pub use seal::{KeyMark, READER_LEVEL, RecordHead};
