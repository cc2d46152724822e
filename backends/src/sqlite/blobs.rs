//! Reading blobs and snapshots.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension as _, params, types::ValueRef};
use sessile_core::{
    error::{Error, Subject},
    hash::Hash,
    id::Space,
    journal::{BlobName, Position, Snapshot},
};

use super::read::{self, EngineResult};
use sessile_driver::check;

/// The bytes of a range; only the pages of the range are kept in memory.
pub(super) fn get(
    conn: &Connection,
    space: &Space,
    name: &BlobName,
    range: Option<Range<u64>>,
) -> EngineResult<Vec<u8>> {
    let txn = conn.unchecked_transaction()?;
    let row: Option<i64> = match read::find(&txn, space)? {
        Some(row) => txn
            .prepare_cached("SELECT id FROM blob WHERE space = ?1 AND name = ?2")?
            .query_row(params![row.id, &*name.0], |row| row.get(0))
            .optional()?,
        None => None,
    };
    let row = row.ok_or_else(|| Error::not_found(Subject::blob(space, name)))?;
    let blob = txn.blob_open(rusqlite::MAIN_DB, "blob", "content", row, true)?;
    let (start, length) = check::clamp_range(blob.len() as u64, range);
    let mut bytes = vec![0; length as usize];
    blob.read_at_exact(&mut bytes, start as usize)?;
    blob.close()?;
    txn.rollback()?;
    Ok(bytes)
}

/// The snapshot of a space; a damaged one is none, because a snapshot is a cache.
pub(super) fn load_snapshot(conn: &Connection, space: &Space) -> EngineResult<Option<Snapshot>> {
    let mut statement = conn.prepare_cached(
        "SELECT version, hash, bytes FROM snapshot WHERE space = \
         (SELECT id FROM space WHERE tenant = ?1 AND kind = ?2 AND name = ?3 AND live = 1)",
    )?;
    let mut rows = statement.query(params![
        space.tenant().as_str(),
        read::kind(space.kind()),
        space.characters()
    ])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let version = row.get::<_, i64>(0)?.cast_unsigned();
    let snapshot = match (row.get_ref(1)?, row.get_ref(2)?) {
        (ValueRef::Blob(hash), ValueRef::Blob(bytes)) => {
            hash.try_into().ok().map(|hash| Snapshot {
                position: Position { version, hash: Hash::from_bytes(hash) },
                bytes: bytes.to_vec(),
            })
        }
        _ => None,
    };
    Ok(snapshot)
}
