//! The server that the script beside the tests started, and its control.

use std::{path::PathBuf, process::Command, sync::Arc, time::Duration};

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

/// Runs the server's control program, as the script says how.
fn control(words: &[&str]) -> bool {
    let control = std::env::var("SESSILE_TEST_POSTGRES_CONTROL").expect("the control of a server");
    let mut control = control.split(' ');
    let mut command = Command::new(control.next().expect("a program"));
    let done = command.args(control).args(words).output().expect("it runs");
    done.status.success()
}

/// Where the server keeps its files.
pub(crate) fn folder() -> PathBuf {
    let control = std::env::var("SESSILE_TEST_POSTGRES_CONTROL").expect("the control of a server");
    control.split(" -D ").nth(1).expect("a folder").into()
}

/// Ends the server as a crash does: its processes exit without a word, or the first is killed and the others find out.
pub(crate) fn crash(by_signal: bool) {
    if !by_signal {
        assert!(control(&["stop", "-s", "-m", "immediate"]), "the server stops");
        return;
    }
    let pid = std::fs::read_to_string(folder().join("postmaster.pid")).expect("it runs");
    let pid = pid.lines().next().expect("a process").to_owned();
    assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill runs").success());
}

/// Starts it again, once all that is left of it is gone.
pub(crate) fn restart() {
    for _ in 0..100 {
        if control(&["start", "-s", "-w", "-l", "/dev/null"]) {
            return;
        }
        #[allow(clippy::disallowed_methods, reason = "tests")]
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the server does not start again");
}
