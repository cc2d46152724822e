//! Opening a schema: a store, a new one, or one to refuse.

use sessile_core::error::{Error, Result};

use super::{
    error::Failure,
    read::column,
    server::{Connection, Server},
};

/// The format number, in the table `meta`.
pub(super) const FORMAT: u32 = 1;

/// Tables, functions, and views for people.
const SCHEMA: &str = include_str!("schema.sql");

/// Opens the schema, and makes it a store if it is new or empty; returns the id of the store. Any number of processes may do so
/// at once; one makes the store, and the others wait.
pub(super) async fn open(server: &Server) -> Result<u128> {
    let connection = server.connect().await?;
    check_server(&connection).await?;
    let schema = &server.options.schema;
    if let Some(store) = find(&connection, schema).await?.store()? {
        return Ok(store);
    }
    // Whatever ends before COMMIT ends with the connection, and nothing of it is there.
    let lock = format!(
        "BEGIN; SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(hashtextextended('sessile {schema}', 0))"
    );
    connection.script(&lock).await.map_err(Failure::repeatable)?;
    let state = find(&connection, schema).await?;
    if let Some(store) = state.store()? {
        return Ok(store);
    }
    if !state.is_made {
        connection
            .script(&format!("CREATE SCHEMA \"{schema}\""))
            .await
            .map_err(Failure::repeatable)?;
    }
    connection.script(SCHEMA).await.map_err(Failure::repeatable)?;
    let store = rand::random::<u128>();
    let meta = format!(
        "INSERT INTO meta(key, value) VALUES ('format', '{FORMAT}'), ('store', '{store:032x}'); COMMIT"
    );
    connection.script(&meta).await.map_err(Failure::repeatable)?;
    Ok(store)
}

async fn check_server(connection: &Connection) -> Result<()> {
    let sql = "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), \
               current_setting('fsync'), pg_is_in_recovery()";
    let rows = connection.query(sql, &[]).await?;
    let row = rows.first().ok_or_else(|| Error::failed("PostgreSQL does not say what it is"))?;
    let (number, encoding): (i32, &str) = (column(row, 0)?, column(row, 1)?);
    let (fsync, is_standby): (&str, bool) = (column(row, 2)?, column(row, 3)?);
    let what = if number < 130_000 {
        format!("PostgreSQL {}: 13 is the oldest that is supported", number / 10_000)
    } else if encoding != "UTF8" {
        format!("a database in {encoding}: make one with the encoding UTF8")
    } else if fsync == "off" {
        "PostgreSQL with `fsync = off`, which loses what it acknowledged: set it to `on`".to_owned()
    } else if is_standby {
        return Err(Error::failed("PostgreSQL takes no writes: it is a standby; name the primary"));
    } else {
        return Ok(());
    };
    Err(Error::Unsupported { what })
}

/// What a schema is.
struct State {
    schema: String,
    is_made: bool,
    is_empty: bool,
    format: Option<String>,
    store: Option<String>,
}

impl State {
    /// The store; `None` if it is to be made.
    fn store(&self) -> Result<Option<u128>> {
        let foreign = |reason: &str| {
            let file = format!("schema {}", self.schema);
            Err(Error::CorruptFile { file, reason: reason.into() })
        };
        if self.is_empty {
            return Ok(None);
        }
        let Some(format) = self.format.as_deref() else {
            return foreign("it is the schema of another application");
        };
        match format.parse::<u32>() {
            Ok(FORMAT) => match self.store.as_deref().map(|hex| u128::from_str_radix(hex, 16)) {
                Some(Ok(store)) => Ok(Some(store)),
                _ => foreign("it has no store id"),
            },
            Ok(format) if format > FORMAT => Err(Error::NewerFormat {
                what: format!("schema {}", self.schema),
                needs: u64::from(format),
                has: u64::from(FORMAT),
            }),
            _ => foreign("its format number was never in use"),
        }
    }
}

async fn find(connection: &Connection, schema: &str) -> Result<State> {
    let sql = "SELECT n.oid IS NOT NULL, NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid), \
               (SELECT count(*) = 2 FROM pg_attribute WHERE attrelid = to_regclass(quote_ident($1) || '.meta') \
                 AND attname IN ('key', 'value')) \
               FROM (SELECT 1) one LEFT JOIN pg_namespace n ON n.nspname = $1";
    let rows = connection.query(sql, &[&schema]).await?;
    let is = |at| rows.first().and_then(|row| row.try_get::<_, bool>(at).ok()).unwrap_or_default();
    let (mut format, mut store) = (None, None);
    if is(2) {
        for (key, value) in [("format", &mut format), ("store", &mut store)] {
            let found = connection.query("SELECT value FROM meta WHERE key = $1", &[&key]).await?;
            *value = found.first().and_then(|row| row.try_get(0).ok());
        }
    }
    Ok(State { schema: schema.into(), is_made: is(0), is_empty: is(1), format, store })
}
