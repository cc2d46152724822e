//! What a person sees in the tables, what is left of what was erased, and which settings are taken.

use std::time::{Duration, Instant};

use sessile::{
    ErrorKind, Store,
    journal::{Direction, Journal, ReadRange, Scrub},
    postgres::{Options, Postgres},
    prelude::*,
};

use sessile_conformance::{folder_holds, internal::raw_batches};

use super::server;

/// The views show threads, sessions and messages, also what `jsonb` cannot hold.
pub(crate) async fn views() -> String {
    let store = server::store("views", 2).await;
    let ann = store.caller("acme", Actor::user("ann")).expect("a caller");
    let project = ann.create_project("website").await.expect("a project");
    let thread = ann.create_thread(project, "fix the login").await.expect("a thread");
    let coder = ann.create_session(thread, "coder").await.expect("a session");
    let deleted = ann.create_session(thread, "deleted").await.expect("a session");
    ann.append(coder, [user("Why?"), assistant("A \0 and a \\u0000.")]).await.expect("entries");
    ann.delete_session(deleted).await.expect("it is deleted");
    store.close().await.expect("it closes");
    let client = server::client().await;
    client.batch_execute("SET search_path = views").await.expect("a schema");
    let rows = async |sql: &str| {
        let rows = client.query(sql, &[]).await.expect("a view");
        let text = |row: &tokio_postgres::Row| {
            (0..row.len()).map(|at| row.get::<_, Option<String>>(at).unwrap_or_default()).collect()
        };
        rows.iter().map(text).collect::<Vec<Vec<String>>>()
    };
    let (thread, coder) = (thread.to_string(), coder.to_string());
    let threads = rows("SELECT id, project, title, status FROM thread").await;
    assert_eq!(threads, [[&thread, &project.to_string(), "fix the login", "open"]]);
    let sessions = rows("SELECT id, thread, name, status, entries::text FROM session").await;
    assert_eq!(sessions, [[&coder, &thread, "coder", "idle", "2"]]);
    let messages = rows("SELECT session, role, text FROM message ORDER BY version").await;
    let second = "A \u{fffd} and a \\u0000.";
    assert_eq!(messages, [[&coder, "user", "Why?"], [&coder, "assistant", second]]);
    let ages = "SELECT (now() - m.at < '1h' AND now() - s.created_at < '1h' AND now() - t.updated_at < '1h')::text \
        FROM message m, session s, thread t";
    assert_eq!(rows(ages).await, [["true"], ["true"]]);
    "the views show what is there".into()
}

const SECRET: &str = "a secret that is to be forgotten";

/// A scrub that is done leaves nothing in any table, index or statistic; one beside an older snapshot is pending.
pub(crate) async fn scrub() -> String {
    let journal = std::sync::Arc::new(server::journal("scrub", server::port(), 2).await);
    let store = Store::new(journal.clone(), sessile::options());
    let ann = store.caller("acme", Actor::user("ann")).expect("a caller");
    let project = ann.create_project("website").await.expect("a project");
    let thread = ann.create_thread(project, "forget").await.expect("a thread");
    let session = ann.create_session(thread, "coder").await.expect("a session");
    ann.append(session, [user(SECRET), user("and this stays")]).await.expect("entries");
    let client = server::client().await;
    client.batch_execute("ANALYZE; CHECKPOINT").await.expect("a superuser");
    let folder = server::folder().join("base");
    assert!(folder_holds(&folder, SECRET.as_bytes()), "it is in a file");

    let older = server::client().await;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM scrub.record";
    older.batch_execute(begin).await.expect("a snapshot");
    let space = thread.space(&"acme".parse().expect("a tenant"));
    let range = ReadRange {
        stream: None,
        after: 0,
        upto: u64::MAX,
        direction: Direction::Forward,
        limit: 100,
    };
    let records = journal.read(&space, &range).await.expect("records");
    let secret = records.iter().find(|record| format!("{:?}", record.body).contains(SECRET));
    journal.erase(&space, &[secret.expect("a record").version]).await.expect("it is erased");
    let pending = journal.scrub().await.expect("a scrub");
    assert!(matches!(pending, Scrub::Pending { .. }), "{pending:?}");
    older.batch_execute("COMMIT").await.expect("it ends");
    assert_eq!(journal.scrub().await.expect("a scrub"), Scrub::Done);
    let guest = "CREATE ROLE guest LOGIN PASSWORD 'guest'; GRANT USAGE ON SCHEMA scrub TO guest; \
        GRANT ALL ON ALL TABLES IN SCHEMA scrub TO guest";
    client.batch_execute(guest).await.expect("a superuser");
    let address = server::address().replace("sessile@", "guest:guest@") + "?schema=scrub";
    let guest = sessile::open_journal(&address).await.expect("a guest may write");
    let error = guest.scrub().await.expect_err("but not copy tables");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    guest.close().await.expect("it closes");
    client.batch_execute("CHECKPOINT").await.expect("a superuser");
    assert!(!folder_holds(&folder, SECRET.as_bytes()), "it is in no file");
    store.close().await.expect("it closes");
    "what was erased is in no file of the database".into()
}

/// Defaults of the user weaken nothing; a server that does not flush is refused.
pub(crate) async fn settings() -> String {
    let client = server::client().await;
    let weak = "ALTER ROLE sessile SET synchronous_commit = off; ALTER ROLE sessile SET default_transaction_isolation = serializable; \
        ALTER ROLE sessile SET default_transaction_read_only = on; ALTER ROLE sessile SET statement_timeout = 1";
    client.batch_execute(weak).await.expect("a superuser");
    let store = server::store("settings", 2).await;
    let ann = store.caller("acme", Actor::user("ann")).expect("a caller");
    ann.create_project("website").await.expect("a project");
    store.close().await.expect("it closes");
    client.batch_execute("ALTER ROLE sessile RESET ALL").await.expect("a superuser");

    let fsync = async |value: &str| {
        client
            .batch_execute(&format!("ALTER SYSTEM SET fsync = {value}"))
            .await
            .expect("a superuser");
        client.batch_execute("SELECT pg_reload_conf()").await.expect("a superuser");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    fsync("off").await;
    let options = Options::new(&server::address()).expect("an address");
    let error = Postgres::open(options.with_schema("settings").expect("a name")).await;
    fsync("on").await;
    let error = error.expect_err("it loses what it acknowledged");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("fsync"), "{error}");

    client
        .batch_execute("CREATE SCHEMA theirs; CREATE TABLE theirs.meta(x int)")
        .await
        .expect("a table");
    let options = Options::new(&server::address()).expect("an address");
    let error = Postgres::open(options.with_schema("theirs").expect("a name")).await;
    assert_eq!(error.expect_err("another application's").kind(), ErrorKind::Corrupt);
    "settings are fixed or refused".into()
}

/// Each mode of TLS does what its name says, and no error repeats a password.
pub(crate) async fn encrypted() -> String {
    let roots =
        std::env::var("SESSILE_TEST_POSTGRES_ROOTS").expect("whoever signed the certificate");
    let open = async |options: &str| {
        let address = format!("{}?schema=encrypted&{options}", server::address());
        let journal = sessile::open_journal(&address).await?;
        let sql = "SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE application_name = 'sessile'";
        // Its first connection has ended, maybe: the next call makes one.
        let space = "acme".parse().map(sessile::id::Space::of_tenant)?;
        journal.head(&space).await?;
        let is_encrypted = server::client().await.query_one(sql, &[]).await.expect("a row").get(0);
        journal.close().await?;
        sessile::Result::<Option<bool>>::Ok(is_encrypted)
    };
    for (options, expected) in [
        ("sslmode=disable", false),
        ("sslmode=prefer", true),
        ("sslmode=require", true),
        (&format!("sslmode=require&sslrootcert={roots}"), true),
        (&format!("sslmode=verify-full&sslrootcert={roots}"), true),
    ] {
        assert_eq!(open(options).await.expect("it opens"), Some(expected), "{options}");
        // The sessions end after the handle is closed.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let error = open("sslmode=verify-full").await.expect_err("the platform does not know it");
    assert_eq!(error.kind(), ErrorKind::Unavailable);

    let wrong = server::address().replace("sessile@", "sessile:hunter2@");
    let error = sessile::open_journal(&wrong).await.expect_err("another password");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    "each mode does what its name says".into()
}

/// A writer waits for a row for as long as it says, and nobody waits with it.
pub(crate) async fn patience() -> String {
    let journal = server::journal("patience", server::port(), 4).await;
    let (held, free) = (raw_batches::space(1), raw_batches::space(2));
    let mut ends = Vec::new();
    for space in [&held, &free] {
        let batch = raw_batches::batch(None, 1, "first");
        raw_batches::done(journal.commit(space, None, &batch).await);
        ends.push(batch.end());
    }
    let other = server::client().await;
    let lock = format!(
        "BEGIN; SELECT 1 FROM patience.space WHERE name = '{}' FOR UPDATE",
        held.characters()
    );
    other.batch_execute(&lock).await.expect("a lock");
    let commit = async |space, end, millis| {
        let mut batch = raw_batches::batch(end, 1, "second");
        batch.patience = Duration::from_millis(millis);
        let began = Instant::now();
        (journal.commit(space, end, &batch).await, began.elapsed())
    };
    let ((refused, waited), (done, took), (last, _)) = tokio::join!(
        commit(&held, ends[0], 500),
        async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            commit(&free, ends[1], 2000).await
        },
        async {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            other.batch_execute("COMMIT").await.expect("it ends");
            commit(&held, ends[0], 2000).await
        }
    );
    assert_eq!(refused.expect_err("the row is held").kind(), ErrorKind::Contended);
    let patience = Duration::from_millis(500)..Duration::from_millis(1400);
    assert!(patience.contains(&waited), "{waited:?}");
    raw_batches::done(done);
    assert!(took < Duration::from_millis(450), "{took:?}");
    raw_batches::done(last);
    journal.close().await.expect("it closes");
    format!("refused after {waited:?}, the other done after {took:?}")
}
