//! J12, J17: damaged records, and what is newer than its reader.

use std::sync::Arc;

use sessile_core::{
    Caller, Error, ErrorKind,
    command::{NewSession, NewThread, Page, Paging, UpdateThread},
    id::{ProjectId, SessionId, ThreadId, Version},
    journal::Direction,
    model::{NewEntry, Role, SessionRow},
    record::READER_LEVEL,
    store::Store,
};

use crate::{
    Damage,
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::refused,
        fault::ReplaceableJournal,
        raw_batches,
        wrong_journals::{Alteration, AlteringJournal},
    },
};

crate::clauses! { J12: Journal => j12, J17: Journal => j17 }

/// A thread with one session of six entries, and one session after them.
async fn thread(store: &Store, caller: &Caller, project: ProjectId) -> (ThreadId, SessionId) {
    let new = NewThread::titled("thread");
    let thread = store.as_caller(caller).create_thread(project, new).await.expect("a thread");
    let session = store
        .as_caller(caller)
        .create_session(thread, NewSession::named("first"))
        .await
        .expect("a session");
    let entries: Vec<_> =
        (0..6).map(|i| NewEntry::text(Role::User, format!("entry number {i}"))).collect();
    store.as_caller(caller).append(session, entries).await.expect("six entries");
    store
        .as_caller(caller)
        .create_session(thread, NewSession::named("last"))
        .await
        .expect("a session");
    (thread, session)
}

/// Damage to a record is `Corrupt` with its place, for its thread only; it is never skipped and never read as something.
pub async fn j12(cx: ClauseContext) -> Verdict {
    warm(&cx).await;
    if cx.tamper().is_none() {
        return Verdict::NotJudged("the driver brought no tamper hook".to_owned());
    }
    let caller = cx.caller();
    let mut store = cx.store().await;
    let project = cx.project(&store, &caller).await;
    let (whole, whole_session) = thread(&store, &caller, project).await;
    let (_, probe) = thread(&store, &caller, project).await;
    let first = entries(&store, &caller, probe).await.expect("the entries")[0];
    let (target, next) = (first + 2, first + 3);
    let cases = [
        (Damage::FlipHeader, target, [target, target]),
        (Damage::FlipBody, target, [target, target]),
        (Damage::Swap(next), target, [target, next]),
        (Damage::Drop, target, [target, next]),
        (Damage::Insert, target, [target, next]),
    ];
    let mut damaged = Vec::new();
    for case in cases {
        damaged.push((case, thread(&store, &caller, project).await));
    }
    let (headless, _) = thread(&store, &caller, project).await;
    let (endless, _) = thread(&store, &caller, project).await;
    drop(store);
    let end = cx.journal().await.head(&endless.space(&caller.tenant)).await.expect("a head");
    let end = raw_batches::at(&end).map_or(0, |position| position.version);
    for ((damage, version, _), (thread, _)) in &damaged {
        cx.damage(&thread.space(&caller.tenant), *version, *damage).await;
    }
    cx.damage(&headless.space(&caller.tenant), 1, Damage::FlipHeader).await;
    cx.damage(&endless.space(&caller.tenant), end, Damage::Drop).await;

    for restart in [false, true] {
        if restart {
            cx.close_all().await;
        }
        store = cx.store().await;
        for ((damage, _, places), (thread, session)) in &damaged {
            let space = thread.space(&caller.tenant);
            let located = |error: &Error| match error {
                Error::Corrupt { space: at, version, .. } => {
                    *at == space && (places[0]..=places[1]).contains(version)
                }
                _ => false,
            };
            for direction in [Direction::Forward, Direction::Backward] {
                let page = Paging::first(100);
                let error = refused(
                    store
                        .as_caller(&caller)
                        .entries(*session)
                        .direction(direction)
                        .page(page)
                        .await,
                    ErrorKind::Corrupt,
                );
                assert!(located(&error), "{damage:?} of {places:?} is located: {error}");
            }
            match store.as_caller(&caller).verify(*thread, None).await {
                Ok(found) => assert!(
                    found.problems.iter().any(|(at, _)| (places[0]..=places[1]).contains(at)),
                    "{damage:?} of {places:?} is found by verify: {found:?}"
                ),
                Err(error) => assert!(located(&error), "{damage:?}: {error}"),
            }
        }
        refused(sessions(&store, &caller, headless).await, ErrorKind::Corrupt);
        refused(sessions(&store, &caller, endless).await, ErrorKind::Corrupt);
        assert_eq!(entries(&store, &caller, whole_session).await.expect("entries").len(), 6);
        let found = store.as_caller(&caller).verify(whole, None).await.expect("a verification");
        assert_eq!(found.problems, [], "other threads are whole");
        let entry = NewEntry::text(Role::User, "the others go on");
        let session = store.as_caller(&caller).create_session(whole, NewSession::default()).await;
        store
            .as_caller(&caller)
            .append(session.expect("a session"), entry)
            .await
            .expect("an append");
    }
    Verdict::Passed
}

/// A store that holds the thread in memory checks the text of each record it reads: a flipped bit in the middle of a long
/// text, which leaves it readable, is `Corrupt` and not served.
async fn warm(cx: &ClauseContext) {
    let caller = cx.caller();
    for by_hand in [false, true] {
        let cx = cx.another().await;
        let journal = cx.journal().await;
        let switch = Arc::new(ReplaceableJournal::over(Arc::clone(&journal)));
        let store = cx.store_over(switch.clone(), Arc::default(), |options| options);
        let session = cx.session(&store, &caller).await;
        let said_caller = store.as_caller(&caller);
        let said = said_caller.append(session, NewEntry::text(Role::User, "x".repeat(2000)));
        let id = said.await.expect("a long entry").first;
        assert_eq!(entries(&store, &caller, session).await.expect("entries"), [id.version()]);
        match cx.tamper() {
            Some(_) if by_hand => {
                let space = id.thread().space(&caller.tenant);
                cx.damage(&space, id.version(), Damage::FlipBody).await;
            }
            None if by_hand => return,
            _ => switch.to(Arc::new(AlteringJournal::over(journal, Alteration::FlipsTexts))),
        }
        let located = |error: Error| match error {
            Error::Corrupt { version, .. } => assert_eq!(version, id.version(), "its place"),
            other => panic!("{other:?}"),
        };
        for caller in [&caller, &caller.cached()] {
            for direction in [Direction::Forward, Direction::Backward] {
                let page = store
                    .as_caller(caller)
                    .entries(session)
                    .direction(direction)
                    .page(Paging::first(10))
                    .await;
                located(refused(page, ErrorKind::Corrupt));
            }
            located(refused(store.as_caller(caller).entry(id).await, ErrorKind::Corrupt));
        }
    }
}

async fn entries(
    store: &Store,
    caller: &Caller,
    session: SessionId,
) -> sessile_core::Result<Vec<Version>> {
    let page = store.as_caller(caller).entries(session).page(Paging::first(100)).await?;
    Ok(page.items.iter().map(|entry| entry.version).collect())
}

async fn sessions(
    store: &Store,
    caller: &Caller,
    thread: ThreadId,
) -> sessile_core::Result<Page<SessionRow>> {
    store.as_caller(caller).sessions(thread).page(Paging::first(100)).await
}

/// A store of a newer format is refused by name; a record that needs a newer reader stops its thread only.
pub async fn j17(cx: ClauseContext) -> Verdict {
    let caller = cx.caller();
    let store = cx.store().await;
    let project = cx.project(&store, &caller).await;
    let (newer, newer_session) = thread(&store, &caller, project).await;
    let (other, other_session) = thread(&store, &caller, project).await;
    let journal = cx.journal().await;
    let space = newer.space(&caller.tenant);
    let at = raw_batches::at(&journal.head(&space).await.expect("a head"));
    let last = raw_batches::read_all(&*journal, &space).await.pop().expect("a record");
    let mut head: serde_json::Value = serde_json::from_str(&last.header).expect("a head is JSON");
    head["v"] = (last.version + 1).into();
    head["r"] = (READER_LEVEL + 1).into();
    head["n"] = "f".repeat(32).into();
    head["i"] = 0.into();
    head["of"] = 1.into();
    head["is"] = serde_json::json!({ "from_the_future": { "what": [1, 2, 3] } });
    let mut record = raw_batches::record(at, last.stream, &head.to_string(), last.body);
    (record.kind, record.salt) = ("from_the_future".into(), last.salt);
    record.sum = record.fitting_sum();
    raw_batches::done(journal.commit(&space, at, &raw_batches::of_records(vec![record])).await);

    for store in [store, cx.store().await] {
        let newer_format = |error: Error| match error {
            Error::NewerFormat { needs, has, .. } => assert_eq!(
                (needs, has),
                (u64::from(READER_LEVEL) + 1, u64::from(READER_LEVEL)),
                "it says what it needs"
            ),
            other => panic!("should be NewerFormat, but is {other:?}"),
        };
        let kind = ErrorKind::NewerFormat;
        newer_format(refused(store.as_caller(&caller).thread(newer).await, kind));
        newer_format(refused(store.as_caller(&caller).session(newer_session).await, kind));
        let entry = NewEntry::text(Role::User, "x");
        newer_format(refused(
            store.as_caller(&caller).append(newer_session, entry.clone()).await,
            kind,
        ));
        let update = UpdateThread { title: Some("new".into()), ..UpdateThread::default() };
        newer_format(refused(store.as_caller(&caller).update_thread(newer, 1, update).await, kind));
        assert_eq!(
            raw_batches::at(&journal.head(&space).await.expect("a head")).map(|p| p.version),
            at.map(|p| p.version + 1)
        );
        assert!(store.as_caller(&caller).thread(other).await.expect("the other thread").is_some());
        store
            .as_caller(&caller)
            .append(other_session, entry)
            .await
            .expect("the other thread goes on");
    }
    drop(journal);
    newer_store(&cx.another().await).await
}

async fn newer_store(cx: &ClauseContext) -> Verdict {
    let journal = cx.journal().await;
    raw_batches::append(&*journal, &raw_batches::space(1), None, 1, "one").await;
    drop(journal);
    if !cx.durable() {
        return Verdict::Passed;
    }
    if cx.tamper().is_none() {
        return Verdict::NotJudged(
            "the driver brought no tamper hook for a newer store".to_owned(),
        );
    }
    cx.close_all().await;
    cx.newer_format().await;
    for _ in 0..2 {
        let error = refused(cx.try_journal().await, ErrorKind::NewerFormat);
        let Error::NewerFormat { needs, has, .. } = &error else { panic!("{error:?}") };
        assert!(needs > has, "{error}");
    }
    Verdict::Passed
}
