//! LIN and CLK2: recorded histories of concurrent clients, with and without faults.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    ErrorKind,
    command::NewThread,
    journal::{Journal, Sharing},
    model::{NewEntry, ProjectStatus, Role},
    store::AnyStore,
};

use crate::{
    clause::Verdict,
    clauses::log::append::large_turns,
    internal::{
        ClauseContext,
        assertions::refused,
        fault::{Faults, FaultyJournal},
        history::{HistoryThread, Recorded, Tally, drive, processes},
        shorthand::log,
        wrong_journals::{Alteration, AlteringJournal},
    },
};

crate::clauses! { LIN1: Concurrent => lin1, LIN2: Concurrent => lin2, CLK2: Concurrent => clk2 }

/// An engine that fails in every tenth commit: what was decided after such a commit was decided on a state that is not there.
const ERRS: Faults = Faults { engine_error: 100, yields: 6, ..Faults::NONE };

/// Histories of one clause: `normal`, 2,000 in the proof profile, more in the nightly one.
fn histories(cx: &ClauseContext, normal: usize) -> usize {
    cx.scale(cx.times(normal), 2000)
}

/// Records one history of tasks over these journals and judges it.
async fn judge(
    cx: &ClauseContext,
    journals: &[Arc<dyn Journal>],
    plan: drive::Plan,
    trace: impl Fn() -> Vec<String>,
) -> Recorded {
    let calm = cx.store().await;
    let ground = HistoryThread::make(&calm, &cx.caller()).await;
    // The first store keeps next to nothing in memory, so that its states come and go.
    let memory = |at: usize| if at == 0 { 1 } else { 64 << 20 };
    let stores: Vec<Arc<dyn AnyStore>> = journals
        .iter()
        .enumerate()
        .map(|(at, journal)| {
            let store =
                cx.store_over(Arc::clone(journal), Arc::default(), |o| o.with_memory(memory(at)));
            Arc::new(store) as Arc<dyn AnyStore>
        })
        .collect();
    let caller = cx.caller().within(Duration::from_secs(10));
    let recorded = drive::record(&stores, &caller, ground, plan).await;
    let what = || format!("{plan:?}, {}", trace().join(", "));
    ground.judge(&calm, &cx.caller(), recorded.clone(), what).await;
    recorded
}

/// LIN1: histories of concurrent clients through several handles are linearisable per thread: of tasks, and of processes
/// where they may share the store.
pub async fn lin1(cx: ClauseContext) -> Verdict {
    let _passed = lin1_by_tasks(cx.clone()).await;
    lin1_by_processes(cx).await
}

/// The part of LIN1 whose clients are tasks of this process.
pub async fn lin1_by_tasks(cx: ClauseContext) -> Verdict {
    let mut journals: Vec<Arc<dyn Journal>> = Vec::new();
    for _ in 0..3 {
        // Giving way lets others queue behind a commit, however few cores there are.
        journals.push(Arc::new(AlteringJournal::over(cx.journal().await, Alteration::Yields)));
    }
    let mut tally = Tally::default();
    // Where requests travel a history takes longer, and half of them are enough beside those of processes.
    let normal = if cx.info().sharing == Sharing::ManyHosts { 6 } else { 12 };
    for _ in 0..histories(&cx, normal) {
        let plan = drive::Plan { clients: 6, calls: 12, seed: cx.seed(), dropped: 0, pauses: 0 };
        tally.add(&judge(&cx, &journals, plan, Vec::new).await);
    }
    cx.note(format!("by tasks: {tally}"));
    Verdict::Passed
}

/// The part of LIN1 whose clients are processes, some of which are killed.
pub async fn lin1_by_processes(cx: ClauseContext) -> Verdict {
    if !cx.many_processes() {
        cx.note("no histories by processes: the journal belongs to one process");
        return Verdict::Passed;
    }
    let mut left = histories(&cx, 4);
    let (mut tally, mut cut) = (Tally::default(), 0);
    while left > 0 {
        let batch = left.min(25);
        cut += processes::judge(&cx, batch, &mut tally).await;
        left -= batch;
    }
    let longest = tally.longest();
    cx.note(format!("by processes: {tally}; {cut} killed in a call; the longest call {longest:?}"));
    Verdict::Passed
}

/// CLK2: answers that write nothing are linearisable too - under lost replies, late landings, engine errors and dropped
/// callers: never from a stale cache, never from an overlay that did not commit.
pub async fn clk2(cx: ClauseContext) -> Verdict {
    let journals = [cx.journal().await, cx.journal().await];
    let mut tally = Tally::default();
    for n in 0..histories(&cx, 12) {
        let seed = cx.seed();
        // What is open can be placed anywhere, and the search for an order grows with it: some drop out, or some fail.
        let (faults, dropped) = if n % 2 == 0 { (Faults::SOME, 150) } else { (ERRS, 0) };
        let faulty: Vec<Arc<FaultyJournal>> = (0..2)
            .map(|i| {
                Arc::new(FaultyJournal::over(Arc::clone(&journals[i]), faults, seed + i as u64))
            })
            .collect();
        let handles: Vec<Arc<dyn Journal>> =
            faulty.iter().map(|f| Arc::clone(f) as Arc<dyn Journal>).collect();
        let plan = drive::Plan { clients: 5, calls: 10, seed, dropped, pauses: 0 };
        let trace = || faulty.iter().flat_map(|f| f.trace()).collect();
        tally.add(&judge(&cx, &handles, plan, trace).await);
        for journal in faulty {
            journal.flush().await;
        }
    }
    cx.note(format!("with faults: {tally}"));
    Verdict::Passed
}

/// LIN2: no operation waits without bound. Every commit's reply is lost and nothing ever lands; each call still ends at
/// its deadline, says that it does not know, and leaves the store usable. Calls that a full batch has no room for are
/// answered by later ones.
pub async fn lin2(cx: ClauseContext) -> Verdict {
    let calm = cx.store().await;
    let ground = HistoryThread::make(&calm, &cx.caller()).await;
    let faults = Faults { lost_request: 1000, ..Faults::NONE };
    let black_hole: Arc<dyn Journal> =
        Arc::new(FaultyJournal::over(cx.journal().await, faults, cx.seed()));
    let store = cx.store_over(black_hole, Arc::default(), |o| o);
    let caller = cx.caller().within(Duration::from_millis(150));
    let session = sessile_core::id::SessionId::new(ground.thread, ground.sessions[0]);
    let started = tokio::time::Instant::now();
    let calls = (0..8).map(|n| {
        let (store, caller) = (store.clone(), caller.clone());
        tokio::spawn(async move {
            store
                .as_caller(&caller)
                .append(session, NewEntry::text(Role::User, n.to_string()))
                .await
        })
    });
    for call in calls.collect::<Vec<_>>() {
        let error = call.await.unwrap().expect_err("nothing can land");
        assert!(error.is_retryable(), "{error}");
    }
    assert!(started.elapsed() < Duration::from_secs(2), "took {:?}", started.elapsed());
    calm.as_caller(&cx.caller())
        .append(session, NewEntry::text(Role::User, "still here"))
        .await
        .unwrap();
    drops_of_unknown_outcome(&cx).await;
    large_turns(&cx, 4).await;
    wire_that_stands_still(&cx).await;
    Verdict::Passed
}

/// The part of LIN2 about servers: behind a wire that stands still each call ends at its deadline, and what it says that it does not
/// know is there once or not at all when the wire moves again.
async fn wire_that_stands_still(cx: &ClauseContext) {
    let Some(wired) = cx.wired().await else { return };
    let store = cx.store_over(Arc::clone(&wired.journal), Arc::default(), |o| o);
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    wired.proxy.stand_still();
    let hasty = caller.within(Duration::from_millis(150));
    let started = tokio::time::Instant::now();
    let hasty = store.as_caller(&hasty);
    let append = hasty.append(session, NewEntry::text(Role::User, "in doubt"));
    let error = append.await.expect_err("nothing comes back");
    assert!(error.is_retryable(), "{error}");
    let error = hasty.session(session).await.expect_err("nothing comes back");
    assert!(error.is_retryable(), "{error}");
    assert!(started.elapsed() < Duration::from_secs(2), "took {:?}", started.elapsed());
    wired.proxy.pass();
    wired.recovers(&session.thread().space(&caller.tenant)).await;
    let patient = caller.within(Duration::from_secs(20));
    let appended = store
        .as_caller(&patient)
        .append(session, NewEntry::text(Role::User, "still here"))
        .await
        .expect("the wire moves again");
    let calm = cx.store().await;
    let there = log(&calm, &caller, session, 10).await;
    assert_eq!(there.last().map(|entry| entry.id), Some(appended.first));
    assert!(there.len() <= 2, "what was in doubt is there once at most");
}

/// The part of LIN2 about deletions: a journal that does not tell what became of a drop is asked again after growing
/// pauses, until it tells or the deadline comes. Then the answer is `Indeterminate`, and repeating the command ends it.
async fn drops_of_unknown_outcome(cx: &ClauseContext) {
    let faulty = Arc::new(FaultyJournal::over(cx.journal().await, Faults::NONE, cx.seed()));
    let journal: Arc<dyn Journal> = Arc::clone(&faulty) as _;
    let store = cx.store_over(journal, Arc::default(), |o| o);
    let caller = cx.caller();
    let drops = || faulty.trace().iter().filter(|what| what.starts_with("drop")).count();
    let impatient = caller.within(Duration::from_millis(500));
    let patient = caller.within(Duration::from_secs(20));
    let calm_soon = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        faulty.set(Faults::NONE);
    };

    // Each is dropped by its own sequencer.
    let project = cx.project(&store, &caller).await;
    let [first, second] = [0, 1].map(|n| NewThread::titled(format!("thread {n}")));
    let first = store.as_caller(&caller).create_thread(project, first).await.expect("a thread");
    let second = store.as_caller(&caller).create_thread(project, second).await.expect("a thread");
    faulty.set(Faults { lost_drop: 1000, ..Faults::NONE });
    let started = tokio::time::Instant::now();
    refused(store.as_caller(&impatient).delete_thread(first).await, ErrorKind::Indeterminate);
    assert!(started.elapsed() < Duration::from_secs(3), "took {:?}", started.elapsed());
    assert!((2..=20).contains(&drops()), "a thread was dropped {} times in 500 ms", drops());
    let one_caller = store.as_caller(&patient);
    let (deleted, ()) = tokio::join!(one_caller.delete_thread(first), calm_soon);
    deleted.expect("the journal tells in the end");
    faulty.set(Faults { lost_drop_reply: 1000, ..Faults::NONE });
    store.as_caller(&patient).delete_thread(second).await.expect("what was applied is found");

    // The tombstones of its threads are written by the deletion of the project itself.
    let before = drops();
    faulty.set(Faults { lost_drop: 1000, ..Faults::NONE });
    let started = tokio::time::Instant::now();
    refused(store.as_caller(&impatient).delete_project(project).await, ErrorKind::Indeterminate);
    assert!(started.elapsed() < Duration::from_secs(3), "took {:?}", started.elapsed());
    let tries = drops() - before;
    assert!((2..=20).contains(&tries), "tombstones were written {tries} times in 500 ms");
    let still =
        store.as_caller(&caller).project(project).await.expect("an answer").expect("a project");
    assert_eq!(still.status, ProjectStatus::Deleting, "nobody knows whether it can go");
    let calm_soon = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        faulty.set(Faults::NONE);
    };
    let one_caller = store.as_caller(&patient);
    let (deleted, ()) = tokio::join!(one_caller.delete_project(project), calm_soon);
    deleted.expect("the journal tells in the end");
    assert_eq!(store.as_caller(&caller).project(project).await.expect("an answer"), None);
}
