//! Removing from the tables what was erased, dropped or replaced.

use std::time::Duration;

use sessile_core::{
    error::{Error, Result},
    journal::Scrub,
};
use sessile_driver::clock;

use super::{error::Failure, server::Server};

/// How long it waits for transactions that began before.
const PATIENCE: Duration = Duration::from_secs(5);

/// Copies every table without its dead rows. A plain VACUUM only forgets where they are: their bytes stay in the free space of
/// pages. A row that an open snapshot may see is copied as well, so all that are older must end first.
pub(super) async fn scrub(server: &Server) -> Result<Scrub> {
    let connection = server.connect().await?;
    // VACUUM passes over the tables of others with a warning only.
    let mine = "SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class \
        WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace";
    let mine = connection.query(mine, &[]).await?;
    if !mine.first().is_some_and(|row| row.try_get(0).unwrap_or(false)) {
        let what = "scrub: only the owner of the tables may copy them".into();
        return Err(Error::Unsupported { what });
    }
    let now = connection.query("SELECT pg_current_xact_id()::xid::text", &[]).await?;
    let now: String = now.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
    let older = "SELECT 1 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND (datname = current_database() OR datname IS NULL) \
        AND greatest(age(backend_xid), age(backend_xmin)) >= age($1::text::xid) \
        UNION ALL SELECT 1 FROM pg_prepared_xacts WHERE age(transaction) >= age($1::text::xid) \
        UNION ALL SELECT 1 FROM pg_replication_slots WHERE age(xmin) >= age($1::text::xid) LIMIT 1";
    let until = clock::deadline(PATIENCE);
    while !connection.query(older, &[&now]).await?.is_empty() {
        if clock::instant() >= until {
            let why = "a transaction that is open, or a replica that lags, may still see what was removed".into();
            return Ok(Scrub::Pending { why });
        }
        clock::sleep(Duration::from_millis(20)).await;
    }
    connection.script("SET lock_timeout = '5s'").await.map_err(Failure::repeatable)?;
    for table in ["space", "record", "snapshot", "blob"] {
        match connection.script(&format!("VACUUM (FULL) {table}")).await {
            Ok(()) => {}
            Err(Failure::Busy(_)) => {
                return Ok(Scrub::Pending {
                    why: format!("another session uses the table {table}"),
                });
            }
            Err(failure) => return Err(failure.repeatable()),
        }
    }
    Ok(Scrub::Done)
}
