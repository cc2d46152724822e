//! EVT: the feed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sessile_core::{
    Caller, ErrorKind, IdSource, Store,
    command::{FeedFilter, FeedRecord, NewSession, NewSubSession, SessionFilter, UpdateThread},
    error::Error,
    id::{SessionId, ThreadId, Version},
    model::{Priority, annotate, edit},
    store::AnyStore,
};

use super::entries::{put, user};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, SeededIds,
        assertions::{harmless, refused},
        concurrent::together,
        fault::{Faults, FaultyJournal},
        shorthand::{head, named, says, sessions, the_thread},
    },
};

crate::internal::child_programs! { "evt follow" => follow }
crate::clauses! {
    EVT1 => evt1, EVT2 => evt2, EVT3: Concurrent => evt3, EVT4 => evt4, EVT5 => evt5, EVT6 => evt6,
}

pub(super) async fn feed(
    store: &dyn AnyStore,
    caller: &Caller,
    thread: ThreadId,
) -> Vec<FeedRecord> {
    read(store, caller, thread, (0, 1000), FeedFilter::default()).await
}

/// The feed after a version, `limit` records at a time.
async fn read(
    store: &dyn AnyStore,
    caller: &Caller,
    thread: ThreadId,
    (after, limit): (Version, usize),
    filter: FeedFilter,
) -> Vec<FeedRecord> {
    let changes = store.as_caller(caller).changes(thread);
    let mut changes = changes.after(after).page_size(limit).matching(filter);
    let mut records = Vec::new();
    while let Some(record) = changes.try_next().await.expect("a record") {
        records.push(record);
    }
    records
}

/// A thread with records of many kinds: a family of three sessions, edited, annotated, forked, one deleted, one erased.
async fn lived(cx: &ClauseContext, store: &dyn AnyStore, caller: &Caller) -> [SessionId; 4] {
    let root = cx.session(store, caller).await;
    let ann = store.as_caller(caller);
    let under = |parent| NewSubSession::under(parent);
    let child = ann.spawn(under(root), "child").await.expect("a child").id;
    let grandchild = ann.spawn(under(child), "grand").await.expect("a child").id;
    let other = named(store, caller, root.thread(), "other").await;
    for session in [root, child, grandchild, other] {
        let one = put(store, caller, session, says("one")).await;
        put(store, caller, session, edit(one, user("uno"))).await;
        put(store, caller, session, annotate(one, Priority::Pinned)).await;
    }
    let gone = named(store, caller, root.thread(), "gone").await;
    put(store, caller, gone, says("gone")).await;
    let fork = NewSession::named("fork").fork_of(other, None);
    let fork = ann.create_session(root.thread(), fork).await.expect("a fork");
    put(store, caller, fork, says("forked")).await;
    ann.merge_fork(fork, Default::default()).await.expect("merged");
    ann.delete_session(gone).await.expect("deleted");
    let secret = put(store, caller, root, says("secret")).await;
    ann.erase_entries(root.thread(), [secret]).await.expect("erased");
    [root, child, grandchild, other]
}

/// Each record once, in order, from any version on, in pages of any size, after a restart too; erased ones as such.
pub async fn evt1(cx: ClauseContext) -> Verdict {
    let mut store = cx.store().await;
    let caller = cx.caller();
    let [root, ..] = lived(&cx, &store, &caller).await;
    let thread = root.thread();
    let all = feed(&store, &caller, thread).await;
    let versions: Vec<_> = all.iter().map(|record| record.version).collect();
    let head = head(&store, &caller, thread).await;
    assert_eq!(versions, (1..=head).collect::<Vec<_>>());
    let erased: Vec<_> = all.iter().filter(|record| record.erased).collect();
    assert_eq!(erased.len(), 1);
    assert!(erased[0].body.is_none() && erased[0].kind == "entry");
    for after in 0..=head {
        if after == head / 2 {
            store = cx.reopen(store).await;
        }
        for limit in [1, 3, 1000] {
            let filter = FeedFilter::default();
            let rest = read(&store, &caller, thread, (after, limit), filter).await;
            assert_eq!(rest, all[after as usize..]);
        }
    }
    let past = store.as_caller(&caller).changes(thread).after(head + 5);
    let page = past.page(Duration::ZERO).await.expect("nothing yet");
    assert!(page.records.is_empty() && page.after == head + 5);
    Verdict::Passed
}

/// Each record says where its session stands, and the level of its schema.
pub async fn evt2(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let [root, ..] = lived(&cx, &store, &caller).await;
    let thread = root.thread();
    let rows = sessions(&store, &caller, thread).await;
    let mut levels = std::collections::BTreeSet::new();
    for record in feed(&store, &caller, thread).await {
        levels.insert(record.schema);
        let row = rows.iter().find(|row| Some(row.id) == record.session);
        let lineage = record.lineage;
        assert_eq!(lineage.is_some(), row.is_some(), "{record:?}");
        let (Some(row), Some(lineage)) = (row, lineage) else { continue };
        assert_eq!((lineage.parent, lineage.depth), (row.parent, row.depth));
        let drill = store.as_caller(&caller).drill(row.id).await.expect("an answer");
        assert_eq!(Some(&lineage.root), drill.expect("the session").ancestry.first());
    }
    assert!(levels.contains(&1) && levels.contains(&4), "{levels:?}");
    Verdict::Passed
}

/// A follower beside writers misses nothing and gets nothing twice, between what is there and what comes, however often it
/// is cut off and begins again.
pub async fn evt3(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let (writers, turns) = (8, cx.scale(8, 100));
    let writing = together((0..writers).map(|_| {
        let (cx, caller) = (cx.clone(), caller.clone());
        async move {
            let store = cx.store().await;
            for n in 0..turns {
                put(&store, &caller, session, says(n.to_string())).await;
            }
        }
    }));
    let first = head(&store, &caller, thread).await;
    let want = first + writers as u64 * turns as u64;
    let reader = cx.store().await;
    let following = async {
        let (mut seen, mut cuts) = (0, 0);
        while seen < want {
            let mut changes = reader
                .as_caller(&caller)
                .changes(thread)
                .after(seen)
                .page_size(1 + cuts % 5)
                .follow();
            for _ in 0..=cuts % 4 {
                if seen == want {
                    break;
                }
                let record = changes.try_next().await.expect("a record").expect("it follows");
                assert_eq!(record.version, seen + 1, "in order, once each");
                seen = record.version;
            }
            cuts += 1;
        }
        cuts
    };
    let (_, cuts) = tokio::join!(writing, following);
    assert!(cuts > 10);
    // Nothing comes: it waits as long as it was asked to, and wakes when something does.
    let quiet = reader.as_caller(&caller).changes(thread).after(want);
    let page = quiet.page(Duration::from_millis(30)).await.expect("a page");
    assert!(page.records.is_empty());
    let waiting = reader.as_caller(&caller).changes(thread).after(want);
    let (page, _) = tokio::join!(
        waiting.page(Duration::from_secs(20)),
        put(&store, &caller, session, says("at last"))
    );
    assert_eq!(page.expect("a page").records.len(), 1);
    killed_followers(&cx).await;
    Verdict::Passed
}

/// A follower that tells each version it sees, until it is killed.
async fn follow(cx: ClauseContext, _index: usize, args: serde_json::Value) -> String {
    let thread = args["thread"].as_str().and_then(|id| id.parse().ok()).expect("a thread");
    let store = cx.store().await;
    let changes = store.as_caller(&cx.caller()).changes(thread);
    let mut changes = changes.after(args["after"].as_u64().expect("a version")).follow();
    loop {
        let record = changes.try_next().await.expect("a record").expect("it follows");
        cx.report(record.version.to_string());
    }
}

/// Followers, each killed after some records, each going on behind the last record that the one before it told: together they
/// tell every record once, while eight write.
async fn killed_followers(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let kills = cx.scale(cx.times(4), 100);
    let (random, done) = (SeededIds::new(cx.seed()), AtomicBool::new(false));
    let writing = async {
        while !done.load(Ordering::SeqCst) {
            together((0..8).map(|_| {
                let (store, caller) = (store.clone(), caller.clone());
                async move { put(&store, &caller, session, says("written")).await }
            }))
            .await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let following = async {
        let (mut seen, mut told) = (0, 0);
        for _ in 0..kills {
            let args = serde_json::json!({ "thread": thread.to_string(), "after": seen });
            let follower = cx.start_processes("evt follow", 1, &args).await.remove(0);
            let enough = 1 + (random.random() % 64) as usize;
            while follower.reports().len() < enough {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            for version in follower.kill().await {
                assert_eq!(version.parse(), Ok(seen + 1), "in order, once each");
                (seen, told) = (seen + 1, told + 1);
            }
        }
        done.store(true, Ordering::SeqCst);
        (seen, told)
    };
    let (_, (seen, told)) = tokio::join!(writing, following);
    cx.note(format!("{kills} followers killed beside 8 writers, {told} records"));
    let filter = FeedFilter::default();
    let rest = read(&store, &caller, thread, (seen, 1000), filter).await;
    let versions: Vec<_> = rest.iter().map(|record| record.version).collect();
    assert_eq!(versions, (seen + 1..=head(&store, &caller, thread).await).collect::<Vec<_>>());
}

/// What was trimmed is refused by name and never skipped; nothing else changes by it.
pub async fn evt4(cx: ClauseContext) -> Verdict {
    let mut store = cx.store().await;
    let caller = cx.caller();
    let [root, ..] = lived(&cx, &store, &caller).await;
    let thread = root.thread();
    let ann = store.as_caller(&caller);
    let before = ann.context(root).await.expect("a context");
    let upto = head(&store, &caller, thread).await - 3;
    let refusal = ann.trim_feed(thread, upto + 100);
    harmless(&store, &caller, thread, ErrorKind::NotFound, refusal).await;
    let trimmed = ann.trim_feed(thread, upto).await.expect("trimmed");
    assert_eq!(ann.trim_feed(thread, upto - 1).await.ok(), Some(upto), "less than before");
    assert_eq!(head(&store, &caller, thread).await, trimmed);
    for round in 0..2 {
        let ann = store.as_caller(&caller);
        for after in [0, 1, upto - 1] {
            let page = ann.changes(thread).after(after).page(Duration::ZERO).await;
            match refused(page, ErrorKind::Stale) {
                Error::Trimmed { thread: of, upto: to } => assert_eq!((of, to), (thread, upto)),
                other => panic!("{other:?}"),
            }
        }
        let rest = read(&store, &caller, thread, (upto, 2), FeedFilter::default()).await;
        assert_eq!(rest.first().map(|record| record.version), Some(upto + 1));
        assert_eq!(rest.last().map(|record| record.version), Some(trimmed));
        assert_eq!(ann.context(root).await.expect("a context").messages, before.messages);
        assert!(ann.verify(thread, None).await.expect("verified").problems.is_empty());
        if round == 0 {
            store = cx.reopen(store).await;
        }
    }
    Verdict::Passed
}

/// What a follower sees is what is committed: nothing refused, nothing of a write that failed, and nothing that goes away;
/// followers change nothing.
pub async fn evt5(cx: ClauseContext) -> Verdict {
    let caller = cx.caller();
    let journal = cx.journal().await;
    let plain = cx.store_over(Arc::clone(&journal), Arc::default(), |options| options);
    let session = cx.session(&plain, &caller).await;
    let thread = session.thread();
    let faulty = Arc::new(FaultyJournal::over(Arc::clone(&journal), Faults::NONE, cx.seed()));
    let writer: Store = cx.store_over(faulty.clone(), Arc::default(), |options| {
        options.with_deadline(Duration::from_millis(200))
    });
    let seen = head(&plain, &caller, thread).await;
    let writing = async {
        for n in 0..40 {
            faulty.set(if n % 2 == 0 { Faults::SOME } else { Faults::NONE });
            let ann = writer.as_caller(&caller);
            match n % 4 {
                0 => drop(ann.append(session, says(n.to_string()).in_reply_to(far(thread))).await),
                1 => drop(ann.update_thread(thread, 1 << 40, UpdateThread::default()).await),
                _ => drop(ann.append(session, says(n.to_string())).await),
            }
        }
        faulty.set(Faults::NONE);
        faulty.flush().await;
        put(&plain, &caller, session, says("the end")).await.version()
    };
    let watching = async {
        let mut changes =
            plain.as_caller(&caller).changes(thread).after(seen).page_size(2).follow();
        let mut records: Vec<FeedRecord> = Vec::new();
        loop {
            let record = changes.try_next().await.expect("a record").expect("it follows");
            let is_end = record.body.as_ref().is_some_and(|body| body.get().contains("the end"));
            records.push(record);
            if is_end {
                return records;
            }
        }
    };
    let (end, records) = tokio::join!(writing, watching);
    let again = read(&plain, &caller, thread, (seen, 100), FeedFilter::default()).await;
    assert_eq!(records, again);
    assert_eq!(records.last().map(|record| record.version), Some(end));
    assert_eq!(the_thread(&plain, &caller, thread).await.head, end, "who follows writes nothing");
    assert!(records.iter().all(|record| record.kind == "entry"), "refusals are not announced");
    Verdict::Passed
}

fn far(thread: ThreadId) -> sessile_core::id::EntryId {
    sessile_core::id::EntryId::new(thread, 1 << 40)
}

/// Filters give exact subsequences, in pages of any size.
pub async fn evt6(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let [root, child, grandchild, other] = lived(&cx, &store, &caller).await;
    let thread = root.thread();
    let all = feed(&store, &caller, thread).await;
    let family = [root, child, grandchild];
    type Keep<'a> = &'a (dyn Fn(&FeedRecord) -> bool + Sync);
    let of = |session, subtree, kinds: &[&str]| FeedFilter {
        session,
        subtree,
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
    };
    let cases: [(FeedFilter, Keep<'_>); 6] = [
        (of(Some(child), None, &[]), &|record| record.session == Some(child)),
        (of(None, Some(root), &[]), &|record| record.session.is_some_and(|s| family.contains(&s))),
        (of(None, Some(child), &[]), &|record| {
            record.session.is_some_and(|s| family[1..].contains(&s))
        }),
        (of(None, None, &["edit", "annotation"]), &|record| {
            record.kind == "edit" || record.kind == "annotation"
        }),
        (of(Some(other), None, &["entry"]), &|record| {
            record.session == Some(other) && record.kind == "entry"
        }),
        (of(Some(child), Some(other), &[]), &|_| false),
    ];
    for (filter, keep) in cases {
        let want: Vec<_> = all.iter().filter(|record| keep(record)).cloned().collect();
        for limit in [1, 4, 1000] {
            for after in [0, all.len() as u64 / 2] {
                let got = read(&store, &caller, thread, (after, limit), filter.clone()).await;
                let rest: Vec<_> =
                    want.iter().filter(|record| record.version > after).cloned().collect();
                assert_eq!(got, rest, "{filter:?}");
            }
        }
    }
    let rows = store.as_caller(&caller).sessions(thread).matching(SessionFilter::default());
    assert!(rows.all().await.expect("sessions").len() >= 5);
    Verdict::Passed
}
