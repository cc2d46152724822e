//! SES15: how much state a scope holds, and how far back it is read.

use std::{collections::BTreeMap, sync::Arc};

use sessile_core::{
    ErrorKind,
    command::{Append, StateChange, StateScope},
    error::Error,
    id::Version,
};

use super::state::{set, state};
use crate::internal::{
    ClauseContext, CountingJournal, TestClock,
    assertions::{harmless, refused},
    hostile,
    shorthand::{head, named, says},
};

/// Any text is a key; a scope holds 1,024 keys and 256 KiB of JSON, and not one more of either.
pub(super) async fn bounds(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let writer = store.as_caller(&caller);
    let fits = |key: &String| (1..=256).contains(&key.len());
    let (keys, others): (Vec<_>, Vec<_>) = hostile::contents().into_iter().partition(fits);
    let mut want: Vec<_> = keys.clone();
    want.sort();
    let changes: Vec<_> =
        keys.iter().map(|key| StateChange::from_value(key, key).expect("a text")).collect();
    writer.set_state(session, changes).await.expect("any text is a key");
    let all = state(&store, &caller, session.into()).await;
    assert!(all.values.iter().map(|v| &v.key).eq(&want), "in byte order, verbatim");
    for key in &want {
        assert_eq!(all.parse::<String>(key).expect("a text").as_ref(), Some(key));
    }
    assert!(!others.is_empty());
    for changes in others.iter().map(|key| vec![StateChange::remove(key)]).chain([
        vec![],
        vec![set("twice", "1"), StateChange::remove("twice")],
        (0..1025).map(|n| set(&n.to_string(), "1")).collect(),
    ]) {
        let refusal = writer.set_state(thread, changes);
        harmless(&store, &caller, thread, ErrorKind::Invalid, refusal).await;
    }
    let full = |error: Error, wanted: (&str, u64, u64)| match error {
        Error::Capacity { what, measure, limit, actual } => {
            assert_eq!((what, (measure, limit, actual)), (thread.into(), wanted));
        }
        other => panic!("{other:?}"),
    };
    let many: Vec<_> = (0..1024).map(|n| set(&format!("{n:04}"), "1")).collect();
    writer.set_state(thread, many).await.expect("1,024 keys");
    let refusal = writer.set_state(thread, [set("one more", "1")]);
    let error = harmless(&store, &caller, thread, ErrorKind::Capacity, refusal).await;
    full(error, ("keys of state", 1024, 1025));
    // 1,022 keys of 7 bytes are left, and one that fills the rest: a key of 6 bytes with its quotes, and its value.
    let (limit, rest) = (256_u64 << 10, 1022 * 7);
    let filler = |bytes: u64| format!("\"{}\"", "x".repeat(bytes as usize - 2));
    let exactly = limit - rest - 6;
    let change = |bytes| [StateChange::remove("0000"), set("0001", &filler(bytes))];
    let refusal = writer.set_state(thread, change(exactly + 1));
    let error = harmless(&store, &caller, thread, ErrorKind::Capacity, refusal).await;
    full(error, ("bytes of state", limit, limit + 1));
    writer.set_state(thread, change(exactly)).await.expect("all there is room for");
    let refusal = writer.set_state(thread, [set("0002", &filler(limit))]);
    let error = harmless(&store, &caller, thread, ErrorKind::Capacity, refusal).await;
    full(error, ("bytes of changes of state", limit, limit + 6));
    // With the largest turn that stays beside them in its records, both states go into one batch.
    let entry = || says("y".repeat(63 << 10));
    let turn = Append::of((0..98).map(|_| entry()).collect());
    let turn = turn.with_state([set("0001", &filler(exactly))]);
    let turn = turn.with_thread_state([set("0001", &filler(exactly))]);
    let small = named(&store, &caller, thread, "small").await;
    writer.append(small, turn).await.expect("one batch");
    let before = state(&store, &caller, thread.into()).await;
    let store = cx.reopen(store).await;
    assert_eq!(state(&store, &caller, thread.into()).await, before, "after a reopen");
}

/// The state at each version is what it was then, and costs a bounded number of records; an unknown version is refused.
pub(super) async fn looking_back(cx: &ClauseContext) {
    let watched = CountingJournal::new(cx.journal().await);
    let store = cx.store_over(watched.clone(), Arc::new(TestClock::default()), |options| options);
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let early = head(&store, &caller, thread).await;
    let session = named(&store, &caller, thread, "s").await;
    let writer = store.as_caller(&caller);
    let scopes = [StateScope::from(session), thread.into()];
    let mut now: [BTreeMap<String, (u32, Version)>; 2] = Default::default();
    let mut then = Vec::new();
    for n in 0..140 {
        let (key, is_set) = (format!("k{}", n % 11), n % 7 != 6);
        let change = || match is_set {
            true => [StateChange::from_value(&key, &n).expect("a number")],
            false => [StateChange::remove(&key)],
        };
        let turn = Append::from(says("x")).with_state(change()).with_thread_state(change());
        let tail = writer.append(session, turn).await.expect("a turn").tail();
        for (values, version) in now.iter_mut().zip([tail + 1, tail + 2]) {
            match is_set {
                true => values.insert(key.clone(), (n, version)),
                false => values.remove(&key),
            };
        }
        if n % 6 == 0 || (60..68).contains(&n) {
            then.push((tail + 2, now.clone()));
        }
    }
    let nothing = (session.version(), Default::default());
    for (version, values) in std::iter::once(nothing).chain(then) {
        for (of, values) in scopes.into_iter().zip(values) {
            let before = watched.records();
            let got = writer.state_at(of, version).await.expect("a state");
            let read = watched.records() - before;
            assert!(read <= 130, "{read} records for {of:?} at {version}");
            let got = got.values.into_iter();
            let got: Vec<_> = got.map(|v| (v.key, v.value.get().to_owned(), v.version)).collect();
            let want = values.into_iter().map(|(key, (n, version))| (key, n.to_string(), version));
            assert_eq!(got, want.collect::<Vec<_>>(), "{of:?} at {version}");
        }
    }
    let now = head(&store, &caller, thread).await;
    for unknown in [0, now + 1, u64::MAX] {
        for of in scopes {
            refused(writer.state_at(of, unknown).await, ErrorKind::NotFound);
        }
    }
    refused(writer.state_at(session, early).await, ErrorKind::NotFound);
}
