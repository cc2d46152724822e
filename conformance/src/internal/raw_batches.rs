//! Batches made by hand, for clauses that judge a journal without a store above it.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    Error, Timestamp,
    hash::Hash,
    id::{Space, SpaceKind, TenantId, Version},
    journal::{
        Batch, Card, Commit, Direction, Head, Journal, Position, ReadRange, Record, RecordBody,
        Stream,
    },
};

/// A thread's space of tenant `acme`, the `n`-th.
pub fn space(n: u128) -> Space {
    space_of("acme", n)
}

/// A thread's space of a tenant.
pub fn space_of(tenant: &str, n: u128) -> Space {
    Space::new(TenantId::new(tenant).expect("a valid tenant"), SpaceKind::Thread, n)
}

/// A record after a position, with the sum and link that belong to it.
pub fn record(after: Option<Position>, stream: Stream, header: &str, body: RecordBody) -> Record {
    let (version, before) = after.map_or((0, Hash::ZERO), |p| (p.version, p.hash));
    let link = Hash::of(&[before.bytes(), header.as_bytes()]);
    let (version, kind, header) = (version + 1, "test".into(), header.into());
    let record = Record { version, stream, kind, header, sum: 0, link, salt: [7; 16], body };
    Record { sum: record.fitting_sum(), ..record }
}

/// A batch of these records, which may wait two seconds.
pub fn of_records(records: Vec<Record>) -> Batch {
    Batch { records, card: None, project: None, patience: Duration::from_secs(2) }
}

/// A batch of `n` small records after a position; `tag` is in each header, with the place in the batch and `n`.
pub fn batch(after: Option<Position>, n: usize, tag: &str) -> Batch {
    let mut at = after;
    let mut records = Vec::with_capacity(n);
    for i in 0..n {
        let head = serde_json::json!({ "tag": tag, "i": i, "of": n }).to_string();
        let body = RecordBody::Inline(format!("{{\"of\":{tag:?}}}").into());
        let record = record(at, Stream(i as u64 % 3), &head, body);
        at = Some(position(&record));
        records.push(record);
    }
    of_records(records)
}

/// A card with this time.
pub fn card(millis: u64, json: impl Into<String>) -> Card {
    Card { updated_at: Timestamp::from_millis(millis), json: json.into() }
}

/// Where a journal ends after a record.
pub fn position(record: &Record) -> Position {
    Position { version: record.version, hash: record.link }
}

/// The tag of a record made by [`batch`].
pub fn tag(record: &Record) -> String {
    let head: serde_json::Value =
        serde_json::from_str(&record.header).expect("a head of the suite");
    head["tag"].as_str().expect("a tag").to_owned()
}

/// The position of a head.
pub fn at(head: &Option<Head>) -> Option<Position> {
    head.as_ref().map(|head| head.position)
}

/// Asserts that a commit was done.
#[track_caller]
pub fn done(commit: sessile_core::Result<Commit>) {
    assert!(matches!(commit, Ok(Commit::Done)), "should be done, but was {commit:?}");
}

/// Commits `n` small records after `after` and asserts that it was done; the new position.
pub async fn append(
    journal: &dyn Journal,
    space: &Space,
    after: Option<Position>,
    n: usize,
    tag: &str,
) -> Option<Position> {
    let batch = batch(after, n, tag);
    done(journal.commit(space, after, &batch).await);
    batch.end()
}

/// Appends `n` small records wherever the head is, trying again when it moved; the position reached. Fails on any
/// answer that leaves the outcome open.
pub async fn append_anywhere(
    journal: &dyn Journal,
    space: &Space,
    n: usize,
    tag: &str,
) -> Option<Position> {
    let mut expected = at(&journal.head(space).await.expect("a head"));
    let mut place = None;
    for _ in 0..10_000 {
        let batch = batch(expected, n, tag);
        let answer = journal.commit(space, expected, &batch).await;
        drop(place.take());
        match answer {
            Ok(Commit::Done) => return batch.end(),
            Ok(Commit::HeadMoved { head, reservation, .. }) => {
                place = reservation;
                expected = at(&head);
            }
            Err(Error::Contended { .. }) => {
                expected = at(&journal.head(space).await.expect("a head"));
            }
            other => panic!("an append that may be tried again, but: {other:?}"),
        }
    }
    panic!("no append in 10,000 tries");
}

/// Everything after a version and up to another, page by page.
pub async fn read_from(
    journal: &dyn Journal,
    space: &Space,
    mut after: Version,
    upto: Version,
) -> Vec<Record> {
    let mut all = Vec::new();
    loop {
        let page = journal.read(space, &range(after, upto)).await.expect("a readable range");
        let Some(last) = page.last() else { return all };
        after = last.version;
        all.extend(page);
    }
}

/// Everything in a space.
pub async fn read_all(journal: &dyn Journal, space: &Space) -> Vec<Record> {
    read_from(journal, space, 0, Version::MAX).await
}

/// All streams, forward, up to 500 records.
pub const fn range(after: Version, upto: Version) -> ReadRange {
    ReadRange { stream: None, after, upto, direction: Direction::Forward, limit: 500 }
}

/// Asserts that records are versions 1, 2, 3 ... and an unbroken chain; the position where it ends.
#[track_caller]
pub fn chained(records: &[Record]) -> Option<Position> {
    let mut at: Option<Position> = None;
    for found in records {
        let right = record(at, found.stream, &found.header, found.body.clone());
        assert_eq!(found.version, right.version, "versions are 1, 2, 3 ...");
        // The lower half is of the body, and outlives it.
        let erased = if found.body == RecordBody::None { 32 } else { 0 };
        let sums = (found.sum >> erased, found.fitting_sum() >> erased);
        assert_eq!(sums.0, sums.1, "version {} is as written", found.version);
        assert_eq!(found.link, right.link, "version {} follows the one before", found.version);
        at = Some(position(found));
    }
    at
}

/// Asserts that records are whole batches of [`batch`]; the tags in their order.
#[track_caller]
pub fn whole_batches(records: &[Record]) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = records;
    while let Some(first) = rest.first() {
        let head: serde_json::Value = serde_json::from_str(&first.header).expect("a head");
        let of = head["of"].as_u64().expect("a size") as usize;
        let name = tag(first);
        assert!(rest.len() >= of, "batch {name} of {of} is cut after {}", rest.len());
        let (batch, after) = rest.split_at(of);
        for (i, record) in batch.iter().enumerate() {
            let head: serde_json::Value = serde_json::from_str(&record.header).expect("a head");
            assert_eq!((tag(record), head["i"].as_u64()), (name.clone(), Some(i as u64)));
        }
        tags.push(name);
        rest = after;
    }
    tags
}

/// The whole content of a space: head and records, for comparing before and after.
pub async fn content(journal: &dyn Journal, space: &Space) -> (Option<Head>, Vec<Record>) {
    (journal.head(space).await.expect("a head"), read_all(journal, space).await)
}

/// Several handles to one store.
pub async fn handles(cx: &crate::internal::ClauseContext, n: usize) -> Vec<Arc<dyn Journal>> {
    let mut handles = Vec::with_capacity(n);
    for _ in 0..n {
        handles.push(cx.journal().await);
    }
    handles
}
