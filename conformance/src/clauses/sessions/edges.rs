//! SUB: edges, their fields, their end and their caps.

use std::sync::Arc;

use serde_json::{Value, json};
use sessile_core::{
    ErrorKind,
    command::{
        Inheritance, LinkSessions, NewRun, NewSession, NewSubSession, NewThread, UpdateEdge,
    },
    error::{Counter, Error},
    id::SessionId,
    model::{
        CompletionMode, FailureMode, ProjectConfig, RunOutcome, SessionStatus, SubSessionKind,
        SubSessionStatus,
    },
    store::AnyStore,
};

use super::tree::{child_of, link, the_edge, under};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        shorthand::{named, pages, says},
    },
};

crate::clauses! { SUB6 => sub6, SUB7: Concurrent => sub7, SUB9 => sub9, SUB10 => sub10 }

crate::internal::child_programs! { "sub widen" => widen }

/// Delete removes the edge and nothing else; no edge outlives one of its sessions.
pub async fn sub6(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let parent = named(&store, &caller, thread, "parent").await;
    let (child, edge) = child_of(&store, &caller, parent).await;
    store.as_caller(&caller).append(child, says("kept")).await.expect("an entry");
    for end in [parent, child] {
        harmless(
            &store,
            &caller,
            thread,
            ErrorKind::Precondition,
            store.as_caller(&caller).delete_session(end),
        )
        .await;
    }
    let before = (
        store.as_caller(&caller).session(parent).await.expect("an answer"),
        crate::internal::shorthand::texts(&store, &caller, child).await,
    );
    store.as_caller(&caller).delete_edge(edge).await.expect("it goes");
    let head = crate::internal::shorthand::head(&store, &caller, thread).await;
    for store in [&store, &cx.store().await] {
        store.as_caller(&caller).delete_edge(edge).await.expect("it is gone already");
        assert_eq!(
            crate::internal::shorthand::head(store, &caller, thread).await,
            head,
            "deleting again writes nothing"
        );
        assert_eq!(store.as_caller(&caller).edge(edge).await.expect("an answer"), None);
    }
    let after = (
        store.as_caller(&caller).session(parent).await.expect("an answer"),
        crate::internal::shorthand::texts(&store, &caller, child).await,
    );
    assert_eq!(before, after);
    let now =
        store.as_caller(&caller).session(child).await.expect("an answer").expect("the child stays");
    assert_eq!((now.parent, now.depth), (None, 0));
    refused(
        store.as_caller(&caller).update_edge(edge, 1, UpdateEdge::default()).await,
        ErrorKind::NotFound,
    );
    // Ends that do not exist, or not any more.
    store.as_caller(&caller).delete_session(child).await.expect("it goes");
    for gone in [child, SessionId::new(thread, 1 << 40), SessionId::new(thread, 1)] {
        for link in [link(parent, gone), link(gone, parent)] {
            harmless(
                &store,
                &caller,
                thread,
                ErrorKind::NotFound,
                store.as_caller(&caller).link_sessions(link),
            )
            .await;
        }
        let refusal_caller = store.as_caller(&caller);
        let refusal = refusal_caller.create_session(thread, under(gone));
        harmless(&store, &caller, thread, ErrorKind::NotFound, refusal).await;
    }
    Verdict::Passed
}

/// Creates children until the cap refuses.
async fn widen(cx: ClauseContext, _index: usize, args: Value) -> String {
    let store = cx.store().await;
    let caller = cx.caller();
    let parent: SessionId = serde_json::from_value(args["parent"].clone()).expect("a session");
    let mut made = 0;
    loop {
        match store.as_caller(&caller).create_session(parent.thread(), under(parent)).await {
            Ok(_) => made += 1,
            Err(Error::Capacity { .. }) => return made.to_string(),
            Err(error) => panic!("neither made nor over the cap: {error}"),
        }
    }
}

fn over(error: Error, parent: SessionId, what: &str, limit: u64, actual: u64) {
    match error {
        Error::Capacity { what: session, measure, limit: l, actual: a } => {
            assert_eq!((session, measure, l, a), (parent.into(), what, limit, actual));
        }
        other => panic!("{other:?}"),
    }
}

/// Caps on depth and on live children hold under any interleaving.
pub async fn sub7(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let config = ProjectConfig::default().with_max_delegation_depth(2).with_max_delegation_width(3);
    let project = store
        .as_caller(&caller)
        .create_project(
            sessile_core::command::NewProject::named("capped").with_config(config.clone()),
        )
        .await
        .expect("a project");
    let thread = store
        .as_caller(&caller)
        .create_thread(project, NewThread::titled("t"))
        .await
        .expect("a thread");
    let parent = named(&store, &caller, thread, "parent").await;
    let kind = ErrorKind::Capacity;
    // Exactly the cap passes.
    let mut children = Vec::new();
    for _ in 0..3 {
        children.push(child_of(&store, &caller, parent).await);
    }
    let refusal_caller = store.as_caller(&caller);
    let refusal = refusal_caller.create_session(thread, under(parent));
    over(harmless(&store, &caller, thread, kind, refusal).await, parent, "delegation width", 3, 4);
    let loose = named(&store, &caller, thread, "loose").await;
    let refusal_caller = store.as_caller(&caller);
    let refusal = refusal_caller.link_sessions(link(parent, loose));
    over(harmless(&store, &caller, thread, kind, refusal).await, parent, "delegation width", 3, 4);
    let (deepest, _) = child_of(&store, &caller, children[0].0).await;
    let refusal_caller = store.as_caller(&caller);
    let refusal = refusal_caller.create_session(thread, under(deepest));
    over(harmless(&store, &caller, thread, kind, refusal).await, deepest, "delegation depth", 2, 3);
    // A link counts the deepest descendant of the child.
    let tall = named(&store, &caller, thread, "tall").await;
    child_of(&store, &caller, tall).await;
    let refusal_caller = store.as_caller(&caller);
    let refusal = refusal_caller.link_sessions(link(children[1].0, tall));
    over(
        harmless(&store, &caller, thread, kind, refusal).await,
        children[1].0,
        "delegation depth",
        2,
        3,
    );
    // A child that ended frees its place: done, failed, cancelled, unlinked.
    for (i, outcome) in
        [RunOutcome::Succeeded, RunOutcome::Failed { reason: String::new() }, RunOutcome::Cancelled]
            .into_iter()
            .enumerate()
    {
        let run = store
            .as_caller(&caller)
            .start_run(children[i].0, NewRun::default())
            .await
            .expect("a run");
        let refusal_caller = store.as_caller(&caller);
        let refusal = refusal_caller.create_session(thread, under(parent));
        harmless(&store, &caller, thread, kind, refusal).await;
        store.as_caller(&caller).end_run(run, outcome).await.expect("it ends");
        let edge = the_edge(&store, &caller, children[i].1).await;
        assert!(!edge.status.is_live(), "{edge:?}");
        let (_, edge) = child_of(&store, &caller, parent).await;
        harmless(
            &store,
            &caller,
            thread,
            kind,
            store.as_caller(&caller).create_session(thread, under(parent)),
        )
        .await;
        store.as_caller(&caller).delete_edge(edge).await.expect("it goes");
        child_of(&store, &caller, parent).await;
    }
    // A lowered cap ends nothing that lives; a raised one is seen at once, by other handles too.
    let wider = cx.store().await;
    let update = |caps: ProjectConfig| sessile_core::command::UpdateProject {
        name: None,
        config: Some(caps),
    };
    let version = store
        .as_caller(&caller)
        .project(project)
        .await
        .expect("an answer")
        .expect("a project")
        .version;
    let lower = config.clone().with_max_delegation_width(0);
    let version = store
        .as_caller(&caller)
        .update_project(project, version, update(lower))
        .await
        .expect("an update");
    let refusal_caller = wider.as_caller(&caller);
    let refusal = refusal_caller.create_session(thread, under(parent));
    over(harmless(&store, &caller, thread, kind, refusal).await, parent, "delegation width", 0, 4);
    let live = pages(100, |page| store.as_caller(&caller).children(parent).page(page)).await;
    assert_eq!(live.iter().filter(|e| e.status.is_live()).count(), 3);
    let raised = config.with_max_delegation_width(40).with_max_delegation_depth(3);
    store
        .as_caller(&caller)
        .update_project(project, version, update(raised))
        .await
        .expect("an update");
    let made = wider.as_caller(&caller).create_session(thread, under(deepest)).await;
    made.expect("the raised cap of depth");

    let wide = named(&store, &caller, thread, "wide").await;
    let made = cx.processes("sub widen", 3, &json!({ "parent": wide })).await;
    let made: usize = made.iter().map(|n| n.parse::<usize>().expect("a number")).sum();
    let listed = pages(100, |page| store.as_caller(&caller).children(wide).page(page)).await;
    assert_eq!((made, listed.len()), (40, 40), "all processes together reach the cap exactly");
    Verdict::Passed
}

/// Every field of an edge comes back.
pub async fn sub9(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let parent = named(&store, &caller, thread, "parent").await;
    let run = store.as_caller(&caller).start_run(parent, NewRun::default()).await.expect("a run");
    let mut made = Vec::new();
    let kinds =
        [SubSessionKind::AgentSpawn, SubSessionKind::UserHandoff, SubSessionKind::Intervention];
    let texts =
        [None, Some(String::new()), Some("x".repeat(256)), Some("naïve 🦀 \"quoted\"".to_owned())];
    for (i, kind) in kinds.into_iter().cycle().take(8).enumerate() {
        let new = NewSubSession {
            parent,
            kind,
            failure_mode: if i % 2 == 0 { FailureMode::Delegate } else { FailureMode::FailFast },
            completion_mode: if i % 4 < 2 {
                CompletionMode::SummaryRef
            } else {
                CompletionMode::MergeBack
            },
            purpose: texts[i % 4].clone(),
            spawned_by_run: (i % 2 == 1).then_some(run),
            prev_artifact: None,
            inherit: Inheritance::Empty,
        };
        let (child, edge) = if i < 4 {
            let made = store.as_caller(&caller).spawn(new.clone(), "child").await;
            let made = made.expect("a child");
            (made.id, made.edge.expect("an edge"))
        } else {
            let child = named(&store, &caller, thread, "child").await;
            let link = LinkSessions { child, edge: new.clone() };
            (child, store.as_caller(&caller).link_sessions(link).await.expect("an edge"))
        };
        assert_eq!(the_edge(&store, &caller, edge).await.version, edge.version());
        made.push((child, edge, new));
    }
    let check = |store: Arc<dyn AnyStore>| {
        let (caller, made) = (caller.clone(), made.clone());
        async move {
            for (child, id, new) in made {
                let edge = the_edge(&*store, &caller, id).await;
                assert_eq!((edge.id, edge.parent, edge.child), (id, parent, child));
                assert_eq!((edge.kind, edge.failure_mode), (new.kind, new.failure_mode));
                assert_eq!(
                    (edge.completion_mode, &edge.purpose),
                    (new.completion_mode, &new.purpose)
                );
                assert_eq!(
                    (edge.spawned_by_run, &edge.spawned_by),
                    (new.spawned_by_run, &Some(caller.actor.clone()))
                );
                assert_eq!(
                    (edge.status, edge.created_at),
                    (SubSessionStatus::Pending, edge.updated_at)
                );
                let child = store
                    .as_caller(&caller)
                    .session(child)
                    .await
                    .expect("an answer")
                    .expect("the child");
                assert_eq!((child.parent, child.depth), (Some(id), 1));
            }
        }
    };
    check(Arc::new(cx.store().await)).await;
    let store = cx.reopen(store).await;
    check(Arc::new(cx.store().await)).await;
    // A run that is not the parent's, or has ended, or never was.
    let other = named(&store, &caller, thread, "other").await;
    let theirs = store.as_caller(&caller).start_run(other, NewRun::default()).await.expect("a run");
    let asked = |run| NewSubSession { spawned_by_run: Some(run), ..NewSubSession::under(other) };
    let writer = store.as_caller(&caller);
    let create = |run| writer.create_session(thread, NewSession::default().under(asked(run)));
    harmless(&store, &caller, thread, ErrorKind::Precondition, create(run)).await;
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::NotFound,
        create(sessile_core::id::RunId::new(thread, 1)),
    )
    .await;
    store.as_caller(&caller).end_run(theirs, RunOutcome::Succeeded).await.expect("it ends");
    let ended = create(theirs).await.expect_err("an ended run asks for nothing");
    assert!(matches!(ended.kind(), ErrorKind::Precondition | ErrorKind::NotFound), "{ended}");
    let long = NewSubSession::under(other).for_purpose("x".repeat(257));
    let create_caller = store.as_caller(&caller);
    let create = create_caller.create_session(thread, NewSession::default().under(long));
    harmless(&store, &caller, thread, ErrorKind::Invalid, create).await;
    Verdict::Passed
}

/// Changes of an edge are compare-and-swap on the edge.
pub async fn sub10(cx: ClauseContext) -> Verdict {
    let store = Arc::new(cx.store().await);
    let caller = cx.caller();
    let thread = cx.thread(&*store, &caller).await;
    let parent = named(&*store, &caller, thread, "parent").await;
    let (child, id) = child_of(&*store, &caller, parent).await;
    let all = UpdateEdge {
        purpose: Some(Some("why".into())),
        failure_mode: Some(FailureMode::FailFast),
        completion_mode: Some(CompletionMode::MergeBack),
        prev_artifact: None,
    };
    let version =
        store.as_caller(&caller).update_edge(id, id.version(), all).await.expect("an update");
    let edge = the_edge(&*store, &caller, id).await;
    assert_eq!((edge.version, edge.purpose.as_deref()), (version, Some("why")));
    assert_eq!(
        (edge.failure_mode, edge.completion_mode),
        (FailureMode::FailFast, CompletionMode::MergeBack)
    );
    let stale = |error: Error, want| match error {
        Error::Stale { what, counter: Counter::Version, expected, actual } => {
            assert_eq!((what, (expected, actual)), (id.into(), want))
        }
        other => panic!("{other:?}"),
    };
    let clear = UpdateEdge { purpose: Some(None), ..UpdateEdge::default() };
    for expected in [0, id.version(), version + 1] {
        let update_caller = store.as_caller(&caller);
        let update = update_caller.update_edge(id, expected, clear.clone());
        let error = harmless(&*store, &caller, thread, ErrorKind::Stale, update).await;
        stale(error, (expected, version));
    }
    // A change of the child's name is none of the edge; a step of its status is.
    let version =
        store.as_caller(&caller).update_edge(id, version, clear).await.expect("an update");
    assert_eq!(the_edge(&*store, &caller, id).await.purpose, None);
    store.as_caller(&caller).append(child, says("x")).await.expect("an entry");
    assert_eq!(the_edge(&*store, &caller, id).await.version, version);
    let run = store.as_caller(&caller).start_run(child, NewRun::default()).await.expect("a run");
    let active = the_edge(&*store, &caller, id).await;
    assert_eq!((active.status, active.version), (SubSessionStatus::Active, run.version()));
    let update_caller = store.as_caller(&caller);
    let update = update_caller.update_edge(id, version, UpdateEdge::default());
    stale(
        harmless(&*store, &caller, thread, ErrorKind::Stale, update).await,
        (version, run.version()),
    );
    let version =
        store.as_caller(&caller).end_run(run, RunOutcome::Succeeded).await.expect("it ends");
    let idle = the_edge(&*store, &caller, id).await;
    assert_eq!((idle.status, idle.version), (SubSessionStatus::Idle, version));
    // A terminal edge stays as it is when the child works again; one above a failed session fails with it.
    store.as_caller(&caller).start_run(child, NewRun::default()).await.expect("a run");
    assert_eq!(the_edge(&*store, &caller, id).await, idle);
    let (second, below) = child_of(&*store, &caller, parent).await;
    let failed =
        store.as_caller(&caller).set_status(second, SessionStatus::Failed).await.expect("a status");
    let edge = the_edge(&*store, &caller, below).await;
    assert_eq!((edge.status, edge.version), (SubSessionStatus::Failed, failed));

    let purpose = |text: String| UpdateEdge { purpose: Some(Some(text)), ..UpdateEdge::default() };
    let stores = [store.clone(), Arc::new(cx.store().await)];
    let racers: Vec<_> = (0..6)
        .map(|i| {
            let (store, caller) = (stores[i % 2].clone(), caller.clone());
            tokio::spawn(async move {
                store.as_caller(&caller).update_edge(id, version, purpose(format!("{i}"))).await
            })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        match racer.await.expect("no panic") {
            Ok(_) => won += 1,
            other => drop(refused(other, ErrorKind::Stale)),
        }
    }
    assert_eq!(won, 1);
    Verdict::Passed
}
