//! J6, J16: opening and closing, and what outlives both.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use sessile_core::{
    ErrorKind,
    id::{SpaceKind, Version},
    journal::{BlobName, Commit, Durability, ListOrder, ListQuery, Position, Snapshot},
};

use crate::{
    clause::Verdict,
    internal::{ClauseContext, assertions::refused, raw_batches},
};

crate::clauses! { J6: Journal => j6, J16: Journal => j16 }
crate::internal::child_programs! { "j6_write" => write, "j16_open" => open, "j16_claim" => claim }

/// What the writer tells of each acknowledgement.
#[derive(Debug, Serialize, Deserialize)]
struct Acknowledged {
    space: u64,
    end: Position,
    blob: Option<BlobName>,
}

/// What was acknowledged survives closing, and the death of the process in the middle of its work.
pub async fn j6(cx: ClauseContext) -> Verdict {
    if !cx.durable() {
        let Durability::None = cx.info().durability else { unreachable!("durable() is false") };
        return Verdict::Unsupported("info() declares durability none".to_owned());
    }
    if cx.info().durability >= Durability::PowerLoss {
        cx.note("power loss is not simulated: judged by killing processes");
    }
    for round in 0..cx.times(3) {
        let children = if cx.many_processes() {
            cx.start_processes("j6_write", 2, &serde_json::Value::Null).await
        } else {
            cx.close_all().await;
            vec![cx.start_process("j6_write", 0, &serde_json::Value::Null)]
        };
        let enough = 6 + 5 * (round % 4);
        for _ in 0..400 {
            if children.iter().all(|child| child.reports().len() >= enough) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let writers = children.len();
        let mut said = Vec::new();
        for child in children {
            said.extend(child.kill().await);
        }
        assert!(said.len() >= enough, "the writers were heard before they were killed");
        survived(&cx, &said, writers).await;
    }
    super::behind_a_wire::killed_server(&cx).await;
    let space = raw_batches::space(99);
    let journal = cx.journal().await;
    raw_batches::append(&*journal, &space, None, 5, "closed").await;
    let before = raw_batches::content(&*journal, &space).await;
    drop(journal);
    cx.close_all().await;
    assert_eq!(
        raw_batches::content(&*cx.journal().await, &space).await,
        before,
        "closing loses nothing"
    );
    Verdict::Passed
}

/// All that was acknowledged is there, and the rest is there whole or not at all.
async fn survived(cx: &ClauseContext, said: &[String], writers: usize) {
    let journal = cx.journal().await;
    let mut acknowledged: Vec<Acknowledged> = Vec::new();
    for line in said {
        acknowledged.push(serde_json::from_str(line).expect("an acknowledgement"));
    }
    let spaces: BTreeSet<_> = acknowledged.iter().map(|a| a.space).collect();
    for number in spaces {
        let space = raw_batches::space(u128::from(number));
        let (head, all) = raw_batches::content(&*journal, &space).await;
        assert_eq!(raw_batches::chained(&all), raw_batches::at(&head));
        let batches = raw_batches::whole_batches(&all);
        let there: Vec<_> = all.iter().map(raw_batches::position).collect();
        let mine: Vec<_> = acknowledged.iter().filter(|a| a.space == number).collect();
        for one in &mine {
            assert!(there.contains(&one.end), "acknowledged and lost: {one:?}");
            if let Some(name) = &one.blob {
                let blob = journal.get_blob(&space, name, None).await.expect("a blob");
                assert_eq!(blob, number.to_string().repeat(1000).as_bytes());
            }
        }
        let tags: BTreeSet<_> = batches.iter().collect();
        assert_eq!(tags.len(), batches.len(), "no batch is there twice");
        let version = mine.iter().map(|a| a.end.version).max().unwrap_or_default();
        let after = all.iter().filter(|r| r.version > version).count();
        assert!(after <= 3 * writers, "at most one batch a writer was under way");
        raw_batches::append_anywhere(&*journal, &space, 1, &format!("after {number} {version}"))
            .await;
    }
}

/// Commits without end to a space of its own and to one shared with the others, telling each acknowledgement.
async fn write(cx: ClauseContext, index: usize, _args: serde_json::Value) -> String {
    let journal = cx.journal().await;
    let run = cx.seed();
    for i in 0_u64.. {
        let number = if i % 2 == 0 { 50 } else { 51 + index as u64 };
        let space = raw_batches::space(u128::from(number));
        let mut blob = None;
        if i % 4 == 1 {
            let bytes = number.to_string().repeat(1000).into_bytes();
            blob = Some(journal.put_blob(&space, &bytes).await.expect("a blob"));
        }
        let end = raw_batches::append_anywhere(&*journal, &space, 3, &format!("{run}-{i}")).await;
        let told = Acknowledged { space: number, end: end.expect("a position"), blob };
        cx.report(serde_json::to_string(&told).expect("JSON"));
    }
    String::new()
}

/// After `close` every call answers `Closed`; of first opens at once all succeed where the store may be shared, and where it
/// may not one does, and the others are told so.
pub async fn j16(cx: ClauseContext) -> Verdict {
    closed(&cx).await;
    under_way(&cx.another().await).await;
    for _ in 0..cx.scale(cx.times(2), 100) {
        let cx = cx.another().await;
        if cx.durable() && !cx.many_processes() {
            excludes(&cx).await;
        } else {
            opens(&cx).await;
        }
    }
    Verdict::Passed
}

async fn closed(cx: &ClauseContext) {
    let space = raw_batches::space(1);
    let (journal, other) = (cx.journal().await, cx.journal().await);
    let store = cx.store_over(Arc::clone(&journal), Arc::default(), |options| options);
    let at = raw_batches::append(&*journal, &space, None, 2, "one").await;
    let name = journal.put_blob(&space, b"blob").await.expect("a blob");
    let snapshot = Snapshot { position: at.expect("a head"), bytes: vec![1] };
    journal.close().await.expect("a handle closes");

    let query = ListQuery {
        tenant: space.tenant().clone(),
        kind: SpaceKind::Thread,
        project: None,
        order: ListOrder::Id,
        after: None,
        limit: 10,
    };
    let next = raw_batches::batch(at, 1, "late");
    for _ in 0..2 {
        refused(journal.head(&space).await, ErrorKind::Closed);
        refused(journal.commit(&space, at, &next).await, ErrorKind::Closed);
        refused(journal.commit(&space, None, &next).await, ErrorKind::Closed);
        refused(
            journal.read(&space, &raw_batches::range(0, Version::MAX)).await,
            ErrorKind::Closed,
        );
        refused(journal.save_snapshot(&space, &snapshot).await, ErrorKind::Closed);
        refused(journal.load_snapshot(&space).await, ErrorKind::Closed);
        refused(journal.list(&query).await, ErrorKind::Closed);
        refused(journal.wait(&space, 0, Duration::from_secs(9)).await, ErrorKind::Closed);
        refused(journal.drop_space(&space, at).await, ErrorKind::Closed);
        refused(journal.erase(&space, &[1]).await, ErrorKind::Closed);
        refused(journal.scrub().await, ErrorKind::Closed);
        refused(journal.put_blob(&space, b"late").await, ErrorKind::Closed);
        let none = std::collections::HashSet::new();
        refused(journal.collect_blobs(&space, &none, Duration::ZERO).await, ErrorKind::Closed);
        refused(journal.get_blob(&space, &name, None).await, ErrorKind::Closed);
        let project = sessile_core::id::ProjectId::mint(space.tenant(), 1, 1);
        refused(store.as_caller(&cx.caller()).project(project).await, ErrorKind::Closed);
        journal.close().await.expect("a handle may be closed again");
        store.close().await.expect("so may a store, though its journal is closed");
    }
    assert_eq!(journal.info().backend, cx.info().backend, "what it was, it says");
    if cx.many_processes() {
        raw_batches::append(&*other, &space, at, 1, "other").await;
    }
}

/// Calls under way when the handle closes finish, or answer `Closed`.
async fn under_way(cx: &ClauseContext) {
    let journal = cx.journal().await;
    let mut writers = Vec::new();
    for number in 0..4 {
        let journal = Arc::clone(&journal);
        writers.push(tokio::spawn(async move {
            let (space, mut at) = (raw_batches::space(number), None);
            loop {
                let batch = raw_batches::batch(at, 2, "b");
                match journal.commit(&space, at, &batch).await {
                    Ok(Commit::Done) => at = batch.end(),
                    Ok(answer) => panic!("a lone writer was answered {answer:?}"),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                        return (space, at);
                    }
                }
                tokio::task::yield_now().await;
            }
        }));
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    journal.close().await.expect("a handle closes");
    let mut ends = Vec::new();
    for writer in writers {
        let end = tokio::time::timeout(Duration::from_secs(5), writer).await;
        ends.push(end.expect("nobody waits for a closed handle").expect("a writer ends"));
    }
    if cx.durable() {
        cx.close_all().await;
        let journal = cx.journal().await;
        for (space, at) in ends {
            let head = raw_batches::at(&journal.head(&space).await.expect("a head"));
            assert_eq!(head, at, "done is there, Closed is not");
        }
    }
}

/// Tasks and processes open a store that does not exist yet, at once.
async fn opens(cx: &ClauseContext) {
    let children = cx.start_processes("j16_open", cx.scale(2, 4), &serde_json::Value::Null).await;
    let mut openers = Vec::new();
    for _ in 0..4 {
        let cx = cx.clone();
        openers.push(tokio::spawn(async move { open(cx, 0, serde_json::Value::Null).await }));
    }
    let mut stores = BTreeSet::new();
    for opener in openers {
        stores.insert(opener.await.expect("an open that succeeds"));
    }
    for child in children {
        stores.insert(child.wait().await);
    }
    assert_eq!(stores.len(), 1, "all opened one store: {stores:?}");
    let elsewhere = cx.another().await.journal().await.info().store;
    assert!(!stores.contains(&elsewhere.to_string()), "another store has another id");
}

async fn open(cx: ClauseContext, _index: usize, _args: serde_json::Value) -> String {
    let journal = cx.try_journal().await.expect("a first open among others succeeds");
    let number = u128::from(cx.seed());
    raw_batches::append_anywhere(&*journal, &raw_batches::space(number), 1, "first").await;
    journal.info().store.to_string()
}

/// How an attempt to open ended, where only one process may have the store open.
#[derive(Debug, Serialize, Deserialize)]
enum Claim {
    Opened,
    Refused(String),
}

/// Opens the store and reports how that ended. Where it opened, keeps it open until the process is killed.
async fn claim(cx: ClauseContext, _index: usize, _args: serde_json::Value) -> String {
    let opened = cx.try_journal().await;
    let claim = match &opened {
        Ok(_) => Claim::Opened,
        Err(error) => Claim::Refused(refusal(error)),
    };
    cx.report(serde_json::to_string(&claim).expect("JSON"));
    std::future::pending::<()>().await;
    drop(opened);
    String::new()
}

/// The text of a refusal.
fn refusal(error: &sessile_core::Error) -> String {
    assert_eq!(error.kind(), ErrorKind::Unavailable, "what another has open: {error}");
    error.to_string()
}

/// Tasks and processes open at once what only one may open and nobody has made yet: one does. Once it is dead or has
/// closed, the next does; while it lives, whoever comes is told who it is.
async fn excludes(cx: &ClauseContext) {
    let args = serde_json::Value::Null;
    let processes: Vec<_> = (0..3).map(|i| cx.start_process("j16_claim", i, &args)).collect();
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let cx = cx.clone();
        tasks.push(tokio::spawn(async move { cx.backend().open(cx.dir()).await }));
    }
    let (mut held, mut refusals) = (Vec::new(), 0);
    for task in tasks {
        match task.await.expect("an open that answers") {
            Ok(journal) => held.push(journal),
            Err(error) => refusals += usize::from(!refusal(&error).is_empty()),
        }
    }
    let mut opened = held.len();
    for process in &processes {
        let claim = heard(process).await;
        opened += usize::from(matches!(claim, Claim::Opened));
        refusals += usize::from(matches!(claim, Claim::Refused(_)));
    }
    assert_eq!((opened, refusals), (1, 5), "one of six first opens succeeds");
    for journal in held {
        journal.close().await.expect("a handle closes");
    }
    for process in processes {
        process.kill().await;
    }
    let journal = cx.journal().await;
    let at = raw_batches::append(&*journal, &raw_batches::space(1), None, 1, "mine").await;
    refusal(&refused(cx.backend().open(cx.dir()).await, ErrorKind::Unavailable));
    let process = cx.start_process("j16_claim", 9, &args);
    let Claim::Refused(says) = heard(&process).await else {
        panic!("another process opens what this one has open")
    };
    process.kill().await;
    if cfg!(target_os = "linux") {
        let me = std::process::id().to_string();
        assert!(says.contains(&me), "process {me} has it, but: {says}");
    }
    raw_batches::append(&*journal, &raw_batches::space(1), at, 1, "the holder does not notice")
        .await;
    drop(journal);
    cx.close_all().await;
    let journal = cx.try_journal().await.expect("what was closed opens again");
    assert_eq!(raw_batches::read_all(&*journal, &raw_batches::space(1)).await.len(), 2);
}

/// How a process's attempt went, once it has said it.
async fn heard(process: &crate::internal::process::Child) -> Claim {
    for _ in 0..2000 {
        if let Some(line) = process.reports().first() {
            return serde_json::from_str(line).expect("a claim");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("a process has not said in 10 s whether it opened the store")
}
