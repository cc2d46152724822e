//! CRS4: a stale process, which did not run while others used the store.

use std::sync::Arc;

use sessile_core::{
    ErrorKind,
    command::Paging,
    id::{SessionId, Space},
    journal::Journal,
    store::Store,
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::refused,
        fault::ReplaceableJournal,
        raw_batches,
        shorthand::{named, says, sessions, text},
    },
};

crate::clauses! { CRS4: Shared => crs4 }

/// A process that does not run during a compaction, a deletion or the restore of a backup reads and writes nothing wrong.
pub async fn crs4(cx: ClauseContext) -> Verdict {
    deleted(&cx).await;
    grown(&cx).await;
    for first in [First::Reads, First::Writes, First::IsRefused] {
        restored(&cx, first).await;
    }
    Verdict::Passed
}

async fn log(store: &Store, cx: &ClauseContext, session: SessionId) -> Vec<String> {
    let page = store.as_caller(&cx.caller()).entries(session).page(Paging::default()).await;
    page.expect("a page").items.iter().map(|entry| text(entry).to_owned()).collect()
}

/// A session and then its whole thread are deleted.
async fn deleted(cx: &ClauseContext) {
    let (awake, asleep, caller) = (cx.store().await, cx.store().await, cx.caller());
    let thread = cx.thread(&awake, &caller).await;
    let (one, two) =
        (named(&awake, &caller, thread, "one").await, named(&awake, &caller, thread, "two").await);
    for session in [one, two] {
        awake.as_caller(&caller).append(session, says("before")).await.expect("an entry");
        assert_eq!(log(&asleep, cx, session).await, ["before"], "it knows the thread");
    }
    awake.as_caller(&caller).delete_session(one).await.expect("it goes");
    refused(asleep.as_caller(&caller).append(one, says("late")).await, ErrorKind::NotFound);
    asleep.as_caller(&caller).append(two, says("on")).await.expect("an entry");
    assert_eq!(log(&awake, cx, two).await, ["before", "on"]);
    awake.as_caller(&caller).purge_thread(thread).await.expect("nothing is at work");
    refused(asleep.as_caller(&caller).append(two, says("late")).await, ErrorKind::NotFound);
    assert_eq!(asleep.as_caller(&caller).thread(thread).await.expect("an answer"), None);
    refused(awake.as_caller(&caller).append(two, says("late")).await, ErrorKind::NotFound);
}

/// Much is written, snapshots are taken, entries are erased and blobs collected.
async fn grown(cx: &ClauseContext) {
    let (awake, asleep, caller) = (cx.store().await, cx.store().await, cx.caller());
    let thread = cx.thread(&awake, &caller).await;
    let session = named(&awake, &caller, thread, "s").await;
    let first =
        awake.as_caller(&caller).append(session, says("first")).await.expect("an entry").first;
    assert_eq!(log(&asleep, cx, session).await, ["first"]);
    let filler = "x".repeat(2000);
    for _ in 0..3 {
        let turn = (0..60).map(|_| says(&filler)).collect::<Vec<_>>();
        awake.as_caller(&caller).append(session, turn).await.expect("a turn");
    }
    awake.as_caller(&caller).erase_entries(thread, vec![first]).await.expect("it is erased");
    awake.as_caller(&caller).vacuum_thread(thread).await.expect("a count");
    asleep.as_caller(&caller).append(session, says("last")).await.expect("an entry");
    for store in [&asleep, &awake] {
        let entry =
            store.as_caller(&caller).entry(first).await.expect("an answer").expect("its place");
        assert!(entry.content.is_none(), "erased for who slept, too");
        let verified = store.as_caller(&caller).verify(thread, None).await.expect("an answer");
        assert_eq!(verified.problems, []);
        let session =
            store.as_caller(&caller).session(session).await.expect("an answer").expect("a session");
        assert_eq!(session.entries, 182);
    }
}

/// The store is replaced by an older copy of itself, which others have continued to the very same version: with as many
/// records, but others. `first` is what the stale process does first.
async fn restored(cx: &ClauseContext, first: First) {
    let elsewhere = cx.another().await;
    let (now, backup) = (cx.journal().await, elsewhere.journal().await);
    let switch = Arc::new(ReplaceableJournal::over(Arc::clone(&now)));
    let asleep = cx.store_over(switch.clone(), Arc::default(), |options| options);
    let caller = cx.caller();
    let thread = cx.thread(&asleep, &caller).await;
    let project = asleep
        .as_caller(&caller)
        .thread(thread)
        .await
        .expect("an answer")
        .expect("the thread")
        .project;
    let session = named(&asleep, &caller, thread, "s").await;
    asleep.as_caller(&caller).append(session, says("kept")).await.expect("an entry");
    for space in [project.space(&caller.tenant), thread.space(&caller.tenant)] {
        copy(&*now, &*backup, &space).await;
    }
    let lost = named(&asleep, &caller, thread, "lost with the disk").await;
    let much = says("x".repeat(30_000));
    asleep.as_caller(&caller).append(lost, vec![much.clone(); 3]).await.expect("entries");
    let other = elsewhere.store().await;
    other.as_caller(&caller).append(session, says("written since")).await.expect("an entry");
    let since = named(&other, &caller, thread, "made since").await;
    other.as_caller(&caller).append(since, vec![much; 2]).await.expect("entries");
    let space = thread.space(&caller.tenant);
    // Of the lost history a snapshot is left.
    if let Some(left) = now.load_snapshot(&space).await.expect("a snapshot or none") {
        backup.save_snapshot(&space, &left).await.expect("a snapshot is a cache");
        let kept = backup.load_snapshot(&space).await.expect("a snapshot or none");
        assert_eq!(kept, Some(left), "a snapshot at the head's version is kept");
    } else {
        cx.note("the store kept no snapshot of the lost history");
    }
    let heads =
        (now.head(&space).await.expect("a head"), backup.head(&space).await.expect("a head"));
    let (then, now) =
        (raw_batches::at(&heads.0).expect("a head"), raw_batches::at(&heads.1).expect("a head"));
    assert_eq!(then.version, now.version, "the numbers agree");
    assert_ne!(then.hash, now.hash, "the histories do not");

    switch.to(backup);
    match first {
        First::Reads => {}
        First::Writes => {
            let after = asleep.as_caller(&caller).append(session, says("after")).await;
            after.expect("an entry on the other history");
        }
        First::IsRefused => {
            refused(
                asleep.as_caller(&caller).append(lost, says("late")).await,
                ErrorKind::NotFound,
            );
        }
    }
    let fresh = elsewhere.store().await;
    for store in [&asleep, &other, &fresh] {
        let names: Vec<_> =
            sessions(store, &caller, thread).await.into_iter().map(|s| s.id).collect();
        assert_eq!(names, [session, since], "the sessions of the history that is");
    }
    if first != First::Writes {
        asleep
            .as_caller(&caller)
            .append(session, says("after"))
            .await
            .expect("an entry on the other history");
    }
    for store in [&asleep, &other, &fresh] {
        assert_eq!(log(store, cx, session).await, ["kept", "written since", "after"]);
        let verified = store.as_caller(&caller).verify(thread, None).await.expect("an answer");
        assert_eq!(verified.problems, []);
    }
}

/// What the stale process does first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Reads,
    Writes,
    IsRefused,
}

/// Copies a space, record by record, with its card.
async fn copy(from: &dyn Journal, to: &dyn Journal, space: &Space) {
    let card = from.head(space).await.expect("a head").and_then(|head| head.card);
    let mut batch = raw_batches::of_records(raw_batches::read_all(from, space).await);
    batch.card = card;
    batch.project = None;
    raw_batches::done(to.commit(space, None, &batch).await);
}
