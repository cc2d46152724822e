//! MSG: what an append adds, and where.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::{Value, json};
use sessile_core::{
    ErrorKind,
    command::{Append, NewRun, Paging, UpdateSession, UpdateThread},
    error::{Closure, Counter, Error},
    id::{EntryId, RunId, SessionId},
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{closed, harmless, refused},
        concurrent,
        shorthand::{self, log, named, says, texts, the_thread},
        wrong_journals::{Alteration, AlteringJournal},
    },
};

crate::clauses! { MSG1 => msg1, MSG2 => msg2, MSG3 => msg3, MSG5: Shared => msg5, MSG8 => msg8 }

crate::internal::child_programs! { "msg append" => append_role, "msg tail" => tail_role }

/// Append order is read order, and an append adds at the end only.
pub async fn msg1(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let one = cx.session(&store, &caller).await;
    let two = named(&store, &caller, one.thread(), "two").await;
    let mut want: [Vec<(EntryId, String)>; 2] = Default::default();
    for i in 0..30 {
        let which = usize::from(i % 3 == 0);
        let session = [one, two][which];
        let turn: Vec<_> = (0..=i % 4).map(|j| says(format!("{i}.{j}"))).collect();
        let before = log(&store, &caller, session, 1000).await;
        let said = store.as_caller(&caller).append(session, turn.clone()).await.expect("a turn");
        assert_eq!(usize::from(said.count), turn.len());
        want[which].extend(said.entries().zip((0..=i % 4).map(|j| format!("{i}.{j}"))));
        let after = log(&store, &caller, session, 1000).await;
        assert_eq!(after[..before.len()], before[..], "what was there is as it was");
        assert_eq!(after.len(), before.len() + turn.len());
        let now =
            store.as_caller(&caller).session(session).await.expect("an answer").expect("a session");
        assert_eq!((now.tail, now.entries), (said.tail(), after.len() as u64));
    }
    for store in [cx.reopen(store).await, cx.store().await] {
        for (session, want) in [one, two].iter().zip(&want) {
            let read = log(&store, &caller, *session, 7).await;
            let read: Vec<_> = read.iter().map(|e| (e.id, shorthand::text(e).to_owned())).collect();
            assert_eq!(&read, want);
        }
    }
    Verdict::Passed
}

/// A turn is atomic: no reader sees a part of one, and a refused one leaves nothing.
pub async fn msg2(cx: ClauseContext) -> Verdict {
    let store = Arc::new(cx.store().await);
    let caller = cx.caller();
    let session = cx.session(&*store, &caller).await;
    let turn = |n: usize| (0..5).map(|i| says(format!("{n}/{i}"))).collect::<Vec<_>>();
    let writer = {
        let (store, caller) = (store.clone(), caller.clone());
        tokio::spawn(async move {
            for n in 0..40 {
                let said = store.as_caller(&caller).append(session, turn(n)).await.expect("a turn");
                assert_eq!(said.count, 5);
                tokio::task::yield_now().await;
            }
        })
    };
    let other = cx.store().await;
    while !writer.is_finished() {
        let page = other
            .as_caller(&caller)
            .entries(session)
            .backward()
            .page(Paging::first(5))
            .await
            .expect("a page");
        let shown: Vec<_> = page.items.iter().rev().map(shorthand::text).collect();
        if let Some(first) = shown.first() {
            let n = first.split('/').next().expect("a number");
            let whole: Vec<_> = (0..5).map(|i| format!("{n}/{i}")).collect();
            assert_eq!(shown, whole, "the newest five are one turn");
        }
        let head =
            store.as_caller(&caller).session(session).await.expect("an answer").expect("a session");
        assert_eq!(head.entries % 5, 0, "whole turns only");
        tokio::task::yield_now().await;
    }
    writer.await.expect("the writer ends");
    let thread = session.thread();
    let half = vec![says("fine"), says("lost").in_run(RunId::new(thread, 1 << 40))];
    harmless(
        &*store,
        &caller,
        thread,
        ErrorKind::NotFound,
        store.as_caller(&caller).append(session, half),
    )
    .await;
    let most: Vec<_> = (0..1000).map(|i| says(i.to_string())).collect();
    let said = store.as_caller(&caller).append(session, most.clone()).await.expect("1,000 entries");
    assert_eq!(said.entries().count(), 1000);
    for bad in [vec![], [most, vec![says("one more")]].concat()] {
        harmless(
            &*store,
            &caller,
            thread,
            ErrorKind::Invalid,
            store.as_caller(&caller).append(session, bad),
        )
        .await;
    }
    assert_eq!(texts(&*store, &caller, session).await.len(), 1200);
    Verdict::Passed
}

async fn tail_role(cx: ClauseContext, index: usize, args: Value) -> String {
    let store = cx.store().await;
    let caller = cx.caller();
    let session: SessionId = serde_json::from_value(args["session"].clone()).expect("a session");
    let mut won = 0;
    for round in 0..15 {
        let tail = store
            .as_caller(&caller)
            .session(session)
            .await
            .expect("an answer")
            .expect("a session")
            .tail;
        let append =
            Append::from(says(format!("{index} {round} after {tail}"))).expecting_tail(tail);
        match store.as_caller(&caller).append(session, append).await {
            Ok(_) => won += 1,
            other => drop(refused(other, ErrorKind::Stale)),
        }
    }
    won.to_string()
}

/// `expected_tail` is compared with the session's last entry, and with nothing else.
pub async fn msg3(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let expecting = |tail, text: &str| Append::from(says(text)).expecting_tail(tail);
    let first = store
        .as_caller(&caller)
        .append(session, expecting(0, "first"))
        .await
        .expect("an empty log has tail 0");
    for tail in [0, first.tail() - 1, first.tail() + 1, u64::MAX] {
        let refusal_caller = store.as_caller(&caller);
        let refusal = refusal_caller.append(session, expecting(tail, "x"));
        match harmless(&store, &caller, thread, ErrorKind::Stale, refusal).await {
            Error::Stale { what, counter: Counter::Tail, expected, actual } => {
                assert_eq!((what, expected, actual), (session.into(), tail, first.tail()));
            }
            other => panic!("{other:?}"),
        }
    }
    // Other sessions, runs, names and titles move the head and not the tail.
    let title = the_thread(&store, &caller, thread).await.version;
    let other = named(&store, &caller, thread, "other").await;
    store.as_caller(&caller).append(other, says("x")).await.expect("an entry");
    store.as_caller(&caller).start_run(session, NewRun::default()).await.expect("a run");
    let own = store
        .as_caller(&caller)
        .session(session)
        .await
        .expect("an answer")
        .expect("a session")
        .version;
    let rename = UpdateSession { name: Some(None), ..UpdateSession::default() };
    let second = store
        .as_caller(&caller)
        .append(session, expecting(first.tail(), "second"))
        .await
        .expect("nothing came between");
    store
        .as_caller(&caller)
        .update_session(session, own, rename)
        .await
        .expect("an append is no change of the name");
    let retitle = UpdateThread { title: Some("new".into()), ..Default::default() };
    store
        .as_caller(&caller)
        .update_thread(thread, title, retitle)
        .await
        .expect("an append is no change of the title");
    store
        .as_caller(&caller)
        .append(session, expecting(second.tail(), "third"))
        .await
        .expect("nothing came between");
    assert_eq!(texts(&store, &caller, session).await, ["first", "second", "third"]);

    let session = named(&store, &caller, thread, "raced").await;
    let won = cx.processes("msg tail", 3, &json!({ "session": session })).await;
    let won: usize = won.iter().map(|n| n.parse::<usize>().expect("a number")).sum();
    let entries = log(&store, &caller, session, 1000).await;
    assert_eq!(entries.len(), won, "each win is one entry");
    let mut tail = 0;
    for entry in &entries {
        let text = shorthand::text(entry);
        assert!(text.ends_with(&format!("after {tail}")), "{text:?} stands after {tail}");
        tail = entry.version;
    }
    Verdict::Passed
}

async fn append_role(cx: ClauseContext, index: usize, args: Value) -> String {
    let store = Arc::new(cx.store().await);
    let caller = cx.caller();
    let session: SessionId = serde_json::from_value(args["session"].clone()).expect("a session");
    let turns = args["turns"].as_u64().expect("a number");
    let tasks = args["tasks"].as_u64().expect("a number");
    let writers: Vec<_> = (0..tasks)
        .map(|task| {
            let (store, caller) = (store.clone(), caller.clone());
            tokio::spawn(async move {
                let (mut said, mut took) = (Vec::new(), Vec::new());
                for n in 0..turns {
                    let turn: Vec<_> =
                        (0..3).map(|i| says(format!("{index}/{task} {n}.{i}"))).collect();
                    let began = tokio::time::Instant::now();
                    said.push(
                        store.as_caller(&caller).append(session, turn).await.expect("a turn").first,
                    );
                    took.push(began.elapsed().as_micros() as u64);
                }
                (said, took)
            })
        })
        .collect();
    let (mut said, mut took) = (Vec::<EntryId>::new(), Vec::<u64>::new());
    for writer in writers {
        let (ids, times) = writer.await.expect("no panic");
        said.extend(ids);
        took.extend(times);
    }
    serde_json::to_string(&(said, took)).expect("ids and times")
}

/// 16 writers of any kind: nothing lost, doubled or torn.
pub async fn msg5(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    // 4 processes with 4 tasks each; for the proof, 16 processes with 1,000 turns each.
    let (processes, tasks) = (cx.scale(4, 16), cx.scale(4, 1));
    let turns = cx.scale(cx.times(8), 1000);
    let args = json!({ "session": session, "turns": turns, "tasks": tasks });
    let said = cx.processes("msg append", processes, &args).await;
    let said: Vec<(Vec<EntryId>, Vec<u64>)> =
        said.iter().map(|said| serde_json::from_str(said).expect("ids and times")).collect();
    let mut took: Vec<u64> = said.iter().flat_map(|(_, took)| took.iter().copied()).collect();
    took.sort_unstable();
    let at = |thousandths: usize| took[(took.len() - 1) * thousandths / 1000] / 1000;
    cx.note(format!(
        "{} turns of 3 by {processes} processes, ms p50 {} p99 {} p99.9 {}",
        took.len(),
        at(500),
        at(990),
        at(999)
    ));
    let entries = log(&store, &caller, session, 1000).await;
    assert_eq!(entries.len(), 4 * 4 * turns * 3, "nothing lost, nothing doubled");
    let firsts: BTreeSet<EntryId> = said.into_iter().flat_map(|(ids, _)| ids).collect();
    let mut next: std::collections::BTreeMap<String, usize> = Default::default();
    for turn in entries.chunks(3) {
        let (writer, n) = shorthand::text(&turn[0]).split_once(' ').expect("a text");
        let n: usize = n.split('.').next().and_then(|n| n.parse().ok()).expect("a number");
        let seen = next.entry(writer.to_owned()).or_default();
        assert_eq!(n, *seen, "the turns of {writer} stand in their order");
        *seen += 1;
        let whole: Vec<_> = (0..3).map(|i| format!("{writer} {n}.{i}")).collect();
        assert_eq!(turn.iter().map(shorthand::text).collect::<Vec<_>>(), whole, "a turn is whole");
        assert!(firsts.contains(&turn[0].id), "its writer was told this id");
        assert_eq!(turn[2].version, turn[0].version + 2);
    }
    assert_eq!(next.len(), 16);
    let verified =
        store.as_caller(&caller).verify(session.thread(), None).await.expect("a verification");
    assert_eq!(verified.problems, []);
    large_turns(&cx, 16).await;
    Verdict::Passed
}

/// Many turns of 1,000 entries wait at once. A batch has room for one: the others are left over, again and again, and each
/// is answered and whole.
pub(in crate::clauses) async fn large_turns(cx: &ClauseContext, writers: usize) {
    let caller = cx.caller();
    // Where every call gives way, all of them are waiting before the first batch has landed.
    let journal = Arc::new(AlteringJournal::over(cx.journal().await, Alteration::Yields));
    let store = cx.store_over(journal, Arc::default(), |options| options);
    let session = cx.session(&store, &caller).await;
    let turns: Vec<_> = (0..writers)
        .map(|writer| {
            let (store, caller) = (store.clone(), caller.clone());
            async move {
                let turn: Vec<_> = (0..1000).map(|i| says(format!("{writer} {i}"))).collect();
                store.as_caller(&caller).append(session, turn).await.expect("a turn").first
            }
        })
        .collect();
    let all = tokio::spawn(concurrent::together(turns));
    let answered = tokio::time::timeout(Duration::from_secs(20), all).await;
    let firsts = answered
        .expect("a call that found no room in a full batch is answered by a later one")
        .expect("no panic");
    let entries = log(&store, &caller, session, 1000).await;
    assert_eq!(entries.len(), writers * 1000, "nothing lost, nothing doubled");
    for turn in entries.chunks(1000) {
        let writer: usize = shorthand::text(&turn[0])
            .split_once(' ')
            .and_then(|(writer, _)| writer.parse().ok())
            .expect("a writer");
        assert_eq!(turn[0].id, firsts[writer], "its writer was told this id");
        for (i, entry) in turn.iter().enumerate() {
            assert_eq!(shorthand::text(entry), format!("{writer} {i}"), "a turn is whole");
        }
    }
}

/// An archived thread takes no append.
pub async fn msg8(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    store.as_caller(&caller).append(session, says("before")).await.expect("an entry");
    store.as_caller(&caller).archive_thread(thread).await.expect("it is archived");
    for store in [&store, &cx.store().await] {
        let refusal_caller = store.as_caller(&caller);
        let refusal = refusal_caller.append(session, says("x"));
        let error = harmless(store, &caller, thread, ErrorKind::Closed, refusal).await;
        closed(&error, Closure::ThreadArchived(thread), "append");
        assert_eq!(texts(store, &caller, session).await, ["before"]);
    }
    store.as_caller(&caller).reopen_thread(thread).await.expect("it is open");
    store.as_caller(&caller).append(session, says("after")).await.expect("an entry");
    assert_eq!(texts(&store, &caller, session).await, ["before", "after"]);
    Verdict::Passed
}
