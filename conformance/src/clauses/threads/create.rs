//! THD: threads, from their beginning through updates and reopens.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use sessile_core::{
    ErrorKind,
    command::{Feed, NewThread, UpdateThread},
    error::{Counter, Error},
    id::{ProjectId, ThreadId},
    model::{RunOutcome, SessionStatus, ThreadStatus},
    store::SessionStore as _,
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, TestClock,
        assertions::{refused, unchanged},
        id_arguments::Ids,
        raw_batches,
        shorthand::{self, named, the_thread},
    },
};

crate::clauses! { THD1 => thd1, THD2 => thd2, THD3: Concurrent => thd3, THD4 => thd4, THD10: Durable => thd10 }

crate::internal::child_programs! { "thd update" => update_role }

pub(super) fn titled(title: &str) -> UpdateThread {
    UpdateThread { title: Some(title.into()), ..Default::default() }
}

/// A new thread is open, at version 1, with its title verbatim.
pub async fn thd1(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let project = cx.project(&store, &caller).await;
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
        let id =
            store.as_caller(&caller).create_thread(project, new.clone()).await.expect("a thread");
        for store in [&store, &cx.store().await] {
            let thread = the_thread(store, &caller, id).await;
            assert_eq!((thread.id, &thread.tenant, thread.project), (id, &caller.tenant, project));
            assert_eq!((thread.title.as_str(), &thread.labels), (title, &new.labels));
            assert_eq!((thread.status, thread.version, thread.head), (ThreadStatus::Open, 1, 1));
            assert_eq!((thread.sessions, &thread.created_by), (0, &Some(caller.actor.clone())));
            assert_eq!(
                (thread.created_at, thread.updated_at),
                (TestClock::START, TestClock::START)
            );
        }
    }
    let journal = cx.journal().await;
    unchanged(&*journal, &[&caller.tenant], async {
        for title in ["x".repeat(257), "a\nb".into(), "\0".into(), "\u{9f}".into()] {
            let error = refused(
                store.as_caller(&caller).create_thread(project, NewThread::titled(title)).await,
                ErrorKind::Invalid,
            );
            assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
        }
        let many = (0..9).fold(NewThread::titled("t"), |t, i| t.with_label(format!("{i}"), "v"));
        let heavy = NewThread::titled("t")
            .with_label("a", "x".repeat(256))
            .with_label("b", "x".repeat(256));
        for new in [many, heavy, NewThread::titled("t").with_label("", "v")] {
            refused(store.as_caller(&caller).create_thread(project, new).await, ErrorKind::Invalid);
        }
    })
    .await;
    Verdict::Passed
}

/// A thread needs an existing open project of the tenant.
pub async fn thd2(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let journal = cx.journal().await;
    let (caller, theirs) = (cx.caller(), cx.caller_of("evil-corp", "eve"));
    let own = Ids::make(&store, &caller).await;
    let foreign = cx.project(&store, &theirs).await;
    let archived = cx.project(&store, &caller).await;
    store.as_caller(&caller).archive_project(archived).await.expect("it is archived");
    let deleted = cx.project(&store, &caller).await;
    store.as_caller(&caller).delete_project(deleted).await.expect("it goes");
    unchanged(&*journal, &[&caller.tenant, &theirs.tenant], async {
        for (project, kind) in [
            (own.missing().project, ErrorKind::NotFound),
            (deleted, ErrorKind::NotFound),
            (archived, ErrorKind::Closed),
            (foreign, ErrorKind::TenantIsolation),
        ] {
            refused(
                store.as_caller(&caller).create_thread(project, NewThread::titled("t")).await,
                kind,
            );
        }
    })
    .await;
    for n in 0..3 {
        let new = NewThread::titled(format!("{n}"));
        let thread =
            store.as_caller(&caller).create_thread(own.project, new).await.expect("a thread");
        names_its_reservation(&cx, own.project, thread).await;
    }
    Verdict::Passed
}

/// The first record of a thread names the record of its project that reserved it.
async fn names_its_reservation(cx: &ClauseContext, project: ProjectId, thread: ThreadId) {
    let (store, caller) = (cx.store().await, cx.caller());
    let feed =
        Feed { thread, after: 0, limit: 1, wait: Duration::ZERO, filter: Default::default() };
    let first = store.feed(&caller, feed).await.expect("the feed").records.remove(0);
    let facts: Value = serde_json::from_str(first.facts.get()).expect("facts");
    let journal = cx.journal().await;
    let records = raw_batches::read_all(&*journal, &project.space(&caller.tenant)).await;
    let reserving: Vec<u64> = records
        .iter()
        .filter(|r| &*r.kind == "thread_reserved" && r.header.contains(&thread.to_string()))
        .map(|r| r.version)
        .collect();
    assert_eq!(reserving.len(), 1, "reserved once");
    assert_eq!(facts["thread_created"]["reserved"], json!(reserving[0]), "{facts}");
}

async fn update_role(cx: ClauseContext, index: usize, args: Value) -> String {
    let store = cx.store().await;
    let thread: ThreadId = serde_json::from_value(args["thread"].clone()).expect("a thread");
    let caller = cx.caller();
    let mut won = 0;
    for round in 0..args["rounds"].as_u64().expect("a number") {
        // All update on the version they see; a loser looks again in the next round only.
        let seen = the_thread(&store, &caller, thread).await.version;
        match store
            .as_caller(&caller)
            .update_thread(thread, seen, titled(&format!("{index} {round}")))
            .await
        {
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
pub async fn thd3(cx: ClauseContext) -> Verdict {
    let store = Arc::new(cx.store().await);
    let caller = cx.caller();
    let thread = cx.thread(&*store, &caller).await;
    for round in 0..5 {
        let version = the_thread(&*store, &caller, thread).await.version;
        let stores = [store.clone(), Arc::new(cx.store().await)];
        let racers: Vec<_> = (0..8)
            .map(|i| {
                let (store, caller) = (stores[i % 2].clone(), caller.clone());
                tokio::spawn(async move {
                    store
                        .as_caller(&caller)
                        .update_thread(thread, version, titled(&format!("{round}/{i}")))
                        .await
                })
            })
            .collect();
        let mut won = Vec::new();
        for (i, racer) in racers.into_iter().enumerate() {
            match racer.await.expect("no panic") {
                Ok(new) => won.push((i, new)),
                other => match refused(other, ErrorKind::Stale) {
                    Error::Stale { what, counter: Counter::Version, expected, actual } => {
                        assert_eq!((what, expected), (thread.into(), version));
                        assert!(actual > version);
                    }
                    other => panic!("{other:?}"),
                },
            }
        }
        let [(winner, version)] = won[..] else { panic!("{} updates won", won.len()) };
        let now = the_thread(&*store, &caller, thread).await;
        assert_eq!((now.title, now.version), (format!("{round}/{winner}"), version));
    }
    let before = the_thread(&*store, &caller, thread).await.head;
    let args = json!({ "thread": thread, "rounds": 10 });
    let won = cx.processes("thd update", 3, &args).await;
    let won: u64 = won.iter().map(|n| n.parse::<u64>().expect("a number")).sum();
    let after = the_thread(&*store, &caller, thread).await;
    assert_eq!(after.head - before, won, "each win is one record, and nothing else is written");
    assert!(won >= 10, "in every round of the fastest process somebody wins");
    Verdict::Passed
}

/// Id, tenant, project and creation never change.
pub async fn thd4(cx: ClauseContext) -> Verdict {
    let clock = Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let caller = cx.caller();
    let ids = Ids::make(&store, &caller).await;
    let first = the_thread(&store, &caller, ids.thread).await;
    let fixed = |t: &sessile_core::model::Thread| {
        (t.id, t.tenant.clone(), t.project, t.created_at, t.created_by.clone())
    };
    let other = cx.caller_of("acme", "bob");
    for step in 0..6 {
        clock.advance(Duration::from_secs(step * 7));
        let now = the_thread(&store, &other, ids.thread).await;
        let done = match step {
            0 => {
                store.as_caller(&other).update_thread(ids.thread, now.version, titled("new")).await
            }
            1 => store.as_caller(&other).end_run(ids.run, RunOutcome::Cancelled).await,
            2 => store.as_caller(&other).archive_thread(ids.thread).await,
            3 => store.as_caller(&other).reopen_thread(ids.thread).await,
            4 => store.as_caller(&other).set_status(ids.session, SessionStatus::Failed).await,
            _ => store.as_caller(&other).reopen_session(ids.session).await,
        };
        done.unwrap_or_else(|e| panic!("step {step}: {e}"));
        assert_eq!(
            fixed(&the_thread(&store, &caller, ids.thread).await),
            fixed(&first),
            "after step {step}"
        );
    }
    let store = cx.reopen(store).await;
    assert_eq!(
        fixed(&the_thread(&store, &caller, ids.thread).await),
        fixed(&first),
        "after a reopen"
    );
    Verdict::Passed
}

/// An empty thread survives a reopen of the store.
pub async fn thd10(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let project = cx.project(&store, &caller).await;
    let mut empty = Vec::new();
    for title in ["", "one"] {
        let id = store
            .as_caller(&caller)
            .create_thread(project, NewThread::titled(title))
            .await
            .expect("a thread");
        empty.push(the_thread(&store, &caller, id).await);
    }
    let store = cx.reopen(store).await;
    for thread in &empty {
        assert_eq!(the_thread(&store, &caller, thread.id).await, *thread);
    }
    let mut listed = shorthand::threads_of(&store, &caller, project).await;
    listed.sort_unstable();
    assert!(empty.iter().all(|t| listed.contains(&t.id)));
    named(&store, &caller, empty[0].id, "first").await;
    Verdict::Passed
}
