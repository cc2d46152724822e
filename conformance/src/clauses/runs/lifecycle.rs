//! RUN: runs.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    Caller, Clock, ErrorKind, Key,
    command::{NewRun, NewSubSession, RunScope, SessionCommand},
    error::{Error, State},
    id::{RunId, SessionId},
    model::{Labels, Run, RunOutcome, RunStatus, SessionStatus, SubSessionStatus, Tokens, Usage},
    store::{AnyStore, SessionStore},
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, TestClock,
        assertions::{harmless, refused},
        hostile,
        machine::is_uuid,
        shorthand::{named, pages},
    },
};

crate::clauses! { RUN1 => run1, RUN2 => run2, RUN3 => run3, RUN5 => run5, RUN6 => run6 }

async fn the_run(store: &dyn AnyStore, caller: &Caller, run: RunId) -> Run {
    store.as_caller(caller).run(run).await.expect("an answer").expect("the run exists")
}

async fn status(store: &dyn AnyStore, caller: &Caller, session: SessionId) -> SessionStatus {
    store.as_caller(caller).session(session).await.expect("an answer").expect("a session").status
}

fn failed() -> RunOutcome {
    RunOutcome::Failed { reason: "no luck".into() }
}

/// Iterations 1, 2, 3 ...; external ids fresh; an echo that differs is refused.
pub async fn run1(cx: ClauseContext) -> Verdict {
    let store = Arc::new(cx.store().await);
    let caller = cx.caller();
    let session = cx.session(&*store, &caller).await;
    let thread = session.thread();
    let mut externals = Vec::new();
    let mut before = None;
    for n in 1..=6 {
        let retry_of = before.filter(|_| n % 2 == 0);
        let new = NewRun {
            retry_of,
            task: Some(format!("task {n}")),
            labels: Labels::new().with("n", "v"),
            external_id: None,
            queued: n % 3 == 0,
            ..NewRun::default()
        };
        let id = store.as_caller(&caller).start_run(session, new.clone()).await.expect("a run");
        let run = the_run(&*store, &caller, id).await;
        assert_eq!((run.id, run.session, run.iteration), (id, session, n));
        assert_eq!((run.retry_of, &run.task, &run.labels), (retry_of, &new.task, &new.labels));
        let status = if new.queued { RunStatus::Queued } else { RunStatus::Running };
        assert_eq!((run.status, run.version, run.outcome), (status, id.version(), None));
        assert!(!externals.contains(&run.external_id), "{} is not fresh", run.external_id);
        assert!(is_uuid(&run.external_id), "{} is no UUID", run.external_id);
        externals.push(run.external_id.clone());
        for echo in [externals[0].clone() + "x", String::new(), format!("{}\0", run.external_id)] {
            let end = SessionCommand::EndRun {
                run: id,
                outcome: RunOutcome::Succeeded,
                echo: Some(echo.clone()),
            };
            harmless(&*store, &caller, thread, ErrorKind::Invalid, store.apply(&caller, end)).await;
            let usage = Usage::new(Tokens::new(1, 1), 1);
            let book =
                SessionCommand::BookUsage { run: id, call: "c".into(), usage, echo: Some(echo) };
            harmless(&*store, &caller, thread, ErrorKind::Invalid, store.apply(&caller, book))
                .await;
        }
        let outcome = if n % 3 == 0 { RunOutcome::Cancelled } else { RunOutcome::Succeeded };
        let end = SessionCommand::EndRun { run: id, outcome, echo: Some(run.external_id) };
        store.apply(&caller, end).await.expect("the right echo");
        before = Some(id);
    }
    // Concurrent starts: no number twice, none left out.
    let stores = [store.clone(), Arc::new(cx.store().await)];
    let racers: Vec<_> = (0..8)
        .map(|i| {
            let (store, caller) = (stores[i % 2].clone(), caller.clone());
            tokio::spawn(async move {
                store.as_caller(&caller).start_run(session, NewRun::default()).await
            })
        })
        .collect();
    let mut numbers = Vec::new();
    for racer in racers {
        let run = racer.await.expect("no panic").expect("a run");
        numbers.push(the_run(&*store, &caller, run).await.iteration);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (7..15).collect::<Vec<_>>());
    retries(&*store, &caller, session).await;
    given(&cx, &*store, &caller, session, &externals).await;
    Verdict::Passed
}

/// An external id may be given; it is taken once in a thread and for ever.
async fn given(
    cx: &ClauseContext,
    store: &dyn AnyStore,
    caller: &Caller,
    session: SessionId,
    minted: &[String],
) {
    let thread = session.thread();
    let writer = store.as_caller(caller);
    let start = |session, id: &str| {
        let new = NewRun { external_id: Some(id.to_owned()), ..NewRun::default() };
        writer.start_run(session, new)
    };
    let other = named(store, caller, thread, "of the same thread").await;
    let longest = "\u{e9}".repeat(64);
    let mut taken = minted.to_vec();
    for id in ["7c9e6679-7425-40de-944b-e07fc1f90ae7", "7C9E6679", "' or 1=1 --", &longest] {
        let run = start(session, id).await.expect("a run");
        assert_eq!(the_run(store, caller, run).await.external_id, id);
        let end = |echo: &str| SessionCommand::EndRun {
            run,
            outcome: failed(),
            echo: Some(echo.to_owned()),
        };
        let wrong = store.apply(caller, end(&minted[0]));
        let error = harmless(store, caller, thread, ErrorKind::Invalid, wrong).await;
        assert!(matches!(error, Error::WrongExternalId { run: told, .. } if told == run));
        // Live or ended, it is taken.
        for round in 0..2 {
            let again = start(other, id);
            let error = harmless(store, caller, thread, ErrorKind::Precondition, again).await;
            let Error::ExternalIdTaken { thread: of, external_id } = error else {
                panic!("round {round}: {error:?}")
            };
            assert_eq!((of, &*external_id), (thread, id));
            if round == 0 {
                store.apply(caller, end(id)).await.expect("the right echo");
            }
        }
        taken.push(id.to_owned());
    }
    // A second handle knows them too, the minted ones among them; and a deleted session gives none back.
    store.as_caller(caller).delete_session(session).await.expect("it goes");
    for id in &taken {
        let new = NewRun { external_id: Some(id.clone()), ..NewRun::default() };
        let again = cx.store().await.as_caller(caller).start_run(other, new).await;
        refused(again, ErrorKind::Precondition);
    }
    let derived = RunId::new(thread, 77).to_string().replacen("run_", "ext_", 1);
    for id in [String::new(), "x".repeat(513), "a\nb".into(), derived] {
        harmless(store, caller, thread, ErrorKind::Invalid, start(other, &id)).await;
    }
    // Another thread is another matter.
    let elsewhere = cx.session(store, caller).await;
    for id in &taken {
        start(elsewhere, id).await.expect("a run");
    }
}

/// A failure's reason may be any text that an entry may hold.
pub async fn run6(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let mut reasons = hostile::contents();
    // In the record, at the limits of what is sealed ahead and of what goes to a blob, and at the limit of all.
    reasons.extend([256, 257, 8 << 10, (8 << 10) + 1].map(|n| "x".repeat(n)));
    reasons.extend([10_000, 12_000, 70_000].map(|n| "\u{1}".repeat(n)));
    let mut ended = Vec::new();
    for (i, reason) in reasons.into_iter().enumerate() {
        let new = NewRun {
            task: Some(format!("task {i}")),
            labels: Labels::new().with("i", i.to_string()),
            ..NewRun::default()
        };
        let run = store.as_caller(&caller).start_run(session, new).await.expect("a run");
        let outcome = RunOutcome::Failed { reason };
        let live = the_run(&store, &caller, run).await;
        store.as_caller(&caller).end_run(run, outcome.clone()).await.expect("it ends");
        let shown = the_run(&store, &caller, run).await;
        assert_eq!(shown.outcome.as_ref(), Some(&outcome));
        assert_eq!((&shown.task, &shown.labels), (&live.task, &live.labels));
        assert_eq!(shown.external_id, live.external_id);
        ended.push(shown);
        // All its runs have failed.
        store.as_caller(&caller).reopen_session(session).await.expect("it goes on");
    }
    let run = store.as_caller(&caller).start_run(session, NewRun::default()).await.expect("a run");
    let largest = RunOutcome::Failed { reason: "\u{e9}".repeat(16 << 20) };
    let apart = named(&store, &caller, thread, "apart").await;
    let huge = store.as_caller(&caller).start_run(apart, NewRun::default()).await.expect("a run");
    store.as_caller(&caller).end_run(huge, largest.clone()).await.expect("it ends");
    assert!(the_run(&store, &caller, huge).await.outcome == Some(largest), "32 MiB come back");
    let reason = "x".repeat((32 << 20) + 1);
    let over_caller = store.as_caller(&caller);
    let over = over_caller.end_run(run, RunOutcome::Failed { reason });
    harmless(&store, &caller, thread, ErrorKind::Capacity, over).await;
    let keyed = caller.with_key(Key::text("the end"));
    let long = RunOutcome::Failed { reason: "late ".repeat(20_000) };
    let version = store.as_caller(&keyed).end_run(run, long.clone()).await.expect("it ends");
    assert_eq!(
        store.as_caller(&keyed).end_run(run, long.clone()).await.ok(),
        Some(version),
        "a replay"
    );
    let again_caller = store.as_caller(&caller);
    let again = again_caller.end_run(run, long);
    harmless(&store, &caller, thread, ErrorKind::Precondition, again).await;
    ended.push(the_run(&store, &caller, run).await);
    let store = cx.reopen(store).await;
    // A blob that a record names is in use, whatever the record tells of.
    store.as_caller(&caller).vacuum_thread(thread).await.expect("a vacuum");
    let all =
        pages(7, |page| store.as_caller(&caller).runs(RunScope::Session(session)).page(page)).await;
    assert!(all == ended, "the runs as they ended");
    for run in &ended {
        let found =
            store.as_caller(&caller).run_by_external_id(thread, run.external_id.clone()).await;
        assert!(found.expect("an answer").as_ref() == Some(run));
    }
    let verified = store.as_caller(&caller).verify(thread, None).await.expect("an answer");
    assert!(verified.problems.is_empty(), "{:?}", verified.problems);
    Verdict::Passed
}

/// A retry names an ended run of the same session.
async fn retries(store: &dyn AnyStore, caller: &Caller, session: SessionId) {
    let thread = session.thread();
    let other = named(store, caller, thread, "other").await;
    let live = store.as_caller(caller).start_run(session, NewRun::default()).await.expect("a run");
    let theirs = store.as_caller(caller).start_run(other, NewRun::default()).await.expect("a run");
    store.as_caller(caller).end_run(theirs, RunOutcome::Succeeded).await.expect("it ends");
    for (run, kind) in [
        (live, ErrorKind::Precondition),
        (theirs, ErrorKind::Precondition),
        (RunId::new(thread, 1 << 40), ErrorKind::NotFound),
        (RunId::new(thread, 1), ErrorKind::NotFound),
    ] {
        let new = NewRun { retry_of: Some(run), ..NewRun::default() };
        harmless(store, caller, thread, kind, store.as_caller(caller).start_run(session, new))
            .await;
    }
    for task in [String::new(), "x".repeat(129), "a\nb".into()] {
        let new = NewRun { task: Some(task), ..NewRun::default() };
        harmless(
            store,
            caller,
            thread,
            ErrorKind::Invalid,
            store.as_caller(caller).start_run(session, new),
        )
        .await;
    }
}

/// Terminal runs are final; `ended_at` iff terminal; outcome always present.
pub async fn run2(cx: ClauseContext) -> Verdict {
    use RunStatus::{
        AwaitingHitl, AwaitingHitlResolution, AwaitingSubsession, Cancelled, Failed, Queued,
        Running, Succeeded,
    };
    let clock = Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let paths: [(RunStatus, &[RunStatus]); 4] = [
        (Queued, &[]),
        (Running, &[Running]),
        (AwaitingHitl, &[Running, AwaitingHitl]),
        (AwaitingHitlResolution, &[Running, AwaitingHitl, AwaitingHitlResolution]),
    ];
    let legal = [
        (Queued, Running),
        (Running, AwaitingHitl),
        (AwaitingHitl, AwaitingHitlResolution),
        (AwaitingHitlResolution, Running),
    ];
    let ends = [RunOutcome::Succeeded, failed(), RunOutcome::Cancelled];
    for (from, path) in paths {
        let begun = || async {
            let session = named(&store, &caller, thread, "s").await;
            let run = store
                .as_caller(&caller)
                .start_run(session, NewRun { queued: true, ..NewRun::default() })
                .await
                .expect("a run");
            for step in path {
                store.as_caller(&caller).set_run_status(run, *step).await.expect("a legal step");
            }
            run
        };
        for to in [
            Queued,
            Running,
            AwaitingHitl,
            AwaitingHitlResolution,
            AwaitingSubsession,
            Succeeded,
            Failed,
            Cancelled,
        ] {
            let run = begun().await;
            let before = the_run(&store, &caller, run).await;
            assert_eq!((before.status, before.ended_at, &before.outcome), (from, None, &None));
            let step_caller = store.as_caller(&caller);
            let step = step_caller.set_run_status(run, to);
            if legal.contains(&(from, to)) {
                let version = step.await.unwrap_or_else(|e| panic!("{from} to {to}: {e}"));
                let now = the_run(&store, &caller, run).await;
                assert_eq!((now.status, now.version, now.ended_at), (to, version, None));
            } else {
                match harmless(&store, &caller, thread, ErrorKind::Precondition, step).await {
                    Error::IllegalTransition { what, from: f, to: t } => {
                        assert_eq!((what, f, t), (run.into(), State::Run(from), State::Run(to)));
                    }
                    other => panic!("{from} to {to}: {other:?}"),
                }
                assert_eq!(the_run(&store, &caller, run).await, before);
            }
        }
        for outcome in &ends {
            let run = begun().await;
            clock.advance(Duration::from_secs(1));
            let end_caller = store.as_caller(&caller);
            let end = end_caller.end_run(run, outcome.clone());
            if *outcome == RunOutcome::Succeeded && from != Running {
                harmless(&store, &caller, thread, ErrorKind::Precondition, end).await;
                continue;
            }
            let version = end.await.unwrap_or_else(|e| panic!("{from} to {outcome:?}: {e}"));
            let ended = the_run(&store, &caller, run).await;
            assert_eq!((ended.status, ended.version), (outcome.status(), version));
            assert_eq!(
                (ended.outcome.as_ref(), ended.ended_at),
                (Some(outcome), Some(clock.now()))
            );
            assert!(ended.started_at < clock.now());
            is_final(&store, &caller, &ended).await;
        }
    }
    let store = cx.reopen(store).await;
    let all =
        pages(10, |page| store.as_caller(&caller).runs(RunScope::Thread(thread)).page(page)).await;
    for run in all {
        assert_eq!(run.status.is_terminal(), run.ended_at.is_some(), "{run:?}");
        assert_eq!(run.status.is_terminal(), run.outcome.is_some(), "{run:?}");
    }
    Verdict::Passed
}

async fn is_final(store: &dyn AnyStore, caller: &Caller, run: &Run) {
    let thread = run.id.thread();
    let usage = Usage::new(Tokens::new(1, 1), 1);
    let kind = ErrorKind::Precondition;
    let over = |error: Error| match error {
        Error::RunEnded { run: told } => assert_eq!(told, run.id),
        other => panic!("{other:?}"),
    };
    over(
        harmless(
            store,
            caller,
            thread,
            kind,
            store.as_caller(caller).set_run_status(run.id, RunStatus::Running),
        )
        .await,
    );
    over(
        harmless(
            store,
            caller,
            thread,
            kind,
            store.as_caller(caller).end_run(run.id, RunOutcome::Succeeded),
        )
        .await,
    );
    over(
        harmless(
            store,
            caller,
            thread,
            kind,
            store.as_caller(caller).book_usage(run.id, "late", usage),
        )
        .await,
    );
    assert_eq!(the_run(store, caller, run.id).await, *run);
}

/// The session's status follows from its runs, and the edge's from the session's.
pub async fn run3(cx: ClauseContext) -> Verdict {
    use SessionStatus::{Active, AwaitingHitl, Failed, Idle};
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let start = |session, queued| {
        let (store, caller) = (&store, &caller);
        async move {
            let new = NewRun { queued, ..NewRun::default() };
            store.as_caller(caller).start_run(session, new).await.expect("a run")
        }
    };
    let wait = RunStatus::AwaitingHitl;
    let end = |run, outcome| {
        let (store, caller) = (&store, &caller);
        async move { store.as_caller(caller).end_run(run, outcome).await.expect("it ends") }
    };
    // Two runs, in every pair of states: the stronger one rules.
    let session = named(&store, &caller, thread, "pair").await;
    let own = store
        .as_caller(&caller)
        .session(session)
        .await
        .expect("an answer")
        .expect("a session")
        .version;
    let (one, two) = (start(session, true).await, start(session, false).await);
    assert_eq!(status(&store, &caller, session).await, Active, "queued and running");
    store.as_caller(&caller).set_run_status(two, wait).await.expect("a step");
    assert_eq!(status(&store, &caller, session).await, Active, "queued and awaiting");
    end(one, failed()).await;
    assert_eq!(status(&store, &caller, session).await, AwaitingHitl, "failed and awaiting");
    store
        .as_caller(&caller)
        .set_run_status(two, RunStatus::AwaitingHitlResolution)
        .await
        .expect("a step");
    assert_eq!(status(&store, &caller, session).await, AwaitingHitl, "failed and resolving");
    store.as_caller(&caller).set_run_status(two, RunStatus::Running).await.expect("a step");
    assert_eq!(status(&store, &caller, session).await, Active);
    end(two, RunOutcome::Succeeded).await;
    assert_eq!(status(&store, &caller, session).await, Idle, "one failed, one succeeded");
    let now = store
        .as_caller(&caller)
        .session(session)
        .await
        .expect("an answer")
        .expect("a session")
        .version;
    assert_eq!(now, own, "a status that follows runs is no change of the session");

    // All failed: failed, and no run before a reopen begins a new activity.
    let session = named(&store, &caller, thread, "failing").await;
    let (one, two) = (start(session, false).await, start(session, false).await);
    end(one, failed()).await;
    end(two, failed()).await;
    assert_eq!(status(&store, &caller, session).await, Failed);
    store.as_caller(&caller).reopen_session(session).await.expect("it reopens");
    let three = start(session, false).await;
    end(three, RunOutcome::Succeeded).await;
    assert_eq!(
        status(&store, &caller, session).await,
        Idle,
        "the failures are of an earlier activity"
    );
    // Cancelled never means failed, and ends the activity.
    let session = named(&store, &caller, thread, "cancelled").await;
    let (one, two) = (start(session, false).await, start(session, false).await);
    end(one, failed()).await;
    end(two, RunOutcome::Cancelled).await;
    assert_eq!(status(&store, &caller, session).await, Idle);
    let three = start(session, false).await;
    end(three, failed()).await;
    assert_eq!(
        status(&store, &caller, session).await,
        Failed,
        "all runs of the new activity failed"
    );

    // The edge above: pending, active with the first run, then as the session ends.
    for (outcome, want, edge_want) in [
        (RunOutcome::Succeeded, Idle, SubSessionStatus::Idle),
        (failed(), Failed, SubSessionStatus::Failed),
        (RunOutcome::Cancelled, Idle, SubSessionStatus::Idle),
    ] {
        let parent = named(&store, &caller, thread, "parent").await;
        let edge = NewSubSession::under(parent);
        let made = store.as_caller(&caller).spawn(edge, "child").await.expect("a child");
        let (child, edge) = (made.id, made.edge.expect("an edge"));
        let edge_now = || async {
            store.as_caller(&caller).edge(edge).await.expect("an answer").expect("the edge").status
        };
        assert_eq!(edge_now().await, SubSessionStatus::Pending);
        let run = start(child, false).await;
        assert_eq!(edge_now().await, SubSessionStatus::Active);
        end(run, outcome).await;
        assert_eq!((status(&store, &caller, child).await, edge_now().await), (want, edge_want));
        assert_eq!(status(&store, &caller, parent).await, Idle, "the parent's own runs rule it");
    }
    let reopened = cx.reopen(store).await;
    assert_eq!(status(&reopened, &caller, session).await, Failed);
    Verdict::Passed
}

/// `run_by_external_id` finds exactly the run that was handed the id.
pub async fn run5(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let elsewhere = cx.thread(&store, &caller).await;
    let mut runs = Vec::new();
    for i in 0..6 {
        let session = named(&store, &caller, thread, "s").await;
        let external_id = (i < 3).then(|| format!("given {i}"));
        let new = NewRun { external_id, ..NewRun::default() };
        let id = store.as_caller(&caller).start_run(session, new).await.expect("a run");
        if i % 2 == 0 {
            store
                .as_caller(&caller)
                .book_usage(id, "c", Usage::new(Tokens::new(i, i), 1))
                .await
                .expect("usage");
            store.as_caller(&caller).end_run(id, RunOutcome::Succeeded).await.expect("it ends");
        }
        runs.push(the_run(&store, &caller, id).await);
    }
    for store in [cx.reopen(store).await, cx.store().await] {
        for run in &runs {
            let found =
                store.as_caller(&caller).run_by_external_id(thread, run.external_id.clone()).await;
            assert_eq!(found.ok().flatten().as_ref(), Some(run));
            let far = store
                .as_caller(&caller)
                .run_by_external_id(elsewhere, run.external_id.clone())
                .await;
            assert_eq!(far.expect("an answer"), None);
        }
        let own = &runs[0].external_id;
        for unknown in [
            String::new(),
            "ext_".into(),
            own.to_uppercase(),
            format!("{own}0"),
            runs[0].id.to_string(),
        ] {
            let found = store.as_caller(&caller).run_by_external_id(thread, unknown).await;
            assert_eq!(found.expect("an answer"), None);
        }
    }
    let store = cx.store().await;
    let gone = runs[1].session;
    store.as_caller(&caller).delete_session(gone).await.expect("it goes");
    let found =
        store.as_caller(&caller).run_by_external_id(thread, runs[1].external_id.clone()).await;
    assert_eq!(found.expect("an answer"), None);
    let book = SessionCommand::BookUsage {
        run: runs[1].id,
        call: "late".into(),
        usage: Usage::new(Tokens::new(9, 9), 1),
        echo: Some(runs[1].external_id.clone()),
    };
    refused(store.apply(&caller, book).await, ErrorKind::NotFound);
    Verdict::Passed
}
