//! TLN1 to TLN3: timelines and searches.

use std::{collections::HashSet, sync::Arc, time::Duration};

use sessile_core::{
    Caller, ErrorKind, IdSource, Timestamp,
    command::{Paging, TimelineFilter, TimelineRow, TimelineScope},
    id::{EntryId, ProjectId, ThreadId, Version},
    journal::Direction,
    json::Json,
    model::{
        Actor, EntryKind, Message, NewEntry, Part, Priority, Role, RunOutcome, ToolCall, annotate,
        edit,
    },
    search::SearchText,
    store::AnyStore,
};

use super::entries::{put, user};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, SeededIds, TestClock,
        assertions::refused,
        hostile,
        shorthand::{log, named, pages, says, sessions, threads_of},
    },
};

crate::clauses! { TLN1 => tln1, TLN2 => tln2, TLN3 => tln3 }

type Ids = Vec<EntryId>;

/// A timeline, page by page.
async fn timeline(
    store: &dyn AnyStore,
    caller: &Caller,
    scope: TimelineScope,
    filter: &TimelineFilter,
    limit: usize,
) -> Vec<TimelineRow> {
    let page =
        |page: Paging| store.as_caller(caller).timeline(scope).matching(filter.clone()).page(page);
    pages(limit, page).await
}

fn ids(rows: &[TimelineRow]) -> Ids {
    rows.iter().map(|row| row.entry.id).collect()
}

fn forward() -> TimelineFilter {
    let mut filter = TimelineFilter::default();
    filter.direction = Direction::Forward;
    filter
}

/// All entries of a thread's sessions, by version.
async fn all(store: &dyn AnyStore, caller: &Caller, thread: ThreadId) -> Vec<(Timestamp, EntryId)> {
    let mut all = Vec::new();
    for session in sessions(store, caller, thread).await {
        let entries = log(store, caller, session.id, 100).await;
        let own = entries.into_iter().filter(|entry| entry.session == session.id);
        all.extend(own.map(|entry| (entry.at, entry.id)));
    }
    all.sort_unstable_by_key(|(_, id)| id.version());
    all
}

/// The timeline of a thread is the order of its journal, both ways, in pages of any size; filters give exact subsequences.
pub async fn tln1(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let one = cx.session(&store, &caller).await;
    let thread = one.thread();
    let two = named(&store, &caller, thread, "two").await;
    let gone = named(&store, &caller, thread, "gone").await;
    let ann = store.as_caller(&caller);
    let bob = ann.actor(Actor::user("bob")).expect("a name");
    let run = ann.start_run(one, Default::default()).await.expect("a run");
    let mut last = put(&store, &caller, two, says("first")).await;
    for n in 0..20 {
        let session = if n % 3 == 0 { one } else { two };
        let entry = match n % 5 {
            0 if session == one => says(format!("{n}")).in_run(run),
            1 => says(format!("{n}")).authored_by(bob.clone()),
            2 if session == two => edit(last, user("edited")),
            3 if session == two => annotate(last, Priority::Skip),
            _ => says(format!("{n}")),
        };
        let is_message = entry.message().is_some() && n % 5 != 2;
        let id = put(&store, &caller, session, entry).await;
        put(&store, &caller, gone, says("gone")).await;
        if session == two && is_message {
            last = id;
        }
    }
    ann.end_run(run, RunOutcome::Succeeded).await.expect("ended");
    ann.delete_session(gone).await.expect("deleted");
    let want: Ids = all(&store, &caller, thread).await.into_iter().map(|(_, id)| id).collect();
    let scope = TimelineScope::from(thread);
    for limit in [1, 2, 7, 1000] {
        let rows = timeline(&store, &caller, scope, &forward(), limit).await;
        assert_eq!(ids(&rows), want);
        let mut back = timeline(&store, &caller, scope, &TimelineFilter::default(), limit).await;
        back.reverse();
        assert_eq!(back, rows);
    }
    let rows = timeline(&store, &caller, scope, &forward(), 100).await;
    for row in &rows {
        let entry = ann.entry(row.entry.id).await.expect("an answer");
        assert_eq!(entry.as_ref(), Some(&row.entry));
    }
    type Keep<'a> = &'a (dyn Fn(&TimelineRow) -> bool + Sync);
    let mut by_session = forward();
    by_session.session = Some(two);
    let mut by_actor = forward();
    by_actor.actor = Some(bob.clone());
    let mut by_run = forward();
    by_run.run = Some(run);
    let mut by_kind = forward();
    by_kind.kind = Some(EntryKind::Annotation);
    let cases: [(TimelineFilter, Keep<'_>); 4] = [
        (by_session, &|row| row.entry.session == two),
        (by_actor, &|row| row.entry.actor.as_ref() == Some(&bob)),
        (by_run, &|row| row.entry.run == Some(run)),
        (by_kind, &|row| row.entry.kind == EntryKind::Annotation),
    ];
    for (filter, keep) in cases {
        let want: Ids = rows.iter().filter(|row| keep(row)).map(|row| row.entry.id).collect();
        assert!(!want.is_empty() && want.len() < rows.len());
        for limit in [1, 100] {
            let got = timeline(&store, &caller, scope, &filter, limit).await;
            assert_eq!(ids(&got), want, "{filter:?}");
        }
    }
    let got = timeline(&store, &caller, two.into(), &forward(), 3).await;
    assert_eq!(
        ids(&got),
        log(&store, &caller, two, 100).await.iter().map(|e| e.id).collect::<Ids>()
    );
    Verdict::Passed
}

/// Across threads entries come by time, which never goes back inside a thread, whatever the clocks of the writers do; a page
/// goes on where it ended while others write.
pub async fn tln2(cx: ClauseContext) -> Verdict {
    let clock = Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let behind = cx.store().await;
    let caller = cx.caller();
    let project = cx.project(&store, &caller).await;
    let random = SeededIds::new(cx.seed());
    let mut logs = Vec::new();
    for n in 0..5 {
        let ann = store.as_caller(&caller);
        let thread = ann.create_thread(project, format!("{n}").as_str()).await.expect("a thread");
        logs.push(named(&store, &caller, thread, "log").await);
        clock.advance(Duration::from_millis(n % 2));
    }
    let step = async |n: u32| {
        let random = random.random();
        clock.advance(Duration::from_millis((random >> 8) as u64 % 3));
        let writer = if random.is_multiple_of(5) { &behind } else { &store };
        let session = logs[(random >> 16) as usize % logs.len()];
        put(writer, &caller, session, says(format!("{n}"))).await;
    };
    for n in 0..40 {
        step(n).await;
    }
    let want = whole(&store, &caller, project).await;
    let scope = TimelineScope::from(project);
    for limit in [3, 1000] {
        let rows = timeline(&store, &caller, scope, &forward(), limit).await;
        assert_eq!(ids(&rows), want);
        let mut back = timeline(&store, &caller, scope, &TimelineFilter::default(), limit).await;
        back.reverse();
        assert_eq!(ids(&back), want);
    }
    let times = timeline(&store, &caller, scope, &forward(), 100).await;
    for (from, to) in [(0, 0), (0, 17), (13, 17), (13, 39), (17, 13)] {
        let mut filter = forward();
        (filter.since, filter.until) = (Some(times[from].entry.at), Some(times[to].entry.at));
        let kept = times.iter().filter(|row| {
            times[from].entry.at <= row.entry.at && row.entry.at <= times[to].entry.at
        });
        let want: Ids = kept.map(|row| row.entry.id).collect();
        assert_eq!(ids(&timeline(&store, &caller, scope, &filter, 5).await), want);
        filter.direction = Direction::Backward;
        let mut back = ids(&timeline(&store, &caller, scope, &filter, 5).await);
        back.reverse();
        assert_eq!(back, want);
    }
    // While others write, what was there comes once.
    let mut after = None;
    let mut seen = Ids::new();
    for n in 0.. {
        let list = store.as_caller(&caller).timeline(scope);
        let page = list.page(Paging::first(5).after(after)).await.expect("a page");
        seen.extend(ids(&page.items));
        after = page.next;
        if after.is_none() {
            break;
        }
        step(100 + n).await;
        assert!(n < 100, "a list ends");
    }
    // What came meanwhile may come too, where the writer's clock is behind; nothing comes twice.
    seen.reverse();
    let once: HashSet<_> = seen.iter().copied().collect();
    assert_eq!(once.len(), seen.len());
    seen.retain(|id| want.contains(id));
    assert_eq!(seen, want);
    Verdict::Passed
}

/// The entries of a project by time, thread and version.
async fn whole(store: &dyn AnyStore, caller: &Caller, project: ProjectId) -> Ids {
    let mut want: Vec<(Timestamp, ThreadId, Version, EntryId)> = Vec::new();
    for thread in threads_of(store, caller, project).await {
        let entries = all(store, caller, thread).await.into_iter();
        want.extend(entries.map(|(at, id)| (at, thread, id.version(), id)));
    }
    want.sort_unstable();
    want.into_iter().map(|(_, _, _, id)| id).collect()
}

/// A search finds an entry exactly if a person sees the text in it, of any length and spelling; nothing in the text has a
/// meaning of its own; a narrower scope finds a part of what a wider one finds.
pub async fn tln3(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let project = cx.project(&store, &caller).await;
    let ann = store.as_caller(&caller);
    let thread = ann.create_thread(project, "one").await.expect("a thread");
    let other = ann.create_thread(project, "two").await.expect("a thread");
    let (here, there) = (
        named(&store, &caller, thread, "here").await,
        named(&store, &caller, other, "there").await,
    );
    let json = |text: &str| Json::parse(text).expect("JSON");
    let call: Part =
        ToolCall::new("run_tests", json(r#"{"path":"src\/a.rs","say":"line\nA"}"#)).into();
    let secret = Message::text(Role::User, "seen").with_metadata(json("\"hidden needle\""));
    let messages = vec![
        user("Straße, 100% of_it * \"quoted\" \\ back"),
        user("cafe\u{301} and Ἀθῆναι"),
        Message::new(Role::Assistant, vec![Part::reasoning("I ponder"), call]),
        secret,
        user(&format!("{}needle in the hay{}", "x".repeat(70_000), "y".repeat(70_000))),
        user("K\u{212a}"),
        user(""),
    ];
    let mut found = Vec::new();
    for message in messages {
        found.push(put(&store, &caller, here, NewEntry::new(message)).await);
    }
    let noted =
        put(&store, &caller, here, annotate(found[0], Priority::Normal).because("Because")).await;
    let far = put(&store, &caller, there, says("another needle")).await;
    let search = async |scope: TimelineScope, text: &str, limit: usize| {
        let mut filter = forward();
        filter.text = Some(SearchText::new(text).expect("a text"));
        let rows = timeline(&store, &caller, scope, &filter, limit).await;
        assert!(rows.iter().all(|row| row.snippet.is_some()));
        rows
    };
    for (text, want) in [
        ("STRASSE", vec![found[0]]),
        ("100%", vec![found[0]]),
        ("100_", vec![]),
        ("of_it *", vec![found[0]]),
        ("\"quoted\" \\", vec![found[0]]),
        ("CAFÉ", vec![found[1]]),
        ("ἀθῆν", vec![found[1]]),
        ("Ponder", vec![found[2]]),
        ("run_t", vec![found[2]]),
        ("line\na", vec![found[2]]),
        ("src/a.rs", vec![found[2]]),
        ("\\n", vec![]),
        ("hidden", vec![]),
        ("needle", vec![found[4], far]),
        ("k", vec![found[0], found[5]]),
        ("because", vec![noted]),
        ("x", vec![found[4]]),
        ("user", vec![]),
        ("text", vec![]),
        ("\u{0}", vec![]),
    ] {
        for limit in [1, 50] {
            let rows = search(project.into(), text, limit).await;
            let mut got = ids(&rows);
            got.sort_unstable_by_key(|id| want.iter().position(|want| want == id));
            assert_eq!(got, want, "{text:?}");
        }
        let within: Ids = want.iter().copied().filter(|id| id.thread() == thread).collect();
        assert_eq!(ids(&search(thread.into(), text, 2).await), within, "{text:?}");
        assert_eq!(ids(&search(here.into(), text, 2).await), within, "{text:?}");
    }
    let hit = search(thread.into(), "needle", 5).await.remove(0).snippet.expect("a snippet");
    assert_eq!(hit.split().1, "needle");
    assert!(hit.cut_before && hit.cut_after && hit.text.len() < 300);
    // What is erased is found no more; what is hostile is found, and finds nothing else.
    ann.erase_entries(thread, [found[4]]).await.expect("erased");
    assert_eq!(ids(&search(project.into(), "needle", 5).await), [far]);
    for text in hostile::contents().iter().filter(|text| SearchText::new(text.as_str()).is_ok()) {
        let id = put(&store, &caller, there, says(format!("<{text}>"))).await;
        let rows = search(there.into(), text, 100).await;
        assert!(ids(&rows).contains(&id), "{text:?}");
        for row in rows {
            let holds = SearchText::new(text.as_str()).expect("a text");
            assert!(row.entry.message().is_some_and(|message| holds.find_in(message).is_some()));
        }
    }
    let foreign = cx.caller_of("other", "eve");
    refused(
        store.as_caller(&foreign).timeline(thread).page(Paging::default()).await,
        ErrorKind::TenantIsolation,
    );
    Verdict::Passed
}
