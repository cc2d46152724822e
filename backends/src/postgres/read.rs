//! Rows: heads, records, lists.

use sessile_core::{
    clock::Timestamp,
    error::{Error, Result},
    hash::Hash,
    id::{ProjectId, Space, SpaceKind, Version},
    journal::{
        BlobName, Card, Direction, Head, ListOrder, ListQuery, ListRow, Position, ReadRange,
        Record, RecordBody, Snapshot, Stream,
    },
};
use tokio_postgres::{Row, types::FromSql};

use super::server::Server;

/// What the row of a space says.
#[derive(Debug)]
pub(super) enum Found {
    /// No commit.
    Nothing,
    Live(Head),
    Dropped,
}

/// What names a space: also the order in which rows are locked.
pub(super) fn key(space: &Space) -> (&str, &'static str, String) {
    let kind = match space.kind() {
        SpaceKind::Project => "project",
        SpaceKind::Thread => "thread",
        SpaceKind::Tenant => "tenant",
    };
    (space.tenant().as_str(), kind, space.characters())
}

/// A version as the server keeps it; none is above.
pub(super) fn version(version: Version) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

pub(super) fn expected(expected: Option<Position>) -> i64 {
    expected.map_or(0, |position| version(position.version))
}

/// Times in the order of signed integers.
pub(super) const fn order(time: Timestamp) -> i64 {
    (time.millis() ^ (1 << 63)).cast_signed()
}

fn damaged(space: &Space, version: Version, reason: &str) -> Error {
    Error::corrupt(space, version, reason)
}

/// A column of a row; the server checks types, so what does not fit is no damage of one record.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T> {
    row.try_get(at).map_err(|e| Error::unavailable("PostgreSQL answers something else", e))
}

fn text<'a>(space: &Space, version: Version, bytes: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|_| damaged(space, version, "a text is no UTF-8"))
}

fn exactly<const N: usize>(space: &Space, version: Version, bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| damaged(space, version, "a hash or salt is damaged"))
}

/// The columns live, head, hash, updated, card, from `at` on; all are NULL where there is no row.
pub(super) fn found(space: &Space, row: &Row, at: usize) -> Result<Found> {
    match column::<Option<i16>>(row, at)? {
        Some(1) => Ok(Found::Live(head(space, row, at + 1)?)),
        Some(2) => Ok(Found::Dropped),
        _ => Ok(Found::Nothing),
    }
}

fn head(space: &Space, row: &Row, at: usize) -> Result<Head> {
    let version = column::<i64>(row, at)?.cast_unsigned();
    let hash = column::<Option<&[u8]>>(row, at + 1)?.unwrap_or_default();
    let hash = Hash::from_bytes(exactly(space, version, hash)?);
    let updated_at =
        Timestamp::from_millis(column::<i64>(row, at + 2)?.cast_unsigned() ^ (1 << 63));
    let card = match column::<Option<&[u8]>>(row, at + 3)? {
        Some(json) => Some(Card { updated_at, json: text(space, version, json)?.into() }),
        None => None,
    };
    Ok(Head { position: Position { version, hash }, card })
}

pub(super) async fn space(server: &Server, space: &Space) -> Result<Found> {
    let (tenant, kind, name) = key(space);
    let sql = "SELECT live, head, hash, updated, card FROM space WHERE tenant = $1 AND kind = $2 AND name = $3";
    let rows = server.query(sql, &[&tenant, &kind, &name]).await?;
    rows.first().map_or(Ok(Found::Nothing), |row| found(space, row, 0))
}

pub(super) async fn snapshot(server: &Server, space: &Space) -> Result<Option<Snapshot>> {
    let (tenant, kind, name) = key(space);
    let sql = "SELECT k.version, k.hash, k.bytes FROM snapshot k JOIN space s ON s.id = k.space \
         WHERE s.tenant = $1 AND s.kind = $2 AND s.name = $3";
    let rows = server.query(sql, &[&tenant, &kind, &name]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let version = column::<i64>(row, 0)?.cast_unsigned();
    // A cache: what is damaged is absent.
    let Ok(hash) = exactly(space, version, column(row, 1)?) else { return Ok(None) };
    let position = Position { version, hash: Hash::from_bytes(hash) };
    Ok(Some(Snapshot { position, bytes: column(row, 2)? }))
}

/// Records of one prefix: one statement sees one.
pub(super) async fn records(
    server: &Server,
    space: &Space,
    range: &ReadRange,
    bytes: usize,
) -> Result<Vec<Record>> {
    if range.after >= range.upto || range.limit == 0 {
        return Ok(Vec::new());
    }
    let order = match range.direction {
        Direction::Forward => "ASC",
        Direction::Backward => "DESC",
    };
    let of_stream =
        if range.stream.is_some() { "AND stream = $8" } else { "AND $8::bigint IS NULL" };
    let sql = format!(
        "SELECT version, stream, kind, header, body, blob, sum, link, salt, prev FROM (
           SELECT *, sum(size) OVER (ORDER BY version {order} ROWS UNBOUNDED PRECEDING) AS total FROM (
             SELECT *, octet_length(header) + coalesce(octet_length(body), 0) AS size FROM record
             WHERE space = (SELECT id FROM space WHERE tenant = $1 AND kind = $2 AND name = $3)
               AND version > $4 AND version <= $5 {of_stream} ORDER BY version {order} LIMIT $6) r) s
         WHERE total <= $7 OR total = size ORDER BY version {order}"
    );
    let (tenant, kind, name) = key(space);
    let (after, upto) = (version(range.after), version(range.upto));
    let limit = i64::try_from(range.limit).unwrap_or(i64::MAX);
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let stream = range.stream.map(|stream| stream.0.cast_signed());
    let rows = server
        .query(&sql, &[&tenant, &kind, &name, &after, &upto, &limit, &bytes, &stream])
        .await?;
    let mut line = Line { space, range, last: None };
    rows.iter().map(|row| line.next(record(space, row)?, column::<i64>(row, 9)?)).collect()
}

/// Records in a row: each version of a space, or those of a stream, each of which names the one before it.
struct Line<'a> {
    space: &'a Space,
    range: &'a ReadRange,
    /// The version before, and what it names.
    last: Option<(Version, Version)>,
}

impl Line<'_> {
    fn next(&mut self, record: Record, prev: i64) -> Result<Record> {
        let (version, prev) = (record.version, prev.cast_unsigned());
        let forward = self.range.direction == Direction::Forward;
        let prev = if self.range.stream.is_some() { prev } else { version.saturating_sub(1) };
        let missing = match self.last.replace((version, prev)) {
            Some((last, _)) if forward => (prev != last).then_some(prev.max(last)),
            Some((_, named)) => (named != version).then_some(named.max(version)),
            None if forward => (prev > self.range.after).then_some(prev),
            None => None,
        };
        match missing {
            None => Ok(record),
            Some(at) => Err(damaged(self.space, at, "the record is missing, or its neighbour is")),
        }
    }
}

fn record(space: &Space, row: &Row) -> Result<Record> {
    let version = column::<i64>(row, 0)?.cast_unsigned();
    let body = column::<Option<&[u8]>>(row, 4)?;
    let body = match (body, column::<Option<&str>>(row, 5)?) {
        (Some(body), None) => RecordBody::Inline(text(space, version, body)?.into()),
        (None, Some(name)) => RecordBody::Blob(BlobName(name.into())),
        (None, None) => RecordBody::None,
        (Some(_), Some(_)) => return Err(damaged(space, version, "it has two bodies")),
    };
    Ok(Record {
        version,
        stream: Stream(column::<i64>(row, 1)?.cast_unsigned()),
        kind: column::<&str>(row, 2)?.into(),
        header: text(space, version, column(row, 3)?)?.into(),
        sum: column::<i64>(row, 6)?.cast_unsigned(),
        link: Hash::from_bytes(exactly(space, version, column(row, 7)?)?),
        salt: exactly(space, version, column(row, 8)?)?,
        body,
    })
}

/// A page of a list: one range of one index.
pub(super) async fn list(server: &Server, query: &ListQuery) -> Result<Vec<ListRow>> {
    let (past, order) = match query.order {
        ListOrder::Id => ("name > $5 AND $6::bigint IS NOT NULL", "name"),
        ListOrder::Updated => ("(updated, name) < ($6, $5)", "updated DESC, name DESC"),
    };
    let past = if query.after.is_some() { past } else { "$5::text IS NULL AND $6::bigint IS NULL" };
    let of = if query.project.is_some() { "project = $4" } else { "$4::text IS NULL" };
    let sql = format!(
        "SELECT name, head, hash, updated, card FROM space
         WHERE tenant = $1 AND kind = $2 AND live = 1 AND {of} AND {past} ORDER BY {order} LIMIT $3"
    );
    let space = |bits| Space::new(query.tenant.clone(), query.kind, bits);
    let of_kind = space(0);
    let (tenant, kind, _) = key(&of_kind);
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let project = query.project.map(|project| project.space(&query.tenant).characters());
    let name = query.after.map(|(_, bits)| space(bits).characters());
    let updated = query.after.map(|(updated, _)| self::order(updated));
    let params: super::server::Params<'_> = &[&tenant, &kind, &limit, &project, &name, &updated];
    let rows = server.query(&sql, params).await?;
    let row = |row: &Row| {
        // The ids of projects and threads are the same characters behind a prefix.
        let id = format!("prj_{}", column::<&str>(row, 0)?);
        let space = space(id.parse::<ProjectId>()?.bits());
        let head = head(&space, row, 1)?;
        Ok(ListRow { space, head })
    };
    rows.iter().map(row).collect()
}
