//! Connections for reading: few, and each in use for one short transaction.

use std::{
    fmt,
    path::Path,
    sync::{Condvar, Mutex, PoisonError},
};

use rusqlite::Connection;

use super::{Options, open};
use sessile_driver::lock;

/// Readers at the same time, at most; more wait.
const MOST: usize = 8;

#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<PoolState>,
    freed: Condvar,
}

#[derive(Default)]
struct PoolState {
    idle: Vec<Connection>,
    open: usize,
    closed: bool,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

impl Pool {
    /// A connection; blocks while all are in use.
    pub(super) fn get(&self, path: &Path, options: &Options) -> rusqlite::Result<Reader<'_>> {
        let mut state = lock(&self.state);
        loop {
            if let Some(conn) = state.idle.pop() {
                return Ok(Reader { pool: self, conn: Some(conn) });
            }
            if state.open < MOST {
                state.open += 1;
                drop(state);
                // Counted before it is there; dropped without a connection, it gives its place back.
                let mut reader = Reader { pool: self, conn: None };
                reader.conn = Some(open::open_reader(path, options)?);
                return Ok(reader);
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether [`get`](Self::get) would block.
    pub(super) fn is_exhausted(&self) -> bool {
        let state = lock(&self.state);
        state.idle.is_empty() && state.open >= MOST
    }

    /// Closes what is idle; what is in use is closed when it comes back.
    pub(super) fn close(&self) {
        let idle = {
            let mut state = lock(&self.state);
            state.closed = true;
            state.open -= state.idle.len();
            std::mem::take(&mut state.idle)
        };
        drop(idle);
    }
}

/// A connection on loan.
pub(super) struct Reader<'a> {
    pool: &'a Pool,
    conn: Option<Connection>,
}

impl Reader<'_> {
    /// Closes the connection instead of giving it back: an error left it in doubt.
    pub(super) fn discard(mut self) {
        self.conn = None;
    }

    pub(super) fn conn(&self) -> rusqlite::Result<&Connection> {
        self.conn.as_ref().ok_or(rusqlite::Error::InvalidQuery)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut conn = self.conn.take().filter(Connection::is_autocommit);
        let mut state = lock(&self.pool.state);
        match conn.take() {
            Some(conn) if !state.closed => state.idle.push(conn),
            closed => {
                state.open = state.open.saturating_sub(1);
                drop(state);
                drop(closed);
            }
        }
        self.pool.freed.notify_one();
    }
}
