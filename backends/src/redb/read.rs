//! Heads and records.

use redb::{ReadTransaction, ReadableTable};
use sessile_core::{
    error::Error,
    id::{Space, Version},
    journal::{Direction, ReadRange, Record, Stream},
};

use super::{
    error::{EngineResult, RedbFailure},
    schema::{self, Linked, RecordKey, Row, SpaceKey, StreamKey},
    streams::Index,
};

pub(super) fn damaged(space: &Space, version: Version, reason: &str) -> RedbFailure {
    RedbFailure::Stated(Error::corrupt(space, version, reason))
}

/// The number of a living space.
pub(super) fn number(
    spaces: &impl ReadableTable<SpaceKey, u64>,
    space: &Space,
) -> EngineResult<Option<u64>> {
    Ok(spaces.get(schema::space_key(space))?.map(|number| number.value()))
}

/// The row of the living space with this number.
pub(super) fn row(
    records: &impl ReadableTable<RecordKey, &'static [u8]>,
    space: &Space,
    id: u64,
) -> EngineResult<Row> {
    let value = records.get((id, schema::HEAD))?;
    let row = value.and_then(|value| Row::decode(space, id, value.value()));
    row.ok_or_else(|| damaged(space, 0, "the head is damaged"))
}

/// The row of a space, if it lives.
pub(super) fn find(txn: &ReadTransaction, space: &Space) -> EngineResult<Option<Row>> {
    match number(&txn.open_table(schema::SPACE)?, space)? {
        Some(id) => row(&txn.open_table(schema::RECORD)?, space, id).map(Some),
        None => Ok(None),
    }
}

/// The records and streams of one space, as one transaction sees them.
pub(super) struct Reading<'a, R, S> {
    pub(super) space: &'a Space,
    pub(super) id: u64,
    pub(super) head: Version,
    pub(super) records: &'a R,
    pub(super) streams: &'a S,
    /// What all records together may weigh, if they are more than one.
    pub(super) bytes: usize,
}

impl<R, S> Reading<'_, R, S>
where
    R: ReadableTable<RecordKey, &'static [u8]>,
    S: ReadableTable<StreamKey, u64>,
{
    pub(super) fn read(&self, range: &ReadRange) -> EngineResult<Vec<Record>> {
        let range = ReadRange { upto: range.upto.min(self.head), ..*range };
        if range.after >= range.upto || range.limit == 0 {
            return Ok(Vec::new());
        }
        match range.stream {
            None => self.all(&range),
            Some(stream) => self.stream(stream, &range),
        }
    }

    fn missing(&self, version: Version) -> RedbFailure {
        damaged(self.space, version, "the record is missing")
    }

    fn decode(&self, version: Version, value: &[u8]) -> EngineResult<Linked> {
        let record = schema::decode_record(version, value);
        record.ok_or_else(|| damaged(self.space, version, "the record is damaged"))
    }

    /// Every version of the range must be there.
    fn all(&self, range: &ReadRange) -> EngineResult<Vec<Record>> {
        let first = range.after.saturating_add(1);
        let mut rows = self.records.range((self.id, first)..=(self.id, range.upto))?;
        let count =
            range.limit.min(usize::try_from(range.upto - range.after).unwrap_or(usize::MAX));
        let mut taken = ReadSoFar::new(self.bytes);
        for step in 0..count as u64 {
            let (row, due) = match range.direction {
                Direction::Forward => (rows.next(), first + step),
                Direction::Backward => (rows.next_back(), range.upto - step),
            };
            let (key, value) = row.ok_or_else(|| self.missing(due))??;
            if key.value() != (self.id, due) {
                return Err(self.missing(due));
            }
            if !taken.take(self.decode(due, value.value())?.record) {
                break;
            }
        }
        Ok(taken.records)
    }

    /// Each record names the one before it in its stream: what it names must be there.
    fn stream(&self, stream: Stream, range: &ReadRange) -> EngineResult<Vec<Record>> {
        let index =
            Index { space: self.space, id: self.id, head: self.head, records: self.records };
        let mut taken = ReadSoFar::new(self.bytes);
        // What the first record of the stream after the range names: the newest that must be in it.
        let newest = match index.after(self.streams, stream, range.upto)? {
            Some(next) => Some(self.of_stream(stream, next)?.prev),
            None => None,
        };
        let mut versions = index.versions(self.streams, stream, range)?;
        let mut due = match range.direction {
            Direction::Forward => None,
            Direction::Backward => newest,
        };
        while taken.records.len() < range.limit {
            let Some(version) = versions.next().transpose()? else {
                let due = match range.direction {
                    Direction::Forward => newest.filter(|newest| *newest > due.unwrap_or(0)),
                    Direction::Backward => due,
                };
                return match due.filter(|due| *due > range.after) {
                    Some(due) => Err(self.missing(due)),
                    None => Ok(taken.records),
                };
            };
            let Linked { prev, record } = self.of_stream(stream, version)?;
            match range.direction {
                Direction::Forward => {
                    let is_next = due.map_or(prev <= range.after, |seen| prev == seen);
                    if !is_next {
                        return Err(self.missing(prev));
                    }
                    due = Some(version);
                }
                Direction::Backward => {
                    if let Some(due) = due.filter(|due| *due != version) {
                        return Err(self.missing(due));
                    }
                    due = Some(prev);
                }
            }
            if !taken.take(record) {
                break;
            }
        }
        Ok(taken.records)
    }

    fn of_stream(&self, stream: Stream, version: Version) -> EngineResult<Linked> {
        let value = self.records.get((self.id, version))?.ok_or_else(|| self.missing(version))?;
        let linked = self.decode(version, value.value())?;
        if linked.record.stream == stream {
            Ok(linked)
        } else {
            Err(damaged(self.space, version, "the record is of another stream"))
        }
    }
}

/// Records up to a number of bytes.
struct ReadSoFar {
    records: Vec<Record>,
    left: usize,
}

impl ReadSoFar {
    const fn new(bytes: usize) -> Self {
        Self { records: Vec::new(), left: bytes }
    }

    /// `false`: the bytes are spent, and this record was not taken.
    fn take(&mut self, record: Record) -> bool {
        match self.left.checked_sub(record.weight()) {
            Some(left) => self.left = left,
            None if self.records.is_empty() => self.left = 0,
            None => return false,
        }
        self.records.push(record);
        true
    }
}
