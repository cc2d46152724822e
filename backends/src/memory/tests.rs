use std::{sync::Arc, time::Duration};

use sessile_core::{error::ErrorKind, journal::Journal};

use super::Memory;
use sessile_testkit::journals::{self, append, block_on, kind, space};

#[test]
fn a_stale_writer_gets_what_it_missed() {
    block_on(journals::a_stale_writer_gets_what_it_missed(&Memory::new(1)));
}

#[test]
fn ranges_of_streams_from_either_end() {
    block_on(journals::ranges_of_streams_from_either_end(&Memory::new(1)));
}

#[test]
fn lists_page_in_both_orders() {
    block_on(journals::lists_page_in_both_orders(&Memory::new(1)));
}

#[test]
fn a_dropped_space_stays_dropped() {
    block_on(journals::a_dropped_space_stays_dropped(&Memory::new(1)));
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
    journal.close().await.unwrap();
}
