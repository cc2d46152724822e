//! A PostgreSQL server that crashes, a wire that is cut, and how fast it is. Judged where `SESSILE_TEST_POSTGRES` says that a
//! server is (`postgres.sh` beside this); each at full size with `SESSILE_PROFILE=nightly`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod figures;
mod kept;
mod server;
mod wire;
mod writers;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use libtest_mimic::{Arguments, Trial};
use sessile::journal::Journal as _;
use sessile_conformance::internal::raw_batches;
use tokio::task::JoinHandle;
use writers::Told;

/// Writers at once, each in a space of its own.
const WRITERS: u128 = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    if std::env::var_os(server::VARIABLE).is_none() {
        eprintln!(
            "NOT ASSESSED postgres: {} is not set; backends/tests/postgres.sh COMMAND starts a server",
            server::VARIABLE
        );
        return ExitCode::SUCCESS;
    }
    // One crashes the server.
    arguments.test_threads = Some(1);
    let trials = vec![
        Trial::test("views", || judge(kept::views())),
        Trial::test("scrub", || judge(kept::scrub())),
        Trial::test("encrypted", || judge(kept::encrypted())),
        Trial::test("patience", || judge(kept::patience())),
        Trial::test("settings", || judge(kept::settings())),
        Trial::test("cut_wire", || judge(cut_wire())),
        Trial::test("killed_server", || judge(killed_server())),
        Trial::test("figures", || judge(figures::measure())).with_ignored_flag(true),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn judge(trial: impl Future<Output = String>) -> Result<(), libtest_mimic::Failed> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let said = runtime.worker_threads(2).enable_all().build()?.block_on(trial);
    println!("{said}");
    Ok(())
}

fn sized(nightly: usize, usual: usize) -> usize {
    let is_nightly = std::env::var("SESSILE_PROFILE").is_ok_and(|profile| profile == "nightly");
    if is_nightly { nightly } else { usual }
}

/// Commits while each connection is cut after a few milliseconds: nothing is lost, nothing doubled, and doubt is called doubt.
async fn cut_wire() -> String {
    let port = wire::cutting(server::port()).await;
    let journal = Arc::new(server::journal("cut_wire", port, 6).await);
    let (told, stop) = (Arc::new(Told::default()), Arc::new(AtomicBool::new(false)));
    let writers = write(&journal, &told, &stop, 0);
    while told.done.load(Ordering::Relaxed) < sized(1000, 200) as u64 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    check("cut_wire", &stop, writers).await;
    assert!(told.in_doubt.load(Ordering::Relaxed) > 0, "some were in doubt");
    journal.close().await.expect("it closes");
    told.figures()
}

/// The server is killed while writers write: what was acknowledged is there, once.
async fn killed_server() -> String {
    let mut journals = Vec::new();
    for _ in 0..2 {
        journals.push(Arc::new(server::journal("killed_server", server::port(), 3).await));
    }
    let (told, stop) = (Arc::new(Told::default()), Arc::new(AtomicBool::new(false)));
    let mut writers = Vec::new();
    for (at, journal) in (0..).zip(&journals) {
        writers.extend(write(journal, &told, &stop, at * WRITERS));
    }
    let kills = sized(100, 4);
    for at in 0..kills {
        tokio::time::sleep(Duration::from_millis(rand::random_range(50..300))).await;
        tokio::task::spawn_blocking(move || {
            server::crash(at % 2 == 1);
            server::restart();
        })
        .await
        .expect("a crash");
    }
    check("killed_server", &stop, writers).await;
    for journal in journals {
        journal.close().await.expect("it closes");
    }
    format!("{kills} kills: {}", told.figures())
}

/// Stops the writers and compares what is there with what they were told, over a wire that is whole.
async fn check(schema: &str, stop: &AtomicBool, writers: Vec<JoinHandle<Vec<String>>>) {
    stop.store(true, Ordering::Relaxed);
    let journal = server::journal(schema, server::port(), 1).await;
    for (at, writer) in (0..).zip(writers) {
        let all = writer.await.expect("a writer");
        let records = raw_batches::read_all(&journal, &raw_batches::space(at)).await;
        let tags: Vec<String> = records.iter().map(raw_batches::tag).collect();
        assert_eq!(tags, all, "nothing lost, nothing doubled");
    }
    journal.close().await.expect("it closes");
}

fn write(
    journal: &Arc<sessile::postgres::Postgres>,
    told: &Arc<Told>,
    stop: &Arc<AtomicBool>,
    first: u128,
) -> Vec<JoinHandle<Vec<String>>> {
    let writer = |at| {
        let (journal, told, stop) = (Arc::clone(journal), Arc::clone(told), Arc::clone(stop));
        let space = raw_batches::space(at);
        tokio::spawn(async move { writers::append(&journal, &space, &told, &stop).await })
    };
    (first..first + WRITERS).map(writer).collect()
}
