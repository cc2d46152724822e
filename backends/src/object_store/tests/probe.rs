//! Asking for what comes next instead of listing: when it is believed, and what it shows.

use super::*;

fn version(head: Option<Head>) -> Version {
    head.map_or(0, |head| head.position.version)
}

#[tokio::test]
async fn an_absent_object_is_believed_only_within_half_a_grace_of_the_proof() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let slow = store.beside();
    let (reader, writer) = (Arc::new(open(&slow, &clock).await), open(&store, &clock).await);
    let one = append(&writer, &space(1), None, "one").await;
    assert_eq!(version(reader.head(&space(1)).await.unwrap()), 1);
    slow.sleep_before_get("/log/");
    let asleep = tokio::spawn({
        let reader = reader.clone();
        async move { reader.head(&space(1)).await }
    });
    slow.halted().await;
    append(&writer, &space(1), Some(one), "two").await;
    forget(&writer, &clock).await;
    slow.release();
    let head = asleep.await.unwrap().unwrap();
    assert_eq!(version(head), 2, "the object was deleted; the listing tells");
}

#[tokio::test]
async fn a_reply_is_the_next_proof() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let (reader, writer) = (open(&store.beside(), &clock).await, open(&store, &clock).await);
    let mut at = append(&writer, &space(1), None, "0").await;
    assert_eq!(version(reader.head(&space(1)).await.unwrap()), 1);
    for n in 2..40 {
        clock.pass(GRACE / 3);
        if n % 4 == 0 {
            at = append(&writer, &space(1), Some(at), "more").await;
        }
        if n % 10 == 0 {
            writer.fold(&space(1)).await.unwrap();
        }
        assert_eq!(version(reader.head(&space(1)).await.unwrap()), at.version, "{n}");
    }
}

#[tokio::test]
async fn a_drop_is_seen_and_stays() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let (reader, writer) = (open(&store, &clock).await, open(&store, &clock).await);
    let one = append(&writer, &space(1), None, "one").await;
    assert_eq!(version(reader.head(&space(1)).await.unwrap()), 1);
    assert!(matches!(writer.drop_space(&space(1), Some(one)).await.unwrap(), Commit::Done));
    assert!(reader.head(&space(1)).await.unwrap().is_none());
    forget(&writer, &clock).await;
    assert!(reader.head(&space(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn what_was_erased_after_a_probe_brought_it_is_not_read() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let (reader, writer) = (open(&store, &clock).await, open(&store, &clock).await);
    let one = append(&writer, &space(1), None, "one").await;
    assert_eq!(version(reader.head(&space(1)).await.unwrap()), 1);
    append(&writer, &space(1), Some(one), "secret").await;
    let erased = async || writer.erase(&space(1), &[2]).await.unwrap();
    for is_late in [false, true] {
        if is_late {
            assert_eq!(version(reader.head(&space(1)).await.unwrap()), 2);
        }
        erased().await;
        assert_eq!(bodies(&reader).await, ["one", "None"]);
        let late = try_append(&reader, Some(one), "late").await;
        let Commit::HeadMoved { since, .. } = late else { panic!("{late:?}") };
        assert!(since.iter().all(|record| record.body == RecordBody::None), "{since:?}");
    }
}

#[tokio::test]
async fn who_only_asks_for_heads_keeps_no_long_tail() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let (reader, writer) = (open(&store, &clock).await, open(&store, &clock).await);
    let mut at = None;
    for n in 0..300 {
        at = Some(append(&writer, &space(1), at, &n.to_string()).await);
        assert_eq!(version(reader.head(&space(1)).await.unwrap()), n + 1);
        let known = reader.inner.site(&space(1)).cell.view().unwrap();
        assert!(known.tail.len() <= 128, "{}", known.tail.len());
    }
}

#[tokio::test]
async fn two_who_take_turns_fold_no_more_than_one() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let writers = [open(&store, &clock).await, open(&store, &clock).await];
    let mut at = None;
    store.take_counts();
    for n in 0..640 {
        let writer = &writers[n % 2];
        writer.head(&space(1)).await.unwrap();
        at = Some(append(writer, &space(1), at, &n.to_string()).await);
    }
    let counts = store.take_counts();
    assert!(counts.puts <= 640 * 11 / 10, "{counts:?}");
}
