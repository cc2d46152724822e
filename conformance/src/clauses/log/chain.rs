//! MSG13: the chain of hashes.

use std::sync::Arc;

use sessile_core::{ErrorKind, error::Error, id::ThreadId, journal::Position};

use crate::{
    Damage,
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::refused,
        fault::{Call, InterruptedJournal},
        shorthand::says,
    },
};

crate::clauses! { MSG13 => msg13 }

/// Any change, swap, drop or insertion of a record on the medium is found and located; a removed end by its position.
pub async fn msg13(cx: ClauseContext) -> Verdict {
    expected(&cx).await;
    purged_meanwhile(&cx).await;
    if cx.tamper().is_none() {
        return Verdict::NotJudged("the driver brought no tamper hook".into());
    }
    let caller = cx.caller();
    for (at, damage) in [
        (4, Damage::FlipHeader),
        (5, Damage::FlipBody),
        (1, Damage::FlipHeader),
        (5, Damage::Swap(6)),
        (3, Damage::Swap(8)),
        (6, Damage::Drop),
        (6, Damage::Insert),
        (10, Damage::FlipBody),
        (10, Damage::Drop),
    ] {
        let cx = cx.another().await;
        let store = cx.store().await;
        let session = cx.session(&store, &caller).await;
        let thread = session.thread();
        for n in 0..8 {
            store.as_caller(&caller).append(session, says(n.to_string())).await.expect("an entry");
        }
        let sound = store.as_caller(&caller).verify(thread, None).await.expect("a verification");
        assert_eq!((sound.records, sound.problems.len()), (10, 0));
        let end = sound.head.expect("a head");
        assert_eq!(end.version, 10);
        let again =
            store.as_caller(&caller).verify(thread, Some(end)).await.expect("a verification");
        assert_eq!(again.problems, [], "the journal holds its own end");
        let space = thread.space(&caller.tenant);
        drop(store);
        cx.close_all().await;
        cx.damage(&space, at, damage).await;
        let store = cx.store().await;
        let located: Vec<u64> = match store.as_caller(&caller).verify(thread, Some(end)).await {
            Ok(found) => found.problems.iter().map(|(version, _)| *version).collect(),
            Err(Error::Corrupt { version, .. }) => vec![version],
            Err(other) => panic!("{damage:?} at {at}: {other}"),
        };
        assert!(!located.is_empty(), "{damage:?} at {at} was not found");
        let near = |v: u64| {
            v.abs_diff(at) <= 1 || matches!(damage, Damage::Swap(other) if v.abs_diff(other) <= 1)
        };
        assert!(located.iter().any(|v| near(*v)), "{damage:?} at {at} was located at {located:?}");
    }
    Verdict::Passed
}

/// A position the journal never had is told from its own: what is missing begins after the last record.
async fn expected(cx: &ClauseContext) {
    let (store, caller) = (cx.store().await, cx.caller());
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let verify = async |thread: ThreadId, expected: Option<Position>| {
        let found =
            store.as_caller(&caller).verify(thread, expected).await.expect("a verification");
        let at: Vec<u64> = found.problems.iter().map(|(version, _)| *version).collect();
        (found, at)
    };
    let end = verify(thread, None).await.0.head.expect("a head");
    store.as_caller(&caller).append(session, says("on")).await.expect("an entry");
    assert!(verify(thread, Some(end)).await.1.is_empty(), "an earlier position is still held");
    let head = end.version + 1;
    for version in [head + 1, head + 5, u64::MAX] {
        let removed = verify(thread, Some(Position { version, ..end })).await;
        assert_eq!(removed.1, [head + 1], "the first record that is missed: {:?}", removed.0);
    }
    let other = Position { version: head, ..end };
    assert_eq!(verify(thread, Some(other)).await.1, [head], "another record in its place");
    // Of a thread that is not there, all of it is missed.
    let absent = ThreadId::from_bits(thread.bits() ^ 1);
    refused(store.as_caller(&caller).verify(absent, None).await, ErrorKind::NotFound);
    let (found, at) = verify(absent, Some(end)).await;
    assert_eq!((found.records, found.head, at), (0, None, vec![1]));
}

/// A thread that goes while it is verified is not there; it is not damaged.
pub(in crate::clauses) async fn purged_meanwhile(cx: &ClauseContext) {
    let (store, caller) = (cx.store().await, cx.caller());
    let thread = cx.session(&store, &caller).await.thread();
    let purge = {
        let (store, caller) = (store.clone(), caller.clone());
        async move { store.as_caller(&caller).purge_thread(thread).await }
    };
    let journal = InterruptedJournal::before(cx.journal().await, Call::Read, purge);
    let verifier = cx.store_over(journal.clone(), Arc::default(), |options| options);
    refused(verifier.as_caller(&caller).verify(thread, None).await, ErrorKind::NotFound);
    assert!(journal.is_over(), "it went after verify had asked for the head");
}
