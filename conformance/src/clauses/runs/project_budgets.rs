//! BUD1, of projects: threads draw slices before they spend, and give back what they did not use.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use sessile_core::{
    Caller, Error, ErrorKind, Handle,
    command::{NewProject, NewRun, Sweep, UpdateProject},
    id::{ProjectId, SessionId, ThreadId},
    model::{Budget, BudgetKind, ProjectConfig, RunOutcome, Tokens, Usage},
    store::Store,
};

use super::budgets::{a_run, currency, exceeded, spend, tokens, told};
use crate::internal::{
    ClauseContext, TestClock,
    assertions::refused,
    fault::{Call, InterruptedJournal},
    stops::polled,
};

crate::internal::child_programs! { "budget spend" => spend_role }

/// A project with this budget.
async fn project(ann: &Handle, budget: impl Into<Option<Budget>>) -> ProjectId {
    let mut config = ProjectConfig::default();
    config.budget = budget.into();
    ann.create_project(NewProject::named("p").with_config(config)).await.expect("a project")
}

/// A project with so many tokens.
async fn project_of(ann: &Handle, tokens: u64) -> ProjectId {
    project(ann, Budget::of_tokens(tokens)).await
}

/// A session in a thread of its own.
async fn begun(ann: &Handle, project: ProjectId) -> SessionId {
    let begun = ann.begin_thread(project, sessile_core::command::NewThread::titled("t"), "s").await;
    begun.expect("a thread").session.id
}

/// Spent of slices that were given back, and out as slices, in tokens.
async fn drawn(ann: &Handle, project: ProjectId) -> (u64, u64) {
    let project = ann.project(project).await.expect("an answer").expect("it exists");
    let used = project.budget.expect("a budget");
    (used.spent.tokens, used.reserved.tokens)
}

async fn set(ann: &Handle, project: ProjectId, budget: Option<Budget>) {
    let known = ann.project(project).await.expect("an answer").expect("it exists");
    let mut config = known.config;
    config.budget = budget;
    let update = UpdateProject { config: Some(config), ..UpdateProject::default() };
    ann.update_project(project, known.version, update).await.expect("an update");
}

async fn version(cx: &ClauseContext, caller: &Caller, project: ProjectId) -> u64 {
    let head = cx.journal().await.head(&project.space(&caller.tenant)).await.expect("an answer");
    head.expect("it exists").position.version
}

/// Runs that use one token each, until one is refused; how many there were.
async fn spend_all(ann: &Handle, session: SessionId, project: ProjectId) -> u64 {
    for runs in 0.. {
        match ann.start_run(session, NewRun::default()).await {
            Ok(run) => spend(ann, run, tokens(1)).await,
            Err(Error::BudgetExceeded { of, .. }) => {
                assert_eq!(of, project.into());
                return runs;
            }
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("the budget has an end")
}

async fn spend_role(cx: ClauseContext, _index: usize, args: serde_json::Value) -> String {
    let project: ProjectId = serde_json::from_value(args["project"].clone()).expect("an id");
    let store = cx.store().await;
    let ann = store.as_caller(&cx.caller());
    let mut spent = 0;
    for _ in 0..3 {
        let session = begun(&ann, project).await;
        spent += spend_all(&ann, session, project).await;
    }
    spent.to_string()
}

pub(super) async fn bud1(cx: &ClauseContext) {
    slices(cx).await;
    given_back(cx).await;
    paid_otherwise(cx).await;
    warned(cx).await;
    changed(cx).await;
    races(cx).await;
    cut_off(cx).await;
    swept(cx).await;
}

/// Slices are drawn ahead, so that most runs need no look at the project; above the budget none is.
async fn slices(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    let project = project(&ann, Budget::of_tokens(1_000)).await;
    let session = begun(&ann, project).await;
    assert_eq!(drawn(&ann, project).await, (0, 0));
    spend(&ann, a_run(&ann, session).await, tokens(60)).await;
    assert_eq!(drawn(&ann, project).await, (0, 125));
    let before = version(cx, &caller, project).await;
    spend(&ann, a_run(&ann, session).await, tokens(64)).await;
    let run = a_run(&ann, session).await;
    ann.book_usage(run, "a", tokens(300)).await.expect("a bill is a fact");
    assert_eq!(version(cx, &caller, project).await, before);
    // What was spent above the slice is drawn with the next one.
    spend(&ann, a_run(&ann, session).await, tokens(600)).await;
    assert_eq!(drawn(&ann, project).await, (0, 424 + 576 / 8));
    let other = begun(&ann, project).await;
    let first = a_run(&ann, other).await;
    let left = 1_000 - 496;
    assert_eq!(drawn(&ann, project).await, (0, 496 + left / 8));
    // The first thread spent more than there is, which is a fact; the second has its slice, and that is all.
    ann.start_run(session, NewRun::default()).await.expect_err("nothing is left");
    assert_eq!(drawn(&ann, project).await, (0, 1_024 + left / 8));
    spend(&ann, first, tokens(63)).await;
    for session in [session, other] {
        let error = refused(ann.start_run(session, NewRun::default()).await, ErrorKind::Capacity);
        exceeded(&error, project, &BudgetKind::Tokens, (1_087, 1_000));
        let before = version(cx, &caller, project).await;
        refused(ann.start_run(session, NewRun::default()).await, ErrorKind::Capacity);
        assert_eq!(version(cx, &caller, project).await, before, "a refusal draws nothing");
    }
}

/// What was not used goes back: when it is asked for, and when the thread is archived, deleted or purged.
async fn given_back(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    let project = project(&ann, Budget::of_tokens(800)).await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        let session = begun(&ann, project).await;
        spend(&ann, a_run(&ann, session).await, tokens(10)).await;
        sessions.push(session);
    }
    let (_, out) = drawn(&ann, project).await;
    assert_eq!(out, 100 + 700 / 8 + 613 / 8 + 537 / 8);
    let [one, two, three, four] = sessions[..] else { unreachable!() };
    ann.return_budget(one.thread()).await.expect("returned");
    assert_eq!(drawn(&ann, project).await, (10, out - 100));
    let before = version(cx, &caller, project).await;
    ann.return_budget(one.thread()).await.expect("again");
    assert_eq!(version(cx, &caller, project).await, before);
    // It draws again when it goes on, and what was spent before is not forgotten.
    spend(&ann, a_run(&ann, one).await, tokens(5)).await;
    ann.archive_thread(two.thread()).await.expect("archived");
    let live = a_run(&ann, three).await;
    let (spent, out) = drawn(&ann, project).await;
    assert_eq!(spent, 20);
    refused(ann.purge_thread(three.thread()).await, ErrorKind::Precondition);
    refused(ann.delete_thread(four.thread()).await, ErrorKind::Precondition);
    assert_eq!(drawn(&ann, project).await, (20, out), "what is refused gives nothing back");
    ann.book_usage(live, "late", tokens(200)).await.expect("a bill is a fact");
    ann.end_run(live, RunOutcome::Cancelled).await.expect("ended");
    ann.purge_thread(three.thread()).await.expect("purged");
    ann.delete_session(four).await.expect("deleted");
    ann.delete_thread(four.thread()).await.expect("deleted");
    let (spent, out) = drawn(&ann, project).await;
    assert_eq!(spent, 10 + 10 + 210 + 10);
    ann.return_budget(one.thread()).await.expect("returned");
    assert_eq!(drawn(&ann, project).await, (spent + 5, 0), "{out}");
    let reopened = cx.reopen(store.clone()).await;
    assert_eq!(drawn(&reopened.as_caller(&caller), project).await, (spent + 5, 0));
    let listed = reopened.as_caller(&caller).projects().all().await.expect("a list");
    let shown = listed.iter().find(|it| it.id == project).and_then(|it| it.budget.as_ref());
    assert_eq!(shown.map(|it| it.spent.tokens), Some(spent + 5));
}

/// Where nothing is left, a thread still accounts for what it spent without a slice, also of what the budget does not bound.
async fn paid_otherwise(cx: &ClauseContext) {
    let store = cx.store().await;
    let ann = store.as_caller(&cx.caller());
    let project = project_of(&ann, 100).await;
    let (one, two) = (begun(&ann, project).await, begun(&ann, project).await);
    let live = a_run(&ann, one).await;
    ann.return_budget(one.thread()).await.expect("returned");
    let usage = Usage::new(Tokens::new(0, 0), 1).with_cost(currency("USD"), 5);
    ann.book_usage(live, "late", usage).await.expect("a bill is a fact");
    spend(&ann, a_run(&ann, two).await, tokens(200)).await;
    ann.return_budget(two.thread()).await.expect("returned");
    assert_eq!(drawn(&ann, project).await, (200, 0));
    refused(ann.start_run(one, NewRun::default()).await, ErrorKind::Capacity);
    ann.end_run(live, RunOutcome::Cancelled).await.expect("ended");
    ann.purge_thread(one.thread()).await.expect("purged");
    assert_eq!(drawn(&ann, project).await, (200, 0));
}

/// A project's budget that warns refuses nothing, and says it once, in the thread that used it up.
async fn warned(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    let project = project(&ann, Budget::of_cost(currency("USD"), 64).warning()).await;
    let sessions = [begun(&ann, project).await, begun(&ann, project).await];
    for round in 0..40 {
        let euros = tokens(1).with_cost(currency("EUR"), 1_000);
        let usage = if round % 2 == 0 { euros } else { tokens(1).with_cost(currency("USD"), 6) };
        spend(&ann, a_run(&ann, sessions[round / 2 % 2]).await, usage).await;
    }
    let mut warnings = Vec::new();
    for session in sessions {
        warnings.extend(told(&store, &caller, session.thread(), true).await);
    }
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].1 >= 64 && warnings[0].2 == 64, "{warnings:?}");
}

/// A budget that a project gets later, another one, and none any more.
async fn changed(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    let project = project(&ann, None).await;
    let session = begun(&ann, project).await;
    let before = version(cx, &caller, project).await;
    spend(&ann, a_run(&ann, session).await, tokens(1_000)).await;
    assert_eq!(version(cx, &caller, project).await, before, "without a budget nothing is drawn");
    set(&ann, project, Some(Budget::of_tokens(8))).await;
    let other = ann.create_session(session.thread(), "other").await.expect("a session");
    assert_eq!(spend_all(&ann, session, project).await, 8);
    refused(ann.start_run(other, NewRun::default()).await, ErrorKind::Capacity);
    set(&ann, project, Some(Budget::of_tokens(10))).await;
    assert_eq!(spend_all(&ann, other, project).await, 2);
    set(&ann, project, None).await;
    a_run(&ann, other).await;
    let before = version(cx, &caller, project).await;
    a_run(&ann, session).await;
    assert_eq!(version(cx, &caller, project).await, before);
    set(&ann, project, Some(Budget::of_tokens(3))).await;
    ann.create_session(session.thread(), "third").await.expect("a session");
    assert_eq!(spend_all(&ann, other, project).await, 3);
    assert_eq!(drawn(&ann, project).await, (0, 3));
}

/// Many threads, in two stores and in processes, spend a budget to the last token and not one more.
async fn races(cx: &ClauseContext) {
    let stores = [cx.store().await, cx.store().await];
    let caller = cx.caller();
    let ann = stores[0].as_caller(&caller);
    let whole = project(&ann, Budget::of_tokens(100)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        let ann = stores[task % 2].as_caller(&caller);
        tasks.spawn(async move {
            let session = begun(&ann, whole).await;
            spend_all(&ann, session, whole).await
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<u64>(), 100);
    assert_eq!(drawn(&ann, whole).await, (0, 100));
    let whole = project(&ann, Budget::of_tokens(60)).await;
    let spent = cx.processes("budget spend", 2, &json!({ "project": whole })).await;
    let spent: u64 = spent.iter().map(|it| it.parse::<u64>().expect("a number")).sum();
    assert_eq!((spent, drawn(&ann, whole).await), (60, (0, 60)));
}

/// A store whose journal fails once, at the commit after so many.
async fn failing_after(cx: &ClauseContext, commits: usize) -> (Store, Arc<InterruptedJournal>) {
    let failure = async { Err(Error::failed("the engine fails for now")) };
    let broken = InterruptedJournal::after(cx.journal().await, Call::Commit, commits, failure);
    (cx.store_over(Arc::clone(&broken) as _, Arc::default(), |options| options), broken)
}

/// Whatever a crash cuts off, nothing is drawn twice, nothing is lost, and the next who comes finishes it.
async fn cut_off(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    for commits in 0..3 {
        let project = project(&ann, Budget::of_tokens(80)).await;
        let session = begun(&ann, project).await;
        let (broken, journal) = failing_after(cx, commits).await;
        refused(
            broken.as_caller(&caller).start_run(session, NewRun::default()).await,
            ErrorKind::Unavailable,
        );
        assert!(journal.is_over());
        spend(&ann, a_run(&ann, session).await, tokens(4)).await;
        assert_eq!(drawn(&ann, project).await, (0, 10), "after {commits} commits");
        let (broken, _) = failing_after(cx, commits).await;
        let returned = broken.as_caller(&caller).return_budget(session.thread()).await;
        assert_eq!(returned.is_err(), commits < 2, "after {commits} commits");
        if commits == 1 {
            // A draw that finds it cut off finishes it.
            a_run(&ann, session).await;
            assert_eq!(drawn(&ann, project).await, (4, 76 / 8));
        }
        ann.return_budget(session.thread()).await.expect("returned");
        assert_eq!(drawn(&ann, project).await, (4, 0));
    }
    for commits in 0..3 {
        let project = project(&ann, Budget::of_tokens(80)).await;
        let session = begun(&ann, project).await;
        spend(&ann, a_run(&ann, session).await, tokens(4)).await;
        let (broken, _) = failing_after(cx, commits).await;
        let purged = broken.as_caller(&caller).purge_thread(session.thread()).await;
        assert_eq!(purged.is_err(), commits < 2, "after {commits} commits");
        ann.purge_thread(session.thread()).await.expect("purged");
        assert_eq!(drawn(&ann, project).await, (4, 0), "after {commits} commits");
    }
    // What is given back by others, between the draw and the credit, is drawn again.
    let project = project_of(&ann, 80).await;
    let session = begun(&ann, project).await;
    let others = ann.clone();
    let between = async move {
        spend(&others, a_run(&others, session).await, tokens(3)).await;
        others.return_budget(session.thread()).await
    };
    let journal = InterruptedJournal::after(cx.journal().await, Call::Commit, 1, between);
    let slow = cx.store_over(Arc::clone(&journal) as _, Arc::default(), |options| options);
    a_run(&slow.as_caller(&caller), session).await;
    assert!(journal.is_over());
    assert_eq!(drawn(&ann, project).await, (3, 77 / 8));
    // Dropped after each number of polls.
    let project = project_of(&ann, 800).await;
    let session = begun(&ann, project).await;
    let mut spent = 0;
    for polls in 1..200 {
        let other = cx.store().await;
        let other = other.as_caller(&caller);
        let is_done = polled(polls, other.start_run(session, NewRun::default())).await.is_some();
        let is_returned = polled(polls, other.return_budget(session.thread())).await.is_some();
        let (known, out) = drawn(&ann, project).await;
        assert!(known <= spent && out <= 100, "{known} and {out} after {polls} polls");
        spend(&ann, a_run(&ann, session).await, tokens(1)).await;
        ann.return_budget(session.thread()).await.expect("returned");
        spent += 1;
        if is_done && is_returned {
            break;
        }
    }
    assert!(spent < 199, "so many polls are enough");
    assert_eq!(drawn(&ann, project).await, (spent, 0));
}

/// The sweep gives back what nobody uses, also what was drawn and never credited.
async fn swept(cx: &ClauseContext) {
    let clock = Arc::new(TestClock::default());
    let store = cx.store_with(Arc::clone(&clock), |options| options).await;
    // Of a tenant that has nothing else.
    let caller = cx.caller_of("swept", "ada");
    let ann = store.as_caller(&caller);
    let project = project(&ann, Budget::of_tokens(800)).await;
    let [idle, cut_off, at_work] =
        [begun(&ann, project).await, begun(&ann, project).await, begun(&ann, project).await];
    spend(&ann, a_run(&ann, idle).await, tokens(7)).await;
    let run = a_run(&ann, at_work).await;
    let (broken, _) = failing_after(cx, 1).await;
    refused(
        broken.as_caller(&caller).start_run(cut_off, NewRun::default()).await,
        ErrorKind::Unavailable,
    );
    let before = drawn(&ann, project).await;
    let minute = Duration::from_secs(60);
    assert!(sweep(&store, &caller, minute).await.is_empty());
    assert_eq!(drawn(&ann, project).await, before);
    clock.advance(Duration::from_secs(120));
    ann.book_usage(run, "a", tokens(1)).await.expect("booked");
    assert!(sweep(&store, &caller, minute).await.is_empty());
    assert_eq!(drawn(&ann, project).await, (7, 700 / 8));
    clock.advance(Duration::from_secs(120));
    assert_eq!(sweep(&store, &caller, minute).await, [at_work.thread()]);
    clock.advance(Duration::from_secs(120));
    assert!(sweep(&store, &caller, minute).await.is_empty());
    assert_eq!(drawn(&ann, project).await, (8, 0));
}

async fn sweep(store: &Store, caller: &Caller, silent_for: Duration) -> Vec<ThreadId> {
    let swept = store.sweep(caller, Sweep::silent_for(silent_for)).await.expect("a sweep");
    swept
        .into_iter()
        .map(|it| {
            assert!(it.failed.is_none(), "{it:?}");
            it.thread
        })
        .collect()
}
