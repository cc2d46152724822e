//! The records a journal holds, for ever.
//!
//! A record is a *header* and a *body*. The header holds ids, numbers, enums and the body's digest - never user text - and
//! is never erased; the hash chain runs over headers. The body holds titles, messages, actors; it may be erased and then
//! folds as empty. Both are JSON, so `jq` and `sqlite3` can read a store.
//!
#![doc = include_str!("../../docs/records.md")]

mod body;
mod decode;
mod encode;
mod entry;
mod event;
mod seal;
mod sum;
#[cfg(test)]
mod tests;

pub(crate) use body::Body;
pub(crate) use body::{
    ActorBody, ArchiveBody, ChangedValue, CollapseBody, EdgeBody, EntryReader, EntryText,
    ErasureBody, FilesBody, OwnerBody, ProjectBody, ReturnedBody, ReturnedEntry, RunBody,
    RunEndBody, SessionBody, StateBody, SummaryBody, ThreadBody, UsageBody, WorkspaceBody,
    digest as body_digest, level_of,
};
pub use entry::{CollapsedPlace, Effect, EntryHeader, MarkedPlace};
pub use event::{Consequence, EdgeStep, Event, KIND_NAMES, Lane, SummaryOf};
pub(crate) use seal::{Draft, Opened, SealedBody, check_body, open, seal, seal_body};
pub use seal::{KeyMark, READER_LEVEL, RecordHeader};
