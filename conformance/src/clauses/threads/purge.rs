//! THD13, and J13 through a store: purging and erasing.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    Caller, ErrorKind, Key,
    command::{Feed, NewRun, Paging},
    error::{Error, ThreadAction},
    id::{EntryId, SessionId, ThreadId},
    journal::RecordBody,
    model::{Entry, RunOutcome, SessionStatus},
    store::{SessionStore as _, Store},
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused, unchanged},
        fault::{Call, InterruptedJournal},
        raw_batches,
        shorthand::{self, named, says, the_thread},
        wrong_journals::{Mistake, WrongJournal},
    },
};

crate::clauses! { THD13 => thd13 }

/// Everything that happened in a thread.
fn all(thread: ThreadId) -> Feed {
    Feed { thread, after: 0, limit: 1000, wait: Duration::ZERO, filter: Default::default() }
}

/// The samples and the total of a thread that is not empty.
fn not_empty(error: Error, of: ThreadId) -> (Vec<SessionId>, u64) {
    match error {
        Error::ThreadNotEmpty { thread, action: ThreadAction::Purge, samples, total } => {
            assert_eq!(thread, of);
            (samples.into_iter().map(|sample| sample.session).collect(), total)
        }
        other => panic!("should not be empty, but: {other:?}"),
    }
}

/// One command purges a whole thread, unless a session is at work.
pub async fn thd13(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let project = the_thread(&store, &caller, thread).await.project;
    let (idle, busy) = (
        named(&store, &caller, thread, "idle").await,
        named(&store, &caller, thread, "busy").await,
    );
    let large = "all of it".repeat(20_000);
    store.as_caller(&caller).append(idle, vec![says("one"), says(&large)]).await.expect("entries");
    let writer = store.as_caller(&caller);
    let purge =
        || harmless(&store, &caller, thread, ErrorKind::Precondition, writer.purge_thread(thread));

    let run = store.as_caller(&caller).start_run(busy, NewRun::default()).await.expect("a run");
    let (samples, total) = not_empty(purge().await, thread);
    assert_eq!((samples, total), (vec![busy], 1), "a live run");
    store.as_caller(&caller).end_run(run, RunOutcome::Succeeded).await.expect("it ends");
    let token =
        store.as_caller(&caller).claim_lease(busy, Duration::from_secs(9)).await.expect("a lease");
    not_empty(purge().await, thread);
    store.as_caller(&caller.with_lease(token)).release_lease(busy).await.expect("released");
    store.as_caller(&caller).set_status(busy, SessionStatus::AwaitingHitl).await.expect("waiting");
    not_empty(purge().await, thread);
    store.as_caller(&caller).set_status(busy, SessionStatus::Idle).await.expect("idle");
    store.as_caller(&caller).archive_thread(thread).await.expect("archived or not, it goes");

    let other = cx.thread(&store, &caller).await;
    let stale = cx.store().await;
    assert!(stale.as_caller(&caller).thread(thread).await.expect("an answer").is_some());
    store.as_caller(&caller).purge_thread(thread).await.expect("nothing is at work");
    for store in [&store, &stale, &cx.store().await] {
        store.as_caller(&caller).purge_thread(thread).await.expect("it is gone already");
        assert_eq!(store.as_caller(&caller).thread(thread).await.expect("an answer"), None);
        assert_eq!(shorthand::threads_of(store, &caller, project).await, []);
        let page = store.as_caller(&caller).entries(idle).page(Paging::default()).await;
        refused(page, ErrorKind::NotFound);
        refused(store.as_caller(&caller).append(idle, says("late")).await, ErrorKind::NotFound);
        assert!(
            store.as_caller(&caller).thread(other).await.expect("an answer").is_some(),
            "the other stays"
        );
    }
    store.as_caller(&caller).delete_project(project).await.expect("it is empty");
    Verdict::Passed
}

/// What every reader sees of erased entries.
pub(crate) async fn erased_entries(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let (session, gone) =
        (named(&store, &caller, thread, "s").await, named(&store, &caller, thread, "gone").await);
    let keyed = caller.with_key(Key::rising("importer", 7));
    let turn = vec![says("secret"), says("secret too".repeat(10_000)), says("open")];
    let first = store.as_caller(&keyed).append(session, turn.clone()).await.expect("a turn").first;
    let lost = store.as_caller(&caller).append(gone, says("secret")).await.expect("an entry").first;
    store.as_caller(&caller).delete_session(gone).await.expect("it goes");
    store
        .as_caller(&caller)
        .archive_thread(thread)
        .await
        .expect("an archived thread can be erased in");

    let reader = cx.store().await;
    let before = log(&reader, &caller, session).await;
    let after = |n: u64| EntryId::new(thread, first.version() + n);
    let journal = cx.journal().await;
    let wrong = EntryId::new(thread, 1);
    let mixed = unchanged(
        &*journal,
        &[&caller.tenant],
        store.as_caller(&caller).erase_entries(thread, vec![first, wrong]),
    )
    .await;
    refused(mixed, ErrorKind::NotFound);
    let erased = store.as_caller(&caller).erase_entries(thread, vec![first, after(1), lost]).await;
    let erased = erased.expect("entries can be erased");
    // What this reader holds in memory knows nothing of it yet.
    let unaware = log(&reader, &caller.cached(), session).await;
    assert!(unaware[..2].iter().all(|e| e.content.is_none()), "erased, and no damage");
    assert_eq!(unaware[2], before[2], "the other is as it was");
    let again_caller = store.as_caller(&caller);
    let again = again_caller.erase_entries(thread, vec![after(1)]);
    let again = unchanged(&*journal, &[&caller.tenant], again).await;
    assert_eq!(again.ok(), Some(erased), "erasing again writes nothing");

    for store in [&store, &reader, &cx.store().await] {
        let log = log(store, &caller, session).await;
        assert_eq!(log.len(), 3, "they keep their places");
        for (now, was) in log.iter().zip(&before).take(2) {
            let bare =
                (now.content.is_none(), now.actor.is_none(), now.id, now.at, now.in_reply_to);
            assert_eq!(bare, (true, true, was.id, was.at, was.in_reply_to));
            assert_eq!(
                store.as_caller(&caller).entry(now.id).await.expect("an answer").as_ref(),
                Some(now)
            );
        }
        assert_eq!(log[2], before[2], "the other is as it was");
        let events = store.feed(&caller, all(thread)).await.expect("events").records;
        for event in events {
            let is_erased = event.version == first.version() || event.version == after(1).version();
            assert_eq!(event.erased, is_erased, "{event:?}");
            assert!(!event.body.is_some_and(|body| body.get().contains("secret")));
        }
        sound(store, &caller, thread).await;
        let late = store.as_caller(&keyed).append(session, turn.clone()).await;
        refused(late, ErrorKind::Invalid);
    }
    store.as_caller(&caller).reopen_thread(thread).await.expect("it is open");
    let reply = says("on").in_reply_to(first);
    store
        .as_caller(&caller)
        .append(session, reply)
        .await
        .expect("what was erased can still be answered");
    assert_eq!(store.as_caller(&caller).vacuum_thread(thread).await.expect("a count"), 0);
    let store = cx.reopen(store).await;
    assert!(
        log(&store, &caller, session).await[0].content.is_none(),
        "also after it is opened again"
    );
    sound(&store, &caller, thread).await;
    cut_off(cx).await;
    finished_by_vacuum(cx).await;
}

async fn log(store: &Store, caller: &Caller, session: SessionId) -> Vec<Entry> {
    store.as_caller(caller).entries(session).page(Paging::default()).await.expect("a page").items
}

async fn sound(store: &Store, caller: &Caller, thread: ThreadId) {
    let verified = store.as_caller(caller).verify(thread, None).await.expect("an answer");
    assert_eq!(verified.problems, [], "erased entries verify");
}

/// From the record of the erasure on no reader sees the payload, also while it is still stored.
async fn cut_off(cx: &ClauseContext) {
    let journal = Arc::new(WrongJournal::with(Mistake::KeepsErased));
    let store = cx.store_over(journal.clone(), Arc::default(), |options| options);
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let session = named(&store, &caller, thread, "s").await;
    let first =
        store.as_caller(&caller).append(session, says("secret")).await.expect("an entry").first;
    store.as_caller(&caller).erase_entries(thread, vec![first]).await.expect("the record is there");
    let kept = raw_batches::read_all(&*journal, &thread.space(&caller.tenant)).await;
    assert!(kept.iter().any(|r| format!("{:?}", r.body).contains("secret")), "the payload too");
    assert!(log(&store, &caller, session).await[0].content.is_none());
    let events = store.feed(&caller, all(thread)).await.expect("events").records;
    assert!(events.iter().any(|event| event.erased && event.body.is_none()));
    sound(&store, &caller, thread).await;
}

/// An erasure whose payloads stayed, as the journal failed after the record was there, is finished by a vacuum.
async fn finished_by_vacuum(cx: &ClauseContext) {
    let caller = cx.caller();
    let journal = cx.journal().await;
    let failing = InterruptedJournal::before(Arc::clone(&journal), Call::Erase, async {
        Err(Error::failed("failed on purpose"))
    });
    let store = cx.store_over(failing.clone(), Arc::default(), |options| options);
    let session = cx.session(&store, &caller).await;
    let (thread, space) = (session.thread(), session.thread().space(&caller.tenant));
    let turn = vec![says("secret"), says("secret too".repeat(10_000)), says("open")];
    let said = store.as_caller(&caller).append(session, turn).await.expect("a turn");
    let secrets: Vec<EntryId> = said.entries().take(2).collect();
    let erased = store.as_caller(&caller).erase_entries(thread, secrets.clone()).await;
    refused(erased, ErrorKind::Indeterminate);
    assert!(failing.is_over(), "the journal was asked to erase");
    let bodies = async || {
        let all = raw_batches::read_all(&*journal, &space).await;
        let of = |id: &EntryId| {
            let record = all.iter().find(|record| record.version == id.version());
            record.expect("its place").body.clone()
        };
        [of(&secrets[0]), of(&secrets[1])]
    };
    let kept = bodies().await;
    let RecordBody::Blob(blob) = &kept[1] else { panic!("a large body is a blob: {kept:?}") };
    assert!(matches!(&kept[0], RecordBody::Inline(text) if text.contains("secret")), "{kept:?}");
    assert!(log(&store, &caller, session).await[..2].iter().all(|e| e.content.is_none()));

    store.as_caller(&caller).vacuum_thread(thread).await.expect("a count");
    assert_eq!(bodies().await, [RecordBody::None, RecordBody::None], "the payloads are gone");
    refused(journal.get_blob(&space, blob, None).await, ErrorKind::NotFound);
    sound(&store, &caller, thread).await;
}
