//! The bare engines, doing the least that the same promise needs: the same bytes, as durable, found by a key.

mod disk;
mod redb;
pub(super) mod sqlite;
mod writers;

use std::path::Path;

use super::{
    Backend,
    sizes::{BODY, LOG, SESSIONS, Sizes, WRITERS},
};
use crate::fail::Result;

/// Bytes of a record that is no message.
const SHORT: usize = 300;

/// A bare engine with as many rows as the store beside it has records in its large fixtures. Each method does so many
/// operations, and says how many.
pub(super) trait Raw {
    /// One durable write each, of the first row of a new thread.
    fn create(&mut self, n: u64) -> Result<u64>;

    /// One durable write each, of a row of one thread.
    fn append(&mut self, n: u64) -> Result<u64>;

    /// The same by 64 writers at once, each of a thread of its own; a writer goes on when its row is durable.
    fn append_together(&mut self, each: u64) -> Result<u64>;

    /// Batches of 64 rows of one thread, each made durable at once.
    fn append_batches(&mut self, n: u64) -> Result<u64>;

    /// The last 50 rows of the log.
    fn tail(&mut self, n: u64) -> Result<u64>;

    /// The rows of one thread.
    fn list(&mut self, n: u64) -> Result<u64>;

    /// The rows of several threads, one after the other.
    fn threads(&mut self, n: usize) -> Result<u64>;

    /// Ends its own handle; opens the engine as its users do, and asks it one thing. It comes last.
    fn open(&mut self, n: u64) -> Result<u64>;
}

/// The bare engine beside a backend, if there is one.
pub(super) fn beside(
    backend: Backend,
    folder: &Path,
    sizes: &Sizes,
) -> Result<Option<Box<dyn Raw>>> {
    Ok(match backend {
        Backend::Sqlite => Some(Box::new(sqlite::Sqlite::new(folder.join("raw.db"), sizes)?)),
        Backend::Disk => Some(Box::new(disk::Disk::new(folder.join("raw"), sizes)?)),
        Backend::Redb => Some(Box::new(redb::Redb::new(folder.join("raw.redb"), sizes)?)),
        Backend::ObjectStore | Backend::Memory => None,
    })
}
