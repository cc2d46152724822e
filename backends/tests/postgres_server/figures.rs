//! How fast, beside bare rows of the same server in the same run.

use std::time::{Duration, Instant};

use sessile::{Store, id::SessionId, prelude::*};
use tokio_postgres::Client;

use super::server;

/// Rounds of both sides, in turn; the figures are medians.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const TEXT: usize = 1024;

/// Each writer inserts a row and commits, on a connection of its own.
async fn raw(clients: &[Client]) -> f64 {
    let insert = "INSERT INTO bare(body) VALUES ($1)";
    let body = vec![b'x'; TEXT];
    let began = Instant::now();
    let writer = async |client: &Client| {
        let statement = client.prepare(insert).await.expect("a statement");
        let mut done = 0;
        while began.elapsed() < ROUND {
            client.execute(&statement, &[&body]).await.expect("a row");
            done += 1;
        }
        done
    };
    let done = futures_util::future::join_all(clients.iter().map(writer)).await;
    done.iter().sum::<u32>() as f64 / began.elapsed().as_secs_f64()
}

/// Each writer appends an entry to a session of its own.
async fn ours(store: &Store, sessions: &[SessionId]) -> f64 {
    let began = Instant::now();
    let writers = sessions.iter().map(|session| {
        let (store, session) = (store.clone(), *session);
        tokio::spawn(async move {
            let ann = store.caller("acme", Actor::user("ann")).expect("a caller");
            let mut done = 0;
            while began.elapsed() < ROUND {
                ann.append(session, [user("x".repeat(TEXT))]).await.expect("an entry");
                done += 1;
            }
            done
        })
    });
    let done = futures_util::future::join_all(writers).await;
    let done: u32 = done.into_iter().map(|done| done.expect("a writer")).sum();
    f64::from(done) / began.elapsed().as_secs_f64()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

pub(crate) async fn measure() -> String {
    let store = server::store("figures", 6).await;
    let ann = store.caller("acme", Actor::user("ann")).expect("a caller");
    let project = ann.create_project("figures").await.expect("a project");
    let client = server::client().await;
    client
        .batch_execute("CREATE TABLE bare(id bigserial PRIMARY KEY, body bytea)")
        .await
        .expect("a table");
    let mut said = Vec::new();
    for (name, writers, threads) in
        [("1 writer", 1, 1), ("64 in 64 threads", 64, 64), ("64 in one thread", 64, 1)]
    {
        let mut sessions = Vec::new();
        let mut thread = None;
        for at in 0..writers {
            if at < threads {
                thread = Some(ann.create_thread(project, "t").await.expect("a thread"));
            }
            sessions
                .push(ann.create_session(thread.expect("a thread"), "s").await.expect("a session"));
        }
        let mut clients = Vec::new();
        for _ in 0..writers {
            clients.push(server::client().await);
        }
        let (mut bare, mut kept) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bare.push(raw(&clients).await);
            kept.push(ours(&store, &sessions).await);
        }
        let (bare, kept) = (median(bare), median(kept));
        said.push(format!(
            "{name}: {kept:.0}/s beside {bare:.0}/s of bare rows, {:.2}",
            kept / bare
        ));
    }
    client.batch_execute("DROP TABLE bare").await.expect("no table");
    store.close().await.expect("it closes");
    said.join("; ")
}
