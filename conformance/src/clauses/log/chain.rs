//! MSG13: the chain of hashes.

use sessile_core::{error::Error, store::SessionStoreExt};

use crate::{
    Damage,
    clause::Verdict,
    internal::{ClauseContext, shorthand::says},
};

crate::clauses! { MSG13 => msg13 }

/// Any change, swap, drop or insertion of a record on the medium is found and located; a removed end by its position.
pub async fn msg13(cx: ClauseContext) -> Verdict {
    if cx.tamper().is_none() {
        return Verdict::NotRun("the driver brought no tamper hook".into());
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
            store.append(&caller, session, says(n.to_string())).await.expect("an entry");
        }
        let sound = store.verify(&caller, thread, None).await.expect("a verification");
        assert_eq!((sound.records, sound.problems.len()), (10, 0));
        let end = sound.head.expect("a head");
        assert_eq!(end.version, 10);
        let again = store.verify(&caller, thread, Some(end)).await.expect("a verification");
        assert_eq!(again.problems, [], "the journal holds its own end");
        let space = thread.space(&caller.tenant);
        drop(store);
        cx.close_all().await;
        let tamper = cx.tamper().expect("asked before");
        tamper.damage(&space, at, damage).await;
        let store = cx.store().await;
        let located: Vec<u64> = match store.verify(&caller, thread, Some(end)).await {
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
    // A position the journal never had is told from its own.
    let store = cx.store().await;
    let session = cx.session(&store, &caller).await;
    let end = store
        .verify(&caller, session.thread(), None)
        .await
        .expect("a verification")
        .head
        .expect("a head");
    store.append(&caller, session, says("on")).await.expect("an entry");
    let later = store.verify(&caller, session.thread(), Some(end)).await.expect("a verification");
    assert_eq!(later.problems, [], "an earlier position is still held");
    let mut wrong = end;
    wrong.version += 5;
    let removed =
        store.verify(&caller, session.thread(), Some(wrong)).await.expect("a verification");
    assert!(!removed.problems.is_empty(), "an end that is not there is missed");
    Verdict::Passed
}
