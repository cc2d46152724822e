//! Damage on purpose, for tests: through a connection of its own, as another program would.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};
use sessile_core::{
    error::{Error, Result},
    id::{Space, Version},
    journal::Record,
};

use super::{error, read};
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
        Ok(None) => Err(Error::not_found(format!("record {version} of {space}"))),
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
    let place = |record: i64, version: i64| {
        conn.execute("UPDATE record SET version = ?2 WHERE id = ?1", [record, version])
    };
    match damage {
        Damage::FlipHead => {
            let head = flip(&head()?);
            conn.execute("UPDATE record SET head = ?2 WHERE id = ?1", params![record, head])?;
        }
        Damage::FlipBody => return flip_body(conn, record, space),
        Damage::Swap(with) => {
            let Some((other, _)) = id(with)? else { return Ok(None) };
            place(other, -1)?;
            place(record, read::version(with))?;
            place(other, read::version(version))?;
        }
        Damage::Drop => {
            conn.execute("DELETE FROM record WHERE id = ?1", [record])?;
        }
        Damage::Insert => {
            let source = id(version.saturating_sub(1).max(1))?;
            let Some((source, _)) = source else { return Ok(None) };
            // In two steps, because versions must differ at any time.
            for sql in [
                "UPDATE record SET version = -version - 1 WHERE space = ?1 AND version >= ?2",
                "UPDATE record SET version = -version WHERE space = ?1 AND version < 0 AND ?2 > 0",
            ] {
                conn.execute(sql, [space, read::version(version)])?;
            }
            conn.execute(
                "INSERT INTO record(space, version, stream, prev, kind, head, body, blob, sum, link, salt) \
                 SELECT space, ?2, stream, prev, kind, head, body, blob, sum, link, salt \
                 FROM record WHERE id = ?1",
                [source, read::version(version)],
            )?;
        }
        Damage::Reader(level) => {
            let row = format!("SELECT {} FROM record WHERE id = ?1", read::COLUMNS);
            let found = conn.query_row(&row, [record], |row| Ok(read::record(whose, row)))?;
            let Ok((found, _)) = found else { return Ok(None) };
            let found = Record { head: need_reader(&found.head, level).into(), ..found };
            conn.execute(
                "UPDATE record SET head = ?2, sum = ?3 WHERE id = ?1",
                params![record, &*found.head, found.fitting_sum().cast_signed()],
            )?;
        }
    }
    Ok(Some(()))
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
