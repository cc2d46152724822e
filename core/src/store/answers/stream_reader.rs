//! Reading one stream of a thread, bounded by a head.

use crate::{
    clock::Timestamp,
    command::Cursor,
    error::Result,
    id::{Space, Version},
    journal::{Direction, ReadRange, Stream},
    record::{Opened, open},
    store::inner::StoreInner,
};

/// Records a filtered page reads, at most.
const PAGE_RECORDS: usize = 4096;

/// Reads one stream piece by piece, from a cursor, within the head the first page was read at.
pub(super) struct StreamReader {
    range: ReadRange,
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
        Self { range, records_read: 0 }
    }

    /// Only what is after this version.
    pub(super) fn after(mut self, version: Version) -> Self {
        self.range.after = self.range.after.max(version);
        self
    }

    /// Moves forward to the first record at this time or later: a binary search, as times never go back in a journal. All
    /// records of the stream are after `after` and up to `upto`.
    pub(super) async fn skip_before(
        &mut self,
        store: &StoreInner,
        space: &Space,
        since: Timestamp,
        after: Version,
        upto: Version,
    ) -> Result<()> {
        let mut upto = upto.min(self.range.upto);
        self.range.after = self.range.after.max(after);
        // What is up to `after` is before that time, what is after `upto` is not.
        while self.range.after < upto {
            let middle = self.range.after + (upto - self.range.after) / 2;
            let range = ReadRange { after: middle, upto, limit: 1, ..self.range };
            let records = store.journal().read(space, &range).await?;
            match records.first().map(|record| open(space, record)).transpose()? {
                Some(opened) if opened.header.time() < since => {
                    self.range.after = opened.header.version;
                }
                _ => upto = middle,
            }
        }
        Ok(())
    }

    /// The next records, opened; an empty answer is the end.
    pub(super) async fn next(
        &mut self,
        store: &StoreInner,
        space: &Space,
        limit: usize,
    ) -> Result<Vec<Opened>> {
        self.range.limit = limit;
        if self.range.after >= self.range.upto {
            return Ok(Vec::new());
        }
        let records = store.journal().read(space, &self.range).await?;
        if let Some(last) = records.last() {
            match self.range.direction {
                Direction::Forward => self.range.after = last.version,
                Direction::Backward => self.range.upto = last.version - 1,
            }
        }
        self.records_read += records.len();
        records.iter().map(|record| open(space, record)).collect()
    }

    /// Whether as many records were read as one page may.
    pub(super) const fn is_over_budget(&self) -> bool {
        self.records_read >= PAGE_RECORDS
    }
}
