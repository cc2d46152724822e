//! CMP: compressions.

use std::sync::Arc;

use sessile_core::{
    ErrorKind,
    command::{Append, NewSession},
    model::{EntryKind, Message, NewEntry, Priority, Role, annotate, compress},
    store::AnyStore,
};

use super::entries::{put, told, user};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::harmless,
        concurrent::together,
        fault::{Faults, FaultyJournal},
        shorthand::{log, says},
    },
};

crate::clauses! { CMP1 => cmp1, CMP2 => cmp2, CMP3 => cmp3 }

async fn texts(
    store: &dyn AnyStore,
    cx: &ClauseContext,
    of: sessile_core::id::SessionId,
) -> String {
    let context = store.as_caller(&cx.caller()).context(of).await.expect("a context");
    let texts = told(&context).into_iter().map(|(text, _)| text.replace("user: ", ""));
    texts.collect::<Vec<_>>().join(" ")
}

/// One text stands for a range, where its first stood; the log keeps all; it is undone by skipping it, and compressed again.
pub async fn cmp1(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let mut ids = Vec::new();
    for text in ["a", "b", "c", "d", "e", "f"] {
        ids.push(put(&store, &caller, session, says(text)).await);
    }
    put(&store, &caller, session, annotate(ids[2], Priority::Skip)).await;
    let before = log(&store, &caller, session, 100).await;
    let short = put(&store, &caller, session, compress(ids[1], ids[3], user("B"))).await;
    assert_eq!(texts(&store, &cx, session).await, "a B e f");
    assert_eq!(log(&store, &caller, session, 100).await[..7], before, "the log keeps all");
    let context = store.as_caller(&caller).context(session).await.expect("a context");
    assert_eq!((context.messages[1].id, context.messages[1].kind), (short, EntryKind::Compression));
    // What was skipped is no source: it comes back where it stood.
    put(&store, &caller, session, annotate(ids[2], None)).await;
    assert_eq!(texts(&store, &cx, session).await, "a B c e f");
    let shorter = put(&store, &caller, session, compress(ids[0], short, user("AB"))).await;
    assert_eq!(texts(&store, &cx, session).await, "AB c e f");
    // Who undoes the inner one changes nothing while the outer one stands for it.
    put(&store, &caller, session, annotate(short, Priority::Skip)).await;
    assert_eq!(texts(&store, &cx, session).await, "AB c e f");
    put(&store, &caller, session, annotate(shorter, Priority::Skip)).await;
    assert_eq!(texts(&store, &cx, session).await, "a b c d e f");
    put(&store, &caller, session, annotate(short, None)).await;
    assert_eq!(texts(&store, &cx, session).await, "a B c e f");
    let all = put(&store, &caller, session, compress(ids[0], ids[5], user("all"))).await;
    put(&store, &caller, session, says("g")).await;
    assert_eq!(texts(&store, &cx, session).await, "all g");
    assert_eq!(store.as_caller(&caller).expand(all).await.expect("sources").len(), 5);
    Verdict::Passed
}

/// It is `Stale` when the session moved and that was not expected, and is decided on what is shown when it is written;
/// pinned messages and what is not shown are refused.
pub async fn cmp2(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let ann = store.as_caller(&caller);
    let mut ids = Vec::new();
    for role in [Role::System, Role::User, Role::User, Role::User, Role::User] {
        let entry = NewEntry::new(Message::text(role, "text"));
        ids.push(put(&store, &caller, session, entry).await);
    }
    let pin = put(&store, &caller, session, annotate(ids[2], Priority::Pinned)).await;
    let tail = put(&store, &caller, session, annotate(ids[4], Priority::Skip)).await.version();
    let of = |first: usize, last: usize| Append::from(compress(ids[first], ids[last], user("")));
    for (append, kind) in [
        (of(0, 1), ErrorKind::Invalid),
        (of(1, 3), ErrorKind::Invalid),
        (of(3, 4), ErrorKind::Invalid),
        (of(3, 1), ErrorKind::Invalid),
        (of(3, 2), ErrorKind::Invalid),
        (of(3, 3).expecting_tail(tail - 1), ErrorKind::Stale),
        (of(1, 3).expecting_tail(pin.version()), ErrorKind::Stale),
        (
            Append::of(vec![
                compress(ids[3], ids[3], user("")),
                compress(ids[1], ids[1], user("")),
            ]),
            ErrorKind::Invalid,
        ),
    ] {
        harmless(&store, &caller, thread, kind, ann.append(session, append)).await;
    }
    // What is pinned in the same append is pinned first.
    let late = vec![annotate(ids[1], Priority::Pinned), compress(ids[1], ids[1], user(""))];
    harmless(&store, &caller, thread, ErrorKind::Invalid, ann.append(session, Append::of(late)))
        .await;
    ann.append(session, of(3, 3).expecting_tail(tail)).await.expect("as expected");
    harmless(&store, &caller, thread, ErrorKind::Invalid, ann.append(session, of(3, 3))).await;
    // Of many at once, each of which looks before another writes, one is done; the others find what it left.
    let faults = Faults { yields: 4, ..Faults::NONE };
    let slow = Arc::new(FaultyJournal::over(cx.journal().await, faults, cx.seed()));
    let slow = cx.store_over(slow, Arc::default(), |options| options);
    let all = together((0..4).map(|_| {
        let (ann, id) = (slow.as_caller(&caller), ids[1]);
        async move { ann.append(session, compress(id, id, user("short"))).await }
    }))
    .await;
    let done = all.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(done, 1, "{all:?}");
    for error in all.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    Verdict::Passed
}

/// Forks and looking back see compressions as the context does.
pub async fn cmp3(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let ann = store.as_caller(&caller);
    let mut ids = Vec::new();
    for text in ["a", "b", "c", "d"] {
        ids.push(put(&store, &caller, session, says(text)).await);
    }
    let short = put(&store, &caller, session, compress(ids[0], ids[1], user("AB"))).await;
    let fork = async |at: u64| {
        let new = NewSession::named("fork").fork_of(session, at);
        ann.create_session(session.thread(), new).await.expect("a fork")
    };
    let (before, after) = (fork(short.version() - 1).await, fork(short.version()).await);
    put(&store, &caller, session, annotate(short, Priority::Skip)).await;
    assert_eq!(texts(&store, &cx, before).await, "a b c d");
    assert_eq!(texts(&store, &cx, after).await, "AB c d");
    assert_eq!(texts(&store, &cx, session).await, "a b c d");
    put(&store, &caller, after, compress(short, ids[2], user("ABC"))).await;
    assert_eq!(texts(&store, &cx, after).await, "ABC d");
    assert_eq!(texts(&store, &cx, session).await, "a b c d");
    let then = ann.context_at(session, short.version()).await.expect("a context");
    assert_eq!(told(&then)[0].0, "user: AB");
    let store = cx.reopen(store.clone()).await;
    assert_eq!(texts(&store, &cx, after).await, "ABC d");
    Verdict::Passed
}
