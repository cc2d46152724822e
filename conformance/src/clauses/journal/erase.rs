//! J13, J19: what is erased and collected, and what must not be.

use std::{collections::HashSet, sync::Arc, time::Duration};

use sessile_core::{
    Error, ErrorKind,
    id::{Space, Version},
    journal::{
        BlobName, Commit, Direction, Journal, Position, ReadRange, Record, RecordBody, Scrub,
        Snapshot, Stream,
    },
};

use crate::{
    clause::Verdict,
    internal::{ClauseContext, assertions::refused, raw_batches},
};

crate::clauses! { J13: Journal => j13, J19: Journal => j19 }

/// Is in every body that will be erased, and nowhere else; another one for each store, because one medium may have several.
fn secret(cx: &ClauseContext) -> String {
    format!("a-secret-that-has-to-go-from-{}", name(cx))
}

/// Is in bodies that stay.
fn open_words(cx: &ClauseContext) -> String {
    format!("words-that-stay-in-{}", name(cx))
}

fn name(cx: &ClauseContext) -> std::borrow::Cow<'_, str> {
    cx.dir().path().file_name().expect("a directory of its own").to_string_lossy()
}

/// A body that is gone although no record says that it was erased is damage, of whatever kind its record is.
async fn unexplained(cx: &ClauseContext) {
    let (store, caller, journal) = (cx.store().await, cx.caller(), cx.journal().await);
    for version in [1, 2] {
        let session = cx.session(&store, &caller).await;
        let space = session.thread().space(&caller.tenant);
        journal.erase(&space, &[version]).await.expect("records that exist can be erased");
        let fresh = cx.store().await;
        let answer = fresh.as_caller(&caller).session(session).await;
        match refused(answer, ErrorKind::Corrupt) {
            Error::Corrupt { space: at, version: told, .. } => {
                assert_eq!((at, told), (space, version))
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A record of a stream whose body, inline or a blob, has these words.
async fn say(
    journal: &dyn Journal,
    space: &Space,
    after: Option<Position>,
    words: &str,
    is_blob: bool,
) -> Record {
    let text = format!("{{\"words\":{words:?}}}");
    let body = if is_blob {
        let text = text.repeat(4000);
        RecordBody::Blob(journal.put_blob(space, text.as_bytes()).await.expect("a blob"))
    } else {
        RecordBody::Inline(text.into())
    };
    let version = after.map_or(0, |p| p.version) + 1;
    let record =
        raw_batches::record(after, Stream(version % 2), &format!("{{\"n\":{version}}}"), body);
    raw_batches::done(
        journal.commit(space, after, &raw_batches::of_records(vec![record.clone()])).await,
    );
    record
}

/// Erased means gone for every reader, and after a scrub from the medium.
pub async fn j13(cx: ClauseContext) -> Verdict {
    let (journal, reader) = (cx.journal().await, cx.journal().await);
    let (secret, stays) = (secret(&cx), open_words(&cx));
    let space = raw_batches::space(1);
    let mut at = None;
    let mut records = Vec::new();
    for version in 1..=10 {
        let words = if version % 2 == 0 { &secret } else { &stays };
        let record = say(&*journal, &space, at, words, version % 3 == 0).await;
        at = Some(raw_batches::position(&record));
        records.push(record);
    }
    let end = at.expect("ten records");
    unexplained(&cx).await;
    let image = format!("{secret} in a snapshot");
    let snapshot = Snapshot { position: end, bytes: image.into_bytes() };
    journal.save_snapshot(&space, &snapshot).await.expect("a snapshot is kept or lost");
    assert_eq!(
        raw_batches::read_all(&*reader, &space).await,
        records,
        "read before, and maybe cached"
    );

    let versions: Vec<Version> = (2..=10).step_by(2).collect();
    journal.erase(&space, &versions).await.expect("records that exist can be erased");
    let erased: Vec<Record> = records
        .iter()
        .map(|record| match versions.contains(&record.version) {
            true => Record { salt: [0; 16], body: RecordBody::None, ..record.clone() },
            false => record.clone(),
        })
        .collect();
    for handle in [&journal, &reader] {
        gone(&**handle, &space, &records, &erased, &secret).await;
    }

    journal.erase(&space, &versions).await.expect("erasing again changes nothing");
    journal.erase(&space, &[0, 11, Version::MAX]).await.expect("no record, nothing to erase");
    journal.erase(&raw_batches::space(77), &[1]).await.expect("no space, nothing to erase");
    assert_eq!(
        raw_batches::at(&journal.head(&raw_batches::space(77)).await.expect("a head")),
        None
    );

    let (more, dropped) =
        (raw_batches::append(&*reader, &space, Some(end), 3, "later").await, raw_batches::space(2));
    let gone_at = raw_batches::position(&say(&*journal, &dropped, None, &secret, false).await);
    let gone_at =
        raw_batches::position(&say(&*journal, &dropped, Some(gone_at), &secret, true).await);
    raw_batches::done(journal.drop_space(&dropped, Some(gone_at)).await);
    let mut unseen = None;
    match journal.scrub().await {
        Ok(Scrub::Done) => {
            let seen = cx.gone_from_medium(secret.as_bytes(), stays.as_bytes()).await;
            unseen = seen.err();
        }
        Ok(Scrub::Pending { why }) => cx.note(format!("scrub is pending: {why}")),
        Ok(other) => panic!("no answer this suite knows: {other:?}"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            cx.note(format!("no scrub: {error}"));
        }
    }
    cx.close_all().await;
    let journal = cx.journal().await;
    let all = raw_batches::read_all(&*journal, &space).await;
    assert_eq!(raw_batches::chained(&all), more, "the chain goes on over what was erased");
    assert_eq!(all[..10], erased, "also after it is opened again");
    gone(&*journal, &space, &records, &erased, &secret).await;
    racing(&cx).await;
    crate::clauses::threads::purge::erased_entries(&cx).await;
    match unseen {
        Some(why) if cx.durable() => Verdict::NotJudged(why),
        // What ends with the process is on no medium.
        _ => Verdict::Passed,
    }
}

/// No way to read has the payload; everything else is as it was.
async fn gone(
    journal: &dyn Journal,
    space: &Space,
    before: &[Record],
    after: &[Record],
    secret: &str,
) {
    let all: Vec<_> = raw_batches::read_all(journal, space)
        .await
        .into_iter()
        .filter(|r| r.version <= 10)
        .collect();
    assert_eq!(all, after, "only body and salt are gone");
    for direction in [Direction::Forward, Direction::Backward] {
        for stream in [None, Some(Stream(0)), Some(Stream(1))] {
            let range = ReadRange { stream, after: 1, upto: 10, direction, limit: 3 };
            for record in journal.read(space, &range).await.expect("a page") {
                assert_eq!(Some(&record), after.get(record.version as usize - 1));
            }
        }
    }
    for (before, after) in before.iter().zip(after) {
        let RecordBody::Blob(name) = &before.body else { continue };
        let blob = journal.get_blob(space, name, None).await;
        if after.body == RecordBody::None {
            refused(blob, ErrorKind::NotFound);
        } else {
            assert!(!blob.expect("a blob that is named").is_empty());
        }
    }
    if let Some(snapshot) = journal.load_snapshot(space).await.expect("a snapshot or none") {
        assert!(!String::from_utf8_lossy(&snapshot.bytes).contains(secret), "a snapshot keeps it");
    }
    let stale = raw_batches::batch(None, 1, "stale");
    let answer = journal.commit(space, None, &stale).await.expect("an answer about the head");
    if let Commit::HeadMoved { since, .. } = &answer {
        for record in since.iter().filter(|record| record.version <= 10) {
            assert_eq!(
                Some(record),
                after.get(record.version as usize - 1),
                "a stale writer reads it"
            );
        }
    }
}

/// Erasing while others write loses none of their writes.
async fn racing(cx: &ClauseContext) {
    let (writer, eraser) = (cx.journal().await, cx.journal().await);
    let space = raw_batches::space(3);
    raw_batches::append(&*writer, &space, None, 8, "first").await;
    let writing = tokio::spawn({
        let (writer, space) = (Arc::clone(&writer), space.clone());
        async move {
            for i in 0..8 {
                raw_batches::append_anywhere(&*writer, &space, 2, &format!("w{i}")).await;
            }
        }
    });
    for version in 1..=8 {
        match eraser.erase(&space, &[version]).await {
            Ok(()) => {}
            Err(error) if error.is_retryable() => {
                eraser.erase(&space, &[version]).await.expect("at the second attempt");
            }
            Err(error) => panic!("an erasure that may be tried again, but: {error}"),
        }
    }
    writing.await.expect("the writer ends");
    let all = raw_batches::read_all(&*writer, &space).await;
    assert_eq!(all.len(), 24, "everything that was written is there");
    raw_batches::chained(&all);
    for record in all {
        assert_eq!(record.body == RecordBody::None, record.version <= 8, "{record:?}");
    }
}

/// A blob that a record names, or may name, stays; others are collected.
pub async fn j19(cx: ClauseContext) -> Verdict {
    let journal = cx.journal().await;
    let space = raw_batches::space(1);
    let first = say(&*journal, &space, None, "kept", true).await;
    let RecordBody::Blob(named) = &first.body else { unreachable!("a blob was asked for") };
    let abandoned = journal.put_blob(&space, b"abandoned").await.expect("a blob");
    let refused_too = journal.put_blob(&space, b"of a refused write").await.expect("a blob");
    let mut stale = raw_batches::batch(None, 1, "stale");
    stale.records[0].body = RecordBody::Blob(refused_too.clone());
    let answer = journal.commit(&space, None, &stale).await.expect("an answer about the head");
    assert!(matches!(answer, Commit::HeadMoved { .. }), "{answer:?}");
    let elsewhere = raw_batches::space(2);
    let other = say(&*journal, &elsewhere, None, "another space", true).await;

    let in_use = HashSet::from([named.clone()]);
    let day = Duration::from_secs(24 * 60 * 60);
    assert_eq!(journal.collect_blobs(&space, &in_use, day).await.expect("a count"), 0, "too young");
    for name in [named, &abandoned, &refused_too] {
        assert!(has(&*journal, &space, name).await, "what is young may be named yet");
    }
    let count = journal.collect_blobs(&space, &in_use, Duration::ZERO).await.expect("a count");
    assert_eq!(count, 2, "what no record names");
    assert!(has(&*journal, &space, named).await, "what a record names");
    for name in [&abandoned, &refused_too] {
        assert!(!has(&*journal, &space, name).await, "collected");
    }
    let RecordBody::Blob(other) = &other.body else { unreachable!("a blob was asked for") };
    assert!(has(&*journal, &elsewhere, other).await, "another space is another matter");
    let none = HashSet::new();
    assert_eq!(
        journal.collect_blobs(&raw_batches::space(9), &none, day).await.expect("a count"),
        0
    );

    let end = raw_batches::position(&first);
    raw_batches::done(journal.drop_space(&space, Some(end)).await);
    let late = journal.put_blob(&space, b"late").await;
    journal.collect_blobs(&space, &none, Duration::ZERO).await.expect("a count");
    if let Ok(late) = late {
        assert!(!has(&*journal, &space, &late).await, "no record can name it");
    }
    super::in_doubt::large_append(&cx).await;
    Verdict::Passed
}

async fn has(journal: &dyn Journal, space: &Space, name: &BlobName) -> bool {
    match journal.get_blob(space, name, None).await {
        Ok(_) => true,
        Err(Error::NotFound { .. }) => false,
        Err(error) => panic!("there or not, but: {error}"),
    }
}
