//! The server that the script beside the tests started.

use std::{path::PathBuf, sync::Arc, time::Duration};

use sessile::{
    Store,
    postgres::{Options, Postgres, Tls},
};
use tokio_postgres::{Client, Config, NoTls};

/// Says where the server is.
pub(crate) const VARIABLE: &str = "SESSILE_TEST_POSTGRES";

pub(crate) fn address() -> String {
    std::env::var(VARIABLE).expect("the address of a server")
}

pub(crate) async fn client() -> Client {
    let mut config: Config = address().parse().expect("an address");
    config.password(std::env::var("PGPASSWORD").expect("a password"));
    let (client, connection) = config.connect(NoTls).await.expect("a session");
    tokio::spawn(connection);
    client
}

/// Where the server listens.
pub(crate) fn port() -> u16 {
    let config: Config = address().parse().expect("an address");
    config.get_ports()[0]
}

/// A journal in a schema, by way of this port.
pub(crate) async fn journal(schema: &str, port: u16, connections: usize) -> Postgres {
    let address = address().replace(&format!(":{}/", self::port()), &format!(":{port}/"));
    let options = Options::new(&address)
        .expect("an address")
        .with_schema(schema)
        .expect("a name")
        .with_tls(Tls::Disable);
    loop {
        match Postgres::open(options.clone().with_connections(connections)).await {
            Ok(journal) => return journal,
            Err(error) if error.is_retryable() => {
                tokio::time::sleep(Duration::from_millis(20)).await
            }
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) async fn store(schema: &str, connections: usize) -> Store {
    Store::new(Arc::new(journal(schema, port(), connections).await), sessile::options())
}

/// Where the server keeps its files.
pub(crate) fn folder() -> PathBuf {
    let control = std::env::var("SESSILE_TEST_POSTGRES_CONTROL").expect("the control of a server");
    control.split(" -D ").nth(1).expect("a folder").into()
}
