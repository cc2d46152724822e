//! A store of Sessile and a table of diesel in one program.

mod store;

use std::error::Error;

use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection, sql_query,
    sql_types::{BigInt, Text},
};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    n: i64,
    #[diesel(sql_type = Text)]
    version: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = store::folder()?.join("table.db");
    let mut table = SqliteConnection::establish(&path.to_string_lossy())?;
    sql_query("CREATE TABLE t (n INTEGER)").execute(&mut table)?;
    store::append_and_read().await?;
    sql_query("INSERT INTO t VALUES (7)").execute(&mut table)?;
    let rows: Vec<Row> =
        sql_query("SELECT n, sqlite_version() AS version FROM t").load(&mut table)?;
    assert_eq!(rows.iter().map(|row| row.n).collect::<Vec<_>>(), [7]);
    println!("beside diesel: SQLite {}", rows.iter().map(|row| &*row.version).collect::<String>());
    Ok(())
}
