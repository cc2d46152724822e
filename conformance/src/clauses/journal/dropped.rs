//! J11, J20: what is dropped stays dropped, also for stale writers.

use std::sync::Arc;

use sessile_core::{
    ErrorKind,
    hash::Hash,
    id::{Space, SpaceKind, Version},
    journal::{Commit, Journal, ListOrder, ListQuery, Position, Snapshot},
};
use tokio::sync::Barrier;

use crate::{
    clause::Verdict,
    clauses::log::chain::purged_meanwhile,
    internal::{ClauseContext, assertions::refused, raw_batches},
};

crate::clauses! { J11: Journal => j11, J20: Journal => j20 }
crate::internal::child_programs! { "j11_wake" => wake }

/// The commit of a writer that is stale since before a drop is never acknowledged, in any process, before or after a restart.
pub async fn j11(cx: ClauseContext) -> Verdict {
    let journal = cx.journal().await;
    let space = raw_batches::space(1);
    let sleeper = cx.journal().await;
    let one = raw_batches::append(&*journal, &space, None, 2, "one").await;
    let two = raw_batches::append(&*journal, &space, one, 3, "two").await;
    raw_batches::done(journal.drop_space(&space, two).await);
    stale(&*sleeper, &space, one, two).await;
    let args = serde_json::json!({ "one": one, "two": two });
    cx.processes("j11_wake", 1, &args).await;
    for round in 0..cx.times(8) as u128 {
        race(&cx, &raw_batches::space(100 + round)).await;
    }
    cx.close_all().await;
    stale(&*cx.journal().await, &space, one, two).await;
    Verdict::Passed
}

/// A process that knows a position from before the drop.
async fn wake(cx: ClauseContext, _index: usize, args: serde_json::Value) -> String {
    let known = |name: &str| serde_json::from_value(args[name].clone()).expect("a position");
    stale(&*cx.journal().await, &raw_batches::space(1), known("one"), known("two")).await;
    String::new()
}

/// Every commit to a dropped space is `HeadMoved` without a head, and leaves nothing.
async fn stale(journal: &dyn Journal, space: &Space, one: Option<Position>, two: Option<Position>) {
    let other = two.map(|p| Position { hash: Hash::of(&[b"other"]), ..p });
    let beyond = two.map(|p| Position { version: p.version + 1, ..p });
    for expected in [None, one, two, other, beyond] {
        let answer =
            journal.commit(space, expected, &raw_batches::batch(expected, 2, "late")).await;
        assert!(
            matches!(&answer, Ok(Commit::HeadMoved { head: None, since, .. }) if since.is_empty()),
            "a commit to a dropped space that expects {expected:?} was answered {answer:?}"
        );
        assert_eq!(raw_batches::content(journal, space).await, (None, Vec::new()));
    }
}

/// Commits race with a drop: every acknowledged one was before the drop.
async fn race(cx: &ClauseContext, space: &Space) {
    const WRITERS: usize = 3;
    let start = Arc::new(Barrier::new(WRITERS + 1));
    let first = raw_batches::append(&*cx.journal().await, space, None, 1, "first").await;
    let mut writers = Vec::new();
    for journal in raw_batches::handles(cx, WRITERS).await {
        let (space, start) = (space.clone(), Arc::clone(&start));
        writers.push(tokio::spawn(async move {
            let (mut at, mut last) = (first, None);
            start.wait().await;
            for i in 0..100 {
                let batch = raw_batches::batch(at, 1, &format!("b{i}"));
                match journal.commit(&space, at, &batch).await {
                    Ok(Commit::Done) => (at, last) = (batch.end(), batch.end()),
                    Ok(Commit::HeadMoved { head: None, .. }) => return last,
                    Ok(Commit::HeadMoved { head, .. }) => at = raw_batches::at(&head),
                    Err(error) if error.kind() == ErrorKind::Contended => {}
                    other => panic!("a writer in a race with a drop was answered {other:?}"),
                }
                tokio::task::yield_now().await;
            }
            last
        }));
    }
    let journal = cx.journal().await;
    start.wait().await;
    let mut expected = first;
    let dropped = loop {
        match journal.drop_space(space, expected).await {
            Ok(Commit::Done) => break expected,
            Ok(Commit::HeadMoved { head, .. }) => expected = raw_batches::at(&head),
            Err(error) if error.kind() == ErrorKind::Contended => {}
            other => panic!("a drop in a race was answered {other:?}"),
        }
    };
    let version = |p: Option<Position>| p.map_or(0, |p| p.version);
    for writer in writers {
        let last = writer.await.expect("a writer ends");
        assert!(version(last) <= version(dropped), "acknowledged after the drop, and lost");
    }
    assert_eq!(raw_batches::content(&*journal, space).await, (None, Vec::new()));
}

/// A dropped space is absent to every read, and stays so.
pub async fn j20(cx: ClauseContext) -> Verdict {
    let journal = cx.journal().await;
    let space = raw_batches::space(1);
    let mut batch = raw_batches::batch(None, 2, "one");
    batch.card = Some(raw_batches::card(5, "{}"));
    raw_batches::done(journal.commit(&space, None, &batch).await);
    let one = batch.end();
    let two = raw_batches::append(&*journal, &space, one, 1, "two").await;
    let other = two.map(|p| Position { hash: Hash::of(&[b"other"]), ..p });
    let before = raw_batches::content(&*journal, &space).await;
    for (expected, moved) in [(None, true), (one, true), (other, false)] {
        match journal.drop_space(&space, expected).await {
            Ok(Commit::HeadMoved { head, .. }) if moved => assert_eq!(head, before.0),
            Ok(Commit::Diverged { head }) if !moved => assert_eq!(head, before.0),
            answer => panic!("a drop that expects {expected:?} was answered {answer:?}"),
        }
        assert_eq!(
            before,
            raw_batches::content(&*journal, &space).await,
            "a refused drop drops nothing"
        );
    }
    let blob = journal.put_blob(&space, b"bytes").await.expect("a blob");
    let snapshot = Snapshot { position: two.expect("a head"), bytes: b"state".to_vec() };
    journal.save_snapshot(&space, &snapshot).await.expect("a snapshot may be kept");
    raw_batches::done(journal.drop_space(&space, two).await);

    let never = raw_batches::space(2);
    raw_batches::done(journal.drop_space(&never, None).await);
    let answer = journal.commit(&never, None, &raw_batches::batch(None, 1, "creator")).await;
    assert!(matches!(answer, Ok(Commit::HeadMoved { head: None, .. })), "{answer:?}");

    for restart in [false, true] {
        if restart {
            cx.close_all().await;
        }
        let journal = cx.journal().await;
        for space in [&space, &never] {
            assert_eq!(raw_batches::content(&*journal, space).await, (None, Vec::new()));
            assert_eq!(journal.load_snapshot(space).await.expect("none"), None);
            for expected in [None, one, two, other] {
                raw_batches::done(journal.drop_space(space, expected).await);
            }
            journal.wait(space, 0, std::time::Duration::from_millis(1)).await.expect("a wait");
        }
        refused(journal.get_blob(&space, &blob, None).await, ErrorKind::NotFound);
        // a snapshot saved late must not come back as one of a living space
        drop(journal.save_snapshot(&space, &snapshot).await);
        assert_eq!(journal.load_snapshot(&space).await.expect("none"), None);
        for order in [ListOrder::Id, ListOrder::Updated] {
            let query = ListQuery {
                tenant: space.tenant().clone(),
                kind: SpaceKind::Thread,
                project: None,
                order,
                after: None,
                limit: 10,
            };
            assert_eq!(journal.list(&query).await.expect("a list"), Vec::new());
        }
        let late = raw_batches::batch(two, 1, "late");
        let answer = journal.commit(&space, two, &late).await;
        assert!(matches!(answer, Ok(Commit::HeadMoved { head: None, .. })), "{answer:?}");
        assert_eq!(raw_batches::read_from(&*journal, &space, 0, Version::MAX).await, Vec::new());
    }
    purged_meanwhile(&cx).await;
    Verdict::Passed
}
