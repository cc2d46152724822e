//! MSG4: idempotency keys.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use sessile_core::{
    Caller, ErrorKind, Key,
    command::{
        LinkSessions, NewRun, NewSession, NewSubSession, NewThread, SessionCommand, UpdateSession,
    },
    error::{Closure, Error},
    id::{ProjectId, SessionId, ThreadId},
    model::{ProjectConfig, RunOutcome, Tokens, Usage},
    store::{AnyStore, SessionStore, Store},
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{closed, refused},
        concurrent,
        shorthand::{self, named, says, texts, the_thread},
        wrong_journals::{Alteration, AlteringJournal},
    },
};

crate::clauses! { MSG4 => msg4 }

fn reused(error: Error, wanted: &Key) {
    let Error::KeyReused { key } = error else { panic!("{error:?}") };
    assert_eq!(*key, *wanted);
}

/// A project knows the key that created it however many producers wrote to it since. Where a commit costs a flush, 4,200 of
/// them would take minutes.
async fn long_ago(store: &Store, creator: &Caller, project: ProjectId) {
    for producer in 0..2100 {
        let caller = creator.with_key(Key::rising(format!("producer {producer}"), 1));
        store.as_caller(&caller).archive_project(project).await.expect("it is archived");
        let caller = creator.with_key(Key::rising(format!("another {producer}"), 1));
        store.as_caller(&caller).reopen_project(project).await.expect("it is open");
    }
    let again = store.as_caller(creator).create_project("p").await;
    assert_eq!(again.ok(), Some(project));
    let other = store.as_caller(creator).create_project("q").await;
    reused(refused(other, ErrorKind::Invalid), &Key::rising("a worker", 1));
}

/// Same key, same answer, one effect: for every creating command, across reopen, archive and deletion.
pub async fn msg4(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let config = ProjectConfig::default();
    let keyed = |n| caller.with_key(Key::rising("a worker", n));
    // A project's id follows from tenant and key.
    let project = store
        .as_caller(&keyed(1))
        .create_project(sessile_core::command::NewProject::named("p").with_config(config.clone()))
        .await
        .expect("a project");
    for store in [&store, &cx.store().await] {
        let again = store
            .as_caller(&keyed(1))
            .create_project(
                sessile_core::command::NewProject::named("p").with_config(config.clone()),
            )
            .await;
        assert_eq!(again.ok(), Some(project));
        let other = store
            .as_caller(&keyed(1))
            .create_project(
                sessile_core::command::NewProject::named("q").with_config(config.clone()),
            )
            .await;
        reused(refused(other, ErrorKind::Invalid), &Key::rising("a worker", 1));
    }
    if !cx.durable() {
        long_ago(&store, &keyed(1), project).await;
    }
    let theirs = cx.caller_of("evil-corp", "ada").with_key(Key::rising("a worker", 1));
    let foreign = store
        .as_caller(&theirs)
        .create_project(sessile_core::command::NewProject::named("p").with_config(config.clone()))
        .await
        .expect("a project");
    assert_ne!(foreign, project, "another tenant's key is another key");
    let new = NewThread::titled("t");
    let thread =
        store.as_caller(&keyed(2)).create_thread(project, new.clone()).await.expect("a thread");
    for store in [&store, &cx.store().await] {
        assert_eq!(
            store.as_caller(&keyed(2)).create_thread(project, new.clone()).await.ok(),
            Some(thread)
        );
    }
    assert_eq!(shorthand::threads_of(&store, &caller, project).await, [thread]);

    let (session, commands) = creating(&store, &caller, thread).await;
    let mut answers = Vec::new();
    for (n, command) in (10_u64..).zip(&commands) {
        answers.push(store.apply(&keyed(n), command.clone()).await.expect("it is done"));
    }
    let stores = [cx.reopen(store).await, cx.store().await];
    for store in &stores {
        let at = the_thread(store, &caller, thread).await;
        for ((n, command), answer) in (10_u64..).zip(&commands).zip(&answers) {
            let again = store.apply(&keyed(n), command.clone()).await;
            assert_eq!(again.ok(), Some(answer.clone()), "{command:?} again");
            let other = SessionCommand::Append { session, append: says("another command").into() };
            let error = refused(store.apply(&keyed(n), other).await, ErrorKind::Invalid);
            reused(error, &Key::rising("a worker", n));
        }
        let lost = keyed(9);
        let expired =
            refused(store.as_caller(&lost).append(session, says("late")).await, ErrorKind::Invalid);
        let greatest = 9 + commands.len() as u64;
        let Error::KeyExpired { key, greatest: told } = expired else { panic!("{expired:?}") };
        assert_eq!((*key, told), (Key::rising("a worker", 9), Some(greatest)));
        assert_eq!(
            the_thread(store, &caller, thread).await,
            at,
            "replays and refusals write nothing"
        );
    }
    let store = cx.store().await;
    archived(&store, &caller, project).await;
    remembered(&cx, &store, &caller, project).await;
    producers(&cx).await;
    text_keys(&cx, &caller, project).await;
    let store = cx.store().await;
    // Racing twins of one key: one effect.
    let session = named(&store, &caller, thread, "raced").await;
    let store = Arc::new(store);
    for n in 1..=10 {
        let twins: Vec<_> = (0..2)
            .map(|_| {
                let (store, caller) = (store.clone(), caller.with_key(Key::rising("racer", n)));
                tokio::spawn(async move {
                    store.as_caller(&caller).append(session, says(n.to_string())).await
                })
            })
            .collect();
        let mut seen = BTreeSet::new();
        for twin in twins {
            seen.insert(twin.await.expect("no panic").expect("an entry").first);
        }
        assert_eq!(seen.len(), 1);
    }
    assert_eq!(texts(&*store, &caller, session).await.len(), 10);
    Verdict::Passed
}

/// One of each command that creates something, or changes it, in a thread; and the session they are about.
async fn creating(
    store: &dyn AnyStore,
    caller: &Caller,
    thread: ThreadId,
) -> (SessionId, Vec<SessionCommand>) {
    let session = named(store, caller, thread, "s").await;
    let loose = named(store, caller, thread, "loose").await;
    let run = store.as_caller(caller).start_run(session, NewRun::default()).await.expect("a run");
    let child = NewSession::named("child").under(NewSubSession::under(session));
    let usage = Usage::new(Tokens::new(1, 2), 1);
    let expected = session.version();
    let commands = vec![
        SessionCommand::CreateSession { thread, session: Box::new(NewSession::named("new")) },
        SessionCommand::CreateSession { thread, session: Box::new(child) },
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
async fn archived(store: &dyn AnyStore, caller: &Caller, project: sessile_core::id::ProjectId) {
    let keyed = |n| caller.with_key(Key::rising("archivist", n));
    let thread = store
        .as_caller(caller)
        .create_thread(project, NewThread::titled("to archive"))
        .await
        .expect("a thread");
    let new = NewSession::named("s");
    let session =
        store.as_caller(&keyed(1)).create_session(thread, new.clone()).await.expect("a session");
    let said = store.as_caller(&keyed(2)).append(session, says("once")).await.expect("an entry");
    let version = store.as_caller(&keyed(3)).archive_thread(thread).await.expect("it is archived");
    assert_eq!(store.as_caller(&keyed(2)).append(session, says("once")).await.ok(), Some(said));
    assert_eq!(store.as_caller(&keyed(3)).archive_thread(thread).await.ok(), Some(version));
    let fresh =
        refused(store.as_caller(&keyed(4)).append(session, says("new")).await, ErrorKind::Closed);
    closed(&fresh, Closure::ThreadArchived(thread), "append");
    store.as_caller(caller).reopen_thread(thread).await.expect("it is open");
    // The refused key was not used up.
    store.as_caller(&keyed(4)).append(session, says("new")).await.expect("an entry");
    store.as_caller(caller).delete_session(session).await.expect("it goes");
    assert_eq!(store.as_caller(&keyed(1)).create_session(thread, new).await.ok(), Some(session));
    assert_eq!(store.as_caller(&keyed(2)).append(session, says("once")).await.ok(), Some(said));
    assert_eq!(the_thread(store, caller, thread).await.sessions, 0, "a replay brings nothing back");
}

/// Keys that are texts: each command once, the last 4,096 of a thread remembered.
async fn text_keys(cx: &ClauseContext, caller: &Caller, project: sessile_core::id::ProjectId) {
    const REMEMBERED: usize = 4096;
    let store = cx.store().await;
    let new = NewThread::titled("texts");
    let keyed = |text: &str| caller.with_key(Key::text(text));
    let config = ProjectConfig::default();
    let other = store
        .as_caller(&keyed("once"))
        .create_project(sessile_core::command::NewProject::named("p").with_config(config.clone()))
        .await
        .expect("a project");
    assert_eq!(
        store
            .as_caller(&keyed("once"))
            .create_project(sessile_core::command::NewProject::named("p").with_config(config))
            .await
            .ok(),
        Some(other)
    );
    let thread = store
        .as_caller(&keyed("once"))
        .create_thread(project, new.clone())
        .await
        .expect("a thread");
    assert_eq!(
        store.as_caller(&keyed("once")).create_thread(project, new).await.ok(),
        Some(thread)
    );
    let (session, commands) = creating(&store, caller, thread).await;
    let uuid = |n: usize| format!("7c9e6679-7425-40de-944b-{n:012x}");
    let mut answers = Vec::new();
    for (n, command) in commands.iter().enumerate() {
        answers.push(store.apply(&keyed(&uuid(n)), command.clone()).await.expect("it is done"));
    }
    // A producer of the same name is another key.
    let rising = caller.with_key(Key::rising(uuid(0), 1));
    store.as_caller(&rising).append(session, says("rising")).await.expect("an entry");
    let erased =
        store.as_caller(&keyed("erased")).append(session, says("x")).await.expect("an entry");
    let entries = vec![erased.first];
    store.as_caller(caller).erase_entries(thread, entries).await.expect("it is erased");
    let stores = [cx.reopen(store).await, cx.store().await];
    for store in &stores {
        let at = the_thread(store, caller, thread).await;
        for ((n, command), answer) in commands.iter().enumerate().zip(&answers) {
            let again = store.apply(&keyed(&uuid(n)), command.clone()).await;
            assert_eq!(again.ok(), Some(answer.clone()), "{command:?} again");
            let other =
                store.as_caller(&keyed(&uuid(n))).append(session, says("another command")).await;
            reused(refused(other, ErrorKind::Invalid), &Key::text(uuid(n)));
        }
        let gone = store.as_caller(&keyed("erased")).append(session, says("x")).await;
        let gone = refused(gone, ErrorKind::Invalid);
        assert!(matches!(gone, Error::KeyExpired { greatest: None, .. }), "{gone:?}");
        let now = the_thread(store, caller, thread).await;
        assert_eq!(now, at, "replays and refusals write nothing");
    }
    let [store, _] = stores;
    // So many later keys leave all before them out; the oldest of them is remembered, and rising ones are not touched.
    let later = REMEMBERED - 1;
    let appends = (0..later).map(|n| {
        let (store, caller) = (&store, keyed(&format!("later {n}")));
        async move { store.as_caller(&caller).append(session, says("later")).await }
    });
    let mut first = None;
    for said in concurrent::together(appends).await {
        first = first.or(said.ok());
    }
    let last = keyed("the last");
    store.as_caller(&last).append(session, says("last")).await.expect("an entry");
    let stores = [cx.reopen(store).await, cx.store().await];
    for store in &stores {
        let head = shorthand::head(store, caller, thread).await;
        let again = store.as_caller(&keyed("later 0")).append(session, says("later")).await;
        assert_eq!(again.ok(), first, "the oldest of {REMEMBERED}");
        let again = store.as_caller(&rising).append(session, says("rising")).await;
        assert!(again.is_ok(), "{again:?}");
        assert_eq!(shorthand::head(store, caller, thread).await, head);
    }
    // What is forgotten is carried out again: no order tells it from a new one.
    let again = stores[0].as_caller(&keyed(&uuid(0))).append(session, says("new")).await;
    assert_eq!(again.map(|said| said.count).ok(), Some(1), "a forgotten key is a new one");
}

/// The last 1,024 answers are remembered; older ones are expired, never applied.
async fn remembered(
    cx: &ClauseContext,
    store: &dyn AnyStore,
    caller: &Caller,
    project: sessile_core::id::ProjectId,
) {
    let thread = store
        .as_caller(caller)
        .create_thread(project, NewThread::titled("many"))
        .await
        .expect("a thread");
    let session = named(store, caller, thread, "s").await;
    let keyed = |n| caller.with_key(Key::rising("counter", n));
    let appends = (1..=1030_u64).map(|n| async move {
        let caller = caller.with_key(Key::rising("counter", n));
        store.as_caller(&caller).append(session, says(n.to_string())).await
    });
    for said in concurrent::together(appends).await {
        said.expect("an entry");
    }
    let head = shorthand::head(store, caller, thread).await;
    for store in [store, &cx.store().await as &dyn AnyStore] {
        for n in [7, 8, 1030] {
            let again = store.as_caller(&keyed(n)).append(session, says(n.to_string())).await;
            assert!(again.is_ok(), "key {n}: {again:?}");
        }
        for n in [1, 6] {
            let late = refused(
                store.as_caller(&keyed(n)).append(session, says(n.to_string())).await,
                ErrorKind::Invalid,
            );
            assert!(
                matches!(late, Error::KeyExpired { greatest: Some(1030), .. }),
                "key {n}: {late:?}"
            );
        }
        assert_eq!(shorthand::head(store, caller, thread).await, head);
    }
}

/// Answers of the 4,096 producers that wrote last are remembered. Of one that gave way nothing is: its number is new.
async fn producers(cx: &ClauseContext) {
    const PRODUCERS: usize = 4096;
    let caller = cx.caller();
    // Where every call gives way, many calls make one batch.
    let journal = Arc::new(AlteringJournal::over(cx.journal().await, Alteration::Yields));
    let store = cx.store_over(journal, Arc::default(), |options| options);
    let session = cx.session(&store, &caller).await;
    let append = async |producer: usize| {
        let caller = caller.with_key(Key::rising(format!("producer {producer}"), 1));
        store.as_caller(&caller).append(session, says("once")).await.expect("an entry")
    };
    let first = concurrent::together((0..PRODUCERS).map(append)).await;
    let head = shorthand::head(&store, &caller, session.thread()).await;
    for producer in [0, 1, PRODUCERS - 1] {
        assert_eq!(append(producer).await, first[producer], "the answer of producer {producer}");
    }
    assert_eq!(
        shorthand::head(&store, &caller, session.thread()).await,
        head,
        "nothing is written"
    );
    append(PRODUCERS).await;
    assert_eq!(append(1).await, first[1], "the next is remembered still");
    assert_ne!(append(0).await, first[0], "the one that wrote longest ago gave way");
    assert_eq!(append(2).await, first[2], "a new answer takes one place only");
}
