//! Scrubbing: removing erased bytes from the write-ahead log.

use std::time::Duration;

use sessile_core::{error::Result, journal::Scrub};

use super::{SqliteShared, error::is_busy, open};
use sessile_driver::{clock, reservation};

/// How long a scrub waits for reads and writes under way.
const PATIENCE: Duration = Duration::from_secs(5);

/// Freed bytes are zeros already (`secure_delete`); copies are in the write-ahead log only. It is moved into the file and
/// cut to nothing, which needs a moment in which nobody reads from it.
pub(super) fn scrub(shared: &SqliteShared) -> Result<Scrub> {
    let engine = |e| shared.engine_error(e);
    let conn = open::reopen_writer(&shared.path, &shared.options).map_err(engine)?;
    let until = clock::deadline(PATIENCE);
    let mut attempt = 0;
    loop {
        let busy: rusqlite::Result<bool> =
            conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        match busy {
            Ok(false) => return Ok(Scrub::Done),
            Ok(true) => {}
            Err(e) if is_busy(&e) => {}
            Err(e) => return Err(engine(e)),
        }
        if clock::instant() >= until {
            let why =
                "another connection reads from or writes to the write-ahead log: scrub again later"
                    .to_owned();
            return Ok(Scrub::Pending { why });
        }
        reservation::pause(attempt);
        attempt += 1;
    }
}
