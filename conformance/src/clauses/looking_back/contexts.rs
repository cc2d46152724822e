//! MSG10, MSG11, CTX: contexts, now and then.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    ErrorKind,
    command::{At, NewSession},
    id::Version,
    model::{Context, annotate, edit},
    store::StoreOptions,
};

use super::entries::{put, told, user};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, SeededIds, TestClock,
        assertions::refused,
        looking_back::Life,
        shorthand::{head, named, says},
    },
};

crate::clauses! { MSG10 => msg10, MSG11 => msg11, CTX1 => ctx1, CTX2 => ctx2, CTX3 => ctx3 }

/// Steps of one life.
const STEPS: usize = 60;

/// The context of every session, at every version of a random life, is what the model computes.
pub async fn msg10(cx: ClauseContext) -> Verdict {
    for _ in 0..cx.times(3) {
        lived(&cx, |_, _| async {}).await;
    }
    Verdict::Passed
}

/// Options with the counter of tokens that stores have.
pub(super) fn counter() -> StoreOptions {
    StoreOptions::new(Arc::new(TestClock::default()), Arc::new(SeededIds::new(0)))
}

/// Carries out a random life and compares its contexts with the model: after each step, from what is in memory, and at the
/// end at each version, with nothing in memory.
async fn lived<F: Future<Output = ()>>(
    cx: &ClauseContext,
    mut after_step: impl FnMut(usize, Version) -> F,
) {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let counter = counter();
    let mut life = Life::new((&store, caller.clone()), thread, cx.seed(), &counter);
    for step in 0..STEPS {
        life.step().await;
        life.compare(&store, None).await;
        after_step(step, head(&store, &caller, thread).await).await;
    }
    let head = head(&store, &caller, thread).await;
    let cold = cx.store_with(Default::default(), |options| options.with_context_memory(0)).await;
    for version in 1..=head {
        life.compare(&cold, Some(version)).await;
    }
    // Downwards, what is in memory is always too new.
    for version in (1..=head).rev().step_by(7) {
        life.compare(&store, Some(version)).await;
    }
    let reopened = cx.reopen(store.clone()).await;
    life.compare(&reopened, None).await;
}

/// What is answered from folded logs in memory is what is answered without; another process sees the same.
pub async fn msg11(cx: ClauseContext) -> Verdict {
    let warm = cx.store().await;
    let cold = cx.store_with(Default::default(), |options| options.with_context_memory(0)).await;
    let caller = cx.caller();
    let session = cx.session(&warm, &caller).await;
    let both = || async {
        let warm = warm.as_caller(&caller).context(session).await.expect("a context");
        let cold = cold.as_caller(&caller).context(session).await.expect("a context");
        assert_eq!(warm, cold);
        warm
    };
    both().await;
    let one = put(&warm, &caller, session, says("one")).await;
    let before = both().await;
    // Written by another than who has it in memory.
    put(&cold, &caller, session, edit(one, user("uno"))).await;
    let after = both().await;
    assert_eq!((told(&before).len(), told(&after)[0].0.as_str()), (1, "user: uno"));
    assert_eq!(told(&before)[0].0, "user: one", "a context is a value");
    let erase = cold.as_caller(&caller).erase_entries(session.thread(), [one]).await;
    erase.expect("erased");
    both().await;
    put(&cold, &caller, session, annotate(one, sessile_core::model::Priority::Pinned)).await;
    let context = both().await;
    assert_eq!(told(&context)[0].0, "user: uno", "the edit is another entry, and was not erased");
    let edited = context.messages[0].edited_by.expect("by the edit");
    let erase = warm.as_caller(&caller).erase_entries(session.thread(), [edited]).await;
    erase.expect("erased");
    let context = both().await;
    assert!(context.messages[0].message.is_none(), "erased, and not what it was before the edit");
    Verdict::Passed
}

/// A context as of a version is the context when that version was the head: of every session of the thread, whichever of
/// them the version is of.
pub async fn ctx1(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    let thread = cx.thread(&store, &caller).await;
    let one = named(&store, &caller, thread, "one").await;
    let two = named(&store, &caller, thread, "two").await;
    let mut seen: Vec<(Version, Context, Context)> = Vec::new();
    let mut last = None;
    for step in 0..12_u32 {
        let (session, entry) = match step % 4 {
            0 => (one, says(format!("{step}"))),
            1 => (two, says(format!("{step}"))),
            2 => (two, edit(last.expect("a message of two"), user("edited"))),
            _ => (
                two,
                annotate(last.expect("a message of two"), sessile_core::model::Priority::Skip),
            ),
        };
        let id = put(&store, &caller, session, entry).await;
        if step % 4 == 1 {
            last = Some(id);
        }
        let contexts = (ann.context(one).await, ann.context(two).await);
        seen.push((id.version(), contexts.0.expect("a context"), contexts.1.expect("a context")));
    }
    let store = cx.reopen(store.clone()).await;
    let ann = store.as_caller(&caller);
    for (version, of_one, of_two) in seen.iter().rev() {
        let then = |session| ann.context_at(session, *version);
        assert_eq!(then(one).await.expect("then"), *of_one);
        assert_eq!(then(two).await.expect("then"), *of_two);
    }
    Verdict::Passed
}

/// A point that does not exist is refused: version 0, past the head, before the session, before the thread.
pub async fn ctx2(cx: ClauseContext) -> Verdict {
    let clock = std::sync::Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    let thread = cx.thread(&store, &caller).await;
    let session = named(&store, &caller, thread, "one").await;
    put(&store, &caller, session, says("one")).await;
    let head = head(&store, &caller, thread).await;
    let long_ago = sessile_core::Timestamp::from_millis(TestClock::START.millis() - 1);
    let points = [At::Version(0), (head + 1).into(), u64::MAX.into(), 1.into(), long_ago.into()];
    for point in points {
        refused(ann.context_at(session, point).await, ErrorKind::NotFound);
        if point != At::Version(1) {
            refused(ann.state_at(thread, point).await, ErrorKind::NotFound);
        }
        if let At::Version(version) = point {
            let fork = NewSession::named("fork").fork_of(session, version);
            refused(ann.create_session(thread, fork).await, ErrorKind::NotFound);
        }
    }
    assert_eq!(ann.version_at(thread, long_ago).await.expect("an answer"), None);
    assert_eq!(ann.context_at(session, head).await.expect("the head").messages.len(), 1);
    ann.delete_session(session).await.expect("deleted");
    refused(ann.context(session).await, ErrorKind::NotFound);
    refused(ann.context_at(session, head).await, ErrorKind::NotFound);
    Verdict::Passed
}

/// A time is the newest version that is not later; a clock that goes back makes nothing earlier than it was.
pub async fn ctx3(cx: ClauseContext) -> Verdict {
    let clock = std::sync::Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let behind = cx.store().await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    for step in 0..9_u64 {
        clock.advance(Duration::from_millis(step % 3 * 10));
        let writer = if step % 4 == 3 { &behind } else { &store };
        put(writer, &caller, session, says(format!("{step}"))).await;
    }
    let records = ann.changes(thread).page(Duration::ZERO).await.expect("a page").records;
    for pair in records.windows(2) {
        assert!(pair[0].at <= pair[1].at, "times never go back");
    }
    let (first, last) = (records[0].at.millis(), records[records.len() - 1].at.millis());
    for millis in first..=last + 1 {
        let time = sessile_core::Timestamp::from_millis(millis);
        let want = records.iter().rev().find(|record| record.at <= time).map(|r| r.version);
        assert_eq!(ann.version_at(thread, time).await.expect("an answer"), want);
        let version = want.expect("the thread is there");
        let (by_time, by_version) =
            (ann.context_at(session, time).await, ann.context_at(session, version).await);
        match by_version {
            Ok(context) => assert_eq!(by_time.expect("a context"), context),
            Err(_) => drop(refused(by_time, ErrorKind::NotFound)),
        }
        let states = (ann.state_at(thread, time).await, ann.state_at(thread, version).await);
        assert_eq!(states.0.expect("a state"), states.1.expect("a state"));
    }
    Verdict::Passed
}
