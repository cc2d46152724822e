//! Stores: the traits programs use, and the one implementation over any journal.
//!
//! Each part builds on those before it: `sync` (locks, pauses), `environment` (journal and options), `card` and `state`
//! (what a journal's records come to), `sequencer` (commits of one journal), `registry` (the sequencers in use), `contexts`
//! (folded logs), `inner`
//! (all of a store), `prepare` (bodies, blobs and keys of a call), `commands` and `answers` (what the traits promise),
//! `journal_store` (the public type).

mod answers;
mod card;
mod commands;
mod contexts;
mod environment;
mod inner;
mod journal_store;
mod options;
mod prepare;
mod registry;
mod sequencer;
mod state;
mod sync;
mod traits;

pub use journal_store::Store;
pub use options::StoreOptions;
pub use traits::{AnyStore, SessionStore, ThreadStore};
