//! Damage on purpose, for tests: through a connection of its own, as another program would.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};
use sessile_core::{
    error::{Error, Result, Subject},
    id::{Space, Version},
    journal::Record,
};

use super::{commit, error, known::Prepared, read};
use crate::tamper::{Damage, flip, flip_bytes, need_reader};

/// Damages the record at a version of a space of this file; `NotFound` if there is none.
#[doc(hidden)]
pub fn tamper(
    path: impl AsRef<Path>,
    space: &Space,
    version: Version,
    damage: Damage,
) -> Result<()> {
    let path = path.as_ref();
    let done = Connection::open(path).and_then(|mut conn| {
        let txn = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let done = damage_record(&txn, space, version, damage)?;
        txn.commit()?;
        Ok(done)
    });
    match done {
        Ok(Some(())) => Ok(()),
        Ok(None) => Err(Error::not_found(Subject::record(space, version))),
        Err(e) => Err(error::engine(path, e)),
    }
}

/// Makes the file say that it has another format.
#[doc(hidden)]
pub fn set_format(path: impl AsRef<Path>, format: u32) -> Result<()> {
    let path = path.as_ref();
    Connection::open(path)
        .and_then(|conn| conn.pragma_update(None, "user_version", format))
        .map_err(|e| error::engine(path, e))
}

fn damage_record(
    conn: &Connection,
    space: &Space,
    version: Version,
    damage: Damage,
) -> rusqlite::Result<Option<()>> {
    let id = |version: Version| -> rusqlite::Result<Option<(i64, i64)>> {
        conn.query_row(
            "SELECT r.id, s.id FROM record r JOIN space s ON s.id = r.space \
             WHERE s.tenant = ?1 AND s.kind = ?2 AND s.name = ?3 AND r.version = ?4",
            params![
                space.tenant().as_str(),
                read::kind(space.kind()),
                space.characters(),
                read::version(version)
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
    };
    let whose = space;
    let Some((record, space)) = id(version)? else { return Ok(None) };
    let head = || {
        conn.query_row("SELECT head FROM record WHERE id = ?1", [record], |r| r.get::<_, String>(0))
    };
    match damage {
        Damage::FlipHead => {
            let head = flip(&head()?);
            conn.execute("UPDATE record SET head = ?2 WHERE id = ?1", params![record, head])?;
        }
        Damage::FlipBody => return flip_body(conn, record, space),
        Damage::Swap(with) => {
            let mut records = all(conn, whose, space)?;
            let at = |version| records.iter().position(|r| r.version == version);
            let (Some(one), Some(other)) = (at(version), at(with)) else { return Ok(None) };
            records.swap(one, other);
            for (at, version) in [(one, version), (other, with)] {
                records.get_mut(at).into_iter().for_each(|r| r.version = version);
            }
            rebuild(conn, space, &records)?;
        }
        Damage::Drop => {
            conn.execute("DELETE FROM record WHERE id = ?1", [record])?;
        }
        Damage::Insert => {
            let mut records = all(conn, whose, space)?;
            let source = version.saturating_sub(1).max(1);
            let Some(source) = records.iter().find(|r| r.version == source) else {
                return Ok(None);
            };
            let source = Record { version, ..source.clone() };
            records.iter_mut().filter(|r| r.version >= version).for_each(|r| r.version += 1);
            let at = records.partition_point(|r| r.version < version);
            records.insert(at, source);
            rebuild(conn, space, &records)?;
        }
        Damage::Reader(level) => {
            let row = format!("SELECT {} FROM record WHERE id = ?1", read::COLUMNS);
            let found = conn.query_row(&row, [record], |row| Ok(read::record(whose, row)))?;
            let Ok(found) = found else { return Ok(None) };
            let found = Record { header: need_reader(&found.header, level).into(), ..found };
            conn.execute(
                "UPDATE record SET head = ?2, sum = ?3 WHERE id = ?1",
                params![record, &*found.header, found.fitting_sum().cast_signed()],
            )?;
        }
    }
    Ok(Some(()))
}

/// What can be read of a space.
fn all(conn: &Connection, whose: &Space, space: i64) -> rusqlite::Result<Vec<Record>> {
    let rows = format!("SELECT {} FROM record WHERE space = ?1 ORDER BY version", read::COLUMNS);
    let mut statement = conn.prepare(&rows)?;
    let records = statement.query_map([space], |row| Ok(read::record(whose, row).ok()))?;
    records.filter_map(Result::transpose).collect()
}

/// Writes a space anew, each record in its stream.
fn rebuild(conn: &Connection, space: i64, records: &[Record]) -> rusqlite::Result<()> {
    conn.execute("DELETE FROM record WHERE space = ?1", [space])?;
    conn.execute("DELETE FROM stream WHERE space = ?1", [space])?;
    commit::insert(&mut Prepared::new(conn), space, &mut Vec::new(), true, records)
}

fn flip_body(conn: &Connection, record: i64, space: i64) -> rusqlite::Result<Option<()>> {
    let (body, blob): (Option<String>, Option<String>) =
        conn.query_row("SELECT body, blob FROM record WHERE id = ?1", [record], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    if let Some(body) = body {
        let body = flip(&body);
        conn.execute("UPDATE record SET body = ?2 WHERE id = ?1", params![record, body])?;
        return Ok(Some(()));
    }
    let Some(name) = blob else { return Ok(None) };
    let content = conn
        .query_row(
            "SELECT content FROM blob WHERE space = ?1 AND name = ?2",
            params![space, name],
            |row| row.get::<_, Vec<u8>>(0),
        )
        .optional()?;
    let Some(mut content) = content else { return Ok(None) };
    flip_bytes(&mut content);
    conn.execute(
        "UPDATE blob SET content = ?3 WHERE space = ?1 AND name = ?2",
        params![space, name, content],
    )?;
    Ok(Some(()))
}
