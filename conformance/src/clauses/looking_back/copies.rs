//! MSG16: copies and merges.

use sessile_core::{
    ErrorKind, Key,
    command::{Expect, NewSession},
    model::{Actor, Content, Priority, annotate, edit},
};

use super::entries::{put, told, user};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        shorthand::{head, log, named, says},
    },
};

crate::clauses! { MSG16 => msg16 }

/// Copies say what they are copies of and keep their author; a merge is one commit, brings what is new, and is refused where
/// the target moved and that was not expected.
pub async fn msg16(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let ann = store.as_caller(&caller);
    let other = named(&store, &caller, thread, "other").await;
    let far = cx.session(&store, &caller).await;
    let bob = ann.actor(Actor::user("bob")).expect("a name");
    let one =
        put(&store, &caller, other, says("one").authored_by(bob.clone()).with_tokens(3)).await;
    let two = put(&store, &caller, other, says("two").in_reply_to(one)).await;
    let edited = put(&store, &caller, other, edit(one, user("uno"))).await;
    let foreign = put(&store, &caller, far, says("far")).await;
    let before = head(&store, &caller, thread).await;
    let keyed = store.as_caller(&caller.with_key(Key::text("copy")));
    let copied =
        keyed.copy_entries(session, [two, one, edited], Expect::Any).await.expect("copies");
    let again = keyed.copy_entries(session, [two, one, edited], Expect::Any).await.expect("copies");
    assert_eq!((copied, copied.first.version()), (again, before + 1));
    assert_eq!(head(&store, &caller, thread).await, before + 3, "one commit of three, once");
    let entries = log(&store, &caller, session, 10).await;
    let from: Vec<_> = entries.iter().map(|entry| entry.copied_from).collect();
    assert_eq!(from, [Some(two), Some(one), Some(edited)]);
    assert_eq!(entries[1].actor.as_ref(), Some(&bob));
    assert_eq!(entries[1].tokens.map(|tokens| tokens.number()), Some(3));
    let of_copy = Content::Edit { target: entries[1].id, message: user("uno") };
    assert_eq!(entries[2].content.as_ref(), Some(&of_copy), "of the copy");
    let tail = entries[2].version;
    for (ids, expect, kind) in [
        (vec![foreign], Expect::Any, ErrorKind::Precondition),
        (
            vec![one, sessile_core::id::EntryId::new(thread, 1 << 40)],
            Expect::Any,
            ErrorKind::NotFound,
        ),
        (vec![one], Expect::Tail(tail - 1), ErrorKind::Stale),
        (vec![edited], Expect::Any, ErrorKind::Invalid),
        (vec![], Expect::Any, ErrorKind::Invalid),
    ] {
        let copy = ann.copy_entries(session, ids, expect);
        harmless(&store, &caller, thread, kind, copy).await;
    }
    ann.erase_entries(thread, [two]).await.expect("erased");
    refused(ann.copy_entries(session, [two], Expect::Any).await, ErrorKind::NotFound);
    let kept = log(&store, &caller, session, 10).await;
    assert!(kept[0].content.is_some(), "a copy is an entry of its own");
    merges(&cx).await;
    Verdict::Passed
}

async fn merges(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let ann = store.as_caller(&caller);
    let shared = put(&store, &caller, session, says("shared")).await;
    let new = NewSession::named("fork").fork_of(session, None);
    let fork = ann.create_session(thread, new).await.expect("a fork");
    refused(ann.merge_fork(session, Expect::Any).await, ErrorKind::Invalid);
    assert_eq!(ann.merge_fork(fork, Expect::Any).await.expect("nothing new"), None);
    let own = put(&store, &caller, fork, says("own")).await;
    put(&store, &caller, fork, edit(shared, user("Shared"))).await;
    put(&store, &caller, fork, edit(own, user("Own"))).await;
    let moved = put(&store, &caller, session, says("moved")).await;
    let exact = ann.merge_fork(fork, Expect::Tail(shared.version()));
    harmless(&store, &caller, thread, ErrorKind::Stale, exact).await;
    let before = head(&store, &caller, thread).await;
    let keyed = store.as_caller(&caller.with_key(Key::text("merge")));
    let merge = keyed.merge_fork(fork, Expect::Tail(moved.version())).await.expect("merged");
    let merged = merge.expect("something new");
    let again = keyed.merge_fork(fork, Expect::Tail(moved.version())).await.expect("merged");
    assert_eq!(again, Some(merged));
    assert_eq!((merged.first.version(), merged.count), (before + 1, 3));
    let texts = |told: Vec<(String, Priority)>| -> Vec<String> {
        told.into_iter().map(|(text, _)| text.replace("user: ", "")).collect()
    };
    let context = || async { texts(told(&ann.context(session).await.expect("a context"))) };
    assert_eq!(context().await, ["Shared", "moved", "Own"]);
    assert_eq!(ann.merge_fork(fork, Expect::Any).await.expect("nothing new"), None);
    // What comes later names what was merged before.
    put(&store, &caller, fork, annotate(own, Priority::Skip)).await;
    put(&store, &caller, fork, says("later")).await;
    let second = ann.merge_fork(fork, Expect::Any).await.expect("merged").expect("two more");
    assert_eq!(second.count, 2);
    assert_eq!(context().await, ["Shared", "moved", "later"]);
    // What names only an erased entry stays behind with it; asked again, it is answered as before.
    let gone = put(&store, &caller, fork, says("gone")).await;
    put(&store, &caller, fork, edit(gone, user("Gone"))).await;
    put(&store, &caller, fork, says("last")).await;
    ann.erase_entries(thread, [gone]).await.expect("erased");
    let keyed = store.as_caller(&caller.with_key(Key::text("merge what is left")));
    let third = keyed.merge_fork(fork, Expect::Any).await.expect("merged").expect("one more");
    assert_eq!(third.count, 1);
    let again = keyed.merge_fork(fork, Expect::Any).await.expect("answered as before");
    assert_eq!(again, Some(third));
    assert_eq!(context().await, ["Shared", "moved", "later", "last"]);
    // A thousand in one commit; one more is refused.
    let new = NewSession::named("long").fork_of(session, None);
    let long = ann.create_session(thread, new).await.expect("a fork");
    let turn: Vec<_> = (0..1000).map(|n| says(n.to_string())).collect();
    ann.append(long, turn).await.expect("a turn");
    let before = head(&store, &caller, thread).await;
    let merged = ann.merge_fork(long, Expect::Any).await.expect("merged").expect("a thousand");
    assert_eq!((merged.count, head(&store, &caller, thread).await), (1000, before + 1001));
    let turn: Vec<_> = (0..1000).map(|n| says(n.to_string())).collect();
    ann.append(long, turn).await.expect("a turn");
    put(&store, &caller, long, says("one more")).await;
    let merge = ann.merge_fork(long, Expect::Any);
    harmless(&store, &caller, thread, ErrorKind::Capacity, merge).await;
    ann.delete_session(session).await.expect("deleted");
    refused(ann.merge_fork(long, Expect::Any).await, ErrorKind::NotFound);
}
