//! Heads and records.

use rusqlite::{Connection, Row, params, types::ValueRef};
use sessile_core::{
    clock::Timestamp,
    error::{Error, Result},
    hash::Hash,
    id::{Space, SpaceKind, Version},
    journal::{BlobName, Card, Head, Position, ReadRange, Record, RecordBody, Stream},
};

use super::{range::Reading, schema};

/// Why a query failed.
#[derive(Debug)]
pub(super) enum SqliteFailure {
    /// The engine fails.
    Engine(rusqlite::Error),
    /// The journal states an error of its own, such as damage.
    Stated(Error),
}

impl From<rusqlite::Error> for SqliteFailure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<Error> for SqliteFailure {
    fn from(error: Error) -> Self {
        Self::Stated(error)
    }
}

/// The result of a query.
pub(super) type EngineResult<T> = Result<T, SqliteFailure>;

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
        SpaceKind::Tenant => "tenant",
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

pub(super) fn damaged(space: &Space, version: Version, reason: impl Into<String>) -> SqliteFailure {
    SqliteFailure::Stated(Error::corrupt(space, version, reason))
}

fn hash(space: &Space, version: Version, value: ValueRef<'_>) -> EngineResult<Hash> {
    let bytes = value.as_blob().ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map(Hash::from_bytes).ok_or_else(|| damaged(space, version, "a hash is damaged"))
}

pub(super) fn find(conn: &Connection, space: &Space) -> EngineResult<Option<SpaceRow>> {
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
pub(super) fn head(conn: &Connection, space: &Space) -> EngineResult<Option<Head>> {
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
pub(super) fn head_of(space: &Space, row: &Row<'_>, at: usize) -> EngineResult<Head> {
    let version = row.get::<_, i64>(at)?.cast_unsigned();
    let position = Position { version, hash: hash(space, version, row.get_ref(at + 1)?)? };
    let updated_at = time(row.get(at + 2)?);
    let card = match row.get_ref(at + 3)? {
        ValueRef::Null => None,
        text => Some(Card { updated_at, json: self::text(space, version, text)?.into() }),
    };
    Ok(Head { position, card })
}

fn text<'a>(space: &Space, version: Version, value: ValueRef<'a>) -> EngineResult<&'a str> {
    value.as_str().map_err(|_| damaged(space, version, "a text is no UTF-8"))
}

/// Whether the head is past a version, or the space was dropped.
pub(super) fn is_past(conn: &Connection, space: &Space, after: Version) -> EngineResult<bool> {
    let row = find(conn, space)?;
    Ok(row.is_some_and(|row| {
        row.live == schema::DROPPED || row.position.is_some_and(|p| p.version > after)
    }))
}

pub(super) const COLUMNS: &str = "version, stream, kind, head, body, blob, sum, link, salt";

/// The record in [`COLUMNS`].
pub(super) fn record(space: &Space, row: &Row<'_>) -> EngineResult<Record> {
    let version = row.get::<_, i64>(0)?.cast_unsigned();
    let text = |at: usize| -> EngineResult<Option<&str>> {
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
        header: text(3)?.unwrap_or_default().into(),
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
) -> EngineResult<Vec<Record>> {
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
) -> EngineResult<Vec<Record>> {
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

pub(super) fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
