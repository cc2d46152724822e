//! How many requests each operation takes.

use super::*;

#[tokio::test]
async fn requests_are_few() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let journal = open(&store, &clock).await;
    let mut at = Some(append(&journal, &space(1), None, "0").await);
    store.take_counts();
    for n in 1..=640 {
        at = Some(append(&journal, &space(1), at, &n.to_string()).await);
    }
    let counts = store.take_counts();
    assert!(counts.puts <= 640 * 11 / 10, "{counts:?}");
    assert!(counts.all() <= 640 * 13 / 10, "{counts:?}");
    journal.fold(&space(1)).await.unwrap();
    let cold = open(&store, &clock).await;
    store.take_counts();
    let head = cold.head(&space(1)).await.unwrap().unwrap().position;
    cold.load_snapshot(&space(1)).await.unwrap();
    let range =
        sessile_core::journal::ReadRange { after: head.version - 50, upto: head.version, ..all() };
    let opened = store.take_counts();
    assert!(opened.all() <= 4, "{opened:?}");
    assert_eq!(cold.read(&space(1), &range).await.unwrap().len(), 50);
    let read = store.take_counts();
    assert!(read.all() <= 2, "{read:?}");
}
