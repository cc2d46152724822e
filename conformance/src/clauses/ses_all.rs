//! SES: what holds for every method alike.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    ErrorKind,
    command::{NewRun, NewThread, Paging, RunScope},
    error::Error,
    model::{RunOutcome, SessionStatus, Tokens, Usage},
    store::{SessionStoreExt, ThreadStoreExt},
};

use super::ses::the_session;
use crate::{
    Cx, TestClock, Verdict,
    check::refused,
    kit::{self, named, says, the_thread},
    methods::{Ids, methods},
};

crate::clauses! { SES10 => ses10, SES11 => ses11, SES14 => ses14 }

/// Records returned are values: what a caller does with them changes nothing, for every method.
pub async fn ses10(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let own = Ids::make(&store, &by).await;
    let mut session = the_session(&store, &by, own.session).await;
    let mut thread = the_thread(&store, &by, own.thread).await;
    let mut entries = kit::log(&store, &by, own.session, 10).await;
    let mut run = store.run(&by, own.run).await.expect("an answer").expect("the run");
    let mut edge = store.edge(&by, own.edge).await.expect("an answer").expect("the edge");
    let mut answers = Vec::new();
    for method in methods(&own, &own).iter().filter(|m| m.request.is_query()) {
        answers.push(format!("{:?}", method.request.send(&store, &by).await));
    }
    session.status = SessionStatus::Failed;
    session.previous_actors.push(by.actor.clone());
    session.labels = session.labels.with("changed", "yes");
    thread.title.push_str(" changed");
    entries.clear();
    run.external_id.clear();
    edge.purpose = Some("changed".into());
    drop((session, thread, entries, run, edge));
    for other in [&store, &cx.store().await] {
        for (method, before) in
            methods(&own, &own).iter().filter(|m| m.request.is_query()).zip(&answers)
        {
            let again = format!("{:?}", method.request.send(other, &by).await);
            assert_eq!(&again, before, "{}", method.name);
        }
    }
    Verdict::Passed
}

/// After an error the head and all records are the same, for every method.
pub async fn ses11(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let own = Ids::make(&store, &by).await;
    let journal = cx.journal().await;
    // A lease that none of these calls holds, on every session that is written to.
    let edge = store.edge(&by, own.edge).await.expect("an answer").expect("the edge");
    let ttl = Duration::from_secs(60);
    for session in [own.session, edge.child] {
        store.claim_lease(&by, session, ttl).await.expect("a lease");
    }
    let shown = || async {
        let mut all = Vec::new();
        for method in methods(&own, &own).iter().filter(|m| m.request.is_query()) {
            all.push(format!("{:?}", method.request.send(&store, &by).await));
        }
        all
    };
    let before = shown().await;
    let allowed = |name: &str| {
        let more = ["create_session", "erase_entries", "erase_entries entries"];
        name.contains("_project") || name.contains("_thread") || more.contains(&name)
    };
    crate::unchanged(&*journal, &[&by.tenant], async {
        for method in
            methods(&own, &own).iter().filter(|m| !m.request.is_query() && !allowed(m.name))
        {
            let answer = method.request.send(&store, &by).await;
            let error = answer.expect_err(method.name);
            assert!(!error.is_retryable(), "{}: {error}", method.name);
            let stranger = by.with_lease(1);
            assert!(method.request.send(&store, &stranger).await.is_err(), "{}", method.name);
        }
        // Those that write to no session: stale, not empty, invalid.
        for method in
            methods(&own, &own).iter().filter(|m| allowed(m.name) && m.name != "create_thread")
        {
            refused(method.request.send(&store, &by.with_lease(1)).await, ErrorKind::Invalid);
        }
        refused(store.delete_thread(&by, own.thread).await, ErrorKind::Precondition);
        refused(store.archive_thread(&by, own.thread).await, ErrorKind::Precondition);
        let bad = NewThread::titled("x\n");
        refused(store.create_thread(&by, own.project, bad).await, ErrorKind::Invalid);
    })
    .await;
    assert_eq!(shown().await, before);
    let next = the_thread(&store, &by, own.thread).await;
    store
        .update_thread(&by, own.thread, next.version, Default::default())
        .await
        .expect("the next write");
    Verdict::Passed
}

/// `updated_at` is moved by commits only, and never goes back.
pub async fn ses14(cx: Cx) -> Verdict {
    let clock = Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let by = cx.by();
    let session = cx.session(&store, &by).await;
    let other = named(&store, &by, session.thread(), "other").await;
    let thread = session.thread();
    let at = || async {
        let now = the_session(&store, &by, session).await;
        let listed = kit::sessions(&store, &by, thread).await;
        assert!(listed.iter().any(|r| r.id == session && r.updated_at == now.updated_at));
        (now.updated_at, the_thread(&store, &by, thread).await.updated_at)
    };
    assert_eq!(at().await, (TestClock::START, TestClock::START));
    let mut moved = TestClock::START;
    for step in 0..7 {
        clock.advance(Duration::from_secs(10));
        at().await;
        store.append(&by, other, says("beside")).await.expect("an entry");
        assert!(store.reopen_session(&by, session).await.is_err(), "it has not failed");
        assert_eq!(at().await.0, moved, "reads, refusals and others do not move it");
        let lane = async {
            match step {
                0 => drop(store.append(&by, session, says("x")).await?),
                1 => drop(store.start_run(&by, session, NewRun::default()).await?),
                2 => {
                    let runs =
                        store.runs(&by, RunScope::Session(session), Paging::default()).await?;
                    let run = runs.items[0].id;
                    store.book_usage(&by, run, "c", Usage::new(Tokens::new(1, 1), 1)).await?;
                }
                3 => {
                    let runs =
                        store.runs(&by, RunScope::Session(session), Paging::default()).await?;
                    store.end_run(&by, runs.items[0].id, RunOutcome::Succeeded).await?;
                }
                4 => drop(store.set_status(&by, session, SessionStatus::Active).await?),
                5 => drop(store.claim_lease(&by, session, Duration::from_secs(9)).await?),
                _ => {
                    let token = store.lease(&by, session).await?.expect("a lease").token;
                    store.release_lease(&by.with_lease(token), session).await?;
                }
            }
            Ok::<_, Error>(())
        };
        lane.await.unwrap_or_else(|e| panic!("step {step}: {e}"));
        moved = sessile_core::Clock::now(&*clock);
        assert_eq!(at().await, (moved, moved), "step {step} moves it");
    }
    clock.rewind(Duration::from_secs(3600));
    store.append(&by, session, says("late")).await.expect("an entry");
    assert_eq!(at().await, (moved, moved), "it never goes back");
    Verdict::Passed
}
