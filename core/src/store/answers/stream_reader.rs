//! Reading one stream of a thread, or the parts of a fork's log, bounded by a head.

use std::collections::VecDeque;

use crate::{
    command::Cursor,
    error::Result,
    id::{Space, Version},
    journal::{Direction, ReadRange, Stream},
    record::{Lane, Opened, open},
    rules::thread::Base,
    store::inner::StoreInner,
};

/// Records a filtered page reads, at most.
const PAGE_RECORDS: usize = 4096;

/// Reads one stream piece by piece, from a cursor, within the head the first page was read at.
pub(in crate::store) struct StreamReader {
    range: ReadRange,
    /// The parts of a fork's log after the one that is read, in the order of reading: each a stream, and what of it there
    /// is, after and up to.
    parts: VecDeque<(Stream, Version, Version)>,
    records_read: usize,
}

impl StreamReader {
    /// From a cursor: `cursor.a` is the head of the first page, `cursor.b` the last version seen.
    pub(super) fn new(
        stream: Stream,
        direction: Direction,
        head: Version,
        cursor: Option<Cursor>,
    ) -> Self {
        let upto = cursor.map_or(head, |c| u64::try_from(c.a).unwrap_or(head).min(head));
        let mut range = ReadRange { stream: Some(stream), after: 0, upto, direction, limit: 0 };
        if let Some(seen) = cursor.map(|c| c.b) {
            match direction {
                Direction::Forward => range.after = seen,
                Direction::Backward => range.upto = upto.min(seen.saturating_sub(1)),
            }
        }
        Self { range, parts: VecDeque::new(), records_read: 0 }
    }

    /// A session's log, part by part: what a fork shares comes before its own.
    pub(in crate::store) fn of_log(
        parts: &[Base],
        direction: Direction,
        (head, after): (Version, Version),
        cursor: Option<Cursor>,
    ) -> Self {
        let mut reader = Self::new(Stream(0), direction, head, cursor);
        let (after, upto) = (reader.range.after.max(after), reader.range.upto);
        // What a session has of its own came after it.
        let bounded = parts
            .iter()
            .map(|part| (Lane::Log.of(part.session), after.max(part.session), part.upto.min(upto)));
        reader.parts = bounded.filter(|(_, after, upto)| after < upto).collect();
        if direction == Direction::Backward {
            reader.parts.make_contiguous().reverse();
        }
        reader.range.upto = 0;
        reader
    }

    /// All records of a journal, of every stream.
    pub(super) const fn of_records(
        direction: Direction,
        (upto, after): (Version, Version),
    ) -> Self {
        let range = ReadRange { stream: None, after, upto, direction, limit: 0 };
        Self { range, parts: VecDeque::new(), records_read: 0 }
    }

    /// Goes on with the next part, if there is one.
    fn next_part(&mut self) -> bool {
        let Some((stream, after, upto)) = self.parts.pop_front() else { return false };
        self.range = ReadRange { stream: Some(stream), after, upto, ..self.range };
        true
    }

    /// The next records, opened; an empty answer is the end.
    pub(in crate::store) async fn next(
        &mut self,
        store: &StoreInner,
        space: &Space,
        limit: usize,
    ) -> Result<Vec<Opened>> {
        self.range.limit = limit;
        loop {
            let records = if self.range.after < self.range.upto {
                store.journal().read(space, &self.range).await?
            } else {
                Vec::new()
            };
            let Some(last) = records.last() else {
                if self.next_part() {
                    continue;
                }
                return Ok(Vec::new());
            };
            match self.range.direction {
                Direction::Forward => self.range.after = last.version,
                Direction::Backward => self.range.upto = last.version - 1,
            }
            self.records_read += records.len();
            return records.iter().map(|record| open(space, record)).collect();
        }
    }

    /// Whether as many records were read as one page may.
    pub(super) const fn is_over_budget(&self) -> bool {
        self.records_read >= PAGE_RECORDS
    }
}
