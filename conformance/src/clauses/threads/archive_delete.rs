//! THD: archiving, deleting and reopening threads.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use sessile_core::{
    Caller, ErrorKind, Key,
    command::{Feed, NewRun, NewSubSession},
    error::{Closure, Error, ThreadAction},
    id::ThreadId,
    model::{RunOutcome, RunStatus, SessionStatus, ThreadStatus},
    store::{AnyStore, SessionStore as _, StoreOptions},
};

use super::create::titled;
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, TestClock,
        assertions::{self, harmless, refused, unchanged},
        shorthand::{self, named, says, the_thread},
    },
};

crate::clauses! { THD5 => thd5, THD6 => thd6, THD7: Shared => thd7, THD8 => thd8, THD9 => thd9 }

crate::internal::child_programs! { "thd work" => work_role }

fn not_empty(
    error: Error,
    of: ThreadId,
    wanted: ThreadAction,
) -> (Vec<sessile_core::model::SessionSample>, u64) {
    match error {
        Error::ThreadNotEmpty { thread, action, samples, total } => {
            assert_eq!((thread, action), (of, wanted));
            assert_eq!(samples.len() as u64, total.min(50), "at most 50 samples");
            assert!(samples.is_sorted_by_key(|s| s.session), "in creation order");
            (samples, total)
        }
        other => panic!("{other:?}"),
    }
}

/// Archive is refused while a session is at work, with samples and the exact total.
pub async fn thd5(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let writer = store.as_caller(&caller);
    let archive = || {
        harmless(&store, &caller, thread, ErrorKind::Precondition, writer.archive_thread(thread))
    };
    let mut at_work = Vec::new();
    named(&store, &caller, thread, "idle").await;
    for status in [SessionStatus::Active, SessionStatus::AwaitingHitl] {
        let session = named(&store, &caller, thread, "by hand").await;
        store.as_caller(&caller).set_status(session, status).await.expect("a status");
        at_work.push((session, status));
    }
    let (mut runs, ttl) = (Vec::new(), Duration::from_millis(1));
    for (queued, status) in
        [(true, RunStatus::Queued), (false, RunStatus::Running), (false, RunStatus::AwaitingHitl)]
    {
        let session = named(&store, &caller, thread, "by a run").await;
        let run = store
            .as_caller(&caller)
            .start_run(session, NewRun { queued, ..NewRun::default() })
            .await
            .expect("a run");
        if status == RunStatus::AwaitingHitl {
            store.as_caller(&caller).set_run_status(run, status).await.expect("a step");
        }
        let shown = store
            .as_caller(&caller)
            .session(session)
            .await
            .expect("an answer")
            .expect("a session")
            .status;
        runs.push(run);
        at_work.push((session, shown));
    }
    let leased = named(&store, &caller, thread, "leased, long expired").await;
    let token = store.as_caller(&caller).claim_lease(leased, ttl).await.expect("a lease");
    at_work.push((leased, SessionStatus::Idle));
    let failed = named(&store, &caller, thread, "failed").await;
    store.as_caller(&caller).set_status(failed, SessionStatus::Failed).await.expect("a status");

    let (samples, total) = not_empty(archive().await, thread, ThreadAction::Archive);
    let seen: Vec<_> = samples.iter().map(|s| (s.session, s.status)).collect();
    assert_eq!((seen, total), (at_work.clone(), at_work.len() as u64));
    // Every single reason is enough.
    for (session, _) in &at_work[..2] {
        store.as_caller(&caller).set_status(*session, SessionStatus::Idle).await.expect("a status");
        not_empty(archive().await, thread, ThreadAction::Archive);
    }
    for run in runs {
        store.as_caller(&caller).end_run(run, RunOutcome::Cancelled).await.expect("it ends");
        not_empty(archive().await, thread, ThreadAction::Archive);
    }
    store
        .as_caller(&caller.with_lease(token))
        .release_lease(leased)
        .await
        .expect("it is given back");
    for _ in 0..60 {
        let session = named(&store, &caller, thread, "many").await;
        store
            .as_caller(&caller)
            .set_status(session, SessionStatus::Active)
            .await
            .expect("a status");
    }
    let (_, total) = not_empty(archive().await, thread, ThreadAction::Archive);
    assert_eq!(total, 60);
    for row in shorthand::sessions(&store, &caller, thread).await {
        if row.status == SessionStatus::Active {
            store
                .as_caller(&caller)
                .set_status(row.id, SessionStatus::Idle)
                .await
                .expect("a status");
        }
    }
    store.as_caller(&caller).archive_thread(thread).await.expect("nothing is at work");
    expired(&cx, &caller).await;
    not_begun(&cx).await;
    Verdict::Passed
}

/// A child that has not begun keeps its thread open: nothing is archived between a spawn and its first run.
async fn not_begun(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let parent = cx.session(&store, &caller).await;
    let (ann, thread) = (store.as_caller(&caller), parent.thread());
    let child = ann.spawn(NewSubSession::under(parent), "child").await.expect("a child").id;
    let archive = ann.archive_thread(thread);
    match harmless(&store, &caller, thread, ErrorKind::Precondition, archive).await {
        Error::ThreadNotEmpty { samples, total: 1, .. } => assert_eq!(samples[0].session, child),
        other => panic!("{other}"),
    }
    let run = ann.start_run(child, NewRun::default()).await.expect("a run");
    ann.end_run(run, RunOutcome::Succeeded).await.expect("its end");
    ann.archive_thread(thread).await.expect("nothing is at work");
}

/// A lease stands in the way until others could claim it; then the commit that archives ends it, and a record says so.
async fn expired(cx: &ClauseContext, caller: &Caller) {
    let clock = Arc::new(TestClock::default());
    let skew = Duration::from_secs(5);
    let store = cx.store_with(clock.clone(), |options| options.with_max_skew(skew)).await;
    let thread = cx.thread(&store, caller).await;
    let mut leased = Vec::new();
    for _ in 0..3 {
        let session = named(&store, caller, thread, "leased").await;
        let ttl = Duration::from_secs(10);
        leased.push((
            session,
            store.as_caller(caller).claim_lease(session, ttl).await.expect("a lease"),
        ));
    }
    clock.advance(Duration::from_secs(15));
    let archive_caller = store.as_caller(caller);
    let archive = archive_caller.archive_thread(thread);
    harmless(&store, caller, thread, ErrorKind::Precondition, archive).await;
    clock.advance(Duration::from_millis(1));
    let head = shorthand::head(&store, caller, thread).await;
    let keyed = caller.with_key(Key::text("archive"));
    let version =
        store.as_caller(&keyed).archive_thread(thread).await.expect("the leases have expired");
    assert_eq!(version, head + 2, "what ends the leases, and what archives");
    assert_eq!(
        store.as_caller(&keyed).archive_thread(thread).await.ok(),
        Some(version),
        "a replay"
    );
    let feed =
        Feed { thread, after: head, limit: 10, wait: Duration::ZERO, filter: Default::default() };
    let records = store.feed(caller, feed).await.expect("the feed").records;
    let kinds: Vec<_> = records.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, ["leases_expired", "thread_archived"]);
    let facts = serde_json::to_value(&records[0].facts).expect("facts are JSON").to_string();
    for (session, _) in &leased {
        assert!(facts.contains(&session.version().to_string()), "{facts}");
    }
    let mut store = store;
    for round in 0..2 {
        for (session, _) in &leased {
            let lease = store.as_caller(caller).lease(*session).await.expect("an answer");
            assert_eq!(lease, None, "round {round}");
        }
        let options = |options: StoreOptions| options.with_max_skew(skew);
        store = cx.reopen_with(store, clock.clone(), options).await;
    }
    store.as_caller(caller).reopen_thread(thread).await.expect("it is open");
    let (session, token) = leased[0];
    refused(
        store.as_caller(&caller.with_lease(token)).append(session, says("x")).await,
        ErrorKind::Fenced,
    );
    store.as_caller(caller).append(session, says("x")).await.expect("no lease is current");
    // A purge looks at the clock alike.
    let ttl = Duration::from_secs(10);
    store.as_caller(caller).claim_lease(session, ttl).await.expect("a lease");
    clock.advance(Duration::from_secs(15));
    let purge_caller = store.as_caller(caller);
    let purge = purge_caller.purge_thread(thread);
    harmless(&store, caller, thread, ErrorKind::Precondition, purge).await;
    clock.advance(Duration::from_millis(1));
    store.as_caller(caller).purge_thread(thread).await.expect("the lease has expired");
}

/// Archiving again writes nothing.
pub async fn thd6(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let journal = cx.journal().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let version = store.as_caller(&caller).archive_thread(thread).await.expect("it is archived");
    for store in [&store, &cx.store().await] {
        let again = unchanged(
            &*journal,
            &[&caller.tenant],
            store.as_caller(&caller).archive_thread(thread),
        )
        .await;
        assert_eq!(again.ok(), Some(version));
    }
    let archived = the_thread(&store, &caller, thread).await;
    assert_eq!((archived.status, archived.version), (ThreadStatus::Archived, version));
    Verdict::Passed
}

/// Makes sessions active and idle again until the thread is archived.
async fn work_role(cx: ClauseContext, index: usize, args: Value) -> String {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread: ThreadId = serde_json::from_value(args["thread"].clone()).expect("a thread");
    let mut rounds = 0_u64;
    loop {
        let began = tokio::time::Instant::now();
        let outcome = async {
            let session = store
                .as_caller(&caller)
                .create_session(
                    thread,
                    sessile_core::command::NewSession::named(format!("{index}/{rounds}")),
                )
                .await?;
            match rounds % 4 {
                0 => {
                    let run =
                        store.as_caller(&caller).start_run(session, NewRun::default()).await?;
                    store.as_caller(&caller).end_run(run, RunOutcome::Succeeded).await?;
                }
                1 => {
                    store.as_caller(&caller).set_status(session, SessionStatus::Active).await?;
                    store.as_caller(&caller).set_status(session, SessionStatus::Idle).await?;
                }
                2 => {
                    store.as_caller(&caller).set_status(session, SessionStatus::Failed).await?;
                    store.as_caller(&caller).reopen_session(session).await?;
                    store.as_caller(&caller).set_status(session, SessionStatus::Idle).await?;
                }
                _ => {
                    let token = store
                        .as_caller(&caller)
                        .claim_lease(session, Duration::from_secs(1))
                        .await?;
                    store.as_caller(&caller.with_lease(token)).release_lease(session).await?;
                }
            }
            Ok::<_, Error>(())
        };
        match outcome.await {
            Ok(()) => rounds += 1,
            Err(Error::Closed { what: Closure::ThreadArchived(_), .. }) => {
                return rounds.to_string();
            }
            Err(error) => panic!("neither done nor closed: {error}"),
        }
        cx.report("round");
        // As long as it worked, so that the thread is quiet now and then however slow the store is.
        tokio::time::sleep(began.elapsed().max(Duration::from_millis(1))).await;
    }
}

/// Under any interleaving no archived thread holds a live session, and none begins or revives in it.
pub async fn thd7(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let failed = named(&store, &caller, thread, "failed").await;
    store.as_caller(&caller).set_status(failed, SessionStatus::Failed).await.expect("a status");
    let children = cx.start_processes("thd work", 3, &json!({ "thread": thread })).await;
    let started = |c: &crate::internal::process::Child| !c.reports().is_empty();
    let mut tries = 0;
    loop {
        // Only once all are at it.
        if children.iter().all(started) {
            match store.as_caller(&caller).archive_thread(thread).await {
                Ok(_) => break,
                other => drop(not_empty(
                    refused(other, ErrorKind::Precondition),
                    thread,
                    ThreadAction::Archive,
                )),
            }
        }
        tries += 1;
        assert!(tries < 20_000, "the thread is never quiet");
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    let at = the_thread(&store, &caller, thread).await;
    quiet(&store, &caller, thread).await;
    for child in children {
        child.wait().await;
    }
    assert_eq!(
        the_thread(&store, &caller, thread).await,
        at,
        "something was written after the archive"
    );
    quiet(&store, &caller, thread).await;
    refused(store.as_caller(&caller).reopen_session(failed).await, ErrorKind::Closed);
    refused(
        store.as_caller(&caller).claim_lease(failed, Duration::from_secs(1)).await,
        ErrorKind::Closed,
    );
    refused(store.as_caller(&caller).start_run(failed, NewRun::default()).await, ErrorKind::Closed);
    let rounds = cx.scale(20, 1000);
    super::process_races::archive_against_create_session(&cx, rounds).await;
    crate::clauses::delegation::process_races::archive_against_spawn(&cx, rounds).await;
    Verdict::Passed
}

/// No session of the thread is at work.
async fn quiet(store: &dyn AnyStore, caller: &Caller, thread: ThreadId) {
    for row in shorthand::sessions(store, caller, thread).await {
        assert!(matches!(row.status, SessionStatus::Idle | SessionStatus::Failed), "{row:?}");
        assert_eq!(row.open_run, None, "{row:?}");
        assert_eq!(
            store.as_caller(caller).lease(row.id).await.expect("an answer"),
            None,
            "{row:?}"
        );
    }
}

/// Delete is refused while any session exists, and idempotent.
pub async fn thd8(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let mut sessions = Vec::new();
    for _ in 0..52 {
        sessions.push(named(&store, &caller, thread, "idle").await);
    }
    let writer = store.as_caller(&caller);
    let delete =
        || harmless(&store, &caller, thread, ErrorKind::Precondition, writer.delete_thread(thread));
    let (samples, total) = not_empty(delete().await, thread, ThreadAction::Delete);
    assert_eq!(total, 52);
    assert_eq!(samples.iter().map(|s| s.session).collect::<Vec<_>>(), sessions[..50]);
    store.as_caller(&caller).archive_thread(thread).await.expect("all are idle");
    let (_, total) = not_empty(delete().await, thread, ThreadAction::Delete);
    assert_eq!(total, 52, "archived or not");
    store.as_caller(&caller).reopen_thread(thread).await.expect("it is open");
    for session in sessions {
        not_empty(
            refused(store.as_caller(&caller).delete_thread(thread).await, ErrorKind::Precondition),
            thread,
            ThreadAction::Delete,
        );
        store.as_caller(&caller).delete_session(session).await.expect("it goes");
    }
    let project = the_thread(&store, &caller, thread).await.project;
    store.as_caller(&caller).delete_thread(thread).await.expect("it is empty");
    for store in [&store, &cx.store().await] {
        store.as_caller(&caller).delete_thread(thread).await.expect("it is gone already");
        assert_eq!(store.as_caller(&caller).thread(thread).await.expect("an answer"), None);
        assert_eq!(shorthand::threads_of(store, &caller, project).await, []);
        let late = store
            .as_caller(&caller)
            .create_session(thread, sessile_core::command::NewSession::default())
            .await;
        refused(late, ErrorKind::NotFound);
    }
    store.as_caller(&caller).delete_project(project).await.expect("it is empty");
    Verdict::Passed
}

/// Reopen is explicit; afterwards sessions may be created.
pub async fn thd9(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let journal = cx.journal().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let session = named(&store, &caller, thread, "s").await;
    let archived = store.as_caller(&caller).archive_thread(thread).await.expect("it is archived");
    let closed = |error: Error, command| {
        assertions::closed(&error, Closure::ThreadArchived(thread), command);
    };
    let kind = ErrorKind::Closed;
    let new = sessile_core::command::NewSession::default();
    closed(
        harmless(
            &store,
            &caller,
            thread,
            kind,
            store.as_caller(&caller).create_session(thread, new),
        )
        .await,
        "create_session",
    );
    closed(
        harmless(
            &store,
            &caller,
            thread,
            kind,
            store.as_caller(&caller).append(session, says("x")),
        )
        .await,
        "append",
    );
    closed(
        harmless(
            &store,
            &caller,
            thread,
            kind,
            store.as_caller(&caller).update_thread(thread, archived, titled("x")),
        )
        .await,
        "update_thread",
    );
    let open = store.as_caller(&caller).reopen_thread(thread).await.expect("it is open");
    assert!(open > archived);
    let again =
        unchanged(&*journal, &[&caller.tenant], store.as_caller(&caller).reopen_thread(thread))
            .await;
    assert_eq!(again.ok(), Some(open), "reopening again writes nothing");
    named(&store, &caller, thread, "new").await;
    store.as_caller(&caller).append(session, says("back")).await.expect("an entry");
    store.as_caller(&caller).update_thread(thread, open, titled("open")).await.expect("an update");
    Verdict::Passed
}
