//! LEA: leases.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use sessile_core::{
    Clock, ErrorKind,
    command::{LinkSessions, NewRun, NewSession, NewSubSession, UpdateEdge, UpdateSession},
    error::Error,
    id::{SessionId, Version},
    model::{Lease, RunOutcome, RunStatus, SessionStatus, Tokens, Usage},
    store::AnyStore,
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, TestClock,
        assertions::{harmless, refused, unchanged},
        shorthand::{named, says},
    },
};

crate::clauses! { LEA1 => lea1, LEA2 => lea2, LEA3 => lea3, LEA4 => lea4, LEA6 => lea6 }

crate::internal::child_programs! { "lea claim" => claim_role }

const TTL: Duration = Duration::from_secs(10);

fn fenced(error: Error, of: SessionId, current: Option<Version>, given: Option<Version>) {
    match error {
        Error::Fenced { session, current: c, given: g } => {
            assert_eq!((session, c, g), (of, current, given));
        }
        other => panic!("{other:?}"),
    }
}

async fn the_lease(
    store: &dyn AnyStore,
    caller: &sessile_core::Caller,
    session: SessionId,
) -> Lease {
    store.as_caller(caller).lease(session).await.expect("an answer").expect("a lease is current")
}

async fn claim_role(cx: ClauseContext, index: usize, args: Value) -> String {
    let store = cx.store().await;
    let caller = cx.caller_of("acme", &format!("worker {index}"));
    let session: SessionId = serde_json::from_value(args["session"].clone()).expect("a session");
    let mut won = 0;
    for round in 0..args["rounds"].as_u64().expect("a number") {
        match store.as_caller(&caller).claim_lease(session, TTL).await {
            Ok(token) => {
                won += 1;
                let held = caller.with_lease(token);
                // Nobody else writes between these two.
                store
                    .as_caller(&held)
                    .append(session, says(format!("{index}.{round} in")))
                    .await
                    .expect("a write");
                tokio::task::yield_now().await;
                store
                    .as_caller(&held)
                    .append(session, says(format!("{index}.{round} out")))
                    .await
                    .expect("a write");
                store.as_caller(&held).release_lease(session).await.expect("it is given back");
            }
            other => drop(refused(other, ErrorKind::Fenced)),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    won.to_string()
}

/// At most one live lease per session.
pub async fn lea1(cx: ClauseContext) -> Verdict {
    let store = Arc::new(cx.store().await);
    let caller = cx.caller();
    let session = cx.session(&*store, &caller).await;
    assert_eq!(store.as_caller(&caller).lease(session).await.expect("an answer"), None);
    for _ in 0..5 {
        let stores = [store.clone(), Arc::new(cx.store().await)];
        let racers: Vec<_> = (0..6)
            .map(|i| {
                let (store, caller) =
                    (stores[i % 2].clone(), cx.caller_of("acme", &format!("racer {i}")));
                tokio::spawn(async move {
                    (caller.clone(), store.as_caller(&caller).claim_lease(session, TTL).await)
                })
            })
            .collect();
        let mut won = Vec::new();
        for racer in racers {
            match racer.await.expect("no panic") {
                (caller, Ok(token)) => won.push((caller, token)),
                (_, other) => drop(refused(other, ErrorKind::Fenced)),
            }
        }
        let [(holder, token)] = &won[..] else { panic!("{} leases at once", won.len()) };
        let lease = the_lease(&*store, &caller, session).await;
        assert_eq!(
            (lease.session, &lease.holder, lease.token),
            (session, &Some(holder.actor.clone()), *token)
        );
        assert_eq!((lease.ttl_millis, lease.expires_at), (10_000, TestClock::START.plus(TTL)));
        let refusal_caller = store.as_caller(&caller);
        let refusal = refusal_caller.claim_lease(session, TTL);
        fenced(
            harmless(&*store, &caller, session.thread(), ErrorKind::Fenced, refusal).await,
            session,
            Some(*token),
            None,
        );
        store
            .as_caller(&holder.with_lease(*token))
            .release_lease(session)
            .await
            .expect("it is given back");
    }
    // One lease says nothing about another session.
    let other = named(&*store, &caller, session.thread(), "other").await;
    let token = store.as_caller(&caller).claim_lease(other, TTL).await.expect("a lease");
    assert_eq!(store.as_caller(&caller).lease(session).await.expect("an answer"), None);
    store
        .as_caller(&caller.with_lease(token))
        .release_lease(other)
        .await
        .expect("it is given back");

    let won = cx.processes("lea claim", 3, &json!({ "session": session, "rounds": 8 })).await;
    let won: usize = won.iter().map(|n| n.parse::<usize>().expect("a number")).sum();
    let said = crate::internal::shorthand::texts(&*store, &caller, session).await;
    assert_eq!(said.len(), 2 * won);
    for pair in said.chunks(2) {
        let (inside, outside) = (pair[0].strip_suffix(" in"), pair[1].strip_suffix(" out"));
        assert!(inside.is_some() && inside == outside, "{pair:?} were written under one lease");
    }
    assert!(won > 0);
    for ttl in [Duration::ZERO, Duration::from_micros(999), Duration::from_secs(24 * 60 * 60 + 1)] {
        let refusal_caller = store.as_caller(&caller);
        let refusal = refusal_caller.claim_lease(session, ttl);
        harmless(&*store, &caller, session.thread(), ErrorKind::Invalid, refusal).await;
    }
    Verdict::Passed
}

/// A stale token is fenced, also before the new holder wrote anything.
pub async fn lea2(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let (caller, bob) = (cx.caller(), cx.caller_of("acme", "bob"));
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let first = store.as_caller(&caller).claim_lease(session, TTL).await.expect("a lease");
    store
        .as_caller(&caller.with_lease(first))
        .append(session, says("mine"))
        .await
        .expect("a write");
    store
        .as_caller(&caller.with_lease(first))
        .release_lease(session)
        .await
        .expect("it is given back");
    let stale = caller.with_lease(first);
    fenced(
        harmless(
            &store,
            &caller,
            thread,
            ErrorKind::Fenced,
            store.as_caller(&stale).append(session, says("x")),
        )
        .await,
        session,
        None,
        Some(first),
    );
    let second = store.as_caller(&bob).claim_lease(session, TTL).await.expect("a lease");
    assert!(second > first, "tokens rise");
    for store in [&store, &cx.store().await] {
        let refusal_caller = store.as_caller(&stale);
        let refusal = refusal_caller.append(session, says("x"));
        fenced(
            harmless(store, &caller, thread, ErrorKind::Fenced, refusal).await,
            session,
            Some(second),
            Some(first),
        );
    }
    // The holder's own new claim makes its old token stale.
    let third =
        store.as_caller(&bob.with_lease(second)).claim_lease(session, TTL).await.expect("a lease");
    let old = bob.with_lease(second);
    let refusal_caller = store.as_caller(&old);
    let refusal = refusal_caller.append(session, says("x"));
    fenced(
        harmless(&store, &caller, thread, ErrorKind::Fenced, refusal).await,
        session,
        Some(third),
        Some(second),
    );
    for refusal in [
        store.as_caller(&old).claim_lease(session, TTL).await.err(),
        store.as_caller(&old).renew_lease(session, TTL).await.err(),
        store.as_caller(&caller).renew_lease(session, TTL).await.err(),
        store.as_caller(&old).release_lease(session).await.err(),
        store.as_caller(&caller).release_lease(session).await.err(),
    ] {
        assert_eq!(refusal.map(|e| e.kind()), Some(ErrorKind::Fenced));
    }
    let store = cx.reopen(store).await;
    refused(store.as_caller(&old).append(session, says("x")).await, ErrorKind::Fenced);
    store.as_caller(&bob.with_lease(third)).append(session, says("held")).await.expect("a write");
    assert_eq!(crate::internal::shorthand::texts(&store, &caller, session).await, ["mine", "held"]);
    Verdict::Passed
}

/// Others may claim a lease that expired by more than the skew; until one does, its holder may write.
pub async fn lea3(cx: ClauseContext) -> Verdict {
    const SKEW: Duration = Duration::from_secs(5);
    let clocks: [Arc<TestClock>; 2] = [Arc::default(), Arc::default()];
    let skewed = |clock: &Arc<TestClock>| cx.store_with(clock.clone(), |o| o.with_max_skew(SKEW));
    let (store, other) = (skewed(&clocks[0]).await, skewed(&clocks[1]).await);
    let (caller, bob) = (cx.caller(), cx.caller_of("acme", "bob"));
    let session = cx.session(&store, &caller).await;
    let token = store.as_caller(&caller).claim_lease(session, TTL).await.expect("a lease");
    let held = caller.with_lease(token);
    let milli = Duration::from_millis(1);
    // Not before, not at the very end of the skew: one moment later.
    for jump in [Duration::ZERO, TTL, SKEW] {
        clocks[1].advance(jump);
        refused(other.as_caller(&bob).claim_lease(session, TTL).await, ErrorKind::Fenced);
    }
    // A write renews.
    clocks[0].advance(Duration::from_secs(3));
    store.as_caller(&held).append(session, says("still here")).await.expect("a write");
    let lease = the_lease(&store, &caller, session).await;
    assert_eq!((lease.token, lease.expires_at), (token, clocks[0].now().plus(TTL)));
    clocks[1].advance(milli);
    refused(other.as_caller(&bob).claim_lease(session, TTL).await, ErrorKind::Fenced);
    // An explicit renewal counts from now, under the same token.
    let renewed =
        store.as_caller(&held).renew_lease(session, TTL * 2).await.expect("it is renewed");
    assert!(renewed > token);
    let lease = the_lease(&store, &caller, session).await;
    assert_eq!((lease.token, lease.expires_at), (token, clocks[0].now().plus(TTL * 2)));
    // So does creating a child, which is under the parent's lease.
    clocks[0].advance(Duration::from_secs(1));
    let child = NewSession::named("child").under(NewSubSession::under(session));
    store.as_caller(&held).create_session(session.thread(), child).await.expect("a child");
    let lease = the_lease(&store, &caller, session).await;
    assert_eq!((lease.token, lease.expires_at), (token, clocks[0].now().plus(TTL * 2)));
    // Long expired, and not claimed: the holder may write.
    clocks[0].advance(Duration::from_secs(3600));
    store.as_caller(&held).append(session, says("late, and mine")).await.expect("a write");
    refused(store.as_caller(&bob).append(session, says("x")).await, ErrorKind::Fenced);
    clocks[1].set(clocks[0].now().plus(TTL * 2).plus(SKEW));
    refused(other.as_caller(&bob).claim_lease(session, TTL).await, ErrorKind::Fenced);
    clocks[1].advance(milli);
    let second = other.as_caller(&bob).claim_lease(session, TTL).await.expect("it may be claimed");
    let error = refused(store.as_caller(&held).append(session, says("x")).await, ErrorKind::Fenced);
    fenced(error, session, Some(second), Some(token));
    // Clocks that jump back give nobody a lease that is held.
    clocks[0].rewind(Duration::from_secs(10_000));
    refused(store.as_caller(&caller).claim_lease(session, TTL).await, ErrorKind::Fenced);
    other
        .as_caller(&bob.with_lease(second))
        .append(session, says("mine now"))
        .await
        .expect("a write");
    Verdict::Passed
}

/// Release is idempotent.
pub async fn lea4(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let journal = cx.journal().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let token = store.as_caller(&caller).claim_lease(session, TTL).await.expect("a lease");
    let held = caller.with_lease(token);
    store.as_caller(&held).release_lease(session).await.expect("it is given back");
    assert_eq!(store.as_caller(&caller).lease(session).await.expect("an answer"), None);
    for store in [&store, &cx.store().await] {
        for caller in [&held, &caller, &caller.with_lease(1)] {
            let again = unchanged(
                &*journal,
                &[&caller.tenant],
                store.as_caller(caller).release_lease(session),
            )
            .await;
            again.expect("there is nothing to give back");
        }
    }
    store.as_caller(&caller).append(session, says("free")).await.expect("no lease is current");
    let second = store.as_caller(&caller).claim_lease(session, TTL).await.expect("a lease");
    refused(store.as_caller(&held).release_lease(session).await, ErrorKind::Fenced);
    assert_eq!(
        the_lease(&store, &caller, session).await.token,
        second,
        "a late release takes nothing away"
    );
    Verdict::Passed
}

/// While a lease is current every write to the session needs its token.
pub async fn lea6(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let session = named(&store, &caller, thread, "held").await;
    let (root, other) = (
        named(&store, &caller, thread, "root").await,
        named(&store, &caller, thread, "other").await,
    );
    let edge = LinkSessions { child: session, edge: NewSubSession::under(root) };
    let edge = store.as_caller(&caller).link_sessions(edge).await.expect("an edge");
    let loose = named(&store, &caller, thread, "loose").await;
    let loose_token = store.as_caller(&caller).claim_lease(loose, TTL).await.expect("a lease");
    let run = store.as_caller(&caller).start_run(session, NewRun::default()).await.expect("a run");
    let token = store.as_caller(&caller).claim_lease(session, TTL).await.expect("a lease");
    let update = UpdateSession::default;
    let usage = || Usage::new(Tokens::new(1, 1), 1);
    for wrong in [
        caller.clone(),
        caller.with_lease(1),
        caller.with_lease(token + 1),
        caller.with_lease(loose_token),
    ] {
        let child = NewSession::named("c").under(NewSubSession::under(session));
        let given = wrong.lease;
        let refusals = vec![
            store
                .as_caller(&wrong)
                .update_session(session, session.version(), update())
                .await
                .err(),
            store.as_caller(&wrong).set_status(session, SessionStatus::Failed).await.err(),
            store.as_caller(&wrong).reopen_session(session).await.err(),
            store.as_caller(&wrong).delete_session(session).await.err(),
            store.as_caller(&wrong).create_session(thread, child).await.err(),
            store
                .as_caller(&wrong)
                .update_edge(edge, edge.version(), UpdateEdge::default())
                .await
                .err(),
            store.as_caller(&wrong).delete_edge(edge).await.err(),
            store.as_caller(&wrong).append(session, says("x")).await.err(),
            store.as_caller(&wrong).start_run(session, NewRun::default()).await.err(),
            store.as_caller(&wrong).set_run_status(run, RunStatus::AwaitingHitl).await.err(),
            store.as_caller(&wrong).end_run(run, RunOutcome::Succeeded).await.err(),
            store.as_caller(&wrong).book_usage(run, "c", usage()).await.err(),
            store.as_caller(&wrong).claim_lease(session, TTL).await.err(),
            store.as_caller(&wrong).renew_lease(session, TTL).await.err(),
            store.as_caller(&wrong).release_lease(session).await.err(),
        ];
        for (i, refusal) in refusals.into_iter().enumerate() {
            let error = refusal.unwrap_or_else(|| panic!("write {i} went through with {given:?}"));
            fenced(error, session, Some(token), given);
        }
    }
    let link = LinkSessions { child: loose, edge: NewSubSession::under(other) };
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Fenced,
        store.as_caller(&caller).link_sessions(link.clone()),
    )
    .await;
    store
        .as_caller(&caller.with_lease(loose_token))
        .link_sessions(link)
        .await
        .expect("the child's token");
    // Other sessions are free, and so is who holds the token.
    store.as_caller(&caller).append(other, says("x")).await.expect("no lease there");
    let held = caller.with_lease(token);
    store.as_caller(&held).append(session, says("x")).await.expect("a write");
    store.as_caller(&held).book_usage(run, "c", usage()).await.expect("a write");
    store
        .as_caller(&held)
        .update_session(session, session.version(), update())
        .await
        .expect("a write");
    let child = NewSession::named("c").under(NewSubSession::under(session));
    store.as_caller(&held).create_session(thread, child).await.expect("a write");
    store.as_caller(&held).end_run(run, RunOutcome::Succeeded).await.expect("a write");
    store.as_caller(&held).delete_edge(edge).await.expect("a write");
    let given = refused(store.as_caller(&held).append(other, says("x")).await, ErrorKind::Fenced);
    fenced(given, other, None, Some(token));
    Verdict::Passed
}
