//! Everything a tenant can read, compared with the model.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use sessile_core::{
    Caller,
    command::{Feed, RunScope, SessionFilter, StateScope, ThreadFilter, ThreadScope, UsageScope},
    id::{EntryId, RunId, SessionId, SubSessionId, ThreadId, UserId, Version},
    journal::Direction,
    model::RollUp,
    store::{AnyStore, SessionStore},
};

use crate::internal::{
    model::{
        Model, Thread,
        read::{collapse_value, entry_value, value},
    },
    shorthand::pages,
};

fn same(what: impl std::fmt::Display, got: &Value, want: &Value) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what} is\n  {got}\nand not\n  {want}")) }
}

fn answered<T>(what: &str, answer: sessile_core::Result<T>) -> Result<T, String> {
    answer.map_err(|error| format!("{what}: {error:?}"))
}

/// Runs are the same; an external id that the model does not know was minted, and is a UUID of version 4.
fn same_runs(what: impl std::fmt::Display, got: &[Value], want: &[Value]) -> Result<(), String> {
    let mut got = got.to_vec();
    for (got, want) in got.iter_mut().zip(want) {
        if want.get("external_id").is_some_and(Value::is_null)
            && let Some(minted) = got.get_mut("external_id")
        {
            if !minted.as_str().is_some_and(is_uuid) {
                return Err(format!("{what}: {minted} is no UUID"));
            }
            *minted = Value::Null;
        }
    }
    same(what, &value(&got), &value(&want))
}

/// 8-4-4-4-12 lower-case hexadecimal digits, with the version and the variant of random ones.
pub(crate) fn is_uuid(text: &str) -> bool {
    let pieces: Vec<_> = text.split('-').collect();
    let is_hex = |c: char| c.is_ascii_digit() || matches!(c, 'a'..='f');
    pieces.iter().map(|piece| piece.len()).eq([8, 4, 4, 4, 12])
        && pieces.iter().all(|piece| piece.chars().all(is_hex))
        && pieces[2].starts_with('4')
        && pieces[3].starts_with(['8', '9', 'a', 'b'])
}

/// All of one tenant.
pub(crate) async fn compare_tenant(
    store: &dyn AnyStore,
    caller: &Caller,
    model: &Model,
) -> Result<(), String> {
    let Some(tenant) = model.tenants.get(&caller.tenant) else { return Ok(()) };
    let projects = pages(2, |page| store.as_caller(caller).projects().page(page)).await;
    let want: Vec<_> =
        tenant.projects.keys().map(|id| model.project_value(&caller.tenant, *id)).collect();
    same("the list of projects", &value(&projects), &value(&want))?;
    for id in tenant.projects.keys() {
        let got = answered("project", store.as_caller(caller).project(*id).await)?;
        same(id, &value(&got), &value(&model.project_value(&caller.tenant, *id)))?;
        threads(store, caller, model, ThreadScope::Project(*id), |t| t.project == *id).await?;
        let usage = answered("project_usage", store.as_caller(caller).project_usage(*id).await)?;
        let mut sum = RollUp::default();
        let of = || tenant.threads.iter().filter(|(_, t)| t.project == *id);
        of().for_each(|(_, t)| sum.add(&t.roll_up(|_| true)));
        same(format!("the usage of {id}"), &value(&usage.roll_up), &value(&sum))?;
        let heads: Vec<_> = of().map(|(id, t)| (*id, t.head)).collect();
        let got: Vec<_> = usage.heads.into_iter().collect();
        same("the heads of its threads", &value(&got), &value(&heads))?;
    }
    threads(store, caller, model, ThreadScope::Tenant, |_| true).await?;
    for name in ["ada", "bob", "' or 1=1 --", "nobody"] {
        users(store, caller, model, name).await?;
    }
    for (id, thread) in &tenant.threads {
        let got = answered("thread", store.as_caller(caller).thread(*id).await)?;
        same(id, &value(&got), &value(&model.thread_value(&caller.tenant, *id)))?;
        compare_thread(store, caller, model, *id, thread).await?;
    }
    Ok(())
}

async fn threads(
    store: &dyn AnyStore,
    caller: &Caller,
    model: &Model,
    scope: ThreadScope,
    wanted: impl Fn(&Thread) -> bool,
) -> Result<(), String> {
    let tenant = &model.tenants[&caller.tenant];
    let mut some: Vec<_> = tenant.threads.iter().filter(|(_, t)| wanted(t)).collect();
    let row = |id: &ThreadId| model.thread_row(&caller.tenant, *id);
    let filter = ThreadFilter::of(scope.clone());
    let got = pages(3, |page| store.as_caller(caller).threads(filter.clone()).page(page)).await;
    let want: Vec<_> = some.iter().map(|(id, _)| row(id)).collect();
    same(format!("threads of {scope:?} by id"), &value(&got), &value(&want))?;
    some.sort_by_key(|(id, t)| std::cmp::Reverse((t.updated_at, id.bits())));
    let newest = filter.clone().newest_first();
    let got = pages(2, |page| store.as_caller(caller).threads(newest.clone()).page(page)).await;
    let want: Vec<_> = some.iter().map(|(id, _)| row(id)).collect();
    same(format!("threads of {scope:?} by updated"), &value(&got), &value(&want))?;
    let labelled = filter.labelled("title", "a");
    let got = pages(2, |page| store.as_caller(caller).threads(labelled.clone()).page(page)).await;
    some.sort_by_key(|(id, _)| **id);
    let blue = some.iter().filter(|(_, t)| t.labels.matches("title", "a"));
    let want: Vec<_> = blue.map(|(id, _)| row(id)).collect();
    same(format!("labelled threads of {scope:?}"), &value(&got), &value(&want))
}

/// A thread is listed for each user who is known to have written in it, and for none who never did.
async fn users(
    store: &dyn AnyStore,
    caller: &Caller,
    model: &Model,
    name: &str,
) -> Result<(), String> {
    let user = UserId::new(name).expect("a user");
    let filter = ThreadFilter::of(ThreadScope::User(user.clone()));
    let got: BTreeSet<_> =
        pages(2, |page| store.as_caller(caller).threads(filter.clone()).page(page))
            .await
            .iter()
            .map(|r| r.id)
            .collect();
    for (id, thread) in &model.tenants[&caller.tenant].threads {
        let listed = got.contains(id);
        if listed && !thread.may_list(&user) || !listed && thread.writers.contains(&user) {
            return Err(format!("threads of user {name:?}: {id} is listed: {listed}"));
        }
    }
    Ok(())
}

async fn compare_thread(
    store: &dyn AnyStore,
    caller: &Caller,
    model: &Model,
    id: ThreadId,
    thread: &Thread,
) -> Result<(), String> {
    for direction in [Direction::Forward, Direction::Backward] {
        let filter = SessionFilter { direction, ..SessionFilter::default() };
        let got = pages(2, |page| {
            store.as_caller(caller).sessions(id).matching(filter.clone()).page(page)
        })
        .await;
        let mut want: Vec<_> = thread.sessions.keys().map(|v| thread.session_row(id, *v)).collect();
        if direction == Direction::Backward {
            want.reverse();
        }
        same(format!("sessions of {id}, {direction:?}"), &value(&got), &value(&want))?;
    }
    let got = pages(2, |page| store.as_caller(caller).sessions(id).with_state().page(page)).await;
    let got: Vec<_> = got.iter().map(|row| (row.id.version(), text(&row.state))).collect();
    let states = thread.sessions.iter().map(|(v, s)| (*v, s.keyed.text_at(thread.head)));
    let states: Vec<_> = states.collect();
    same(format!("the states of {id}"), &value(&got), &value(&states))?;
    state(store, caller, id, thread, id.into()).await?;
    for v in thread.sessions.keys() {
        compare_session(store, caller, model, id, *v).await?;
    }
    for (v, run) in &thread.runs {
        let got = answered("run", store.as_caller(caller).run(RunId::new(id, *v)).await)?;
        same_runs(format!("run {v} of {id}"), &[value(&got)], &[value(&thread.run_value(id, *v))])?;
        if let Some(run) = &got {
            let external = run.external_id.clone();
            let found = store.as_caller(caller).run_by_external_id(id, external).await;
            let found = answered("run_by_external_id", found)?;
            same(format!("run {v} of {id} by its external id"), &value(&found), &value(&got))?;
        }
        if run.gone {
            let edge =
                answered("edge", store.as_caller(caller).edge(SubSessionId::new(id, *v)).await)?;
            same("an edge that never was", &value(&edge), &Value::Null)?;
        }
    }
    for v in thread.edges.keys() {
        let got = answered("edge", store.as_caller(caller).edge(SubSessionId::new(id, *v)).await)?;
        same(format!("edge {v} of {id}"), &value(&got), &value(&thread.edge_value(id, *v)))?;
        let edge = SubSessionId::new(id, *v);
        let asks = store.as_caller(caller);
        let chain = pages(2, |page| asks.interventions(edge, page)).await;
        let chain: Vec<_> = chain.into_iter().map(|edge| edge.id).collect();
        let want = thread.interventions(id, *v);
        same(format!("interventions before {edge}"), &value(&chain), &value(&want))?;
    }
    let got = pages(2, |page| store.as_caller(caller).runs(RunScope::Thread(id)).page(page)).await;
    let want: Vec<_> = thread.sessions.keys().flat_map(|s| thread.runs_of(id, *s)).collect();
    let got: Vec<_> = got.iter().map(value).collect();
    same_runs(format!("runs of {id}"), &got, &want)?;
    let usage = answered("usage", store.as_caller(caller).usage(UsageScope::Thread(id)).await)?;
    same(format!("usage of {id}"), &value(&usage), &value(&thread.roll_up(|_| true)))?;
    for task in ["red", "blue", "Red"] {
        if thread.tasks.contains(task) {
            let scope = RunScope::Task(id, task.into());
            let got = pages(2, |page| store.as_caller(caller).runs(scope.clone()).page(page)).await;
            let got: Vec<_> = got.iter().map(value).collect();
            same_runs(format!("runs of {task}"), &got, &thread.runs_of_task(id, task))?;
        }
        let got = store.as_caller(caller).usage(UsageScope::Task(id, task.into())).await;
        let want = thread
            .tasks
            .contains(task)
            .then(|| thread.roll_up(|run| run.task.as_deref() == Some(task)));
        match (got, want) {
            (Ok(got), Some(want)) => {
                same(format!("usage of task {task}"), &value(&got), &value(&want))?
            }
            (Err(error), None) if error.kind() == sessile_core::ErrorKind::NotFound => {}
            (got, want) => return Err(format!("usage of task {task} is {got:?} and not {want:?}")),
        }
    }
    let verified = answered("verify", store.as_caller(caller).verify(id, None).await)?;
    if !verified.problems.is_empty() || verified.records != thread.head {
        return Err(format!("verify of {id} at {} found {verified:?}", thread.head));
    }
    feed(store, caller, id, thread).await
}

fn text(it: &impl serde::Serialize) -> String {
    serde_json::to_string(it).expect("a state serialises")
}

/// The state of a scope: at the head; around its newest changes, and its first; and at no version that is none.
async fn state(
    store: &dyn AnyStore,
    caller: &Caller,
    id: ThreadId,
    thread: &Thread,
    of: StateScope,
) -> Result<(), String> {
    let (began, held) = match of {
        StateScope::Session(session) => (session.version(), thread.keyed(of)),
        _ => (1, thread.keyed(of)),
    };
    let held = held.ok_or("a scope that does not exist")?;
    let asks = store.as_caller(caller);
    let now = answered("state", asks.state(of).await)?;
    same(format!("the state of {of:?}"), &value(&text(&now)), &value(&held.text_at(thread.head)))?;
    let around = |v: Version| [v - 1, v];
    let newest = held.versions().rev().take(2).flat_map(around);
    let first = held.versions().take(1).flat_map(around);
    for version in newest.chain(first).chain([began, thread.head]).filter(|v| *v >= began) {
        let then = answered("state_at", asks.state_at(of, version).await)?;
        let what = format!("the state of {of:?} in {id} at {version}");
        same(what, &value(&text(&then)), &value(&held.text_at(version)))?;
    }
    for version in [0, began - 1, thread.head + 1] {
        match asks.state_at(of, version).await {
            Err(error) if error.kind() == sessile_core::ErrorKind::NotFound => {}
            other => return Err(format!("the state of {of:?} at {version} is {other:?}")),
        }
    }
    Ok(())
}

async fn feed(
    store: &dyn AnyStore,
    caller: &Caller,
    id: ThreadId,
    thread: &Thread,
) -> Result<(), String> {
    let mut after = 0;
    loop {
        let from =
            Feed { thread: id, after, limit: 7, wait: Duration::ZERO, filter: Default::default() };
        let page = answered("feed", SessionStore::feed(store, caller, from).await)?;
        for event in &page.records {
            if event.version != after + 1 {
                return Err(format!("the feed of {id} goes from {after} to {}", event.version));
            }
            after = event.version;
            // What a fork shows of it is still read.
            let gone = event.session.is_some_and(|s| !thread.sessions.contains_key(&s.version()))
                && !thread.entries.contains_key(&after);
            if gone && event.body.is_some() {
                return Err(format!("the feed of {id} shows a deleted session at {after}"));
            }
        }
        if page.records.is_empty() {
            break;
        }
    }
    same(format!("the end of the feed of {id}"), &json!(after), &json!(thread.head))
}

/// A session without what the model does not know of its bundle.
fn without_bundle(mut session: Value) -> Value {
    if let Some(archive) = session.get_mut("archive").and_then(Value::as_object_mut) {
        for unknown in ["digest", "records"] {
            assert!(archive.remove(unknown).is_some(), "{unknown} is told");
        }
    }
    session
}

async fn compare_session(
    store: &dyn AnyStore,
    caller: &Caller,
    model: &Model,
    id: ThreadId,
    v: Version,
) -> Result<(), String> {
    let thread = &model.tenants[&caller.tenant].threads[&id];
    let session = SessionId::new(id, v);
    let want = model.session_value(&caller.tenant, id, v);
    let got = answered("session", store.as_caller(caller).session(session).await)?;
    let got = without_bundle(value(&got));
    same(session, &got, &value(&want))?;
    let drill = answered("drill", store.as_caller(caller).drill(session).await)?;
    let ancestry: Vec<_> = thread.ancestry(v).into_iter().map(|v| SessionId::new(id, v)).collect();
    let want = json!({
        "session": want, "ancestry": ancestry, "children": thread.children_values(id, v), "head": thread.head,
    });
    let mut drill = value(&drill);
    drill["session"] = without_bundle(drill["session"].take());
    same(format!("drill of {session}"), &drill, &want)?;
    let got = pages(1, |page| store.as_caller(caller).children(session).page(page)).await;
    same(format!("children of {session}"), &value(&got), &value(&thread.children_values(id, v)))?;
    let got = pages(2, |page| store.as_caller(caller).collapses(session).page(page)).await;
    let got: Vec<_> = got.iter().map(collapse_value).collect();
    let want = thread.collapses_of(id, v);
    same(format!("collapses of {session}"), &value(&got), &value(&want))?;
    let mut log = thread.log(id, v);
    for direction in [Direction::Forward, Direction::Backward] {
        let got = pages(3, |page| {
            store.as_caller(caller).entries(session).direction(direction).page(page)
        })
        .await;
        let (all, got) = (&got, got.iter().map(entry_value).collect::<Vec<_>>());
        same(format!("log of {session}, {direction:?}"), &value(&got), &value(&log))?;
        if let Some(entry) = all.get(all.len() / 2) {
            let list = || store.as_caller(caller).entries(session).direction(direction);
            let later = pages(2, |page| list().after_version(entry.version).page(page)).await;
            let want: Vec<_> = all.iter().filter(|e| e.version > entry.version).collect();
            same(format!("log of {session} after {}", entry.id), &value(&later), &value(&want))?;
            let later = pages(2, |page| list().since(entry.at).page(page)).await;
            let want: Vec<_> = all.iter().filter(|e| e.at >= entry.at).collect();
            same(format!("log of {session} since {}", entry.at), &value(&later), &value(&want))?;
        }
        log.reverse();
    }
    if let Some(tail) = Some(thread.tail(v)).filter(|tail| *tail > 0) {
        let entry = answered("entry", store.as_caller(caller).entry(EntryId::new(id, tail)).await)?;
        let entry = entry.as_ref().map(entry_value);
        same(format!("entry {tail}"), &value(&entry), &value(&thread.entry_value(id, tail)))?;
    }
    let got =
        pages(2, |page| store.as_caller(caller).runs(RunScope::Session(session)).page(page)).await;
    let got: Vec<_> = got.iter().map(value).collect();
    same_runs(format!("runs of {session}"), &got, &thread.runs_of(id, v))?;
    let usage =
        answered("usage", store.as_caller(caller).usage(UsageScope::Session(session)).await)?;
    let want = thread.roll_up(|run| run.session == v);
    same(format!("usage of {session}"), &value(&usage), &value(&want))?;
    let got = pages(2, |page| store.as_caller(caller).ledger(session).page(page)).await;
    same(format!("ledger of {session}"), &value(&got), &value(&thread.ledger(id, v)))?;
    state(store, caller, id, thread, session.into()).await?;
    let lease = answered("lease", store.as_caller(caller).lease(session).await)?;
    same(format!("lease of {session}"), &value(&lease), &value(&thread.lease_value(id, v)))
}
