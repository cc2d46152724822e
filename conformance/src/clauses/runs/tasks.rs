//! USE5: many tasks, iterations and workers at once.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use sessile_core::{
    Caller, ErrorKind,
    command::{NewRun, NewSession, RunScope, UsageScope},
    id::{RunId, SessionId},
    model::{Average, Currency, RollUp, Run, RunOutcome, Tokens, Totals, Usage},
    store::AnyStore,
};

use super::usage::of;
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        shorthand::pages,
    },
};

crate::clauses! { USE5: Concurrent => use5 }

crate::internal::child_programs! { "use tasks" => work }

const TASKS: u64 = 10;
const ITERATIONS: u64 = 5;
const WORKERS: u64 = 2;

fn task_name(task: u64) -> String {
    format!("task {task}")
}

/// What one iteration of a task uses, in one call.
fn usage(task: u64, iteration: u64) -> Usage {
    let tokens =
        Tokens { input: 100 + task, output: iteration, cache_read: task * 7, cache_write: 3 };
    Usage::new(tokens, 2)
        .with_cost(Currency::new("USD").expect("a currency"), 1_000_001 * (task + 1))
}

/// The last iteration of a task is cut off, and tried again.
const fn is_retried(iteration: u64) -> bool {
    iteration == ITERATIONS - 1
}

async fn one_run(
    store: &dyn AnyStore,
    caller: &Caller,
    session: SessionId,
    new: NewRun,
    used: Usage,
) -> RunId {
    let is_cut_off = new.labels.matches("cut", "off");
    let run = store.as_caller(caller).start_run(session, new).await.expect("a run");
    store.as_caller(caller).book_usage(run, "one call", used).await.expect("usage");
    let outcome = if is_cut_off { RunOutcome::Cancelled } else { RunOutcome::Succeeded };
    store.as_caller(caller).end_run(run, outcome).await.expect("it ends");
    run
}

/// Every worker works on all tasks at once, and on every other iteration of each.
async fn work(cx: ClauseContext, index: usize, args: Value) -> String {
    let store = Arc::new(cx.store().await);
    let caller = cx.caller_of("acme", &format!("worker {index}"));
    let sessions: Vec<SessionId> =
        serde_json::from_value(args["sessions"].clone()).expect("sessions");
    let tasks = (0..TASKS).zip(sessions).map(|(task, session)| {
        let (store, caller) = (store.clone(), caller.clone());
        tokio::spawn(async move {
            for iteration in (0..ITERATIONS).filter(|n| n % WORKERS == index as u64) {
                let external_id = Some(format!("{task}/{iteration}"));
                let mut new = NewRun { external_id, ..NewRun::default() };
                if is_retried(iteration) {
                    new.labels = new.labels.with("cut", "off");
                }
                let used = usage(task, iteration);
                let run = one_run(&*store, &caller, session, new, used.clone()).await;
                if is_retried(iteration) {
                    let new = NewRun { retry_of: Some(run), ..NewRun::default() };
                    one_run(&*store, &caller, session, new, used).await;
                }
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    "done".into()
}

/// Ten tasks of five iterations each, by several workers at once: no call fails, and each task's runs and totals are exact.
pub async fn use5(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let mut sessions = Vec::new();
    for task in 0..TASKS {
        let new = NewSession::named("s").for_task(task_name(task));
        sessions
            .push(store.as_caller(&caller).create_session(thread, new).await.expect("a session"));
    }
    cx.processes("use tasks", WORKERS as usize, &json!({ "sessions": sessions })).await;
    // One run of another task, in a session of the first.
    let other = NewRun { task: Some("other".into()), ..NewRun::default() };
    let other = one_run(&store, &caller, sessions[0], other, usage(0, 0)).await;
    let store = cx.reopen(store).await;
    let mut whole = RollUp::default();
    for (task, session) in (0..TASKS).zip(&sessions) {
        let name = task_name(task);
        let it = of(&store, &caller, UsageScope::Task(thread, name.clone())).await;
        whole.add(&it);
        counts(&it, task);
        let scope = RunScope::Task(thread, name.clone());
        let runs = pages(4, |page| store.as_caller(&caller).runs(scope.clone()).page(page)).await;
        assert_eq!(runs.len() as u64, ITERATIONS + 1, "{name}");
        assert!(runs.iter().all(|run| run.session == *session && run.task.as_ref() == Some(&name)));
        assert!(runs.is_sorted_by_key(|run| run.version), "in the order in which they ended");
        let mut numbers: Vec<u32> = runs.iter().map(|run| run.iteration).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=ITERATIONS as u32 + 1).collect::<Vec<_>>());
        let mut sum = Totals::default();
        runs.iter().for_each(|run| sum.add(&run.usage));
        assert_eq!(it.totals, Some(sum), "the runs sum to the roll-up");
        retries(&runs);
    }
    let others = RunScope::Task(thread, "other".into());
    let others = pages(1, |page| store.as_caller(&caller).runs(others.clone()).page(page)).await;
    assert_eq!(others.iter().map(|run| run.id).collect::<Vec<_>>(), [other]);
    whole.add(&of(&store, &caller, UsageScope::Task(thread, "other".into())).await);
    assert_eq!(of(&store, &caller, UsageScope::Thread(thread)).await, whole);
    let unknown = store.as_caller(&caller);
    let unknown = unknown.runs(RunScope::Task(thread, "unknown".into())).page(Default::default());
    harmless(&store, &caller, thread, ErrorKind::NotFound, unknown).await;
    let no_thread =
        RunScope::Task(sessile_core::id::ThreadId::from_bits(thread.bits() ^ 1), "t".into());
    let no_thread = store.as_caller(&caller).runs(no_thread).page(Default::default()).await;
    refused(no_thread, ErrorKind::NotFound);
    Verdict::Passed
}

/// Exactly one run is a retry, of the one that was cut off.
fn retries(runs: &[Run]) {
    let by_id: BTreeMap<RunId, &Run> = runs.iter().map(|run| (run.id, run)).collect();
    let mut retries = runs.iter().filter_map(|run| run.retry_of);
    let retried = by_id[&retries.next().expect("one is a retry")];
    assert_eq!((retried.outcome.as_ref(), retries.next()), (Some(&RunOutcome::Cancelled), None));
}

/// Runs, iterations and retries apart; averages per run, of each kind of token.
fn counts(it: &RollUp, task: u64) {
    let runs = ITERATIONS + 1;
    assert_eq!((it.attempts, it.iterations, it.retries()), (runs, ITERATIONS, 1));
    assert_eq!((it.succeeded, it.failed, it.cancelled, it.live), (ITERATIONS, 0, 1, 0));
    let totals = it.totals.clone().expect("booked");
    let output = (0..ITERATIONS).sum::<u64>() + ITERATIONS - 1;
    let tokens = Tokens {
        input: runs * (100 + task),
        output,
        cache_read: runs * task * 7,
        cache_write: runs * 3,
    };
    assert_eq!((totals.calls, totals.turns, totals.tokens), (runs, 2 * runs, tokens));
    let usd = Currency::new("USD").expect("a currency");
    assert_eq!(totals.cost.get(&usd), Some(&(runs * 1_000_001 * (task + 1))));
    let average = |sum| Average { sum, count: runs };
    let per_run = it.per_run();
    assert_eq!((per_run.calls, per_run.turns), (average(runs), average(2 * runs)));
    assert_eq!((per_run.input, per_run.output), (average(tokens.input), average(output)));
    assert_eq!(per_run.cache_read, average(tokens.cache_read));
    assert_eq!(per_run.cache_write, average(tokens.cache_write));
    let all = tokens.input + output + tokens.cache_read + tokens.cache_write;
    assert_eq!(per_run.tokens, average(all));
    assert_eq!(RollUp::default().per_run(), Default::default(), "an average over nothing is zero");
}
