//! One job inside a transaction: checked first, then written.

use std::{collections::HashSet, sync::atomic::Ordering};

use rusqlite::{Connection, OptionalExtension as _, params};
use sessile_core::{
    clock::Timestamp,
    id::{Space, Version},
    journal::{Batch, BlobName, Commit, Position, Record, RecordBody, Snapshot},
};

use super::{
    known::{KnownSpace, KnownSpaces, Prepared, StreamEnd},
    read::{self, EngineResult, SpaceRow},
    schema,
};
use sessile_driver::{
    check,
    engine::{Job, Write},
};

/// The result of a job.
#[derive(Debug)]
pub(super) enum Applied {
    /// Rows were written: the answer is `Done` once the transaction is durable.
    Wrote,
    /// Nothing was written, and this is the answer.
    Answer(Commit),
}

/// Applies a job. An error may leave some of its rows written: the transaction must be rolled back.
pub(super) fn apply(
    on: &mut Prepared<'_>,
    known: &mut KnownSpaces,
    job: &Job,
) -> EngineResult<Applied> {
    let (conn, space) = (on.conn, &job.space);
    if let Write::Batch { expected: Some(expected), batch } = &job.write
        && let Some((space, mut memo)) = known.take(space, *expected)
        && advance(on, &mut memo, batch)?
    {
        known.keep(space, memo);
        return Ok(Applied::Wrote);
    }
    let row = read::find(conn, space)?;
    let is_dropped = row.is_some_and(|row| row.live == schema::DROPPED);
    match &job.write {
        Write::Batch { expected, batch } => match refusal(conn, space, row, *expected)? {
            Some(refusal) => Ok(Applied::Answer(refusal)),
            None => append(on, known, space, row, batch),
        },
        Write::Drop { .. } if is_dropped => Ok(Applied::Answer(Commit::Done)),
        Write::Drop { expected } => match refusal(conn, space, row, *expected)? {
            Some(refusal) => Ok(Applied::Answer(refusal)),
            None => drop_all(conn, space, row),
        },
        Write::Snapshot(snapshot) => save_snapshot(conn, row, snapshot),
        // A dropped space gets no more records, so none can name the blob: it is not kept.
        Write::Blob { .. } if is_dropped => Ok(Applied::Answer(Commit::Done)),
        Write::Blob { name, bytes, at } => put_blob(conn, space, row, name, bytes, *at),
        Write::Erase { versions } => erase(conn, row, versions),
        Write::Collect { in_use, upto, count } => {
            let collected = collect(conn, row, in_use, *upto)?;
            count.store(collected, Ordering::Relaxed);
            Ok(wrote(collected > 0))
        }
    }
}

/// The answer if the head is not as expected.
fn refusal(
    conn: &Connection,
    space: &Space,
    row: Option<SpaceRow>,
    expected: Option<Position>,
) -> EngineResult<Option<Commit>> {
    check::refusal(
        row.is_some_and(|row| row.live == schema::DROPPED),
        row.and_then(|row| row.position),
        expected,
        || read::head(conn, space),
        |range| read::read_within(conn, space, range, check::SINCE_BYTES),
    )
}

/// Appends to a space whose row was found, and is as expected.
fn append(
    on: &mut Prepared<'_>,
    known: &mut KnownSpaces,
    space: &Space,
    row: Option<SpaceRow>,
    batch: &Batch,
) -> EngineResult<Applied> {
    let memo = match row {
        Some(SpaceRow { id, position: Some(position), updated, .. }) => {
            let mut memo = KnownSpace { id, position, updated, streams: Vec::new() };
            if !advance(on, &mut memo, batch)? {
                let reason = "the row of its space changed within a transaction";
                return Err(read::damaged(space, position.version, reason));
            }
            memo
        }
        row => match begin(on, space, row, batch)? {
            Some(memo) => memo,
            None => return Ok(Applied::Answer(Commit::Done)),
        },
    };
    known.keep(space.clone(), memo);
    Ok(Applied::Wrote)
}

/// The first batch of a space.
fn begin(
    on: &mut Prepared<'_>,
    space: &Space,
    row: Option<SpaceRow>,
    batch: &Batch,
) -> EngineResult<Option<KnownSpace>> {
    let Some(end) = batch.end() else { return Ok(None) };
    let id = match row {
        Some(row) => row.id,
        None => create(on.conn, space, schema::PROSPECT)?,
    };
    let json = batch.card.as_ref().map(|card| card.json.as_str());
    let time = batch.card.as_ref().map_or(i64::MIN, |card| read::order(card.updated_at));
    let project = batch.project.map(|project| project.space(space.tenant()).characters());
    on.conn
        .prepare_cached(
            "UPDATE space SET live = 1, head = ?2, hash = ?3, card = ?4, updated = ?5, project = ?6 \
             WHERE id = ?1",
        )?
        .execute(params![
            id,
            read::version(end.version),
            end.hash.bytes().as_slice(),
            json,
            time,
            project
        ])?;
    let mut memo = KnownSpace { id, position: end, updated: time, streams: Vec::new() };
    insert(on, id, &mut memo.streams, true, &batch.records)?;
    Ok(Some(memo))
}

/// Appends to a space that is as it was left; `false`, and nothing was written, if it is not.
fn advance(on: &mut Prepared<'_>, memo: &mut KnownSpace, batch: &Batch) -> EngineResult<bool> {
    let Some(end) = batch.end() else { return Ok(false) };
    let json = batch.card.as_ref().map(|card| card.json.as_str());
    let time = batch.card.as_ref().map_or(memo.updated, |card| read::order(card.updated_at));
    let (head, was) = (read::version(end.version), read::version(memo.position.version));
    let (hash, before) = (end.hash.bytes().as_slice(), memo.position.hash.bytes().as_slice());
    let changed = if time == memo.updated {
        on.advance.on(on.conn)?.execute(params![memo.id, head, hash, json, was, before])?
    } else {
        let advance = on.advance_time.on(on.conn)?;
        advance.execute(params![memo.id, head, hash, json, was, before, time])?
    };
    if changed == 0 {
        return Ok(false);
    }
    insert(on, memo.id, &mut memo.streams, false, &batch.records)?;
    memo.position = end;
    memo.updated = time;
    Ok(true)
}

/// Adds records to the table and to their streams. `streams`: what is known of them. `is_first`: the space has no records yet.
pub(super) fn insert(
    on: &mut Prepared<'_>,
    space: i64,
    streams: &mut Vec<StreamEnd>,
    is_first: bool,
    records: &[Record],
) -> rusqlite::Result<()> {
    let conn = on.conn;
    let mut written: Vec<usize> = Vec::new();
    for record in records {
        let stream = record.stream.0.cast_signed();
        let at = match streams.iter().position(|newest| newest.stream == stream) {
            Some(at) => at,
            None => {
                let known = if is_first { None } else { newest(on, space, stream)? };
                streams.push(known.unwrap_or(StreamEnd { stream, nth: 0, version: 0 }));
                streams.len() - 1
            }
        };
        let Some(newest) = streams.get_mut(at) else { continue };
        newest.nth += 1;
        let (body, blob) = match &record.body {
            RecordBody::None => (None, None),
            RecordBody::Inline(body) => (Some(&**body), None),
            RecordBody::Blob(name) => (None, Some(&*name.0)),
        };
        let version = read::version(record.version);
        on.record.on(conn)?.execute(params![
            space,
            version,
            stream,
            newest.nth,
            newest.version,
            &*record.kind,
            &*record.header,
            body,
            blob,
            record.sum.cast_signed(),
            record.link.bytes().as_slice(),
            record.salt.as_slice(),
        ])?;
        newest.version = version;
        if !written.contains(&at) {
            written.push(at);
        }
    }
    for StreamEnd { stream, nth, version } in written.iter().filter_map(|at| streams.get(*at)) {
        on.stream.on(conn)?.execute([&space, stream, nth, version])?;
    }
    Ok(())
}

fn newest(on: &mut Prepared<'_>, space: i64, stream: i64) -> rusqlite::Result<Option<StreamEnd>> {
    on.newest
        .on(on.conn)?
        .query_row([space, stream], |row| {
            Ok(StreamEnd { stream, nth: row.get(0)?, version: row.get(1)? })
        })
        .optional()
}

fn create(conn: &Connection, space: &Space, live: i64) -> EngineResult<i64> {
    conn.prepare_cached(
        "INSERT INTO space(tenant, kind, name, live, head, updated) VALUES (?1, ?2, ?3, ?4, 0, ?5)",
    )?
    .execute(params![
        space.tenant().as_str(),
        read::kind(space.kind()),
        space.characters(),
        live,
        i64::MIN,
    ])?;
    Ok(conn.last_insert_rowid())
}

fn drop_all(conn: &Connection, space: &Space, row: Option<SpaceRow>) -> EngineResult<Applied> {
    let Some(SpaceRow { id, .. }) = row else {
        create(conn, space, schema::DROPPED)?;
        return Ok(Applied::Wrote);
    };
    for sql in [
        "DELETE FROM record WHERE space = ?1",
        "DELETE FROM stream WHERE space = ?1",
        "DELETE FROM snapshot WHERE space = ?1",
        "DELETE FROM blob WHERE space = ?1",
        "UPDATE space SET live = 2, head = 0, hash = NULL, card = NULL, project = NULL WHERE id = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([id])?;
    }
    Ok(Applied::Wrote)
}

/// Keeps it unless a newer one, of a version that exists, is there; a space without commit keeps none.
fn save_snapshot(
    conn: &Connection,
    row: Option<SpaceRow>,
    snapshot: &Snapshot,
) -> EngineResult<Applied> {
    let Some((id, head)) = row.and_then(|row| Some((row.id, row.position?.version))) else {
        return Ok(Applied::Answer(Commit::Done));
    };
    conn.prepare_cached(
        "INSERT INTO snapshot(space, version, hash, bytes) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT(space) DO UPDATE SET version = ?2, hash = ?3, bytes = ?4 \
         WHERE version <= ?2 OR version > ?5",
    )?
    .execute(params![
        id,
        read::version(snapshot.position.version),
        snapshot.position.hash.bytes().as_slice(),
        snapshot.bytes,
        read::version(head),
    ])?;
    Ok(Applied::Wrote)
}

fn put_blob(
    conn: &Connection,
    space: &Space,
    row: Option<SpaceRow>,
    name: &BlobName,
    bytes: &[u8],
    at: Timestamp,
) -> EngineResult<Applied> {
    let id = match row {
        Some(row) => row.id,
        None => create(conn, space, schema::PROSPECT)?,
    };
    conn.prepare_cached("INSERT INTO blob(space, name, put, content) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id, &*name.0, read::version(at.millis()), bytes])?;
    Ok(Applied::Wrote)
}

fn wrote(is_changed: bool) -> Applied {
    if is_changed { Applied::Wrote } else { Applied::Answer(Commit::Done) }
}

fn erase(conn: &Connection, row: Option<SpaceRow>, versions: &[Version]) -> EngineResult<Applied> {
    let Some(SpaceRow { id, .. }) = row else { return Ok(wrote(false)) };
    let mut changed =
        conn.prepare_cached("DELETE FROM snapshot WHERE space = ?1")?.execute([id])?;
    let mut blob = conn.prepare_cached(
        "DELETE FROM blob WHERE space = ?1 \
         AND name = (SELECT blob FROM record WHERE space = ?1 AND version = ?2)",
    )?;
    let mut record = conn.prepare_cached(
        "UPDATE record SET body = NULL, blob = NULL, salt = zeroblob(16) \
         WHERE space = ?1 AND version = ?2 AND (body IS NOT NULL OR blob IS NOT NULL)",
    )?;
    for version in versions {
        let version = read::version(*version);
        changed += blob.execute(params![id, version])?;
        changed += record.execute(params![id, version])?;
    }
    Ok(wrote(changed > 0))
}

fn collect(
    conn: &Connection,
    row: Option<SpaceRow>,
    in_use: &HashSet<BlobName>,
    upto: Timestamp,
) -> EngineResult<u64> {
    let Some(SpaceRow { id, .. }) = row else { return Ok(0) };
    let mut old =
        conn.prepare_cached("SELECT id, name FROM blob WHERE space = ?1 AND put <= ?2")?;
    let mut delete = conn.prepare_cached("DELETE FROM blob WHERE id = ?1")?;
    let mut rows = old.query(params![id, read::version(upto.millis())])?;
    let mut unused = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        if !in_use.contains(&BlobName(name.into())) {
            unused.push(row.get::<_, i64>(0)?);
        }
    }
    for id in &unused {
        delete.execute([id])?;
    }
    Ok(unused.len() as u64)
}
