//! What a backend implements: a place to keep journals.
//!
//! A *journal* is one space's list of records, numbered 1, 2, 3 ... without gap. A backend stores records, compares the
//! head with what the writer expected, and hands ranges back. It knows nothing of sessions, reads no clock that rules
//! depend on, and holds no rule: if a backend needs an `if` about what a record means, the `if` belongs in the core.
//!
//! The laws are numbered J1 to J21 in `CONTRACT.md` of the conformance suite; the suite tests each one.

mod types;

use std::{collections::HashSet, fmt, time::Duration};

use async_trait::async_trait;

pub use types::{
    Batch, BlobName, Card, Commit, Direction, Durability, Head, JournalInfo, Limits, ListOrder,
    ListQuery, ListRow, Position, ReadRange, Record, RecordBody, Scrub, Sharing, Snapshot, Stream,
    WriteReservation,
};

use crate::{
    error::Result,
    id::{Space, Version},
};

/// A place to keep journals.
///
/// # What holds
///
/// - J1 a batch lands whole or not at all; J2 only on the head it expected; J3 versions are 1, 2, 3 ...
/// - J4 a read that starts after an acknowledgement sees it; J5 one read is one prefix.
/// - J6 what was acknowledged survives what [`JournalInfo::durability`] names.
/// - J7 an `Err` and [`Commit::HeadMoved`] mean never applied; doubt is [`Commit::Indeterminate`].
/// - J8 bytes come back equal, up to [`Limits`]; J9 spaces never observe each other.
/// - J10 any future may be dropped at any await.
/// - J12 damage is [`Error::Corrupt`](crate::Error::Corrupt), never skipped; J16 after `close` every other call
///   is `Closed`.
/// - J13 what was erased is read by nobody, and after a scrub that is done it is nowhere.
/// - J21 a call may come from any kind of runtime of tokio, and from a task of a `LocalSet`.
///
/// # What does not
///
/// - A record's bytes are opaque: the journal checks no hash. The core does, on every read.
/// - Nothing is promised across two spaces.
/// - A snapshot may vanish at any time (J14).
#[async_trait]
pub trait Journal: Blobs + Send + Sync + fmt::Debug + 'static {
    /// What this journal is: constant while the handle lives, cheap.
    fn info(&self) -> &JournalInfo;

    /// The newest acknowledged state of a space: `None` when it has no commit, or was dropped.
    ///
    /// The core asks this before an answer from memory, so it must be cheap: one indexed read, or memory.
    async fn head(&self, space: &Space) -> Result<Option<Head>>;

    /// Appends a batch if the head is still `expected` (J1, J2), durably (J6) before it answers.
    ///
    /// `expected` is `None` for the first batch of a space. The versions of `batch.records` follow `expected`.
    /// It may wait for other writers up to `batch.patience`, then answers `Contended` as an error. Limits are checked
    /// before anything is written. Records of a dropped space are gone for good: every commit to it answers
    /// `HeadMoved` with no head (J20).
    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit>;

    /// Records of one prefix of the journal (J5), in the order and range asked, at most `range.limit` of them and at
    /// most about [`Limits::batch_bytes`] in all; fewer than `limit` does not mean the end: an empty answer does.
    /// A single record is always returned whole. An unknown or dropped space has no records.
    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>>;

    /// Keeps a snapshot of the state at a version; the newest replaces older ones. A cache: may be refused or lost (J14).
    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()>;

    /// The snapshot kept, if there is one; the core verifies it.
    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>>;

    /// Spaces with at least one commit, keyset-paged (J15); dropped ones are not listed. A page that is not full is the last.
    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>>;

    /// Returns when the head of `space` may be past `after`, or after `time`, whichever is first; `true` means "may".
    /// Spurious wake-ups are allowed. Never longer than `time`.
    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool>;

    /// Drops a space if its head is `expected`, and leaves a tombstone: `head` is `None`, `list` omits it, reads are
    /// empty, and every later commit answers `HeadMoved` with no head. `None` drops what has no commit yet, so that a
    /// creator that slept loses. Repeated on a dropped space it is `Done`, whatever is expected (J20).
    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit>;

    /// Removes the payload of these records for ever: body, salt, the blob a body lies in, and every snapshot of the
    /// space, which may hold what is erased (J13). From then on they read with [`RecordBody::None`] and a salt of zeros;
    /// version, stream, kind, head, sum and link stay. Versions past the head and unknown or dropped spaces are ignored.
    ///
    /// Repeating it changes nothing. After an error, or when the future was dropped, a part may be done: call it again.
    /// Bytes may stay on the medium until [`scrub`](Self::scrub).
    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()>;

    /// Removes from the medium what was erased, dropped or replaced. `Unsupported` if the engine cannot; it may take as
    /// long as a copy of the store.
    async fn scrub(&self) -> Result<Scrub>;

    /// Ends the handle: every later call answers `Closed` (J16), but for `close` itself: closing again is `Ok`, and may
    /// return before the first one is done. Calls under way finish or answer `Closed`.
    async fn close(&self) -> Result<()>;
}

/// Large bodies, kept beside the records of their space.
#[async_trait]
pub trait Blobs {
    /// Stores bytes under a name never used before and returns it. The record that stores the name makes it permanent;
    /// what no record names may be collected later.
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName>;

    /// The bytes of a blob, or of a range of it (clamped to its end). `NotFound` if there is none; `Corrupt` if the
    /// bytes are damaged and the journal can tell (the core compares the digest anyway).
    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Vec<u8>>;

    /// Deletes the blobs of a space that are not `in_use` and were put at least `older_than` ago, by the time of the
    /// medium; says how many. The core names what every record up to the head uses and asks with 24 hours, and commits
    /// no name whose blob it put more than 12 hours before: what is not named then never will be (J19).
    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64>;
}

/// Object safety is part of the contract.
const _: fn(&dyn Journal) = |_| {};
