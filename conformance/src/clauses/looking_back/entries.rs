//! MSG9: what edits and annotations may name.

use sessile_core::{
    Caller, ErrorKind,
    command::{Append, NewSession},
    id::{EntryId, SessionId},
    model::{
        Content, Context, EntryKind, Message, NewEntry, Priority, Role, TokenCount, annotate,
        compress, edit,
    },
    store::AnyStore,
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        shorthand::{log, named, says},
    },
};

crate::clauses! { MSG9 => msg9 }

/// The texts and priorities of a context.
pub(super) fn told(context: &Context) -> Vec<(String, Priority)> {
    let text = |message: Option<&Message>| message.map(ToString::to_string).unwrap_or_default();
    context.messages.iter().map(|m| (text(m.message.as_deref()), m.priority)).collect()
}

pub(super) fn user(text: &str) -> Message {
    Message::text(Role::User, text)
}

/// Appends one entry; its id.
pub(super) async fn put(
    store: &dyn AnyStore,
    caller: &Caller,
    session: SessionId,
    entry: NewEntry,
) -> EntryId {
    store.as_caller(caller).append(session, entry).await.expect("an entry").first
}

/// An edit names a message that the session's log shows, an annotation anything there but annotations; both are entries of
/// the log, come back whole, and the context is what they say.
pub async fn msg9(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let ann = store.as_caller(&caller);
    let thread = session.thread();
    let other = named(&store, &caller, thread, "other").await;
    let far = cx.session(&store, &caller).await;
    let one = put(&store, &caller, session, says("one")).await;
    let rules = put(&store, &caller, session, NewEntry::text(Role::System, "rules")).await;
    let elsewhere = put(&store, &caller, other, says("elsewhere")).await;
    let foreign = put(&store, &caller, far, says("far away")).await;
    let edited = put(&store, &caller, session, edit(one, user("uno")).with_tokens(9)).await;
    let skipped =
        put(&store, &caller, session, annotate(rules, Priority::Skip).because("old\n\0")).await;
    let short = put(&store, &caller, session, compress(one, one, user("1"))).await;
    let never = EntryId::new(thread, 1 << 40);
    for (entry, kind) in [
        (edit(elsewhere, user("")), ErrorKind::Precondition),
        (annotate(elsewhere, None), ErrorKind::Precondition),
        (edit(foreign, user("")), ErrorKind::Precondition),
        (edit(never, user("")), ErrorKind::NotFound),
        (annotate(EntryId::new(thread, session.version()), None), ErrorKind::NotFound),
        (edit(edited, user("")), ErrorKind::Invalid),
        (edit(short, user("")), ErrorKind::Invalid),
        (edit(skipped, user("")), ErrorKind::Invalid),
        (annotate(skipped, Priority::Skip), ErrorKind::Invalid),
        (compress(edited, edited, user("")), ErrorKind::Invalid),
        (compress(elsewhere, elsewhere, user("")), ErrorKind::Precondition),
        (compress(never, never, user("")), ErrorKind::NotFound),
    ] {
        let refusal = ann.append(session, Append::of(vec![entry, says("not either")]));
        let error = harmless(&store, &caller, thread, kind, refusal).await;
        assert!(kind != ErrorKind::Invalid || error.to_string().contains("msg_"), "{error}");
    }
    let new = NewSession::named("begins").with_turn([annotate(one, None)]);
    refused(ann.create_session(thread, new).await, ErrorKind::Invalid);

    let entries = log(&store, &caller, session, 2).await;
    let kinds: Vec<_> = entries.iter().map(|entry| entry.kind).collect();
    use EntryKind::{Annotation, Compression, Edit};
    assert_eq!(kinds, [EntryKind::Message, EntryKind::Message, Edit, Annotation, Compression]);
    let want = Content::Edit { target: one, message: user("uno") };
    assert_eq!(entries[2].content.as_ref(), Some(&want));
    assert_eq!(entries[2].tokens, Some(TokenCount::Reported(9)));
    let (priority, reason) = (Some(Priority::Skip), Some("old\n\0".into()));
    let want = Content::Annotation { target: rules, priority, reason };
    assert_eq!(entries[3].content.as_ref(), Some(&want));
    let want = Content::Compression { first: one, last: one, message: user("1") };
    assert_eq!(entries[4].content.as_ref(), Some(&want));

    // Each is taken back by another entry.
    let now = |context: Context| told(&context);
    let context = || async { now(ann.context(session).await.expect("a context")) };
    let line = |text: &str, priority| (text.to_owned(), priority);
    let (normal, pinned) = (Priority::Normal, Priority::Pinned);
    assert_eq!(context().await, [line("user: 1", normal)]);
    put(&store, &caller, session, annotate(short, Priority::Skip)).await;
    assert_eq!(context().await, [line("user: uno", normal)]);
    put(&store, &caller, session, annotate(rules, None)).await;
    put(&store, &caller, session, annotate(edited, Priority::Skip)).await;
    assert_eq!(context().await, [line("user: one", normal), line("system: rules", pinned)]);
    put(&store, &caller, session, annotate(rules, Priority::Normal)).await;
    put(&store, &caller, session, annotate(one, Priority::Pinned)).await;
    assert_eq!(context().await, [line("user: one", pinned), line("system: rules", normal)]);
    eighty(&cx).await;
    Verdict::Passed
}

/// Two handles, forty appends each with equal text: eighty, each of which can be named.
async fn eighty(cx: &ClauseContext) {
    let caller = cx.caller();
    let (left, right) = (cx.store().await, cx.store().await);
    let session = cx.session(&left, &caller).await;
    let append = |store: sessile_core::Store| {
        let caller = caller.clone();
        async move {
            let mut ids = Vec::new();
            for _ in 0..40 {
                ids.push(put(&store, &caller, session, says("equal")).await);
            }
            ids
        }
    };
    let (mut ids, more) = tokio::join!(append(left.clone()), append(right.clone()));
    ids.extend(more);
    ids.sort_unstable();
    let context = left.as_caller(&caller).context(session).await.expect("a context");
    let found: Vec<_> = context.messages.iter().map(|message| message.id).collect();
    assert_eq!(found, ids, "every one of the eighty");
    for id in ids {
        let entry = right.as_caller(&caller).entry(id).await.expect("an answer");
        assert_eq!(entry.expect("reachable").message(), Some(&user("equal")));
    }
}
