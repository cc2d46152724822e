//! TEN7, TEN8: what is answered for an id that names nothing, and which of several refusals is given.

use sessile_core::{
    ErrorKind, Key,
    command::{
        Append, Expect, LinkSessions, NewRun, NewSession, NewSubSession, NewThread, UpdateEdge,
        UpdateSession, UpdateThread,
    },
    error::Error,
    id::SessionId,
    model::{ProjectConfig, RunOutcome, SessionStatus},
    store::{SessionStoreExt, ThreadStoreExt},
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused, unchanged},
        id_arguments::{Ids, IfMissing, calls_with_ids},
        shorthand::{named, says},
    },
};

crate::clauses! { TEN7 => ten7, TEN8 => ten8 }

/// An id of one's own tenant that names nothing.
pub async fn ten7(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let journal = cx.journal().await;
    let caller = cx.caller();
    let own = Ids::make(&store, &caller).await;
    unchanged(&*journal, &[&caller.tenant], async {
        let mut cases = calls_with_ids(&own, &own.missing());
        cases.extend(calls_with_ids(&own, &own.of_other_kinds()));
        // In a thread that does not exist, an id named beside one's own may as well be one of another thread.
        let elsewhere = calls_with_ids(&own, &own.in_missing_thread());
        let beside =
            |name: &str| name.contains(' ') && !name.contains(" of ") && !name.contains("backward");
        cases.extend(elsewhere.iter().filter(|m| !beside(m.name)).cloned());
        for method in cases {
            let answer = method.request.send(&store, &caller).await;
            let shown = format!("{} answered {answer:?}", method.name);
            match method.if_missing {
                IfMissing::None => assert!(answer.is_ok_and(|a| a.ends_with("(None)")), "{shown}"),
                IfMissing::NotFound => match answer {
                    Err(Error::NotFound { what }) => {
                        assert!(!own.subjects().contains(&what), "{shown}")
                    }
                    _ => panic!("{shown}"),
                },
                IfMissing::Deleted => {
                    assert_eq!(answer.ok().as_deref(), Some("Deleted"), "{shown}")
                }
            }
        }
        for method in elsewhere.into_iter().filter(|m| beside(m.name)) {
            let error = method.request.send(&store, &caller).await.expect_err(method.name);
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::NotFound | ErrorKind::Precondition),
                "{}: {error}",
                method.name
            );
        }
    })
    .await;
    store.append(&caller, own.session, says("on it goes")).await.expect("the next write");
    Verdict::Passed
}

/// Where several refusals apply, the first in the stated order is given.
pub async fn ten8(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let (caller, theirs) = (cx.caller(), cx.caller_of("evil-corp", "eve"));
    let own = Ids::make(&store, &caller).await;
    let foreign = Ids::make(&store, &theirs).await;
    let other = Ids::make(&store, &caller).await;
    let long = UpdateThread { title: Some("x".repeat(257)), labels: None };
    // Invalid, TenantIsolation.
    refused(store.update_thread(&caller, foreign.thread, 1, long).await, ErrorKind::Invalid);
    // TenantIsolation, replay: the key is known, the id is foreign.
    let keyed = caller.with_key(Key::rising("worker", 1));
    let first = store.append(&keyed, own.session, says("once")).await.expect("an entry");
    refused(store.append(&keyed, foreign.session, says("once")).await, ErrorKind::TenantIsolation);
    // Replay, NotFound and Closed: the answer outlives the session, and the thread's archive.
    let gone = named(&store, &caller, own.thread, "gone").await;
    let second = caller.with_key(Key::rising("worker", 2));
    let told = store.append(&second, gone, says("twice")).await.expect("an entry");
    store.delete_session(&caller, gone).await.expect("it goes");
    assert_eq!(
        store.append(&second, gone, says("twice")).await.ok(),
        Some(told),
        "replay, not NotFound"
    );
    // Fenced, IllegalTransition; Fenced, Stale.
    let held = named(&store, &caller, own.thread, "held").await;
    let ttl = std::time::Duration::from_secs(60);
    let token = store.claim_lease(&caller, held, ttl).await.expect("a lease");
    let wrong = caller.with_lease(token - 1);
    let thread = own.thread;
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Fenced,
        store.set_status(&wrong, held, SessionStatus::Archived),
    )
    .await;
    let update = UpdateSession::default();
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Fenced,
        store.update_session(&wrong, held, 1, update),
    )
    .await;
    // WrongThread, Fenced.
    let answer = says("x").in_reply_to(other.entry);
    harmless(&store, &caller, thread, ErrorKind::Precondition, store.append(&wrong, held, answer))
        .await;
    // Fenced, RunEnded.
    let with = caller.with_lease(token);
    let run = store.start_run(&with, held, NewRun::default()).await.expect("a run");
    store.end_run(&with, run, RunOutcome::Succeeded).await.expect("it ends");
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Fenced,
        store.end_run(&wrong, run, RunOutcome::Succeeded),
    )
    .await;
    // RunEnded, Stale.
    let stale = Append { entries: vec![says("x").in_run(run)], expect: Expect::Tail(1) };
    harmless(&store, &caller, thread, ErrorKind::Precondition, store.append(&with, held, stale))
        .await;
    store.release_lease(&with, held).await.expect("it is given back");
    // Precondition (a second parent), Capacity (no width left).
    let narrow = ProjectConfig::default().with_max_delegation_width(1);
    let project = store.create_project(&caller, "narrow", narrow).await.expect("a project");
    let cramped =
        store.create_thread(&caller, project, NewThread::titled("t")).await.expect("a thread");
    let parent = named(&store, &caller, cramped, "parent").await;
    let child = NewSession::named("c").under(NewSubSession::under(parent));
    let (child, _) = store.create_session(&caller, cramped, child).await.expect("a child");
    let again = LinkSessions { child, edge: NewSubSession::under(parent) };
    harmless(
        &store,
        &caller,
        cramped,
        ErrorKind::Precondition,
        store.link_sessions(&caller, again),
    )
    .await;
    // Capacity, Stale.
    let huge = Append { entries: vec![says("x".repeat((32 << 20) + 1))], expect: Expect::Tail(1) };
    harmless(&store, &caller, thread, ErrorKind::Capacity, store.append(&caller, held, huge)).await;
    // NotFound, WrongThread: of two ids, one names nothing and one is another thread's.
    let nothing = own.missing();
    let both = vec![says("x").in_reply_to(other.entry), says("y").in_reply_to(nothing.entry)];
    let refusal = store.append(&caller, held, both);
    harmless(&store, &caller, thread, ErrorKind::NotFound, refusal).await;
    // NotFound, Capacity; Fenced, Capacity.
    let huge = || says("x".repeat((32 << 20) + 1));
    let refusal = store.append(&caller, nothing.session, huge());
    harmless(&store, &caller, thread, ErrorKind::NotFound, refusal).await;
    let refusal = store.append(&wrong, held, huge());
    harmless(&store, &caller, thread, ErrorKind::Fenced, refusal).await;
    // Closed, NotFound of what is inside; Closed, WrongThread; Closed, Fenced; replay, Closed.
    let quiet = Ids::make(&store, &caller).await;
    store.end_run(&caller, quiet.run, RunOutcome::Succeeded).await.expect("it ends");
    let third = caller.with_key(Key::rising("worker", 1));
    let kept = store.append(&third, quiet.session, says("kept")).await.expect("an entry");
    store.archive_thread(&caller, quiet.thread).await.expect("it is archived");
    let thread = quiet.thread;
    let nothing = quiet.missing().session;
    harmless(&store, &caller, thread, ErrorKind::Closed, store.append(&caller, nothing, says("x")))
        .await;
    let unknown = says("x").in_reply_to(quiet.missing().entry);
    let refusal = store.append(&caller, quiet.session, unknown);
    harmless(&store, &caller, thread, ErrorKind::Closed, refusal).await;
    let missing = quiet.missing();
    let new = NewSession::named("n").under(NewSubSession::under(missing.session));
    let refusal = store.create_session(&caller, thread, new);
    harmless(&store, &caller, thread, ErrorKind::Closed, refusal).await;
    let refusal = store.end_run(&caller, missing.run, RunOutcome::Succeeded);
    harmless(&store, &caller, thread, ErrorKind::Closed, refusal).await;
    let refusal = store.update_edge(&caller, missing.edge, 1, UpdateEdge::default());
    harmless(&store, &caller, thread, ErrorKind::Closed, refusal).await;
    // To delete what is not there is no refusal, in an archived thread either.
    store.delete_session(&caller, missing.session).await.expect("it is gone already");
    store.delete_edge(&caller, missing.edge).await.expect("it is gone already");
    // NotFound of the thread, NotFound of what is inside: the thread is what is named.
    let nowhere = SessionId::new(own.missing().thread, 2);
    let error = refused(store.append(&caller, nowhere, says("x")).await, ErrorKind::NotFound);
    let Error::NotFound { what } = error else { panic!("{error:?}") };
    assert_eq!(what, nowhere.thread().into());
    let answer = says("x").in_reply_to(other.entry);
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Closed,
        store.append(&caller, quiet.session, answer),
    )
    .await;
    let unheld = caller.with_lease(1);
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Closed,
        store.append(&unheld, quiet.session, says("x")),
    )
    .await;
    let replay = store.append(&third, quiet.session, says("kept")).await;
    assert_eq!(replay.ok(), Some(kept), "replay, not Closed");
    assert_eq!(store.append(&keyed, own.session, says("once")).await.ok(), Some(first));
    Verdict::Passed
}
