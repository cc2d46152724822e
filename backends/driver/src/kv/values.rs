//! The encoding of values. A value is decoded with checks, so that a damaged one is an error about its space.

use sessile_core::{
    clock::Timestamp,
    hash::Hash,
    id::{ProjectId, Space, Version},
    journal::{BlobName, Card, Head, Position, Record, RecordBody, Snapshot, Stream},
};

use super::{Value, keys};

/// The format number, in the value of [`keys::STORE`].
pub const FORMAT: u32 = 1;

/// The format and the id of a store.
pub fn encode_store(format: u32, store: u128) -> Value {
    let mut out = format.to_be_bytes().to_vec();
    out.extend(store.to_be_bytes());
    out
}

/// The format, and the id if the value has the length of one.
pub(super) fn decode_store(bytes: &[u8]) -> Option<(u32, Option<u128>)> {
    let mut from = Decoder(bytes);
    let format = u32::from_be_bytes(from.take()?);
    Some((format, <[u8; 16]>::try_from(from.0).ok().map(u128::from_be_bytes)))
}

/// A number of 8 bytes.
pub fn decode_number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// The head of a space, and its place in lists.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) head: Head,
    /// The time of the newest card, 0 before there is one.
    pub(super) updated: u64,
    /// Under which time it stands in the order of updates.
    pub(super) listed: u64,
    pub(super) project: Option<ProjectId>,
}

impl Row {
    pub(super) fn encode(&self, space: &Space, number: u64) -> Value {
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
        sum.copy_from_slice(&sum_of(space, number, rest).to_be_bytes());
        out
    }

    /// `None`: it is damaged, or another space's.
    pub(super) fn decode(space: &Space, number: u64, bytes: &[u8]) -> Option<Self> {
        let mut from = Decoder(bytes);
        let sum = u32::from_be_bytes(from.take()?);
        if sum_of(space, number, from.0) != sum {
            return None;
        }
        let position = Position { version: from.u64()?, hash: Hash::from_bytes(from.take()?) };
        let (updated, listed) = (from.u64()?, from.u64()?);
        let (in_project, project) = (from.u8()?, u128::from_be_bytes(from.take()?));
        let has_card = from.u8()?;
        let json = std::str::from_utf8(from.0).ok()?;
        let updated_at = Timestamp::from_millis(updated);
        let card = (has_card == 1).then(|| Card { updated_at, json: json.into() });
        let project = (in_project == 1).then(|| ProjectId::from_bits(project));
        Some(Self { head: Head { position, card }, updated, listed, project })
    }

    pub(super) const fn version(&self) -> Version {
        self.head.position.version
    }

    /// It does not stand where it belongs in the order of updates.
    pub(super) const fn is_moved(&self) -> bool {
        self.listed != self.updated
    }
}

/// CRC-32 of whose row it is and what it says.
fn sum_of(space: &Space, number: u64, rest: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&keys::living(space));
    sum.update(&number.to_be_bytes());
    sum.update(rest);
    sum.finalize()
}

const NO_BODY: u8 = 0;
const INLINE: u8 = 1;
const IN_BLOB: u8 = 2;

/// A record with the version of the record before it in its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedRecord {
    /// The version of the record before it in its stream, 0 if there is none.
    pub prev: Version,
    /// The record.
    pub record: Record,
}

/// All of a record but its version. Damage in its texts is for the core to find.
pub fn encode_record(record: &Record, prev: Version) -> Value {
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
pub fn decode_record(version: Version, bytes: &[u8]) -> Option<LinkedRecord> {
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
    Some(LinkedRecord { prev, record })
}

/// The stream of a record, without the rest of it.
pub(super) fn stream_of(bytes: &[u8]) -> Option<Stream> {
    let mut from = Decoder(bytes);
    let _tag = from.u8()?;
    from.u64().map(Stream)
}

pub(super) fn encode_snapshot(snapshot: &Snapshot) -> Value {
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
