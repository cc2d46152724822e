//! Small journals' worth of data, and claims that hold for every journal.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    clock::Timestamp,
    error::{ErrorKind, Result},
    hash::Hash,
    id::{ProjectId, Space, SpaceKind, TenantId, Version},
    journal::{
        Batch, Card, Commit, Direction, Journal, ListOrder, ListQuery, Position, ReadRange, Record,
        RecordBody, Stream,
    },
};

/// The space of the thread with this number, of tenant `t`.
pub fn space(bits: u128) -> Space {
    Space::new(TenantId::new("t").unwrap(), SpaceKind::Thread, bits)
}

/// An entry whose header, link and sum fit.
pub fn record(version: Version, stream: u64, body: &str) -> Record {
    let header = format!("{{\"v\":{version},\"s\":{stream},\"r\":1}}");
    let link = Hash::of(&[header.as_bytes(), body.as_bytes()]);
    let record = Record {
        version,
        stream: Stream(stream),
        kind: "entry".into(),
        sum: 0,
        link,
        header: header.into(),
        salt: [7; 16],
        body: RecordBody::Inline(body.into()),
    };
    Record { sum: record.fitting_sum(), ..record }
}

/// A batch without a card.
pub fn batch(records: Vec<Record>) -> Batch {
    Batch { records, card: None, project: None, patience: Duration::from_secs(5) }
}

/// A batch with a card of this time.
pub fn carded(records: Vec<Record>, updated: u64, project: Option<u128>) -> Batch {
    let card = Card { updated_at: Timestamp::from_millis(updated), json: format!("[{updated}]") };
    let project = project.map(ProjectId::from_bits);
    Batch { card: Some(card), project, ..batch(records) }
}

/// Commits one record, which must succeed; returns the new head.
pub async fn append(
    journal: &dyn Journal,
    space: &Space,
    after: Option<Position>,
    body: &str,
) -> Position {
    let batch = batch(vec![record(after.map_or(1, |p| p.version + 1), 4, body)]);
    let commit = journal.commit(space, after, &batch).await.unwrap();
    assert!(matches!(commit, Commit::Done), "{commit:?}");
    batch.end().unwrap()
}

/// The first thousand records of a space.
pub fn all() -> ReadRange {
    ReadRange {
        stream: None,
        after: 0,
        upto: Version::MAX,
        direction: Direction::Forward,
        limit: 1000,
    }
}

/// The first page of a list of threads.
pub fn query(order: ListOrder, project: Option<u128>, limit: usize) -> ListQuery {
    ListQuery {
        tenant: TenantId::new("t").unwrap(),
        kind: SpaceKind::Thread,
        project: project.map(ProjectId::from_bits),
        order,
        after: None,
        limit,
    }
}

/// All rows of a list, page by page.
pub async fn pages(journal: &dyn Journal, mut query: ListQuery) -> Vec<u128> {
    let mut all = Vec::new();
    loop {
        let rows = journal.list(&query).await.unwrap();
        let Some(last) = rows.last() else { return all };
        let updated = last.head.card.as_ref().map_or(Timestamp::default(), |c| c.updated_at);
        query.after = Some((updated, last.space.bits()));
        all.extend(rows.iter().map(|row| row.space.bits()));
    }
}

/// Polls a future to its end on this thread, outside any runtime.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::park();
    }
}

/// The kind of the error that a call must return.
pub fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// A writer that is behind gets the records it missed.
pub async fn a_stale_writer_gets_what_it_missed(journal: &dyn Journal) {
    let one = append(journal, &space(1), None, "a").await;
    let two = append(journal, &space(1), Some(one), "b").await;
    let late = batch(vec![record(2, 4, "late")]);
    match journal.commit(&space(1), Some(one), &late).await.unwrap() {
        Commit::HeadMoved { head: Some(head), since, .. } => {
            assert_eq!(head.position, two);
            assert_eq!(since, vec![record(2, 4, "b")]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(journal.read(&space(1), &all()).await.unwrap().len(), 2);
}

/// A read of a stream or of all is cut by range and limit, from either end.
pub async fn ranges_of_streams_from_either_end(journal: &dyn Journal) {
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
}

/// A list has each space that is not dropped once, in both orders, of all projects or of one.
pub async fn lists_page_in_both_orders(journal: &dyn Journal) {
    for bits in 0..10_u128 {
        let first = carded(vec![record(1, 3, "x")], bits as u64 % 3, Some(bits % 2));
        let commit = journal.commit(&space(bits), None, &first).await.unwrap();
        assert!(matches!(commit, Commit::Done));
    }
    let head = journal.head(&space(4)).await.unwrap().unwrap().position;
    let newer = carded(vec![record(2, 3, "x")], 9, None);
    assert!(matches!(journal.commit(&space(4), Some(head), &newer).await.unwrap(), Commit::Done));
    assert!(matches!(journal.drop_space(&space(5), None).await.unwrap(), Commit::HeadMoved { .. }));
    let head = journal.head(&space(5)).await.unwrap().unwrap().position;
    assert!(matches!(journal.drop_space(&space(5), Some(head)).await.unwrap(), Commit::Done));
    let by_id = pages(journal, query(ListOrder::Id, None, 3)).await;
    assert_eq!(by_id, [0, 1, 2, 3, 4, 6, 7, 8, 9]);
    let by_updated = pages(journal, query(ListOrder::Updated, None, 2)).await;
    assert_eq!(by_updated, [4, 8, 2, 7, 1, 9, 6, 3, 0]);
    let of_one = pages(journal, query(ListOrder::Updated, Some(1), 2)).await;
    assert_eq!(of_one, [7, 1, 9, 3]);
}

/// A dropped space refuses commits and keeps no blob.
pub async fn a_dropped_space_stays_dropped(journal: &dyn Journal) {
    assert!(matches!(journal.drop_space(&space(1), None).await.unwrap(), Commit::Done));
    let late = journal.commit(&space(1), None, &batch(vec![record(1, 4, "x")])).await.unwrap();
    assert!(matches!(late, Commit::HeadMoved { head: None, .. }));
    let name = journal.put_blob(&space(1), b"x").await.unwrap();
    assert_eq!(kind(journal.get_blob(&space(1), &name, None).await), ErrorKind::NotFound);
}
