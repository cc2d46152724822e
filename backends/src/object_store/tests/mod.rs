//! The journal over a store that fails by script.

mod probe;
mod requests;
mod scrub;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use object_store::memory::InMemory;
use sessile_core::{
    clock::{Clock, Timestamp},
    error::ErrorKind,
    id::Version,
    journal::{Blobs as _, Commit, Head, Journal, Position, ReadRange, RecordBody, Snapshot},
};

use super::{Objects, Options};
use sessile_driver::lock;
use sessile_testkit::faults::{Faults, Put};
use sessile_testkit::journals::{all, append, batch, carded, kind, record, space};

const GRACE: Duration = Duration::from_secs(600);

/// Elapsed time that a test moves on.
#[derive(Debug, Default)]
struct Hand(Mutex<Duration>);

impl Hand {
    fn pass(&self, time: Duration) {
        *lock(&self.0) += time;
    }
}

#[async_trait]
impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn elapsed(&self) -> Duration {
        *lock(&self.0)
    }

    async fn sleep(&self, _: Duration) {}
}

fn faults() -> Faults {
    Faults::new(Arc::new(InMemory::new()))
}

async fn open(store: &Faults, clock: &Arc<Hand>) -> Objects {
    let options = Options::default().with_grace(GRACE).with_clock(clock.clone());
    Objects::open(Arc::new(store.clone()), "p", options).await.unwrap()
}

async fn bodies(journal: &Objects) -> Vec<String> {
    let records = journal.read(&space(1), &all()).await.unwrap();
    let body = |body: &RecordBody| match body {
        RecordBody::Inline(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    records.iter().map(|record| body(&record.body)).collect()
}

async fn try_append(journal: &Objects, after: Option<Position>, body: &str) -> Commit {
    let version = after.map_or(1, |p| p.version + 1);
    let batch = batch(vec![record(version, 4, body)]);
    journal.commit(&space(1), after, &batch).await.unwrap()
}

/// Deletes what may be deleted, a grace after it was folded.
async fn forget(journal: &Objects, clock: &Hand) {
    journal.fold(&space(1)).await.unwrap();
    clock.pass(GRACE * 2);
    journal.fold(&space(1)).await.unwrap();
}

#[tokio::test]
async fn a_store_that_lies_is_refused() {
    let store = faults();
    (0..20).for_each(|_| store.next_put("trial", Put::Overwrite));
    let opened = Objects::open(Arc::new(store), "p", Options::default()).await;
    assert_eq!(kind(opened), ErrorKind::Unsupported);
    let store = faults();
    store.next_put("trial", Put::Apply);
    store.next_put("trial", Put::Overwrite);
    let opened = Objects::open(Arc::new(store), "p", Options::default()).await;
    assert_eq!(kind(opened), ErrorKind::Unsupported, "one that lies under race only");
}

#[tokio::test]
async fn all_count_by_the_grace_that_the_store_was_made_with() {
    let store = faults();
    for (asked, gets) in [(7, 7), (600, 7), (1, 7)] {
        let options = Options::default().with_grace(Duration::from_secs(asked));
        let journal = Objects::open(Arc::new(store.clone()), "p", options).await.unwrap();
        assert_eq!(journal.inner.options.grace, Duration::from_secs(gets));
    }
}

#[tokio::test]
async fn lost_replies_write_nothing_twice() {
    for seed in 1..40 {
        let (store, clock) = (faults(), Arc::new(Hand::default()));
        let journal = open(&store, &clock).await;
        let mut at = None;
        let mut wanted = Vec::new();
        store.storm(Some(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15)));
        while wanted.len() < 20 {
            let body = format!("{}", wanted.len());
            let end = batch(vec![record(wanted.len() as u64 + 1, 4, &body)]).end();
            match try_append(&journal, at, &body).await {
                Commit::Done => {}
                // The script lets nothing land late: what the head says now is true.
                Commit::Indeterminate { .. } => {
                    let head = journal.head(&space(1)).await.unwrap().map(|head| head.position);
                    if head != end {
                        assert_eq!(head, at);
                        continue;
                    }
                }
                other => panic!("{seed}: {other:?}"),
            }
            (at, wanted) = (end, [wanted, vec![body]].concat());
        }
        assert_eq!(bodies(&journal).await, wanted);
    }
}

#[tokio::test]
async fn what_lands_after_an_absent_answer_is_in_doubt() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let journal = open(&store, &clock).await;
    let one = append(&journal, &space(1), None, "one").await;
    store.next_put("log", Put::Hold);
    let two = try_append(&journal, Some(one), "two").await;
    assert!(matches!(two, Commit::Indeterminate { .. }), "{two:?}");
    store.land().await;
    assert_eq!(bodies(&journal).await, ["one", "two"]);
}

#[tokio::test]
async fn what_lands_during_the_look_is_no_refusal() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let journal = open(&store, &clock).await;
    let one = append(&journal, &space(1), None, "one").await;
    store.next_put("log", Put::LandAtList);
    let two = try_append(&journal, Some(one), "two").await;
    assert!(matches!(two, Commit::Done | Commit::Indeterminate { .. }), "{two:?}");
    assert_eq!(bodies(&journal).await, ["one", "two"]);
}

#[tokio::test]
async fn a_writer_that_slept_through_forgetting_is_refused() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let (asleep, awake) = (open(&store, &clock).await, open(&store, &clock).await);
    let one = append(&asleep, &space(1), None, "one").await;
    append(&awake, &space(1), Some(one), "two").await;
    forget(&awake, &clock).await;
    let late = try_append(&asleep, Some(one), "late").await;
    assert!(matches!(late, Commit::HeadMoved { head: Some(_), .. }), "{late:?}");
    assert_eq!(bodies(&asleep).await, ["one", "two"]);
    assert_eq!(bodies(&awake).await, ["one", "two"]);
}

#[tokio::test]
async fn a_commit_is_known_after_another_took_its_old_place() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let slow = store.beside();
    let writer = Arc::new(open(&slow, &clock).await);
    let (asleep, awake) = (open(&store, &clock).await, open(&store, &clock).await);
    let one = append(&*writer, &space(1), None, "one").await;
    assert!(asleep.head(&space(1)).await.unwrap().is_some());
    slow.next_put("log", Put::Late);
    let task = tokio::spawn({
        let writer = writer.clone();
        async move { try_append(&writer, Some(one), "two").await }
    });
    while bodies(&awake).await.len() < 2 {
        tokio::task::yield_now().await;
    }
    forget(&awake, &clock).await;
    let late = try_append(&asleep, Some(one), "late").await;
    assert!(matches!(late, Commit::HeadMoved { .. }), "{late:?}");
    slow.release();
    let two = task.await.unwrap();
    assert!(matches!(two, Commit::Done | Commit::Indeterminate { .. }), "{two:?}");
    assert_eq!(bodies(&awake).await, ["one", "two"]);
}

#[tokio::test]
async fn doubt_stays_doubt_where_the_segment_cannot_be_read() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let slow = store.beside();
    let writer = Arc::new(open(&slow, &clock).await);
    let awake = open(&store, &clock).await;
    let one = append(&*writer, &space(1), None, "one").await;
    slow.next_put("log", Put::Late);
    slow.fail_gets(Some("segment"));
    let task = tokio::spawn({
        let writer = writer.clone();
        let batch = batch(vec![record(2, 4, "two")]);
        async move { writer.commit(&space(1), Some(one), &batch).await }
    });
    while bodies(&awake).await.len() < 2 {
        tokio::task::yield_now().await;
    }
    forget(&awake, &clock).await;
    slow.release();
    let two = task.await.unwrap();
    assert!(matches!(two, Ok(Commit::Indeterminate { .. })), "{two:?}");
}

#[tokio::test]
async fn a_delayed_first_batch_raises_nobody() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let slow = store.beside();
    let (writer, other) = (open(&slow, &clock).await, open(&store, &clock).await);
    slow.next_put("log", Put::Hold);
    let one = try_append(&writer, None, "one").await;
    assert!(matches!(one, Commit::Indeterminate { .. }), "{one:?}");
    assert!(matches!(other.drop_space(&space(1), None).await.unwrap(), Commit::Done));
    forget(&other, &clock).await;
    slow.land().await;
    for journal in [&writer, &other, &open(&store, &clock).await] {
        assert!(journal.head(&space(1)).await.unwrap().is_none());
        assert!(bodies(journal).await.is_empty());
        let again = try_append(journal, None, "again").await;
        assert!(matches!(again, Commit::HeadMoved { head: None, .. }), "{again:?}");
    }
}

#[tokio::test]
async fn a_fold_may_be_killed_at_every_request() {
    for left in 0..60 {
        let (store, clock) = (faults(), Arc::new(Hand::default()));
        let dying = store.beside();
        let (first, other) = (open(&dying, &clock).await, open(&store, &clock).await);
        let mut at = None;
        for body in ["a", "b", "c"] {
            at = Some(append(&first, &space(1), at, body).await);
        }
        first.fold(&space(1)).await.unwrap();
        append(&first, &space(1), at, "d").await;
        clock.pass(GRACE * 2);
        dying.die_after(Some(left));
        let _ = first.fold(&space(1)).await;
        assert_eq!(bodies(&other).await, ["a", "b", "c", "d"], "{left}");
        forget(&other, &clock).await;
        dying.die_after(None);
        assert_eq!(bodies(&first).await, ["a", "b", "c", "d"], "{left}");
        let at = other.head(&space(1)).await.unwrap().map(|head| head.position);
        append(&first, &space(1), at, "e").await;
        assert_eq!(bodies(&other).await, ["a", "b", "c", "d", "e"], "{left}");
    }
}

#[tokio::test]
async fn two_fold_at_once() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let (one, two) = (open(&store, &clock).await, open(&store, &clock).await);
    let mut at = None;
    for n in 0..30 {
        at = Some(append(&one, &space(1), at, &n.to_string()).await);
        let id = space(1);
        let (a, b) = tokio::join!(one.fold(&id), two.fold(&id));
        a.unwrap();
        b.unwrap();
        clock.pass(GRACE / 3);
    }
    let wanted: Vec<_> = (0..30).map(|n| n.to_string()).collect();
    assert_eq!(bodies(&one).await, wanted);
    assert_eq!(bodies(&open(&store, &clock).await).await, wanted);
}

#[tokio::test]
async fn an_erasure_whose_deletes_fail_is_no_success() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let journal = open(&store, &clock).await;
    let name = journal.put_blob(&space(1), b"secret").await.unwrap();
    let mut first = record(1, 4, "x");
    first.body = RecordBody::Blob(name.clone());
    first.sum = first.fitting_sum();
    let commit = journal.commit(&space(1), None, &batch(vec![first])).await.unwrap();
    assert!(matches!(commit, Commit::Done));
    store.fail_deletes(Some("blob"));
    let erased = journal.erase(&space(1), &[1]).await;
    store.fail_deletes(None);
    assert!(erased.is_err(), "the blob is there still");
    journal.erase(&space(1), &[1]).await.unwrap();
    assert_eq!(kind(journal.get_blob(&space(1), &name, None).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_erased_segment_that_stays_is_not_read() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let (stale, journal) = (open(&store, &clock).await, open(&store.beside(), &clock).await);
    let failing = store.beside();
    let eraser = open(&failing, &clock).await;
    append(&journal, &space(1), None, "secret").await;
    journal.fold(&space(1)).await.unwrap();
    assert!(stale.head(&space(1)).await.unwrap().is_some());
    failing.fail_deletes(Some("segment"));
    if eraser.erase(&space(1), &[1]).await.is_ok() {
        let range = ReadRange { upto: 1, ..all() };
        let read = stale.read(&space(1), &range).await.unwrap();
        assert_eq!(read[0].body, RecordBody::None);
    }
}
