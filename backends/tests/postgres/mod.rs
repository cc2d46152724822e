//! A PostgreSQL server for the suite.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sessile::{
    Result,
    id::{Space, SpaceKind, Version},
    journal::Journal,
    postgres::{Options, Postgres, Tls},
};
use sessile_conformance::{Damage, Dir, Tamper, Wire, folder_holds};
use tokio::time::timeout;
use tokio_postgres::{Client, Config, NoTls, types::ToSql};

/// Says where the server is, as the script beside the tests does.
const VARIABLE: &str = "SESSILE_TEST_POSTGRES";

const RECORD: &str = "space = $1 AND version = $2";

/// Why there is no server, if there is none.
pub(super) fn without() -> Option<String> {
    let why =
        || format!("{VARIABLE} is not set; backends/tests/postgres.sh COMMAND starts a server");
    std::env::var_os(VARIABLE).is_none().then(why)
}

fn address() -> String {
    std::env::var(VARIABLE).expect("the address of a server")
}

/// A schema that the directory's name tells from others; each process tells the same.
fn schema(dir: &Dir) -> String {
    let name = dir.path().file_name().expect("a directory of its own").to_string_lossy();
    let hex: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("s{hex}")
}

pub(super) async fn open(dir: Dir) -> Result<Postgres> {
    Postgres::open(options(&address(), &dir)?).await
}

fn options(address: &str, dir: &Dir) -> Result<Options> {
    // Many handles are open at once.
    let options = Options::new(address)?.with_schema(&schema(dir))?.with_connections(4);
    Ok(options.with_tls(Tls::Disable))
}

/// The way to the server.
pub(super) struct ToServer(pub(super) Dir);

#[async_trait]
impl Wire for ToServer {
    fn server(&self) -> SocketAddr {
        let config: Config = address().parse().expect("an address");
        ([127, 0, 0, 1], config.get_ports().first().copied().expect("a port")).into()
    }

    async fn open(&self, through: SocketAddr) -> Result<Arc<dyn Journal>> {
        let address = address().replace(&self.server().to_string(), &through.to_string());
        Ok(Arc::new(Postgres::open(options(&address, &self.0)?).await?))
    }
}

/// Kills the server and starts it again. Every second time it is told to end as in a crash, else its first process is killed and
/// the others find out.
pub(super) async fn restart(_dir: Dir) {
    static KILLS: AtomicUsize = AtomicUsize::new(0);
    if KILLS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
        assert!(control(&["stop", "-s", "-m", "immediate"]).await, "the server stops");
    } else {
        let pid = std::fs::read_to_string(folder().join("postmaster.pid")).expect("it runs");
        let pid = pid.lines().next().expect("a process").to_owned();
        assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill runs").success());
    }
    let starting = async {
        // What is left of it has to go first.
        while !control(&["start", "-s", "-w", "-l", "/dev/null"]).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(60), starting).await.expect("the server starts again");
}

/// Runs the server's control program, as the script says how.
async fn control(words: &'static [&'static str]) -> bool {
    let control = std::env::var("SESSILE_TEST_POSTGRES_CONTROL").expect("the control of a server");
    let mut control = control.split(' ');
    let mut command = Command::new(control.next().expect("a program"));
    command.args(control).args(words);
    let running = tokio::task::spawn_blocking(move || command.output());
    running.await.expect("no panic").expect("it runs").status.success()
}

/// Where the server keeps its files.
fn folder() -> PathBuf {
    let control = std::env::var("SESSILE_TEST_POSTGRES_CONTROL").expect("the control of a server");
    control.split(" -D ").nth(1).expect("a folder").into()
}

/// Whether a file of tables and indexes has these bytes, once the server has written what it has in memory.
pub(super) async fn holds(dir: Dir, bytes: Vec<u8>) -> bool {
    client(&dir).await.batch_execute("CHECKPOINT").await.expect("a superuser");
    folder_holds(&folder().join("base"), &bytes)
}

/// Drops the schema.
pub(super) async fn clean(dir: Dir) {
    let drop = format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", schema(&dir));
    client(&dir).await.batch_execute(&drop).await.expect("a superuser");
}

/// A session of its own, in the schema.
async fn client(dir: &Dir) -> Client {
    let mut config: Config = address().parse().expect("an address");
    config.password(std::env::var("PGPASSWORD").expect("a password"));
    let (client, connection) = config.connect(NoTls).await.expect("a session");
    tokio::spawn(connection);
    let settings =
        format!("SET client_min_messages = error; SET search_path = \"{}\"", schema(dir));
    client.batch_execute(&settings).await.expect("a schema");
    client
}

/// Damages rows, through a session of its own.
pub(super) struct InSchema(pub(super) Dir);

#[async_trait]
impl Tamper for InSchema {
    async fn damage(&self, space: &Space, version: Version, damage: Damage) {
        let client = client(&self.0).await;
        let kind = match space.kind() {
            SpaceKind::Project => "project",
            SpaceKind::Thread => "thread",
            SpaceKind::Tenant => "tenant",
        };
        let sql = "SELECT id FROM space WHERE tenant = $1 AND kind = $2 AND name = $3";
        let (tenant, name) = (space.tenant().as_str(), space.characters());
        let row = client.query_one(sql, &[&tenant, &kind, &name]).await;
        let id: i64 = row.expect("a space").get(0);
        let version = version.cast_signed();
        let change = async |sql: &str, params: &[&(dyn ToSql + Sync)]| {
            client.execute(sql, params).await.expect("a change")
        };
        let here: &[&(dyn ToSql + Sync)] = &[&id, &version];
        let changed = match damage {
            Damage::FlipHeader => flip(&client, "record", "header", RECORD, [&id, &version]).await,
            Damage::FlipBody => {
                let of = "space = $1 AND name = (SELECT blob FROM record WHERE space = $1 AND version = $2)";
                flip(&client, "record", "body", RECORD, [&id, &version]).await
                    + flip(&client, "blob", "content", of, [&id, &version]).await
            }
            Damage::Swap(with) => {
                let with = with.cast_signed();
                let set = "UPDATE record SET version = $3 WHERE space = $1 AND version = $2";
                let mut changed = 1;
                for (from, to) in [(version, -1), (with, version), (-1, with)] {
                    changed *= change(set, &[&id, &from, &to]).await;
                }
                changed
            }
            Damage::Drop => {
                change("DELETE FROM record WHERE space = $1 AND version = $2", here).await
            }
            Damage::Insert => {
                // By way of negative numbers: each version is there once at any moment.
                let up =
                    "UPDATE record SET version = -version - 1 WHERE space = $1 AND version > $2";
                change(up, here).await;
                let back = "UPDATE record SET version = -version WHERE space = $1 AND version < 0";
                change(back, &[&id]).await;
                change("UPDATE space SET head = head + 1 WHERE id = $1", &[&id]).await;
                let copy = "INSERT INTO record(space, version, stream, prev, sum, kind, header, body, blob, link, salt) \
                    SELECT space, version + 1, stream, prev, sum, kind, header, body, blob, link, salt \
                    FROM record WHERE space = $1 AND version = $2";
                change(copy, here).await
            }
        };
        assert_eq!(changed, 1, "a record to damage");
    }

    async fn newer_format(&self) -> bool {
        let set = "UPDATE meta SET value = '1000' WHERE key = 'format'";
        client(&self.0).await.batch_execute(set).await.expect("a change");
        true
    }
}

/// Changes one bit of a letter or digit in the second half of a column; says how many rows it changed.
async fn flip(client: &Client, table: &str, column: &str, of: &str, here: [&i64; 2]) -> u64 {
    let sql = format!("SELECT {column} FROM {table} WHERE {of} AND {column} IS NOT NULL");
    let [space, version] = here;
    let found = client.query_opt(&sql, &[space, version]).await.expect("a column");
    let Some(row) = found else { return 0 };
    let mut bytes: Vec<u8> = row.get(0);
    let half = bytes.len() / 2;
    if let Some(byte) = bytes.iter_mut().skip(half).find(|byte| byte.is_ascii_alphanumeric()) {
        *byte ^= 1;
    }
    let sql = format!("UPDATE {table} SET {column} = $3 WHERE {of}");
    client.execute(&sql, &[space, version, &bytes]).await.expect("a change")
}
