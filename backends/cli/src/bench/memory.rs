//! Bytes that a store keeps in memory for what is over.
//!
//! | workload | bytes for each |
//! | --- | --- |
//! | `ended_session` | session whose only run, of one booked call, has succeeded |
//! | `ended_run` | further run of such a session |
//!
//! What is counted is what a store with nothing in memory allocates and keeps while it opens the same ten threads over one
//! journal: the journal's own bytes are not in it, and the pages of an engine's cache neither.

use std::sync::Arc;

use serde::Serialize;
use sessile::{
    Memory,
    command::{NewRun, NewSession},
    handle::Handle,
    id::ThreadId,
    journal::Journal,
    model::{Actor, RunOutcome, Tokens, Usage},
    store::Store,
};

use super::sizes::SESSIONS;
use crate::{
    fail::{Fail, Result},
    report::{Align, Out, Table, count},
};

/// Threads of a fixture.
const THREADS: usize = 10;
/// Runs of a session that has had many.
const RUNS: usize = 10;

/// One figure.
#[derive(Debug, Serialize)]
struct Figure {
    workload: &'static str,
    bytes_each: i64,
}

/// Counts, in a thread and a runtime of its own: an allocation counts where it is made.
pub(super) async fn run(out: &mut Out) -> Result<()> {
    let counted = tokio::task::spawn_blocking(|| -> Result<_> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Fail::io("cannot start"))?;
        let bare = kept(&runtime, 0, 0)?;
        let ended = kept(&runtime, SESSIONS, 1)?;
        Ok((bare, ended, kept(&runtime, SESSIONS, 1 + RUNS)?))
    });
    let (bare, ended, often) =
        counted.await.map_err(|e| Fail::input(format!("the count failed: {e}")))??;
    let sessions = (THREADS * SESSIONS) as i64;
    let figures = [
        Figure { workload: "ended_session", bytes_each: (ended - bare) / sessions },
        Figure { workload: "ended_run", bytes_each: (often - ended) / (sessions * RUNS as i64) },
    ];
    if out.json {
        return figures.iter().try_for_each(|figure| out.value(figure));
    }
    let mut table = Table::new([("workload", Align::Left), ("bytes each", Align::Right)]);
    for figure in &figures {
        let bytes = count(figure.bytes_each.unsigned_abs());
        table.row([figure.workload.to_owned(), bytes]);
    }
    out.table(&table)
}

/// Bytes that a cold store keeps of threads with so many sessions of so many runs.
fn kept(runtime: &tokio::runtime::Runtime, sessions: usize, runs: usize) -> Result<i64> {
    let journal: Arc<dyn Journal> = Arc::new(Memory::new(0));
    let threads = runtime.block_on(fill(&journal, sessions, runs))?;
    let mut opened = Ok(None);
    let counted = allocation_counter::measure(|| {
        opened = runtime.block_on(open(journal.clone(), &threads)).map(Some);
    });
    drop(opened?);
    Ok(counted.bytes_current)
}

fn bench(store: &Store) -> Result<Handle> {
    Ok(store.caller("bench", Actor::system("bench"))?)
}

async fn fill(journal: &Arc<dyn Journal>, sessions: usize, runs: usize) -> Result<Vec<ThreadId>> {
    let bench = bench(&Store::new(journal.clone(), sessile::options()))?;
    let project = bench.create_project("bench").await?;
    let mut threads = Vec::with_capacity(THREADS);
    for _ in 0..THREADS {
        let thread = bench.create_thread(project, "many sessions").await?;
        for i in 0..sessions {
            let new = NewSession::named(format!("session {i}"));
            let session = bench.create_session(thread, new).await?;
            for call in 0..runs {
                let run = bench.start_run(session, NewRun::default()).await?;
                let usage = Usage::new(Tokens { input: 1, output: 1, ..Tokens::default() }, 1);
                bench.book_usage(run, format!("call {i} {call}"), usage).await?;
                bench.end_run(run, RunOutcome::Succeeded).await?;
            }
        }
        threads.push(thread);
    }
    Ok(threads)
}

async fn open(journal: Arc<dyn Journal>, threads: &[ThreadId]) -> Result<Store> {
    let cold = Store::new(journal, sessile::options().with_memory(usize::MAX));
    let reader = bench(&cold)?;
    for &thread in threads {
        reader.thread(thread).await?;
    }
    Ok(cold)
}
