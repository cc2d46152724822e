//! J4, J5, J8: what a read promises.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sessile_core::{
    ErrorKind,
    hash::Hash,
    id::{Space, Version},
    journal::{
        Batch, Card, Direction, Journal, ListOrder, ListQuery, Position, ReadRange, Record,
        RecordBody, Stream,
    },
};

use crate::{
    clause::Verdict,
    internal::{ClauseContext, assertions::refused, hostile, raw_batches},
};

crate::clauses! { J4: Journal => j4, J5: Journal => j5, J8: Journal => j8 }
crate::internal::child_programs! { "j4_look" => look }

/// A read that starts after an acknowledgement sees it, through any handle, in any process.
pub async fn j4(cx: ClauseContext) -> Verdict {
    let space = raw_batches::space(1);
    let journals = raw_batches::handles(&cx, 3).await;
    let mut at = None;
    for i in 0..cx.times(18) {
        let mut batch = raw_batches::batch(at, 1 + i % 3, &format!("b{i}"));
        batch.card = Some(raw_batches::card(i as u64, format!("{{\"i\":{i}}}")));
        raw_batches::done(journals[i % 3].commit(&space, at, &batch).await);
        at = batch.end();
        for journal in &journals {
            sees(&**journal, &space, &batch).await;
        }
    }
    for i in 0..2 {
        let position = at.expect("a head");
        let args = serde_json::json!({ "version": position.version, "hash": position.hash });
        for end in cx.processes("j4_look", 1, &args).await {
            at = serde_json::from_str(&end).expect("a position");
        }
        for journal in &journals {
            let head = journal.head(&space).await.expect("a head");
            assert_eq!(raw_batches::at(&head), at, "what another process committed is seen");
        }
        at = raw_batches::append(&*journals[i], &space, at, 1, "mine").await;
    }
    let late = cx.journal().await;
    assert_eq!(raw_batches::at(&late.head(&space).await.expect("a head")), at);
    waits(&*journals[0], &journals[1], &space, at).await;
    Verdict::Passed
}

async fn sees(journal: &dyn Journal, space: &Space, batch: &Batch) {
    let head = journal.head(space).await.expect("a head").expect("a committed space");
    assert_eq!((Some(head.position), &head.card), (batch.end(), &batch.card), "head and card");
    let first = batch.records[0].version;
    let read = raw_batches::read_from(journal, space, first - 1, Version::MAX).await;
    assert_eq!(read, batch.records, "the records can be read at once");
    let query = ListQuery {
        tenant: space.tenant().clone(),
        kind: space.kind(),
        project: None,
        order: ListOrder::Id,
        after: None,
        limit: 10,
    };
    let rows = journal.list(&query).await.expect("a list");
    assert_eq!(rows.iter().map(|row| &row.head).collect::<Vec<_>>(), [&head], "the list knows");
}

/// Checks that it sees the head it is told of, and appends after it.
async fn look(cx: ClauseContext, _index: usize, args: serde_json::Value) -> String {
    let expected: Option<Position> = serde_json::from_value(args).expect("a position");
    let journal = cx.journal().await;
    let space = raw_batches::space(1);
    assert_eq!(raw_batches::at(&journal.head(&space).await.expect("a head")), expected);
    let last = raw_batches::read_from(&*journal, &space, 0, Version::MAX).await;
    assert_eq!(last.last().map(raw_batches::position), expected);
    let end = raw_batches::append(&*journal, &space, expected, 1, "other").await;
    serde_json::to_string(&end).expect("a position")
}

/// `wait` ends by its time, at once if the head is past, and soon when it moves.
async fn waits(
    journal: &dyn Journal,
    other: &Arc<dyn Journal>,
    space: &Space,
    at: Option<Position>,
) {
    let version = at.map_or(0, |p| p.version);
    let start = tokio::time::Instant::now();
    let past = journal.wait(space, version - 1, Duration::from_secs(20)).await;
    assert!(past.expect("a wait"), "the head is past already");
    journal.wait(space, version, Duration::from_millis(60)).await.expect("a wait");
    let (writer, place) = (Arc::clone(other), space.clone());
    let writing = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(60)).await;
        raw_batches::append(&*writer, &place, at, 1, "wake").await
    });
    while journal.head(space).await.expect("a head").map(|h| h.position) == at {
        journal.wait(space, version, Duration::from_secs(20)).await.expect("a wait");
    }
    writing.await.expect("a commit");
    assert!(start.elapsed() < Duration::from_secs(5), "a waiter is woken by a commit");
}

/// One read is one prefix, while others write.
pub async fn j5(cx: ClauseContext) -> Verdict {
    let space = raw_batches::space(1);
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for journal in raw_batches::handles(&cx, 3).await {
        let (space, over) = (space.clone(), Arc::clone(&over));
        readers.push(tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                prefix(&*journal, &space).await;
                tokio::task::yield_now().await;
            }
        }));
    }
    let journal = cx.journal().await;
    let mut at = None;
    for i in 0..cx.times(40) {
        at = raw_batches::append(&*journal, &space, at, 1 + i % 5, &format!("b{i}")).await;
        tokio::task::yield_now().await;
    }
    over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.expect("a reader saw prefixes only");
    }
    Verdict::Passed
}

async fn prefix(journal: &dyn Journal, space: &Space) {
    let read = async |range: ReadRange| {
        let range = ReadRange { limit: 100_000, ..range };
        journal.read(space, &range).await.expect("a range")
    };
    let forward = read(raw_batches::range(0, Version::MAX)).await;
    raw_batches::chained(&forward);
    let end = forward.last().map_or(0, |r| r.version);
    let backward =
        ReadRange { direction: Direction::Backward, ..raw_batches::range(0, Version::MAX) };
    let mut newest = read(backward).await;
    newest.reverse();
    raw_batches::chained(&newest);
    assert!(newest.starts_with(&forward), "a later read continues an earlier one");
    for stream in 0..3 {
        let one = ReadRange { stream: Some(Stream(stream)), ..raw_batches::range(0, end) };
        let want: Vec<_> = forward.iter().filter(|r| r.stream.0 == stream).cloned().collect();
        assert_eq!(read(one).await, want, "a bounded read of a stream is that of its prefix");
    }
    assert_eq!(read(raw_batches::range(0, end)).await, forward, "a bounded read stays what it was");
}

/// Bytes come back equal up to the limits, and above them nothing is touched.
pub async fn j8(cx: ClauseContext) -> Verdict {
    contents(&cx).await;
    limits(&cx).await;
    bounded(&cx).await;
    Verdict::Passed
}

async fn contents(cx: &ClauseContext) {
    let space = raw_batches::space(1);
    let journal = cx.journal().await;
    let name = journal.put_blob(&space, b"a body").await.expect("a blob");
    let streams = [0, 1, 4 * 5 + 2, u64::MAX >> 1, u64::MAX];
    let mut records: Vec<Record> = Vec::new();
    for (i, text) in hostile::contents().into_iter().enumerate() {
        let body = match i % 4 {
            0 => RecordBody::None,
            1 => RecordBody::Blob(name.clone()),
            _ => RecordBody::Inline(text.as_str().into()),
        };
        let at = records.last().map(raw_batches::position);
        let mut record = raw_batches::record(at, Stream(streams[i % 5]), &text, body);
        record.sum = record.sum.rotate_left(i as u32) | (u64::from(i % 3 == 0) << 63);
        record.salt = [i as u8; 16];
        records.push(record);
    }
    for body in [String::new(), "\0".into(), "x".repeat(1 << 16), "\u{1f600}".repeat(1 << 15)] {
        let at = records.last().map(raw_batches::position);
        let mut record = raw_batches::record(at, Stream(3), "{}", RecordBody::Inline(body.into()));
        (record.sum, record.link) = (u64::MAX, Hash::from_bytes([0xff; 32]));
        record.kind = "a kind \u{e9}".into();
        records.push(record);
    }
    let mut batch = raw_batches::of_records(records);
    batch.card = Some(raw_batches::card(u64::MAX, "\0 '\"\u{10ffff}".to_owned()));
    raw_batches::done(journal.commit(&space, None, &batch).await);
    for journal in [journal, cx.journal().await] {
        let (head, all) = raw_batches::content(&*journal, &space).await;
        assert_eq!(all.len(), batch.records.len());
        for (got, want) in all.iter().zip(&batch.records) {
            assert_eq!(got, want, "version {} comes back equal", want.version);
        }
        let head = head.expect("a head");
        assert_eq!((Some(head.position), head.card), (batch.end(), batch.card.clone()));
    }
    let empty = raw_batches::card(0, String::new());
    let mut next = raw_batches::batch(batch.end(), 1, "next");
    next.card = Some(empty.clone());
    let journal = cx.journal().await;
    raw_batches::done(journal.commit(&space, batch.end(), &next).await);
    assert_eq!(journal.head(&space).await.expect("a head").and_then(|h| h.card), Some(empty));
}

async fn limits(cx: &ClauseContext) {
    let limits = cx.info().limits;
    let journal = cx.journal().await;
    let space = raw_batches::space(2);
    let plain = |at, weight: usize| {
        let record = raw_batches::record(at, Stream(0), "{}", RecordBody::None);
        let body = "x".repeat(weight.saturating_sub(record.weight()));
        Record { body: RecordBody::Inline(body.into()), ..record }
    };
    let filled = |at, n: usize, weight: usize| {
        let mut batch = raw_batches::of_records(Vec::new());
        let mut last = at;
        for i in 0..n {
            let share = weight / n + usize::from(i < weight % n);
            let record = plain(last, share);
            last = Some(raw_batches::position(&record));
            batch.records.push(record);
        }
        batch
    };
    let with_card = |at, bytes: usize| Batch {
        card: Some(Card { json: "c".repeat(bytes), ..raw_batches::card(1, "") }),
        ..raw_batches::batch(at, 1, "card")
    };
    let mut at = None;
    for (name, fits, above) in [
        (
            "records",
            filled(at, limits.batch_records, 4096),
            filled(at, limits.batch_records + 1, 0),
        ),
        ("bytes", filled(at, 3, limits.batch_bytes), filled(at, 3, limits.batch_bytes + 1)),
        ("bytes of one", filled(at, 1, limits.batch_bytes), filled(at, 1, limits.batch_bytes + 1)),
        ("card", with_card(at, limits.card_bytes), with_card(at, limits.card_bytes + 1)),
    ] {
        let before = journal.head(&space).await.expect("a head");
        let above = rebase(at, above);
        refused(journal.commit(&space, at, &above).await, ErrorKind::Capacity);
        assert_eq!(journal.head(&space).await.expect("a head"), before, "{name}: untouched");
        let fits = rebase(at, fits);
        raw_batches::done(journal.commit(&space, at, &fits).await);
        let from = at.map_or(0, |p| p.version);
        let read = raw_batches::read_from(&*journal, &space, from, Version::MAX).await;
        assert!(read == fits.records, "{name}: a batch exactly at the limit comes back equal");
        assert_eq!(raw_batches::at(&journal.head(&space).await.expect("a head")), fits.end());
        at = fits.end();
    }
    let over = usize::try_from(limits.blob_bytes).ok().and_then(|n| n.checked_add(1));
    if let Some(over) = over.filter(|over| *over <= 1 << 30) {
        refused(journal.put_blob(&space, &vec![0; over]).await, ErrorKind::Capacity);
    }
}

/// One read answers about as much as a batch may have, whatever it is asked for, and something where something is.
async fn bounded(cx: &ClauseContext) {
    let most = cx.info().limits.batch_bytes;
    let (journal, space) = (cx.journal().await, raw_batches::space(3));
    let mut at = None;
    for _ in 0..2 {
        let mut batch = raw_batches::of_records(Vec::new());
        for i in 0..8 {
            let body = RecordBody::Inline("x".repeat(most / 8 - 1024).into());
            let record = raw_batches::record(at, Stream(i % 2), "{}", body);
            at = Some(raw_batches::position(&record));
            batch.records.push(record);
        }
        let before = batch.records.first().map_or(0, |record| record.version - 1);
        let expected = raw_batches::at(&journal.head(&space).await.expect("a head"));
        assert_eq!(expected.map_or(0, |position| position.version), before);
        raw_batches::done(journal.commit(&space, expected, &batch).await);
    }
    for direction in [Direction::Forward, Direction::Backward] {
        let range = ReadRange { direction, ..raw_batches::range(0, Version::MAX) };
        let page = journal.read(&space, &range).await.expect("a page");
        let weight: usize = page.iter().map(Record::weight).sum();
        assert!(!page.is_empty(), "an empty answer means the end");
        assert!(
            weight <= most + most / 4,
            "one read has {weight} bytes; a batch has {most} at most"
        );
    }
    assert_eq!(raw_batches::read_all(&*journal, &space).await.len(), 16, "pages join");
}

/// The same records after another position.
fn rebase(mut at: Option<Position>, mut batch: Batch) -> Batch {
    for record in &mut batch.records {
        let placed = raw_batches::record(at, record.stream, &record.header, record.body.clone());
        *record = placed;
        at = Some(raw_batches::position(record));
    }
    batch
}
