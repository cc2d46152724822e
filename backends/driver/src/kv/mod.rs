//! The first door for drivers: an ordered map of bytes.
//!
//! An engine that can look up, scan and write keys in one durable transaction needs no journal of its own: it implements
//! [`Kv`], and [`KvJournal`] makes a journal of it. The layout of keys, the encoding of values, the heads, lists, streams,
//! snapshots, blobs, tombstones, erasing, group commit and waiting are there once, for all such engines.
//!
//! ```
//! use std::sync::Arc;
//! use sessile_core::journal::Journal as _;
//! use sessile_driver::kv::{KvJournal, Map};
//!
//! # async fn open() -> sessile_core::error::Result<()> {
//! let journal = KvJournal::open(Arc::new(Map::default())).await?;
//! assert_eq!(journal.info().backend, "map");
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(open()).unwrap();
//! ```
//!
//! [`Map`] is the smallest [`Kv`] there is, and the example to read.

mod append;
mod erase;
mod files;
mod group;
mod journal;
pub mod keys;
mod list;
mod map;
mod order;
mod read;
mod space;
mod streams;
pub mod values;

use std::{fmt, ops::Range, time::Instant};

use async_trait::async_trait;
use sessile_core::{
    error::{Error, Result, Source},
    journal::{Direction, Durability, Limits, Scrub, Sharing},
};

pub use self::{journal::KvJournal, map::Map};

/// A key: at most 256 bytes. Keys are ordered as their bytes are.
pub type Key = Vec<u8>;

/// A value: from no byte to a little more than [`Limits::blob_bytes`].
pub type Value = Vec<u8>;

/// What an engine says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvInfo {
    /// Its name: `redb`, `map`.
    pub backend: &'static str,
    /// Where the data is, for errors; without credentials.
    pub place: String,
    /// What an applied batch survives.
    pub durability: Durability,
    /// Who may have the data open at the same time.
    pub sharing: Sharing,
    /// Bounds of what is written; [`Limits::STANDARD`] or more.
    pub limits: Limits,
}

impl KvInfo {
    /// Describes an engine with [`Limits::STANDARD`].
    pub fn new(
        backend: &'static str,
        place: impl Into<String>,
        durability: Durability,
        sharing: Sharing,
    ) -> Self {
        Self { backend, place: place.into(), durability, sharing, limits: Limits::STANDARD }
    }
}

/// Changes that are made together, if the guards hold. `clear` comes before `put`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardedBatch {
    /// What each of these keys must hold; `None`: nothing.
    pub guards: Vec<(Key, Option<Value>)>,
    /// Ranges of keys to remove.
    pub clear: Vec<Range<Key>>,
    /// What to write; `None` removes the key.
    pub put: Vec<(Key, Option<Value>)>,
}

impl GuardedBatch {
    /// Bytes of what it writes.
    pub fn weight(&self) -> usize {
        self.put.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
    }
}

/// Why [`Kv::apply`] failed.
#[derive(Debug)]
pub enum ApplyError {
    /// Nothing was applied, and nothing will be.
    Refused(Error),
    /// It may have been applied, or may still be: the connection was lost, or a flush failed.
    Unknown(Source),
}

impl From<Error> for ApplyError {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// An engine: an ordered map with guarded, durable batches.
///
/// # What must hold
///
/// - [`apply`](Self::apply) is atomic, and durable as [`KvInfo::durability`] says before it answers.
/// - `get` and `scan` see everything that was acknowledged before they began, in whatever process; each sees one state.
/// - Any future may be dropped. Dropped in [`apply`](Self::apply), the batches may be applied or not; nothing stays locked.
/// - A call may come from any kind of runtime of tokio: what blocks a thread goes through [`blocking`](crate::blocking).
/// - Keys and values come back equal. An engine that finds itself damaged says `CorruptFile`.
///
/// # What need not
///
/// - [`KvJournal`] checks limits, lets other tasks have their turn, and refuses calls after `close`.
/// - Versions, heads and what a key means are no concern of the engine.
#[async_trait]
pub trait Kv: Send + Sync + fmt::Debug + 'static {
    /// What this engine is: constant while the handle lives.
    fn info(&self) -> &KvInfo;

    /// The values of some keys, in their order; all from one state.
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Value>>>;

    /// Keys and values of a range, in the order asked: at most `rows`, and no more once their values have `bytes` bytes.
    async fn scan(
        &self,
        range: Range<Key>,
        direction: Direction,
        rows: usize,
        bytes: usize,
    ) -> Result<Vec<(Key, Value)>>;

    /// One durable transaction. The batches are taken one after the other: one whose guards hold is applied whole and is
    /// `true`; any other changes nothing and is `false`. If all are `false` nothing has to be flushed. It may wait for other
    /// writers until `until`, then refuses with `Contended`.
    async fn apply(
        &self,
        batches: &[GuardedBatch],
        until: Instant,
    ) -> Result<Vec<bool>, ApplyError>;

    /// Removes from the medium what was removed or written over.
    ///
    /// # Errors
    /// `Unsupported` if the engine cannot.
    async fn scrub(&self) -> Result<Scrub>;

    /// Ends the handle. Reads that are under way may finish or fail; writes are done by then.
    ///
    /// # Errors
    /// When the last flush fails.
    async fn close(&self) -> Result<()>;
}

/// Object safety is part of the contract.
const _: fn(&dyn Kv) = |_| {};

#[cfg(test)]
mod tests;
