//! SES: what holds for every method alike.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    ErrorKind,
    command::{NewRun, NewThread, Paging, RunScope},
    error::Error,
    model::{RunOutcome, SessionStatus, Tokens, Usage},
};

use super::fields::the_session;
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, TestClock,
        assertions::refused,
        id_arguments::{Ids, calls_with_ids},
        shorthand::{self, named, says, the_thread},
    },
};

crate::clauses! { SES10 => ses10, SES11 => ses11, SES14 => ses14 }

/// Records returned are values: what a caller does with them changes nothing, for every method.
pub async fn ses10(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let own = Ids::make(&store, &caller).await;
    let mut session = the_session(&store, &caller, own.session).await;
    let mut thread = the_thread(&store, &caller, own.thread).await;
    let mut entries = shorthand::log(&store, &caller, own.session, 10).await;
    let mut run = store.as_caller(&caller).run(own.run).await.expect("an answer").expect("the run");
    let mut edge =
        store.as_caller(&caller).edge(own.edge).await.expect("an answer").expect("the edge");
    let mut answers = Vec::new();
    for method in calls_with_ids(&caller, &own, &own).iter().filter(|m| m.request.is_query()) {
        answers.push(format!("{:?}", method.request.send(&store, &caller).await));
    }
    session.status = SessionStatus::Failed;
    session.previous_actors.push(caller.actor.clone());
    session.labels = session.labels.with("changed", "yes");
    thread.title.push_str(" changed");
    entries.clear();
    run.external_id.clear();
    edge.purpose = Some("changed".into());
    drop((session, thread, entries, run, edge));
    for other in [&store, &cx.store().await] {
        for (method, before) in calls_with_ids(&caller, &own, &own)
            .iter()
            .filter(|m| m.request.is_query())
            .zip(&answers)
        {
            let again = format!("{:?}", method.request.send(other, &caller).await);
            assert_eq!(&again, before, "{}", method.name);
        }
    }
    Verdict::Passed
}

/// After an error the head and all records are the same, for every method.
pub async fn ses11(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let own = Ids::make(&store, &caller).await;
    let journal = cx.journal().await;
    // A lease that none of these calls holds, on every session that is written to.
    let edge = store.as_caller(&caller).edge(own.edge).await.expect("an answer").expect("the edge");
    let ttl = Duration::from_secs(60);
    for session in [own.session, edge.child] {
        store.as_caller(&caller).claim_lease(session, ttl).await.expect("a lease");
    }
    let shown = || async {
        let mut all = Vec::new();
        for method in calls_with_ids(&caller, &own, &own).iter().filter(|m| m.request.is_query()) {
            all.push(format!("{:?}", method.request.send(&store, &caller).await));
        }
        all
    };
    let before = shown().await;
    let allowed = |name: &str| {
        let more = [
            "create_session",
            "create_session fork",
            "create_session source",
            "erase_entries",
            "erase_entries entries",
            "restore_session",
            "set_state of a thread",
            "return_budget",
            "sweep_runs",
            "trim_feed",
        ];
        name.contains("_project") || name.contains("_thread") || more.contains(&name)
    };
    crate::internal::assertions::unchanged(&*journal, &[&caller.tenant], async {
        for method in calls_with_ids(&caller, &own, &own)
            .iter()
            .filter(|m| !m.request.is_query() && !allowed(m.name))
        {
            let answer = method.request.send(&store, &caller).await;
            let error = answer.expect_err(method.name);
            assert!(!error.is_retryable(), "{}: {error}", method.name);
            let stranger = caller.with_lease(1);
            assert!(method.request.send(&store, &stranger).await.is_err(), "{}", method.name);
        }
        // Those that write to no session: stale, not empty, invalid.
        for method in calls_with_ids(&caller, &own, &own)
            .iter()
            .filter(|m| allowed(m.name) && m.name != "create_thread")
        {
            refused(method.request.send(&store, &caller.with_lease(1)).await, ErrorKind::Invalid);
        }
        refused(store.as_caller(&caller).delete_thread(own.thread).await, ErrorKind::Precondition);
        refused(store.as_caller(&caller).archive_thread(own.thread).await, ErrorKind::Precondition);
        let bad = NewThread::titled("x\n");
        refused(store.as_caller(&caller).create_thread(own.project, bad).await, ErrorKind::Invalid);
    })
    .await;
    assert_eq!(shown().await, before);
    let next = the_thread(&store, &caller, own.thread).await;
    store
        .as_caller(&caller)
        .update_thread(own.thread, next.version, Default::default())
        .await
        .expect("the next write");
    Verdict::Passed
}

/// `updated_at` is moved by commits only, and never goes back.
pub async fn ses14(cx: ClauseContext) -> Verdict {
    let clock = Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let other = named(&store, &caller, session.thread(), "other").await;
    let thread = session.thread();
    let at = || async {
        let now = the_session(&store, &caller, session).await;
        let listed = shorthand::sessions(&store, &caller, thread).await;
        assert!(listed.iter().any(|r| r.id == session && r.updated_at == now.updated_at));
        (now.updated_at, the_thread(&store, &caller, thread).await.updated_at)
    };
    assert_eq!(at().await, (TestClock::START, TestClock::START));
    let mut moved = TestClock::START;
    for step in 0..7 {
        clock.advance(Duration::from_secs(10));
        at().await;
        store.as_caller(&caller).append(other, says("beside")).await.expect("an entry");
        assert!(
            store.as_caller(&caller).reopen_session(session).await.is_err(),
            "it has not failed"
        );
        assert_eq!(at().await.0, moved, "reads, refusals and others do not move it");
        let lane = async {
            match step {
                0 => drop(store.as_caller(&caller).append(session, says("x")).await?),
                1 => drop(store.as_caller(&caller).start_run(session, NewRun::default()).await?),
                2 => {
                    let runs = store
                        .as_caller(&caller)
                        .runs(RunScope::Session(session))
                        .page(Paging::default())
                        .await?;
                    let run = runs.items[0].id;
                    store
                        .as_caller(&caller)
                        .book_usage(run, "c", Usage::new(Tokens::new(1, 1), 1))
                        .await?;
                }
                3 => {
                    let runs = store
                        .as_caller(&caller)
                        .runs(RunScope::Session(session))
                        .page(Paging::default())
                        .await?;
                    store
                        .as_caller(&caller)
                        .end_run(runs.items[0].id, RunOutcome::Succeeded)
                        .await?;
                }
                4 => {
                    store.as_caller(&caller).set_status(session, SessionStatus::Active).await?;
                }
                5 => {
                    store.as_caller(&caller).claim_lease(session, Duration::from_secs(9)).await?;
                }
                _ => {
                    let token =
                        store.as_caller(&caller).lease(session).await?.expect("a lease").token;
                    store.as_caller(&caller.with_lease(token)).release_lease(session).await?;
                }
            }
            Ok::<_, Error>(())
        };
        lane.await.unwrap_or_else(|e| panic!("step {step}: {e}"));
        moved = sessile_core::Clock::now(&*clock);
        assert_eq!(at().await, (moved, moved), "step {step} moves it");
    }
    clock.rewind(Duration::from_secs(3600));
    store.as_caller(&caller).append(session, says("late")).await.expect("an entry");
    assert_eq!(at().await, (moved, moved), "it never goes back");
    Verdict::Passed
}
