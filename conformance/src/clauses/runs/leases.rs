//! LEA: leases.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use sessile_core::{
    Clock, ErrorKind,
    command::{LinkSessions, NewRun, NewSession, NewSubSession, UpdateEdge, UpdateSession},
    error::Error,
    id::{SessionId, Version},
    model::{Lease, RunOutcome, RunStatus, SessionStatus, Tokens, Usage},
    store::{AnyStore, SessionStoreExt},
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
    store.lease(caller, session).await.expect("an answer").expect("a lease is current")
}

async fn claim_role(cx: ClauseContext, index: usize, args: Value) -> String {
    let store = cx.store().await;
    let caller = cx.caller_of("acme", &format!("worker {index}"));
    let session: SessionId = serde_json::from_value(args["session"].clone()).expect("a session");
    let mut won = 0;
    for round in 0..args["rounds"].as_u64().expect("a number") {
        match store.claim_lease(&caller, session, TTL).await {
            Ok(token) => {
                won += 1;
                let held = caller.with_lease(token);
                // Nobody else writes between these two.
                store
                    .append(&held, session, says(format!("{index}.{round} in")))
                    .await
                    .expect("a write");
                tokio::task::yield_now().await;
                store
                    .append(&held, session, says(format!("{index}.{round} out")))
                    .await
                    .expect("a write");
                store.release_lease(&held, session).await.expect("it is given back");
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
    assert_eq!(store.lease(&caller, session).await.expect("an answer"), None);
    for _ in 0..5 {
        let stores = [store.clone(), Arc::new(cx.store().await)];
        let racers: Vec<_> = (0..6)
            .map(|i| {
                let (store, caller) =
                    (stores[i % 2].clone(), cx.caller_of("acme", &format!("racer {i}")));
                tokio::spawn(async move {
                    (caller.clone(), store.claim_lease(&caller, session, TTL).await)
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
        let refusal = store.claim_lease(&caller, session, TTL);
        fenced(
            harmless(&*store, &caller, session.thread(), ErrorKind::Fenced, refusal).await,
            session,
            Some(*token),
            None,
        );
        store.release_lease(&holder.with_lease(*token), session).await.expect("it is given back");
    }
    // One lease says nothing about another session.
    let other = named(&*store, &caller, session.thread(), "other").await;
    let token = store.claim_lease(&caller, other, TTL).await.expect("a lease");
    assert_eq!(store.lease(&caller, session).await.expect("an answer"), None);
    store.release_lease(&caller.with_lease(token), other).await.expect("it is given back");

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
        let refusal = store.claim_lease(&caller, session, ttl);
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
    let first = store.claim_lease(&caller, session, TTL).await.expect("a lease");
    store.append(&caller.with_lease(first), session, says("mine")).await.expect("a write");
    store.release_lease(&caller.with_lease(first), session).await.expect("it is given back");
    let stale = caller.with_lease(first);
    fenced(
        harmless(
            &store,
            &caller,
            thread,
            ErrorKind::Fenced,
            store.append(&stale, session, says("x")),
        )
        .await,
        session,
        None,
        Some(first),
    );
    let second = store.claim_lease(&bob, session, TTL).await.expect("a lease");
    assert!(second > first, "tokens rise");
    for store in [&store, &cx.store().await] {
        let refusal = store.append(&stale, session, says("x"));
        fenced(
            harmless(store, &caller, thread, ErrorKind::Fenced, refusal).await,
            session,
            Some(second),
            Some(first),
        );
    }
    // The holder's own new claim makes its old token stale.
    let third = store.claim_lease(&bob.with_lease(second), session, TTL).await.expect("a lease");
    let old = bob.with_lease(second);
    let refusal = store.append(&old, session, says("x"));
    fenced(
        harmless(&store, &caller, thread, ErrorKind::Fenced, refusal).await,
        session,
        Some(third),
        Some(second),
    );
    for refusal in [
        store.claim_lease(&old, session, TTL).await.err(),
        store.renew_lease(&old, session, TTL).await.err(),
        store.renew_lease(&caller, session, TTL).await.err(),
        store.release_lease(&old, session).await.err(),
        store.release_lease(&caller, session).await.err(),
    ] {
        assert_eq!(refusal.map(|e| e.kind()), Some(ErrorKind::Fenced));
    }
    let store = cx.reopen(store).await;
    refused(store.append(&old, session, says("x")).await, ErrorKind::Fenced);
    store.append(&bob.with_lease(third), session, says("held")).await.expect("a write");
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
    let token = store.claim_lease(&caller, session, TTL).await.expect("a lease");
    let held = caller.with_lease(token);
    let milli = Duration::from_millis(1);
    // Not before, not at the very end of the skew: one moment later.
    for jump in [Duration::ZERO, TTL, SKEW] {
        clocks[1].advance(jump);
        refused(other.claim_lease(&bob, session, TTL).await, ErrorKind::Fenced);
    }
    // A write renews.
    clocks[0].advance(Duration::from_secs(3));
    store.append(&held, session, says("still here")).await.expect("a write");
    let lease = the_lease(&store, &caller, session).await;
    assert_eq!((lease.token, lease.expires_at), (token, clocks[0].now().plus(TTL)));
    clocks[1].advance(milli);
    refused(other.claim_lease(&bob, session, TTL).await, ErrorKind::Fenced);
    // An explicit renewal counts from now, under the same token.
    let renewed = store.renew_lease(&held, session, TTL * 2).await.expect("it is renewed");
    assert!(renewed > token);
    let lease = the_lease(&store, &caller, session).await;
    assert_eq!((lease.token, lease.expires_at), (token, clocks[0].now().plus(TTL * 2)));
    // So does creating a child, which is under the parent's lease.
    clocks[0].advance(Duration::from_secs(1));
    let child = NewSession::named("child").under(NewSubSession::under(session));
    store.create_session(&held, session.thread(), child).await.expect("a child");
    let lease = the_lease(&store, &caller, session).await;
    assert_eq!((lease.token, lease.expires_at), (token, clocks[0].now().plus(TTL * 2)));
    // Long expired, and not claimed: the holder may write.
    clocks[0].advance(Duration::from_secs(3600));
    store.append(&held, session, says("late, and mine")).await.expect("a write");
    refused(store.append(&bob, session, says("x")).await, ErrorKind::Fenced);
    clocks[1].set(clocks[0].now().plus(TTL * 2).plus(SKEW));
    refused(other.claim_lease(&bob, session, TTL).await, ErrorKind::Fenced);
    clocks[1].advance(milli);
    let second = other.claim_lease(&bob, session, TTL).await.expect("it may be claimed");
    let error = refused(store.append(&held, session, says("x")).await, ErrorKind::Fenced);
    fenced(error, session, Some(second), Some(token));
    // Clocks that jump back give nobody a lease that is held.
    clocks[0].rewind(Duration::from_secs(10_000));
    refused(store.claim_lease(&caller, session, TTL).await, ErrorKind::Fenced);
    other.append(&bob.with_lease(second), session, says("mine now")).await.expect("a write");
    Verdict::Passed
}

/// Release is idempotent.
pub async fn lea4(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let journal = cx.journal().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let token = store.claim_lease(&caller, session, TTL).await.expect("a lease");
    let held = caller.with_lease(token);
    store.release_lease(&held, session).await.expect("it is given back");
    assert_eq!(store.lease(&caller, session).await.expect("an answer"), None);
    for store in [&store, &cx.store().await] {
        for caller in [&held, &caller, &caller.with_lease(1)] {
            let again =
                unchanged(&*journal, &[&caller.tenant], store.release_lease(caller, session)).await;
            again.expect("there is nothing to give back");
        }
    }
    store.append(&caller, session, says("free")).await.expect("no lease is current");
    let second = store.claim_lease(&caller, session, TTL).await.expect("a lease");
    refused(store.release_lease(&held, session).await, ErrorKind::Fenced);
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
    let edge = store.link_sessions(&caller, edge).await.expect("an edge");
    let loose = named(&store, &caller, thread, "loose").await;
    let loose_token = store.claim_lease(&caller, loose, TTL).await.expect("a lease");
    let run = store.start_run(&caller, session, NewRun::default()).await.expect("a run");
    let token = store.claim_lease(&caller, session, TTL).await.expect("a lease");
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
            store.update_session(&wrong, session, session.version(), update()).await.err(),
            store.set_status(&wrong, session, SessionStatus::Failed).await.err(),
            store.reopen_session(&wrong, session).await.err(),
            store.delete_session(&wrong, session).await.err(),
            store.create_session(&wrong, thread, child).await.err(),
            store.update_edge(&wrong, edge, edge.version(), UpdateEdge::default()).await.err(),
            store.delete_edge(&wrong, edge).await.err(),
            store.append(&wrong, session, says("x")).await.err(),
            store.start_run(&wrong, session, NewRun::default()).await.err(),
            store.set_run_status(&wrong, run, RunStatus::AwaitingHitl).await.err(),
            store.end_run(&wrong, run, RunOutcome::Succeeded).await.err(),
            store.book_usage(&wrong, run, "c", usage()).await.err(),
            store.claim_lease(&wrong, session, TTL).await.err(),
            store.renew_lease(&wrong, session, TTL).await.err(),
            store.release_lease(&wrong, session).await.err(),
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
        store.link_sessions(&caller, link.clone()),
    )
    .await;
    store.link_sessions(&caller.with_lease(loose_token), link).await.expect("the child's token");
    // Other sessions are free, and so is who holds the token.
    store.append(&caller, other, says("x")).await.expect("no lease there");
    let held = caller.with_lease(token);
    store.append(&held, session, says("x")).await.expect("a write");
    store.book_usage(&held, run, "c", usage()).await.expect("a write");
    store.update_session(&held, session, session.version(), update()).await.expect("a write");
    let child = NewSession::named("c").under(NewSubSession::under(session));
    store.create_session(&held, thread, child).await.expect("a write");
    store.end_run(&held, run, RunOutcome::Succeeded).await.expect("a write");
    store.delete_edge(&held, edge).await.expect("a write");
    let given = refused(store.append(&held, other, says("x")).await, ErrorKind::Fenced);
    fenced(given, other, None, Some(token));
    Verdict::Passed
}
