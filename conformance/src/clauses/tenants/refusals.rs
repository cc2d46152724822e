//! TEN7, TEN8: what is answered for an id that names nothing, and which of several refusals is given.

use sessile_core::{
    ErrorKind, Key,
    command::{
        Append, LinkSessions, NewRun, NewSession, NewSubSession, NewThread, UpdateEdge,
        UpdateSession, UpdateThread,
    },
    error::Error,
    id::SessionId,
    model::{ProjectConfig, RunOutcome, SessionStatus},
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
        let mut cases = calls_with_ids(&caller, &own, &own.missing());
        cases.extend(calls_with_ids(&caller, &own, &own.of_other_kinds()));
        // In a thread that does not exist, an id named beside one's own may as well be one of another thread.
        let elsewhere = calls_with_ids(&caller, &own, &own.in_missing_thread());
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
                    let gone = ["Deleted", "Disposed(AlreadyGone)"];
                    assert!(answer.is_ok_and(|answer| gone.contains(&&*answer)), "{shown}")
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
    store.as_caller(&caller).append(own.session, says("on it goes")).await.expect("the next write");
    Verdict::Passed
}

/// Where several refusals apply, the first in the stated order is given.
pub async fn ten8(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let (caller, theirs) = (cx.caller(), cx.caller_of("evil-corp", "eve"));
    let own = Ids::make(&store, &caller).await;
    let foreign = Ids::make(&store, &theirs).await;
    let other = Ids::make(&store, &caller).await;
    let long = UpdateThread { title: Some("x".repeat(257)), ..Default::default() };
    // Invalid, TenantIsolation.
    refused(
        store.as_caller(&caller).update_thread(foreign.thread, 1, long).await,
        ErrorKind::Invalid,
    );
    // TenantIsolation, replay: the key is known, the id is foreign.
    let keyed = caller.with_key(Key::rising("worker", 1));
    let first = store.as_caller(&keyed).append(own.session, says("once")).await.expect("an entry");
    refused(
        store.as_caller(&keyed).append(foreign.session, says("once")).await,
        ErrorKind::TenantIsolation,
    );
    // Replay, NotFound and Closed: the answer outlives the session, and the thread's archive.
    let gone = named(&store, &caller, own.thread, "gone").await;
    let second = caller.with_key(Key::rising("worker", 2));
    let told = store.as_caller(&second).append(gone, says("twice")).await.expect("an entry");
    store.as_caller(&caller).delete_session(gone).await.expect("it goes");
    assert_eq!(
        store.as_caller(&second).append(gone, says("twice")).await.ok(),
        Some(told),
        "replay, not NotFound"
    );
    // Fenced, IllegalTransition; Fenced, Stale.
    let held = named(&store, &caller, own.thread, "held").await;
    let ttl = std::time::Duration::from_secs(60);
    let token = store.as_caller(&caller).claim_lease(held, ttl).await.expect("a lease");
    let wrong = caller.with_lease(token - 1);
    let thread = own.thread;
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Fenced,
        store.as_caller(&wrong).set_status(held, SessionStatus::Archived),
    )
    .await;
    let update = UpdateSession::default();
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Fenced,
        store.as_caller(&wrong).update_session(held, 1, update),
    )
    .await;
    // WrongThread, Fenced.
    let answer = says("x").in_reply_to(other.entry);
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Precondition,
        store.as_caller(&wrong).append(held, answer),
    )
    .await;
    // Fenced, RunEnded.
    let with = caller.with_lease(token);
    let run = store.as_caller(&with).start_run(held, NewRun::default()).await.expect("a run");
    store.as_caller(&with).end_run(run, RunOutcome::Succeeded).await.expect("it ends");
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Fenced,
        store.as_caller(&wrong).end_run(run, RunOutcome::Succeeded),
    )
    .await;
    // RunEnded, Stale.
    let stale = Append::from(says("x").in_run(run)).expecting_tail(1);
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Precondition,
        store.as_caller(&with).append(held, stale),
    )
    .await;
    store.as_caller(&with).release_lease(held).await.expect("it is given back");
    // Precondition (a second parent), Capacity (no width left).
    let narrow = ProjectConfig::default().with_max_delegation_width(1);
    let project = store
        .as_caller(&caller)
        .create_project(sessile_core::command::NewProject::named("narrow").with_config(narrow))
        .await
        .expect("a project");
    let cramped = store
        .as_caller(&caller)
        .create_thread(project, NewThread::titled("t"))
        .await
        .expect("a thread");
    let parent = named(&store, &caller, cramped, "parent").await;
    let child = NewSession::named("c").under(NewSubSession::under(parent));
    let child = store.as_caller(&caller).create_session(cramped, child).await.expect("a child");
    let again = LinkSessions { child, edge: NewSubSession::under(parent) };
    harmless(
        &store,
        &caller,
        cramped,
        ErrorKind::Precondition,
        store.as_caller(&caller).link_sessions(again),
    )
    .await;
    // Capacity, Stale.
    let huge = Append::from(says("x".repeat((32 << 20) + 1))).expecting_tail(1);
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Capacity,
        store.as_caller(&caller).append(held, huge),
    )
    .await;
    // NotFound, WrongThread: of two ids, one names nothing and one is another thread's.
    let nothing = own.missing();
    let both = vec![says("x").in_reply_to(other.entry), says("y").in_reply_to(nothing.entry)];
    let refusal_caller = store.as_caller(&caller);
    let refusal = refusal_caller.append(held, both);
    harmless(&store, &caller, thread, ErrorKind::NotFound, refusal).await;
    // NotFound, Capacity; Fenced, Capacity.
    let huge = || says("x".repeat((32 << 20) + 1));
    let refusal_caller = store.as_caller(&caller);
    let refusal = refusal_caller.append(nothing.session, huge());
    harmless(&store, &caller, thread, ErrorKind::NotFound, refusal).await;
    let refusal_caller = store.as_caller(&wrong);
    let refusal = refusal_caller.append(held, huge());
    harmless(&store, &caller, thread, ErrorKind::Fenced, refusal).await;
    // Closed, NotFound of what is inside; Closed, WrongThread; Closed, Fenced; replay, Closed.
    let quiet = Ids::make(&store, &caller).await;
    store.as_caller(&caller).end_run(quiet.run, RunOutcome::Succeeded).await.expect("it ends");
    let third = caller.with_key(Key::rising("worker", 1));
    let kept = store.as_caller(&third).append(quiet.session, says("kept")).await.expect("an entry");
    store.as_caller(&caller).archive_thread(quiet.thread).await.expect("it is archived");
    let thread = quiet.thread;
    let nothing = quiet.missing().session;
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Closed,
        store.as_caller(&caller).append(nothing, says("x")),
    )
    .await;
    let unknown = says("x").in_reply_to(quiet.missing().entry);
    let refusal_caller = store.as_caller(&caller);
    let refusal = refusal_caller.append(quiet.session, unknown);
    harmless(&store, &caller, thread, ErrorKind::Closed, refusal).await;
    let missing = quiet.missing();
    let new = NewSession::named("n").under(NewSubSession::under(missing.session));
    let refusal_caller = store.as_caller(&caller);
    let refusal = refusal_caller.create_session(thread, new);
    harmless(&store, &caller, thread, ErrorKind::Closed, refusal).await;
    let refusal_caller = store.as_caller(&caller);
    let refusal = refusal_caller.end_run(missing.run, RunOutcome::Succeeded);
    harmless(&store, &caller, thread, ErrorKind::Closed, refusal).await;
    let refusal_caller = store.as_caller(&caller);
    let refusal = refusal_caller.update_edge(missing.edge, 1, UpdateEdge::default());
    harmless(&store, &caller, thread, ErrorKind::Closed, refusal).await;
    // To delete what is not there is no refusal, in an archived thread either.
    store.as_caller(&caller).delete_session(missing.session).await.expect("it is gone already");
    store.as_caller(&caller).delete_edge(missing.edge).await.expect("it is gone already");
    // NotFound of the thread, NotFound of what is inside: the thread is what is named.
    let nowhere = SessionId::new(own.missing().thread, 2);
    let error =
        refused(store.as_caller(&caller).append(nowhere, says("x")).await, ErrorKind::NotFound);
    let Error::NotFound { what } = error else { panic!("{error:?}") };
    assert_eq!(what, nowhere.thread().into());
    let answer = says("x").in_reply_to(other.entry);
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Closed,
        store.as_caller(&caller).append(quiet.session, answer),
    )
    .await;
    let unheld = caller.with_lease(1);
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Closed,
        store.as_caller(&unheld).append(quiet.session, says("x")),
    )
    .await;
    let replay = store.as_caller(&third).append(quiet.session, says("kept")).await;
    assert_eq!(replay.ok(), Some(kept), "replay, not Closed");
    assert_eq!(store.as_caller(&keyed).append(own.session, says("once")).await.ok(), Some(first));
    Verdict::Passed
}
