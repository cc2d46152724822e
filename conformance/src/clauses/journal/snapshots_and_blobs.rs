//! J14, J18: snapshots and blobs.

use std::{collections::BTreeSet, sync::Arc};

use sessile_core::{
    Caller, ErrorKind,
    command::{NewRun, NewSession, Paging, RunScope, UsageScope},
    hash::Hash,
    id::{Space, ThreadId, Version},
    journal::{Batch, Direction, Journal, Position, Snapshot},
    model::{NewEntry, Role, Tokens, Usage},
    store::Store,
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::refused,
        raw_batches,
        wrong_journals::{Alteration, AlteringJournal},
    },
};

crate::clauses! { J14: Journal => j14, J18: Journal => j18 }
crate::internal::child_programs! { "j18_put" => put }

/// No snapshot changes an answer: absent, stale, cut or forged.
pub async fn j14(cx: ClauseContext) -> Verdict {
    let keeps = kept(&cx).await;
    let caller = cx.caller();
    let store = cx.store().await;
    let thread = filled(&cx, &store, &caller, 12).await;
    let space = thread.space(&caller.tenant);
    let journal = cx.journal().await;
    let stale = journal.load_snapshot(&space).await.expect("a snapshot or none");
    more(&store, &caller, thread, 12).await;
    let foreign = filled(&cx, &store, &caller, 20).await.space(&caller.tenant);
    let foreign = journal.load_snapshot(&foreign).await.expect("a snapshot or none");
    let right = answers(&store, &caller, thread).await;
    let real = journal.load_snapshot(&space).await.expect("a snapshot or none");
    let head = raw_batches::at(&journal.head(&space).await.expect("a head")).expect("a position");
    let project =
        store.as_caller(&caller).thread(thread).await.expect("an answer").expect("it").project;
    let spaces = [project.space(&caller.tenant), space.clone()];
    // The thread and its three sessions are what both histories share.
    let diverged = diverged(&cx, &caller, thread, &spaces, 4).await;
    if real.is_none() {
        cx.note("the store kept no snapshot of this thread: only forged snapshots were judged");
    }
    drop(store);

    let past = Position { version: head.version + 100, ..head };
    let other = Position { hash: Hash::of(&[b"other"]), ..head };
    let early = Position { version: 1, ..head };
    let mut cases = vec![
        ("nothing", Snapshot { position: head, bytes: Vec::new() }),
        ("garbage", Snapshot { position: head, bytes: (0..=255).cycle().take(4000).collect() }),
        ("json of another kind", Snapshot { position: head, bytes: b"{\"a\":[1,2]}".to_vec() }),
        ("garbage past the head", Snapshot { position: past, bytes: vec![b'{'; 99] }),
        (
            "garbage at version 0",
            Snapshot { position: Position { version: 0, ..head }, bytes: vec![0] },
        ),
    ];
    if let Some(real) = &real {
        let with = |bytes: Vec<u8>| Snapshot { position: real.position, bytes };
        let half = real.bytes.len() / 2;
        cases.push(("a truncated one", with(real.bytes[..half].to_vec())));
        // A digit with its lowest bit flipped is another digit: the damage that reads as well as what was there.
        let digits: Vec<usize> =
            (half..real.bytes.len()).filter(|i| real.bytes[*i].is_ascii_digit()).collect();
        let spread = digits.iter().copied().step_by(digits.len() / 12 + 1);
        for place in [0, half, real.bytes.len() - 1].into_iter().chain(spread) {
            let mut bytes = real.bytes.clone();
            bytes[place] ^= 1;
            cases.push(("a flipped bit", with(bytes)));
        }
        let at = |position| Snapshot { position, bytes: real.bytes.clone() };
        cases.push(("a right one at another hash", at(other)));
        cases.push(("a right one past the head", at(past)));
        cases.push(("a right one at an early version", at(early)));
        cases.push(("the right one", real.clone()));
    }
    cases.extend(stale.clone().map(|stale| ("a stale one", stale)));
    cases.extend(stale.map(|stale| ("a stale one as new", Snapshot { position: head, ..stale })));
    cases.extend(foreign.clone().map(|it| ("another thread's", it)));
    cases.extend(foreign.map(|it| ("another's as its own", Snapshot { position: head, ..it })));
    cases.extend(diverged.map(|it| ("one of another history", it)));
    let mut wrong = Vec::new();
    for (name, snapshot) in cases {
        // In a place of its own nothing newer is kept already, so that this one is what a store finds.
        let cx = cx.another().await;
        let place = cx.journal().await;
        copy(&*journal, &*place, &spaces, Version::MAX).await;
        place.save_snapshot(&space, &snapshot).await.expect("a snapshot is a cache");
        let found = place.load_snapshot(&space).await.expect("a snapshot or none");
        if keeps && (1..=head.version).contains(&snapshot.position.version) {
            assert_eq!(found, Some(snapshot), "{name}: the store finds the forged snapshot");
        }
        let store = cx.store().await;
        let now = answers(&store, &caller, thread).await;
        wrong.extend(now.iter().zip(&right).find(|(now, right)| now != right).map(
            |(now, right)| {
                let same = now.bytes().zip(right.bytes()).take_while(|(a, b)| a == b).count();
                let near = |text: &str| {
                    text.chars().skip(same.saturating_sub(40)).take(80).collect::<String>()
                };
                format!("{name}: ..{}.. instead of ..{}..", near(now), near(right))
            },
        ));
    }
    assert!(wrong.is_empty(), "a thread answers by a bad snapshot: {wrong:?}");
    let store = cx.store().await;
    more(&store, &caller, thread, 1).await;
    Verdict::Passed
}

/// Copies these spaces as they were up to a version, each in one batch with its newest card.
async fn copy(from: &dyn Journal, to: &dyn Journal, spaces: &[Space], upto: Version) {
    for space in spaces {
        let card = from.head(space).await.expect("a head").and_then(|head| head.card);
        let records = raw_batches::read_from(from, space, 0, upto).await;
        let batch = Batch { card, ..raw_batches::of_records(records) };
        raw_batches::done(to.commit(space, None, &batch).await);
    }
}

/// A snapshot of the same thread in a copy of the store that went another way from this version on.
async fn diverged(
    cx: &ClauseContext,
    caller: &Caller,
    thread: ThreadId,
    spaces: &[Space],
    from: Version,
) -> Option<Snapshot> {
    let elsewhere = cx.another().await;
    let journal = elsewhere.journal().await;
    copy(&*cx.journal().await, &*journal, spaces, from).await;
    more(&elsewhere.store().await, caller, thread, 12).await;
    let space = thread.space(&caller.tenant);
    journal.load_snapshot(&space).await.expect("a snapshot or none")
}

/// Keeping and loading, where the journal is asked directly; whether the newest snapshot comes back.
async fn kept(cx: &ClauseContext) -> bool {
    let journal = cx.journal().await;
    let space = raw_batches::space(1);
    let mut keeps = true;
    assert_eq!(journal.load_snapshot(&space).await.expect("none yet"), None);
    let at = raw_batches::append(&*journal, &space, None, 2, "one").await;
    for bytes in [vec![1; 10], Vec::new(), vec![0xff; 300_000]] {
        let snapshot = Snapshot { position: at.expect("a head"), bytes };
        journal.save_snapshot(&space, &snapshot).await.expect("a snapshot may be kept");
        let loaded = cx.journal().await.load_snapshot(&space).await.expect("it or none");
        keeps &= loaded.is_some();
        assert!(loaded.is_none_or(|loaded| loaded == snapshot), "the newest comes back, or none");
    }
    assert_eq!(
        raw_batches::at(&journal.head(&space).await.expect("a head")),
        at,
        "it is no commit"
    );
    keeps
}

/// A thread with sessions, entries, a run and a lease.
async fn filled(cx: &ClauseContext, store: &Store, caller: &Caller, turns: usize) -> ThreadId {
    let thread = cx.thread(store, caller).await;
    for name in ["a", "b", "c"] {
        let new = NewSession::named(name).with_label("kind", name);
        store.as_caller(caller).create_session(thread, new).await.expect("a session");
    }
    more(store, caller, thread, turns).await;
    thread
}

async fn more(store: &Store, caller: &Caller, thread: ThreadId, turns: usize) {
    let page = store
        .as_caller(caller)
        .sessions(thread)
        .page(Paging::first(10))
        .await
        .expect("the sessions");
    let sessions: Vec<_> = page.items.iter().map(|row| row.id).collect();
    for i in 0..turns {
        let session = sessions[i % sessions.len()];
        let entries: Vec<_> = (0..4)
            .map(|k| {
                NewEntry::text(Role::User, format!("turn {i}, entry {k} {}", "word ".repeat(300)))
            })
            .collect();
        store.as_caller(caller).append(session, entries).await.expect("an append");
        if i % 4 == 0 {
            let run =
                store.as_caller(caller).start_run(session, NewRun::default()).await.expect("a run");
            let usage = Usage::new(Tokens::new(i as u64, 2), 1);
            store
                .as_caller(caller)
                .book_usage(run, format!("call {i}"), usage)
                .await
                .expect("a booking");
        }
    }
}

/// What a thread answers to every kind of question.
async fn answers(store: &Store, caller: &Caller, thread: ThreadId) -> Vec<String> {
    let all = Paging::first(1000);
    let mut said = Vec::new();
    said.push(format!("{:?}", store.as_caller(caller).thread(thread).await.expect("the thread")));
    let sessions = store.as_caller(caller).sessions(thread).page(all).await.expect("the sessions");
    said.push(format!("{sessions:?}"));
    for row in &sessions.items {
        let id = row.id;
        said.push(format!("{:?}", store.as_caller(caller).drill(id).await.expect("a drill")));
        said.push(format!("{:?}", store.as_caller(caller).lease(id).await.expect("a lease")));
        said.push(format!(
            "{:?}",
            store.as_caller(caller).ledger(id).page(all).await.expect("a ledger")
        ));
        for direction in [Direction::Forward, Direction::Backward] {
            let entries = store
                .as_caller(caller)
                .entries(id)
                .direction(direction)
                .page(all)
                .await
                .expect("the entries");
            said.push(format!("{entries:?}"));
        }
    }
    let runs =
        store.as_caller(caller).runs(RunScope::Thread(thread)).page(all).await.expect("the runs");
    said.push(format!("{runs:?}"));
    let usage = store.as_caller(caller).usage(UsageScope::Thread(thread)).await.expect("the usage");
    said.push(format!("{usage:?}"));
    said.push(format!(
        "{:?}",
        store.as_caller(caller).verify(thread, None).await.expect("a verification")
    ));
    said
}

/// Blobs: names never used before, ranges exact, what is missing is `NotFound`, what is damaged is `Corrupt`.
pub async fn j18(cx: ClauseContext) -> Verdict {
    let space = raw_batches::space(1);
    let journal = cx.journal().await;
    let first = journal.put_blob(&space, b"before the first commit").await.expect("a blob");
    let at = raw_batches::append(&*journal, &space, None, 1, "one").await;
    assert_eq!(
        raw_batches::at(&journal.head(&space).await.expect("a head")),
        at,
        "a blob is no commit"
    );

    let bytes: Vec<u8> = (0..100_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    let name = journal.put_blob(&space, &bytes).await.expect("a blob");
    let end = bytes.len() as u64;
    for journal in [Arc::clone(&journal), cx.journal().await] {
        let get = async |range| journal.get_blob(&space, &name, range).await.expect("a range");
        assert_eq!(get(None).await, bytes);
        for (from, to) in [
            (0, 1),
            (0, end),
            (0, end + 1),
            (1, 2),
            (4095, 4097),
            (end - 1, end),
            (end - 1, end + 9),
            (end, end),
            (end, end + 1),
            (end + 7, end + 9),
            (5, 5),
            (0, u64::MAX),
        ] {
            let want = &bytes[from.min(end) as usize..to.min(end) as usize];
            assert!(get(Some(from..to)).await == want, "the range {from}..{to} is exact");
        }
        let got = journal.get_blob(&space, &first, None).await.expect("a blob");
        assert_eq!(got, b"before the first commit");
    }
    names(&cx, &space).await;
    for missing in ["0000", "a", "zzzz-zzzz", &"0".repeat(64)] {
        let missing = sessile_core::journal::BlobName(missing.into());
        if missing != name && missing != first {
            refused(
                journal.get_blob(&raw_batches::space(77), &missing, None).await,
                ErrorKind::NotFound,
            );
            refused(
                journal.get_blob(&raw_batches::space(77), &missing, Some(0..0)).await,
                ErrorKind::NotFound,
            );
        }
    }
    digest(&cx).await;
    Verdict::Passed
}

/// Names are unique among tasks, handles and processes, for equal bytes too.
async fn names(cx: &ClauseContext, space: &Space) {
    let mut putters = Vec::new();
    for journal in raw_batches::handles(cx, 3).await {
        let space = space.clone();
        putters.push(tokio::spawn(async move { many(&*journal, &space).await }));
    }
    let mut names = Vec::new();
    for putter in putters {
        names.extend(putter.await.expect("a putter ends"));
    }
    for put in cx.processes("j18_put", 2, &serde_json::Value::Null).await {
        names.extend(serde_json::from_str::<Vec<String>>(&put).expect("names"));
    }
    let journal = cx.journal().await;
    for name in &names {
        let right = (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        assert!(right, "a blob is named with 1 to 64 of [a-z0-9-], not {name:?}");
        let name = sessile_core::journal::BlobName(name.as_str().into());
        let got = journal.get_blob(space, &name, None).await.expect("a blob");
        assert!(got.is_empty() || got == b"same", "equal bytes under every name");
    }
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "no name is used twice");
}

async fn many(journal: &dyn Journal, space: &Space) -> Vec<String> {
    let mut names = Vec::new();
    for i in 0..8 {
        let bytes: &[u8] = if i % 4 == 0 { b"" } else { b"same" };
        let name = journal.put_blob(space, bytes).await.expect("a blob");
        names.push(name.0.to_string());
    }
    names
}

async fn put(cx: ClauseContext, _index: usize, _args: serde_json::Value) -> String {
    let names = many(&*cx.journal().await, &raw_batches::space(1)).await;
    serde_json::to_string(&names).expect("JSON")
}

/// A body whose blob comes back with other bytes is `Corrupt`, not another body.
async fn digest(cx: &ClauseContext) {
    let caller = cx.caller();
    let store = cx.store().await;
    let session = cx.session(&store, &caller).await;
    let entry = NewEntry::text(Role::User, "large ".repeat(40_000));
    let large = store.as_caller(&caller).append(session, entry).await.expect("a large entry").first;
    let entry = NewEntry::text(Role::User, "small");
    let small = store.as_caller(&caller).append(session, entry).await.expect("a small entry").first;
    let bent = Arc::new(AlteringJournal::over(cx.journal().await, Alteration::FlipsBlobs));
    let broken = cx.store_over(bent, Arc::default(), |options| options);
    refused(broken.as_caller(&caller).entry(large).await, ErrorKind::Corrupt);
    assert!(broken.as_caller(&caller).entry(small).await.expect("a small entry").is_some());
    let found =
        broken.as_caller(&caller).verify(session.thread(), None).await.expect("a verification");
    let at: Vec<_> = found.problems.iter().map(|(version, _)| *version).collect();
    assert_eq!(at, [large.version()], "verify locates the damaged body");
    assert!(store.as_caller(&caller).entry(large).await.expect("the entry").is_some());
}
