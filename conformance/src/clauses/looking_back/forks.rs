//! MSG12: forks.

use sessile_core::{
    Caller, ErrorKind,
    command::NewSession,
    id::{SessionId, Version},
    model::{Priority, annotate, edit},
    store::AnyStore,
};

use super::entries::{put, told, user};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, CountingJournal,
        assertions::refused,
        shorthand::{head, log, named, says, sessions, texts},
    },
};

crate::clauses! { MSG12 => msg12 }

async fn fork(
    store: &dyn AnyStore,
    caller: &Caller,
    of: SessionId,
    at: impl Into<Option<Version>>,
) -> SessionId {
    let new = NewSession::named("fork").fork_of(of, at);
    store.as_caller(caller).create_session(of.thread(), new).await.expect("a fork")
}

/// A fork begins with the context as it was, in one record; neither side shows the other's writes; a deletion takes nothing
/// from the other.
pub async fn msg12(cx: ClauseContext) -> Verdict {
    let mut store = cx.store().await;
    let caller = cx.caller();
    let source = cx.session(&store, &caller).await;
    let thread = source.thread();
    let mut ids = Vec::new();
    for text in ["a", "b", "c", "d"] {
        ids.push(put(&store, &caller, source, says(text)).await);
    }
    let early = ids[1].version();
    let edited = put(&store, &caller, source, edit(ids[0], user("A"))).await;
    let ann = store.as_caller(&caller);
    let before = head(&store, &caller, thread).await;
    let now = fork(&store, &caller, source, None).await;
    assert_eq!(head(&store, &caller, thread).await, before + 1, "one record");
    let then = fork(&store, &caller, source, early).await;
    for (fork, at) in [(now, before), (then, early)] {
        let session = ann.session(fork).await.expect("an answer").expect("the fork");
        assert_eq!(session.base.map(|base| (base.session, base.version)), Some((source, at)));
        assert_eq!((session.entries, session.tail), (0, 0));
        let (of_fork, of_source) =
            (ann.context(fork).await, ann.context_at(source, at).await.expect("a context"));
        let of_fork = of_fork.expect("a context");
        assert_eq!(of_fork.messages, of_source.messages);
        assert!(of_source.diff(&of_fork).is_empty());
    }

    // Each side goes its own way; what is shared can be edited on either.
    put(&store, &caller, source, annotate(ids[1], Priority::Skip)).await;
    let own = put(&store, &caller, now, says("mine")).await;
    put(&store, &caller, now, edit(ids[2], user("C"))).await;
    refused(ann.append(source, edit(own, user(""))).await, ErrorKind::Precondition);
    refused(ann.append(then, edit(ids[3], user(""))).await, ErrorKind::Precondition);
    let texts_of = |told: Vec<(String, Priority)>| -> Vec<String> {
        told.into_iter().map(|(text, _)| text.replace("user: ", "")).collect()
    };
    let check = async |store: &dyn AnyStore, gone: bool| {
        let ann = store.as_caller(&caller);
        let context = async |of| texts_of(told(&ann.context(of).await.expect("a context")));
        assert_eq!(context(now).await, ["A", "b", "C", "d", "mine"]);
        assert_eq!(context(then).await, ["a", "b"]);
        if !gone {
            assert_eq!(context(source).await, ["A", "c", "d"]);
        }
        let all = log(store, &caller, now, 2).await;
        let versions: Vec<_> = all.iter().map(|entry| entry.version).collect();
        let mut want: Vec<_> = ids.iter().map(|id| id.version()).collect();
        want.extend([edited.version(), own.version(), own.version() + 1]);
        assert_eq!(versions, want, "the log reads through, page by page");
        let mut backward = ann.entries(now).backward().page_size(2).all().await.expect("a log");
        backward.reverse();
        assert_eq!(backward, all);
        for entry in &all {
            assert_eq!(ann.entry(entry.id).await.expect("an answer").as_ref(), Some(entry));
        }
        let since = ann.entries(now).after_version(ids[2].version()).all().await.expect("a log");
        assert_eq!(since, all[3..]);
    };
    check(&store, false).await;
    ann.delete_session(source).await.expect("deleted");
    check(&store, true).await;
    assert_eq!(ann.entry(ids[3]).await.expect("an answer").map(|e| e.id), Some(ids[3]));
    store = cx.reopen(store.clone()).await;
    check(&store, true).await;
    let ann = store.as_caller(&caller);
    refused(ann.context(source).await, ErrorKind::NotFound);
    ann.delete_session(now).await.expect("deleted");
    assert_eq!(texts(&store, &caller, then).await, ["a", "b"]);
    assert!(ann.entry(ids[0]).await.expect("an answer").is_some(), "the other fork shows it");
    assert!(ann.entry(ids[3]).await.expect("an answer").is_none(), "its last reader is gone");
    assert!(ann.entry(own).await.expect("an answer").is_none());
    deep(&cx).await;
    refusals(&cx).await;
    Verdict::Passed
}

/// Forks of forks: what a page reads does not grow with what no page shows.
async fn deep(cx: &ClauseContext) {
    let watched = CountingJournal::new(cx.journal().await);
    let store = cx.store_over(watched.clone(), Default::default(), |options| options);
    let caller = cx.caller();
    let mut session = cx.session(&store, &caller).await;
    let ann = store.as_caller(&caller);
    let mut want = Vec::new();
    for n in 0..120 {
        if n % 2 == 0 {
            want.push(n.to_string());
            put(&store, &caller, session, says(n.to_string())).await;
        }
        session = fork(&store, &caller, session, None).await;
    }
    assert_eq!(texts(&store, &caller, session).await, want);
    let before = watched.calls();
    let page = ann.entries(session).backward().page(sessile_core::command::Paging::first(5)).await;
    assert_eq!(page.expect("a page").items.len(), 5);
    let reads = watched.calls() - before;
    assert!(reads <= 9, "{reads} calls for a page of five");
    let context = ann.context(session).await.expect("a context");
    assert_eq!(context.messages.len(), want.len());
    // All between are deleted; what they had lives on in the last.
    for row in sessions(&store, &caller, session.thread()).await {
        if row.id != session {
            ann.delete_session(row.id).await.expect("deleted");
        }
    }
    assert_eq!(texts(&store, &caller, session).await, want);
    let cold = cx.reopen(store.clone()).await;
    assert_eq!(texts(&cold, &caller, session).await, want);
}

async fn refusals(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let ann = store.as_caller(&caller);
    let far = cx.session(&store, &caller).await;
    let gone = named(&store, &caller, thread, "gone").await;
    ann.delete_session(gone).await.expect("deleted");
    for (of, kind) in [(far, ErrorKind::Precondition), (gone, ErrorKind::NotFound)] {
        let new = NewSession::named("no").fork_of(of, None);
        refused(ann.create_session(thread, new).await, kind);
    }
    let begin = NewSession::named("no").fork_of(session, None);
    let thread = sessile_core::command::NewThread::titled("t");
    let project = cx.project(&store, &caller).await;
    refused(ann.begin_thread(project, thread, begin).await, ErrorKind::Invalid);
}
