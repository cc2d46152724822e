//! THD13, and J13 as a store has it: what goes for ever by a command.

use std::time::Duration;

use sessile_core::{
    By, ErrorKind, Key,
    command::{Feed, NewRun, Paging},
    error::{Error, ThreadAction},
    id::{EntryId, SessionId, ThreadId},
    journal::Direction,
    model::{Entry, RunOutcome, SessionStatus},
    store::{SessionStore as _, SessionStoreExt, Store, ThreadStoreExt},
};

use crate::{
    Cx, Verdict,
    check::{refused, unchanged},
    kit::{self, harmless, named, says, the_thread},
    mutant::{Flaw, Wrong},
    raw,
};

crate::clauses! { THD13 => thd13 }

/// Everything that happened in a thread.
fn all(thread: ThreadId) -> Feed {
    Feed { thread, after: 0, limit: 1000, wait: Duration::ZERO }
}

/// The samples and the total of a thread that is not empty.
fn not_empty(error: Error, wanted: ThreadAction) -> (Vec<SessionId>, u64) {
    match error {
        Error::ThreadNotEmpty { action, samples, total } if action == wanted => {
            (samples.into_iter().map(|sample| sample.session).collect(), total)
        }
        other => panic!("should not be empty, but: {other:?}"),
    }
}

/// A whole thread goes by one command, unless something in it is at work.
pub async fn thd13(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let thread = cx.thread(&store, &by).await;
    let project = the_thread(&store, &by, thread).await.project;
    let (idle, busy) =
        (named(&store, &by, thread, "idle").await, named(&store, &by, thread, "busy").await);
    let large = "all of it".repeat(20_000);
    store.append(&by, idle, vec![says("one"), says(&large)]).await.expect("entries");
    let purge =
        || harmless(&store, &by, thread, ErrorKind::Precondition, store.purge_thread(&by, thread));

    let run = store.start_run(&by, busy, NewRun::default()).await.expect("a run");
    let (samples, total) = not_empty(purge().await, ThreadAction::Purge);
    assert_eq!((samples, total), (vec![busy], 1), "a live run");
    store.end_run(&by, run, RunOutcome::Succeeded).await.expect("it ends");
    let token = store.claim_lease(&by, busy, Duration::from_secs(9)).await.expect("a lease");
    not_empty(purge().await, ThreadAction::Purge);
    store.release_lease(&by.with_lease(token), busy).await.expect("released");
    store.set_status(&by, busy, SessionStatus::AwaitingHitl).await.expect("waiting");
    not_empty(purge().await, ThreadAction::Purge);
    store.set_status(&by, busy, SessionStatus::Idle).await.expect("idle");
    store.archive_thread(&by, thread).await.expect("archived or not, it goes");

    let other = cx.thread(&store, &by).await;
    let stale = cx.store().await;
    assert!(stale.thread(&by, thread).await.expect("an answer").is_some());
    store.purge_thread(&by, thread).await.expect("nothing is at work");
    for store in [&store, &stale, &cx.store().await] {
        store.purge_thread(&by, thread).await.expect("it is gone already");
        assert_eq!(store.thread(&by, thread).await.expect("an answer"), None);
        assert_eq!(kit::threads_of(store, &by, project).await, []);
        let page = store.entries(&by, idle, Direction::Forward, Paging::default()).await;
        refused(page, ErrorKind::NotFound);
        refused(store.append(&by, idle, says("late")).await, ErrorKind::NotFound);
        assert!(store.thread(&by, other).await.expect("an answer").is_some(), "the other stays");
    }
    store.delete_project(&by, project).await.expect("it is empty");
    Verdict::Passed
}

/// What the erased entries look like, to everyone and for ever.
pub(super) async fn erased_entries(cx: &Cx) {
    let store = cx.store().await;
    let by = cx.by();
    let thread = cx.thread(&store, &by).await;
    let (session, gone) =
        (named(&store, &by, thread, "s").await, named(&store, &by, thread, "gone").await);
    let keyed = by.with_key(Key::new("importer", 7));
    let turn = vec![says("secret"), says("secret too".repeat(10_000)), says("open")];
    let first = store.append(&keyed, session, turn.clone()).await.expect("a turn").first;
    let lost = store.append(&by, gone, says("secret")).await.expect("an entry").first;
    store.delete_session(&by, gone).await.expect("it goes");
    store.archive_thread(&by, thread).await.expect("an archived thread can be erased in");

    let reader = cx.store().await;
    let before = log(&reader, &by, session).await;
    let after = |n: u64| EntryId::new(thread, first.version() + n);
    let journal = cx.journal().await;
    let wrong = EntryId::new(thread, 1);
    let mixed =
        unchanged(&*journal, &[&by.tenant], store.erase_entries(&by, thread, vec![first, wrong]))
            .await;
    refused(mixed, ErrorKind::NotFound);
    let erased = store.erase_entries(&by, thread, vec![first, after(1), lost]).await;
    let erased = erased.expect("entries can be erased");
    let again = store.erase_entries(&by, thread, vec![after(1)]);
    let again = unchanged(&*journal, &[&by.tenant], again).await;
    assert_eq!(again.ok(), Some(erased), "erasing again writes nothing");

    for store in [&store, &reader, &cx.store().await] {
        let log = log(store, &by, session).await;
        assert_eq!(log.len(), 3, "they keep their places");
        for (now, was) in log.iter().zip(&before).take(2) {
            let bare =
                (now.message.is_none(), now.actor.is_none(), now.id, now.at, now.in_reply_to);
            assert_eq!(bare, (true, true, was.id, was.at, was.in_reply_to));
            assert_eq!(store.entry(&by, now.id).await.expect("an answer").as_ref(), Some(now));
        }
        assert_eq!(log[2], before[2], "the other is as it was");
        let events = store.feed(&by, all(thread)).await.expect("events").events;
        for event in events {
            let is_erased = event.version == first.version() || event.version == after(1).version();
            assert_eq!(event.erased, is_erased, "{event:?}");
            assert!(!event.body.is_some_and(|body| body.get().contains("secret")));
        }
        sound(store, &by, thread).await;
        let late = store.append(&keyed, session, turn.clone()).await;
        refused(late, ErrorKind::Invalid);
    }
    store.reopen_thread(&by, thread).await.expect("it is open");
    let reply = says("on").in_reply_to(first);
    store.append(&by, session, reply).await.expect("what was erased can still be answered");
    assert_eq!(store.vacuum_thread(&by, thread).await.expect("a count"), 0);
    let store = cx.reopen(store).await;
    assert!(log(&store, &by, session).await[0].message.is_none(), "also after it is opened again");
    sound(&store, &by, thread).await;
    cut_off(cx).await;
}

async fn log(store: &Store, by: &By, session: SessionId) -> Vec<Entry> {
    store.entries(by, session, Direction::Forward, Paging::default()).await.expect("a page").items
}

async fn sound(store: &Store, by: &By, thread: ThreadId) {
    let verified = store.verify(by, thread, None).await.expect("an answer");
    assert_eq!(verified.problems, [], "erased entries verify");
}

/// Between the record that says so and the payload that goes, nobody is shown the payload.
async fn cut_off(cx: &Cx) {
    let journal = std::sync::Arc::new(Wrong::with(Flaw::KeepsErased));
    let store = cx.store_over(journal.clone(), std::sync::Arc::default(), |options| options);
    let by = cx.by();
    let thread = cx.thread(&store, &by).await;
    let session = named(&store, &by, thread, "s").await;
    let first = store.append(&by, session, says("secret")).await.expect("an entry").first;
    store.erase_entries(&by, thread, vec![first]).await.expect("the record is there");
    let kept = raw::read_all(&*journal, &thread.space(&by.tenant)).await;
    assert!(kept.iter().any(|r| format!("{:?}", r.body).contains("secret")), "the payload too");
    assert!(log(&store, &by, session).await[0].message.is_none());
    let events = store.feed(&by, all(thread)).await.expect("events").events;
    assert!(events.iter().any(|event| event.erased && event.body.is_none()));
    sound(&store, &by, thread).await;
}
