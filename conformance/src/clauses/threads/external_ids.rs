//! XID: external ids of projects, threads and sessions; a thread that begins with a session and a turn.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};
use sessile_core::{
    Caller, Error, ErrorKind,
    command::{
        NewProject, NewSession, NewThread, SessionCommand, SessionOutcome, ThreadCommand,
        ThreadOutcome, ThreadScope, UpdateProject, UpdateSession, UpdateThread,
    },
    id::{ProjectId, SessionId, ThreadId},
    store::{SessionStore as _, Store, ThreadStore as _},
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, CountingJournal,
        assertions::refused,
        fault::{Faults, FaultyJournal},
        hostile,
        shorthand::{pages, says, sessions, texts, threads, threads_of},
    },
};

crate::clauses! { XID1: Shared => xid1, XID2 => xid2, XID3 => xid3, XID4 => xid4 }

crate::internal::child_programs! { "xid create" => create_role }

/// What creations under one external id answered: the id as text, and whether it was made.
type Answer = (String, bool);

async fn project(store: &Store, caller: &Caller, name: &str) -> (ProjectId, bool) {
    let project = NewProject::named("named").with_external_id(name);
    match store.apply_thread(caller, ThreadCommand::CreateProject { project }).await {
        Ok(ThreadOutcome::ProjectCreated(made)) => (made.id, made.created),
        other => panic!("a project under {name:?}: {other:?}"),
    }
}

async fn thread(store: &Store, caller: &Caller, of: ProjectId, name: &str) -> (ThreadId, bool) {
    let thread = NewThread::titled("titled").with_external_id(name);
    match store.apply_thread(caller, ThreadCommand::CreateThread { project: of, thread }).await {
        Ok(ThreadOutcome::ThreadCreated(made)) => (made.id, made.created),
        other => panic!("a thread under {name:?}: {other:?}"),
    }
}

async fn session(store: &Store, caller: &Caller, of: ThreadId, name: &str) -> (SessionId, bool) {
    let session = NewSession::default().with_external_id(name);
    match store
        .apply(caller, SessionCommand::CreateSession { thread: of, session: session.into() })
        .await
    {
        Ok(SessionOutcome::SessionCreated(made)) => (made.id, made.created),
        other => panic!("a session under {name:?}: {other:?}"),
    }
}

fn chat(name: &str) -> NewThread {
    NewThread::titled(name).with_external_id(name)
}

fn first(turn: &str) -> NewSession {
    NewSession::named("first").with_external_id("first").with_turn([says(turn), says("and more")])
}

const NAMES: [&str; 3] = ["app/ada/1", "app/ada/2", "APP/ada/1"];

/// Creates one thing of each kind under each name; answers what it got, in order.
async fn create_role(cx: ClauseContext, index: usize, args: Value) -> String {
    let (store, caller) = (cx.store().await, cx.caller());
    let parent: ProjectId = args["project"].as_str().expect("an id").parse().expect("an id");
    let mut all: Vec<Answer> = Vec::new();
    for name in NAMES {
        let (id, made) = project(&store, &caller, name).await;
        all.push((id.to_string(), made));
        let (of, made) = thread(&store, &caller, parent, name).await;
        all.push((of.to_string(), made));
        let (id, made) = session(&store, &caller, of, name).await;
        all.push((id.to_string(), made));
        let begun = store.as_caller(&caller);
        let begun = begun.begin_thread(parent, chat(&format!("begun {name}")), first(name)).await;
        let begun = begun.unwrap_or_else(|error| panic!("process {index}: {error}"));
        assert_eq!(begun.session.created, begun.session.appended.is_some());
        all.push((begun.thread.id.to_string(), begun.thread.created));
        all.push((begun.session.id.to_string(), begun.session.created));
    }
    serde_json::to_string(&all).expect("answers")
}

/// Of 16 processes that create under the same external ids one makes each thing, and all get it.
pub async fn xid1(cx: ClauseContext) -> Verdict {
    let (store, caller) = (cx.store().await, cx.caller());
    let parent = cx.project(&store, &caller).await;
    let mut before = BTreeSet::new();
    // A second time after everything was deleted.
    for round in 0..2 {
        let said = cx.processes("xid create", 16, &json!({ "project": parent })).await;
        let said: Vec<Vec<Answer>> =
            said.iter().map(|said| serde_json::from_str(said).expect("answers")).collect();
        for nth in 0..said[0].len() {
            let ids: BTreeSet<_> = said.iter().map(|answers| &answers[nth].0).collect();
            let made = said.iter().filter(|answers| answers[nth].1).count();
            assert_eq!((ids.len(), made), (1, 1), "creation {nth} of round {round}: {ids:?}");
            assert!(before.insert(said[0][nth].0.clone()), "an id is used again");
        }
        let there = threads(&store, &caller, ThreadScope::Project(parent)).await;
        assert_eq!(there.len(), 2 * NAMES.len());
        for row in there {
            let all = sessions(&store, &caller, row.id).await;
            assert_eq!(all.len(), 1, "{row:?}");
            if row.title.starts_with("begun") {
                let log = texts(&store, &caller, all[0].id).await;
                assert_eq!(log.len(), 2, "one turn, and not one of each process: {log:?}");
            }
            store.as_caller(&caller).purge_thread(row.id).await.expect("a purge");
        }
        for name in NAMES {
            let found = store.as_caller(&caller).project_by_external_id(name).await;
            let found = found.expect("an answer").expect("the project");
            store.as_caller(&caller).delete_project(found.id).await.expect("a deletion");
        }
    }
    Verdict::Passed
}

/// What a look-up costs does not depend on how many siblings there are.
pub async fn xid2(cx: ClauseContext) -> Verdict {
    let journal = CountingJournal::new(cx.journal().await);
    let store = cx.store_over(Arc::clone(&journal) as _, Arc::default(), |options| options);
    let caller = cx.caller();
    let parent = cx.project(&store, &caller).await;
    let (childless, _) = project(&store, &caller, "wanted").await;
    let (of, _) = thread(&store, &caller, parent, "wanted").await;
    session(&store, &caller, of, "wanted").await;
    let look = async || {
        // Nothing is remembered from before.
        let store = cx.store_over(Arc::clone(&journal) as _, Arc::default(), |options| options);
        let ask = store.as_caller(&caller);
        let mut costs = Vec::new();
        for wanted in ["wanted", "nobody's"] {
            let before = (journal.calls(), journal.records());
            let found = ask.thread_by_external_id(parent, wanted).await.expect("an answer");
            assert_eq!(found.map(|t| t.id), (wanted == "wanted").then_some(of));
            costs.push((journal.calls() - before.0, journal.records() - before.1));
            let before = (journal.calls(), journal.records());
            let found = ask.project_by_external_id(wanted).await.expect("an answer");
            assert_eq!(found.map(|p| p.id), (wanted == "wanted").then_some(childless));
            costs.push((journal.calls() - before.0, journal.records() - before.1));
        }
        costs
    };
    let alone = look().await;
    for n in 0..60 {
        thread(&store, &caller, parent, &format!("sibling {n}")).await;
        project(&store, &caller, &format!("sibling {n}")).await;
    }
    assert_eq!(look().await, alone, "among 60 siblings it costs what it cost alone");
    let most = alone.iter().map(|(calls, _)| *calls).max();
    assert!(most <= Some(6), "a look-up is few calls: {alone:?}");

    // A thread's sessions are in its state: the same read answers for one and for many.
    for n in 0..60 {
        session(&store, &caller, of, &format!("sibling {n}")).await;
    }
    for (name, there) in [("wanted", true), ("sibling 59", true), ("nobody's", false)] {
        let before = journal.calls();
        let found = store.as_caller(&caller).session_by_external_id(of, name).await;
        assert_eq!(found.expect("an answer").is_some(), there, "{name}");
        assert_eq!(journal.calls() - before, 1, "one look at the head");
    }
    Verdict::Passed
}

/// Texts that are external ids, and are all different ones.
fn names() -> Vec<String> {
    let fits =
        |text: &String| (1..=512).contains(&text.len()) && !text.chars().any(char::is_control);
    let mut all: Vec<_> = hostile::contents().into_iter().filter(fits).collect();
    let more = ["a", "A", " a", "a ", "\u{e9}", "e\u{301}", "0", "app/user/session", "../a", "%61"];
    all.extend(more.map(str::to_owned));
    all.extend(["\"".repeat(512), "\u{e9}".repeat(256), "x".repeat(512)]);
    all.sort();
    all.dedup();
    all
}

/// An external id is taken as it is, never changes, and is free again after deletion.
pub async fn xid3(cx: ClauseContext) -> Verdict {
    let (mut store, caller) = (cx.store().await, cx.caller());
    let (parent, _) = project(&store, &caller, "parent").await;
    let mut made = Vec::new();
    for name in names() {
        let (project_id, new) = project(&store, &caller, &name).await;
        assert!(new, "{name:?} is another than those before");
        let (thread_id, new) = thread(&store, &caller, parent, &name).await;
        assert!(new, "{name:?}");
        let (session_id, new) = session(&store, &caller, thread_id, &name).await;
        assert!(new, "{name:?}");
        made.push((name, project_id, thread_id, session_id));
    }
    // Names and titles change; the external ids stay, through a reopen, for each way to look at them.
    for (_, project, thread, session) in &made {
        let ask = store.as_caller(&caller);
        let update = UpdateProject { name: Some("\"".repeat(256)), config: None };
        ask.update_project(*project, 1, update).await.expect("an update");
        let update = UpdateThread { title: Some("new".into()), ..Default::default() };
        ask.update_thread(*thread, 1, update).await.expect("an update");
        let update = UpdateSession { name: Some(Some("new".into())), ..Default::default() };
        ask.update_session(*session, session.version(), update).await.expect("an update");
    }
    store = cx.reopen(store).await;
    let listed = pages(7, |page| store.as_caller(&caller).projects().page(page)).await;
    let rows = threads(&store, &caller, ThreadScope::Project(parent)).await;
    for (name, project, thread, session) in &made {
        let ask = store.as_caller(&caller);
        let wanted = Some(name.clone());
        let found = ask.project_by_external_id(name).await.expect("an answer").expect("a project");
        assert_eq!((found.id, &found.external_id), (*project, &wanted));
        let row = listed.iter().find(|row| row.id == *project).expect("it is listed");
        assert_eq!(row, &found);
        let found = ask.thread_by_external_id(parent, name).await.expect("an answer");
        let found = found.expect("a thread");
        assert_eq!((found.id, &found.external_id, found.title.as_str()), (*thread, &wanted, "new"));
        let row = rows.iter().find(|row| row.id == *thread).expect("it is listed");
        assert_eq!(row.external_id, wanted);
        let found = ask.session_by_external_id(*thread, name).await.expect("an answer");
        let found = found.expect("a session");
        assert_eq!((found.id, &found.external_id), (*session, &wanted));
        assert_eq!(sessions(&store, &caller, *thread).await[0].external_id, wanted);
        // Below another parent it is free, and another tenant's is none of ours.
        assert_eq!(ask.thread_by_external_id(*project, name).await.expect("an answer"), None);
        let stranger = cx.caller_of("acme-2", "ada");
        let found = store.as_caller(&stranger).project_by_external_id(name).await;
        assert_eq!(found.expect("an answer"), None);
    }
    free_again(&cx, &store, &caller, (parent, made)).await;
    for bad in ["", "\0", "a\nb", "\u{85}", &"x".repeat(513)] {
        let ask = store.as_caller(&caller);
        refused(
            ask.create_thread(parent, NewThread::default().with_external_id(bad)).await,
            ErrorKind::Invalid,
        );
        let project = NewProject::named("p").with_external_id(bad);
        refused(ask.create_project(project).await, ErrorKind::Invalid);
        refused(
            ask.begin_thread(parent, "t", first(bad).with_external_id(bad)).await,
            ErrorKind::Invalid,
        );
        refused(ask.thread_by_external_id(parent, bad).await, ErrorKind::Invalid);
        refused(ask.project_by_external_id(bad).await, ErrorKind::Invalid);
    }
    Verdict::Passed
}

/// What was deleted is never answered again; what comes under the same external id is another thing.
async fn free_again(
    cx: &ClauseContext,
    store: &Store,
    caller: &Caller,
    (parent, made): (ProjectId, Vec<(String, ProjectId, ThreadId, SessionId)>),
) {
    let other = cx.store().await;
    let ask = store.as_caller(caller);
    for (name, first_project, first_thread, first_session) in made.into_iter().take(8) {
        let (mut project_id, mut thread_id, mut session_id) =
            (first_project, first_thread, first_session);
        for _ in 0..3 {
            ask.delete_session(session_id).await.expect("a deletion");
            assert_eq!(
                ask.session_by_external_id(thread_id, &name).await.expect("an answer"),
                None
            );
            let (again, new) = session(&other, caller, thread_id, &name).await;
            assert!(new && again != session_id, "a new session under {name:?}");
            ask.delete_session(again).await.expect("a deletion");

            ask.delete_thread(thread_id).await.expect("a deletion");
            let found = other.as_caller(caller).thread_by_external_id(parent, &name).await;
            assert_eq!(found.expect("an answer"), None);
            let (again, new) = thread(&other, caller, parent, &name).await;
            assert!(new && again != thread_id, "a new thread under {name:?}");
            assert_eq!(ask.thread(thread_id).await.expect("an answer"), None);
            thread_id = again;
            let found = ask.thread_by_external_id(parent, &name).await.expect("an answer");
            assert_eq!(found.map(|thread| thread.id), Some(thread_id));
            session_id = session(store, caller, thread_id, &name).await.0;

            ask.delete_project(project_id).await.expect("a deletion");
            let found = other.as_caller(caller).project_by_external_id(&name).await;
            assert_eq!(found.expect("an answer"), None);
            let (again, new) = project(&other, caller, &name).await;
            assert!(new && again != project_id, "a new project under {name:?}");
            project_id = again;
            let found = ask.project_by_external_id(&name).await.expect("an answer");
            assert_eq!(found.map(|project| project.id), Some(project_id));
        }
        assert_eq!(thread(store, caller, parent, &name).await, (thread_id, false));
        assert_eq!(project(store, caller, &name).await, (project_id, false));
    }
}

/// A thread, its first session and its first turn begin together or not at all.
pub async fn xid4(cx: ClauseContext) -> Verdict {
    let (store, caller) = (cx.store().await, cx.caller());
    let ask = store.as_caller(&caller);
    let parent = cx.project(&store, &caller).await;
    let begun = ask.begin_thread(parent, chat("one"), first("hello")).await.expect("a beginning");
    let appended = begun.session.appended.expect("a turn");
    assert!(begun.thread.created && begun.session.created);
    // One commit of each journal: the versions of the thread's are those of one batch.
    assert_eq!((begun.session.id.version(), appended.first.version(), appended.count), (2, 3, 2));
    assert_eq!(texts(&store, &caller, begun.session.id).await, ["hello", "and more"]);

    // Once more, nothing is made and nothing is said twice.
    let again = ask.begin_thread(parent, chat("one"), first("hello")).await.expect("what is there");
    assert_eq!((again.thread.id, again.session.id), (begun.thread.id, begun.session.id));
    assert!(!again.thread.created && !again.session.created && again.session.appended.is_none());
    // Another session begins in the thread that is there, with its turn, in one commit.
    let second = first("a second").with_external_id("second");
    let second = ask.begin_thread(parent, chat("one"), second).await.expect("a session");
    assert!(!second.thread.created && second.session.created);
    assert_eq!(texts(&store, &caller, second.session.id).await, ["a second", "and more"]);

    // With a key the first answer is given again, with or without external ids.
    for (key, new) in [("a", chat("keyed")), ("b", NewThread::titled("keyed"))] {
        let keyed = ask.with_key(key);
        let session = NewSession::named("s").with_turn([says("once")]);
        let one = keyed.begin_thread(parent, new.clone(), session.clone()).await.expect("one");
        let same = keyed.begin_thread(parent, new.clone(), session.clone()).await.expect("again");
        assert_eq!(one, same);
        assert!(same.thread.created && same.session.created);
        assert_eq!(sessions(&store, &caller, one.thread.id).await.len(), 1);
        let other = keyed.begin_thread(parent, new, session.with_turn([says("other")])).await;
        let reused = refused(other, ErrorKind::Invalid);
        assert!(matches!(reused, Error::KeyReused { .. }), "{reused:?}");
    }
    refusals(&store, &caller, parent).await;
    interrupted(&cx, &caller).await;
    Verdict::Passed
}

/// What is refused leaves neither thread nor session.
async fn refusals(store: &Store, caller: &Caller, parent: ProjectId) {
    let ask = store.as_caller(caller);
    let before = threads_of(store, caller, parent).await;
    let huge = NewSession::named("huge").with_turn([says("x".repeat((32 << 20) + 1))]);
    refused(ask.begin_thread(parent, chat("new"), huge).await, ErrorKind::Capacity);
    let many = NewSession::named("many").with_turn((0..1001).map(|_| says("")));
    refused(ask.begin_thread(parent, chat("new"), many).await, ErrorKind::Invalid);
    assert_eq!(threads_of(store, caller, parent).await, before);
    assert_eq!(ask.thread_by_external_id(parent, "new").await.expect("an answer"), None);

    let thread = ask.thread_by_external_id(parent, "one").await.expect("an answer").expect("it");
    ask.archive_thread(thread.id).await.expect("archived");
    let third = first("third").with_external_id("third");
    refused(ask.begin_thread(parent, chat("one"), third).await, ErrorKind::Closed);
    ask.archive_project(parent).await.expect("archived");
    let closed = refused(ask.begin_thread(parent, chat("new"), first("")).await, ErrorKind::Closed);
    assert!(matches!(closed, Error::Closed { operation: Some("begin_thread"), .. }), "{closed:?}");
    // What is there is answered all the same, where nothing is to be made.
    let there = ask.create_thread(parent, chat("one")).await.expect("what is there");
    assert_eq!(there, thread.id);
    assert_eq!(sessions(store, caller, thread.id).await.len(), 2);
}

/// However commits fail, a thread that is there has its session and its turn, and repeating the call finishes it.
async fn interrupted(cx: &ClauseContext, caller: &Caller) {
    let faults =
        Faults { lost_request: 200, lost_reply: 200, late: 100, engine_error: 200, ..Faults::NONE };
    let faulty = Arc::new(FaultyJournal::over(cx.journal().await, Faults::NONE, cx.seed()));
    let store = cx.store_over(Arc::clone(&faulty) as _, Arc::default(), |options| options);
    let parent = cx.project(&store, caller).await;
    let mut failed = 0;
    for n in 0..12 {
        faulty.set(faults);
        let (name, turn) = (format!("chat {n}"), format!("turn {n}"));
        for _ in 0..3 {
            let ask = store.as_caller(caller);
            let begun = ask.begin_thread(parent, chat(&name), first(&turn)).await;
            failed += usize::from(begun.is_err());
        }
        faulty.set(Faults::NONE);
        for row in threads(&store, caller, ThreadScope::Project(parent)).await {
            let all = sessions(&store, caller, row.id).await;
            assert_eq!(all.len(), 1, "{} has its one session", row.title);
            assert_eq!(all[0].entries, 2, "{} has its turn, once", row.title);
        }
        let begun = store.as_caller(caller).begin_thread(parent, chat(&name), first(&turn)).await;
        let begun = begun.expect("without faults it is done");
        assert_eq!(texts(&store, caller, begun.session.id).await, [turn.as_str(), "and more"]);
    }
    assert_eq!(threads_of(&store, caller, parent).await.len(), 12);
    assert!(failed > 0, "some calls failed");
}
