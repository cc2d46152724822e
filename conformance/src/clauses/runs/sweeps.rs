//! RUN4: runs that nobody works on any more.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    Caller, Clock, ErrorKind,
    command::{NewRun, NewSubSession, Sweep, Swept, SweptRun, SweptThread},
    error::{Closure, Error},
    id::{RunId, SessionId, SubSessionId, ThreadId},
    model::{FailureMode, Run, RunOutcome, RunStatus, SessionStatus, SubSessionStatus},
    store::{AnyStore, Store},
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, TestClock,
        assertions::{closed, harmless, heads, refused},
        concurrent::together,
        shorthand::{head, named, says},
    },
};

crate::clauses! { RUN4 => run4 }

const TTL: Duration = Duration::from_secs(10);
const BOUND: Duration = Duration::from_secs(600);
/// The skew that a store allows.
const SKEW: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(1);

const SWEEP: Sweep = Sweep::silent_for(BOUND);

async fn begin(store: &dyn AnyStore, caller: &Caller, session: SessionId) -> RunId {
    store.as_caller(caller).start_run(session, NewRun::default()).await.expect("a run")
}

async fn sweep(store: &dyn AnyStore, caller: &Caller, thread: ThreadId) -> Vec<SweptRun> {
    store.as_caller(caller).sweep_runs(thread, SWEEP).await.expect("a sweep")
}

async fn the_run(store: &dyn AnyStore, caller: &Caller, run: RunId) -> Run {
    store.as_caller(caller).run(run).await.expect("an answer").expect("the run exists")
}

async fn status(store: &dyn AnyStore, caller: &Caller, session: SessionId) -> SessionStatus {
    store.as_caller(caller).session(session).await.expect("an answer").expect("a session").status
}

/// A run whose lease expired, or that has none and whose session has been silent longer than the caller's bound, is ended as
/// abandoned by the next sweep, and its session is free.
pub async fn run4(cx: ClauseContext) -> Verdict {
    let clock = Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let caller = cx.caller();
    expired(&cx, &store, &clock, &caller).await;
    let run = silent(&cx, &store, &clock, &caller).await;
    families(&cx, &store, &clock, &caller).await;
    many(&cx, &store, &clock, &caller).await;
    everywhere(&cx, &store, &clock, &caller).await;
    let store = cx.reopen_with(store, clock, |options| options).await;
    assert_eq!(the_run(&store, &caller, run).await.outcome, Some(RunOutcome::Abandoned));
    Verdict::Passed
}

/// Nothing happens to the thread.
async fn finds_nothing(store: &dyn AnyStore, caller: &Caller, thread: ThreadId) {
    let before = head(store, caller, thread).await;
    assert_eq!(sweep(store, caller, thread).await, []);
    assert_eq!(head(store, caller, thread).await, before, "a sweep without prey writes nothing");
}

async fn expired(cx: &ClauseContext, store: &Store, clock: &TestClock, caller: &Caller) {
    let thread = cx.thread(store, caller).await;
    let worker = cx.caller_of("acme", "worker");
    let parent = named(store, caller, thread, "parent").await;
    let (child, edge) = below(store, caller, parent, FailureMode::Delegate).await;
    let token = store.as_caller(&worker).claim_lease(child, TTL).await.expect("a lease");
    let holder = worker.with_lease(token);
    let run = begin(store, &holder, child).await;
    let queued = NewRun { queued: true, ..NewRun::default() };
    let queued = store.as_caller(&holder).start_run(child, queued).await.expect("a run");
    // Another session of the thread, whose lease is current, and one that has neither lease nor run.
    let busy = named(store, caller, thread, "busy").await;
    let current = store.as_caller(caller).claim_lease(busy, TTL * 100).await.expect("a lease");
    let busy_run = begin(store, &caller.with_lease(current), busy).await;
    named(store, caller, thread, "idle").await;
    // Without a run an expired lease stays, for whoever claims it.
    let alone = named(store, caller, thread, "alone").await;
    store.as_caller(&worker).claim_lease(alone, TTL).await.expect("a lease");
    finds_nothing(store, caller, thread).await;
    clock.advance(TTL + SKEW);
    finds_nothing(store, caller, thread).await;
    clock.advance(TICK);
    let before = head(store, caller, thread).await;
    let found = [
        SweptRun::new(run, child, Swept::LeaseExpired),
        SweptRun::new(queued, child, Swept::LeaseExpired),
    ];
    let dry = store.as_caller(caller).sweep_runs(thread, SWEEP.dry_run()).await;
    assert_eq!(dry.expect("a dry run"), found);
    assert_eq!(head(store, caller, thread).await, before, "a dry run writes nothing");
    assert_eq!(sweep(store, caller, thread).await, found);
    for run in [run, queued] {
        let ended = the_run(store, caller, run).await;
        assert_eq!((ended.status, ended.outcome), (RunStatus::Failed, Some(RunOutcome::Abandoned)));
        assert_eq!(ended.ended_at, Some(clock.now()));
    }
    assert_eq!(the_run(store, caller, busy_run).await.status, RunStatus::Running);
    // Its session is free: no lease, an ended edge, and it takes writes and a new activity.
    let asks = store.as_caller(caller);
    assert_eq!(asks.lease(child).await.expect("an answer"), None);
    assert!(asks.lease(alone).await.expect("an answer").is_some());
    let edge = asks.edge(edge).await.expect("an answer").expect("the edge");
    assert_eq!(
        (edge.status, status(store, caller, child).await),
        (SubSessionStatus::Failed, SessionStatus::Failed)
    );
    asks.append(child, says("anyone may write")).await.expect("an entry");
    asks.reopen_session(child).await.expect("it goes on");
    let next = begin(store, caller, child).await;
    // Who comes back late finds out.
    let late = store.as_caller(&holder);
    let kind = ErrorKind::Fenced;
    harmless(store, caller, thread, kind, late.append(child, says("late"))).await;
    harmless(store, caller, thread, kind, late.end_run(run, RunOutcome::Succeeded)).await;
    let over = asks.end_run(run, RunOutcome::Succeeded);
    let over = harmless(store, caller, thread, ErrorKind::Precondition, over).await;
    assert!(matches!(over, Error::RunEnded { run: told } if told == run), "{over:?}");
    finds_nothing(store, caller, thread).await;
    asks.end_run(next, RunOutcome::Succeeded).await.expect("it ends");
    // A sweep is of a thread that is open, and has no lease.
    let with_lease = store.as_caller(&holder);
    let refusal = with_lease.sweep_runs(thread, SWEEP);
    harmless(store, caller, thread, ErrorKind::Invalid, refusal).await;
    let other = cx.thread(store, caller).await;
    asks.archive_thread(other).await.expect("it is archived");
    let refusal = refused(asks.sweep_runs(other, SWEEP).await, ErrorKind::Closed);
    closed(&refusal, Closure::ThreadArchived(other), "sweep_runs");
}

async fn silent(cx: &ClauseContext, store: &Store, clock: &TestClock, caller: &Caller) -> RunId {
    let thread = cx.thread(store, caller).await;
    let (quiet, waits) =
        (named(store, caller, thread, "quiet").await, named(store, caller, thread, "waits").await);
    let talks = named(store, caller, thread, "talks").await;
    let (run, beside) = (begin(store, caller, quiet).await, begin(store, caller, quiet).await);
    let person = begin(store, caller, waits).await;
    let asks = store.as_caller(caller);
    asks.set_run_status(person, RunStatus::AwaitingHitl).await.expect("a step");
    let talking = begin(store, caller, talks).await;
    clock.advance(BOUND + SKEW);
    finds_nothing(store, caller, thread).await;
    // Any record of its session says that a run is alive.
    asks.append(talks, says("still here")).await.expect("an entry");
    clock.advance(TICK);
    // Two sweepers: each run is ended once.
    let other = cx.store_with(Arc::new(TestClock::at(clock.now())), |options| options).await;
    let (writer, second) = (store.as_caller(caller), other.as_caller(caller));
    let both = together([writer.sweep_runs(thread, SWEEP), second.sweep_runs(thread, SWEEP)]);
    let both: Vec<SweptRun> = both.await.into_iter().flat_map(|it| it.expect("a sweep")).collect();
    assert_eq!(
        both,
        [
            SweptRun::new(run, quiet, Swept::Silent),
            SweptRun::new(beside, quiet, Swept::Silent),
            SweptRun::new(person, waits, Swept::Silent),
        ]
    );
    assert_eq!(status(store, caller, quiet).await, SessionStatus::Failed);
    assert_eq!(the_run(store, caller, talking).await.status, RunStatus::Running);
    run
}

async fn below(
    store: &dyn AnyStore,
    caller: &Caller,
    parent: SessionId,
    failure_mode: FailureMode,
) -> (SessionId, SubSessionId) {
    let edge = NewSubSession { failure_mode, ..NewSubSession::under(parent) };
    let made = store.as_caller(caller).spawn(edge, "child").await.expect("a child");
    (made.id, made.edge.expect("an edge"))
}

/// Who waits is as silent as those it waits for.
async fn families(cx: &ClauseContext, store: &Store, clock: &TestClock, caller: &Caller) {
    let thread = cx.thread(store, caller).await;
    let asks = store.as_caller(caller);
    let mut waiting = Vec::new();
    let family = async |failure_mode, starts: bool| {
        let parent = named(store, caller, thread, "parent").await;
        let run = begin(store, caller, parent).await;
        let (child, edge) = below(store, caller, parent, failure_mode).await;
        let child_run = if starts { Some(begin(store, caller, child).await) } else { None };
        store.as_caller(caller).await_sub_sessions(run, [edge]).await.expect("it waits");
        (parent, run, child, child_run)
    };
    // The child's run is abandoned: the parent goes on, or fails with it.
    let delegates = family(FailureMode::Delegate, true).await;
    let fails = family(FailureMode::FailFast, true).await;
    // The child never began: nobody is left to let the parent go on.
    let never = family(FailureMode::Delegate, false).await;
    // The child is at work: it has a lease, or said something.
    let leased = family(FailureMode::Delegate, true).await;
    asks.claim_lease(leased.2, TTL * 1000).await.expect("a lease");
    let talks = family(FailureMode::Delegate, true).await;
    clock.advance(BOUND + SKEW);
    asks.append(talks.2, says("still here")).await.expect("an entry");
    clock.advance(TICK);
    waiting.extend([leased.1, talks.1]);
    let child_run = |it: &(SessionId, RunId, SessionId, Option<RunId>)| it.3.expect("it has one");
    let mut found = sweep(store, caller, thread).await;
    let mut want = vec![
        SweptRun::new(child_run(&delegates), delegates.2, Swept::Silent),
        SweptRun::new(child_run(&fails), fails.2, Swept::Silent),
        SweptRun::new(fails.1, fails.0, Swept::SubSessionFailed),
        SweptRun::new(never.1, never.0, Swept::Silent),
    ];
    found.sort_by_key(|it| it.run);
    want.sort_by_key(|it| it.run);
    assert_eq!(found, want);
    let shown = the_run(store, caller, delegates.1).await;
    assert_eq!(shown.status, RunStatus::Running, "a sweep of the child is an end of it");
    let failed = the_run(store, caller, fails.1).await.outcome;
    assert!(matches!(failed, Some(RunOutcome::SubSessionFailed { .. })), "{failed:?}");
    assert_eq!(the_run(store, caller, never.1).await.outcome, Some(RunOutcome::Abandoned));
    for run in waiting {
        let shown = the_run(store, caller, run).await;
        assert_eq!(shown.status, RunStatus::AwaitingSubsession);
    }
    finds_nothing(store, caller, thread).await;
}

/// A sweep ends 500 runs at most; another one goes on.
async fn many(cx: &ClauseContext, store: &Store, clock: &TestClock, caller: &Caller) {
    let thread = cx.thread(store, caller).await;
    let session = named(store, caller, thread, "s").await;
    let writer = store.as_caller(caller);
    let runs = together((0..505).map(|_| writer.start_run(session, NewRun::default()))).await;
    assert!(runs.into_iter().all(|run| run.is_ok()));
    writer.claim_lease(session, TTL).await.expect("a lease");
    clock.advance(TTL + SKEW + TICK);
    let dry = writer.sweep_runs(thread, SWEEP.dry_run()).await.expect("a dry run");
    assert_eq!(dry.len(), 505, "a dry run tells of all");
    assert_eq!(sweep(store, caller, thread).await.len(), 500);
    assert!(writer.lease(session).await.expect("an answer").is_some(), "it has runs still");
    assert_eq!(sweep(store, caller, thread).await.len(), 5);
    assert_eq!(writer.lease(session).await.expect("an answer"), None);
    assert_eq!(writer.usage(thread).await.expect("a roll-up").failed, 505);
}

/// All threads of a tenant, and no other's.
async fn everywhere(cx: &ClauseContext, store: &Store, clock: &TestClock, caller: &Caller) {
    let (ours, theirs) = (cx.caller_of("sweepers", "ada"), cx.caller_of("others", "ada"));
    // More than one sweep ends: a session that does not fit into the first is in the second, whole.
    let thread = cx.thread(store, &ours).await;
    let writer = store.as_caller(&ours);
    let mut want = Vec::new();
    for _ in 0..2 {
        let session = named(store, &ours, thread, "crowded").await;
        let runs = together((0..300).map(|_| writer.start_run(session, NewRun::default()))).await;
        let runs = runs.into_iter().map(|run| run.expect("a run"));
        want.extend(runs.map(|run| (thread, SweptRun::new(run, session, Swept::Silent))));
    }
    for n in 0..3 {
        for (caller, is_ours) in [(&ours, true), (&theirs, false)] {
            let session = cx.session(store, caller).await;
            let run = begin(store, caller, session).await;
            if n == 2 {
                let writer = store.as_caller(caller);
                writer.end_run(run, RunOutcome::Succeeded).await.expect("it ends");
            } else if is_ours {
                want.push((session.thread(), SweptRun::new(run, session, Swept::Silent)));
            }
        }
    }
    want.sort_by_key(|(thread, run)| (*thread, run.run));
    clock.advance(BOUND + SKEW + TICK);
    let journal = cx.journal().await;
    let before = (heads(&*journal, &ours.tenant).await, heads(&*journal, &theirs.tenant).await);
    for dry_run in [true, false, false] {
        let sweep = if dry_run { SWEEP.dry_run() } else { SWEEP };
        let swept = store.sweep(&ours, sweep).await.expect("a sweep");
        let runs = |it: &SweptThread| {
            it.runs.iter().map(|run| (run.run.thread(), *run)).collect::<Vec<_>>()
        };
        let mut found: Vec<_> = swept.iter().flat_map(runs).collect();
        found.sort_by_key(|(thread, run)| (*thread, run.run));
        assert!(swept.iter().all(|it| it.failed.is_none()), "{swept:?}");
        assert_eq!(found, want, "dry: {dry_run}");
        if dry_run {
            assert_eq!(heads(&*journal, &ours.tenant).await, before.0);
        } else {
            want.clear();
        }
    }
    assert_eq!(heads(&*journal, &theirs.tenant).await, before.1, "another tenant's");
    let (keyed, held) = (caller.with_key("key".into()), caller.with_lease(1));
    refused(store.sweep(&keyed, SWEEP).await, ErrorKind::Invalid);
    refused(store.sweep(&held, SWEEP).await, ErrorKind::Invalid);
}
