//! BUD1: what is over a budget is refused or said once, and shares are exact.

use std::time::Duration;

use serde_json::json;
use sessile_core::{
    Caller, Error, ErrorKind, Handle,
    command::{
        Feed, FeedRecord, NewRun, NewSession, NewSubSession, NewThread, UpdateSession, UpdateThread,
    },
    error::Subject,
    id::{RunId, SessionId, SubSessionId, ThreadId},
    model::{
        Amount, Budget, BudgetKind, BudgetUse, Currency, NewSummary, RunOutcome, SummaryOutcome,
        Tokens, Usage,
    },
    store::{AnyStore, SessionStore},
};

use super::project_budgets;
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        shorthand::{head, says, sessions},
    },
};

crate::clauses! { BUD1: Concurrent => bud1 }

crate::internal::child_programs! { "budget spawn" => spawn_role }

pub(super) fn currency(code: &str) -> Currency {
    Currency::new(code).expect("a currency")
}

pub(super) fn tokens(number: u64) -> Usage {
    Usage::new(Tokens { input: number / 2, output: number - number / 2, ..Tokens::default() }, 1)
}

pub(super) async fn a_run(ann: &Handle, session: SessionId) -> RunId {
    ann.start_run(session, NewRun::default()).await.expect("a run")
}

/// Ends a run with what it used.
pub(super) async fn spend(ann: &Handle, run: RunId, usage: Usage) {
    ann.book_usage(run, "all", usage).await.expect("booked");
    ann.end_run(run, RunOutcome::Succeeded).await.expect("ended");
}

async fn with(ann: &Handle, thread: ThreadId, budget: Budget) -> SessionId {
    ann.create_session(thread, NewSession::named("s").with_budget(budget)).await.expect("a session")
}

async fn child(
    ann: &Handle,
    parent: SessionId,
    budget: Option<Budget>,
) -> (SessionId, SubSessionId) {
    let new = NewSession { budget, ..NewSession::named("child") };
    let made = ann.spawn(NewSubSession::under(parent), new).await.expect("a child");
    (made.id, made.edge.expect("an edge"))
}

async fn used(ann: &Handle, session: SessionId) -> BudgetUse {
    let session = ann.session(session).await.expect("an answer").expect("it exists");
    session.budget.expect("a budget")
}

async fn set(ann: &Handle, session: SessionId, budget: Option<Budget>) -> Result<(), Error> {
    let version = ann.session(session).await.expect("an answer").expect("it exists").version;
    let update = UpdateSession { budget: Some(budget), ..UpdateSession::default() };
    ann.update_session(session, version, update).await.map(drop)
}

/// Spent and reserved, in tokens.
async fn in_tokens(ann: &Handle, session: SessionId) -> (u64, u64) {
    let used = used(ann, session).await;
    (used.spent.tokens, used.reserved.tokens)
}

#[track_caller]
pub(super) fn exceeded(
    error: &Error,
    of: impl Into<Subject>,
    kind: &BudgetKind,
    (used, limit): (u64, u64),
) {
    let of = of.into();
    match error {
        Error::BudgetExceeded { of: whose, kind: what, used: has, limit: allows } => {
            assert_eq!((whose, what, *has, *allows), (&of, kind, used, limit));
        }
        other => panic!("should be over a budget, but was {other:?}"),
    }
}

/// The warnings in the feed: whose budget, used, limit.
async fn warnings(store: &dyn AnyStore, caller: &Caller, thread: ThreadId) -> Vec<(u64, u64, u64)> {
    told(store, caller, thread, false).await
}

/// Those of budgets of the thread and its sessions, or those of its project's.
pub(super) async fn told(
    store: &dyn AnyStore,
    caller: &Caller,
    thread: ThreadId,
    of_project: bool,
) -> Vec<(u64, u64, u64)> {
    let from =
        Feed { thread, after: 0, limit: 1000, wait: Duration::ZERO, filter: Default::default() };
    let page = SessionStore::feed(store, caller, from).await.expect("a page");
    let told = |record: &FeedRecord| {
        let facts: serde_json::Value = record.facts.to().expect("facts");
        let facts = facts.get("budget_used_up")?;
        let number = |name: &str| facts[name].as_u64();
        let session = record.session.map_or(0, |session| session.version());
        assert_eq!(number("session").unwrap_or(0), session);
        let is_wanted = facts["project"].as_bool().unwrap_or(false) == of_project;
        let numbers = (session, number("used")?, number("limit")?);
        is_wanted.then_some(numbers)
    };
    page.records.iter().filter_map(told).collect()
}

/// Over a budget a call is refused or leaves one warning; what children get is taken from their parents, exactly.
pub async fn bud1(cx: ClauseContext) -> Verdict {
    limits(&cx).await;
    thread_limit(&cx).await;
    shares(&cx).await;
    handed_on(&cx).await;
    moved(&cx).await;
    races(&cx).await;
    project_budgets::bud1(&cx).await;
    Verdict::Passed
}

/// Below, at and above the limit of a session, with a budget that refuses and one that warns.
async fn limits(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    let thread = cx.thread(&store, &caller).await;
    for budget in [Budget::default(), Budget::of_tokens(0), Budget::of_cost(currency("USD"), 0)] {
        let new = NewSession::named("s").with_budget(budget);
        harmless(&store, &caller, thread, ErrorKind::Invalid, ann.create_session(thread, new))
            .await;
    }
    let session = with(&ann, thread, Budget::of_tokens(100)).await;
    let of = session.version();
    let run = a_run(&ann, session).await;
    ann.book_usage(run, "a", tokens(99)).await.expect("booked");
    let other = a_run(&ann, session).await;
    assert_eq!(warnings(&store, &caller, thread).await, []);
    let before = head(&store, &caller, thread).await;
    let keyed = ann.with_key("one");
    let booked = keyed.book_usage(run, "b", tokens(1)).await.expect("booked");
    assert_eq!(warnings(&store, &caller, thread).await, [(of, 100, 100)]);
    // The key answers the booking, and nothing is said again.
    assert_eq!(keyed.book_usage(run, "b", tokens(1)).await.expect("again"), booked);
    assert_eq!(head(&store, &caller, thread).await, before + 2);
    let start = || ann.start_run(session, NewRun::default());
    let error = harmless(&store, &caller, thread, ErrorKind::Capacity, start()).await;
    exceeded(&error, session, &BudgetKind::Tokens, (100, 100));
    let edge = || NewSubSession::under(session);
    let error =
        harmless(&store, &caller, thread, ErrorKind::Capacity, ann.spawn(edge(), "c")).await;
    exceeded(&error, session, &BudgetKind::Tokens, (100, 100));
    // A bill is a fact, and work ends as it likes.
    ann.book_usage(other, "c", tokens(50)).await.expect("booked");
    ann.append(session, says("over it")).await.expect("an entry");
    for run in [run, other] {
        ann.end_run(run, RunOutcome::Succeeded).await.expect("ended");
    }
    assert_eq!(in_tokens(&ann, session).await, (150, 0));
    exceeded(
        &refused(start().await, ErrorKind::Capacity),
        session,
        &BudgetKind::Tokens,
        (150, 100),
    );
    assert_eq!(warnings(&store, &caller, thread).await.len(), 1);
    // Above it again after it was raised is another crossing.
    set(&ann, session, Some(Budget::of_tokens(151))).await.expect("raised");
    spend(&ann, start().await.expect("a run"), tokens(7)).await;
    assert_eq!(warnings(&store, &caller, thread).await[1..], [(of, 157, 151)]);
    set(&ann, session, Some(Budget::of_tokens(200))).await.expect("raised");
    set(&ann, session, Some(Budget::of_tokens(100))).await.expect("lowered");
    assert_eq!(warnings(&store, &caller, thread).await[2..], [(of, 157, 100)]);
    refused(start().await, ErrorKind::Capacity);
    set(&ann, session, Some(Budget::of_tokens(100).warning())).await.expect("set");
    for _ in 0..3 {
        spend(&ann, start().await.expect("a run"), tokens(10)).await;
    }
    assert_eq!(warnings(&store, &caller, thread).await.len(), 3);
    set(&ann, session, None).await.expect("taken away");
    start().await.expect("a run");
    let other = with(&ann, thread, Budget::of_tokens(20).warning()).await;
    for _ in 0..4 {
        spend(&ann, a_run(&ann, other).await, tokens(10)).await;
    }
    let told = warnings(&store, &caller, thread).await;
    assert_eq!(told[3..], [(other.version(), 20, 20)]);
    let reopened = cx.reopen(store.clone()).await;
    assert_eq!(warnings(&reopened, &caller, thread).await, told);
    assert_eq!(in_tokens(&reopened.as_caller(&caller), other).await, (40, 0));
}

/// A thread's budget is that of all its sessions; each currency is another.
async fn thread_limit(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    let project = cx.project(&store, &caller).await;
    let budget = Budget::of_cost(currency("USD"), 1_000).with_tokens(1_000);
    let new = NewThread::titled("t").with_budget(budget.clone());
    let thread = ann.create_thread(project, new).await.expect("a thread");
    let (one, two) =
        (cx.session_in(&store, &caller, thread).await, with(&ann, thread, budget).await);
    let run = a_run(&ann, one).await;
    let euros = tokens(1).with_cost(currency("EUR"), 5_000);
    ann.book_usage(run, "a", euros).await.expect("booked");
    a_run(&ann, two).await;
    let dollars = tokens(1).with_cost(currency("USD"), 1_000);
    ann.book_usage(run, "b", dollars).await.expect("booked");
    assert_eq!(warnings(&store, &caller, thread).await, [(0, 1_000, 1_000)]);
    for session in [one, two] {
        let start = ann.start_run(session, NewRun::default());
        let error = harmless(&store, &caller, thread, ErrorKind::Capacity, start).await;
        exceeded(&error, thread, &BudgetKind::Cost(currency("USD")), (1_000, 1_000));
    }
    let seen = ann.thread(thread).await.expect("an answer").expect("it exists");
    let used = seen.budget.expect("a budget");
    assert_eq!(
        (used.spent, used.reserved),
        (Amount { tokens: 2, micro: 1_000 }, Amount::default())
    );
    let update = |budget| UpdateThread { budget: Some(budget), ..UpdateThread::default() };
    let euros = Budget::of_cost(currency("EUR"), 6_000);
    let version = ann.update_thread(thread, seen.version, update(Some(euros))).await.expect("set");
    a_run(&ann, one).await;
    let tokens = update(Some(Budget::of_tokens(2)));
    let version = ann.update_thread(thread, version, tokens).await.expect("set");
    assert_eq!(warnings(&store, &caller, thread).await[1..], [(0, 2, 2)]);
    let start = ann.start_run(one, NewRun::default());
    exceeded(&refused(start.await, ErrorKind::Capacity), thread, &BudgetKind::Tokens, (2, 2));
    let stale = ann.update_thread(thread, version - 1, update(None)).await;
    refused(stale, ErrorKind::Stale);
    let reopened = cx.reopen(store.clone()).await;
    let ann = reopened.as_caller(&caller);
    refused(ann.start_run(one, NewRun::default()).await, ErrorKind::Capacity);
    ann.update_thread(thread, version, update(None)).await.expect("taken away");
    a_run(&ann, one).await;
}

/// What a child gets, its parent has no more, until the child has ended.
async fn shares(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    let thread = cx.thread(&store, &caller).await;
    let parent = with(&ann, thread, Budget::of_tokens(100)).await;
    let (first, _) = child(&ann, parent, Some(Budget::of_tokens(60))).await;
    assert_eq!(in_tokens(&ann, parent).await, (0, 60));
    let larger = NewSession::named("c").with_budget(Budget::of_tokens(41));
    let spawn = ann.spawn(NewSubSession::under(parent), larger);
    let error = harmless(&store, &caller, thread, ErrorKind::Capacity, spawn).await;
    exceeded(&error, parent, &BudgetKind::Tokens, (60, 100));
    assert_eq!(sessions(&store, &caller, thread).await.len(), 2);
    let (second, edge) = child(&ann, parent, Some(Budget::of_tokens(40))).await;
    assert_eq!(in_tokens(&ann, parent).await, (0, 100));
    assert_eq!(warnings(&store, &caller, thread).await, [(parent.version(), 100, 100)]);
    refused(ann.start_run(parent, NewRun::default()).await, ErrorKind::Capacity);
    // A share may grow by what is left, and shrink.
    let error = refused(set(&ann, second, Some(Budget::of_tokens(41))).await, ErrorKind::Capacity);
    exceeded(&error, parent, &BudgetKind::Tokens, (100, 100));
    set(&ann, second, Some(Budget::of_tokens(30))).await.expect("lowered");
    set(&ann, second, Some(Budget::of_tokens(40))).await.expect("raised");
    // Those who hold shares spend them, whatever else is left.
    let run = a_run(&ann, first).await;
    ann.book_usage(run, "a", tokens(25)).await.expect("booked");
    assert_eq!(in_tokens(&ann, parent).await, (25, 75));
    assert_eq!(in_tokens(&ann, first).await, (25, 0));
    let (grandchild, _) = child(&ann, first, Some(Budget::of_tokens(30))).await;
    assert_eq!(in_tokens(&ann, first).await, (25, 30));
    assert_eq!(in_tokens(&ann, parent).await, (25, 75));
    let below = a_run(&ann, grandchild).await;
    ann.book_usage(below, "a", tokens(10)).await.expect("booked");
    for (session, now) in [(grandchild, (10, 0)), (first, (35, 20)), (parent, (35, 65))] {
        assert_eq!(in_tokens(&ann, session).await, now);
    }
    // Whoever has no budget spends the one above.
    let (guest, _) = child(&ann, first, None).await;
    spend(&ann, a_run(&ann, guest).await, tokens(5)).await;
    assert_eq!(in_tokens(&ann, first).await, (40, 20));
    let guests = ann.start_run(guest, NewRun::default()).await;
    exceeded(&refused(guests, ErrorKind::Capacity), first, &BudgetKind::Tokens, (60, 60));
    // The commit that ends a child gives the rest back.
    ann.end_run(below, RunOutcome::Succeeded).await.expect("ended");
    assert_eq!(in_tokens(&ann, first).await, (40, 0));
    a_run(&ann, guest).await;
    ann.end_run(run, RunOutcome::Failed { reason: "no luck".into() }).await.expect("ended");
    assert_eq!(in_tokens(&ann, parent).await, (40, 40));
    ann.delete_edge(edge).await.expect("deleted");
    assert_eq!(in_tokens(&ann, parent).await, (40, 0));
    // After its end, and above its share, it spends what is left above.
    assert_eq!(used(&ann, second).await.budget, Budget::of_tokens(40));
    let reopened = cx.reopen(store.clone()).await;
    let ann = reopened.as_caller(&caller);
    assert_eq!((in_tokens(&ann, parent).await, in_tokens(&ann, first).await), ((40, 0), (40, 0)));
    let (third, _) = child(&ann, parent, Some(Budget::of_tokens(20))).await;
    let run = a_run(&ann, third).await;
    ann.book_usage(run, "a", tokens(50)).await.expect("a bill is a fact");
    assert_eq!(in_tokens(&ann, parent).await, (90, 0));
    refused(ann.start_run(third, NewRun::default()).await, ErrorKind::Capacity);
    let summary = NewSummary::new(SummaryOutcome::Succeeded, "done");
    ann.end_run(run, RunOutcome::Cancelled).await.expect("ended");
    ann.seal_summary(third, summary).await.expect("sealed");
    let (last, _) = child(&ann, parent, Some(Budget::of_tokens(10))).await;
    let summary = NewSummary::new(SummaryOutcome::Failed, "no");
    ann.append(last, says("so")).await.expect("an entry");
    ann.seal_summary(last, summary).await.expect("sealed");
    assert_eq!(in_tokens(&ann, parent).await, (90, 0));
}

/// Recipients of handoffs and broadcasts get shares as children do, all or none.
async fn handed_on(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    let thread = cx.thread(&store, &caller).await;
    let source = with(&ann, thread, Budget::of_tokens(100)).await;
    let to = |name: &str, budget: u64| {
        let actor = caller_named(&caller, name);
        NewSession::named(name).owned_by(actor).with_budget(Budget::of_tokens(budget))
    };
    let sent = ann.broadcast(source, 0, [to("bob", 60), to("cem", 41)]);
    let error = harmless(&store, &caller, thread, ErrorKind::Capacity, sent).await;
    exceeded(&error, source, &BudgetKind::Tokens, (0, 100));
    let made = ann.broadcast(source, 0, [to("bob", 60), to("cem", 30)]).await.expect("a broadcast");
    assert_eq!(in_tokens(&ann, source).await, (0, 90));
    for one in &made {
        spend(&ann, a_run(&ann, one.id).await, tokens(10)).await;
    }
    assert_eq!(in_tokens(&ann, source).await, (20, 0));
    let over = ann.hand_off(source, 1, to("dan", 81));
    let error = harmless(&store, &caller, thread, ErrorKind::Capacity, over).await;
    exceeded(&error, source, &BudgetKind::Tokens, (20, 100));
    ann.hand_off(source, 1, to("dan", 80)).await.expect("a handoff");
    assert_eq!(in_tokens(&ann, source).await, (20, 80));
}

fn caller_named(caller: &Caller, name: &str) -> sessile_core::model::Actor {
    sessile_core::model::Actor::user(name).in_tenant(&caller.tenant).expect("an actor")
}

/// Nobody gets rid of a budget by going on as another session.
async fn moved(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    let thread = cx.thread(&store, &caller).await;
    let root = with(&ann, thread, Budget::of_tokens(100)).await;
    let (old, _) = child(&ann, root, Some(Budget::of_tokens(80))).await;
    let (share, _) = child(&ann, old, Some(Budget::of_tokens(20))).await;
    let (guest, _) = child(&ann, old, None).await;
    spend(&ann, a_run(&ann, guest).await, tokens(10)).await;
    let new = NewSession::named("new").with_budget(Budget::of_tokens(9));
    refused(ann.continue_as(old, new).await, ErrorKind::Invalid);
    let new = ann.continue_as(old, NewSession::named("new")).await.expect("a successor").id;
    let of_old = ann.session(old).await.expect("an answer").expect("it exists");
    assert_eq!(of_old.budget, None);
    assert_eq!(in_tokens(&ann, new).await, (10, 20));
    spend(&ann, a_run(&ann, guest).await, tokens(30)).await;
    spend(&ann, a_run(&ann, share).await, tokens(5)).await;
    assert_eq!(in_tokens(&ann, new).await, (45, 0));
    assert_eq!(in_tokens(&ann, root).await, (45, 35));
    spend(&ann, a_run(&ann, new).await, tokens(35)).await;
    for session in [new, guest] {
        let error = refused(ann.start_run(session, NewRun::default()).await, ErrorKind::Capacity);
        exceeded(&error, new, &BudgetKind::Tokens, (80, 80));
    }
    assert_eq!(in_tokens(&ann, root).await, (80, 0));
}

/// Spawns a child with a tenth of a budget, again and again; how many were made.
async fn spawn_tenths(ann: &Handle, parent: SessionId, tries: usize) -> usize {
    let mut made = 0;
    for _ in 0..tries {
        let new = NewSession::named("c").with_budget(Budget::of_tokens(10));
        match ann.spawn(NewSubSession::under(parent), new).await {
            Ok(_) => made += 1,
            Err(error) => assert!(matches!(error, Error::BudgetExceeded { .. }), "{error:?}"),
        }
    }
    made
}

async fn spawn_role(cx: ClauseContext, _index: usize, args: serde_json::Value) -> String {
    let parent: SessionId = serde_json::from_value(args["parent"].clone()).expect("an id");
    let store = cx.store().await;
    spawn_tenths(&store.as_caller(&cx.caller()), parent, 16).await.to_string()
}

/// Tasks over two stores, and processes, share out a budget to the last token.
async fn races(cx: &ClauseContext) {
    let stores = [cx.store().await, cx.store().await];
    let caller = cx.caller();
    let ann = stores[0].as_caller(&caller);
    let config = sessile_core::model::ProjectConfig::default().with_max_delegation_width(100);
    let project = sessile_core::command::NewProject::named("wide").with_config(config);
    let project = ann.create_project(project).await.expect("a project");
    let thread = ann.create_thread(project, "t").await.expect("a thread");
    let parent = with(&ann, thread, Budget::of_tokens(105)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        let ann = stores[task % 2].as_caller(&caller);
        tasks.spawn(async move { spawn_tenths(&ann, parent, 1).await });
    }
    let made: usize = tasks.join_all().await.into_iter().sum();
    assert_eq!((made, in_tokens(&ann, parent).await), (10, (0, 100)));
    // All of them spend and end at once.
    let children = ann.children(parent).all().await.expect("a list");
    let mut tasks = tokio::task::JoinSet::new();
    for (task, edge) in children.into_iter().enumerate() {
        let ann = stores[task % 2].as_caller(&caller);
        tasks.spawn(async move { spend(&ann, a_run(&ann, edge.child).await, tokens(4)).await });
    }
    tasks.join_all().await;
    assert_eq!(in_tokens(&ann, parent).await, (40, 0));
    let parent = with(&ann, thread, Budget::of_tokens(205)).await;
    let made = cx.processes("budget spawn", 2, &json!({ "parent": parent })).await;
    let made: usize = made.iter().map(|it| it.parse::<usize>().expect("a number")).sum();
    assert_eq!((made, in_tokens(&ann, parent).await), (20, (0, 200)));
}
