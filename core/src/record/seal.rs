//! From a decision to the record a journal keeps, and back.

use serde::{Deserialize, Serialize};

use super::{
    Body, Event, RunEndBody,
    body::{digest, level_of_body},
    decode, encode,
    sum::sum,
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    hash::{Hash, hex128},
    id::{Space, Version},
    journal::{Position, Record, RecordBody, Stream},
    model::{ContextLimit, OnExceeding, RunOutcome, RunStatus, TokenCount},
};

/// The newest reader level this release understands. A record has the lowest level that reads it right, so that an older
/// release goes on reading what it understands: 2 has external ids of runs, keys that are texts, and expired leases; 3 has
/// binaries, signatures and all else of parts that is more than a text, keyed state, external ids of projects, threads and
/// sessions, and the names of models and providers; 4 has edits, annotations,
/// compressions, forks, limits of contexts and trimmed feeds; 5 has workspaces; 6 has notes, markers, summaries, collapses,
/// handoffs, merging back, budgets, archived sessions, and runs that wait for sub-sessions, or end because of one or of a sweep.
pub const READER_LEVEL: u16 = 6;

/// An idempotency key as records keep it: no text of the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyMark {
    /// First 128 bits of BLAKE3 over the name of the producer, or over the text of a key without number.
    #[serde(with = "hex128", rename = "p")]
    pub name: u128,
    /// The number of a rising key; a key that is a text has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// First 128 bits of BLAKE3 over the batch's first salt and the command: tells the same command from another.
    #[serde(with = "hex128", rename = "h")]
    pub command: u128,
}

/// The header of a record, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordHeader {
    /// Its version: a record that was moved gives itself away.
    #[serde(rename = "v")]
    pub version: Version,
    /// Its stream.
    #[serde(rename = "s")]
    pub stream: Stream,
    /// The reader level it needs.
    #[serde(rename = "r")]
    pub reader: u16,
    /// When, by the writer's clock.
    pub at: Timestamp,
    /// The time of the record before it, where the writer's clock is behind that: times never go back in a journal, so
    /// that a time is found by search.
    #[serde(default, rename = "t", skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Unique for its batch: tells one's own write from another's.
    #[serde(with = "hex128", rename = "n")]
    pub nonce: u128,
    /// Its place in the batch, from 0.
    #[serde(rename = "i")]
    pub index: u16,
    /// How many the batch has.
    #[serde(rename = "of")]
    pub of: u16,
    /// Digest of salt and body.
    #[serde(rename = "d")]
    pub digest: Hash,
    /// The key of the command, on the first of its records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyMark>,
    /// How many records the command wrote, on the first of them, where it is not one; without the measure of a context that
    /// follows them.
    #[serde(default, rename = "k", skip_serializing_if = "Option::is_none")]
    pub count: Option<u16>,
    /// The lease token the writer held: its write renews the lease.
    #[serde(default, rename = "l", skip_serializing_if = "Option::is_none")]
    pub lease: Option<Version>,
    /// What happened.
    #[serde(rename = "is")]
    pub event: Event,
}

impl RecordHeader {
    /// When: by the writer's clock, but never before an earlier record of the journal.
    pub fn time(&self) -> Timestamp {
        self.not_before.unwrap_or(self.at)
    }
}

/// A body with its salt and digest; made once, however often the record around it is decided again.
#[derive(Clone, Debug)]
pub(crate) struct SealedBody {
    pub(crate) body: RecordBody,
    pub(crate) salt: [u8; 16],
    pub(crate) digest: Hash,
    /// The reader level it needs.
    pub(crate) reader: u16,
    /// Of an entry: how long its message is.
    pub(crate) tokens: Option<TokenCount>,
}

impl SealedBody {
    /// Whether the body lies in a blob, and the fold goes without it.
    pub(crate) const fn is_blob(&self) -> bool {
        matches!(self.body, RecordBody::Blob(_))
    }

    /// Bytes of text it adds to a batch.
    pub(crate) fn weight(&self) -> usize {
        if let RecordBody::Inline(text) = &self.body { text.len() } else { 0 }
    }
}

/// Seals a body that stays in the record.
pub(crate) fn seal_body(salt: u128, text: &str) -> SealedBody {
    let salt = salt.to_be_bytes();
    SealedBody {
        body: RecordBody::Inline(text.into()),
        digest: digest(&salt, text.as_bytes()),
        salt,
        reader: 1,
        tokens: None,
    }
}

/// A record that was decided and has no nonce, salt or hash yet.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) stream: Stream,
    pub(crate) event: Event,
    /// As the fold takes it.
    pub(crate) body: Body,
    /// Sealed before the decision, for entries.
    pub(crate) sealed: Option<SealedBody>,
    /// Goes into the digest, where the body is not sealed yet.
    pub(crate) salt: u128,
    pub(crate) key: Option<KeyMark>,
    /// Records of the command, on its first.
    pub(crate) count: Option<u16>,
    pub(crate) lease: Option<Version>,
    pub(crate) at: Timestamp,
    pub(crate) not_before: Option<Timestamp>,
}

/// The lowest level that reads this record right.
fn reader_level(draft: &Draft) -> u16 {
    let header = match (&draft.event, &draft.key) {
        (Event::RunStatusSet { status: RunStatus::AwaitingSubsession, .. }, _) => 6,
        (
            Event::Note { .. }
            | Event::Marker { .. }
            | Event::SummarySealed { .. }
            | Event::CollapseProposed { .. }
            | Event::CollapseRejected { .. }
            | Event::Collapsed { .. }
            | Event::HandoffLocked { .. }
            | Event::HandoffReleased { .. }
            | Event::HandedOff { .. }
            | Event::BroadcastSent { .. }
            | Event::BroadcastEnded { .. }
            | Event::MergeStepped { .. }
            | Event::SessionContinued { .. }
            | Event::BudgetUsedUp { .. }
            | Event::SliceDrawn { .. }
            | Event::SliceSettled { .. }
            | Event::SlicesBegun { .. }
            | Event::SlicesEnded { .. }
            | Event::SliceCredited { .. }
            | Event::SliceReturned { .. }
            | Event::ThreadCreated { budget: Some(_), .. }
            | Event::ThreadUpdated { budget: Some(_) }
            | Event::SessionCreated { budget: Some(_), .. }
            | Event::SessionUpdated { budget: Some(_), .. }
            | Event::ArchiveReserved { .. }
            | Event::ArchiveAbandoned { .. }
            | Event::SessionArchived { .. }
            | Event::EntriesEvicted { .. }
            | Event::EntriesReturned { .. }
            | Event::SessionRestored { .. }
            | Event::EdgeCreated { broadcast: Some(_), .. }
            | Event::EdgeCreated { share_of: Some(_), .. }
            | Event::ContextLimitSet {
                limit: Some(ContextLimit { on_exceeding: OnExceeding::Refuse, .. }),
                ..
            }
            | Event::EdgeCreated { answers: Some(_), .. }
            | Event::EdgeUpdated { answers: Some(_), .. },
            _,
        ) => 6,
        (
            Event::WorkspaceReserved { .. }
            | Event::WorkspaceReady { .. }
            | Event::WorkspaceChanged { .. }
            | Event::WorkspaceSaved { .. }
            | Event::WorkspaceLeaked { .. }
            | Event::WorkspaceDisposed { .. },
            _,
        ) => 5,
        (
            Event::SessionCreated { base: Some(_), .. }
            | Event::ForkMerged { .. }
            | Event::ContextLimitSet { .. }
            | Event::ContextMeasured { .. }
            | Event::FeedTrimmed { .. },
            _,
        ) => 4,
        (Event::StateSet { .. } | Event::ExternalIdBound { .. }, _) => 3,
        _ if draft.body.external_id().is_some() => 3,
        (_, Some(KeyMark { n: None, .. }))
        | (Event::RunStarted { external_id: Some(_), .. } | Event::LeasesExpired { .. }, _) => 2,
        _ => 1,
    };
    let header = header.max(level_of_body(&draft.body));
    draft.sealed.as_ref().map_or(header, |sealed| sealed.reader.max(header))
}

impl Draft {
    /// Bytes of text it adds to a batch, about, where that may be many.
    pub(crate) fn weight(&self) -> usize {
        match (&self.sealed, &self.body) {
            (Some(sealed), _) => sealed.weight(),
            // A character is at most six of JSON.
            (None, Body::RunEnd(RunEndBody { outcome: RunOutcome::Failed { reason }, .. })) => {
                6 * reason.len()
            }
            (None, Body::State(body)) => body.weight(),
            (None, _) => 0,
        }
    }
}

/// Makes the records of one batch, to follow `after`.
pub(crate) fn seal(
    after: Option<Position>,
    nonce: u128,
    drafts: Vec<Draft>,
) -> Result<Vec<Record>> {
    let start = after.map_or(0, |p| p.version) + 1;
    let mut link = after.map_or(Hash::ZERO, |p| p.hash);
    let of = u16::try_from(drafts.len()).map_err(|_| {
        let count = drafts.len();
        Error::invalid("command", format!("{count} records, where at most 65535 fit"))
    })?;
    let encoding = |e: serde_json::Error| Error::invalid("record", e.to_string());
    let mut records = Vec::with_capacity(drafts.len());
    for (index, draft) in (0_u16..).zip(drafts) {
        let version = start + u64::from(index);
        let reader = reader_level(&draft);
        let sealed = match draft.sealed {
            Some(sealed) => sealed,
            None => seal_body(draft.salt, &draft.body.encode().map_err(encoding)?),
        };
        let head = RecordHeader {
            version,
            stream: draft.stream,
            reader,
            at: draft.at,
            not_before: draft.not_before,
            nonce,
            index,
            of,
            digest: sealed.digest,
            key: draft.key,
            count: draft.count,
            lease: draft.lease,
            event: draft.event,
        };
        let kind = head.event.name();
        let head = encode::header(&head).map_err(encoding)?;
        link = chain(&link, &head);
        records.push(Record {
            version,
            stream: draft.stream,
            kind: kind.into(),
            sum: sum(&link, &head, &sealed.salt, &sealed.body),
            header: head.into(),
            link,
            salt: sealed.salt,
            body: sealed.body,
        });
    }
    Ok(records)
}

fn chain(before: &Hash, head: &str) -> Hash {
    Hash::of(&[before.bytes(), head.as_bytes()])
}

impl Record {
    /// Whether this record is what follows `before` in the chain.
    pub(crate) fn follows(&self, before: Option<Position>) -> bool {
        let (version, link) = before.map_or((0, Hash::ZERO), |p| (p.version, p.hash));
        self.version == version + 1 && self.link == chain(&link, &self.header)
    }
}

/// A record that was checked and whose header was read; its body waits as text.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) header: RecordHeader,
    pub(crate) body: RecordBody,
    pub(crate) salt: [u8; 16],
}

/// Checks a record against its sum and its header against its place, and reads the header. A header of a newer release is `NewerFormat`; anything else
/// that cannot be read is `Corrupt`, never skipped.
pub(crate) fn open(space: &Space, record: &Record) -> Result<Opened> {
    #[derive(Deserialize)]
    struct Level {
        r: u16,
    }
    let corrupt = |reason: String| Error::corrupt(space, record.version, reason);
    if let Some(damage) = record.damage() {
        return Err(corrupt(damage.into()));
    }
    let header = match decode::header(&record.header) {
        Some(header) => Ok(header),
        None => serde_json::from_str::<RecordHeader>(&record.header),
    };
    let level = match &header {
        Ok(header) => header.reader,
        Err(_) => {
            serde_json::from_str::<Level>(&record.header).map_err(|e| corrupt(e.to_string()))?.r
        }
    };
    if level > READER_LEVEL {
        return Err(Error::NewerFormat {
            what: format!("record {} of {space}", record.version),
            needs: u64::from(level),
            has: u64::from(READER_LEVEL),
        });
    }
    let header = header.map_err(|e| corrupt(e.to_string()))?;
    if header.version != record.version
        || header.stream != record.stream
        || header.event.name() != &*record.kind
    {
        return Err(corrupt("the header names another place, stream or kind".into()));
    }
    Ok(Opened { header, body: record.body.clone(), salt: record.salt })
}

/// Checks the bytes of a body against the digest in its header: a load, `verify`, and what comes out of a blob.
pub(crate) fn check_body(space: &Space, opened: &Opened, bytes: &[u8]) -> Result<()> {
    if digest(&opened.salt, bytes) == opened.header.digest {
        Ok(())
    } else {
        Err(Error::corrupt(space, opened.header.version, "the body does not match its digest"))
    }
}

impl Opened {
    /// The body as the fold takes it, checked against its digest first: nothing is built on what was not.
    pub(crate) fn fold_body(&self, space: &Space) -> Result<Body> {
        if let RecordBody::Inline(text) = &self.body {
            check_body(space, self, text.as_bytes())?;
        }
        self.read_body(space)
    }

    /// The body as the fold takes it; a blob is never needed.
    pub(crate) fn read_body(&self, space: &Space) -> Result<Body> {
        match &self.body {
            RecordBody::Inline(text) => Body::decode(&self.header.event, text)
                .map_err(|e| Error::corrupt(space, self.header.version, e.to_string())),
            RecordBody::Blob(_) => Ok(Body::Erased),
            // Only what may be erased may be missing; whether it was is known at the end of the fold.
            RecordBody::None if self.header.event.is_erasable() => Ok(Body::Erased),
            RecordBody::None => {
                Err(Error::corrupt(space, self.header.version, "the body is missing"))
            }
        }
    }
}
