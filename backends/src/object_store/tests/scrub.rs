//! What a scrub finishes, and what it waits for.

use object_store::{ObjectStore as _, ObjectStoreExt as _, path::Path};
use sessile_core::{
    id::{Space, SpaceKind, TenantId},
    journal::Scrub,
};

use super::*;
use sessile_testkit::faults::Counts;

/// The keys that have this part.
async fn keys(store: &Faults, part: &str) -> Vec<Path> {
    let all: Vec<_> = store.list(None).map_ok(|meta| meta.location).try_collect().await.unwrap();
    all.into_iter().filter(|key| key.as_ref().contains(part)).collect()
}

#[tokio::test]
async fn a_drop_that_was_cut_off_is_finished_whatever_its_tenant() {
    for name in ["t", "con.x_"] {
        let (store, clock) = (faults(), Arc::new(Hand::default()));
        let journal = open(&store, &clock).await;
        let space = Space::new(TenantId::new(name).unwrap(), SpaceKind::Thread, 1);
        let first = carded(vec![record(1, 4, "x")], 1, Some(7));
        assert!(matches!(journal.commit(&space, None, &first).await.unwrap(), Commit::Done));
        journal.put_blob(&space, b"x").await.unwrap();
        store.fail_deletes(Some("/"));
        assert!(matches!(journal.drop_space(&space, first.end()).await.unwrap(), Commit::Done));
        store.fail_deletes(None);
        assert_eq!(keys(&store, "/index/").await.len(), 2);
        let scrubbed = open(&store, &clock).await.scrub().await.unwrap();
        assert!(matches!(scrubbed, Scrub::Pending { .. }), "its log waits for the grace");
        assert_eq!(keys(&store, "/index/").await, []);
        assert_eq!(keys(&store, "/blob/").await, []);
    }
}

/// The keys whose objects have these words.
async fn saying(store: &Faults, words: &str) -> Vec<Path> {
    let mut found = Vec::new();
    for key in keys(store, "").await {
        let bytes = store.get(&key).await.unwrap().bytes().await.unwrap();
        if String::from_utf8_lossy(&bytes).contains(words) {
            found.push(key);
        }
    }
    found
}

/// Time passes: log objects may be deleted, and what was put is old by the store's time.
async fn scrub_later(journal: &Objects, store: &Faults, clock: &Hand) -> Scrub {
    let first = journal.scrub().await.unwrap();
    assert!(matches!(first, Scrub::Pending { .. }), "something may land yet: {first:?}");
    clock.pass(GRACE * 2);
    store.date_back(GRACE);
    journal.scrub().await.unwrap()
}

#[tokio::test]
async fn a_snapshot_that_lands_after_an_erasure_is_not_read_and_goes() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let slow = store.beside();
    let (saver, eraser) = (open(&slow, &clock).await, open(&store, &clock).await);
    let at = append(&saver, &space(1), None, "secret").await;
    let snapshot = Snapshot { position: at, bytes: b"a secret too".to_vec() };
    slow.next_put("/snapshot", Put::Hold);
    assert!(saver.save_snapshot(&space(1), &snapshot).await.is_err());
    eraser.erase(&space(1), &[1]).await.unwrap();
    slow.land().await;
    assert_eq!(keys(&store, "/snapshot").await.len(), 1);
    for journal in [&saver, &eraser, &open(&store, &clock).await] {
        assert_eq!(journal.load_snapshot(&space(1)).await.unwrap(), None);
    }
    let fresh = Snapshot { position: at, bytes: b"open words".to_vec() };
    saver.save_snapshot(&space(1), &fresh).await.unwrap();
    assert_eq!(eraser.load_snapshot(&space(1)).await.unwrap(), Some(fresh));
    assert_eq!(scrub_later(&eraser, &store, &clock).await, Scrub::Done);
    assert_eq!(saying(&store, "secret").await, []);
    assert_eq!(keys(&store, "/snapshot").await.len(), 1, "the fresh one stays");
}

#[tokio::test]
async fn a_segment_that_lands_after_an_erasure_is_waited_for() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let slow = store.beside();
    let (folder, eraser) = (open(&slow, &clock).await, open(&store, &clock).await);
    append(&folder, &space(1), None, "secret").await;
    slow.next_put("/segment/", Put::Hold);
    assert!(folder.fold(&space(1)).await.is_err());
    eraser.erase(&space(1), &[1]).await.unwrap();
    forget(&eraser, &clock).await;
    let early = eraser.scrub().await.unwrap();
    assert!(matches!(early, Scrub::Pending { .. }), "the segment is on its way: {early:?}");
    assert_eq!(saying(&store, "secret").await, []);
    slow.land().await;
    assert_eq!(saying(&store, "secret").await.len(), 1);
    assert_eq!(scrub_later(&eraser, &store, &clock).await, Scrub::Done);
    assert_eq!(saying(&store, "secret").await, []);
    assert_eq!(bodies(&folder).await, ["None"]);
}

#[tokio::test]
async fn who_slept_since_its_look_puts_nothing_before_another() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let journal = open(&store, &clock).await;
    let at = append(&journal, &space(1), None, "one").await;
    let site = journal.inner.site(&space(1));
    let view = journal.inner.look(&site).await.unwrap();
    clock.pass(GRACE / 2);
    store.take_counts();
    assert_eq!(journal.inner.next_manifest(&site, &view).await.unwrap(), None);
    assert_eq!(store.take_counts().puts, 0);
    let snapshot = Snapshot { position: at, bytes: vec![1] };
    journal.save_snapshot(&space(1), &snapshot).await.unwrap();
    assert_eq!(store.take_counts(), Counts { puts: 1, gets: 1, lists: 1, deletes: 0 });
    journal.fold(&space(1)).await.unwrap();
    assert_eq!(bodies(&journal).await, ["one"]);
}

#[tokio::test]
async fn many_spaces_are_scrubbed_at_a_time() {
    let (store, clock) = (faults(), Arc::new(Hand::default()));
    let journal = open(&store, &clock).await;
    for bits in 1..=40 {
        let one = append(&journal, &space(bits), None, "secret").await;
        append(&journal, &space(bits), Some(one), "two").await;
        journal.erase(&space(bits), &[1]).await.unwrap();
    }
    let waiting = journal.scrub().await.unwrap();
    assert!(
        matches!(&waiting, Scrub::Pending { why } if why.starts_with("40 spaces")),
        "{waiting:?}"
    );
    assert_eq!(scrub_later(&open(&store, &clock).await, &store, &clock).await, Scrub::Done);
    assert_eq!(saying(&store, "secret").await, []);
    assert_eq!(bodies(&journal).await, ["None", "two"]);
}
