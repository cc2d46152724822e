//! Tables: fixed-width keys in the order they are read, values in a small encoding of our own.
//!
//! A value is decoded with checks, so that a damaged one is an error about its space. Numbers are big-endian.

use redb::{Table, TableDefinition, WriteTransaction};
use sessile_core::{
    hash::Hash,
    id::{ProjectId, Space, SpaceKind, Version},
    journal::{BlobName, Card, Head, Position, Record, RecordBody, Snapshot, Stream},
};

/// The format number, kept in [`META`].
pub(super) const FORMAT: u32 = 1;

/// Tenant, kind, bits.
pub(super) type SpaceKey = (&'static [u8], u8, u128);
/// Tenant, scope, project or 0, bits.
pub(super) type ProjectKey = (&'static [u8], u8, u128, u128);
/// Tenant, scope, project or 0, updated, bits.
pub(super) type UpdatedKey = (&'static [u8], u8, u128, u64, u128);
/// Number of the space, version; [`HEAD`] in the place of a version: a [`Row`].
pub(super) type RecordKey = (u64, u64);
/// Number of the space, stream, number of the span.
pub(super) type StreamKey = (u64, u64, u64);
/// Number of the space, name.
pub(super) type BlobKey = (u64, &'static [u8]);

/// `format`, `store`, and `next`, the number of the next space.
pub(super) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
/// Spaces with a commit: their number.
pub(super) const SPACE: TableDefinition<'static, SpaceKey, u64> = TableDefinition::new("space");
/// Spaces without one: [`DROPPED`], or their number.
pub(super) const OTHER: TableDefinition<'static, SpaceKey, u64> = TableDefinition::new("other");
/// Spaces of a project by id.
pub(super) const PROJECT: TableDefinition<'static, ProjectKey, ()> =
    TableDefinition::new("project");
/// Spaces by the time of their card, in each scope they belong to.
pub(super) const UPDATED: TableDefinition<'static, UpdatedKey, ()> =
    TableDefinition::new("updated");
/// Spaces whose row in [`UPDATED`] is not where it belongs.
pub(super) const MOVED: TableDefinition<'static, SpaceKey, ()> = TableDefinition::new("moved");
/// Records, and after the last of a space its head: both are in the page that a commit writes anyway.
pub(super) const RECORD: TableDefinition<'static, RecordKey, &[u8]> =
    TableDefinition::new("record");
/// Which versions of a full span are the stream's, a bit each: see [`streams`](super::streams).
pub(super) const STREAM: TableDefinition<'static, StreamKey, u64> = TableDefinition::new("stream");
/// Number of the space: a snapshot.
pub(super) const SNAPSHOT: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("snapshot");
/// Content.
pub(super) const BLOB: TableDefinition<'static, BlobKey, &[u8]> = TableDefinition::new("blob");
/// When a blob was put, in milliseconds since 1970: apart from it, so that looking for old ones reads no content.
pub(super) const PUT: TableDefinition<'static, BlobKey, u64> = TableDefinition::new("put");

/// In the place of a version in [`RECORD`].
pub(super) const HEAD: Version = Version::MAX;

/// In [`OTHER`]: a tombstone. Numbers of spaces begin at 1.
pub(super) const DROPPED: u64 = 0;

/// Runs a piece of code for each table.
macro_rules! each_table {
    ($do:ident) => {
        $do!(META, SPACE, OTHER, PROJECT, UPDATED, MOVED, RECORD, STREAM, SNAPSHOT, BLOB, PUT)
    };
}
pub(super) use each_table;

/// Opens a table when it is first needed: a commit pays for each table it opens.
macro_rules! tables {
    ($($name:ident: $table:ident, $key:ty, $value:ty;)*) => {
        /// The tables of one write transaction.
        pub(super) struct Tables<'t> {
            txn: &'t WriteTransaction,
            $($name: Option<Table<'t, $key, $value>>,)*
        }

        impl<'t> Tables<'t> {
            pub(super) const fn new(txn: &'t WriteTransaction) -> Self {
                Self { txn, $($name: None,)* }
            }

            $(pub(super) fn $name(&mut self) -> Result<&mut Table<'t, $key, $value>, redb::TableError> {
                match &mut self.$name {
                    Some(table) => Ok(table),
                    empty => Ok(empty.insert(self.txn.open_table($table)?)),
                }
            })*
        }
    };
}

tables! {
    meta: META, &'static str, &'static [u8];
    space: SPACE, SpaceKey, u64;
    other: OTHER, SpaceKey, u64;
    project: PROJECT, ProjectKey, ();
    updated: UPDATED, UpdatedKey, ();
    moved: MOVED, SpaceKey, ();
    record: RECORD, RecordKey, &'static [u8];
    stream: STREAM, StreamKey, u64;
    snapshot: SNAPSHOT, u64, &'static [u8];
    blob: BLOB, BlobKey, &'static [u8];
    put: PUT, BlobKey, u64;
}

impl<'t> Tables<'t> {
    /// Records and streams, to read.
    pub(super) fn both(&mut self) -> Result<Both<'_, 't>, redb::TableError> {
        self.record()?;
        self.stream()?;
        match (&self.record, &self.stream) {
            (Some(records), Some(streams)) => Ok((records, streams)),
            _ => Err(redb::StorageError::DatabaseClosed.into()),
        }
    }
}

/// See [`Tables::both`].
type Both<'a, 't> = (&'a Table<'t, RecordKey, &'static [u8]>, &'a Table<'t, StreamKey, u64>);

pub(super) const fn kind(kind: SpaceKind) -> u8 {
    match kind {
        SpaceKind::Project => 0,
        SpaceKind::Thread => 1,
        // 2 and 3 are the scopes of a project's projects and threads.
        SpaceKind::Tenant => 4,
    }
}

pub(super) fn space_key(space: &Space) -> (&[u8], u8, u128) {
    (space.tenant().as_str().as_bytes(), kind(space.kind()), space.bits())
}

/// What one list goes over: a tenant's spaces of a kind, or those of them that belong to a project.
pub(super) fn scope(of: SpaceKind, project: Option<ProjectId>) -> (u8, u128) {
    match project {
        None => (kind(of), 0),
        Some(project) => (2 + kind(of), project.bits()),
    }
}

/// What stands at [`HEAD`].
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The space's number: it is in the key.
    pub(super) id: u64,
    pub(super) head: Head,
    /// The time of the newest card, 0 before there is one.
    pub(super) updated: u64,
    /// The time of its row in [`UPDATED`].
    pub(super) listed: u64,
    pub(super) project: Option<ProjectId>,
}

impl Row {
    pub(super) fn encode(&self, space: &Space) -> Vec<u8> {
        let Head { position, card } = &self.head;
        let json = card.as_ref().map_or("", |card| &*card.json);
        let mut out = Vec::with_capacity(80 + json.len());
        out.extend([0; 4]);
        out.extend(position.version.to_be_bytes());
        out.extend(position.hash.bytes());
        out.extend(self.updated.to_be_bytes());
        out.extend(self.listed.to_be_bytes());
        out.push(u8::from(self.project.is_some()));
        out.extend(self.project.map_or(0, |project| project.bits()).to_be_bytes());
        out.push(u8::from(card.is_some()));
        out.extend(json.bytes());
        let (sum, rest) = out.split_at_mut(4);
        sum.copy_from_slice(&row_sum(space, self.id, rest).to_be_bytes());
        out
    }

    /// `None`: it is damaged, or another space's.
    pub(super) fn decode(space: &Space, id: u64, bytes: &[u8]) -> Option<Self> {
        let mut from = Decoder(bytes);
        let sum = u32::from_be_bytes(from.take()?);
        if row_sum(space, id, from.0) != sum {
            return None;
        }
        let position = Position { version: from.u64()?, hash: Hash::from_bytes(from.take()?) };
        let (updated, listed) = (from.u64()?, from.u64()?);
        let (in_project, project) = (from.u8()?, u128::from_be_bytes(from.take()?));
        let has_card = from.u8()?;
        let json = std::str::from_utf8(from.0).ok()?;
        let updated_at = sessile_core::clock::Timestamp::from_millis(updated);
        let card = (has_card == 1).then(|| Card { updated_at, json: json.into() });
        let project = (in_project == 1).then(|| ProjectId::from_bits(project));
        Some(Self { id, head: Head { position, card }, updated, listed, project })
    }
}

/// CRC-32 of whose row it is and what it says.
fn row_sum(space: &Space, id: u64, rest: &[u8]) -> u32 {
    let (tenant, kind, bits) = space_key(space);
    let mut sum = crc32fast::Hasher::new();
    sum.update(tenant);
    sum.update(&[kind]);
    sum.update(&bits.to_be_bytes());
    sum.update(&id.to_be_bytes());
    sum.update(rest);
    sum.finalize()
}

const NO_BODY: u8 = 0;
const INLINE: u8 = 1;
const IN_BLOB: u8 = 2;

/// A record with the version of the record before it in its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Linked {
    pub(super) prev: Version,
    pub(super) record: Record,
}

/// A value of [`RECORD`]: all of it but the version. What is damaged in its texts, the core finds.
pub(super) fn encode_record(record: &Record, prev: Version) -> Vec<u8> {
    let (tag, body) = match &record.body {
        RecordBody::None => (NO_BODY, ""),
        RecordBody::Inline(body) => (INLINE, &**body),
        RecordBody::Blob(name) => (IN_BLOB, &*name.0),
    };
    let mut out = Vec::with_capacity(89 + record.kind.len() + record.header.len() + body.len());
    out.push(tag);
    out.extend(record.stream.0.to_be_bytes());
    out.extend(prev.to_be_bytes());
    out.extend(record.sum.to_be_bytes());
    out.extend(record.link.bytes());
    out.extend(record.salt);
    for text in [&record.kind, &record.header] {
        out.extend((text.len() as u64).to_be_bytes());
        out.extend(text.bytes());
    }
    out.extend(body.bytes());
    out
}

/// `None`: it is damaged.
pub(super) fn decode_record(version: Version, bytes: &[u8]) -> Option<Linked> {
    let mut from = Decoder(bytes);
    let tag = from.u8()?;
    let (stream, prev, sum) = (Stream(from.u64()?), from.u64()?, from.u64()?);
    let (link, salt) = (Hash::from_bytes(from.take()?), from.take()?);
    let (kind, header) = (from.text()?.into(), from.text()?.into());
    let rest = std::str::from_utf8(from.0).ok()?;
    let body = match tag {
        NO_BODY if rest.is_empty() => RecordBody::None,
        INLINE => RecordBody::Inline(rest.into()),
        IN_BLOB => RecordBody::Blob(BlobName(rest.into())),
        _ => return None,
    };
    let record = Record { version, stream, kind, header, sum, link, salt, body };
    Some(Linked { prev, record })
}

/// The stream of a record, without the rest of it.
pub(super) fn stream_of(bytes: &[u8]) -> Option<Stream> {
    let mut from = Decoder(bytes);
    let _tag = from.u8()?;
    from.u64().map(Stream)
}

/// A value of [`SNAPSHOT`].
pub(super) fn encode_snapshot(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::with_capacity(40 + snapshot.bytes.len());
    out.extend(snapshot.position.version.to_be_bytes());
    out.extend(snapshot.position.hash.bytes());
    out.extend(&snapshot.bytes);
    out
}

/// What does not look like a snapshot is none: it is a cache.
pub(super) fn decode_snapshot(bytes: &[u8]) -> Option<Snapshot> {
    let mut from = Decoder(bytes);
    let position = Position { version: from.u64()?, hash: Hash::from_bytes(from.take()?) };
    Some(Snapshot { position, bytes: from.0.to_vec() })
}

/// What is left to decode.
struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.u64()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}
