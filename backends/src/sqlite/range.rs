//! Ranges of records: of all streams, which have every version, and of one, which is a chain.

use rusqlite::{Connection, OptionalExtension as _, params};
use sessile_core::{
    id::{Space, Version},
    journal::{Direction, Record, Stream},
};

use super::read::{COLUMNS, EngineResult, SqliteFailure, at_most, damaged, record, version};

/// What is read: records of a space with `after < version <= upto`, within a prefix that ends at `head`.
pub(super) struct Reading<'a> {
    pub(super) space: &'a Space,
    pub(super) row: i64,
    pub(super) after: Version,
    pub(super) upto: Version,
    pub(super) head: Version,
    pub(super) bytes: usize,
}

impl Reading<'_> {
    fn missing(&self, version: Version) -> SqliteFailure {
        damaged(self.space, version, "the record is missing")
    }

    /// Every version of the range must be there.
    pub(super) fn all(
        &self,
        conn: &Connection,
        direction: Direction,
        limit: usize,
    ) -> EngineResult<Vec<Record>> {
        let order = order_by(direction);
        let mut statement = conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM record WHERE space = ?1 AND version > ?2 AND version <= ?3 \
             ORDER BY version {order} LIMIT ?4"
        ))?;
        let mut next = match direction {
            Direction::Forward => self.after + 1,
            Direction::Backward => self.upto,
        };
        let mut rows = statement.query(params![
            self.row,
            version(self.after),
            version(self.upto),
            at_most(limit)
        ])?;
        let mut taken = ReadSoFar::of(self.bytes, limit);
        while let Some(row) = rows.next()? {
            let record = record(self.space, row)?;
            if record.version != next {
                return Err(self.missing(next));
            }
            next = match direction {
                Direction::Forward => next + 1,
                Direction::Backward => next - 1,
            };
            if !taken.take(record) {
                return Ok(taken.records);
            }
        }
        if taken.records.len() < limit && next > self.after && next <= self.upto {
            return Err(self.missing(next));
        }
        Ok(taken.records)
    }

    /// Each record names the one before it in its stream: what it names must be there.
    pub(super) fn stream(
        &self,
        conn: &Connection,
        stream: Stream,
        direction: Direction,
        limit: usize,
    ) -> EngineResult<Vec<Record>> {
        let chain = Chain { reading: self, conn, stream: stream.0.cast_signed() };
        let mut taken = ReadSoFar::of(self.bytes, limit);
        let mut width = (2 * limit as u64).clamp(4, WIDEST);
        match direction {
            Direction::Backward => {
                let from = chain.at_or_past(self.upto)?;
                chain.walk(from, self.after, &mut width, |record| {
                    record.version > self.upto || taken.take(record)
                })?;
            }
            Direction::Forward => {
                let mut seen = self.after;
                let mut is_first = true;
                while seen < self.upto {
                    let upto = self.upto.min(seen.saturating_add(width));
                    let (found, whole) = chain.scan(seen, upto, direction, |record, before| {
                        if before > seen || (before < seen && !is_first) {
                            return Err(self.missing(before));
                        }
                        (seen, is_first) = (record.version, false);
                        Ok(taken.take(record))
                    })?;
                    if !whole {
                        break;
                    }
                    width = (4 * found).clamp(1, WIDEST);
                    if found == 0 {
                        // The rest of a block, from its end: what is missing there is named.
                        let end = chain.at_or_past(seen + 1)?;
                        let mut block = Vec::new();
                        chain.walk(end, seen, &mut width, |record| {
                            block.push(record);
                            true
                        })?;
                        let mut rest = block.into_iter().rev().filter(|r| r.version <= self.upto);
                        if end <= seen || !rest.all(|record| taken.take(record)) {
                            break;
                        }
                        (seen, is_first) = (end, false);
                    }
                }
            }
        }
        Ok(taken.records)
    }
}

/// Versions that are looked at for a stream at once, while most of them are its own.
const WIDEST: u64 = 128;

/// One stream of a space.
struct Chain<'a> {
    reading: &'a Reading<'a>,
    conn: &'a Connection,
    stream: i64,
}

impl Chain<'_> {
    /// A version of the stream that is at least this one, with at most 16 of the stream between them; or else its
    /// newest, or 0 if it has none.
    fn at_or_past(&self, version: Version) -> EngineResult<Version> {
        if version < self.reading.head {
            let mark: Option<i64> = self
                .conn
                .prepare_cached(
                    "SELECT version FROM record WHERE space = ?1 AND stream = ?2 \
                     AND version >= ?3 AND nth % 16 = 0 ORDER BY version LIMIT 1",
                )?
                .query_row([self.reading.row, self.stream, self::version(version)], |r| r.get(0))
                .optional()?;
            if let Some(mark) = mark {
                return Ok(mark.cast_unsigned());
            }
        }
        let newest: Option<i64> = self
            .conn
            .prepare_cached("SELECT version FROM stream WHERE space = ?1 AND stream = ?2")?
            .query_row([self.reading.row, self.stream], |row| row.get(0))
            .optional()?;
        Ok(newest.unwrap_or(0).cast_unsigned())
    }

    /// Goes from a version of the stream down to what is past `after`, until `take` has enough. The width of a look follows
    /// from what the last one found.
    fn walk(
        &self,
        from: Version,
        after: Version,
        width: &mut u64,
        mut take: impl FnMut(Record) -> bool,
    ) -> EngineResult<()> {
        let mut named = from;
        while named > after {
            let floor = after.max(named.saturating_sub(*width));
            let looked = self.scan(floor, named, Direction::Backward, |record, before| {
                if record.version != named || before >= named {
                    return Err(self.reading.missing(named));
                }
                named = before;
                Ok(take(record))
            })?;
            match looked {
                (_, false) => return Ok(()),
                _ if named > floor => return Err(self.reading.missing(named)),
                (found, true) => *width = (4 * found).clamp(1, WIDEST),
            }
        }
        Ok(())
    }

    /// The records of the stream in a range of versions, each with the version that it names as the one before it. How many,
    /// and whether `each` wanted all.
    fn scan(
        &self,
        after: Version,
        upto: Version,
        direction: Direction,
        mut each: impl FnMut(Record, Version) -> EngineResult<bool>,
    ) -> EngineResult<(u64, bool)> {
        let order = order_by(direction);
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS}, prev FROM record \
             WHERE space = ?1 AND version > ?2 AND version <= ?3 AND stream = ?4 ORDER BY version {order}"
        ))?;
        let mut rows =
            statement.query([self.reading.row, version(after), version(upto), self.stream])?;
        let mut found = 0;
        while let Some(row) = rows.next()? {
            found += 1;
            let before = row.get::<_, i64>(9)?.cast_unsigned();
            if !each(record(self.reading.space, row)?, before)? {
                return Ok((found, false));
            }
        }
        Ok((found, true))
    }
}

/// Records of one answer, within its bounds.
struct ReadSoFar {
    records: Vec<Record>,
    bytes: usize,
    limit: usize,
}

impl ReadSoFar {
    fn of(bytes: usize, limit: usize) -> Self {
        Self { records: Vec::with_capacity(limit.min(64)), bytes, limit }
    }

    /// Takes a record if it fits, as the first always does; whether there is room for more.
    fn take(&mut self, record: Record) -> bool {
        if record.weight() > self.bytes && !self.records.is_empty() {
            return false;
        }
        self.bytes = self.bytes.saturating_sub(record.weight());
        self.records.push(record);
        self.records.len() < self.limit
    }
}

const fn order_by(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "ASC",
        Direction::Backward => "DESC",
    }
}
