//! BUD2: a context that is not to get longer than its limit.

use std::sync::Arc;

use sessile_core::{
    Error, ErrorKind, Handle, IdSource,
    command::{Append, Expect, NewSession},
    id::{EntryId, SessionId},
    model::{BudgetKind, ContextLimit, EntryKind, NewEntry, Priority, annotate, compress, edit},
};

use super::entries::{put, user};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, SeededIds,
        assertions::{harmless, refused},
        fault::{Call, InterruptedJournal},
        shorthand::{named, says},
    },
};

crate::clauses! { BUD2 => bud2 }

async fn size(ann: &Handle, session: SessionId) -> u64 {
    ann.context_size(session).await.expect("a size").tokens.total()
}

fn reported(tokens: u64) -> NewEntry {
    says("so many").with_tokens(tokens)
}

#[track_caller]
fn too_long(error: &Error, session: SessionId, (used, limit): (u64, u64)) {
    match error {
        Error::BudgetExceeded { of, kind: BudgetKind::Context, used: has, limit: allows } => {
            assert_eq!((of, *has, *allows), (&session.into(), used, limit));
        }
        other => panic!("should be too long, but was {other:?}"),
    }
}

/// What would take a context above a limit that is to be kept is refused, whatever it is; what makes it shorter never is.
pub async fn bud2(cx: ClauseContext) -> Verdict {
    exactly(&cx).await;
    for _ in 0..cx.times(1) {
        lived(&cx).await;
    }
    interrupted(&cx).await;
    races(&cx).await;
    Verdict::Passed
}

async fn exactly(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    let thread = cx.thread(&store, &caller).await;
    let session = named(&store, &caller, thread, "log").await;
    let limit = || ContextLimit::new(100).refusing();
    ann.set_context_limit(session, limit()).await.expect("set");
    let one = put(&store, &caller, session, reported(60)).await;
    let over = ann.append(session, reported(41));
    let error = harmless(&store, &caller, thread, ErrorKind::Capacity, over).await;
    too_long(&error, session, (60, 100));
    let turn = [reported(20), reported(21)];
    refused(ann.append(session, turn).await, ErrorKind::Capacity);
    put(&store, &caller, session, reported(40)).await;
    assert_eq!(size(&ann, session).await, 100);
    // What is stale is over the limit first.
    let stale = Append::of(vec![reported(1)]).expecting_tail(1);
    too_long(&refused(ann.append(session, stale).await, ErrorKind::Capacity), session, (100, 100));
    let stale = Append::of(vec![reported(0)]).expecting_tail(1);
    refused(ann.append(session, stale).await, ErrorKind::Stale);
    put(&store, &caller, session, reported(0)).await;
    let shorter = edit(one, user("short")).with_tokens(50);
    let edited = put(&store, &caller, session, shorter).await;
    assert_eq!(size(&ann, session).await, 90);
    let longer = edit(one, user("long")).with_tokens(61);
    too_long(&refused(ann.append(session, longer).await, ErrorKind::Capacity), session, (90, 100));
    put(&store, &caller, session, annotate(one, Priority::Skip)).await;
    put(&store, &caller, session, reported(55)).await;
    let back = ann.append(session, annotate(one, None));
    let error = harmless(&store, &caller, thread, ErrorKind::Capacity, back).await;
    too_long(&error, session, (95, 100));
    let copied = ann.copy_entries(session, [edited, one], Expect::Any).await;
    refused(copied.map(drop), ErrorKind::Capacity);
    // A limit below what is there refuses what is more, and takes what is less.
    ann.set_context_limit(session, ContextLimit::new(10).refusing()).await.expect("set");
    let error = refused(ann.append(session, reported(1)).await, ErrorKind::Capacity);
    too_long(&error, session, (95, 10));
    let entries = ann.entries(session).all().await.expect("a list");
    let (first, last) = (entries[1].id, entries[entries.len() - 1].id);
    let text = compress(first, last, user("in short")).with_tokens(11);
    put(&store, &caller, session, text).await;
    assert_eq!(size(&ann, session).await, 11);
    // Another of the same session that only warns, and none.
    ann.set_context_limit(session, ContextLimit::new(10)).await.expect("set");
    put(&store, &caller, session, reported(7)).await;
    ann.set_context_limit(session, ContextLimit::new(20).refusing()).await.expect("set");
    let reopened = cx.reopen(store.clone()).await;
    let ann = reopened.as_caller(&caller);
    let error = refused(ann.append(session, reported(3)).await, ErrorKind::Capacity);
    too_long(&error, session, (18, 20));
    let fork = NewSession::named("fork").fork_of(session, None);
    let fork = ann.create_session(thread, fork).await.expect("a fork");
    ann.append(fork, reported(3)).await.expect("a fork begins without a limit");
    let merged = ann.merge_fork(fork, Expect::Any);
    let error = harmless(&reopened, &caller, thread, ErrorKind::Capacity, merged).await;
    too_long(&error, session, (18, 20));
    ann.set_context_limit(session, None).await.expect("set");
    ann.merge_fork(fork, Expect::Any).await.expect("merged");
    assert_eq!(size(&ann, session).await, 21);
}

/// A random turn of one entry.
fn turn(random: &SeededIds, entries: &[EntryId]) -> NewEntry {
    let below = |bound: usize| (random.random() % bound as u128) as usize;
    let target = (!entries.is_empty()).then(|| entries[below(entries.len())]);
    let tokens = below(30) as u64;
    match (below(5), target) {
        (0, Some(entry)) => edit(entry, user("other")).with_tokens(tokens),
        (1, Some(entry)) => annotate(entry, Priority::Skip),
        (2, Some(entry)) => annotate(entry, None),
        _ => reported(tokens),
    }
}

/// A fork of the session, which has no limit, shows how long the context would be.
async fn lived(cx: &ClauseContext) {
    let mut store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let limit = ContextLimit::new(120).refusing();
    store.as_caller(&caller).set_context_limit(session, limit).await.expect("set");
    let random = SeededIds::new(cx.seed());
    let (mut messages, mut counts) = (Vec::new(), [0, 0]);
    for step in 0..60 {
        let ann = store.as_caller(&caller);
        let entry = turn(&random, &messages);
        let is_message = entry.content.kind() == EntryKind::Message;
        let before = size(&ann, session).await;
        let fork = NewSession::named("would be").fork_of(session, None);
        let fork = ann.create_session(session.thread(), fork).await.expect("a fork");
        ann.append(fork, entry.clone()).await.expect("it has no limit");
        let after = size(&ann, fork).await;
        let fits = after <= 120 || after <= before;
        match ann.append(session, entry.clone()).await {
            Ok(appended) => {
                assert!(fits, "{entry:?} took it from {before} to {after}");
                assert_eq!(size(&ann, session).await, after);
                messages.extend(is_message.then_some(appended.first));
            }
            Err(error) => {
                assert!(!fits, "{entry:?} would take it from {before} to {after}: {error}");
                too_long(&error, session, (before, 120));
                assert_eq!(size(&ann, session).await, before);
            }
        }
        counts[usize::from(fits)] += 1;
        if step % 20 == 19 {
            store = cx.reopen(store).await;
        }
    }
    assert!(counts.iter().all(|count| *count > 0), "refused and taken: {counts:?}");
}

/// What was written between the look and the commit counts.
async fn interrupted(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let one = put(&store, &caller, session, reported(50)).await;
    let ann = store.as_caller(&caller);
    ann.set_context_limit(session, ContextLimit::new(100).refusing()).await.expect("set");
    put(&store, &caller, session, annotate(one, Priority::Skip)).await;
    let (other, asked) = (store.clone(), caller.clone());
    let writes = async move {
        put(&other, &asked, session, reported(60)).await;
        Ok(())
    };
    let journal = InterruptedJournal::before(cx.journal().await, Call::Commit, writes);
    let slow = cx.store_over(journal.clone(), Arc::default(), |options| options);
    let back = annotate(one, None);
    let error = refused(slow.as_caller(&caller).append(session, back).await, ErrorKind::Capacity);
    assert!(journal.is_over(), "it was written in between");
    too_long(&error, session, (60, 100));
}

/// Of many at once as many get in as fit.
async fn races(cx: &ClauseContext) {
    let stores = [cx.store().await, cx.store().await];
    let caller = cx.caller();
    let session = cx.session(&stores[0], &caller).await;
    let ann = stores[0].as_caller(&caller);
    ann.set_context_limit(session, ContextLimit::new(75).refusing()).await.expect("set");
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        let ann = stores[task % 2].as_caller(&caller);
        tasks.spawn(async move { ann.append(session, reported(10)).await });
    }
    let taken = tasks.join_all().await.into_iter().filter(Result::is_ok).count();
    assert_eq!((taken, size(&ann, session).await), (7, 70));
}
