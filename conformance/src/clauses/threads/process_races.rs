//! Races of two processes, round after round: one archives or deletes what the other creates in. Parts of THD7, PRJ3, PRJ4.

use std::time::Duration;

use serde_json::Value;
use sessile_core::{
    ErrorKind,
    command::{NewRun, NewSession, NewThread, Paging, ThreadFilter, ThreadScope},
    id::{ProjectId, ThreadId},
    model::{SessionStatus, ThreadStatus},
    store::Store,
};

use crate::internal::{ClauseContext, rounds::Rounds};

crate::internal::child_programs! { "rounds" => play }

/// A round lasts this long; both processes begin it together.
const ROUND: Duration = Duration::from_millis(5);

/// The process that archives or deletes (index 0), or the one that creates (index 1). One call a round; answers one word for
/// each round.
async fn play(cx: ClauseContext, index: usize, args: Value) -> String {
    let store = cx.store().await;
    let caller = cx.caller();
    let mut rounds = Rounds::of(&cx, &args);
    while let Some(id) = rounds.next_round() {
        rounds.begin().await;
        let thread = || id.parse::<ThreadId>().expect("a thread");
        let project = || id.parse::<ProjectId>().expect("a project");
        let handle = store.as_caller(&caller);
        let outcome = match (rounds.act.as_str(), index) {
            ("archive thread", 0) => handle.archive_thread(thread()).await.map(drop),
            ("archive thread", _) => {
                match handle.create_session(thread(), NewSession::default()).await {
                    Ok(session) => handle.start_run(session, NewRun::default()).await.map(drop),
                    Err(error) => Err(error),
                }
            }
            ("archive project", 0) => handle.archive_project(project()).await.map(drop),
            (_, 0) => handle.delete_project(project()).await,
            _ => handle.create_thread(project(), NewThread::default()).await.map(drop),
        };
        rounds.end(match outcome {
            Ok(()) => "done".to_owned(),
            Err(error) => match error.kind() {
                ErrorKind::Closed | ErrorKind::Precondition | ErrorKind::NotFound => {
                    format!("{:?}", error.kind())
                }
                _ => panic!("{} {id}, process {index}: {error}", rounds.act),
            },
        });
    }
    rounds.all()
}

async fn run(cx: &ClauseContext, act: &str, ids: Vec<String>) -> Vec<(String, String, String)> {
    let words: Vec<Vec<String>> = cx.in_rounds("rounds", act, 2, ROUND, &ids).await;
    let rounds: Vec<_> = ids
        .into_iter()
        .zip(words)
        .map(|(id, words)| (id, words[0].clone(), words[1].clone()))
        .collect();
    let both = rounds.iter().filter(|(_, a, b)| a == "done" && b == "done").count();
    let closed = rounds.iter().filter(|(_, a, _)| a == "done").count();
    cx.note(format!(
        "{act}: {} rounds, closed in {closed}, in {both} of them after it was filled",
        rounds.len()
    ));
    rounds
}

/// THD7: whichever call comes first, no archived thread holds a session at work, and none can become active in it.
pub(super) async fn archive_against_create_session(cx: &ClauseContext, rounds: usize) {
    let (store, caller) = (cx.store().await, cx.caller());
    let project = cx.project(&store, &caller).await;
    let mut ids = Vec::new();
    for _ in 0..rounds {
        ids.push(
            store
                .as_caller(&caller)
                .create_thread(project, NewThread::default())
                .await
                .expect("a thread")
                .to_string(),
        );
    }
    for (id, closer, filler) in run(cx, "archive thread", ids).await {
        let thread: ThreadId = id.parse().expect("a thread");
        let archived = store
            .as_caller(&caller)
            .thread(thread)
            .await
            .expect("a read")
            .expect("it exists")
            .status
            == ThreadStatus::Archived;
        assert_eq!(archived, closer == "done", "{closer}, {filler}");
        if !archived {
            continue;
        }
        assert_ne!(filler, "done", "a run began in a thread that was archived");
        let page = store
            .as_caller(&caller)
            .sessions(thread)
            .page(Paging::default())
            .await
            .expect("a list");
        assert!(page.items.iter().all(|s| s.status == SessionStatus::Idle && s.open_run.is_none()));
        crate::internal::assertions::refused(
            store.as_caller(&caller).create_session(thread, NewSession::default()).await,
            ErrorKind::Closed,
        );
    }
}

async fn projects(cx: &ClauseContext, store: &Store, rounds: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..rounds {
        let id = store.as_caller(&cx.caller()).create_project("round").await.expect("a project");
        ids.push(id.to_string());
    }
    ids
}

/// PRJ3: once a project is archived, no thread begins in it.
pub(super) async fn archive_against_create_thread(cx: &ClauseContext, rounds: usize) {
    let (store, caller) = (cx.store().await, cx.caller());
    let ids = projects(cx, &store, rounds).await;
    for (id, closer, filler) in run(cx, "archive project", ids).await {
        let project: ProjectId = id.parse().expect("a project");
        assert_eq!(closer, "done");
        let scope = ThreadFilter::of(ThreadScope::Project(project));
        let listed = store
            .as_caller(&caller)
            .threads(scope)
            .page(Paging::default())
            .await
            .expect("a list")
            .items
            .len();
        assert_eq!(
            listed,
            usize::from(filler == "done"),
            "a thread is there iff it was acknowledged"
        );
        crate::internal::assertions::refused(
            store.as_caller(&caller).create_thread(project, NewThread::default()).await,
            ErrorKind::Closed,
        );
    }
}

/// PRJ4: a project is deleted iff no thread is left in it, and no thread outlives its project.
pub(super) async fn delete_against_create_thread(cx: &ClauseContext, rounds: usize) {
    let (store, caller) = (cx.store().await, cx.caller());
    let ids = projects(cx, &store, rounds).await;
    for (id, closer, filler) in run(cx, "delete project", ids).await {
        let project: ProjectId = id.parse().expect("a project");
        let exists = store.as_caller(&caller).project(project).await.expect("a read").is_some();
        assert_eq!(exists, closer != "done", "{closer}, {filler}");
        assert!(
            !(closer == "done" && filler == "done"),
            "a thread was acknowledged in a project that was deleted"
        );
        if exists {
            let scope = ThreadFilter::of(ThreadScope::Project(project));
            let listed = store
                .as_caller(&caller)
                .threads(scope)
                .page(Paging::default())
                .await
                .expect("a list")
                .items
                .len();
            assert_eq!(listed, usize::from(filler == "done"), "{closer}, {filler}");
        }
    }
}
