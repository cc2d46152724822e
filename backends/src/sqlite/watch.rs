//! Notices that another process has committed.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use sessile_driver::{clock, lock};

/// Nobody asks the file more often than this, however many wait.
const OFTEN: Duration = Duration::from_millis(1);

/// The `data_version` of one connection: it changes when any other connection has committed.
#[derive(Debug, Default)]
pub(super) struct Watch {
    state: Mutex<WatchState>,
}

#[derive(Debug, Default)]
struct WatchState {
    conn: Option<Connection>,
    seen: i64,
    asked: Option<Instant>,
    /// Counts the changes.
    epoch: u64,
}

impl Watch {
    /// A number that grows when somebody has committed.
    pub(super) fn epoch(
        &self,
        open: impl FnOnce() -> rusqlite::Result<Connection>,
    ) -> rusqlite::Result<u64> {
        let mut state = lock(&self.state);
        let now = clock::instant();
        if state.asked.is_some_and(|asked| now.saturating_duration_since(asked) < OFTEN) {
            return Ok(state.epoch);
        }
        let conn = match state.conn.take() {
            Some(conn) => conn,
            None => open()?,
        };
        let version = conn
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)));
        state.conn = Some(conn);
        let version: i64 = version?;
        state.asked = Some(now);
        if version != state.seen {
            state.seen = version;
            state.epoch += 1;
        }
        Ok(state.epoch)
    }

    pub(super) fn close(&self) {
        lock(&self.state).conn = None;
    }
}
