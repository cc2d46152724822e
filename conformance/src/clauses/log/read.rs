//! MSG: what is read is what was written, page by page.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    ErrorKind, Timestamp,
    command::{EntryFilter, NewRun, Paging, SessionAnswer, SessionQuery},
    error::Error,
    id::{EntryId, RunId},
    journal::Direction,
    json::Json,
    model::{
        Artifact, Entry, Message, NewEntry, Part, Role, RunOutcome, ToolCall, ToolOutcome,
        ToolResult,
    },
    store::SessionStore,
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, CountingJournal, TestClock,
        assertions::{harmless, refused},
        hostile, shapes,
        shorthand::{log, named, pages, says},
    },
};

crate::clauses! { MSG6 => msg6, MSG7 => msg7, MSG15 => msg15 }

/// Any content comes back deep-equal.
pub async fn msg6(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
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
            Part::reasoning(""),
            Part::tool_call("f", json("{\"x\" : [1 , 2]}")),
            ToolCall::new("", json("null")).with_id("").into(),
            ToolResult::text(ToolOutcome::Error, "boom").with_id("c").into(),
            ToolResult::text(ToolOutcome::Ok, "").into(),
            Artifact::new("s3://x").with_media_type("text/plain").into(),
            Part::artifact(""),
        ],
    ));
    for text in hostile::contents().iter().map(String::as_str).chain(["", &controls, bounds]) {
        messages.push(Message::new(Role::Assistant, shapes::parts(text)));
    }
    // Bytes of every value and of every length around the groups of base64; 2 MiB that no encoding makes smaller.
    let bytes = |n: usize| -> Vec<u8> {
        let mut random = 0x9e37_79b9_u32;
        let step = |_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 24) as u8
        };
        (0..n).map(step).collect()
    };
    let every: Vec<u8> = (0..=255).collect();
    let lengths = (0..8).chain([48_000, 49_000, 65_536, 2 << 20]);
    let binaries: Vec<_> =
        lengths.map(bytes).chain([every, vec![0; 100], vec![255; 100]]).collect();
    for bytes in &binaries {
        let image = Part::binary("image/png", bytes.as_slice());
        let seen = ToolResult::new(ToolOutcome::Ok, vec![image.clone(), Part::text("seen")]);
        messages.push(Message::new(Role::User, vec![image]));
        if bytes.len() < 50_000 {
            messages.push(Message::new(Role::Tool, vec![seen.into()]));
        }
    }
    // Around the size where a body moves out of the record, and 16 MiB.
    for n in [65_500, 65_535, 65_536, 65_537, 70_000] {
        messages.push(Message::text(Role::User, "x".repeat(n)));
    }
    messages.push(Message::text(Role::User, "é\0\"".repeat((16 << 20) / 4)));
    let mut said = Vec::new();
    for turn in messages.chunks(16) {
        let turn: Vec<_> = turn.iter().cloned().map(NewEntry::new).collect();
        let appended = store.as_caller(&caller).append(session, turn).await.expect("any content");
        said.extend(appended.entries());
    }
    for part in shapes::not_for_results("no") {
        let entry = NewEntry::new(Message::new(Role::Tool, vec![part]));
        let ann = store.as_caller(&caller);
        let append = ann.append(session, entry);
        harmless(&store, &caller, session.thread(), ErrorKind::Invalid, append).await;
    }
    let large = Part::binary("", vec![0; (32 << 20) + 1]);
    let entry = NewEntry::new(Message::new(Role::User, vec![large]));
    refused(store.as_caller(&caller).append(session, entry).await, ErrorKind::Capacity);
    let store = cx.reopen(store).await;
    let read = log(&store, &caller, session, 50).await;
    assert_eq!(read.len(), messages.len());
    for ((entry, message), id) in read.iter().zip(&messages).zip(said) {
        assert!(entry.message() == Some(message), "{}", difference(entry, message));
        let single =
            store.as_caller(&caller).entry(id).await.expect("an answer").expect("the entry");
        assert!(single == *entry, "one by one as in a page");
    }
    Verdict::Passed
}

fn difference(entry: &Entry, message: &Message) -> String {
    let (got, want) = (format!("{:?}", entry.content), format!("{message:?}"));
    let cut = |text: &str| text.chars().take(200).collect::<String>();
    format!("came back as {} and was {}", cut(&got), cut(&want))
}

/// Pages concatenate to the whole, both ways, and cost what they show.
pub async fn msg7(cx: ClauseContext) -> Verdict {
    let watched = CountingJournal::new(cx.journal().await);
    let store = cx.store_over(watched.clone(), Arc::default(), |options| options);
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let other = named(&store, &caller, session.thread(), "other").await;
    for n in 0..24 {
        let turn: Vec<_> = (0..10).map(|i| says(format!("{n}.{i}"))).collect();
        store.as_caller(&caller).append(session, turn).await.expect("a turn");
        store.as_caller(&caller).append(other, vec![says("noise"); 10]).await.expect("a turn");
    }
    let whole = log(&store, &caller, session, 1000).await;
    assert_eq!(whole.len(), 240);
    for direction in [Direction::Forward, Direction::Backward] {
        for limit in [1, 7, 239, 240, 241, 1000] {
            if limit == 1 && !matches!(direction, Direction::Backward) {
                continue;
            }
            let mut read = pages(limit, |page| {
                store.as_caller(&caller).entries(session).direction(direction).page(page)
            })
            .await;
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
            let got = store
                .as_caller(&caller)
                .entries(session)
                .direction(direction)
                .page(page.after(after))
                .await
                .expect("a page");
            assert_eq!(got.items.len(), 10);
            let read = watched.records() - before;
            assert!(read <= 40, "a page of 10 read {read} records");
            after = got.next;
        }
    }
    // The page that holds the last entry says that there is no other; a full one before it does not.
    for direction in [Direction::Forward, Direction::Backward] {
        for (limit, more) in [(239, true), (240, false), (241, false), (1000, false)] {
            let page = store
                .as_caller(&caller)
                .entries(session)
                .direction(direction)
                .page(Paging::first(limit))
                .await;
            let page = page.expect("a page");
            assert_eq!((page.items.len(), page.next.is_some()), (limit.min(240), more));
        }
    }
    // A cursor stays good while others append: nothing is skipped, nothing shown twice.
    let first =
        store.as_caller(&caller).entries(session).page(Paging::first(160)).await.expect("a page");
    store.as_caller(&caller).append(session, says("late")).await.expect("an entry");
    let rest =
        store.as_caller(&caller).entries(session).page(Paging::first(1000).after(first.next)).await;
    let rest = rest.expect("a page").items;
    assert!(rest[..80] == whole[160..], "the rest follows the first page");
    assert!(rest.len() <= 81);
    for limit in [0, 1001] {
        let page = store.as_caller(&caller).entries(session).page(Paging::first(limit)).await;
        refused(page, ErrorKind::Invalid);
    }
    let empty = named(&store, &caller, session.thread(), "empty").await;
    let page = store
        .as_caller(&caller)
        .entries(empty)
        .backward()
        .page(Paging::default())
        .await
        .expect("a page");
    assert_eq!((page.items, page.next), (vec![], None));
    later_entries(&cx).await;
    Verdict::Passed
}

/// Entries after a version or a time are those that a filter of the whole log keeps, found without reading it.
async fn later_entries(cx: &ClauseContext) {
    let (clock, watched) = (Arc::<TestClock>::default(), CountingJournal::new(cx.journal().await));
    let store = cx.store_over(watched.clone(), clock.clone(), |options| options);
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let other = named(&store, &caller, session.thread(), "other").await;
    let ann = store.as_caller(&caller);
    let run = ann.start_run(session, NewRun::default()).await.expect("a run");
    for n in 0_u64..100 {
        // Hours forward, back again, and many at one time.
        match n % 10 {
            0 => clock.advance(Duration::from_secs(3600)),
            3 => clock.rewind(Duration::from_secs(5000)),
            4 | 5 => clock.advance(Duration::from_millis(n)),
            _ => {}
        }
        let mut entry = says(n.to_string());
        if n % 3 == 0 {
            entry = entry.in_run(run);
        }
        ann.append(session, entry).await.expect("an entry");
        if n % 5 == 0 {
            ann.append(other, vec![says("noise"); 16]).await.expect("entries");
        }
    }
    let whole = log(&store, &caller, session, 1000).await;
    assert!(whole.is_sorted_by_key(|entry| entry.at), "times never go back");
    let (first, last) = (whole[0].clone(), whole[99].clone());
    let mut versions = vec![0, session.version(), first.version - 1, last.version + 1, u64::MAX];
    let mut times = vec![0, first.at.millis() - 1, last.at.millis() + 1, u64::MAX];
    for at in [0, 1, 43, 50, 77, 98, 99] {
        let entry: &Entry = &whole[at];
        versions.extend([entry.version, entry.version + 1]);
        times.extend([entry.at.millis(), entry.at.millis() + 1]);
    }
    let bounds = versions.iter().map(|version| (*version, None));
    let bounds = bounds.chain(times.iter().map(|time| (0, Some(Timestamp::from_millis(*time)))));
    let both = (whole[50].version, Some(whole[40].at));
    for (after, since) in bounds.chain([both, (whole[40].version, Some(whole[60].at))]) {
        for of_run in [None, Some(run)] {
            let kept = whole.iter().filter(|entry| {
                entry.version > after
                    && since.is_none_or(|since| entry.at >= since)
                    && of_run.is_none_or(|run| entry.run == Some(run))
            });
            let kept: Vec<_> = kept.cloned().collect();
            for direction in [Direction::Forward, Direction::Backward] {
                for limit in [9, 1000] {
                    let before = watched.records();
                    let mut read = pages(limit, |page| {
                        let list = ann.entries(session).direction(direction).after_version(after);
                        let list = since.into_iter().fold(list, |list, since| list.since(since));
                        of_run.into_iter().fold(list, |list, run| list.of_run(run)).page(page)
                    })
                    .await;
                    if direction == Direction::Backward {
                        read.reverse();
                    }
                    assert!(read == kept, "after {after}, since {since:?}, {direction:?}");
                    let cost = watched.records() - before;
                    let shown = kept.len() as u64 * if of_run.is_some() { 4 } else { 2 };
                    // Forward the first is searched for; backward the last page may look beyond it.
                    let beyond =
                        if direction == Direction::Backward { 1 + limit as u64 } else { 20 };
                    assert!(cost <= shown + beyond, "{} entries read {cost} records", kept.len());
                }
            }
        }
    }
}

/// The run and the answered entry are checked, and entries can be filtered by them.
pub async fn msg15(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let other = named(&store, &caller, thread, "other").await;
    let far = cx.session(&store, &caller).await;
    let run = store.as_caller(&caller).start_run(session, NewRun::default()).await.expect("a run");
    let second =
        store.as_caller(&caller).start_run(session, NewRun::default()).await.expect("a run");
    let theirs = store.as_caller(&caller).start_run(other, NewRun::default()).await.expect("a run");
    let question =
        store.as_caller(&caller).append(session, says("question")).await.expect("an entry").first;
    let beside =
        store.as_caller(&caller).append(other, says("beside")).await.expect("an entry").first;
    let distant = store.as_caller(&caller).append(far, says("far")).await.expect("an entry").first;
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
        let said = store.as_caller(&caller).append(session, entry).await.expect("an entry").first;
        if n % 3 == 0 {
            in_run.push(said);
        }
        if n % 14 == 0 {
            replies.push(said);
        }
    }
    let both: Vec<_> = in_run.iter().filter(|e| replies.contains(e)).copied().collect();
    let read = |run, in_reply_to, direction, limit| {
        let (store, caller) = (&store, &caller);
        async move {
            let found = pages(limit, |page| async move {
                let filter = EntryFilter { direction, run, in_reply_to, ..EntryFilter::default() };
                let query = SessionQuery::Entries(session, filter, page);
                match store.ask(caller, query).await? {
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
    sparse(&cx).await;
    let entry =
        store.as_caller(&caller).entry(in_run[0]).await.expect("an answer").expect("the entry");
    assert_eq!((entry.run, entry.in_reply_to), (Some(run), Some(question)));
    store.as_caller(&caller).end_run(second, RunOutcome::Cancelled).await.expect("it ends");
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
        let error = harmless(
            &store,
            &caller,
            thread,
            kind,
            store.as_caller(&caller).append(session, vec![says("ok"), bad]),
        )
        .await;
        match error {
            Error::NotFound { .. } | Error::WrongThread { .. } => {}
            Error::RunEnded { run } => assert_eq!(run, second),
            other => panic!("{shown}: {other:?}"),
        }
    }
    Verdict::Passed
}

/// One filtered page looks at thousands of entries, not only at what one read returns.
async fn sparse(cx: &ClauseContext) {
    let (store, caller) = (cx.store().await, cx.caller());
    let session = cx.session(&store, &caller).await;
    let run = store.as_caller(&caller).start_run(session, NewRun::default()).await.expect("a run");
    for _ in 0..2 {
        let turn = vec![says("none of it"); 1000];
        store.as_caller(&caller).append(session, turn).await.expect("1,000 entries");
    }
    let mut turn = vec![says("none of it"); 999];
    turn.push(says("of the run").in_run(run));
    let wanted = store.as_caller(&caller).append(session, turn).await.expect("1,000 entries");
    let wanted = wanted.entries().last().expect("the last");
    let page = Paging::first(500);
    let filter = EntryFilter { run: Some(run), ..EntryFilter::default() };
    let query = SessionQuery::Entries(session, filter, page);
    let SessionAnswer::Entries(page) = store.ask(&caller, query).await.expect("a page") else {
        panic!("a page was asked for");
    };
    let ids: Vec<_> = page.items.iter().map(|entry| entry.id).collect();
    assert_eq!((ids, page.next), (vec![wanted], None), "entry 3,000, on the first page");
}
