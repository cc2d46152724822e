//! The content of objects: lines of JSON with length and checksum, in UTF-8.

use serde::{Deserialize, Serialize};
use sessile_core::{
    hash::Hash,
    id::{ProjectId, Version},
    journal::{Batch, Card, Position, Record},
};

use sessile_driver::lines::{
    frame,
    line::{self, first},
};

const BATCH: &[u8] = b"\"batch\":";
const MANIFEST: &[u8] = b"\"manifest\":";

/// The beginning of a batch's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Heading {
    first: Version,
    last: Version,
    /// The attempt that wrote it: 128 random bits.
    nonce: String,
    /// The link of the last record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<Hash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<ProjectId>,
    /// The space ends here: a tombstone, at the version that would have followed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    dropped: bool,
}

/// One committed batch, or a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) first: Version,
    pub(super) last: Version,
    pub(super) nonce: String,
    pub(super) link: Option<Hash>,
    pub(super) project: Option<ProjectId>,
    pub(super) dropped: bool,
    pub(super) card: Option<Card>,
    pub(super) records: Vec<Record>,
}

impl Logged {
    /// An attempt to commit this batch; `None` if it is empty.
    pub(super) fn of(batch: &Batch) -> Option<Self> {
        Some(Self {
            first: batch.records.first()?.version,
            last: batch.records.last()?.version,
            nonce: format!("{:032x}", rand::random::<u128>()),
            link: batch.records.last().map(|record| record.link),
            project: batch.project,
            dropped: false,
            card: batch.card.clone(),
            records: batch.records.clone(),
        })
    }

    /// An attempt to drop the space, at the version that would follow.
    pub(super) fn tombstone(version: Version) -> Self {
        Self {
            first: version,
            last: version,
            nonce: format!("{:032x}", rand::random::<u128>()),
            link: None,
            project: None,
            dropped: true,
            card: None,
            records: Vec::new(),
        }
    }

    /// The head of the space after it.
    pub(super) fn end(&self) -> Option<Position> {
        self.link.map(|hash| Position { version: self.last, hash })
    }

    /// The first version that should be among the records and is not.
    pub(super) fn missing(&self) -> Option<Version> {
        if self.dropped {
            return None;
        }
        let mut records = self.records.iter();
        (self.first..=self.last)
            .find(|version| records.next().is_none_or(|record| record.version != *version))
    }

    pub(super) fn weight(&self) -> usize {
        256 + self.records.iter().map(Record::weight).sum::<usize>()
    }

    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = frame::start();
        bytes.extend_from_slice(BATCH);
        let heading = Heading {
            first: self.first,
            last: self.last,
            nonce: self.nonce.clone(),
            link: self.link,
            project: self.project,
            dropped: self.dropped,
        };
        serde_json::to_writer(&mut bytes, &heading).ok()?;
        line::write_content(&mut bytes, self.card.as_ref(), &self.records)?;
        frame::finish(bytes)
    }

    /// Every batch of an object; `None` if one is damaged, or something else.
    pub(super) fn decode_all(bytes: &[u8]) -> Option<Vec<Self>> {
        let mut rest = bytes;
        let mut all = Vec::new();
        while !rest.is_empty() {
            let text = frame::line(rest)?;
            let heading: Heading = first(frame::members(text).strip_prefix(BATCH)?)?;
            let (card, records) = line::content(text)?;
            all.push(Self {
                first: heading.first,
                last: heading.last,
                nonce: heading.nonce,
                link: heading.link,
                project: heading.project,
                dropped: heading.dropped,
                card,
                records,
            });
            rest = rest.get(text.len()..)?;
        }
        Some(all)
    }

    /// The one batch of a log object.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut all = Self::decode_all(bytes)?;
        if all.len() == 1 { all.pop() } else { None }
    }
}

/// A segment as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) first: Version,
    pub(super) last: Version,
    pub(super) bytes: u64,
}

/// The segments of a space. The manifest with the greatest number counts; segments it does not name do not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) n: u64,
    /// The attempt that wrote it.
    pub(super) nonce: String,
    /// Log objects that begin at or below this version are in segments, and do not count.
    pub(super) boundary: Version,
    /// The link of the record at the boundary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<Hash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) project: Option<ProjectId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) dropped: bool,
    /// The number of the manifest that the last erasure made, or a drop; 0: there was none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) erasure: u64,
    /// Ascending, without gaps, from version 1 to the boundary.
    pub(super) segments: Vec<Segment>,
    /// The newest card; it stands in the line's content.
    #[serde(skip)]
    pub(super) card: Option<Card>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Manifest {
    pub(super) fn end(&self) -> Option<Position> {
        self.link.map(|hash| Position { version: self.boundary, hash })
    }

    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = frame::start();
        bytes.extend_from_slice(MANIFEST);
        serde_json::to_writer(&mut bytes, self).ok()?;
        line::write_content(&mut bytes, self.card.as_ref(), &[])?;
        frame::finish(bytes)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let text = frame::line(bytes).filter(|text| text.len() == bytes.len())?;
        let manifest: Self = first(frame::members(text).strip_prefix(MANIFEST)?)?;
        let (card, _) = line::content(text)?;
        Some(Self { card, ..manifest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sessile_testkit::journals::{batch, record};

    #[test]
    fn objects_come_back_and_damage_shows() {
        let logged = Logged::of(&batch(vec![record(3, 4, "{}"), record(4, 8, "[1]")])).unwrap();
        let tombstone = Logged::tombstone(5);
        let mut bytes = logged.encode().unwrap();
        assert_eq!(Logged::decode(&bytes), Some(logged.clone()));
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 4;
            assert_eq!(Logged::decode(&bent), None, "byte {at}");
            assert_eq!(Logged::decode(&bytes[..at]), None, "cut at {at}");
        }
        bytes.extend(tombstone.encode().unwrap());
        assert_eq!(Logged::decode_all(&bytes), Some(vec![logged, tombstone]));

        let segment = Segment { name: "x".into(), first: 1, last: 9, bytes: 7 };
        let manifest =
            Manifest { n: 2, boundary: 9, segments: vec![segment], ..Manifest::default() };
        let bytes = manifest.encode().unwrap();
        assert_eq!(Manifest::decode(&bytes), Some(manifest));
        assert_eq!(Manifest::decode(&bytes[1..]), None);
    }
}
