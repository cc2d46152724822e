//! Opening a file: a store, a new one, or one to refuse.

use std::path::Path;

use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, config::DbConfig,
};
use sessile_core::error::{Error, Result};

use super::{
    Options,
    error::{self, is_busy},
    schema,
};
use sessile_driver::{check, clock, reservation};

/// How long an open or a read waits for locks that other processes hold briefly: for recovery, or the last checkpoint.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Opens the file, and makes it a store if it is new or empty; returns a connection to write with, and the id of the store. Any
/// number of processes may do so at once; one makes the store, and the others wait.
pub(super) fn open(path: &Path, options: &Options) -> Result<(Connection, u128)> {
    let until = clock::deadline(PATIENCE);
    let mut attempt = 0;
    loop {
        match try_open(path, options) {
            Err(OpenFailure::Engine(e)) if is_busy(&e) && clock::instant() < until => {
                reservation::pause(attempt);
                attempt += 1;
            }
            Err(OpenFailure::Engine(e)) => return Err(error::engine(path, e)),
            Err(OpenFailure::Refused(e)) => return Err(e),
            Ok(opened) => {
                return match check::flush_directory_of(path) {
                    Ok(()) => Ok(opened),
                    Err(e) => {
                        let reason = format!("cannot flush the folder of {}", path.display());
                        Err(Error::unavailable(reason, e))
                    }
                };
            }
        }
    }
}

enum OpenFailure {
    Engine(rusqlite::Error),
    Refused(Error),
}

impl From<rusqlite::Error> for OpenFailure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

fn try_open(path: &Path, options: &Options) -> Result<(Connection, u128), OpenFailure> {
    let mut conn = connect(path, OpenFlags::SQLITE_OPEN_CREATE, options)?;
    if conn.is_readonly(rusqlite::MAIN_DB)? {
        let reason = format!(
            "cannot write to {}: it is read-only; give this user the right to write",
            path.display()
        );
        return Err(OpenFailure::Refused(Error::failed(reason)));
    }
    let created = is_new(&conn, path)?;
    let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode != "wal" {
        let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            let reason = format!(
                "cannot open {}: its file system cannot share memory, which SQLite's log needs; put it on a local disk",
                path.display()
            );
            return Err(OpenFailure::Refused(Error::failed(reason)));
        }
    }
    set_up_writer(&conn, options)?;
    if created {
        create(&mut conn, path)?;
    }
    let store: Option<String> = conn
        .query_row("SELECT value FROM meta WHERE key = 'store'", [], |row| row.get(0))
        .optional()?;
    match store.and_then(|hex| u128::from_str_radix(&hex, 16).ok()) {
        Some(store) => Ok((conn, store)),
        None => Err(foreign(path, "it has no store id")),
    }
}

fn foreign(path: &Path, reason: &str) -> OpenFailure {
    let file = path.display().to_string();
    OpenFailure::Refused(Error::CorruptFile { file, reason: reason.into() })
}

/// Whether the file is new. Refuses a file that is no store, before anything is written to it.
fn is_new(conn: &Connection, path: &Path) -> Result<bool, OpenFailure> {
    let (application, format, tables): (i32, i64, i64) = conn.query_row(
        "SELECT (SELECT application_id FROM pragma_application_id), \
         (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let ours = i64::from(schema::FORMAT);
    match (application, format, tables) {
        (0, 0, 0) => Ok(true),
        (schema::APPLICATION_ID, format, _) if format > ours => {
            Err(OpenFailure::Refused(Error::NewerFormat {
                what: path.display().to_string(),
                needs: format.unsigned_abs(),
                has: u64::from(schema::FORMAT),
            }))
        }
        (schema::APPLICATION_ID, format, 1..) if format == ours => Ok(false),
        (schema::APPLICATION_ID, ..) => Err(foreign(path, "its format number was never in use")),
        _ => Err(foreign(path, "it is the database of another application")),
    }
}

/// Creates everything in one transaction, unless another process did meanwhile.
fn create(conn: &mut Connection, path: &Path) -> Result<(), OpenFailure> {
    let txn = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if is_new(&txn, path)? {
        txn.execute_batch(schema::TABLES)?;
        txn.execute_batch(&schema::views())?;
        let store = format!("{:032x}", rand::random::<u128>());
        txn.execute("INSERT INTO meta(key, value) VALUES ('store', ?1)", [store])?;
        txn.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
        txn.pragma_update(None, "user_version", schema::FORMAT)?;
        txn.commit()?;
    }
    Ok(())
}

/// What every connection has in common. No URI, no shared cache, no waiting inside the engine.
fn connect(path: &Path, create: OpenFlags, options: &Options) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let conn = match options.vfs {
        None => Connection::open_with_flags(path, flags)?,
        Some(name) => Connection::open_with_flags_and_vfs(path, flags, name)?,
    };
    conn.busy_timeout(std::time::Duration::ZERO)?;
    conn.set_prepared_statement_cache_capacity(64);
    // Otherwise a cached statement is planned again whenever its parameters change.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch(
        "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;",
    )?;
    Ok(conn)
}

fn set_up_writer(conn: &Connection, options: &Options) -> rusqlite::Result<()> {
    let synchronous = options.synchronous.as_str();
    conn.execute_batch(&format!(
        "PRAGMA synchronous = {synchronous}; PRAGMA cache_size = -16384; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON; \
         PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 4000; \
         PRAGMA journal_size_limit = 67108864;"
    ))
}

/// Another writing connection to a store that is open already, after an error left the first in doubt.
pub(super) fn reopen_writer(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    let conn = connect(path, OpenFlags::empty(), options)?;
    set_up_writer(&conn, options)?;
    Ok(conn)
}

/// A reading connection to a store that is open already.
pub(super) fn open_reader(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    let conn = connect(path, OpenFlags::empty(), options)?;
    conn.execute_batch("PRAGMA query_only = ON;")?;
    Ok(conn)
}
