//! THD: threads.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use sessile_core::{
    By, ErrorKind,
    command::{NewRun, NewThread, ThreadFilter, ThreadScope, UpdateThread},
    error::{Closure, Counter, Error, ThreadAction},
    id::{ProjectId, ThreadId, UserId},
    model::{Labels, RunOutcome, RunStatus, SessionStatus, ThreadStatus},
    store::{AnyStore, SessionStoreExt, ThreadStoreExt},
};

use crate::{
    Cx, TestClock, Verdict,
    check::{refused, unchanged},
    kit::{self, harmless, named, pages, says, the_thread, threads},
    methods::Ids,
};

crate::clauses! {
    THD1 => thd1, THD2 => thd2, THD3 => thd3, THD4 => thd4, THD5 => thd5, THD6 => thd6, THD7 => thd7, THD8 => thd8,
    THD9 => thd9, THD10 => thd10, THD11 => thd11, THD12 => thd12,
}

crate::roles! { "thd update" => update_role, "thd work" => work_role }

fn titled(title: &str) -> UpdateThread {
    UpdateThread { title: Some(title.into()), labels: None }
}

/// A new thread is open, at version 1, with its title verbatim.
pub async fn thd1(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let project = cx.project(&store, &by).await;
    let titles = [
        "",
        " ",
        "  two  spaces ",
        "A",
        "a",
        "é",
        "e\u{301}",
        "𝕏 🦀",
        "'; --",
        "\u{202e}x",
        &"x".repeat(256),
    ];
    for title in titles {
        let new = NewThread::titled(title).with_label("k", "").with_label("K", "v");
        let id = store.create_thread(&by, project, new.clone()).await.expect("a thread");
        for store in [&store, &cx.store().await] {
            let thread = the_thread(store, &by, id).await;
            assert_eq!((thread.id, &thread.tenant, thread.project), (id, &by.tenant, project));
            assert_eq!((thread.title.as_str(), &thread.labels), (title, &new.labels));
            assert_eq!((thread.status, thread.version, thread.head), (ThreadStatus::Open, 1, 1));
            assert_eq!((thread.sessions, &thread.created_by), (0, &Some(by.actor.clone())));
            assert_eq!(
                (thread.created_at, thread.updated_at),
                (TestClock::START, TestClock::START)
            );
        }
    }
    let journal = cx.journal().await;
    unchanged(&*journal, &[&by.tenant], async {
        for title in ["x".repeat(257), "a\nb".into(), "\0".into(), "\u{9f}".into()] {
            let error = refused(
                store.create_thread(&by, project, NewThread::titled(title)).await,
                ErrorKind::Invalid,
            );
            assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
        }
        let many = (0..9).fold(NewThread::titled("t"), |t, i| t.with_label(format!("{i}"), "v"));
        let heavy = NewThread::titled("t")
            .with_label("a", "x".repeat(256))
            .with_label("b", "x".repeat(256));
        for new in [many, heavy, NewThread::titled("t").with_label("", "v")] {
            refused(store.create_thread(&by, project, new).await, ErrorKind::Invalid);
        }
    })
    .await;
    Verdict::Passed
}

/// A thread needs an existing open project of the tenant.
pub async fn thd2(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let journal = cx.journal().await;
    let (by, theirs) = (cx.by(), cx.by_of("evil-corp", "eve"));
    let own = Ids::make(&store, &by).await;
    let foreign = cx.project(&store, &theirs).await;
    let archived = cx.project(&store, &by).await;
    store.archive_project(&by, archived).await.expect("it is archived");
    let deleted = cx.project(&store, &by).await;
    store.delete_project(&by, deleted).await.expect("it goes");
    unchanged(&*journal, &[&by.tenant, &theirs.tenant], async {
        for (project, kind) in [
            (own.nothing().project, ErrorKind::NotFound),
            (deleted, ErrorKind::NotFound),
            (archived, ErrorKind::Closed),
            (foreign, ErrorKind::TenantIsolation),
        ] {
            refused(store.create_thread(&by, project, NewThread::titled("t")).await, kind);
        }
    })
    .await;
    Verdict::Passed
}

async fn update_role(cx: Cx, index: usize, args: Value) -> String {
    let store = cx.store().await;
    let thread: ThreadId = serde_json::from_value(args["thread"].clone()).expect("a thread");
    let by = cx.by();
    let mut won = 0;
    for round in 0..args["rounds"].as_u64().expect("a number") {
        // All update on the version they see; a loser looks again in the next round only.
        let seen = the_thread(&store, &by, thread).await.version;
        match store.update_thread(&by, thread, seen, titled(&format!("{index} {round}"))).await {
            Ok(version) => {
                assert!(version > seen);
                won += 1;
            }
            other => drop(refused(other, ErrorKind::Stale)),
        }
    }
    won.to_string()
}

/// Update is compare-and-swap: of n on one version exactly one wins.
pub async fn thd3(cx: Cx) -> Verdict {
    let store = Arc::new(cx.store().await);
    let by = cx.by();
    let thread = cx.thread(&*store, &by).await;
    for round in 0..5 {
        let version = the_thread(&*store, &by, thread).await.version;
        let stores = [store.clone(), Arc::new(cx.store().await)];
        let racers: Vec<_> = (0..8)
            .map(|i| {
                let (store, by) = (stores[i % 2].clone(), by.clone());
                tokio::spawn(async move {
                    store.update_thread(&by, thread, version, titled(&format!("{round}/{i}"))).await
                })
            })
            .collect();
        let mut won = Vec::new();
        for (i, racer) in racers.into_iter().enumerate() {
            match racer.await.expect("no panic") {
                Ok(new) => won.push((i, new)),
                other => match refused(other, ErrorKind::Stale) {
                    Error::Stale { counter: Counter::Version, expected, actual } => {
                        assert_eq!(expected, version);
                        assert!(actual > version);
                    }
                    other => panic!("{other:?}"),
                },
            }
        }
        let [(winner, version)] = won[..] else { panic!("{} updates won", won.len()) };
        let now = the_thread(&*store, &by, thread).await;
        assert_eq!((now.title, now.version), (format!("{round}/{winner}"), version));
    }
    let before = the_thread(&*store, &by, thread).await.head;
    let args = json!({ "thread": thread, "rounds": 10 });
    let won = cx.processes("thd update", 3, &args).await;
    let won: u64 = won.iter().map(|n| n.parse::<u64>().expect("a number")).sum();
    let after = the_thread(&*store, &by, thread).await;
    assert_eq!(after.head - before, won, "each win is one record, and nothing else is written");
    assert!(won >= 10, "in every round of the fastest process somebody wins");
    Verdict::Passed
}

/// Id, tenant, project and creation never change.
pub async fn thd4(cx: Cx) -> Verdict {
    let clock = Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let by = cx.by();
    let ids = Ids::make(&store, &by).await;
    let first = the_thread(&store, &by, ids.thread).await;
    let fixed = |t: &sessile_core::model::Thread| {
        (t.id, t.tenant.clone(), t.project, t.created_at, t.created_by.clone())
    };
    let other = cx.by_of("acme", "bob");
    for step in 0..6 {
        clock.advance(Duration::from_secs(step * 7));
        let now = the_thread(&store, &other, ids.thread).await;
        let done = match step {
            0 => store.update_thread(&other, ids.thread, now.version, titled("new")).await,
            1 => store.end_run(&other, ids.run, RunOutcome::Cancelled).await,
            2 => store.archive_thread(&other, ids.thread).await,
            3 => store.reopen_thread(&other, ids.thread).await,
            4 => store.set_status(&other, ids.session, SessionStatus::Failed).await,
            _ => store.reopen_session(&other, ids.session).await,
        };
        done.unwrap_or_else(|e| panic!("step {step}: {e}"));
        assert_eq!(
            fixed(&the_thread(&store, &by, ids.thread).await),
            fixed(&first),
            "after step {step}"
        );
    }
    let store = cx.reopen(store).await;
    assert_eq!(fixed(&the_thread(&store, &by, ids.thread).await), fixed(&first), "after a reopen");
    Verdict::Passed
}

fn not_empty(error: Error, wanted: ThreadAction) -> (Vec<sessile_core::model::SessionSample>, u64) {
    match error {
        Error::ThreadNotEmpty { action, samples, total } => {
            assert_eq!(action, wanted);
            assert_eq!(samples.len() as u64, total.min(50), "at most 50 samples");
            assert!(samples.is_sorted_by_key(|s| s.session), "in creation order");
            (samples, total)
        }
        other => panic!("{other:?}"),
    }
}

/// Archive is refused while a session is at work, with samples and the exact total.
pub async fn thd5(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let thread = cx.thread(&store, &by).await;
    let archive = || {
        harmless(&store, &by, thread, ErrorKind::Precondition, store.archive_thread(&by, thread))
    };
    let mut at_work = Vec::new();
    named(&store, &by, thread, "idle").await;
    for status in [SessionStatus::Active, SessionStatus::AwaitingHitl] {
        let session = named(&store, &by, thread, "by hand").await;
        store.set_status(&by, session, status).await.expect("a status");
        at_work.push((session, status));
    }
    let (mut runs, ttl) = (Vec::new(), Duration::from_millis(1));
    for (queued, status) in
        [(true, RunStatus::Queued), (false, RunStatus::Running), (false, RunStatus::AwaitingHitl)]
    {
        let session = named(&store, &by, thread, "by a run").await;
        let run = store
            .start_run(&by, session, NewRun { queued, ..NewRun::default() })
            .await
            .expect("a run");
        if status == RunStatus::AwaitingHitl {
            store.set_run_status(&by, run, status).await.expect("a step");
        }
        let shown =
            store.session(&by, session).await.expect("an answer").expect("a session").status;
        runs.push(run);
        at_work.push((session, shown));
    }
    let leased = named(&store, &by, thread, "leased, long expired").await;
    let token = store.claim_lease(&by, leased, ttl).await.expect("a lease");
    at_work.push((leased, SessionStatus::Idle));
    let failed = named(&store, &by, thread, "failed").await;
    store.set_status(&by, failed, SessionStatus::Failed).await.expect("a status");

    let (samples, total) = not_empty(archive().await, ThreadAction::Archive);
    let seen: Vec<_> = samples.iter().map(|s| (s.session, s.status)).collect();
    assert_eq!((seen, total), (at_work.clone(), at_work.len() as u64));
    // Every single reason is enough.
    for (session, _) in &at_work[..2] {
        store.set_status(&by, *session, SessionStatus::Idle).await.expect("a status");
        not_empty(archive().await, ThreadAction::Archive);
    }
    for run in runs {
        store.end_run(&by, run, RunOutcome::Cancelled).await.expect("it ends");
        not_empty(archive().await, ThreadAction::Archive);
    }
    store.release_lease(&by.with_lease(token), leased).await.expect("it is given back");
    for _ in 0..60 {
        let session = named(&store, &by, thread, "many").await;
        store.set_status(&by, session, SessionStatus::Active).await.expect("a status");
    }
    let (_, total) = not_empty(archive().await, ThreadAction::Archive);
    assert_eq!(total, 60);
    for row in kit::sessions(&store, &by, thread).await {
        if row.status == SessionStatus::Active {
            store.set_status(&by, row.id, SessionStatus::Idle).await.expect("a status");
        }
    }
    store.archive_thread(&by, thread).await.expect("nothing is at work");
    Verdict::Passed
}

/// Archiving again writes nothing.
pub async fn thd6(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let journal = cx.journal().await;
    let by = cx.by();
    let thread = cx.thread(&store, &by).await;
    let version = store.archive_thread(&by, thread).await.expect("it is archived");
    for store in [&store, &cx.store().await] {
        let again = unchanged(&*journal, &[&by.tenant], store.archive_thread(&by, thread)).await;
        assert_eq!(again.ok(), Some(version));
    }
    let archived = the_thread(&store, &by, thread).await;
    assert_eq!((archived.status, archived.version), (ThreadStatus::Archived, version));
    Verdict::Passed
}

/// Takes sessions to work and back until the thread is archived.
async fn work_role(cx: Cx, index: usize, args: Value) -> String {
    let store = cx.store().await;
    let by = cx.by();
    let thread: ThreadId = serde_json::from_value(args["thread"].clone()).expect("a thread");
    let mut rounds = 0_u64;
    loop {
        let began = tokio::time::Instant::now();
        let outcome = async {
            let session = store
                .create_session(
                    &by,
                    thread,
                    sessile_core::command::NewSession::named(format!("{index}/{rounds}")),
                )
                .await?
                .0;
            match rounds % 4 {
                0 => {
                    let run = store.start_run(&by, session, NewRun::default()).await?;
                    store.end_run(&by, run, RunOutcome::Succeeded).await?;
                }
                1 => {
                    store.set_status(&by, session, SessionStatus::Active).await?;
                    store.set_status(&by, session, SessionStatus::Idle).await?;
                }
                2 => {
                    store.set_status(&by, session, SessionStatus::Failed).await?;
                    store.reopen_session(&by, session).await?;
                    store.set_status(&by, session, SessionStatus::Idle).await?;
                }
                _ => {
                    let token = store.claim_lease(&by, session, Duration::from_secs(1)).await?;
                    store.release_lease(&by.with_lease(token), session).await?;
                }
            }
            Ok::<_, Error>(())
        };
        match outcome.await {
            Ok(()) => rounds += 1,
            Err(Error::Closed { what: Closure::ThreadArchived }) => return rounds.to_string(),
            Err(error) => panic!("neither done nor closed: {error}"),
        }
        cx.say("round");
        // As long as it worked, so that the thread is quiet now and then however slow the store is.
        tokio::time::sleep(began.elapsed().max(Duration::from_millis(1))).await;
    }
}

/// Under any interleaving no archived thread holds a live session, and none begins or revives in it.
pub async fn thd7(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let thread = cx.thread(&store, &by).await;
    let failed = named(&store, &by, thread, "failed").await;
    store.set_status(&by, failed, SessionStatus::Failed).await.expect("a status");
    let children = cx.start_processes("thd work", 3, &json!({ "thread": thread })).await;
    let started = |c: &crate::Child| !c.said().is_empty();
    let mut tries = 0;
    loop {
        // Only once all are at it.
        if children.iter().all(started) {
            match store.archive_thread(&by, thread).await {
                Ok(_) => break,
                other => {
                    drop(not_empty(refused(other, ErrorKind::Precondition), ThreadAction::Archive))
                }
            }
        }
        tries += 1;
        assert!(tries < 20_000, "the thread is never quiet");
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    let at = the_thread(&store, &by, thread).await;
    quiet(&store, &by, thread).await;
    for child in children {
        child.wait().await;
    }
    assert_eq!(
        the_thread(&store, &by, thread).await,
        at,
        "something was written after the archive"
    );
    quiet(&store, &by, thread).await;
    refused(store.reopen_session(&by, failed).await, ErrorKind::Closed);
    refused(store.claim_lease(&by, failed, Duration::from_secs(1)).await, ErrorKind::Closed);
    refused(store.start_run(&by, failed, NewRun::default()).await, ErrorKind::Closed);
    super::rounds::archive_against_create_session(&cx, cx.scale(20, 1000)).await;
    Verdict::Passed
}

/// No session of the thread is at work.
async fn quiet(store: &dyn AnyStore, by: &By, thread: ThreadId) {
    for row in kit::sessions(store, by, thread).await {
        assert!(matches!(row.status, SessionStatus::Idle | SessionStatus::Failed), "{row:?}");
        assert_eq!(row.open_run, None, "{row:?}");
        assert_eq!(store.lease(by, row.id).await.expect("an answer"), None, "{row:?}");
    }
}

/// Delete is refused while any session exists, and idempotent.
pub async fn thd8(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let thread = cx.thread(&store, &by).await;
    let mut sessions = Vec::new();
    for _ in 0..52 {
        sessions.push(named(&store, &by, thread, "idle").await);
    }
    let delete =
        || harmless(&store, &by, thread, ErrorKind::Precondition, store.delete_thread(&by, thread));
    let (samples, total) = not_empty(delete().await, ThreadAction::Delete);
    assert_eq!(total, 52);
    assert_eq!(samples.iter().map(|s| s.session).collect::<Vec<_>>(), sessions[..50]);
    store.archive_thread(&by, thread).await.expect("all are idle");
    let (_, total) = not_empty(delete().await, ThreadAction::Delete);
    assert_eq!(total, 52, "archived or not");
    store.reopen_thread(&by, thread).await.expect("it is open");
    for session in sessions {
        not_empty(
            refused(store.delete_thread(&by, thread).await, ErrorKind::Precondition),
            ThreadAction::Delete,
        );
        store.delete_session(&by, session).await.expect("it goes");
    }
    let project = the_thread(&store, &by, thread).await.project;
    store.delete_thread(&by, thread).await.expect("it is empty");
    for store in [&store, &cx.store().await] {
        store.delete_thread(&by, thread).await.expect("it is gone already");
        assert_eq!(store.thread(&by, thread).await.expect("an answer"), None);
        assert_eq!(kit::threads_of(store, &by, project).await, []);
        let late =
            store.create_session(&by, thread, sessile_core::command::NewSession::default()).await;
        refused(late, ErrorKind::NotFound);
    }
    store.delete_project(&by, project).await.expect("it is empty");
    Verdict::Passed
}

/// Reopen is explicit; afterwards sessions may be created.
pub async fn thd9(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let journal = cx.journal().await;
    let by = cx.by();
    let thread = cx.thread(&store, &by).await;
    let session = named(&store, &by, thread, "s").await;
    let archived = store.archive_thread(&by, thread).await.expect("it is archived");
    let closed = |error: Error| {
        assert!(matches!(error, Error::Closed { what: Closure::ThreadArchived }), "{error:?}");
    };
    let kind = ErrorKind::Closed;
    let new = sessile_core::command::NewSession::default();
    closed(harmless(&store, &by, thread, kind, store.create_session(&by, thread, new)).await);
    closed(harmless(&store, &by, thread, kind, store.append(&by, session, says("x"))).await);
    closed(
        harmless(
            &store,
            &by,
            thread,
            kind,
            store.update_thread(&by, thread, archived, titled("x")),
        )
        .await,
    );
    let open = store.reopen_thread(&by, thread).await.expect("it is open");
    assert!(open > archived);
    let again = unchanged(&*journal, &[&by.tenant], store.reopen_thread(&by, thread)).await;
    assert_eq!(again.ok(), Some(open), "reopening again writes nothing");
    named(&store, &by, thread, "new").await;
    store.append(&by, session, says("back")).await.expect("an entry");
    store.update_thread(&by, thread, open, titled("open")).await.expect("an update");
    Verdict::Passed
}

/// An empty thread survives a reopen of the store.
pub async fn thd10(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let project = cx.project(&store, &by).await;
    let mut empty = Vec::new();
    for title in ["", "one"] {
        let id =
            store.create_thread(&by, project, NewThread::titled(title)).await.expect("a thread");
        empty.push(the_thread(&store, &by, id).await);
    }
    let store = cx.reopen(store).await;
    for thread in &empty {
        assert_eq!(the_thread(&store, &by, thread.id).await, *thread);
    }
    let mut listed = kit::threads_of(&store, &by, project).await;
    listed.sort_unstable();
    assert!(empty.iter().all(|t| listed.contains(&t.id)));
    named(&store, &by, empty[0].id, "first").await;
    Verdict::Passed
}

/// Lists by id and by updated, filtered by label, exactly once while threads come and go.
pub async fn thd11(cx: Cx) -> Verdict {
    let clock = Arc::new(TestClock::default());
    let store = Arc::new(cx.store_with(clock.clone(), |options| options).await);
    let by = cx.by();
    let project = cx.project(&*store, &by).await;
    let other = cx.project(&*store, &by).await;
    store.create_thread(&by, other, NewThread::titled("elsewhere")).await.expect("a thread");
    let (mut all, mut blue) = (Vec::new(), Vec::new());
    for i in 0..23 {
        clock.advance(Duration::from_secs(1));
        let colour = if i % 3 == 0 { "blue" } else { "red" };
        let new = NewThread::titled(format!("{i}"))
            .with_label("colour", colour)
            .with_label("n", i.to_string());
        let thread = store.create_thread(&by, project, new).await.expect("a thread");
        all.push(thread);
        if i % 3 == 0 {
            blue.push(thread);
        }
    }
    // The newest commit decides the order, whichever it was.
    for i in [5, 0, 17] {
        clock.advance(Duration::from_secs(1));
        named(&*store, &by, all[i], "touch").await;
    }
    let mut newest: Vec<ThreadId> =
        (0..23).filter(|i| ![5, 0, 17].contains(i)).map(|i| all[i]).collect();
    newest.extend([all[5], all[0], all[17]]);
    newest.reverse();
    let of = ThreadFilter::of(ThreadScope::Project(project));
    let list = |filter: ThreadFilter, limit| {
        let (store, by) = (store.clone(), by.clone());
        async move {
            let rows = pages(limit, |page| store.threads(&by, filter.clone(), page)).await;
            rows.into_iter().map(|r| r.id).collect::<Vec<ThreadId>>()
        }
    };
    let sorted = |mut ids: Vec<ThreadId>| {
        ids.sort_unstable();
        ids
    };
    for limit in [1, 4, 23, 1000] {
        assert_eq!(list(of.clone(), limit).await, sorted(all.clone()), "by id, {limit} at a time");
        assert_eq!(
            list(of.clone().newest_first(), limit).await,
            newest,
            "by updated, {limit} at a time"
        );
        assert_eq!(list(of.clone().labelled("colour", "blue"), limit).await, sorted(blue.clone()));
        let labelled = of.clone().newest_first().labelled("colour", "blue");
        let want: Vec<_> = newest.iter().filter(|t| blue.contains(t)).copied().collect();
        assert_eq!(list(labelled, limit).await, want);
    }
    assert_eq!(list(of.clone().labelled("colour", "green"), 5).await, []);
    let relabel = UpdateThread { title: None, labels: Some(Labels::new().with("colour", "green")) };
    store.update_thread(&by, blue[0], 1, relabel).await.expect("an update");
    assert_eq!(list(of.clone().labelled("colour", "green"), 5).await, [blue[0]]);
    assert!(!list(of.clone().labelled("colour", "blue"), 5).await.contains(&blue[0]));

    // Those that stay are listed exactly once, whoever comes and goes.
    let churn = {
        let (store, by) = (store.clone(), by.clone());
        tokio::spawn(async move {
            loop {
                let thread = store
                    .create_thread(&by, project, NewThread::titled("churn"))
                    .await
                    .expect("a thread");
                tokio::task::yield_now().await;
                store.delete_thread(&by, thread).await.expect("it goes");
            }
        })
    };
    for round in 0..10 {
        let filter = if round % 2 == 0 { of.clone() } else { of.clone().newest_first() };
        let seen = list(filter, 3).await;
        let stayed: Vec<_> = seen.iter().filter(|t| all.contains(t)).copied().collect();
        assert_eq!(stayed.len(), all.len(), "each exactly once in round {round}");
        assert_eq!(sorted(stayed), sorted(all.clone()));
    }
    churn.abort();
    let _ended = churn.await;
    Verdict::Passed
}

/// Recent threads of a user, across projects.
pub async fn thd12(cx: Cx) -> Verdict {
    let clock = Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let (ada, bob) = (cx.by_of("acme", "ada"), cx.by_of("acme", "bob"));
    let projects: Vec<ProjectId> =
        vec![cx.project(&store, &ada).await, cx.project(&store, &ada).await];
    let (mut of_ada, mut of_bob) = (Vec::new(), Vec::new());
    for i in 0..8 {
        clock.advance(Duration::from_secs(1));
        let by = if i % 2 == 0 { &ada } else { &bob };
        let thread = store
            .create_thread(by, projects[i / 4], NewThread::titled("t"))
            .await
            .expect("a thread");
        if i % 2 == 0 { of_ada.push(thread) } else { of_bob.push(thread) }
    }
    // Bob writes in the first of ada's.
    clock.advance(Duration::from_secs(1));
    let session = named(&store, &ada, of_ada[0], "s").await;
    clock.advance(Duration::from_secs(1));
    store.append(&bob, session, says("hello")).await.expect("an entry");
    let recent = |name: &'static str, limit| {
        let user = UserId::new(name).expect("a user");
        let filter = ThreadFilter::of(ThreadScope::User(user)).newest_first();
        let (store, by) = (&store, &ada);
        async move {
            let rows = pages(limit, |page| store.threads(by, filter.clone(), page)).await;
            rows.into_iter().map(|r| r.id).collect::<Vec<_>>()
        }
    };
    let want = |mut ids: Vec<ThreadId>, first: Option<ThreadId>| {
        ids.reverse();
        ids.retain(|t| Some(*t) != first);
        first.into_iter().chain(ids).collect::<Vec<_>>()
    };
    for limit in [1, 3, 100] {
        assert_eq!(
            recent("bob", limit).await,
            want(of_bob.clone(), Some(of_ada[0])),
            "{limit} at a time"
        );
        assert_eq!(
            recent("ada", limit).await,
            want(of_ada.clone(), Some(of_ada[0])),
            "{limit} at a time"
        );
        assert_eq!(recent("carol", limit).await, []);
    }
    // The card keeps the creator and the 7 who wrote last.
    for i in 0..9 {
        let by = cx.by_of("acme", &format!("user{i}"));
        store.append(&by, session, says("me too")).await.expect("an entry");
    }
    assert!(recent("ada", 10).await.contains(&of_ada[0]), "the creator stays");
    assert_eq!(recent("user8", 10).await, [of_ada[0]]);
    assert_eq!(recent("user2", 10).await, [of_ada[0]]);
    let mine = threads(&store, &ada, ThreadScope::User(UserId::new("ada").expect("a user"))).await;
    assert!(mine.is_sorted_by_key(|r| r.id), "by id");
    Verdict::Passed
}
