//! Where bundles are kept: a flat map from names to bytes.

use std::fmt;

use async_trait::async_trait;

use crate::error::Result;

/// A place for bundles: a folder, a bucket.
///
/// It keeps objects by name and knows nothing of what is in them; the core makes all of it, and checks all of it when it
/// reads. A name has 1 to 512 bytes of `[a-z0-9._-]` and `/`; no segment between two `/` is empty or begins with a `.`; no
/// name is the folder of another. The core never writes one name with two contents at the same time, and never waits for a
/// lock.
///
/// # What holds
///
/// - [`put`](Self::put) stores all bytes or none, over what was there before, and they are durable when it returns.
/// - [`get`](Self::get) and [`list`](Self::list) that start after a `put` or [`remove`](Self::remove) returned see it, in
///   any process.
/// - Any future may be dropped at any await: what it was to do is done, or not.
///
/// Not promised: that objects are encrypted, or that bytes of removed ones leave the medium.
#[async_trait]
pub trait ArchiveBackend: fmt::Debug + Send + Sync + 'static {
    /// Stores an object. At most about 260 MiB; mostly less than 5.
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// The bytes of an object; [`NotFound`](crate::Error::NotFound) if there is none.
    async fn get(&self, name: &str) -> Result<Vec<u8>>;

    /// Names that begin with `prefix`, in the order of their bytes, after `after`, at most `limit`; fewer are the end.
    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>>;

    /// Removes an object. What is not there is removed already.
    async fn remove(&self, name: &str) -> Result<()>;
}

/// Object safety is part of the contract.
const _: fn(&dyn ArchiveBackend) = |_| {};
