//! How many requests each operation takes: the table of the module's page.

use sessile_core::journal::ListOrder;

use super::*;
use sessile_testkit::faults::Counts;
use sessile_testkit::journals::query;

/// A store, a handle on it, and a journal of so many entries after the first.
async fn filled(entries: u64) -> (Faults, Arc<Hand>, Objects, Position) {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let journal = open(&store, &clock).await;
    let mut at = append(&journal, &space(1), None, "0").await;
    for n in 0..entries {
        at = append(&journal, &space(1), Some(at), &n.to_string()).await;
    }
    store.take_counts();
    (store, clock, journal, at)
}

#[tokio::test]
async fn an_append_is_one_put() {
    let (store, clock, journal, mut at) = filled(0).await;
    let one = Counts { puts: 1, ..Counts::default() };
    for n in 0..60 {
        at = append(&journal, &space(1), Some(at), &n.to_string()).await;
        assert_eq!(store.take_counts(), one, "{n}");
        clock.pass(GRACE / 3);
    }
    clock.pass(GRACE);
    append(&journal, &space(1), Some(at), "late").await;
    let late = Counts { gets: 1, lists: 1, ..one };
    assert_eq!(store.take_counts(), late, "a look after a long pause");
}

#[tokio::test]
async fn folding_adds_a_tenth() {
    let (store, _, journal, mut at) = filled(0).await;
    for n in 1..=640 {
        at = append(&journal, &space(1), Some(at), &n.to_string()).await;
    }
    let counts = store.take_counts();
    assert!(counts.puts <= 640 * 11 / 10, "{counts:?}");
    assert!(counts.puts + counts.gets + counts.lists <= 640 * 11 / 10, "{counts:?}");
}

#[tokio::test]
async fn a_folded_journal_opens_with_four() {
    let (store, clock, journal, at) = filled(640).await;
    let bytes = vec![7; 100];
    journal.save_snapshot(&space(1), &Snapshot { position: at, bytes }).await.unwrap();
    journal.fold(&space(1)).await.unwrap();
    let cold = open(&store, &clock).await;
    store.take_counts();
    let head = cold.head(&space(1)).await.unwrap().unwrap().position;
    assert!(cold.load_snapshot(&space(1)).await.unwrap().is_some());
    let opened = store.take_counts();
    assert!(opened.all() <= 4, "{opened:?}");
    let range = ReadRange { after: head.version - 50, upto: head.version, ..all() };
    assert_eq!(cold.read(&space(1), &range).await.unwrap().len(), 50);
    let read = store.take_counts();
    assert!(read.all() <= 2, "{read:?}");
}

#[tokio::test]
async fn a_tail_is_short_and_read_in_parallel() {
    let (store, clock, journal, mut at) = filled(0).await;
    for n in 0..200 {
        at = append(&journal, &space(1), Some(at), &n.to_string()).await;
        let cold = open(&store, &clock).await;
        store.take_counts();
        store.take_peak();
        assert_eq!(cold.head(&space(1)).await.unwrap().unwrap().position, at);
        let (opened, peak) = (store.take_counts(), store.take_peak());
        let tail = opened.all().saturating_sub(2);
        assert!(tail <= 64, "{opened:?}");
        assert!(peak >= tail.min(16), "{tail} objects, {peak} at once");
    }
}

#[tokio::test]
async fn a_known_head_is_one_get() {
    let (store, clock, journal, at) = filled(10).await;
    let get = Counts { gets: 1, ..Counts::default() };
    for _ in 0..10 {
        clock.pass(GRACE / 3);
        journal.head(&space(1)).await.unwrap();
        assert_eq!(store.take_counts(), get);
    }
    let waited = journal.wait(&space(1), at.version, Duration::ZERO).await.unwrap();
    assert!(!waited);
    assert_eq!(store.take_counts(), get, "a wait asks as a head does");
    clock.pass(GRACE / 2);
    journal.head(&space(1)).await.unwrap();
    let list = Counts { lists: 1, ..Counts::default() };
    assert_eq!(store.take_counts(), list, "without a proof");
    let (other, beside) = (store.beside(), clock.clone());
    let other = open(&other, &beside).await;
    append(&other, &space(1), Some(at), "another's").await;
    journal.head(&space(1)).await.unwrap();
    assert_eq!(store.take_counts(), Counts { gets: 2, ..Counts::default() }, "one behind");
}

#[tokio::test]
async fn who_loses_looks_once() {
    let (store, clock, journal, at) = filled(10).await;
    append(&open(&store.beside(), &clock).await, &space(1), Some(at), "another's").await;
    store.take_counts();
    let late = try_append(&journal, Some(at), "late").await;
    let Commit::HeadMoved { head: Some(head), since, .. } = late else { panic!("{late:?}") };
    assert_eq!(since.len(), 1);
    assert_eq!(store.take_counts(), Counts { puts: 1, gets: 1, lists: 1, deletes: 0 });
    append(&journal, &space(1), Some(head.position), "again").await;
    assert_eq!(store.take_counts(), Counts { puts: 1, ..Counts::default() });
}

#[tokio::test]
async fn a_page_of_known_threads_is_one_more_than_its_rows() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let journal = open(&store, &clock).await;
    for bits in 0..100 {
        let first = carded(vec![record(1, 4, "x")], bits as u64, Some(7));
        assert!(matches!(journal.commit(&space(bits), None, &first).await.unwrap(), Commit::Done));
    }
    for (order, project) in [(ListOrder::Id, None), (ListOrder::Updated, Some(7))] {
        let query = query(order, project, 100);
        for pass in [Duration::ZERO, GRACE] {
            clock.pass(pass);
            store.take_counts();
            let rows = journal.list(&query).await.unwrap();
            assert_eq!(rows.len(), 100);
            assert!(rows.iter().all(|row| row.head.card.is_some()));
            let counts = store.take_counts();
            assert!(counts.all() <= 101, "{counts:?}");
        }
    }
}
