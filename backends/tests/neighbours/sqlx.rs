//! A store of Sessile and a table of sqlx in one program.

mod store;

use std::error::Error;

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = store::folder()?.join("table.db");
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut table = SqliteConnection::connect_with(&options).await?;
    sqlx::query("CREATE TABLE t (n INTEGER)").execute(&mut table).await?;
    store::append_and_read().await?;
    sqlx::query("INSERT INTO t VALUES (7)").execute(&mut table).await?;
    let (n, version): (i64, String) =
        sqlx::query_as("SELECT n, sqlite_version() FROM t").fetch_one(&mut table).await?;
    assert_eq!(n, 7);
    table.close().await?;
    println!("beside sqlx: SQLite {version}");
    Ok(())
}
