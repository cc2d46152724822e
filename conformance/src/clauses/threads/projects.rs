//! PRJ: projects.

use std::sync::Arc;

use serde_json::{Value, json};
use sessile_core::{
    Caller, ErrorKind,
    command::{NewRun, NewSession, NewThread, Paging, ThreadScope, UpdateProject},
    error::{Closure, Counter, Error},
    id::{ProjectId, ThreadId},
    model::{Project, ProjectConfig, ProjectStatus, RunOutcome},
    store::AnyStore,
};
use tokio::sync::oneshot;

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{closed, refused, unchanged},
        fault::{Call, InterruptedJournal},
        id_arguments::Ids,
        shorthand::{self, named, pages, says, threads_of},
    },
};

crate::clauses! { PRJ1 => prj1, PRJ2 => prj2, PRJ3: Shared => prj3, PRJ4: Shared => prj4, PRJ5 => prj5 }

crate::internal::child_programs! { "prj create threads" => create_threads }

async fn the_project(store: &dyn AnyStore, caller: &Caller, project: ProjectId) -> Project {
    store.as_caller(caller).project(project).await.expect("an answer").expect("the project exists")
}

fn renamed(name: &str) -> UpdateProject {
    UpdateProject { name: Some(name.into()), config: None }
}

/// Create, get, list, update.
pub async fn prj1(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let config =
        ProjectConfig::default().with_max_delegation_depth(0).with_max_delegation_width(1000);
    let mut ids = Vec::new();
    for name in ["one", "two", "one", "", "naïve  — 計画 "] {
        let id = store
            .as_caller(&caller)
            .create_project(
                sessile_core::command::NewProject::named(name).with_config(config.clone()),
            )
            .await
            .expect("a project");
        let project = the_project(&store, &caller, id).await;
        assert_eq!((project.id, &project.tenant), (id, &caller.tenant));
        assert_eq!((project.name.as_str(), &project.config), (name, &config));
        assert_eq!((project.status, project.version), (ProjectStatus::Open, 1));
        assert_eq!(project.created_at, project.updated_at);
        ids.push(id);
    }
    ids.sort_unstable();
    let too_wide = ProjectConfig::default().with_max_delegation_width(1001);
    refused(
        store
            .as_caller(&caller)
            .create_project(sessile_core::command::NewProject::named("x").with_config(too_wide))
            .await,
        ErrorKind::Invalid,
    );
    let ask = store.as_caller(&caller);
    let whole = ask.projects().page(Paging::first(ids.len())).await.expect("a page");
    assert_eq!(
        (whole.items.len(), whole.next),
        (ids.len(), None),
        "after the last there is no page"
    );
    // Pages are stable while projects come: nothing is skipped or shown twice.
    let first = store.as_caller(&caller).projects().page(Paging::first(2)).await.expect("a page");
    let late = cx.project(&store, &caller).await;
    let mut seen: Vec<_> = first.items.iter().map(|p| p.id).collect();
    seen.extend(
        pages(2, |page| {
            let after = page.after.or(first.next);
            store.as_caller(&caller).projects().page(page.after(after))
        })
        .await
        .iter()
        .map(|p| p.id),
    );
    assert!(seen.is_sorted(), "by id: {seen:?}");
    assert_eq!(seen.iter().filter(|id| **id != late).copied().collect::<Vec<_>>(), ids);
    for limit in [0, 1001] {
        refused(
            store.as_caller(&caller).projects().page(Paging::first(limit)).await,
            ErrorKind::Invalid,
        );
    }

    let caps = ProjectConfig::default().with_max_delegation_depth(7);
    let update = UpdateProject { name: None, config: Some(caps.clone()) };
    let version =
        store.as_caller(&caller).update_project(ids[0], 1, update).await.expect("an update");
    let project = the_project(&store, &caller, ids[0]).await;
    assert_eq!((project.version, &project.config), (version, &caps));
    let again = store
        .as_caller(&caller)
        .update_project(ids[0], version, renamed("new"))
        .await
        .expect("an update");
    let store = cx.reopen(store).await;
    let project = the_project(&store, &caller, ids[0]).await;
    assert_eq!((project.version, project.name.as_str(), &project.config), (again, "new", &caps));
    Verdict::Passed
}

/// A stale update is refused; of many on one version one wins.
pub async fn prj2(cx: ClauseContext) -> Verdict {
    let store = Arc::new(cx.store().await);
    let journal = cx.journal().await;
    let caller = cx.caller();
    let project = cx.project(&*store, &caller).await;
    let version = store
        .as_caller(&caller)
        .update_project(project, 1, renamed("two"))
        .await
        .expect("an update");
    for expected in [0, 1, version + 1, u64::MAX] {
        let update_caller = store.as_caller(&caller);
        let update = update_caller.update_project(project, expected, renamed("x"));
        let stale = unchanged(&*journal, &[&caller.tenant], update).await;
        match refused(stale, ErrorKind::Stale) {
            Error::Stale { what, counter: Counter::Version, expected: told, actual } => {
                assert_eq!((what, told, actual), (project.into(), expected, version));
            }
            other => panic!("{other:?}"),
        }
    }
    // A thread does not make an update stale: it is no field of the project.
    store
        .as_caller(&caller)
        .create_thread(project, NewThread::titled("t"))
        .await
        .expect("a thread");
    assert_eq!(the_project(&*store, &caller, project).await.version, version);
    let stores = [store.clone(), Arc::new(cx.store().await)];
    let racers: Vec<_> = (0..8)
        .map(|i| {
            let (store, caller) = (stores[i % 2].clone(), caller.clone());
            tokio::spawn(async move {
                store
                    .as_caller(&caller)
                    .update_project(project, version, renamed(&format!("racer {i}")))
                    .await
            })
        })
        .collect();
    let mut won = Vec::new();
    for (i, racer) in racers.into_iter().enumerate() {
        match racer.await.expect("no panic") {
            Ok(version) => won.push((i, version)),
            other => drop(refused(other, ErrorKind::Stale)),
        }
    }
    let [(winner, version)] = won[..] else { panic!("{} updates won", won.len()) };
    let project = the_project(&*store, &caller, project).await;
    assert_eq!((project.name, project.version), (format!("racer {winner}"), version));
    Verdict::Passed
}

/// Creates threads in a project until that is refused, and answers which.
async fn create_threads(cx: ClauseContext, index: usize, args: Value) -> String {
    let store = cx.store().await;
    let caller = cx.caller();
    let project: ProjectId = serde_json::from_value(args["project"].clone()).expect("a project");
    let most = args["most"].as_u64().expect("a number");
    let mut made: Vec<ThreadId> = Vec::new();
    for n in 0..most {
        match store
            .as_caller(&caller)
            .create_thread(project, NewThread::titled(format!("{index}/{n}")))
            .await
        {
            Ok(thread) => made.push(thread),
            Err(error) if matches!(error.kind(), ErrorKind::Closed | ErrorKind::NotFound) => break,
            Err(error) => panic!("neither made nor refused: {error}"),
        }
        cx.report("one");
    }
    serde_json::to_string(&made).expect("ids")
}

fn made(results: Vec<String>) -> Vec<ThreadId> {
    let mut all: Vec<ThreadId> = results
        .iter()
        .flat_map(|made| serde_json::from_str::<Vec<ThreadId>>(made).expect("ids"))
        .collect();
    all.sort_unstable();
    all
}

/// An archived project takes no new thread, from any process, from the acknowledgement on.
pub async fn prj3(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let journal = cx.journal().await;
    let caller = cx.caller();
    let ids = Ids::make(&store, &caller).await;
    store.as_caller(&caller).archive_project(ids.project).await.expect("it is archived");
    let new_caller = store.as_caller(&caller);
    let new = new_caller.create_thread(ids.project, NewThread::titled("late"));
    let error = refused(unchanged(&*journal, &[&caller.tenant], new).await, ErrorKind::Closed);
    closed(&error, Closure::ProjectArchived(ids.project), "create_thread");
    let update_caller = store.as_caller(&caller);
    let update = update_caller.update_project(ids.project, 1, renamed("x"));
    refused(unchanged(&*journal, &[&caller.tenant], update).await, ErrorKind::Closed);
    assert_eq!(shorthand::the_thread(&store, &caller, ids.thread).await.id, ids.thread);
    assert_eq!(shorthand::texts(&store, &caller, ids.session).await, ["entry"]);
    assert_eq!(the_project(&store, &caller, ids.project).await.status, ProjectStatus::Archived);

    let project = cx.project(&store, &caller).await;
    let args = json!({ "project": project, "most": 10_000 });
    let children = cx.start_processes("prj create threads", 3, &args).await;
    let busy = |children: &[crate::internal::process::Child]| {
        children.iter().all(|c| c.reports().len() >= 3)
    };
    for _ in 0..2000 {
        if busy(&children) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(busy(&children), "the other processes create threads");
    store.as_caller(&caller).archive_project(project).await.expect("it is archived");
    refused(
        store.as_caller(&caller).create_thread(project, NewThread::titled("late")).await,
        ErrorKind::Closed,
    );
    let acknowledged = threads_of(&store, &caller, project).await;
    let mut results = Vec::new();
    for child in children {
        results.push(child.wait().await);
    }
    let made = made(results);
    assert_eq!(threads_of(&store, &caller, project).await, made, "what was made is listed, once");
    // A creation under way at the acknowledgement may land; no more than one for each process.
    assert!(
        made.len() - acknowledged.len().min(made.len()) <= 3,
        "threads began after the archive"
    );
    super::process_races::archive_against_create_thread(&cx, cx.scale(20, 1000)).await;
    Verdict::Passed
}

/// A project is deleted only when no thread is left, whoever creates one meanwhile.
pub async fn prj4(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let ids = Ids::make(&store, &caller).await;
    let before = the_project(&store, &caller, ids.project).await;
    let error = refused(
        store.as_caller(&caller).delete_project(ids.project).await,
        ErrorKind::Precondition,
    );
    assert!(
        matches!(error, Error::ProjectNotEmpty { project, threads: 1.. } if project == ids.project),
        "{error:?}"
    );
    assert_eq!(
        the_project(&store, &caller, ids.project).await,
        before,
        "a refusal changed the project"
    );
    let next = store
        .as_caller(&caller)
        .create_thread(ids.project, NewThread::titled("next"))
        .await
        .expect("the next write");
    store.as_caller(&caller).delete_thread(next).await.expect("it goes");
    // Archived or open, a thread is a thread.
    store.as_caller(&caller).end_run(ids.run, RunOutcome::Succeeded).await.expect("it ends");
    store.as_caller(&caller).archive_thread(ids.thread).await.expect("it is archived");
    store.as_caller(&caller).archive_project(ids.project).await.expect("it is archived");
    refused(store.as_caller(&caller).delete_project(ids.project).await, ErrorKind::Precondition);
    store.as_caller(&caller).reopen_project(ids.project).await.expect("it is open");
    for project in [cx.project(&store, &caller).await, emptied(&cx, &store).await] {
        store.as_caller(&caller).delete_project(project).await.expect("it is empty");
        store.as_caller(&caller).delete_project(project).await.expect("it is gone already");
        assert_eq!(store.as_caller(&caller).project(project).await.expect("an answer"), None);
        let new = store.as_caller(&caller).create_thread(project, NewThread::titled("x")).await;
        refused(new, ErrorKind::NotFound);
    }
    let listed = pages(10, |page| store.as_caller(&caller).projects().page(page)).await;
    assert_eq!(listed.iter().map(|p| p.id).collect::<Vec<_>>(), [ids.project]);

    for most in [1, 3] {
        let project = cx.project(&store, &caller).await;
        let args = json!({ "project": project, "most": most });
        let children = cx.start_processes("prj create threads", 3, &args).await;
        let mut deleted = false;
        let mut results = Vec::new();
        for child in children {
            for _ in 0..3 {
                deleted |= match store.as_caller(&caller).delete_project(project).await {
                    Ok(()) => true,
                    other => {
                        refused(other, ErrorKind::Precondition);
                        false
                    }
                };
                tokio::task::yield_now().await;
            }
            results.push(child.wait().await);
        }
        let made = made(results);
        let left = shorthand::threads(&store, &caller, ThreadScope::Tenant).await;
        let left: Vec<_> =
            left.into_iter().filter(|r| r.project == project).map(|r| r.id).collect();
        assert_eq!(left, made, "every thread that was made is there, and no other");
        assert_eq!(deleted, made.is_empty(), "deleted with {} threads", made.len());
        assert_eq!(
            store.as_caller(&caller).project(project).await.expect("an answer").is_none(),
            deleted
        );
        if !deleted {
            let open = the_project(&store, &caller, project).await;
            assert_eq!(open.status, ProjectStatus::Open, "an undone deletion leaves it open");
        }
    }
    undone(&cx).await;
    undone_once(&cx).await;
    undone_before_it_finished(&cx).await;
    super::process_races::delete_against_create_thread(&cx, cx.scale(20, 1000)).await;
    Verdict::Passed
}

/// A thread that begins after a deletion found none, and before the project is marked as deleting, undoes the deletion:
/// the project is what it was, open or archived.
async fn undone(cx: &ClauseContext) {
    let (store, caller) = (cx.store().await, cx.caller());
    for archived in [false, true] {
        let project = cx.project(&store, &caller).await;
        if archived {
            store.as_caller(&caller).archive_project(project).await.expect("it is archived");
        }
        let creates = {
            let (store, caller) = (store.clone(), caller.clone());
            async move {
                if archived {
                    store.as_caller(&caller).reopen_project(project).await?;
                }
                store
                    .as_caller(&caller)
                    .create_thread(project, NewThread::titled("between"))
                    .await?;
                if archived {
                    store.as_caller(&caller).archive_project(project).await?;
                }
                Ok(())
            }
        };
        let journal = InterruptedJournal::before(cx.journal().await, Call::Commit, creates);
        let deleter = cx.store_over(journal.clone(), Arc::default(), |options| options);
        let error = refused(
            deleter.as_caller(&caller).delete_project(project).await,
            ErrorKind::Precondition,
        );
        assert!(matches!(error, Error::ProjectNotEmpty { threads: 1, .. }), "{error:?}");
        assert!(journal.is_over(), "the thread began in between");
        let status = if archived { ProjectStatus::Archived } else { ProjectStatus::Open };
        for store in [&store, &deleter] {
            assert_eq!(the_project(store, &caller, project).await.status, status);
            assert_eq!(threads_of(store, &caller, project).await.len(), 1);
        }
        store.as_caller(&caller).reopen_project(project).await.expect("it is open");
        let next = store.as_caller(&caller).create_thread(project, NewThread::titled("next")).await;
        next.expect("it takes threads");
    }
}

/// Of two deletions that find the same thread, one undoes what both began; what became of the project since stays.
async fn undone_once(cx: &ClauseContext) {
    let (store, caller) = (cx.store().await, cx.caller());
    let project = cx.project(&store, &caller).await;
    let (ann, asked) = (store.clone(), caller.clone());
    let creates = async move {
        ann.as_caller(&asked).create_thread(project, NewThread::titled("between")).await.map(drop)
    };
    let (ann, asked) = (store.clone(), caller.clone());
    let overtakes = async move {
        refused(ann.as_caller(&asked).delete_project(project).await, ErrorKind::Precondition);
        ann.as_caller(&asked).archive_project(project).await.map(drop)
    };
    // The thread begins before the project is marked; the other deletion runs before the marked one looks for threads.
    let below = InterruptedJournal::before(cx.journal().await, Call::Drop, overtakes);
    let journal = InterruptedJournal::before(below.clone(), Call::Commit, creates);
    let deleter = cx.store_over(journal.clone(), Arc::default(), |options| options);
    let deletion = deleter.as_caller(&caller).delete_project(project).await;
    refused(deletion, ErrorKind::Precondition);
    assert!(journal.is_over() && below.is_over(), "both came in between");
    for store in [&store, &deleter] {
        let status = the_project(store, &caller, project).await.status;
        assert_eq!(
            status,
            ProjectStatus::Archived,
            "it was archived after the deletion was undone"
        );
    }
}

/// A deletion that found no thread, about to drop a project whose deletion another one undid meanwhile, as it had found a
/// thread that has gone since: the project stays, with what came into it.
async fn undone_before_it_finished(cx: &ClauseContext) {
    let (store, caller) = (cx.store().await, cx.caller());
    let project = cx.project(&store, &caller).await;
    let (thread, of_thread) = oneshot::channel();
    let (ann, asked) = (store.clone(), caller.clone());
    let creates = async move {
        let new = NewThread::titled("between");
        let _waits = thread.send(ann.as_caller(&asked).create_thread(project, new).await?);
        Ok(())
    };
    // The first deletion marks the project - at its second try, as the thread came -, counts the thread, and is about to undo.
    let (counted, is_counted) = oneshot::channel();
    let (go, goes) = oneshot::channel();
    let waits = async move {
        let _waits = counted.send(());
        let _gone = goes.await;
        Ok(())
    };
    let below = InterruptedJournal::after(cx.journal().await, Call::Commit, 2, waits);
    let journal = InterruptedJournal::before(below.clone(), Call::Commit, creates);
    let first = cx.store_over(journal, Arc::default(), |options| options);
    let asked = caller.clone();
    let undoes = tokio::spawn(async move { first.as_caller(&asked).delete_project(project).await });
    is_counted.await.expect("it counts");
    let thread = of_thread.await.expect("a thread");
    store.as_caller(&caller).delete_thread(thread).await.expect("it goes");
    // The second finds none. Before it drops the project, the first one goes on, and a thread comes.
    let (ann, asked) = (store.clone(), caller.clone());
    let (undone, is_undone) = oneshot::channel();
    let comes = async move {
        let _waits = go.send(());
        let _waits = undone.send(undoes.await.expect("no panic inside"));
        ann.as_caller(&asked).create_thread(project, NewThread::titled("next")).await.map(drop)
    };
    // It leaves a tombstone for the thread that was reserved, and drops the project.
    let journal = InterruptedJournal::after(cx.journal().await, Call::Drop, 1, comes);
    let second = cx.store_over(journal.clone(), Arc::default(), |options| options);
    let deletion = second.as_caller(&caller).delete_project(project).await;
    assert!(journal.is_over(), "the other went on in between");
    refused(is_undone.await.expect("it ended"), ErrorKind::Precondition);
    refused(deletion, ErrorKind::Contended);
    assert_eq!(the_project(&store, &caller, project).await.status, ProjectStatus::Open);
    assert_eq!(threads_of(&store, &caller, project).await.len(), 1);
}

/// A project whose only thread was deleted.
async fn emptied(cx: &ClauseContext, store: &dyn AnyStore) -> ProjectId {
    let caller = cx.caller();
    let project = cx.project(store, &caller).await;
    let thread = store
        .as_caller(&caller)
        .create_thread(project, NewThread::titled("t"))
        .await
        .expect("a thread");
    store.as_caller(&caller).delete_thread(thread).await.expect("it goes");
    project
}

/// Reopen is explicit; open threads of an archived project finish but take no new session.
pub async fn prj5(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let journal = cx.journal().await;
    let caller = cx.caller();
    let ids = Ids::make(&store, &caller).await;
    let archived =
        store.as_caller(&caller).archive_project(ids.project).await.expect("it is archived");
    let again = unchanged(
        &*journal,
        &[&caller.tenant],
        store.as_caller(&caller).archive_project(ids.project),
    )
    .await;
    assert_eq!(again.ok(), Some(archived), "archiving again writes nothing");
    store.as_caller(&caller).append(ids.session, says("still here")).await.expect("work goes on");
    store.as_caller(&caller).start_run(ids.session, NewRun::default()).await.expect("work goes on");
    store.as_caller(&caller).end_run(ids.run, RunOutcome::Succeeded).await.expect("work goes on");
    let new_caller = store.as_caller(&caller);
    let new = new_caller.create_session(ids.thread, NewSession::named("late"));
    let error = refused(unchanged(&*journal, &[&caller.tenant], new).await, ErrorKind::Closed);
    closed(&error, Closure::ProjectArchived(ids.project), "create_session");
    let store = cx.reopen(store).await;
    refused(
        store.as_caller(&caller).create_session(ids.thread, NewSession::named("late")).await,
        ErrorKind::Closed,
    );
    let open = store.as_caller(&caller).reopen_project(ids.project).await.expect("it is open");
    assert!(open > archived);
    let journal = cx.journal().await;
    let again = unchanged(
        &*journal,
        &[&caller.tenant],
        store.as_caller(&caller).reopen_project(ids.project),
    )
    .await;
    assert_eq!(again.ok(), Some(open), "reopening again writes nothing");
    named(&store, &caller, ids.thread, "welcome").await;
    store
        .as_caller(&caller)
        .create_thread(ids.project, NewThread::titled("welcome"))
        .await
        .expect("a thread");
    let project = the_project(&store, &caller, ids.project).await;
    assert_eq!((project.status, project.version), (ProjectStatus::Open, open));
    Verdict::Passed
}
