//! Heads and records.

use rusqlite::{Connection, OptionalExtension as _, Row, params, types::ValueRef};
use sessile_core::{
    clock::Timestamp,
    error::{Error, Result},
    id::{Space, SpaceKind, Version},
    journal::{BlobName, Card, Direction, Head, Position, ReadRange, Record, RecordBody, Stream},
    record::Hash,
};

use super::schema;

/// What can go wrong with one query: the engine, or what it found.
#[derive(Debug)]
pub(super) enum Failure {
    Engine(rusqlite::Error),
    Found(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Found(error)
    }
}

pub(super) type Found<T> = Result<T, Failure>;

/// A row of `space`, without its card.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpaceRow {
    pub(super) id: i64,
    pub(super) live: i64,
    pub(super) position: Option<Position>,
    pub(super) updated: i64,
}

pub(super) const fn kind(kind: SpaceKind) -> &'static str {
    match kind {
        SpaceKind::Project => "project",
        SpaceKind::Thread => "thread",
    }
}

/// Times in an order that SQLite's signed integers keep.
pub(super) const fn order(time: Timestamp) -> i64 {
    (time.millis() ^ (1 << 63)).cast_signed()
}

pub(super) const fn time(order: i64) -> Timestamp {
    Timestamp::from_millis(order.cast_unsigned() ^ (1 << 63))
}

/// A version as SQLite keeps it; none is above.
pub(super) fn version(version: Version) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

fn damaged(space: &Space, version: Version, reason: impl Into<String>) -> Failure {
    Failure::Found(Error::corrupt(space, version, reason))
}

fn hash(space: &Space, version: Version, value: ValueRef<'_>) -> Found<Hash> {
    let bytes = value.as_blob().ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map(Hash::from_bytes).ok_or_else(|| damaged(space, version, "a hash is damaged"))
}

pub(super) fn find(conn: &Connection, space: &Space) -> Found<Option<SpaceRow>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, live, head, hash, updated FROM space WHERE tenant = ?1 AND kind = ?2 AND name = ?3",
    )?;
    let mut rows = statement.query(params![
        space.tenant().as_str(),
        kind(space.kind()),
        space.characters()
    ])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let live = row.get(1)?;
    let position = if live == schema::LIVE {
        let version = row.get::<_, i64>(2)?.cast_unsigned();
        Some(Position { version, hash: hash(space, version, row.get_ref(3)?)? })
    } else {
        None
    };
    Ok(Some(SpaceRow { id: row.get(0)?, live, position, updated: row.get(4)? }))
}

/// One indexed lookup.
pub(super) fn head(conn: &Connection, space: &Space) -> Found<Option<Head>> {
    let mut statement = conn.prepare_cached(
        "SELECT head, hash, updated, card FROM space \
         WHERE tenant = ?1 AND kind = ?2 AND name = ?3 AND live = 1",
    )?;
    let mut rows = statement.query(params![
        space.tenant().as_str(),
        kind(space.kind()),
        space.characters()
    ])?;
    rows.next()?.map(|row| head_of(space, row, 0)).transpose()
}

/// The head in the columns head, hash, updated, card, from `at` on.
pub(super) fn head_of(space: &Space, row: &Row<'_>, at: usize) -> Found<Head> {
    let version = row.get::<_, i64>(at)?.cast_unsigned();
    let position = Position { version, hash: hash(space, version, row.get_ref(at + 1)?)? };
    let updated_at = time(row.get(at + 2)?);
    let card = match row.get_ref(at + 3)? {
        ValueRef::Null => None,
        text => Some(Card { updated_at, json: self::text(space, version, text)?.into() }),
    };
    Ok(Head { position, card })
}

fn text<'a>(space: &Space, version: Version, value: ValueRef<'a>) -> Found<&'a str> {
    value.as_str().map_err(|_| damaged(space, version, "a text is no UTF-8"))
}

/// Whether the head is past a version, or the space was dropped.
pub(super) fn is_past(conn: &Connection, space: &Space, after: Version) -> Found<bool> {
    let row = find(conn, space)?;
    Ok(row.is_some_and(|row| {
        row.live == schema::DROPPED || row.position.is_some_and(|p| p.version > after)
    }))
}

pub(super) const COLUMNS: &str = "version, stream, kind, head, body, blob, sum, link, salt";

/// The record in [`COLUMNS`].
pub(super) fn record(space: &Space, row: &Row<'_>) -> Found<Record> {
    let version = row.get::<_, i64>(0)?.cast_unsigned();
    let text = |at: usize| -> Found<Option<&str>> {
        match row.get_ref(at)? {
            ValueRef::Null => Ok(None),
            value => text(space, version, value).map(Some),
        }
    };
    let body = match (text(4)?, text(5)?) {
        (Some(body), None) => RecordBody::Inline(body.into()),
        (None, Some(name)) => RecordBody::Blob(BlobName(name.into())),
        (None, None) => RecordBody::None,
        (Some(_), Some(_)) => return Err(damaged(space, version, "it has two bodies")),
    };
    let salt = row.get_ref(8)?.as_blob().ok().and_then(|salt| salt.try_into().ok());
    Ok(Record {
        version,
        stream: Stream(row.get::<_, i64>(1)?.cast_unsigned()),
        kind: text(2)?.unwrap_or_default().into(),
        head: text(3)?.unwrap_or_default().into(),
        sum: row.get::<_, i64>(6)?.cast_unsigned(),
        link: hash(space, version, row.get_ref(7)?)?,
        salt: salt.ok_or_else(|| damaged(space, version, "the salt is damaged"))?,
        body,
    })
}

/// Records of one prefix, in a transaction of its own.
pub(super) fn read(
    conn: &Connection,
    space: &Space,
    range: &ReadRange,
    bytes: usize,
) -> Found<Vec<Record>> {
    let txn = conn.unchecked_transaction()?;
    let records = read_within(&txn, space, range, bytes);
    txn.rollback()?;
    records
}

/// Records of one prefix, as the transaction under way sees it.
pub(super) fn read_within(
    conn: &Connection,
    space: &Space,
    range: &ReadRange,
    bytes: usize,
) -> Found<Vec<Record>> {
    let Some(row) = find(conn, space)? else { return Ok(Vec::new()) };
    let Some(head) = row.position else { return Ok(Vec::new()) };
    let upto = range.upto.min(head.version);
    if range.after >= upto || range.limit == 0 {
        return Ok(Vec::new());
    }
    let reading =
        Reading { space, row: row.id, after: range.after, upto, head: head.version, bytes };
    match range.stream {
        None => reading.all(conn, range.direction, range.limit),
        Some(stream) => reading.stream(conn, stream, range.direction, range.limit),
    }
}

struct Reading<'a> {
    space: &'a Space,
    row: i64,
    after: Version,
    upto: Version,
    head: Version,
    bytes: usize,
}

impl Reading<'_> {
    fn missing(&self, version: Version) -> Failure {
        damaged(self.space, version, "the record is missing")
    }

    /// Every version of the range must be there.
    fn all(&self, conn: &Connection, direction: Direction, limit: usize) -> Found<Vec<Record>> {
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
        let mut taken = Taken::of(self.bytes, limit);
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
    fn stream(
        &self,
        conn: &Connection,
        stream: Stream,
        direction: Direction,
        limit: usize,
    ) -> Found<Vec<Record>> {
        let chain = Chain { reading: self, conn, stream: stream.0.cast_signed() };
        let mut taken = Taken::of(self.bytes, limit);
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
    fn at_or_past(&self, version: Version) -> Found<Version> {
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
    ) -> Found<()> {
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
        mut each: impl FnMut(Record, Version) -> Found<bool>,
    ) -> Found<(u64, bool)> {
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
struct Taken {
    records: Vec<Record>,
    bytes: usize,
    limit: usize,
}

impl Taken {
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

pub(super) fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
