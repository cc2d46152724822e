//! Which records belong to a stream.
//!
//! An index with a row for each record would make a commit write a page more for each space in it. So a row of
//! [`STREAM`](schema::STREAM) says it for a full span of 64 versions, and is written with the last of them; what came
//! after the last full span, less than 64 records, is looked at.

use redb::{ReadableTable, StorageError};
use sessile_core::{
    id::{Space, Version},
    journal::{Direction, ReadRange, Record, Stream},
};

use super::{
    error::{EngineResult, RedbFailure},
    read::damaged,
    schema::{self, RecordKey, StreamKey, Tables},
};

/// Versions of a span; a bit of a row each.
const SPAN: Version = 64;

/// The span of a version, which is 1 or more.
const fn span(version: Version) -> u64 {
    version.saturating_sub(1) / SPAN
}

const fn bit(version: Version) -> u64 {
    1 << (version.saturating_sub(1) % SPAN)
}

/// The streams of the records of one space.
pub(super) struct Index<'a, R> {
    pub(super) space: &'a Space,
    pub(super) id: u64,
    pub(super) head: Version,
    pub(super) records: &'a R,
}

impl<R: ReadableTable<RecordKey, &'static [u8]>> Index<'_, R> {
    /// The first version after the last full span.
    const fn open(&self) -> Version {
        self.head / SPAN * SPAN + 1
    }

    fn missing(&self, version: Version) -> RedbFailure {
        damaged(self.space, version, "the record is missing")
    }

    fn stream_of(&self, version: Version, value: &[u8]) -> EngineResult<Stream> {
        let stream = schema::stream_of(value);
        stream.ok_or_else(|| damaged(self.space, version, "the record is damaged"))
    }

    /// What a row would say for each stream of the span that is not full.
    fn tail(&self) -> EngineResult<Vec<(Stream, u64)>> {
        let (mut streams, mut due) = (Vec::new(), self.open());
        if due <= self.head {
            for row in self.records.range((self.id, due)..=(self.id, self.head))? {
                let (key, value) = row?;
                if key.value().1 != due {
                    return Err(self.missing(due));
                }
                add(&mut streams, self.stream_of(due, value.value())?, due);
                due += 1;
            }
        }
        if due > self.head { Ok(streams) } else { Err(self.missing(due)) }
    }

    /// The newest version of a stream, 0 if there is none.
    pub(super) fn newest(
        &self,
        streams: &impl ReadableTable<StreamKey, u64>,
        stream: Stream,
    ) -> EngineResult<Version> {
        let open = self.open();
        if open <= self.head {
            for row in self.records.range((self.id, open)..=(self.id, self.head))?.rev() {
                let (key, value) = row?;
                let version = key.value().1;
                if self.stream_of(version, value.value())? == stream {
                    return Ok(version);
                }
            }
        }
        let rows = (self.id, stream.0, 0)..=(self.id, stream.0, u64::MAX);
        let newest = streams.range(rows)?.next_back().transpose()?;
        let (span, bits) = newest.map_or((0, 0), |(key, bits)| (key.value().2, bits.value()));
        Ok(span * SPAN + SPAN - Version::from(bits.leading_zeros()))
    }

    /// The first version of a stream after this one.
    pub(super) fn after(
        &self,
        streams: &impl ReadableTable<StreamKey, u64>,
        stream: Stream,
        version: Version,
    ) -> EngineResult<Option<Version>> {
        if version >= self.head {
            return Ok(None);
        }
        let direction = Direction::Forward;
        let range =
            ReadRange { stream: None, after: version, upto: self.head, direction, limit: 1 };
        self.versions(streams, stream, &range)?.next().transpose()
    }

    /// The versions of a stream in a range that ends at the head or before, in the range's direction.
    pub(super) fn versions(
        &self,
        streams: &impl ReadableTable<StreamKey, u64>,
        stream: Stream,
        range: &ReadRange,
    ) -> EngineResult<impl Iterator<Item = EngineResult<Version>>> {
        let (first, last, direction) = (range.after + 1, range.upto, range.direction);
        let full = self.head / SPAN;
        let spans = if span(first) < full {
            let to = span(last).min(full - 1);
            let rows = (self.id, stream.0, span(first))..=(self.id, stream.0, to);
            Some(streams.range(rows)?)
        } else {
            None
        };
        let said = |row: Result<(redb::AccessGuard<'_, StreamKey>, _), StorageError>| {
            let (key, bits): (_, redb::AccessGuard<'_, u64>) = row?;
            Ok((key.value().2, bits.value()))
        };
        let (forward, backward) = match direction {
            Direction::Forward => (spans, None),
            Direction::Backward => (None, spans),
        };
        let forward = forward.into_iter().flatten().map(said);
        let backward = backward.into_iter().flat_map(Iterator::rev).map(said);
        let tail = (last >= self.open()).then_some(()).into_iter().map(move |()| {
            let tail = self.tail()?;
            let bits = tail.iter().find(|(of, _)| *of == stream).map_or(0, |(_, bits)| *bits);
            Ok((full, bits))
        });
        let spans = forward.chain(tail).chain(backward);
        Ok(spans.flat_map(move |said: EngineResult<(u64, u64)>| match said {
            Ok((span, bits)) => of_span(span, bits, (first, last), direction),
            Err(failure) => vec![Err(failure)],
        }))
    }
}

/// The versions of a span that are in the range.
fn of_span(
    span: u64,
    bits: u64,
    (first, last): (Version, Version),
    direction: Direction,
) -> Vec<EngineResult<Version>> {
    let versions = (span * SPAN + 1..=span * SPAN + SPAN)
        .filter(|version| (first..=last).contains(version) && bits & bit(*version) != 0)
        .map(Ok);
    match direction {
        Direction::Forward => versions.collect(),
        Direction::Backward => versions.rev().collect(),
    }
}

fn add(streams: &mut Vec<(Stream, u64)>, stream: Stream, version: Version) {
    match streams.iter_mut().find(|(of, _)| *of == stream) {
        Some((_, bits)) => *bits |= bit(version),
        None => streams.push((stream, bit(version))),
    }
}

/// Writes the rows of the spans that a batch fills; before it the space ended at `head`.
pub(super) fn fill(
    tables: &mut Tables<'_>,
    space: &Space,
    id: u64,
    head: Version,
    batch: &[Record],
) -> EngineResult<()> {
    let end = batch.last().map_or(head, |record| record.version);
    if head / SPAN == end / SPAN {
        return Ok(());
    }
    let mut streams = Index { space, id, head, records: tables.record()? }.tail()?;
    for Record { version, stream, .. } in batch {
        add(&mut streams, *stream, *version);
        if *version % SPAN == 0 {
            let table = tables.stream()?;
            for (stream, bits) in streams.drain(..) {
                table.insert((id, stream.0, span(*version)), bits)?;
            }
        }
    }
    Ok(())
}
