//! What the unit tests of the journals share.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    clock::Timestamp,
    id::{ProjectId, Space, SpaceKind, TenantId, Version},
    journal::{
        Batch, Card, Commit, Direction, Journal, ListOrder, ListQuery, Position, ReadRange, Record,
        RecordBody, Stream,
    },
    record::Hash,
};

pub(crate) fn space(bits: u128) -> Space {
    Space::new(TenantId::new("t").unwrap(), SpaceKind::Thread, bits)
}

pub(crate) fn record(version: Version, stream: u64, body: &str) -> Record {
    let head = format!("{{\"v\":{version},\"s\":{stream},\"r\":1}}");
    Record {
        version,
        stream: Stream(stream),
        kind: "entry".into(),
        sum: Hash::of(&[head.as_bytes()]).prefix_64(),
        link: Hash::of(&[head.as_bytes(), body.as_bytes()]),
        head: head.into(),
        salt: [7; 16],
        body: RecordBody::Inline(body.into()),
    }
}

pub(crate) fn batch(records: Vec<Record>) -> Batch {
    Batch { records, card: None, project: None, patience: Duration::from_secs(5) }
}

pub(crate) fn carded(records: Vec<Record>, updated: u64, project: Option<u128>) -> Batch {
    let card = Card { updated_at: Timestamp::from_millis(updated), json: format!("[{updated}]") };
    let project = project.map(ProjectId::from_bits);
    Batch { card: Some(card), project, ..batch(records) }
}

/// Commits one record that must land; answers the new position.
pub(crate) async fn append(
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

pub(crate) fn all() -> ReadRange {
    ReadRange {
        stream: None,
        after: 0,
        upto: Version::MAX,
        direction: Direction::Forward,
        limit: 1000,
    }
}

pub(crate) fn query(order: ListOrder, project: Option<u128>, limit: usize) -> ListQuery {
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
pub(crate) async fn pages(journal: &dyn Journal, mut query: ListQuery) -> Vec<u128> {
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
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
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
