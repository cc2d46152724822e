//! What passes between the core and a journal.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    error::Source,
    hash::Hash,
    id::{ProjectId, Space, SpaceKind, TenantId, Version},
};

/// What a journal survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Durability {
    /// Nothing: it ends with the process.
    None,
    /// The death of the process, at any instruction.
    ProcessKill,
    /// Loss of power, on a medium that flushes when told to.
    PowerLoss,
}

/// Who may have a journal open at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sharing {
    /// The tasks of one process, over one handle.
    OneProcess,
    /// Any processes of one host.
    ManyProcesses,
    /// Any processes of any host.
    ManyHosts,
}

/// Bounds a journal states; what is above is refused with `Capacity`, untouched. Sizes are of encoded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Records in one batch.
    pub batch_records: usize,
    /// Bytes of headers and inline bodies in one batch.
    pub batch_bytes: usize,
    /// Bytes of one card.
    pub card_bytes: usize,
    /// Bytes of one blob.
    pub blob_bytes: u64,
}

impl Limits {
    /// What the core needs at least: 1,024 records, 8 MiB inline, 2 KiB of card, blobs for an entry of 32 MiB
    /// before encoding (JSON escapes may make a byte six).
    pub const STANDARD: Self = Self {
        batch_records: 1024,
        batch_bytes: 8 << 20,
        card_bytes: 2 << 10,
        blob_bytes: 256 << 20,
    };
}

/// What a journal says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JournalInfo {
    /// The backend's name: `memory`, `sqlite`.
    pub backend: &'static str,
    /// 128 random bits made when the store was created.
    pub store: u128,
    /// What it survives.
    pub durability: Durability,
    /// Who may share it.
    pub sharing: Sharing,
    /// Its bounds.
    pub limits: Limits,
    /// The format number of the store.
    pub format: u32,
}

impl JournalInfo {
    /// Describes a journal with [`Limits::STANDARD`].
    pub const fn new(
        backend: &'static str,
        store: u128,
        durability: Durability,
        sharing: Sharing,
        format: u32,
    ) -> Self {
        Self { backend, store, durability, sharing, limits: Limits::STANDARD, format }
    }
}

/// A point in a journal: a version and the hash of the chain up to it. Two journals that agree on both agree on
/// everything before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The version.
    pub version: Version,
    /// The last record's link.
    pub hash: Hash,
}

/// What a list shows of a space, replaced by each commit that brings one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The order of [`ListOrder::Updated`].
    pub updated_at: Timestamp,
    /// Opaque JSON of the core, at most [`Limits::card_bytes`].
    pub json: String,
}

/// The newest state of a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Where the journal ends.
    pub position: Position,
    /// The newest card, if a commit brought one.
    pub card: Option<Card>,
}

/// Which records of a space belong together: 4 x (the session's version, 0 for the thread itself) + lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stream(pub u64);

/// The body of a record as a journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordBody {
    /// No body: it was erased. (The core gives every record a body.)
    None,
    /// JSON text, in the record itself.
    Inline(Arc<str>),
    /// The body is this blob.
    Blob(BlobName),
}

/// One record. Opaque to the journal but for `version`, `stream` and `kind`; all of it comes back equal (J8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the journal.
    pub version: Version,
    /// Its stream.
    pub stream: Stream,
    /// The name of its kind, for people and their tools: `entry`, `session_created`.
    pub kind: Arc<str>,
    /// JSON of ids, numbers and digests; never user text.
    pub header: Arc<str>,
    /// Two CRC-32: of link and header in the upper half, of salt and body (its text, or its blob's name) in the
    /// lower. It stays when the body is erased.
    pub sum: u64,
    /// The chain: BLAKE3 over the link before and this header.
    pub link: Hash,
    /// Goes into the digest of the body; erased with it.
    pub salt: [u8; 16],
    /// Body.
    pub body: RecordBody,
}

impl Record {
    /// Bytes that count towards [`Limits::batch_bytes`].
    pub fn weight(&self) -> usize {
        self.header.len() + if let RecordBody::Inline(body) = &self.body { body.len() } else { 0 }
    }
}

/// What one commit appends.
#[derive(Clone, Debug)]
pub struct Batch {
    /// At least one record; versions follow the expected head.
    pub records: Vec<Record>,
    /// Replaces the space's card.
    pub card: Option<Card>,
    /// The project a thread's space belongs to: in its first batch, so that lists can filter by it.
    pub project: Option<ProjectId>,
    /// How long the journal may wait for other writers.
    pub patience: Duration,
}

impl Batch {
    /// Where the journal ends after this batch.
    pub fn end(&self) -> Option<Position> {
        self.records.last().map(|r| Position { version: r.version, hash: r.link })
    }

    /// Bytes that count towards [`Limits::batch_bytes`].
    pub fn weight(&self) -> usize {
        self.records.iter().map(Record::weight).sum()
    }
}

/// A held place in line: while it lives, at most 20 ms, the next commit to its space goes first. Dropping it gives the
/// place up.
pub struct WriteReservation(
    #[allow(dead_code, reason = "held for its Drop")] Box<dyn Any + Send + Sync>,
);

impl WriteReservation {
    /// Wraps the journal's own guard; its `Drop` ends the turn.
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for WriteReservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turn")
    }
}

/// The answers to a conditional write that are not errors. (An `Err` means: not applied.)
#[derive(Debug)]
#[must_use]
pub enum Commit {
    /// Durable. The new head's position (for a drop: the position that was dropped, or none).
    Done,
    /// Not applied: the head is past `expected`, or the space was dropped (`head` is `None`).
    HeadMoved {
        /// Where the journal is now.
        head: Option<Head>,
        /// The records after `expected`, if they are few and cheap to give; else empty, and the core reads them.
        since: Vec<Record>,
        /// A place in line for the next try, where the engine has one.
        reservation: Option<WriteReservation>,
    },
    /// Not applied: the head is before `expected`, or has its version with another hash. The journal was replaced by
    /// another history, such as a restored backup.
    Diverged {
        /// Where the journal is now.
        head: Option<Head>,
    },
    /// Unknown: it may have landed, or may still land.
    Indeterminate {
        /// What the engine said.
        source: Option<Source>,
    },
}

/// What is left on the medium of what was erased, dropped or replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum Scrub {
    /// Nothing, in any file or object that the journal can reach.
    Done,
    /// Maybe something: try again later.
    Pending {
        /// What stands in the way.
        why: String,
    },
}

/// Forward or backward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Ascending versions.
    #[default]
    Forward,
    /// Descending versions.
    Backward,
}

/// Which records [`Journal::read`](super::Journal::read) returns: those with `after < version <= upto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRange {
    /// Only this stream.
    pub stream: Option<Stream>,
    /// Exclusive lower bound.
    pub after: Version,
    /// Inclusive upper bound.
    pub upto: Version,
    /// From which end.
    pub direction: Direction,
    /// At most this many; 0 returns none.
    pub limit: usize,
}

/// A cached state: opaque bytes at a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The state after the record at this position.
    pub position: Position,
    /// The core's encoding.
    pub bytes: Vec<u8>,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListOrder {
    /// Ascending id bits; a page goes on after the last row's `bits`.
    #[default]
    Id,
    /// Newest `updated_at` first, then descending id bits; a page goes on after both of the last row.
    Updated,
}

/// Which spaces [`Journal::list`](super::Journal::list) returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Only this tenant's.
    pub tenant: TenantId,
    /// Projects or threads.
    pub kind: SpaceKind,
    /// Only threads of this project.
    pub project: Option<ProjectId>,
    /// The order.
    pub order: ListOrder,
    /// The last row of the page before: its card's `updated_at` (0 if it has no card) and its id bits.
    pub after: Option<(Timestamp, u128)>,
    /// At most this many.
    pub limit: usize,
}

/// One space of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRow {
    /// Which one.
    pub space: Space,
    /// Its newest state.
    pub head: Head,
}

/// The name a journal gave to a blob: 1 to 64 characters of `[a-z0-9-]`, unique for ever within its space.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlobName(pub Arc<str>);
