//! MSG: the log.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::{Value, json};
use sessile_core::{
    By, ErrorKind, Key,
    command::{
        Append, LinkSessions, NewRun, NewSession, NewSubSession, NewThread, Paging, SessionAnswer,
        SessionCommand, SessionQuery, UpdateSession, UpdateThread,
    },
    error::{Closure, Counter, Error},
    id::{EntryId, RunId, SessionId, ThreadId},
    journal::Direction,
    json::Json,
    model::{
        Entry, Message, NewEntry, Part, ProjectConfig, Role, RunOutcome, Tokens, ToolOutcome, Usage,
    },
    store::{AnyStore, SessionStore, SessionStoreExt, ThreadStoreExt},
};

use crate::{
    Cx, Damage, Verdict, Watched,
    check::refused,
    hostile,
    kit::{self, harmless, log, named, pages, says, texts, the_thread},
};

crate::clauses! {
    MSG1 => msg1, MSG2 => msg2, MSG3 => msg3, MSG4 => msg4, MSG5 => msg5, MSG6 => msg6, MSG7 => msg7, MSG8 => msg8,
    MSG13 => msg13, MSG15 => msg15,
}

crate::roles! { "msg append" => append_role, "msg tail" => tail_role }

/// Append order is read order, and an append adds at the end only.
pub async fn msg1(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let one = cx.session(&store, &by).await;
    let two = named(&store, &by, one.thread(), "two").await;
    let mut want: [Vec<(EntryId, String)>; 2] = Default::default();
    for i in 0..30 {
        let which = usize::from(i % 3 == 0);
        let session = [one, two][which];
        let turn: Vec<_> = (0..=i % 4).map(|j| says(format!("{i}.{j}"))).collect();
        let before = log(&store, &by, session, 1000).await;
        let said = store.append(&by, session, turn.clone()).await.expect("a turn");
        assert_eq!(usize::from(said.count), turn.len());
        want[which].extend(said.entries().zip((0..=i % 4).map(|j| format!("{i}.{j}"))));
        let after = log(&store, &by, session, 1000).await;
        assert_eq!(after[..before.len()], before[..], "what was there is as it was");
        assert_eq!(after.len(), before.len() + turn.len());
        let now = store.session(&by, session).await.expect("an answer").expect("a session");
        assert_eq!((now.tail, now.entries), (said.tail(), after.len() as u64));
    }
    for store in [cx.reopen(store).await, cx.store().await] {
        for (session, want) in [one, two].iter().zip(&want) {
            let read = log(&store, &by, *session, 7).await;
            let read: Vec<_> = read.iter().map(|e| (e.id, kit::text(e).to_owned())).collect();
            assert_eq!(&read, want);
        }
    }
    Verdict::Passed
}

/// A turn is atomic: no reader sees a part of one, and a refused one leaves nothing.
pub async fn msg2(cx: Cx) -> Verdict {
    let store = Arc::new(cx.store().await);
    let by = cx.by();
    let session = cx.session(&*store, &by).await;
    let turn = |n: usize| (0..5).map(|i| says(format!("{n}/{i}"))).collect::<Vec<_>>();
    let writer = {
        let (store, by) = (store.clone(), by.clone());
        tokio::spawn(async move {
            for n in 0..40 {
                let said = store.append(&by, session, turn(n)).await.expect("a turn");
                assert_eq!(said.count, 5);
                tokio::task::yield_now().await;
            }
        })
    };
    let other = cx.store().await;
    while !writer.is_finished() {
        let page = other
            .entries(&by, session, Direction::Backward, Paging::first(5))
            .await
            .expect("a page");
        let shown: Vec<_> = page.items.iter().rev().map(kit::text).collect();
        if let Some(first) = shown.first() {
            let n = first.split('/').next().expect("a number");
            let whole: Vec<_> = (0..5).map(|i| format!("{n}/{i}")).collect();
            assert_eq!(shown, whole, "the newest five are one turn");
        }
        let head = store.session(&by, session).await.expect("an answer").expect("a session");
        assert_eq!(head.entries % 5, 0, "whole turns only");
        tokio::task::yield_now().await;
    }
    writer.await.expect("the writer ends");
    let thread = session.thread();
    let half = vec![says("fine"), says("lost").in_run(RunId::new(thread, 1 << 40))];
    harmless(&*store, &by, thread, ErrorKind::NotFound, store.append(&by, session, half)).await;
    let most: Vec<_> = (0..1000).map(|i| says(i.to_string())).collect();
    let said = store.append(&by, session, most.clone()).await.expect("1,000 entries");
    assert_eq!(said.entries().count(), 1000);
    for bad in [vec![], [most, vec![says("one more")]].concat()] {
        harmless(&*store, &by, thread, ErrorKind::Invalid, store.append(&by, session, bad)).await;
    }
    assert_eq!(texts(&*store, &by, session).await.len(), 1200);
    Verdict::Passed
}

async fn tail_role(cx: Cx, index: usize, args: Value) -> String {
    let store = cx.store().await;
    let by = cx.by();
    let session: SessionId = serde_json::from_value(args["session"].clone()).expect("a session");
    let mut won = 0;
    for round in 0..15 {
        let tail = store.session(&by, session).await.expect("an answer").expect("a session").tail;
        let append =
            Append::from(says(format!("{index} {round} after {tail}"))).expecting_tail(tail);
        match store.append(&by, session, append).await {
            Ok(_) => won += 1,
            other => drop(refused(other, ErrorKind::Stale)),
        }
    }
    won.to_string()
}

/// `expected_tail` is compared with the session's last entry, and with nothing else.
pub async fn msg3(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let session = cx.session(&store, &by).await;
    let thread = session.thread();
    let expecting = |tail, text: &str| Append::from(says(text)).expecting_tail(tail);
    let first =
        store.append(&by, session, expecting(0, "first")).await.expect("an empty log has tail 0");
    for tail in [0, first.tail() - 1, first.tail() + 1, u64::MAX] {
        let refusal = store.append(&by, session, expecting(tail, "x"));
        match harmless(&store, &by, thread, ErrorKind::Stale, refusal).await {
            Error::Stale { counter: Counter::Tail, expected, actual } => {
                assert_eq!((expected, actual), (tail, first.tail()));
            }
            other => panic!("{other:?}"),
        }
    }
    // Other sessions, runs, names and titles move the head and not the tail.
    let title = the_thread(&store, &by, thread).await.version;
    let other = named(&store, &by, thread, "other").await;
    store.append(&by, other, says("x")).await.expect("an entry");
    store.start_run(&by, session, NewRun::default()).await.expect("a run");
    let own = store.session(&by, session).await.expect("an answer").expect("a session").version;
    let rename = UpdateSession { name: Some(None), ..UpdateSession::default() };
    let second = store
        .append(&by, session, expecting(first.tail(), "second"))
        .await
        .expect("nothing came between");
    store
        .update_session(&by, session, own, rename)
        .await
        .expect("an append is no change of the name");
    let retitle = UpdateThread { title: Some("new".into()), labels: None };
    store
        .update_thread(&by, thread, title, retitle)
        .await
        .expect("an append is no change of the title");
    store
        .append(&by, session, expecting(second.tail(), "third"))
        .await
        .expect("nothing came between");
    assert_eq!(texts(&store, &by, session).await, ["first", "second", "third"]);

    let session = named(&store, &by, thread, "raced").await;
    let won = cx.processes("msg tail", 3, &json!({ "session": session })).await;
    let won: usize = won.iter().map(|n| n.parse::<usize>().expect("a number")).sum();
    let entries = log(&store, &by, session, 1000).await;
    assert_eq!(entries.len(), won, "each win is one entry");
    let mut tail = 0;
    for entry in &entries {
        let text = kit::text(entry);
        assert!(text.ends_with(&format!("after {tail}")), "{text:?} stands after {tail}");
        tail = entry.version;
    }
    Verdict::Passed
}

/// Same key, same answer, one effect: for every creating command, across reopen, archive and deletion.
pub async fn msg4(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let config = ProjectConfig::default();
    let keyed = |n| by.with_key(Key::new("a worker", n));
    // A project's id follows from tenant and key.
    let project = store.create_project(&keyed(1), "p", config.clone()).await.expect("a project");
    for store in [&store, &cx.store().await] {
        let again = store.create_project(&keyed(1), "p", config.clone()).await;
        assert_eq!(again.ok(), Some(project));
        let other = store.create_project(&keyed(1), "q", config.clone()).await;
        assert!(matches!(refused(other, ErrorKind::Invalid), Error::KeyReused { n: 1 }));
    }
    let theirs = cx.by_of("evil-corp", "ada").with_key(Key::new("a worker", 1));
    let foreign = store.create_project(&theirs, "p", config.clone()).await.expect("a project");
    assert_ne!(foreign, project, "another tenant's key is another key");
    let new = NewThread::titled("t");
    let thread = store.create_thread(&keyed(2), project, new.clone()).await.expect("a thread");
    for store in [&store, &cx.store().await] {
        assert_eq!(store.create_thread(&keyed(2), project, new.clone()).await.ok(), Some(thread));
    }
    assert_eq!(kit::threads_of(&store, &by, project).await, [thread]);

    let (session, commands) = creating(&store, &by, thread).await;
    let mut answers = Vec::new();
    for (n, command) in (10_u64..).zip(&commands) {
        answers.push(store.apply(&keyed(n), command.clone()).await.expect("it is done"));
    }
    let stores = [cx.reopen(store).await, cx.store().await];
    for store in &stores {
        let at = the_thread(store, &by, thread).await;
        for ((n, command), answer) in (10_u64..).zip(&commands).zip(&answers) {
            let again = store.apply(&keyed(n), command.clone()).await;
            assert_eq!(again.ok(), Some(*answer), "{command:?} again");
            let other = SessionCommand::Append { session, append: says("another command").into() };
            let error = refused(store.apply(&keyed(n), other).await, ErrorKind::Invalid);
            assert!(matches!(error, Error::KeyReused { n: told } if told == n), "{error:?}");
        }
        let lost = keyed(9);
        let expired = refused(store.append(&lost, session, says("late")).await, ErrorKind::Invalid);
        let greatest = 9 + commands.len() as u64;
        assert!(
            matches!(expired, Error::KeyExpired { n: 9, greatest: g } if g == greatest),
            "{expired:?}"
        );
        assert_eq!(the_thread(store, &by, thread).await, at, "replays and refusals write nothing");
    }
    let store = cx.store().await;
    archived(&store, &by, project).await;
    remembered(&cx, &store, &by, project).await;
    // Racing twins of one key: one effect.
    let session = named(&store, &by, thread, "raced").await;
    let store = Arc::new(store);
    for n in 1..=10 {
        let twins: Vec<_> = (0..2)
            .map(|_| {
                let (store, by) = (store.clone(), by.with_key(Key::new("racer", n)));
                tokio::spawn(async move { store.append(&by, session, says(n.to_string())).await })
            })
            .collect();
        let mut seen = BTreeSet::new();
        for twin in twins {
            seen.insert(twin.await.expect("no panic").expect("an entry").first);
        }
        assert_eq!(seen.len(), 1);
    }
    assert_eq!(texts(&*store, &by, session).await.len(), 10);
    Verdict::Passed
}

/// One of each command that creates something, or changes it, in a thread; and the session they are about.
async fn creating(
    store: &dyn AnyStore,
    by: &By,
    thread: ThreadId,
) -> (SessionId, Vec<SessionCommand>) {
    let session = named(store, by, thread, "s").await;
    let loose = named(store, by, thread, "loose").await;
    let run = store.start_run(by, session, NewRun::default()).await.expect("a run");
    let child = NewSession::named("child").under(NewSubSession::under(session));
    let usage = Usage::new(Tokens::new(1, 2), 1);
    let expected = session.version();
    let commands = vec![
        SessionCommand::CreateSession { thread, session: NewSession::named("new") },
        SessionCommand::CreateSession { thread, session: child },
        SessionCommand::LinkSessions(LinkSessions {
            child: loose,
            edge: NewSubSession::under(session),
        }),
        SessionCommand::Append { session, append: vec![says("a"), says("b")].into() },
        SessionCommand::StartRun { session, run: NewRun::default() },
        SessionCommand::BookUsage { run, call: "call".into(), usage, echo: None },
        SessionCommand::UpdateSession { session, expected, update: UpdateSession::default() },
        SessionCommand::EndRun { run, outcome: RunOutcome::Succeeded, echo: None },
        SessionCommand::ClaimLease { session: loose, ttl: Duration::from_secs(9) },
    ];
    (session, commands)
}

/// The first answer outlives the archive of the thread, and the deletion of what it made.
async fn archived(store: &dyn AnyStore, by: &By, project: sessile_core::id::ProjectId) {
    let keyed = |n| by.with_key(Key::new("archivist", n));
    let thread =
        store.create_thread(by, project, NewThread::titled("to archive")).await.expect("a thread");
    let new = NewSession::named("s");
    let session = store.create_session(&keyed(1), thread, new.clone()).await.expect("a session");
    let said = store.append(&keyed(2), session.0, says("once")).await.expect("an entry");
    let version = store.archive_thread(&keyed(3), thread).await.expect("it is archived");
    assert_eq!(store.append(&keyed(2), session.0, says("once")).await.ok(), Some(said));
    assert_eq!(store.archive_thread(&keyed(3), thread).await.ok(), Some(version));
    let fresh = refused(store.append(&keyed(4), session.0, says("new")).await, ErrorKind::Closed);
    assert!(matches!(fresh, Error::Closed { what: Closure::ThreadArchived }));
    store.reopen_thread(by, thread).await.expect("it is open");
    // The refused key was not used up.
    store.append(&keyed(4), session.0, says("new")).await.expect("an entry");
    store.delete_session(by, session.0).await.expect("it goes");
    assert_eq!(store.create_session(&keyed(1), thread, new).await.ok(), Some(session));
    assert_eq!(store.append(&keyed(2), session.0, says("once")).await.ok(), Some(said));
    assert_eq!(the_thread(store, by, thread).await.sessions, 0, "a replay brings nothing back");
}

/// The last 1,024 answers are remembered; older ones are expired, never applied.
async fn remembered(cx: &Cx, store: &dyn AnyStore, by: &By, project: sessile_core::id::ProjectId) {
    let thread =
        store.create_thread(by, project, NewThread::titled("many")).await.expect("a thread");
    let session = named(store, by, thread, "s").await;
    let keyed = |n| by.with_key(Key::new("counter", n));
    let appends = (1..=1030_u64).map(|n| async move {
        let by = by.with_key(Key::new("counter", n));
        store.append(&by, session, says(n.to_string())).await
    });
    for said in kit::together(appends).await {
        said.expect("an entry");
    }
    let head = kit::head(store, by, thread).await;
    for store in [store, &cx.store().await as &dyn AnyStore] {
        for n in [7, 8, 1030] {
            let again = store.append(&keyed(n), session, says(n.to_string())).await;
            assert!(again.is_ok(), "key {n}: {again:?}");
        }
        for n in [1, 6] {
            let late = refused(
                store.append(&keyed(n), session, says(n.to_string())).await,
                ErrorKind::Invalid,
            );
            assert!(matches!(late, Error::KeyExpired { greatest: 1030, .. }), "key {n}: {late:?}");
        }
        assert_eq!(kit::head(store, by, thread).await, head);
    }
}

async fn append_role(cx: Cx, index: usize, args: Value) -> String {
    let store = Arc::new(cx.store().await);
    let by = cx.by();
    let session: SessionId = serde_json::from_value(args["session"].clone()).expect("a session");
    let turns = args["turns"].as_u64().expect("a number");
    let tasks = args["tasks"].as_u64().expect("a number");
    let writers: Vec<_> = (0..tasks)
        .map(|task| {
            let (store, by) = (store.clone(), by.clone());
            tokio::spawn(async move {
                let (mut said, mut took) = (Vec::new(), Vec::new());
                for n in 0..turns {
                    let turn: Vec<_> =
                        (0..3).map(|i| says(format!("{index}/{task} {n}.{i}"))).collect();
                    let began = tokio::time::Instant::now();
                    said.push(store.append(&by, session, turn).await.expect("a turn").first);
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
pub async fn msg5(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let session = cx.session(&store, &by).await;
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
    let entries = log(&store, &by, session, 1000).await;
    assert_eq!(entries.len(), 4 * 4 * turns * 3, "nothing lost, nothing doubled");
    let firsts: BTreeSet<EntryId> = said.into_iter().flat_map(|(ids, _)| ids).collect();
    let mut next: std::collections::BTreeMap<String, usize> = Default::default();
    for turn in entries.chunks(3) {
        let (writer, n) = kit::text(&turn[0]).split_once(' ').expect("a text");
        let n: usize = n.split('.').next().and_then(|n| n.parse().ok()).expect("a number");
        let seen = next.entry(writer.to_owned()).or_default();
        assert_eq!(n, *seen, "the turns of {writer} stand in their order");
        *seen += 1;
        let whole: Vec<_> = (0..3).map(|i| format!("{writer} {n}.{i}")).collect();
        assert_eq!(turn.iter().map(kit::text).collect::<Vec<_>>(), whole, "a turn is whole");
        assert!(firsts.contains(&turn[0].id), "its writer was told this id");
        assert_eq!(turn[2].version, turn[0].version + 2);
    }
    assert_eq!(next.len(), 16);
    let verified = store.verify(&by, session.thread(), None).await.expect("a verification");
    assert_eq!(verified.problems, []);
    Verdict::Passed
}

/// Any content comes back deep-equal.
pub async fn msg6(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let session = cx.session(&store, &by).await;
    let json = |text: &str| Json::parse(text).expect("JSON");
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let mut messages: Vec<Message> =
        hostile::contents().into_iter().map(|text| Message::text(Role::User, text)).collect();
    let planes: String = (0..=16_u32).filter_map(|p| char::from_u32(p * 0x1_0000 + 0x61)).collect();
    let controls: String = (0..0x20).chain(0x7f..0xa0).filter_map(char::from_u32).collect();
    let bounds = "\u{0}\u{d7ff}\u{e000}\u{fffd}\u{fffe}\u{ffff}\u{10000}\u{10ffff}";
    for text in [planes.as_str(), &controls, bounds, "", &"\0".repeat(1000)] {
        messages.push(Message::text(Role::Assistant, text));
    }
    for text in [
        "null",
        "0",
        "-0",
        "1.0",
        "1.0e0",
        "1E400",
        "12345678901234567890123456789",
        "\"\\u0000\"",
        "\"\\ud83d\\ude00\"",
        "{}",
        "[]",
        "{\"b\":1,\"a\":2,\"b\":3}",
        "{\"\":[[],{}]}",
        "\"\\/\"",
        &deep,
    ] {
        let mut message =
            Message::new(Role::Tool, vec![Part::Json { kind: "k".into(), value: json(text) }]);
        message = message.with_metadata(json(text)).with_name("a name\n\0");
        messages.push(message);
    }
    messages.push(Message::new(Role::System, vec![]));
    messages.push(Message::new(
        Role::Assistant,
        vec![
            Part::Reasoning { text: String::new() },
            Part::ToolCall { id: None, name: "f".into(), arguments: json("{\"x\" : [1 , 2]}") },
            Part::ToolCall {
                id: Some(String::new()),
                name: String::new(),
                arguments: json("null"),
            },
            Part::ToolResult {
                id: Some("c".into()),
                outcome: ToolOutcome::Error,
                text: "boom".into(),
            },
            Part::ToolResult { id: None, outcome: ToolOutcome::Ok, text: String::new() },
            Part::Artifact { reference: "s3://x".into(), media_type: Some("text/plain".into()) },
            Part::Artifact { reference: String::new(), media_type: None },
        ],
    ));
    // Around the size where a body moves out of the record, and 16 MiB.
    for n in [65_500, 65_535, 65_536, 65_537, 70_000] {
        messages.push(Message::text(Role::User, "x".repeat(n)));
    }
    messages.push(Message::text(Role::User, "é\0\"".repeat((16 << 20) / 4)));
    let mut said = Vec::new();
    for message in &messages {
        let appended = store.append(&by, session, NewEntry::new(message.clone())).await;
        said.push(appended.expect("any content").first);
    }
    let store = cx.reopen(store).await;
    let read = log(&store, &by, session, 50).await;
    assert_eq!(read.len(), messages.len());
    for ((entry, message), id) in read.iter().zip(&messages).zip(said) {
        assert!(entry.message.as_ref() == Some(message), "{}", difference(entry, message));
        let single = store.entry(&by, id).await.expect("an answer").expect("the entry");
        assert!(single == *entry, "one by one as in a page");
    }
    Verdict::Passed
}

fn difference(entry: &Entry, message: &Message) -> String {
    let (got, want) = (format!("{:?}", entry.message), format!("{message:?}"));
    let cut = |text: &str| text.chars().take(200).collect::<String>();
    format!("came back as {} and was {}", cut(&got), cut(&want))
}

/// Pages concatenate to the whole, both ways, and cost what they show.
pub async fn msg7(cx: Cx) -> Verdict {
    let watched = Watched::new(cx.journal().await);
    let store = cx.store_over(watched.clone(), Arc::default(), |options| options);
    let by = cx.by();
    let session = cx.session(&store, &by).await;
    let other = named(&store, &by, session.thread(), "other").await;
    for n in 0..60 {
        let turn: Vec<_> = (0..10).map(|i| says(format!("{n}.{i}"))).collect();
        store.append(&by, session, turn).await.expect("a turn");
        store.append(&by, other, vec![says("noise"); 10]).await.expect("a turn");
    }
    let whole = log(&store, &by, session, 1000).await;
    assert_eq!(whole.len(), 600);
    for direction in [Direction::Forward, Direction::Backward] {
        for limit in [1, 7, 599, 600, 601, 1000] {
            if limit == 1 && !matches!(direction, Direction::Backward) {
                continue;
            }
            let mut read = pages(limit, |page| store.entries(&by, session, direction, page)).await;
            if direction == Direction::Backward {
                read.reverse();
            }
            assert!(read == whole, "{direction:?}, {limit} at a time");
        }
        // The cost follows the page, not the log: also far in the middle, and behind others' entries.
        let page = Paging::first(10);
        let mut after = None;
        for _ in 0..5 {
            let before = watched.records();
            let got =
                store.entries(&by, session, direction, page.after(after)).await.expect("a page");
            assert_eq!(got.items.len(), 10);
            let read = watched.records() - before;
            assert!(read <= 40, "a page of 10 read {read} records");
            after = got.next;
        }
    }
    // A cursor stays good while others append: nothing is skipped, nothing shown twice.
    let first =
        store.entries(&by, session, Direction::Forward, Paging::first(400)).await.expect("a page");
    store.append(&by, session, says("late")).await.expect("an entry");
    let rest = store
        .entries(&by, session, Direction::Forward, Paging::first(1000).after(first.next))
        .await;
    let rest = rest.expect("a page").items;
    assert!(rest[..200] == whole[400..], "the rest follows the first page");
    assert!(rest.len() <= 201);
    for limit in [0, 1001] {
        let page = store.entries(&by, session, Direction::Forward, Paging::first(limit)).await;
        refused(page, ErrorKind::Invalid);
    }
    let empty = named(&store, &by, session.thread(), "empty").await;
    let page =
        store.entries(&by, empty, Direction::Backward, Paging::default()).await.expect("a page");
    assert_eq!((page.items, page.next), (vec![], None));
    Verdict::Passed
}

/// An archived thread takes no append.
pub async fn msg8(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let session = cx.session(&store, &by).await;
    let thread = session.thread();
    store.append(&by, session, says("before")).await.expect("an entry");
    store.archive_thread(&by, thread).await.expect("it is archived");
    for store in [&store, &cx.store().await] {
        let refusal = store.append(&by, session, says("x"));
        let error = harmless(store, &by, thread, ErrorKind::Closed, refusal).await;
        assert!(matches!(error, Error::Closed { what: Closure::ThreadArchived }), "{error:?}");
        assert_eq!(texts(store, &by, session).await, ["before"]);
    }
    store.reopen_thread(&by, thread).await.expect("it is open");
    store.append(&by, session, says("after")).await.expect("an entry");
    assert_eq!(texts(&store, &by, session).await, ["before", "after"]);
    Verdict::Passed
}

/// Any change, swap, drop or insertion of a record on the medium is found and located; a removed end by its position.
pub async fn msg13(cx: Cx) -> Verdict {
    if cx.tamper().is_none() {
        return Verdict::NotRun("the driver brought no tamper hook".into());
    }
    let by = cx.by();
    for (at, damage) in [
        (4, Damage::FlipHead),
        (5, Damage::FlipBody),
        (1, Damage::FlipHead),
        (5, Damage::Swap(6)),
        (3, Damage::Swap(8)),
        (6, Damage::Drop),
        (6, Damage::Insert),
        (10, Damage::FlipBody),
        (10, Damage::Drop),
    ] {
        let cx = cx.another().await;
        let store = cx.store().await;
        let session = cx.session(&store, &by).await;
        let thread = session.thread();
        for n in 0..8 {
            store.append(&by, session, says(n.to_string())).await.expect("an entry");
        }
        let sound = store.verify(&by, thread, None).await.expect("a verification");
        assert_eq!((sound.records, sound.problems.len()), (10, 0));
        let end = sound.head.expect("a head");
        assert_eq!(end.version, 10);
        let again = store.verify(&by, thread, Some(end)).await.expect("a verification");
        assert_eq!(again.problems, [], "the journal holds its own end");
        let space = thread.space(&by.tenant);
        drop(store);
        cx.close_all().await;
        let tamper = cx.tamper().expect("asked before");
        tamper.damage(&space, at, damage).await;
        let store = cx.store().await;
        let located: Vec<u64> = match store.verify(&by, thread, Some(end)).await {
            Ok(found) => found.problems.iter().map(|(version, _)| *version).collect(),
            Err(Error::Corrupt { version, .. }) => vec![version],
            Err(other) => panic!("{damage:?} at {at}: {other}"),
        };
        assert!(!located.is_empty(), "{damage:?} at {at} was not found");
        let near = |v: u64| {
            v.abs_diff(at) <= 1 || matches!(damage, Damage::Swap(other) if v.abs_diff(other) <= 1)
        };
        assert!(located.iter().any(|v| near(*v)), "{damage:?} at {at} was located at {located:?}");
    }
    // A position the journal never had is told from its own.
    let store = cx.store().await;
    let session = cx.session(&store, &by).await;
    let end = store
        .verify(&by, session.thread(), None)
        .await
        .expect("a verification")
        .head
        .expect("a head");
    store.append(&by, session, says("on")).await.expect("an entry");
    let later = store.verify(&by, session.thread(), Some(end)).await.expect("a verification");
    assert_eq!(later.problems, [], "an earlier position is still held");
    let mut wrong = end;
    wrong.version += 5;
    let removed = store.verify(&by, session.thread(), Some(wrong)).await.expect("a verification");
    assert!(!removed.problems.is_empty(), "an end that is not there is missed");
    Verdict::Passed
}

/// Run and answered entry are checked, and can be filtered by.
pub async fn msg15(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let session = cx.session(&store, &by).await;
    let thread = session.thread();
    let other = named(&store, &by, thread, "other").await;
    let far = cx.session(&store, &by).await;
    let run = store.start_run(&by, session, NewRun::default()).await.expect("a run");
    let second = store.start_run(&by, session, NewRun::default()).await.expect("a run");
    let theirs = store.start_run(&by, other, NewRun::default()).await.expect("a run");
    let question = store.append(&by, session, says("question")).await.expect("an entry").first;
    let beside = store.append(&by, other, says("beside")).await.expect("an entry").first;
    let distant = store.append(&by, far, says("far")).await.expect("an entry").first;
    let mut in_run = Vec::new();
    let mut replies = Vec::new();
    for n in 0..90 {
        let mut entry = says(n.to_string());
        if n % 3 == 0 {
            entry = entry.in_run(run);
        }
        if n % 7 == 0 {
            entry = entry.in_reply_to(if n % 2 == 0 { question } else { beside });
        }
        let said = store.append(&by, session, entry).await.expect("an entry").first;
        if n % 3 == 0 {
            in_run.push(said);
        }
        if n % 14 == 0 {
            replies.push(said);
        }
    }
    let both: Vec<_> = in_run.iter().filter(|e| replies.contains(e)).copied().collect();
    let read = |run, in_reply_to, direction, limit| {
        let (store, by) = (&store, &by);
        async move {
            let found = pages(limit, |page| async move {
                let query = SessionQuery::Entries { session, direction, run, in_reply_to, page };
                match store.ask(by, query).await? {
                    SessionAnswer::Entries(page) => Ok(page),
                    other => panic!("{other:?}"),
                }
            })
            .await;
            let mut ids: Vec<_> = found.iter().map(|e| e.id).collect();
            if direction == Direction::Backward {
                ids.reverse();
            }
            ids
        }
    };
    for direction in [Direction::Forward, Direction::Backward] {
        for limit in [1, 4, 1000] {
            assert_eq!(read(Some(run), None, direction, limit).await, in_run);
            assert_eq!(read(None, Some(question), direction, limit).await, replies);
            assert_eq!(read(Some(run), Some(question), direction, limit).await, both);
            assert_eq!(read(Some(second), None, direction, limit).await, []);
        }
    }
    let entry = store.entry(&by, in_run[0]).await.expect("an answer").expect("the entry");
    assert_eq!((entry.run, entry.in_reply_to), (Some(run), Some(question)));
    store.end_run(&by, second, RunOutcome::Cancelled).await.expect("it ends");
    let (missing, precondition) = (ErrorKind::NotFound, ErrorKind::Precondition);
    let nothing = EntryId::new(thread, 1 << 40);
    for (bad, kind) in [
        (says("x").in_run(theirs), precondition),
        (says("x").in_run(second), precondition),
        (says("x").in_run(RunId::new(thread, 1)), missing),
        (says("x").in_run(RunId::new(thread, 1 << 40)), missing),
        (says("x").in_reply_to(nothing), missing),
        (says("x").in_reply_to(EntryId::new(thread, session.version())), missing),
        (says("x").in_reply_to(distant), precondition),
    ] {
        let shown = format!("{bad:?}");
        let error =
            harmless(&store, &by, thread, kind, store.append(&by, session, vec![says("ok"), bad]))
                .await;
        match error {
            Error::NotFound { .. } | Error::WrongThread { .. } => {}
            Error::RunEnded { run } => assert_eq!(run, second.to_string()),
            other => panic!("{shown}: {other:?}"),
        }
    }
    Verdict::Passed
}
