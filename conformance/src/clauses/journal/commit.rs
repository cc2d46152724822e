//! J1, J2, J3, J7: what a commit promises.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sessile_core::{
    ErrorKind, Result,
    hash::Hash,
    id::{Space, Version},
    journal::{Commit, Direction, Journal, Position, ReadRange, RecordBody, Stream},
};
use tokio::sync::Barrier;

use crate::{
    clause::Verdict,
    internal::{ClauseContext, assertions::refused, raw_batches},
};

crate::clauses! { J1: Journal => j1, J2: Journal => j2, J3: Journal => j3, J7: Journal => j7 }
crate::internal::child_programs! { "j2_append" => append }

const OF: usize = 7;

/// Readers see whole batches only, while batches land.
pub async fn j1(cx: ClauseContext) -> Verdict {
    let space = raw_batches::space(1);
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for journal in raw_batches::handles(&cx, 3).await {
        let (space, over) = (space.clone(), Arc::clone(&over));
        readers.push(tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                look(&*journal, &space).await;
                tokio::task::yield_now().await;
            }
        }));
    }
    let journal = cx.journal().await;
    let mut at = None;
    for i in 0..cx.times(40) {
        at = raw_batches::append(&*journal, &space, at, OF, &format!("b{i}")).await;
        tokio::task::yield_now().await;
    }
    over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.expect("a reader saw whole batches only");
    }
    let before = raw_batches::content(&*journal, &space).await;
    let mut torn = raw_batches::batch(at, 3, "torn");
    let much = "x".repeat(cx.info().limits.batch_bytes);
    torn.records[1].body = RecordBody::Inline(much.into());
    refused(journal.commit(&space, at, &torn).await, ErrorKind::Capacity);
    assert_eq!(
        before,
        raw_batches::content(&*journal, &space).await,
        "a refused batch leaves nothing"
    );
    Verdict::Passed
}

async fn look(journal: &dyn Journal, space: &Space) {
    let last = ReadRange {
        direction: Direction::Backward,
        limit: OF,
        ..raw_batches::range(0, Version::MAX)
    };
    let tail = journal.read(space, &last).await.expect("a readable tail");
    let mut tail: Vec<_> = tail.into_iter().collect();
    tail.reverse();
    assert!(raw_batches::whole_batches(&tail).len() <= 1, "the last {OF} records are one batch");
    let Some(head) = journal.head(space).await.expect("a head") else { return };
    let all = raw_batches::read_from(journal, space, 0, head.position.version).await;
    assert_eq!(raw_batches::chained(&all), Some(head.position), "all up to the head can be read");
    raw_batches::whole_batches(&all);
}

/// A batch lands on the head it expects and on no other.
pub async fn j2(cx: ClauseContext) -> Verdict {
    sequence(&cx).await;
    race(&cx).await;
    let space = raw_batches::space(3);
    let each = cx.times(8);
    cx.processes("j2_append", 3, &serde_json::json!({ "each": each })).await;
    let journal = cx.journal().await;
    let all = raw_batches::read_all(&*journal, &space).await;
    assert_eq!(
        raw_batches::chained(&all),
        raw_batches::at(&journal.head(&space).await.expect("a head"))
    );
    let tags = raw_batches::whole_batches(&all);
    for index in 0..3 {
        let mine: Vec<_> = tags.iter().filter(|t| t.starts_with(&format!("p{index}-"))).collect();
        let want: Vec<_> = (0..each).map(|i| format!("p{index}-{i}")).collect();
        assert_eq!(mine, want.iter().collect::<Vec<_>>(), "each append once, in order");
    }
    assert_eq!(tags.len(), 3 * each);
    Verdict::Passed
}

/// Appends small batches to the third space, wherever its head is.
async fn append(cx: ClauseContext, index: usize, args: serde_json::Value) -> String {
    let journal = cx.journal().await;
    for i in 0..args["each"].as_u64().expect("a count") {
        raw_batches::append_anywhere(
            &*journal,
            &raw_batches::space(3),
            2,
            &format!("p{index}-{i}"),
        )
        .await;
    }
    String::new()
}

async fn sequence(cx: &ClauseContext) {
    let journal = cx.journal().await;
    let space = raw_batches::space(1);
    let ghost = Position { version: 1, hash: Hash::of(&[b"nowhere"]) };
    let answer =
        journal.commit(&space, Some(ghost), &raw_batches::batch(Some(ghost), 1, "ghost")).await;
    assert!(
        matches!(answer, Ok(Commit::Diverged { head: None })),
        "what expects a head where there is none diverged, but: {answer:?}"
    );
    assert_eq!(raw_batches::content(&*journal, &space).await, (None, Vec::new()));

    let one = raw_batches::append(&*journal, &space, None, 2, "one").await;
    let two = raw_batches::append(&*journal, &space, one, 3, "two").await;
    let before = raw_batches::content(&*journal, &space).await;
    assert_eq!(raw_batches::at(&before.0), two, "the head is where the batch ended");
    let off = |p: Option<Position>, caller: u64| {
        p.map(|p| Position { version: p.version + caller, hash: Hash::of(&[b"other"]) })
    };
    for (name, expected, moved) in [
        ("nothing", None, true),
        ("an old head", one, true),
        ("the head's version with another hash", off(two, 0), false),
        ("a version not reached", off(two, 1), false),
        ("a version far off", off(two, 1 << 40), false),
    ] {
        let answer =
            journal.commit(&space, expected, &raw_batches::batch(expected, 2, "stale")).await;
        match answer {
            Ok(Commit::HeadMoved { head, since, .. }) if moved => {
                assert_eq!(head, before.0, "HeadMoved says where the head is");
                let after = expected.map_or(0, |p| p.version) as usize;
                assert!(
                    since.is_empty() || since == before.1[after..],
                    "the records since are all of them or none"
                );
            }
            Ok(Commit::Diverged { head }) if !moved => {
                assert_eq!(head, before.0, "Diverged says where the head is");
            }
            other => panic!("a commit that expected {name} was answered {other:?}"),
        }
        assert_eq!(before, raw_batches::content(&*journal, &space).await, "nothing was written");
    }
    raw_batches::append(&*journal, &space, two, 1, "three").await;
}

async fn race(cx: &ClauseContext) {
    const RACERS: usize = 4;
    let space = raw_batches::space(2);
    let journals = raw_batches::handles(cx, RACERS).await;
    let mut at = None;
    for round in 0..cx.times(12) {
        let start = Arc::new(Barrier::new(RACERS));
        let mut racers = Vec::new();
        for (i, journal) in journals.iter().cloned().enumerate() {
            let (space, start) = (space.clone(), Arc::clone(&start));
            racers.push(tokio::spawn(async move {
                let batch = raw_batches::batch(at, 2, &format!("r{round}-{i}"));
                start.wait().await;
                (batch.end(), journal.commit(&space, at, &batch).await)
            }));
        }
        let mut won = Vec::new();
        let mut lost = Vec::new();
        for racer in racers {
            match racer.await.expect("a racer ends") {
                (end, Ok(Commit::Done)) => won.push(end),
                (_, Ok(Commit::HeadMoved { head, .. })) => lost.push(raw_batches::at(&head)),
                (_, other) => panic!("a racer was answered {other:?}"),
            }
        }
        assert_eq!(won.len(), 1, "one of {RACERS} on one head wins");
        at = won[0];
        assert!(lost.iter().all(|head| *head == at), "the losers are told the winner's head");
    }
    let all = raw_batches::read_all(&*journals[0], &space).await;
    assert_eq!(raw_batches::chained(&all), at);
}

/// Versions are 1, 2, 3 ..., in the order of acknowledgement, and every way of reading them agrees.
pub async fn j3(cx: ClauseContext) -> Verdict {
    let space = raw_batches::space(1);
    let journals = raw_batches::handles(&cx, 3).await;
    for i in 0..9 {
        let journal = &*journals[i % 3];
        let before = journal.head(&space).await.expect("a head").map_or(0, |h| h.position.version);
        let end = raw_batches::append_anywhere(journal, &space, 1 + i % 4, &format!("b{i}")).await;
        assert_eq!(end.map(|p| p.version), Some(before + 1 + i as u64 % 4));
    }
    let journal = &*journals[0];
    out_of_line(journal, &space).await;
    let all = raw_batches::read_all(journal, &space).await;
    raw_batches::chained(&all);
    let tags = raw_batches::whole_batches(&all);
    assert_eq!(tags, (0..9).map(|i| format!("b{i}")).collect::<Vec<_>>());

    let end = all.len() as u64;
    for stream in [None, Some(Stream(0)), Some(Stream(1)), Some(Stream(2)), Some(Stream(99))] {
        for after in [0, 1, 5, end - 1, end, end + 9, Version::MAX] {
            for upto in [0, 1, 7, end, end + 9, Version::MAX] {
                for limit in [0, 1, 2, 7, 100] {
                    let range = |direction| ReadRange { stream, after, upto, direction, limit };
                    let inside = all.iter().filter(|r| {
                        r.version > after
                            && r.version <= upto
                            && stream.is_none_or(|stream| r.stream == stream)
                    });
                    let want: Vec<_> = inside.clone().take(limit).cloned().collect();
                    let got = journal.read(&space, &range(Direction::Forward)).await;
                    assert_eq!(got.expect("a range"), want, "{:?}", range(Direction::Forward));
                    let want: Vec<_> = inside.rev().take(limit).cloned().collect();
                    let got = journal.read(&space, &range(Direction::Backward)).await;
                    assert_eq!(got.expect("a range"), want, "{:?}", range(Direction::Backward));
                }
            }
        }
    }
    let none = journal.read(&raw_batches::space(9), &raw_batches::range(0, Version::MAX)).await;
    assert_eq!(none.expect("an unknown space"), Vec::new());
    Verdict::Passed
}

/// A batch whose versions do not follow what it expects is refused, though what it expects is the head.
async fn out_of_line(journal: &dyn Journal, space: &Space) {
    let before = raw_batches::content(journal, space).await;
    let at = raw_batches::at(&before.0);
    let version = at.map_or(0, |position| position.version);
    let with = |versions: [Version; 2]| {
        let mut batch = raw_batches::batch(at, 2, "out of line");
        for (record, version) in batch.records.iter_mut().zip(versions) {
            record.version = version;
        }
        batch
    };
    for versions in [
        [1, 2],
        [version, version + 1],
        [version + 2, version + 3],
        [version + 1, version + 1],
        [version + 1, version + 3],
    ] {
        refused(journal.commit(space, at, &with(versions)).await, ErrorKind::Invalid);
    }
    assert_eq!(
        raw_batches::content(journal, space).await,
        before,
        "what is refused leaves nothing"
    );
}

/// A commit that was answered as not applied is never applied; one that was answered as done is there once.
pub async fn j7(cx: ClauseContext) -> Verdict {
    let space = raw_batches::space(1);
    let mut writers = Vec::new();
    let tries = cx.times(20);
    for (w, journal) in raw_batches::handles(&cx, 4).await.into_iter().enumerate() {
        let space = space.clone();
        writers.push(tokio::spawn(async move {
            let mut answers = BTreeMap::new();
            let mut at = None;
            for i in 0..tries {
                let tag = format!("w{w}-{i}");
                let mut batch = raw_batches::batch(at, 1 + i % 2, &tag);
                batch.patience = Duration::from_millis(i as u64 % 5);
                let answer = journal.commit(&space, at, &batch).await;
                answers.insert(tag, applied(&answer));
                at = match answer {
                    Ok(Commit::Done) => batch.end(),
                    _ => raw_batches::at(&journal.head(&space).await.expect("a head")),
                };
            }
            answers
        }));
    }
    let mut answers = BTreeMap::new();
    for writer in writers {
        answers.extend(writer.await.expect("a writer ends"));
    }
    let journal = cx.journal().await;
    for wait in [0, 40] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let all = raw_batches::read_all(&*journal, &space).await;
        raw_batches::chained(&all);
        let there = raw_batches::whole_batches(&all);
        for (tag, applied) in &answers {
            let times = there.iter().filter(|there| *there == tag).count();
            match applied {
                Some(true) => assert_eq!(times, 1, "{tag} was done"),
                Some(false) => assert_eq!(times, 0, "{tag} was said not to be applied"),
                None => assert!(times <= 1, "{tag} was in doubt"),
            }
        }
    }
    let done = answers.values().filter(|applied| **applied == Some(true)).count();
    assert!(done > 0, "somebody gets through");
    super::in_doubt::large_append(&cx).await;
    super::behind_a_wire::cut(&cx).await;
    Verdict::Passed
}

/// What an answer to a commit says of its batch.
fn applied(answer: &Result<Commit>) -> Option<bool> {
    match answer {
        Ok(Commit::Done) => Some(true),
        Ok(Commit::HeadMoved { .. } | Commit::Diverged { .. }) => Some(false),
        Ok(Commit::Indeterminate { .. }) => None,
        Err(error) if error.kind() == ErrorKind::Indeterminate => None,
        Err(_) => Some(false),
    }
}
