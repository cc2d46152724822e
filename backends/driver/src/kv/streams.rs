//! Which records belong to a stream.
//!
//! An index with a row for each record would make a commit write in one place more for each space. So a row says it for a full
//! span of 64 versions, and is written with the last of them; what came after the last full span, less than 64 records, is
//! looked at, or remembered from the last commit.

use sessile_core::{
    error::Result,
    id::{Space, Version},
    journal::{Direction, ReadRange, Stream},
};

use super::{
    GuardedBatch, Key, KvJournal, Value, keys,
    space::{Live, damaged},
    values,
};

/// Versions of a span; a bit of a row each.
const SPAN: Version = 64;

/// What a row would say for each stream of the span that is not full.
pub(super) type OpenSpan = Vec<(Stream, u64)>;

/// The records of the span that is not full, as they were scanned.
pub(super) type Tail = Vec<(Key, Value)>;

/// The span of a version, which is 1 or more.
const fn span(version: Version) -> u64 {
    version.saturating_sub(1) / SPAN
}

const fn bit(version: Version) -> u64 {
    1 << (version.saturating_sub(1) % SPAN)
}

const fn newest_of(span: u64, bits: u64) -> Version {
    span * SPAN + SPAN - bits.leading_zeros() as Version
}

/// The versions of a span that are in the range.
fn versions_of(span: u64, bits: u64, range: &ReadRange) -> impl Iterator<Item = Version> {
    let within = move |at: Version| match range.direction {
        Direction::Forward => span * SPAN + 1 + at,
        Direction::Backward => span * SPAN + SPAN - at,
    };
    let (after, upto) = (range.after, range.upto);
    (0..SPAN)
        .map(within)
        .filter(move |version| *version > after && *version <= upto && bits & bit(*version) != 0)
}

/// Adds a version to the open span. What it fills is written by `batch`, and the newest of each stream moves to `older`.
pub(super) fn add(
    open: &mut OpenSpan,
    older: &mut Vec<(Stream, Version)>,
    (number, stream, version): (u64, Stream, Version),
    batch: &mut GuardedBatch,
) {
    match open.iter_mut().find(|(of, _)| *of == stream) {
        Some((_, bits)) => *bits |= bit(version),
        None => open.push((stream, bit(version))),
    }
    if version.is_multiple_of(SPAN) {
        let span = span(version);
        for (stream, bits) in open.drain(..) {
            let row = keys::span(number, stream, span);
            batch.put.push((row, Some(bits.to_be_bytes().to_vec())));
            older.retain(|(of, _)| *of != stream);
            older.push((stream, newest_of(span, bits)));
        }
    }
}

/// The newest version of a stream, as far as it is remembered.
pub(super) fn newest_known(
    open: &OpenSpan,
    older: &[(Stream, Version)],
    head: Version,
    stream: Stream,
) -> Option<Version> {
    let open = open.iter().find(|(of, _)| *of == stream);
    let open = open.map(|(_, bits)| newest_of(head / SPAN, *bits));
    open.or_else(|| older.iter().find(|(of, _)| *of == stream).map(|(_, newest)| *newest))
}

impl KvJournal {
    /// The span of a space that is not full, and its records.
    pub(super) async fn open_span(&self, space: &Space, live: &Live) -> Result<(OpenSpan, Tail)> {
        let (head, mut due) = (live.row.version(), live.row.version() / SPAN * SPAN + 1);
        let mut open = OpenSpan::new();
        if due > head {
            return Ok((open, Tail::new()));
        }
        let range = keys::records(live.number, due, head);
        let rows = self.kv.scan(range, Direction::Forward, SPAN as usize, usize::MAX).await?;
        for (key, value) in &rows {
            if keys::version(key) != Some(due) {
                break;
            }
            let stream = values::stream_of(value);
            let stream = stream.ok_or_else(|| damaged(space, due, "the record is damaged"))?;
            match open.iter_mut().find(|(of, _)| *of == stream) {
                Some((_, bits)) => *bits |= bit(due),
                None => open.push((stream, bit(due))),
            }
            due += 1;
        }
        if due > head {
            Ok((open, rows))
        } else {
            Err(damaged(space, due, "the record is missing"))
        }
    }

    /// The newest version of a stream in the full spans, 0 if there is none.
    pub(super) async fn newest_in_full(
        &self,
        space: &Space,
        number: u64,
        stream: Stream,
    ) -> Result<Version> {
        let rows = keys::spans(number, stream, 0, u64::MAX);
        let rows = self.kv.scan(rows, Direction::Backward, 1, usize::MAX).await?;
        let newest = rows.first().map(|row| decode(space, row)).transpose()?;
        Ok(newest.map_or(0, |(span, bits)| newest_of(span, bits)))
    }

    /// Versions of a stream in a range that ends at the head or before, in the range's direction: `range.limit` of them, or
    /// a few more; fewer only if there are no more.
    pub(super) async fn versions(
        &self,
        space: &Space,
        live: &Live,
        open: &OpenSpan,
        (stream, range): (Stream, &ReadRange),
    ) -> Result<Vec<Version>> {
        let full = live.row.version() / SPAN;
        let bits = open.iter().find(|(of, _)| *of == stream).map_or(0, |(_, bits)| *bits);
        let in_open: Vec<Version> = versions_of(full, bits, range).collect();
        let (mut first, mut last) =
            (span(range.after + 1), span(range.upto).min(full.saturating_sub(1)));
        let mut found = Vec::new();
        if range.direction == Direction::Backward {
            found.clone_from(&in_open);
        }
        while found.len() < range.limit && first <= last && full > 0 {
            // Of the first and the last span maybe no version is in the range.
            let most = range.limit - found.len() + 2;
            let rows = keys::spans(live.number, stream, first, last);
            let rows = self.kv.scan(rows, range.direction, most, usize::MAX).await?;
            for row in &rows {
                let (span, bits) = decode(space, row)?;
                found.extend(versions_of(span, bits, range));
                match range.direction {
                    Direction::Forward => first = span + 1,
                    Direction::Backward if span == 0 => return Ok(found),
                    Direction::Backward => last = span - 1,
                }
            }
            if rows.len() < most {
                break;
            }
        }
        if range.direction == Direction::Forward {
            found.extend(in_open);
        }
        Ok(found)
    }
}

fn decode(space: &Space, (key, value): &(Key, Value)) -> Result<(u64, u64)> {
    let row = keys::version(key).zip(values::decode_number(value));
    row.ok_or_else(|| damaged(space, 0, "the index of its streams is damaged"))
}
