//! The frames of the log: what they hold, and how they are written and read.

use serde::{Deserialize, Serialize};
use sessile_core::{
    hash::Hash,
    id::{ProjectId, Space, SpaceKind, Version},
    journal::{BlobName, Position, Record, RecordBody, Stream},
};

use super::Mistake;

#[derive(Serialize, Deserialize)]
pub(super) struct Frame {
    pub(super) tenant: String,
    pub(super) kind: SpaceKind,
    pub(super) bits: String,
    pub(super) expected: Option<Position>,
    pub(super) event: Event,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Event {
    Commit { records: Vec<LoggedRecord>, card: Option<(u64, String)>, project: Option<ProjectId> },
    Drop,
    Erase { versions: Vec<Version> },
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct LoggedRecord {
    pub(super) version: Version,
    stream: Stream,
    kind: String,
    head: String,
    sum: u64,
    pub(super) link: Hash,
    salt: [u8; 16],
    inline: Option<String>,
    blob: Option<BlobName>,
}

impl From<&Record> for LoggedRecord {
    fn from(record: &Record) -> Self {
        let (inline, blob) = match &record.body {
            RecordBody::None => (None, None),
            RecordBody::Inline(text) => (Some(text.to_string()), None),
            RecordBody::Blob(name) => (None, Some(name.clone())),
        };
        Self {
            version: record.version,
            stream: record.stream,
            kind: record.kind.to_string(),
            head: record.header.to_string(),
            sum: record.sum,
            link: record.link,
            salt: record.salt,
            inline,
            blob,
        }
    }
}

impl From<LoggedRecord> for Record {
    fn from(row: LoggedRecord) -> Self {
        let body = match (row.inline, row.blob) {
            (Some(text), _) => RecordBody::Inline(text.into()),
            (None, Some(name)) => RecordBody::Blob(name),
            (None, None) => RecordBody::None,
        };
        Self {
            version: row.version,
            stream: row.stream,
            kind: row.kind.into(),
            header: row.head.into(),
            sum: row.sum,
            link: row.link,
            salt: row.salt,
            body,
        }
    }
}

/// Bytes before a frame: its length and its checksum.
pub(super) const HEADER: usize = 16;

pub(super) fn encode(frame: &Frame) -> Vec<u8> {
    let text = serde_json::to_vec(frame).unwrap();
    let mut bytes = Vec::with_capacity(HEADER + text.len());
    bytes.extend((text.len() as u64).to_be_bytes());
    bytes.extend(Hash::of(&[&text]).prefix_64().to_be_bytes());
    bytes.extend(text);
    bytes
}

/// The next frame's text, if it is whole.
pub(super) fn next(bytes: &[u8], mistake: Mistake) -> Option<&[u8]> {
    let number = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let len = usize::try_from(number(0)?).ok()?;
    let sum = number(8)?;
    let text = bytes.get(HEADER..HEADER.checked_add(len)?)?;
    let whole = len > 0 && Hash::of(&[text]).prefix_64() == sum;
    (whole || mistake == Mistake::TrustsTail).then_some(text)
}

pub(super) fn frame_of(space: &Space, expected: Option<Position>, event: Event) -> Frame {
    let (tenant, bits) = (space.tenant().to_string(), space.bits().to_string());
    Frame { tenant, kind: space.kind(), bits, expected, event }
}
