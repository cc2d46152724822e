//! One job inside a transaction: checked first, then written.

use std::{collections::HashSet, sync::atomic::Ordering};

use rusqlite::{Connection, OptionalExtension as _, params};
use sessile_core::{
    clock::Timestamp,
    id::{Space, Version},
    journal::{Batch, BlobName, Commit, Position, Record, RecordBody, Snapshot},
};

use super::{
    read::{self, Found, SpaceRow},
    schema,
};
use crate::{
    check,
    engine::{Job, Write},
};

/// What became of a job.
#[derive(Debug)]
pub(super) enum Applied {
    /// Rows were written: the answer is `Done` once the transaction is durable.
    Wrote,
    /// Nothing was written, and this is the answer.
    Answer(Commit),
}

/// Applies a job. An error may leave some of its rows written: the transaction must be rolled back.
pub(super) fn apply(conn: &Connection, job: &Job) -> Found<Applied> {
    let space = &job.space;
    let row = read::find(conn, space)?;
    let is_dropped = row.is_some_and(|row| row.live == schema::DROPPED);
    match &job.write {
        Write::Batch { expected, batch } => match refusal(conn, space, row, *expected)? {
            Some(refusal) => Ok(Applied::Answer(refusal)),
            None => append(conn, space, row, batch),
        },
        Write::Drop { .. } if is_dropped => Ok(Applied::Answer(Commit::Done)),
        Write::Drop { expected } => match refusal(conn, space, row, *expected)? {
            Some(refusal) => Ok(Applied::Answer(refusal)),
            None => drop_all(conn, space, row),
        },
        Write::Snapshot(snapshot) => save_snapshot(conn, row, snapshot),
        // No record can ever name a blob of a dropped space: it is collected before it is kept.
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

/// What to answer if the head is not as expected.
fn refusal(
    conn: &Connection,
    space: &Space,
    row: Option<SpaceRow>,
    expected: Option<Position>,
) -> Found<Option<Commit>> {
    check::refusal(
        row.is_some_and(|row| row.live == schema::DROPPED),
        row.and_then(|row| row.position),
        expected,
        || read::head(conn, space),
        |range| read::read_within(conn, space, range, check::SINCE_BYTES),
    )
}

fn append(
    conn: &Connection,
    space: &Space,
    row: Option<SpaceRow>,
    batch: &Batch,
) -> Found<Applied> {
    let Some(end) = batch.end() else { return Ok(Applied::Answer(Commit::Done)) };
    let card = batch.card.as_ref();
    let updated = card.map(|card| read::order(card.updated_at));
    let json = card.map(|card| card.json.as_str());
    let (head, hash) = (read::version(end.version), end.hash.bytes().as_slice());
    let id = match row {
        Some(SpaceRow { id, position: Some(_), updated: was, .. }) => {
            match (json, updated) {
                (None, _) => conn
                    .prepare_cached("UPDATE space SET head = ?2, hash = ?3 WHERE id = ?1")?
                    .execute(params![id, head, hash])?,
                // A column that is not named costs no index.
                (_, Some(updated)) if updated == was => conn
                    .prepare_cached(
                        "UPDATE space SET head = ?2, hash = ?3, card = ?4 WHERE id = ?1",
                    )?
                    .execute(params![id, head, hash, json])?,
                _ => conn
                    .prepare_cached(
                        "UPDATE space SET head = ?2, hash = ?3, card = ?4, updated = ?5 WHERE id = ?1",
                    )?
                    .execute(params![id, head, hash, json, updated])?,
            };
            id
        }
        row => {
            let id = match row {
                Some(row) => row.id,
                None => create(conn, space, schema::PROSPECT)?,
            };
            let project = batch.project.map(|project| project.space(space.tenant()).characters());
            conn.prepare_cached(
                "UPDATE space SET live = 1, head = ?2, hash = ?3, card = ?4, \
                 updated = coalesce(?5, updated), project = ?6 WHERE id = ?1",
            )?
            .execute(params![id, head, hash, json, updated, project])?;
            id
        }
    };
    insert(conn, id, row.is_none_or(|row| row.position.is_none()), &batch.records)?;
    Ok(Applied::Wrote)
}

/// The newest record of a stream.
struct Newest {
    stream: i64,
    nth: i64,
    version: i64,
}

/// Adds records to the table and to their streams. `is_first`: the space has none yet.
pub(super) fn insert(
    conn: &Connection,
    space: i64,
    is_first: bool,
    records: &[Record],
) -> rusqlite::Result<()> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO record(space, version, stream, nth, prev, kind, head, body, blob, sum, link, salt) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    let mut streams: Vec<Newest> = Vec::new();
    for record in records {
        let stream = record.stream.0.cast_signed();
        let at = match streams.iter().position(|newest| newest.stream == stream) {
            Some(at) => at,
            None => {
                let known = if is_first { None } else { newest(conn, space, stream)? };
                streams.push(known.unwrap_or(Newest { stream, nth: 0, version: 0 }));
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
        insert.execute(params![
            space,
            version,
            stream,
            newest.nth,
            newest.version,
            &*record.kind,
            &*record.head,
            body,
            blob,
            record.sum.cast_signed(),
            record.link.bytes().as_slice(),
            record.salt.as_slice(),
        ])?;
        newest.version = version;
    }
    let mut keep = conn.prepare_cached(
        "INSERT INTO stream(space, stream, nth, version) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT(space, stream) DO UPDATE SET nth = ?3, version = ?4",
    )?;
    for Newest { stream, nth, version } in streams {
        keep.execute([space, stream, nth, version])?;
    }
    Ok(())
}

fn newest(conn: &Connection, space: i64, stream: i64) -> rusqlite::Result<Option<Newest>> {
    conn.prepare_cached("SELECT nth, version FROM stream WHERE space = ?1 AND stream = ?2")?
        .query_row([space, stream], |row| {
            Ok(Newest { stream, nth: row.get(0)?, version: row.get(1)? })
        })
        .optional()
}

fn create(conn: &Connection, space: &Space, live: i64) -> Found<i64> {
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

fn drop_all(conn: &Connection, space: &Space, row: Option<SpaceRow>) -> Found<Applied> {
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
fn save_snapshot(conn: &Connection, row: Option<SpaceRow>, snapshot: &Snapshot) -> Found<Applied> {
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
) -> Found<Applied> {
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

fn erase(conn: &Connection, row: Option<SpaceRow>, versions: &[Version]) -> Found<Applied> {
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
) -> Found<u64> {
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
