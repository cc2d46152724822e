//! Group commit over an engine that waits, fails or refuses when it is told to.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use sessile_core::{
    error::{Error, ErrorKind, Result},
    journal::{Commit, Direction, Journal as _, ListOrder, Position, Scrub},
};
use sessile_testkit::journals::{self, all, append, batch, block_on, carded, query, record, space};
use tokio::sync::Notify;

use super::{ApplyError, GuardedBatch, Key, Kv, KvInfo, KvJournal, Map, Value};

/// A map that counts its transactions, and may hold them up, fail, or refuse groups.
#[derive(Debug, Default)]
struct Slow {
    map: Map,
    held: AtomicBool,
    go: Notify,
    groups: Mutex<Vec<usize>>,
    under_way: AtomicUsize,
    refuses_groups: AtomicBool,
    in_doubt: AtomicBool,
    is_closed: AtomicBool,
    /// Happens before the next lookup of several keys.
    meanwhile: Meanwhile,
}

#[derive(Default)]
struct Meanwhile(Mutex<Option<BoxFuture<'static, ()>>>);

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

/// Counts a call that is under way.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Kv for Slow {
    fn info(&self) -> &KvInfo {
        self.map.info()
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Value>>> {
        let meanwhile = if keys.len() > 1 { self.meanwhile.0.lock().unwrap().take() } else { None };
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(Error::failed("no engine is open"));
        }
        self.map.get(keys).await
    }

    async fn scan(
        &self,
        range: Range<Key>,
        direction: Direction,
        rows: usize,
        bytes: usize,
    ) -> Result<Vec<(Key, Value)>> {
        self.map.scan(range, direction, rows, bytes).await
    }

    async fn apply(
        &self,
        batches: &[GuardedBatch],
        until: Instant,
    ) -> Result<Vec<bool>, ApplyError> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let _under_way = UnderWay(&self.under_way);
        self.groups.lock().unwrap().push(batches.len());
        if self.held.load(Ordering::SeqCst) {
            self.go.notified().await;
        }
        if batches.len() > 1 && self.refuses_groups.load(Ordering::SeqCst) {
            return Err(Error::failed("too much at once").into());
        }
        let applied = self.map.apply(batches, until).await;
        if self.in_doubt.swap(false, Ordering::SeqCst) {
            return Err(ApplyError::Unknown(Arc::new(std::io::Error::other("cut off"))));
        }
        applied
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.map.scrub().await
    }

    async fn close(&self) -> Result<()> {
        self.is_closed.store(true, Ordering::SeqCst);
        self.map.close().await
    }
}

async fn slow() -> (Arc<Slow>, Arc<KvJournal>) {
    let slow = Arc::new(Slow::default());
    let journal = Arc::new(KvJournal::open(Arc::clone(&slow) as _).await.unwrap());
    slow.groups.lock().unwrap().clear();
    (slow, journal)
}

fn first() -> sessile_core::journal::Batch {
    batch(vec![record(1, 4, "one")])
}

#[test]
fn what_every_journal_does() {
    block_on(async {
        for at in 0..4 {
            let (_, journal) = slow().await;
            match at {
                0 => journals::a_stale_writer_gets_what_it_missed(&*journal).await,
                1 => journals::ranges_of_streams_from_either_end(&*journal).await,
                2 => journals::lists_page_in_both_orders(&*journal).await,
                _ => journals::a_dropped_space_stays_dropped(&*journal).await,
            }
        }
    });
}

#[tokio::test]
async fn what_waits_shares_a_transaction() {
    let (slow, journal) = slow().await;
    slow.held.store(true, Ordering::SeqCst);
    let commit = |bits: u128| {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move { journal.commit(&space(bits), None, &first()).await })
    };
    let mut commits: Vec<_> = (0..20).map(commit).collect();
    tokio::time::sleep(Duration::from_millis(5)).await;
    // Neither of these stays: one leads, and one waits.
    commits.remove(0).abort();
    commits.remove(7).abort();
    tokio::time::sleep(Duration::from_millis(5)).await;
    slow.held.store(false, Ordering::SeqCst);
    slow.go.notify_waiters();
    for commit in join_all(commits).await {
        assert!(matches!(commit.unwrap().unwrap(), Commit::Done));
    }
    assert_eq!(*slow.groups.lock().unwrap(), [1, 18], "the one that led, and those that waited");
    assert!(journal.head(&space(0)).await.unwrap().is_some(), "driven by those who waited");
    assert!(journal.head(&space(8)).await.unwrap().is_none());
}

#[tokio::test]
async fn what_nobody_waits_for_is_dropped() {
    let (slow, journal) = slow().await;
    slow.held.store(true, Ordering::SeqCst);
    let mut commit = Box::pin(async { journal.commit(&space(1), None, &first()).await });
    assert!(commit.as_mut().now_or_never().is_none());
    assert_eq!(slow.under_way.load(Ordering::SeqCst), 1);
    drop(commit);
    assert_eq!(slow.under_way.load(Ordering::SeqCst), 0);
    slow.held.store(false, Ordering::SeqCst);
    append(&*journal, &space(1), None, "one").await;
}

#[tokio::test]
async fn a_group_that_is_refused_is_tried_one_by_one() {
    let (slow, journal) = slow().await;
    slow.refuses_groups.store(true, Ordering::SeqCst);
    slow.held.store(true, Ordering::SeqCst);
    let commits: Vec<_> = (0..4)
        .map(|bits| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move { journal.commit(&space(bits), None, &first()).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(5)).await;
    slow.held.store(false, Ordering::SeqCst);
    slow.go.notify_waiters();
    for commit in join_all(commits).await {
        assert!(matches!(commit.unwrap().unwrap(), Commit::Done));
    }
    assert_eq!(*slow.groups.lock().unwrap(), [1, 3, 1, 1, 1]);
}

#[tokio::test]
async fn doubt_is_doubt_and_nothing_is_assumed_after_it() {
    let (slow, journal) = slow().await;
    let one = append(&*journal, &space(1), None, "one").await;
    slow.in_doubt.store(true, Ordering::SeqCst);
    let two = batch(vec![record(2, 4, "two")]);
    let answer = journal.commit(&space(1), Some(one), &two).await.unwrap();
    assert!(matches!(answer, Commit::Indeterminate { .. }), "{answer:?}");
    let again = journal.commit(&space(1), Some(one), &two).await.unwrap();
    assert!(matches!(again, Commit::HeadMoved { .. }), "it had landed: {again:?}");
    slow.in_doubt.store(true, Ordering::SeqCst);
    let snapshot = sessile_core::journal::Snapshot { position: one, bytes: vec![1] };
    let unsure = journal.save_snapshot(&space(1), &snapshot).await.unwrap_err();
    assert_eq!(unsure.kind(), ErrorKind::Unavailable);
    append(&*journal, &space(1), two.end(), "three").await;
}

#[tokio::test]
async fn close_refuses_what_waits() {
    let (slow, journal) = slow().await;
    slow.held.store(true, Ordering::SeqCst);
    let commits: Vec<_> = (0..3)
        .map(|bits| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move { journal.commit(&space(bits), None, &first()).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let closing = {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move { journal.close().await })
    };
    tokio::time::sleep(Duration::from_millis(5)).await;
    slow.go.notify_waiters();
    closing.await.unwrap().unwrap();
    let answers: Vec<_> = join_all(commits).await.into_iter().map(Result::unwrap).collect();
    assert!(matches!(answers[0], Ok(Commit::Done)), "{answers:?}");
    for answer in &answers[1..] {
        assert!(matches!(answer, Err(error) if error.kind() == ErrorKind::Closed), "{answers:?}");
    }
}

/// More spaces change than are kept out of their place.
#[test]
fn the_order_of_updates_holds_while_places_are_late() {
    const SPACES: u128 = 300;
    block_on(async {
        let journal = KvJournal::open(Arc::new(Map::default())).await.unwrap();
        let mut times = std::collections::HashMap::new();
        let mut at = std::collections::HashMap::new();
        for round in 0..3_u64 {
            for bits in 0..SPACES {
                if round > 0 && !times.contains_key(&bits) {
                    continue;
                }
                let time = (bits as u64 * 7919 + round * 104_729) % 1000;
                let after = at.get(&bits).copied();
                let version = after.map_or(1, |after: Position| after.version + 1);
                let batch = carded(vec![record(version, 4, "x")], time, Some(bits % 3));
                let commit = journal.commit(&space(bits), after, &batch).await.unwrap();
                assert!(matches!(commit, Commit::Done), "{commit:?}");
                at.extend([(bits, batch.end().unwrap())]);
                times.insert(bits, time);
            }
            let dropped = u128::from(round * 37);
            let head = at.remove(&dropped);
            times.remove(&dropped);
            let commit = journal.drop_space(&space(dropped), head).await.unwrap();
            assert!(matches!(commit, Commit::Done), "{commit:?}");
            for project in [None, Some(0), Some(2)] {
                let of_it = |bits: &&u128| project.is_none_or(|project| **bits % 3 == project);
                let mut right: Vec<u128> = times.keys().filter(of_it).copied().collect();
                right.sort_by_key(|bits| std::cmp::Reverse((times[bits], *bits)));
                let query = query(ListOrder::Updated, project, 40);
                assert_eq!(journals::pages(&journal, query).await, right, "round {round}");
            }
        }
        let kept = journal.read(&space(5), &all()).await.unwrap();
        assert_eq!(kept.len(), 3);
    });
}

/// A space is dropped after it was found for a page, and before its head was: the page is full all the same.
#[tokio::test]
async fn a_page_makes_up_for_what_was_dropped_meanwhile() {
    for order in [ListOrder::Id, ListOrder::Updated] {
        let (slow, journal) = slow().await;
        for bits in 0..6_u128 {
            let first = carded(vec![record(1, 4, "x")], bits as u64, Some(1));
            assert!(matches!(journal.commit(&space(bits), None, &first).await, Ok(Commit::Done)));
        }
        let dropped = if order == ListOrder::Id { 0 } else { 5 };
        let head = journal.head(&space(dropped)).await.unwrap().map(|head| head.position);
        let other = Arc::clone(&journal);
        *slow.meanwhile.0.lock().unwrap() = Some(Box::pin(async move {
            let commit = other.drop_space(&space(dropped), head).await.unwrap();
            assert!(matches!(commit, Commit::Done), "{commit:?}");
        }));
        let page = journal.list(&query(order, Some(1), 3)).await.unwrap();
        let bits: Vec<u128> = page.iter().map(|row| row.space.bits()).collect();
        assert_eq!(bits, if order == ListOrder::Id { [1, 2, 3] } else { [4, 3, 2] });
    }
}

/// An engine need not know why it answers nothing any more.
#[test]
fn what_was_under_way_when_it_closed_says_so() {
    block_on(async {
        let (slow, journal) = slow().await;
        for bits in 0..3 {
            let first = carded(vec![record(1, 4, "x")], 1, Some(1));
            assert!(matches!(journal.commit(&space(bits), None, &first).await, Ok(Commit::Done)));
        }
        let other = Arc::clone(&journal);
        *slow.meanwhile.0.lock().unwrap() = Some(Box::pin(async move {
            other.close().await.unwrap();
        }));
        let error = journal.list(&query(ListOrder::Id, Some(1), 3)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    });
}

/// One space whose head is damaged keeps no other from its place in the order.
#[test]
fn a_damaged_head_stops_no_other_move() {
    block_on(async {
        let (slow, journal) = slow().await;
        let number = super::order::MOST as u128 + 2;
        for bits in 0..number {
            let first = carded(vec![record(1, 4, "x")], 1, Some(1));
            assert!(matches!(journal.commit(&space(bits), None, &first).await, Ok(Commit::Done)));
        }
        // The first change moves all. After the second one space is not where it belongs, the first in the order.
        for bits in [1, 0] {
            let head = journal.head(&space(bits)).await.unwrap().unwrap().position;
            let next = carded(vec![record(2, 4, "y")], 2, Some(1));
            let commit = journal.commit(&space(bits), Some(head), &next).await;
            assert!(matches!(commit, Ok(Commit::Done)), "{bits}: {commit:?}");
        }
        let all = Vec::new()..vec![u8::MAX];
        let rows = slow.map.scan(all, Direction::Forward, usize::MAX, usize::MAX).await.unwrap();
        let living = rows.iter().find(|(key, _)| *key == super::keys::living(&space(0)));
        let of = super::values::decode_number(&living.unwrap().1).unwrap();
        let damaged = GuardedBatch {
            put: vec![(super::keys::head(of), Some(b"damaged".to_vec()))],
            ..GuardedBatch::default()
        };
        slow.map.apply(&[damaged], crate::clock::instant()).await.unwrap();
        let fresh = KvJournal::open(Arc::clone(&slow) as _).await.unwrap();
        for bits in 1..number {
            let head = fresh.head(&space(bits)).await.unwrap().unwrap().position;
            let next = carded(vec![record(head.version + 1, 4, "z")], 3, Some(1));
            let commit = fresh.commit(&space(bits), Some(head), &next).await;
            assert!(matches!(commit, Ok(Commit::Done)), "{bits}: {commit:?}");
        }
        let moved = super::keys::all_moved();
        let left = slow.map.scan(moved, Direction::Forward, usize::MAX, usize::MAX).await.unwrap();
        assert!(left.len() < super::order::MOST, "{} are where they were", left.len());
    });
}

/// The rows of a store that are damaged or another's are told apart.
#[test]
fn what_is_no_store_is_refused() {
    block_on(async {
        let map = Arc::new(Map::default());
        let put = |key: &[u8], value: &[u8]| GuardedBatch {
            put: vec![(key.to_vec(), Some(value.to_vec()))],
            ..GuardedBatch::default()
        };
        map.apply(&[put(b"theirs", b"1")], crate::clock::instant()).await.unwrap();
        let error = KvJournal::open(Arc::clone(&map) as _).await.unwrap_err();
        assert!(error.to_string().contains("another application"), "{error}");
        map.apply(
            &[put(super::keys::STORE, &super::values::encode_store(7, 1))],
            crate::clock::instant(),
        )
        .await
        .unwrap();
        let error = KvJournal::open(map).await.unwrap_err();
        assert!(matches!(error, Error::NewerFormat { needs: 7, has: 1, .. }), "{error}");
    });
}
