use std::{sync::Arc, time::Duration};

use sessile_core::{
    error::ErrorKind,
    journal::{Blobs, Commit, Direction, Journal, ListOrder, ReadRange, Stream},
};

use super::Memory;
use crate::{
    tamper::Damage,
    testing::{all, append, batch, block_on, carded, pages, query, record, space},
};

fn kind<T: std::fmt::Debug>(result: sessile_core::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn a_stale_writer_gets_what_it_missed() {
    block_on(async {
        let journal = Memory::new(1);
        let one = append(&journal, &space(1), None, "a").await;
        let two = append(&journal, &space(1), Some(one), "b").await;
        let late = batch(vec![record(2, 4, "late")]);
        match journal.commit(&space(1), Some(one), &late).await.unwrap() {
            Commit::HeadMoved { head: Some(head), since, .. } => {
                assert_eq!(head.position, two);
                assert_eq!(since, vec![record(2, 4, "b")]);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(journal.read(&space(1), &all()).await.unwrap().len(), 2);
    });
}

#[test]
fn ranges_of_streams_from_either_end() {
    block_on(async {
        let journal = Memory::new(1);
        let records = (1..=10).map(|v| record(v, 4 * (v % 2), "x")).collect();
        assert!(matches!(
            journal.commit(&space(1), None, &batch(records)).await.unwrap(),
            Commit::Done
        ));
        let range = ReadRange { stream: Some(Stream(4)), after: 1, upto: 9, limit: 2, ..all() };
        let versions = async |range: ReadRange| -> Vec<u64> {
            let records = journal.read(&space(1), &range).await.unwrap();
            records.iter().map(|r| r.version).collect()
        };
        assert_eq!(versions(range).await, [3, 5]);
        assert_eq!(versions(ReadRange { direction: Direction::Backward, ..range }).await, [9, 7]);
        assert_eq!(versions(ReadRange { stream: None, ..range }).await, [2, 3]);
        assert!(versions(ReadRange { limit: 0, ..range }).await.is_empty());
    });
}

#[test]
fn lists_page_in_both_orders() {
    block_on(async {
        let journal = Memory::new(1);
        for bits in 0..10_u128 {
            let first = carded(vec![record(1, 3, "x")], bits as u64 % 3, Some(bits % 2));
            let commit = journal.commit(&space(bits), None, &first).await.unwrap();
            assert!(matches!(commit, Commit::Done));
        }
        let head = journal.head(&space(4)).await.unwrap().unwrap().position;
        let newer = carded(vec![record(2, 3, "x")], 9, None);
        assert!(matches!(
            journal.commit(&space(4), Some(head), &newer).await.unwrap(),
            Commit::Done
        ));
        assert!(matches!(
            journal.drop_space(&space(5), None).await.unwrap(),
            Commit::HeadMoved { .. }
        ));
        let head = journal.head(&space(5)).await.unwrap().unwrap().position;
        assert!(matches!(journal.drop_space(&space(5), Some(head)).await.unwrap(), Commit::Done));
        let by_id = pages(&journal, query(ListOrder::Id, None, 3)).await;
        assert_eq!(by_id, [0, 1, 2, 3, 4, 6, 7, 8, 9]);
        let by_updated = pages(&journal, query(ListOrder::Updated, None, 2)).await;
        assert_eq!(by_updated, [4, 8, 2, 7, 1, 9, 6, 3, 0]);
        let of_one = pages(&journal, query(ListOrder::Updated, Some(1), 2)).await;
        assert_eq!(of_one, [7, 1, 9, 3]);
    });
}

#[test]
fn a_dropped_space_stays_dropped() {
    block_on(async {
        let journal = Memory::new(1);
        assert!(matches!(journal.drop_space(&space(1), None).await.unwrap(), Commit::Done));
        let late = journal.commit(&space(1), None, &batch(vec![record(1, 4, "x")])).await.unwrap();
        assert!(matches!(late, Commit::HeadMoved { head: None, .. }));
        let name = journal.put_blob(&space(1), b"x").await.unwrap();
        assert_eq!(kind(journal.get_blob(&space(1), &name, None).await), ErrorKind::NotFound);
    });
}

#[test]
fn damage_is_never_skipped() {
    block_on(async {
        let journal = Memory::new(1);
        let one = append(&journal, &space(1), None, "one").await;
        append(&journal, &space(1), Some(one), "two").await;
        journal.tamper(&space(1), 2, Damage::FlipBody).unwrap();
        assert_ne!(journal.read(&space(1), &all()).await.unwrap()[1], record(2, 4, "two"));
        journal.tamper(&space(1), 1, Damage::Drop).unwrap();
        assert_eq!(kind(journal.read(&space(1), &all()).await), ErrorKind::Corrupt);
        let stream = ReadRange { stream: Some(Stream(4)), ..all() };
        assert_eq!(kind(journal.read(&space(1), &stream).await), ErrorKind::Corrupt);
    });
}

#[tokio::test]
async fn a_commit_ends_the_wait() {
    let journal = Arc::new(Memory::new(1));
    let waiter = tokio::spawn({
        let journal = journal.clone();
        async move { journal.wait(&space(1), 0, Duration::from_secs(60)).await.unwrap() }
    });
    tokio::task::yield_now().await;
    assert!(!journal.wait(&space(1), 0, Duration::from_millis(1)).await.unwrap());
    append(&*journal, &space(1), None, "x").await;
    assert!(waiter.await.unwrap());
}

#[tokio::test]
async fn closing_ends_everything() {
    let journal = Arc::new(Memory::new(1));
    let waiter = tokio::spawn({
        let journal = journal.clone();
        async move { journal.wait(&space(1), 0, Duration::from_secs(60)).await }
    });
    tokio::task::yield_now().await;
    journal.close().await.unwrap();
    assert_eq!(kind(waiter.await.unwrap()), ErrorKind::Closed);
    assert_eq!(kind(journal.head(&space(1)).await), ErrorKind::Closed);
    assert_eq!(kind(journal.close().await), ErrorKind::Closed);
}
