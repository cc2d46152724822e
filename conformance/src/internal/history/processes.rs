//! Histories whose clients are processes of their own, each with its own handle and caches.
//!
//! All read the clock of the machine, which is the same for every process. A process reports each call before it sends it, and
//! again with its answer; so the calls under way in a process that is killed stay open, like calls that are dropped and
//! calls whose outcome is unknown.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sessile_core::store::AnyStore;

use super::{
    HistoryThread, Invocation, Recorded, Tally,
    drive::{Client, Plan},
};
use crate::internal::{
    ClauseContext,
    fault::{Faults, FaultyJournal},
    process::Child,
};

crate::internal::child_programs! { "histories" => play }

/// Processes of a history, and clients of each.
const PROCESSES: usize = 3;
const CLIENTS: usize = 2;

/// How long a process waits for the others to begin a history.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a process does: histories, one after the other, each begun by all processes together.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Work {
    /// Unique in the store.
    name: u64,
    histories: Vec<(HistoryThread, Plan)>,
}

/// One call: its history, its number at its client, and what is known of it.
type ReportedCall = (usize, u64, Invocation);

/// Records `n` histories by the same processes, the last process killed in the middle of the last history, and judges
/// each. Answers how many were killed while a call was open.
pub(crate) async fn judge(cx: &ClauseContext, n: usize, tally: &mut Tally) -> usize {
    let (calm, caller) = (cx.store().await, cx.caller());
    let mut rng = StdRng::seed_from_u64(cx.seed());
    let mut work = Work { name: cx.seed(), histories: Vec::new() };
    for _ in 0..n {
        let clients = PROCESSES * CLIENTS;
        let plan = Plan { clients, calls: 8, seed: cx.seed(), dropped: 60, pauses: 400 };
        work.histories.push((HistoryThread::make(&calm, &caller).await, plan));
    }
    std::fs::create_dir_all(meeting_folder(cx, &work)).expect("a folder to wait_for_all in");
    let args = serde_json::to_value(&work).expect("work is JSON");
    let mut children = cx.start_processes("histories", PROCESSES, &args).await;
    let victim = children.pop().expect("a process");
    let mut said = kill_in_last_history(victim, n, &mut rng).await;
    let cut = said.last().is_some_and(|(_, _, last)| last.answer.is_none());
    for child in children {
        let lines: Vec<String> = serde_json::from_str(&child.wait().await).expect("all it said");
        said.extend(lines.iter().map(|line| parse_call(line)));
    }
    let mut all = vec![Recorded::new(); n];
    for (history, number, invocation) in said {
        all[history].insert((invocation.client, number), invocation);
    }
    for ((target, plan), recorded) in work.histories.into_iter().zip(all) {
        tally.add(&recorded);
        target
            .judge(&calm, &caller, recorded, || format!("by {PROCESSES} processes, {plan:?}"))
            .await;
    }
    usize::from(cut)
}

fn parse_call(line: &str) -> ReportedCall {
    serde_json::from_str(line).expect("a call of a history")
}

/// Kills a process at some moment of its last history, unless it is done by then.
async fn kill_in_last_history(child: Child, n: usize, rng: &mut StdRng) -> Vec<ReportedCall> {
    let begun = |said: &[String]| said.last().is_some_and(|line| parse_call(line).0 + 1 == n);
    let patience = tokio::time::Instant::now() + PATIENCE;
    while !begun(&child.reports()) && tokio::time::Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_micros(rng.random_range(0..8000))).await;
    child.kill().await.iter().map(|line| parse_call(line)).collect()
}

/// One process: runs its clients in each history; in every second one its journal fails now and then.
async fn play(cx: ClauseContext, index: usize, args: Value) -> String {
    let work: Work = serde_json::from_value(args).expect("work");
    let journal = cx.journal().await;
    let said = Arc::new(std::sync::Mutex::new(Vec::new()));
    for (at, (target, plan)) in work.histories.iter().copied().enumerate() {
        let faults = if at % 2 == 0 { Faults::NONE } else { Faults::SOME };
        let faulty = Arc::new(FaultyJournal::over(Arc::clone(&journal), faults, cx.seed()));
        // The first process keeps next to nothing in memory, so that its states come and go.
        let memory = if index == 0 { 1 } else { 64 << 20 };
        let store = cx.store_over(faulty.clone(), Arc::default(), |o| o.with_memory(memory));
        let store: Arc<dyn AnyStore> = Arc::new(store);
        wait_for_all(&cx, &work, at, index).await;
        let clients = (0..CLIENTS).map(|client| {
            let (cx, said) = (cx.clone(), Arc::clone(&said));
            let caller = cx.caller().within(Duration::from_secs(10));
            let number = index * CLIENTS + client;
            let client = Client { number, store: Arc::clone(&store), caller, target, plan };
            let note = move |n, invocation| {
                let said_now: ReportedCall = (at, n, invocation);
                let line = serde_json::to_string(&said_now).expect("a call is JSON");
                said.lock().expect("no panic inside").push(line.clone());
                cx.report(line);
            };
            tokio::spawn(client.play(now, note))
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.expect("a client ends");
        }
        faulty.flush().await;
    }
    let said = said.lock().expect("no panic inside");
    serde_json::to_string(&*said).expect("lines")
}

fn meeting_folder(cx: &ClauseContext, work: &Work) -> PathBuf {
    cx.dir().path().join("histories").join(work.name.to_string())
}

/// Waits until every process is ready to begin this history and 3 ms have passed, so that all begin it at once.
async fn wait_for_all(cx: &ClauseContext, work: &Work, history: usize, index: usize) {
    let at = |index: usize| meeting_folder(cx, work).join(format!("{history} {index}"));
    let come = |index| std::fs::read_to_string(at(index)).ok()?.strip_suffix('.')?.parse().ok();
    std::fs::write(at(index), format!("{}.", now())).expect("a file to wait_for_all at");
    let patience = tokio::time::Instant::now() + PATIENCE;
    let last: u64 = loop {
        let all: Option<Vec<u64>> = (0..PROCESSES).map(come).collect();
        if let Some(last) = all.and_then(|all| all.into_iter().max()) {
            break last;
        }
        assert!(tokio::time::Instant::now() < patience, "another process does not come");
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    while now() < last + 3_000_000 {
        tokio::task::yield_now().await;
    }
}

/// Nanoseconds since the machine was started: one clock for all processes, which no call can set.
#[cfg(target_os = "linux")]
fn now() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("a time since the start");
    Duration::from(time).as_nanos() as u64
}

/// Nanoseconds of the wall clock, the only one that processes are sure to share.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::disallowed_methods, reason = "processes record by the one clock they share")]
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("a clock after 1970").as_nanos() as u64
}
