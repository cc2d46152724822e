//! ARC6: entries of an archived session leave the journal, and come back equal.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    Error, ErrorKind, Handle, Result,
    archive::{CollectBundles, Retain, RetainOutcome, RetentionReason},
    command::{Archiving, Expect, FeedRecord, Forget, ForgetOutcome, NewSession},
    error::Closure,
    id::{EntryId, SessionId, UserId, Version},
    journal::{Record, RecordBody},
    model::{Actor, Entry, Retention, RunOutcome, annotate},
    record::Lane,
    search::SearchText,
};

use super::place::{Everything, Place, config};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        archives::ARCHIVE,
        assertions::{closed, refused},
        fault::{Call, InterruptedJournal},
        raw_batches,
        shorthand::{head, pages, says, text},
        stops::polled,
    },
};

crate::clauses! { ARC6 => arc6 }

/// Is said in what is erased, and nowhere else.
const SECRET: &str = "a secret that has to go";

/// What was evicted is nowhere but in the bundle, and said to be archived wherever it would be read; restored, all is as it
/// was. A fork keeps what it shows. What is erased, before, meanwhile or after, never comes back.
pub async fn arc6(cx: ClauseContext) -> Verdict {
    let place = Place::new(&cx).await;
    there_and_back(&cx, &place).await;
    forks(&place).await;
    erased(&place).await;
    cut_off(&place).await;
    many(&place).await;
    stopped(&place).await;
    together_with_others(&place).await;
    broken(&place).await;
    retention(&cx).await;
    Verdict::Passed
}

fn evicting() -> Archiving {
    Archiving::new().evicting()
}

async fn evicted(place: &Place, session: SessionId) {
    place.handle.archive_session(session, evicting()).await.expect("it is archived");
    assert!(place.session(session).await.archive.expect("where it is").evicted);
}

async fn restored(place: &Place, session: SessionId) {
    place.handle.restore_session(session).await.expect("it is restored");
}

async fn deleted(place: &Place, session: SessionId) {
    let now = place.session(session).await;
    let (edge, archive) = (now.parent.expect("an edge"), now.archive.expect("where it is").id);
    place.handle.delete_edge(edge).await.expect("it is deleted");
    place.handle.delete_session(session).await.expect("it is deleted");
    let collected = place.collect(CollectBundles::new()).await;
    assert!(collected.iter().any(|it| it.archive == archive), "its bundle belongs to nothing");
}

/// The records of a thread, as they lie in the journal.
async fn raw(place: &Place) -> Vec<Record> {
    let space = place.lab.thread.space(&place.lab.caller.tenant);
    raw_batches::read_all(&*place.lab.cx.journal().await, &space).await
}

/// What a session's log has in the journal.
async fn in_journal(place: &Place, session: SessionId) -> Vec<Version> {
    let log = Lane::Log.of(session.version());
    let records = raw(place).await.into_iter().filter(|record| record.stream == log);
    records.filter(|it| it.body != RecordBody::None).map(|it| it.version).collect()
}

/// Whether any body of the thread says the secret.
async fn holds_secret(place: &Place) -> bool {
    let journal = place.lab.cx.journal().await;
    let space = place.lab.thread.space(&place.lab.caller.tenant);
    for record in raw(place).await {
        let text = match &record.body {
            RecordBody::None => continue,
            RecordBody::Inline(text) => text.to_string(),
            RecordBody::Blob(name) => {
                let bytes = journal.get_blob(&space, name, None).await.expect("a named blob");
                String::from_utf8(bytes).expect("text")
            }
        };
        if text.contains(SECRET) {
            return true;
        }
    }
    false
}

/// Whether any bundle says it.
async fn is_archived(place: &Place) -> bool {
    for name in place.objects().await {
        let bytes = place.archive().get(&name).await.expect("it is listed");
        if String::from_utf8_lossy(&bytes).contains(SECRET) {
            return true;
        }
    }
    false
}

async fn feed(handle: &Handle, place: &Place) -> Vec<FeedRecord> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = handle.changes(place.lab.thread).after(after).page(Duration::ZERO).await;
        let page = page.expect("a page of the feed");
        if page.after == after {
            return all;
        }
        after = page.after;
        all.extend(page.records);
    }
}

fn is_closed<T: std::fmt::Debug>(result: Result<T>, session: SessionId, command: &str) {
    closed(&refused(result, ErrorKind::Closed), Closure::SessionArchived(session), command);
}

fn without(before: &Everything, entries: &[EntryId]) -> Everything {
    let mut after = before.clone().without_marks(true);
    for entry in after.entries.iter_mut().filter(|entry| entries.contains(&entry.id)) {
        (entry.actor, entry.content) = (None, None);
    }
    after
}

async fn sees(handle: &Handle, session: SessionId, text: &str) -> usize {
    let text = SearchText::new(text).expect("a text");
    handle.timeline(session).containing(text).all().await.expect("a search").len()
}

async fn there_and_back(cx: &ClauseContext, place: &Place) {
    let (child, _) = place.worked("child").await;
    let said = place.handle.append(child, [says("a needle")]).await.expect("an entry").first;
    place.handle.append(child, [annotate(said, None)]).await.expect("an annotation");
    let keyed = place.handle.with_key("once");
    keyed.append(child, [says("once")]).await.expect("an entry");
    for round in 0..3 {
        let before = place.all_of(child).await;
        let told = feed(&place.handle, place).await;
        evicted(place, child).await;
        assert_eq!(in_journal(place, child).await, Vec::<Version>::new(), "its log is empty");
        let (warm, cold) = (place.handle.clone(), place.lab.another_store().await);
        for handle in [&warm, &cold.as_caller(&place.lab.caller)] {
            // Whether it is the same command cannot be told any more, by whoever is asked (MSG4).
            let again = handle.with_key("once").append(child, [says("once")]).await;
            assert!(matches!(again, Err(Error::KeyExpired { .. })), "{again:?}");
            is_archived_everywhere(place, handle, child, (&before, said)).await;
            let read = pages(3, |page| handle.entries(place.parent).page(page)).await;
            assert!(read.iter().all(|entry| !entry.evicted), "others are not touched");
            let verified = handle.verify(place.lab.thread, None).await.expect("an answer");
            assert_eq!(verified.problems, []);
        }
        let at = head(&place.lab.store, &place.lab.caller, place.lab.thread).await;
        evicted(place, child).await;
        place.handle.vacuum_thread(place.lab.thread).await.expect("a vacuum");
        let now = head(&place.lab.store, &place.lab.caller, place.lab.thread).await;
        assert_eq!(at, now, "again there is nothing to do");
        // Whoever restores it need not be who archived it.
        let cold = cold.as_caller(&place.lab.caller);
        cold.restore_session(child).await.expect("it is restored");
        assert_eq!(in_journal(place, child).await, Vec::<Version>::new(), "it stands elsewhere");
        for handle in [&warm, &cold] {
            let now = super::place::everything(handle, child).await;
            assert_eq!(now.without_marks(true), before.clone().without_marks(true));
            assert_eq!(
                handle.context(child).await.expect("a context").messages,
                before.context.messages
            );
            assert_eq!(sees(handle, child, "needle").await, 1 + round);
            let now = feed(handle, place).await;
            for (now, was) in now.iter().zip(&told).filter(|(it, _)| it.kind != "entries_returned")
            {
                assert_eq!(now, was, "the feed says what it said");
            }
            let verified = handle.verify(place.lab.thread, None).await.expect("an answer");
            assert_eq!(verified.problems, []);
        }
        place.handle.append(child, [says("another needle")]).await.expect("it takes more");
        cx.note(format!("{} entries there and back", before.entries.len()));
    }
}

async fn is_archived_everywhere(
    place: &Place,
    handle: &Handle,
    child: SessionId,
    (before, said): (&Everything, EntryId),
) {
    let entries = pages(2, |page| handle.entries(child).page(page)).await;
    assert_eq!(entries.len(), before.entries.len());
    let bare = |entry: &Entry| {
        let mut entry = entry.clone();
        (entry.actor, entry.content, entry.evicted) = (None, None, false);
        entry
    };
    for (now, was) in entries.iter().zip(&before.entries) {
        assert!(now.evicted && now.actor.is_none() && now.message().is_none(), "{now:?}");
        assert_eq!(bare(now), bare(was), "all else is as it was");
    }
    assert!(handle.entry(said).await.expect("an answer").expect("it").evicted);
    assert_eq!(sees(handle, child, "needle").await, 0);
    let told = feed(handle, place).await;
    for record in told.iter().filter(|it| it.session == Some(child)) {
        let is_entry = entries.iter().any(|entry| entry.version == record.version);
        assert_eq!(
            (record.evicted, record.body.is_none(), record.erased),
            (is_entry, is_entry, false)
        );
    }
    is_closed(handle.context(child).await, child, "read_context");
    is_closed(handle.context_at(child, before.context.version).await, child, "read_context");
    let copied = handle.copy_entries(place.parent, vec![said], Expect::Any).await;
    is_closed(copied, child, "copy_entries");
    for at in [None, Some(said.version())] {
        let fork = NewSession::named("fork").fork_of(child, at);
        let forked = handle.create_session(place.lab.thread, fork).await;
        is_closed(forked, child, "create_session");
    }
}

/// What a fork shows stays, also when the session that it was said in is gone.
async fn forks(place: &Place) {
    let (handle, thread) = (&place.handle, place.lab.thread);
    let (child, _) = place.worked("forked").await;
    let before = place.all_of(child).await;
    let middle = before.entries[1].version;
    let fork = NewSession::named("fork").fork_of(child, middle);
    let fork = handle.create_session(thread, fork).await.expect("a fork");
    let shown = handle.context(fork).await.expect("a context").messages;
    assert_eq!(shown.len(), 2);
    evicted(place, child).await;
    let now = handle.entries(child).all().await.expect("a list");
    assert!(now.iter().all(|entry| entry.evicted == (entry.version > middle)));
    assert_eq!(
        in_journal(place, child).await,
        before.entries[..2].iter().map(|it| it.version).collect::<Vec<_>>()
    );
    assert_eq!(handle.context(fork).await.expect("a context").messages, shown);
    // A part that stays may be continued, and is what the fork of a fork begins with.
    let early = NewSession::named("early").fork_of(child, middle);
    handle.create_session(thread, early).await.expect("a fork of what stays");
    restored(place, child).await;
    assert_eq!(place.all_of(child).await.without_marks(true), before.clone().without_marks(true));
    // A fork of what came back, which then goes again.
    let later = before.entries[2].version;
    let late = NewSession::named("late").fork_of(child, later);
    let late = handle.create_session(thread, late).await.expect("a fork");
    let shown_late = handle.context(late).await.expect("a context").messages;
    evicted(place, child).await;
    assert_eq!(handle.context(late).await.expect("a context").messages, shown_late);
    restored(place, child).await;
    assert_eq!(place.all_of(child).await.without_marks(true), before.clone().without_marks(true));
    evicted(place, child).await;
    deleted(place, child).await;
    for (session, shown) in [(fork, shown), (late, shown_late)] {
        assert_eq!(handle.context(session).await.expect("a context").messages, shown);
    }
}

async fn erased(place: &Place) {
    let (handle, thread) = (&place.handle, place.lab.thread);
    let (child, _) = place.ended("open").await;
    let said = handle.append(child, (0..5).map(|_| says(SECRET)).collect::<Vec<_>>()).await;
    let [first, second, third, fourth, fifth]: [EntryId; 5] =
        said.expect("entries").entries().collect::<Vec<_>>().try_into().expect("five");
    let large = says(format!("{SECRET}{}", " and on".repeat(20_000)));
    let large = handle.append(child, [large]).await.expect("an entry").first;
    let before = place.all_of(child).await;
    handle.erase_entries(thread, [first]).await.expect("it is erased before");
    evicted(place, child).await;
    assert!(!holds_secret(place).await && is_archived(place).await);
    handle.erase_entries(thread, [second]).await.expect("it is erased meanwhile");
    assert!(is_archived(place).await, "the others are in the bundle");
    let verified = handle.verify(thread, None).await.expect("an answer");
    assert_eq!(verified.problems, []);
    restored(place, child).await;
    let now = place.all_of(child).await.without_marks(true);
    assert_eq!(now.entries, without(&before, &[first, second]).entries);
    assert_eq!(place.objects().await, Vec::<String>::new());
    // After it came back; and where the journal fails when the payload is to go, a vacuum finishes it.
    handle.erase_entries(thread, [third]).await.expect("it is erased after");
    let fails = async { Err(Error::failed("the engine fails for now")) };
    let broken = InterruptedJournal::after(place.lab.cx.journal().await, Call::Erase, 1, fails);
    let clock = Arc::clone(&place.lab.clock);
    let store = place.lab.cx.store_over(Arc::clone(&broken) as _, clock, |options| options);
    let unsure = store.as_caller(&place.lab.caller).erase_entries(thread, [fourth]).await;
    assert_eq!(refused(unsure, ErrorKind::Indeterminate).kind(), ErrorKind::Indeterminate);
    assert!(broken.is_over());
    handle.vacuum_thread(thread).await.expect("a vacuum");
    let now = place.all_of(child).await.without_marks(true);
    assert_eq!(now.entries, without(&before, &[first, second, third, fourth]).entries);
    assert!(holds_secret(place).await, "two are left");
    handle.erase_entries(thread, [fifth, large]).await.expect("they are erased");
    assert!(!holds_secret(place).await);
    let cold = place.lab.another_store().await;
    let now = super::place::everything(&cold.as_caller(&place.lab.caller), child).await;
    let all = [first, second, third, fourth, fifth, large];
    assert_eq!(now.without_marks(true).entries, without(&before, &all).entries);
    let verified = handle.verify(thread, None).await.expect("an answer");
    assert_eq!(verified.problems, []);
}

/// The journal fails at any erasure of an eviction, the first of a session or another after it came back: what stays is not
/// shown, and the next vacuum removes it.
async fn cut_off(place: &Place) {
    for calls in 0.. {
        let (child, _) = place.ended(&format!("cut-off-{calls}")).await;
        let said = (0..3).map(|_| says(SECRET)).collect::<Vec<_>>();
        place.handle.append(child, said).await.expect("entries");
        let before = place.all_of(child).await.without_marks(true);
        let mut stays = false;
        for _ in 0..2 {
            let fails = async { Err(Error::failed("the engine fails for now")) };
            let below = place.lab.cx.journal().await;
            let broken = InterruptedJournal::after(below, Call::Erase, calls, fails);
            let clock = Arc::clone(&place.lab.clock);
            let store = place.lab.cx.store_over(Arc::clone(&broken) as _, clock, |it| it);
            let handle = store.as_caller(&place.lab.caller);
            handle.archive_session(child, evicting()).await.expect("what stays is not shown");
            stays |= holds_secret(place).await;
            place.handle.vacuum_thread(place.lab.thread).await.expect("a vacuum");
            assert!(!holds_secret(place).await, "the vacuum removed it");
            restored(place, child).await;
            assert_eq!(place.all_of(child).await.without_marks(true), before);
        }
        evicted(place, child).await;
        if !stays {
            assert!(calls > 0, "an eviction erases");
            break;
        }
    }
}

/// More than one record holds; cut off anywhere, what came back is there, and the rest comes when it is asked again.
async fn many(place: &Place) {
    let (child, _) = place.ended("many").await;
    for round in 0..3 {
        let long = "0123456789".repeat(6000);
        let turn: Vec<_> = (0..5).map(|i| says(format!("entry {round} {i}: {long}"))).collect();
        place.handle.append(child, turn).await.expect("entries");
    }
    let before = place.all_of(child).await;
    let mut restores = 0;
    for commits in 0.. {
        evicted(place, child).await;
        let (store, broken) = place.failing_after(commits).await;
        let back = store.as_caller(&place.lab.caller).restore_session(child).await;
        restores += 1;
        assert_eq!(back.is_err(), broken.is_over(), "{back:?}");
        if back.is_err() {
            assert!(place.session(child).await.archive.is_some(), "it is archived still");
            let now = place.handle.entries(child).all().await.expect("a list");
            let first = now.iter().position(|entry| entry.evicted).unwrap_or(now.len());
            assert_eq!(now[..first], before.entries[..first], "what is back is as it was");
            assert!(now[first..].iter().all(|entry| entry.evicted), "and the first come first");
            assert_eq!(first == 0, commits == 0);
            restored(place, child).await;
        }
        assert_eq!(
            place.all_of(child).await.without_marks(true),
            before.clone().without_marks(true)
        );
        if back.is_ok() {
            break;
        }
    }
    assert!(restores > 4, "several records and one that says that it is restored: {restores}");
}

/// Dropped after any number of polls, or with a journal that fails at any commit or erasure.
async fn stopped(place: &Place) {
    let (child, _) = place.worked("stopped").await;
    let before = place.all_of(child).await.without_marks(true);
    let settled = async || {
        tokio::time::sleep(Duration::from_millis(2)).await;
        place.archivers_are_late();
        if place.session(child).await.archive.is_some() {
            restored(place, child).await;
        }
        assert_eq!(place.all_of(child).await.without_marks(true), before);
        place.handle.vacuum_thread(place.lab.thread).await.expect("a vacuum");
        assert_eq!(place.all_of(child).await.without_marks(true), before);
    };
    for polls in (0..place.lab.cx.times(24)).step_by(3) {
        let _ = polled(polls, place.handle.archive_session(child, evicting())).await;
        settled().await;
        evicted(place, child).await;
        let _ = polled(polls, place.handle.restore_session(child)).await;
        settled().await;
    }
    for call in [Call::Commit, Call::Erase] {
        for calls in 0.. {
            let fails = async { Err(Error::failed("the engine fails for now")) };
            let below = place.lab.cx.journal().await;
            let broken = InterruptedJournal::after(below, call, calls, fails);
            let clock = Arc::clone(&place.lab.clock);
            let store = place.lab.cx.store_over(Arc::clone(&broken) as _, clock, |it| it);
            let handle = store.as_caller(&place.lab.caller);
            let done = handle.archive_session(child, evicting()).await;
            // What stays in the journal of what is evicted is not shown.
            assert!(call == Call::Erase || done.is_err() == broken.is_over(), "{done:?}");
            if done.is_ok() {
                is_closed(place.handle.context(child).await, child, "read_context");
                place.handle.vacuum_thread(place.lab.thread).await.expect("a vacuum");
                assert_eq!(in_journal(place, child).await, Vec::<Version>::new());
            }
            settled().await;
            if !broken.is_over() {
                break;
            }
        }
    }
}

/// Who evicts, restores, erases and reads at the same time.
async fn together_with_others(place: &Place) {
    let thread = place.lab.thread;
    let (child, _) = place.ended("shared").await;
    let turn: Vec<_> = (0..40).map(|i| says(format!("entry {i}"))).collect();
    let said = place.handle.append(child, turn).await.expect("entries");
    let before = place.all_of(child).await;
    let entries: Vec<EntryId> = said.entries().collect();
    let mut goes = Vec::new();
    for round in 0..place.lab.cx.times(6) {
        let stores = [place.lab.another_store().await, place.lab.another_store().await];
        let [one, other] = stores.each_ref().map(|store| store.as_caller(&place.lab.caller));
        let pair = [entries[round * 4 % 40], entries[(round * 4 + 1) % 40]];
        goes.extend(pair);
        let archive = async |handle: &Handle| {
            let _ = handle.archive_session(child, evicting()).await;
            let _ = handle.restore_session(child).await;
        };
        let erase = async |handle: &Handle, entry| {
            loop {
                match handle.erase_entries(thread, [entry]).await {
                    Ok(_) => break,
                    Err(error)
                        if error.is_retryable() || error.kind() == ErrorKind::Indeterminate => {}
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let read = async |handle: &Handle| {
            for _ in 0..3 {
                match handle.context(child).await {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error}"),
                }
                handle.entries(child).all().await.expect("a list");
            }
        };
        tokio::join!(
            archive(&one),
            archive(&other),
            erase(&one, pair[0]),
            erase(&other, pair[1]),
            read(&one),
            read(&place.handle),
        );
        place.archivers_are_late();
        if place.session(child).await.archive.is_some() {
            restored(place, child).await;
        }
        let now = place.all_of(child).await.without_marks(true);
        assert_eq!(now.entries, without(&before, &goes).entries, "round {round}");
    }
    let verified = place.handle.verify(thread, None).await.expect("an answer");
    assert_eq!(verified.problems, []);
}

/// A bundle that is not whole takes nothing out of the journal, and one that is lost leaves a session that can be deleted.
async fn broken(place: &Place) {
    let (child, _) = place.worked("broken").await;
    let before = place.all_of(child).await;
    let archive = place.archived(child).await;
    let objects = place.objects().await;
    let part = objects.iter().find(|it| it.ends_with(&format!("{archive}/00000001")));
    let part = part.expect("a part");
    let bytes = place.archive().get(part).await.expect("it is listed");
    place.archive().remove(part).await.expect("it is removed");
    let error = place.handle.archive_session(child, evicting()).await;
    assert!(matches!(refused(error, ErrorKind::Corrupt), Error::BrokenBundle { .. }));
    let now = place.all_of(child).await;
    assert_eq!(now.without_marks(true), before.clone().without_marks(true), "it is read as before");
    place.archive().put(part, &bytes).await.expect("it is put back");
    evicted(place, child).await;
    place.archive().remove(part).await.expect("it is removed");
    let error = place.handle.restore_session(child).await;
    assert!(matches!(refused(error, ErrorKind::Corrupt), Error::BrokenBundle { .. }));
    assert_eq!(
        place.handle.entries(child).all().await.expect("a list").len(),
        before.entries.len()
    );
    deleted(place, child).await;
}

/// A person is forgotten where what they wrote stands in a bundle only, and where it came back (ERA1).
pub(super) async fn forgotten(cx: &ClauseContext) {
    let place = Place::new(cx).await;
    let (handle, thread) = (&place.handle, place.lab.thread);
    let tenant = place.lab.caller.tenant.as_str();
    let ann = place.lab.store.caller(tenant, Actor::user("ann")).expect("a valid name");
    let mut sessions = Vec::new();
    for name in ["away", "back", "again"] {
        let (child, _) = place.ended(name).await;
        ann.append(child, [says(SECRET), says(format!("{SECRET}, too"))]).await.expect("hers");
        handle.append(child, [says("open words")]).await.expect("another's");
        evicted(&place, child).await;
        if name != "away" {
            restored(&place, child).await;
        }
        if name == "again" {
            evicted(&place, child).await;
        }
        sessions.push(child);
    }
    assert!(holds_secret(&place).await && is_archived(&place).await);
    let asked = Forget::user(UserId::new("ann").expect("a valid user"));
    let forget = async |asked: &Forget| {
        let told = place.lab.store.forget(&place.lab.caller, asked.clone()).await;
        told.expect("an answer for each thread")
    };
    let dry = forget(&asked.clone().dry_run()).await;
    assert_eq!(dry.iter().map(|it| (it.thread, it.entries)).collect::<Vec<_>>(), [(thread, 6)]);
    let told = forget(&asked).await;
    assert_eq!((told[0].entries, &told[0].outcome), (6, &ForgetOutcome::Erased));
    assert!(!holds_secret(&place).await && !is_archived(&place).await);
    assert_eq!(forget(&asked).await, [], "nothing is left");
    for child in sessions {
        restored(&place, child).await;
        let entries = handle.entries(child).all().await.expect("a list");
        let [.., first, second, last] = entries.as_slice() else { panic!("three at least") };
        assert!(first.content.is_none() && second.content.is_none());
        assert_eq!(text(last), "open words");
    }
    assert!(!holds_secret(&place).await);
    let verified = handle.verify(thread, None).await.expect("an answer");
    assert_eq!(verified.problems, []);
}

/// A project may want it of all sub-sessions that are archived, those of before included.
async fn retention(cx: &ClauseContext) {
    let limited = Retention::to(ARCHIVE).with_max_sub_sessions(1).evicting();
    let place = Place::with(cx, config().with_retention(limited)).await;
    let (first, _) = place.ended("first").await;
    place.lab.clock.advance(Duration::from_secs(1));
    let (second, _) = place.ended("second").await;
    let (third, _) = place.ended("third").await;
    place.work(third, RunOutcome::Succeeded).await;
    place.archived(third).await;
    let retain = async |retain| {
        let done = place.lab.store.retain(&place.lab.caller, retain).await;
        done.expect("retention ends")
    };
    let why = |all: &[sessile_core::archive::Retained]| -> Vec<_> {
        all.iter().map(|it| (it.session, it.why)).collect()
    };
    let found = retain(Retain::new().dry_run()).await;
    let wanted = [(first, RetentionReason::TooMany), (third, RetentionReason::NotEvicted)];
    assert_eq!(why(&found), wanted);
    assert!(!place.session(third).await.archive.expect("where it is").evicted);
    let done = retain(Retain::new()).await;
    assert_eq!(why(&done), wanted);
    for it in &done {
        let archive = place.session(it.session).await.archive.expect("where it is");
        assert!(archive.evicted && it.outcome == RetainOutcome::Archived(archive.id));
    }
    assert!(place.session(second).await.archive.is_none());
    assert_eq!(retain(Retain::new()).await, [], "then there is nothing");
}
