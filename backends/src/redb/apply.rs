//! One job inside a transaction: checked first, then written.

use std::{collections::HashSet, sync::atomic::Ordering};

use redb::ReadableTable as _;
use sessile_core::{
    clock::Timestamp,
    id::{ProjectId, Space, Version},
    journal::{
        Batch, BlobName, Commit, Head, Position, ReadRange, Record, RecordBody, Snapshot, Stream,
    },
};

use super::{
    error::EngineResult,
    index,
    read::{self, Reading, damaged},
    schema::{self, Linked, Row, Tables},
    streams::{self, Index},
};
use sessile_driver::{
    check,
    engine::{Job, Write},
};

/// What a space is.
enum SpaceState {
    Live(Row),
    /// No commit yet; blobs may wait for one under this number.
    Unborn(Option<u64>),
    Dropped,
}

fn state(tables: &mut Tables<'_>, space: &Space) -> EngineResult<SpaceState> {
    if let Some(id) = read::number(tables.space()?, space)? {
        return read::row(tables.record()?, space, id).map(SpaceState::Live);
    }
    let other = tables.other()?.get(schema::space_key(space))?.map(|number| number.value());
    Ok(match other {
        Some(schema::DROPPED) => SpaceState::Dropped,
        number => SpaceState::Unborn(number),
    })
}

/// Applies a job; `None`: it wrote, and is done once the transaction is durable. An error may leave a part of it written:
/// the transaction must be given up.
pub(super) fn apply(tables: &mut Tables<'_>, job: &Job) -> EngineResult<Option<Commit>> {
    let space = &job.space;
    let state = state(tables, space)?;
    let done = || Ok(Some(Commit::Done));
    match (&job.write, state) {
        (Write::Drop { .. }, SpaceState::Dropped) => done(),
        (Write::Batch { expected, .. } | Write::Drop { expected }, state) => {
            if let Some(refusal) = refusal(tables, space, &state, *expected)? {
                return Ok(Some(refusal));
            }
            match &job.write {
                Write::Batch { batch, .. } => append(tables, space, state, batch)?,
                _ => drop_all(tables, space, state)?,
            }
            Ok(None)
        }
        (Write::Snapshot(snapshot), SpaceState::Live(row)) => save_snapshot(tables, &row, snapshot),
        // No record can ever name a blob of a dropped space: it is collected before it is kept.
        (Write::Snapshot(_), _) | (_, SpaceState::Dropped) => done(),
        (Write::Blob { name, bytes, at }, state) => {
            put_blob(tables, space, state, name, bytes, *at)?;
            Ok(None)
        }
        (Write::Erase { versions }, SpaceState::Live(row)) => {
            let changed = erase(tables, space, &row, versions)?;
            if changed { Ok(None) } else { done() }
        }
        (Write::Erase { .. }, SpaceState::Unborn(_)) => done(),
        (Write::Collect { in_use, upto, count }, state) => {
            let id = match state {
                SpaceState::Live(row) => Some(row.id),
                SpaceState::Unborn(id) => id,
                SpaceState::Dropped => None,
            };
            let collected = id.map_or(Ok(0), |id| collect(tables, id, in_use, *upto))?;
            count.store(collected, Ordering::Relaxed);
            if collected > 0 { Ok(None) } else { done() }
        }
    }
}

fn refusal(
    tables: &mut Tables<'_>,
    space: &Space,
    state: &SpaceState,
    expected: Option<Position>,
) -> EngineResult<Option<Commit>> {
    let row = match state {
        SpaceState::Live(row) => Some(row),
        SpaceState::Unborn(_) | SpaceState::Dropped => None,
    };
    check::refusal(
        matches!(state, SpaceState::Dropped),
        row.map(|row| row.head.position),
        expected,
        || Ok(row.map(|row| row.head.clone())),
        |range| row.map_or(Ok(Vec::new()), |row| since(tables, space, row, range)),
    )
}

fn since(
    tables: &mut Tables<'_>,
    space: &Space,
    row: &Row,
    range: &ReadRange,
) -> EngineResult<Vec<Record>> {
    let (records, streams) = tables.both()?;
    let (id, head, bytes) = (row.id, row.head.position.version, check::SINCE_BYTES);
    Reading { space, id, head, records, streams, bytes }.read(range)
}

fn next_number(tables: &mut Tables<'_>) -> EngineResult<u64> {
    let meta = tables.meta()?;
    let next =
        meta.get("next")?.and_then(|next| Some(u64::from_be_bytes(next.value().try_into().ok()?)));
    let next = next.ok_or_else(|| redb::StorageError::Corrupted("no next space".into()))?;
    meta.insert("next", (next + 1).to_be_bytes().as_slice())?;
    Ok(next)
}

fn append(
    tables: &mut Tables<'_>,
    space: &Space,
    state: SpaceState,
    batch: &Batch,
) -> EngineResult<()> {
    let Some(end) = batch.end() else { return Ok(()) };
    let now = batch.card.as_ref().map(|card| card.updated_at.millis());
    let (before, row) = match state {
        SpaceState::Live(row) => {
            let now = now.unwrap_or(row.updated);
            if row.listed == row.updated && now != row.listed {
                index::mark(tables, space)?;
            }
            let card = batch.card.clone().or(row.head.card);
            (
                row.head.position.version,
                Row { head: Head { position: end, card }, updated: now, ..row },
            )
        }
        SpaceState::Unborn(number) => (0, create(tables, space, number, end, batch)?),
        SpaceState::Dropped => return Ok(()),
    };
    let mut newest: Vec<(Stream, Version)> = Vec::new();
    for record in &batch.records {
        let prev = match newest.iter_mut().find(|(stream, _)| *stream == record.stream) {
            Some((_, newest)) => std::mem::replace(newest, record.version),
            None => {
                newest.push((record.stream, record.version));
                if before == 0 {
                    0
                } else {
                    newest_of(tables, space, row.id, before, record.stream)?
                }
            }
        };
        let version = record.version;
        let value = schema::encode_record(record, prev);
        if tables.record()?.insert((row.id, version), value.as_slice())?.is_some() {
            return Err(damaged(space, version, "a record that nobody acknowledged is there"));
        }
    }
    // Not before: what is newest in a stream is asked of what the batch found.
    streams::fill(tables, space, row.id, before, &batch.records)?;
    tables.record()?.insert((row.id, schema::HEAD), row.encode(space).as_slice())?;
    Ok(())
}

/// A space that gets its first batch; its blobs may have brought it a number.
fn create(
    tables: &mut Tables<'_>,
    space: &Space,
    number: Option<u64>,
    end: Position,
    batch: &Batch,
) -> EngineResult<Row> {
    let id = match number {
        Some(id) => {
            tables.other()?.remove(schema::space_key(space))?;
            id
        }
        None => next_number(tables)?,
    };
    let (card, project) = (batch.card.clone(), batch.project);
    let now = card.as_ref().map_or(0, |card| card.updated_at.millis());
    index::place(tables, space, project, None, Some(now))?;
    if let Some(project) = project {
        tables.project()?.insert(project_key(space, project), ())?;
    }
    tables.space()?.insert(schema::space_key(space), id)?;
    Ok(Row { id, head: Head { position: end, card }, updated: now, listed: now, project })
}

/// The version of the newest record of a stream, of a space that ends at `head`.
fn newest_of(
    tables: &mut Tables<'_>,
    space: &Space,
    id: u64,
    head: Version,
    stream: Stream,
) -> EngineResult<Version> {
    let (records, streams) = tables.both()?;
    Index { space, id, head, records }.newest(streams, stream)
}

fn project_key(space: &Space, project: ProjectId) -> (&[u8], u8, u128, u128) {
    let (scope, project) = schema::scope(space.kind(), Some(project));
    (space.tenant().as_str().as_bytes(), scope, project, space.bits())
}

fn drop_all(tables: &mut Tables<'_>, space: &Space, state: SpaceState) -> EngineResult<()> {
    tables.other()?.insert(schema::space_key(space), schema::DROPPED)?;
    let id = match state {
        SpaceState::Unborn(None) | SpaceState::Dropped => return Ok(()),
        SpaceState::Unborn(Some(id)) => id,
        SpaceState::Live(row) => {
            tables.space()?.remove(schema::space_key(space))?;
            index::remove(tables, space, &row)?;
            if let Some(project) = row.project {
                tables.project()?.remove(project_key(space, project))?;
            }
            row.id
        }
    };
    tables.record()?.retain_in((id, 0)..=(id, Version::MAX), |_, _| false)?;
    tables.stream()?.retain_in((id, 0, 0)..=(id, u64::MAX, Version::MAX), |_, _| false)?;
    tables.snapshot()?.remove(id)?;
    let all = (id, b"".as_slice())..(id + 1, b"".as_slice());
    tables.blob()?.retain_in(all.clone(), |_, _| false)?;
    tables.put()?.retain_in(all, |_, _| false)?;
    Ok(())
}

/// Keeps it unless a newer one, of a version that exists, is there.
fn save_snapshot(
    tables: &mut Tables<'_>,
    row: &Row,
    snapshot: &Snapshot,
) -> EngineResult<Option<Commit>> {
    let table = tables.snapshot()?;
    let kept = table.get(row.id)?.and_then(|kept| schema::decode_snapshot(kept.value()));
    let newer = |kept: &Snapshot| {
        let (kept, head) = (kept.position.version, row.head.position.version);
        kept > snapshot.position.version && kept <= head
    };
    if kept.is_some_and(|kept| newer(&kept)) {
        return Ok(Some(Commit::Done));
    }
    table.insert(row.id, schema::encode_snapshot(snapshot).as_slice())?;
    Ok(None)
}

fn put_blob(
    tables: &mut Tables<'_>,
    space: &Space,
    state: SpaceState,
    name: &BlobName,
    bytes: &[u8],
    at: Timestamp,
) -> EngineResult<()> {
    let id = match state {
        SpaceState::Live(row) => row.id,
        SpaceState::Unborn(Some(id)) => id,
        SpaceState::Unborn(None) | SpaceState::Dropped => {
            let id = next_number(tables)?;
            tables.other()?.insert(schema::space_key(space), id)?;
            id
        }
    };
    let key = (id, name.0.as_bytes());
    tables.blob()?.insert(key, bytes)?;
    tables.put()?.insert(key, at.millis())?;
    Ok(())
}

fn erase(
    tables: &mut Tables<'_>,
    space: &Space,
    row: &Row,
    versions: &[Version],
) -> EngineResult<bool> {
    let mut changed = tables.snapshot()?.remove(row.id)?.is_some();
    for version in versions.iter().filter(|version| **version <= row.head.position.version) {
        let key = (row.id, *version);
        let records = tables.record()?;
        let record = match records.get(key)? {
            None => continue,
            Some(value) => schema::decode_record(*version, value.value()),
        };
        let Linked { prev, record } =
            record.ok_or_else(|| damaged(space, *version, "the record is damaged"))?;
        let erased = Record { salt: [0; 16], body: RecordBody::None, ..record };
        match record.body {
            RecordBody::None => continue,
            RecordBody::Inline(_) => {}
            RecordBody::Blob(name) => {
                let key = (row.id, name.0.as_bytes());
                tables.blob()?.remove(key)?;
                tables.put()?.remove(key)?;
            }
        }
        tables.record()?.insert(key, schema::encode_record(&erased, prev).as_slice())?;
        changed = true;
    }
    Ok(changed)
}

fn collect(
    tables: &mut Tables<'_>,
    id: u64,
    in_use: &HashSet<BlobName>,
    upto: Timestamp,
) -> EngineResult<u64> {
    let mut unused: Vec<Vec<u8>> = Vec::new();
    for row in tables.put()?.range((id, b"".as_slice())..(id + 1, b"".as_slice()))? {
        let (key, put) = row?;
        let name = key.value().1;
        let named = std::str::from_utf8(name).is_ok_and(|n| in_use.contains(&BlobName(n.into())));
        if put.value() <= upto.millis() && !named {
            unused.push(name.to_vec());
        }
    }
    for name in &unused {
        tables.blob()?.remove((id, name.as_slice()))?;
        tables.put()?.remove((id, name.as_slice()))?;
    }
    Ok(unused.len() as u64)
}
