//! Damage to an SQLite file, through a connection of its own.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use sessile_conformance::Damage;
use sessile_core::{
    hash::Hash,
    id::{Space, SpaceKind, Version},
    journal::{Record, RecordBody, Stream},
};

use crate::text::{flip, flip_bytes};

/// Damages the record at a version of a space.
pub fn damage(path: &Path, space: &Space, version: Version, damage: Damage) -> bool {
    change(path, space, version, |conn, space, record| apply(conn, space, record, version, damage))
}

/// Makes the header of a record need a reader of this level; its sum fits afterwards.
pub fn need_reader(path: &Path, space: &Space, version: Version, level: u16) -> bool {
    change(path, space, version, |conn, _, record| {
        let header: String =
            conn.query_row("SELECT head FROM record WHERE id = ?1", [record], |row| row.get(0))?;
        let (before, after) = header.split_once("\"r\":").unwrap();
        let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        let header = format!("{before}\"r\":{level}{rest}");
        conn.execute("UPDATE record SET head = ?2 WHERE id = ?1", params![record, header])?;
        let sum = read(conn, record)?.fitting_sum().cast_signed();
        conn.execute("UPDATE record SET sum = ?2 WHERE id = ?1", params![record, sum])?;
        Ok(true)
    })
}

/// Makes the file say that it has another format.
pub fn set_format(path: &Path, format: u32) {
    Connection::open(path).unwrap().pragma_update(None, "user_version", format).unwrap();
}

/// Changes a record in one transaction: given the row of its space and its own.
fn change(
    path: &Path,
    space: &Space,
    version: Version,
    change: impl FnOnce(&Connection, i64, i64) -> rusqlite::Result<bool>,
) -> bool {
    let mut conn = Connection::open(path).unwrap();
    let txn = conn.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let kind = match space.kind() {
        SpaceKind::Project => "project",
        SpaceKind::Thread => "thread",
        SpaceKind::Tenant => "tenant",
    };
    let found = txn
        .query_row(
            "SELECT s.id, r.id FROM record r JOIN space s ON s.id = r.space \
             WHERE s.tenant = ?1 AND s.kind = ?2 AND s.name = ?3 AND r.version = ?4",
            params![space.tenant().as_str(), kind, space.characters(), version.cast_signed()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
        .unwrap();
    let done = found.is_some_and(|(space, record)| change(&txn, space, record).unwrap());
    txn.commit().unwrap();
    done
}

fn apply(
    conn: &Connection,
    space: i64,
    record: i64,
    version: Version,
    damage: Damage,
) -> rusqlite::Result<bool> {
    let version = version.cast_signed();
    match damage {
        Damage::FlipHeader => {
            let header: String =
                conn.query_row("SELECT head FROM record WHERE id = ?1", [record], |row| {
                    row.get(0)
                })?;
            let header = flip(&header);
            conn.execute("UPDATE record SET head = ?2 WHERE id = ?1", params![record, header])?;
        }
        Damage::FlipBody => return flip_body(conn, space, record),
        Damage::Swap(with) => {
            let with = with.cast_signed();
            let set = "UPDATE record SET version = ?3 WHERE space = ?1 AND version = ?2";
            for (from, to) in [(version, -1), (with, version), (-1, with)] {
                if conn.execute(set, [space, from, to])? == 0 {
                    return Ok(false);
                }
            }
            link(conn, space)?;
        }
        Damage::Drop => {
            conn.execute("DELETE FROM record WHERE id = ?1", [record])?;
        }
        Damage::Insert => {
            // By way of negative numbers: each version is there once at any moment.
            let up = "UPDATE record SET version = -version - 1 WHERE space = ?1 AND version > ?2";
            conn.execute(up, [space, version])?;
            let back = "UPDATE record SET version = -version WHERE space = ?1 AND version < 0";
            conn.execute(back, [space])?;
            conn.execute(
                "INSERT INTO record(space, version, stream, nth, prev, kind, head, body, blob, sum, link, salt) \
                 SELECT space, version + 1, stream, 0, 0, kind, head, body, blob, sum, link, salt \
                 FROM record WHERE id = ?1",
                [record],
            )?;
            link(conn, space)?;
        }
    }
    Ok(true)
}

/// Makes the streams of a space fit its records.
fn link(conn: &Connection, space: i64) -> rusqlite::Result<()> {
    conn.execute_batch(&format!(
        "UPDATE record SET
           nth = (SELECT count(*) FROM record o
             WHERE o.space = {space} AND o.stream = record.stream AND o.version <= record.version),
           prev = (SELECT coalesce(max(o.version), 0) FROM record o
             WHERE o.space = {space} AND o.stream = record.stream AND o.version < record.version)
         WHERE space = {space};
         DELETE FROM stream WHERE space = {space};
         INSERT INTO stream(space, stream, nth, version)
           SELECT space, stream, count(*), max(version) FROM record WHERE space = {space} GROUP BY stream;"
    ))
}

fn flip_body(conn: &Connection, space: i64, record: i64) -> rusqlite::Result<bool> {
    let (body, blob): (Option<String>, Option<String>) =
        conn.query_row("SELECT body, blob FROM record WHERE id = ?1", [record], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    if let Some(body) = body {
        let body = flip(&body);
        conn.execute("UPDATE record SET body = ?2 WHERE id = ?1", params![record, body])?;
        return Ok(true);
    }
    let Some(name) = blob else { return Ok(false) };
    let mut content: Vec<u8> = conn.query_row(
        "SELECT content FROM blob WHERE space = ?1 AND name = ?2",
        params![space, name],
        |row| row.get(0),
    )?;
    flip_bytes(&mut content);
    conn.execute(
        "UPDATE blob SET content = ?3 WHERE space = ?1 AND name = ?2",
        params![space, name, content],
    )?;
    Ok(true)
}

/// A record with its body inline.
fn read(conn: &Connection, record: i64) -> rusqlite::Result<Record> {
    conn.query_row(
        "SELECT version, stream, kind, head, body, link, salt FROM record WHERE id = ?1",
        [record],
        |row| {
            let text = |at| row.get::<_, String>(at);
            Ok(Record {
                version: row.get::<_, i64>(0)?.cast_unsigned(),
                stream: Stream(row.get::<_, i64>(1)?.cast_unsigned()),
                kind: text(2)?.into(),
                header: text(3)?.into(),
                sum: 0,
                link: Hash::from_bytes(row.get(5)?),
                salt: row.get(6)?,
                body: RecordBody::Inline(text(4)?.into()),
            })
        },
    )
}
