//! Heads and records.

use redb::ReadableTable;
use sessile_core::{
    error::Error,
    id::{Space, Version},
    journal::{Direction, Head, ReadRange, Record, Stream},
};

use super::{
    error::{Failure, Found},
    schema::{self, Row, SpaceKey, StreamKey},
};

pub(super) fn damaged(space: &Space, version: Version, reason: &str) -> Failure {
    Failure::Found(Error::corrupt(space, version, reason))
}

/// The row of a living space.
pub(super) fn row(
    spaces: &impl ReadableTable<SpaceKey, &'static [u8]>,
    space: &Space,
) -> Found<Option<Row>> {
    let Some(value) = spaces.get(schema::space_key(space))? else { return Ok(None) };
    let row = Row::decode(value.value());
    row.map(Some).ok_or_else(|| damaged(space, 0, "the head is damaged"))
}

pub(super) fn head(
    spaces: &impl ReadableTable<SpaceKey, &'static [u8]>,
    space: &Space,
) -> Found<Option<Head>> {
    Ok(row(spaces, space)?.map(|row| row.head))
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
    R: ReadableTable<(u64, u64), &'static [u8]>,
    S: ReadableTable<StreamKey, u64>,
{
    pub(super) fn read(&self, range: &ReadRange) -> Found<Vec<Record>> {
        let range = ReadRange { upto: range.upto.min(self.head), ..*range };
        if range.after >= range.upto || range.limit == 0 {
            return Ok(Vec::new());
        }
        match range.stream {
            None => self.all(&range),
            Some(stream) => self.stream(stream, &range),
        }
    }

    fn missing(&self, version: Version) -> Failure {
        damaged(self.space, version, "the record is missing")
    }

    fn decode(&self, version: Version, value: &[u8]) -> Found<Record> {
        let record = schema::decode_record(version, value);
        record.ok_or_else(|| damaged(self.space, version, "the record is damaged"))
    }

    /// Every version of the range must be there.
    fn all(&self, range: &ReadRange) -> Found<Vec<Record>> {
        let first = range.after.saturating_add(1);
        let mut rows = self.records.range((self.id, first)..=(self.id, range.upto))?;
        let count =
            range.limit.min(usize::try_from(range.upto - range.after).unwrap_or(usize::MAX));
        let mut taken = Taken::new(self.bytes);
        for step in 0..count as u64 {
            let (row, due) = match range.direction {
                Direction::Forward => (rows.next(), first + step),
                Direction::Backward => (rows.next_back(), range.upto - step),
            };
            let (key, value) = row.ok_or_else(|| self.missing(due))??;
            if key.value() != (self.id, due) {
                return Err(self.missing(due));
            }
            if !taken.take(self.decode(due, value.value())?) {
                break;
            }
        }
        Ok(taken.records)
    }

    /// Each record names the one before it in its stream: what it names must be there.
    fn stream(&self, stream: Stream, range: &ReadRange) -> Found<Vec<Record>> {
        let key = |version| (self.id, stream.0, version);
        let mut rows = self.streams.range(key(range.after + 1)..=key(range.upto))?;
        let mut taken = Taken::new(self.bytes);
        // What the first record of the stream after the range names: the newest that must be in it.
        let newest = self.before_next(stream, range.upto)?;
        match range.direction {
            Direction::Forward => {
                let mut seen = None;
                while taken.records.len() < range.limit {
                    let Some(row) = rows.next() else {
                        let newest = newest.unwrap_or(0);
                        return if newest > seen.unwrap_or(range.after) {
                            Err(self.missing(newest))
                        } else {
                            Ok(taken.records)
                        };
                    };
                    let (version, prev) = entry(row?);
                    match seen {
                        None if prev > range.after => return Err(self.missing(prev)),
                        Some(seen) if prev != seen => return Err(self.missing(prev)),
                        _ => seen = Some(version),
                    }
                    if !taken.take(self.of_stream(stream, version)?) {
                        break;
                    }
                }
            }
            Direction::Backward => {
                let mut due = newest;
                while taken.records.len() < range.limit {
                    let Some(row) = rows.next_back() else {
                        return match due.filter(|due| *due > range.after) {
                            Some(due) => Err(self.missing(due)),
                            None => Ok(taken.records),
                        };
                    };
                    let (version, prev) = entry(row?);
                    if let Some(due) = due.filter(|due| *due != version) {
                        return Err(self.missing(due));
                    }
                    due = Some(prev);
                    if !taken.take(self.of_stream(stream, version)?) {
                        break;
                    }
                }
            }
        }
        Ok(taken.records)
    }

    fn of_stream(&self, stream: Stream, version: Version) -> Found<Record> {
        let value = self.records.get((self.id, version))?.ok_or_else(|| self.missing(version))?;
        let record = self.decode(version, value.value())?;
        if record.stream == stream {
            Ok(record)
        } else {
            Err(damaged(self.space, version, "the record is of another stream"))
        }
    }

    fn before_next(&self, stream: Stream, upto: Version) -> Found<Option<Version>> {
        if upto >= self.head {
            return Ok(None);
        }
        let after = (self.id, stream.0, upto + 1)..=(self.id, stream.0, Version::MAX);
        let next = self.streams.range(after)?.next().transpose()?;
        Ok(next.map(|row| entry(row).1))
    }
}

type StreamRow<'a> = (redb::AccessGuard<'a, StreamKey>, redb::AccessGuard<'a, u64>);

fn entry((key, prev): StreamRow<'_>) -> (Version, Version) {
    (key.value().2, prev.value())
}

/// Records up to a number of bytes.
struct Taken {
    records: Vec<Record>,
    left: usize,
}

impl Taken {
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
