//! USE: usage.

use std::sync::Arc;

use serde_json::{Value, json};
use sessile_core::{
    Caller, ErrorKind,
    command::{NewRun, NewSession, NewThread, ProjectUsage, RunScope, UpdateSession, UsageScope},
    id::{ProjectId, RunId, SessionId, ThreadId},
    model::{Average, Currency, LedgerRow, RollUp, RunOutcome, Tokens, Totals, Usage},
    store::AnyStore,
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        shorthand::{named, pages},
    },
};

crate::clauses! { USE1 => use1, USE2 => use2, USE3: Shared => use3, USE4 => use4, USE6 => use6, USE7 => use7 }

crate::internal::child_programs! { "use book" => book_role }

fn usd() -> Currency {
    Currency::new("USD").expect("a currency")
}

pub(super) fn call(input: u64, output: u64) -> Usage {
    Usage::new(Tokens::new(input, output), 1)
}

/// The sum of rows, added up here.
fn sum<'a>(rows: impl IntoIterator<Item = &'a LedgerRow>) -> Totals {
    let mut totals = Totals::default();
    for row in rows {
        totals.calls += 1;
        totals.turns += row.usage.turns;
        totals.tokens.input += row.usage.tokens.input;
        totals.tokens.output += row.usage.tokens.output;
        totals.tokens.cache_read += row.usage.tokens.cache_read;
        totals.tokens.cache_write += row.usage.tokens.cache_write;
        if let Some(cost) = &row.usage.cost {
            *totals.cost.entry(cost.currency.clone()).or_default() += cost.micro;
        }
    }
    totals
}

pub(super) async fn of(store: &dyn AnyStore, caller: &Caller, scope: UsageScope) -> RollUp {
    store.as_caller(caller).usage(scope).await.expect("a roll-up")
}

async fn ledger(store: &dyn AnyStore, caller: &Caller, session: SessionId) -> Vec<LedgerRow> {
    pages(3, |page| store.as_caller(caller).ledger(session).page(page)).await
}

async fn a_run(store: &dyn AnyStore, caller: &Caller, session: SessionId) -> RunId {
    store.as_caller(caller).start_run(session, NewRun::default()).await.expect("a run")
}

/// Totals are the sum of the ledger, for session, task, thread and project, whatever the order.
pub async fn use1(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let project = cx.project(&store, &caller).await;
    let mut booked = Vec::new();
    for n in 0..12_u64 {
        let mut usage = Usage::new(
            Tokens { input: n * 10, output: n, cache_read: n % 3, cache_write: n % 2 },
            n % 4,
        );
        if n % 3 > 0 {
            let currency =
                if n % 2 == 0 { usd() } else { Currency::new("EUR").expect("a currency") };
            usage = usage.with_cost(currency, 1_000_003 * n);
        }
        booked.push(usage);
    }
    // The same calls, forward in one thread and backward in the other.
    let mut all = Vec::new();
    for backward in [false, true] {
        let thread = store
            .as_caller(&caller)
            .create_thread(project, NewThread::titled("t"))
            .await
            .expect("a thread");
        let mut sessions = Vec::new();
        for task in ["red", "blue", "red"] {
            let new = NewSession::named("s").for_task(task);
            sessions.push(
                store.as_caller(&caller).create_session(thread, new).await.expect("a session"),
            );
        }
        let mut runs = Vec::new();
        for session in &sessions {
            runs.push(a_run(&store, &caller, *session).await);
        }
        let order: Vec<usize> = if backward { (0..12).rev().collect() } else { (0..12).collect() };
        for n in order {
            store
                .as_caller(&caller)
                .book_usage(runs[n % 3], n.to_string(), booked[n].clone())
                .await
                .expect("usage");
        }
        sums(&store, &caller, thread, &sessions).await;
        all.push((thread, sessions));
    }
    let (one, two) = (
        of(&store, &caller, UsageScope::Thread(all[0].0)).await,
        of(&store, &caller, UsageScope::Thread(all[1].0)).await,
    );
    assert_eq!(one, two, "independent of order");
    let whole = the_project(&store, &caller, project).await;
    let mut both = one;
    both.add(&two);
    assert_eq!(whole.roll_up, both);
    for (thread, _) in &all {
        let head = crate::internal::shorthand::head(&store, &caller, *thread).await;
        assert_eq!(whole.heads.get(thread), Some(&head));
    }
    assert_eq!(whole.heads.len(), 2);
    // Threads lists show the same totals.
    for row in crate::internal::shorthand::threads(
        &store,
        &caller,
        sessile_core::command::ThreadScope::Project(project),
    )
    .await
    {
        assert_eq!(row.totals, of(&store, &caller, UsageScope::Thread(row.id)).await.totals);
    }
    let store = cx.reopen(store).await;
    for (thread, sessions) in &all {
        sums(&store, &caller, *thread, sessions).await;
    }
    Verdict::Passed
}

async fn the_project(store: &dyn AnyStore, caller: &Caller, project: ProjectId) -> ProjectUsage {
    store.as_caller(caller).project_usage(project).await.expect("the project's usage")
}

async fn sums(store: &dyn AnyStore, caller: &Caller, thread: ThreadId, sessions: &[SessionId]) {
    let mut rows = Vec::new();
    for session in sessions {
        let own = ledger(store, caller, *session).await;
        let totals = of(store, caller, UsageScope::Session(*session)).await.totals;
        assert_eq!(totals, Some(sum(&own)), "of the session");
        rows.push(own);
    }
    let red = of(store, caller, UsageScope::Task(thread, "red".into())).await.totals;
    assert_eq!(red, Some(sum(rows[0].iter().chain(&rows[2]))), "of a task");
    let blue = of(store, caller, UsageScope::Task(thread, "blue".into())).await.totals;
    assert_eq!(blue, Some(sum(&rows[1])), "of a task");
    let all = of(store, caller, UsageScope::Thread(thread)).await.totals;
    assert_eq!(all, Some(sum(rows.iter().flatten())), "of the thread");
}

/// The same call id counts once.
pub async fn use2(cx: ClauseContext) -> Verdict {
    let store = Arc::new(cx.store().await);
    let caller = cx.caller();
    let session = cx.session(&*store, &caller).await;
    let thread = session.thread();
    let (run, other) =
        (a_run(&*store, &caller, session).await, a_run(&*store, &caller, session).await);
    let first = store.as_caller(&caller).book_usage(run, "call", call(5, 7)).await.expect("usage");
    let head = crate::internal::shorthand::head(&*store, &caller, thread).await;
    for store in [&*store, &cx.store().await] {
        for usage in [call(5, 7), call(500, 700)] {
            let again = store.as_caller(&caller).book_usage(run, "call", usage).await;
            assert_eq!(again.ok(), Some(first), "the first answer");
        }
        assert_eq!(
            crate::internal::shorthand::head(store, &caller, thread).await,
            head,
            "and no other record"
        );
    }
    // The id is the run's own.
    let theirs =
        store.as_caller(&caller).book_usage(other, "call", call(1, 1)).await.expect("usage");
    assert!(theirs > first);
    // Also after the run ended; a new id is refused then.
    store.as_caller(&caller).end_run(run, RunOutcome::Succeeded).await.expect("it ends");
    let reopened = cx.reopen(cx.store().await).await;
    assert_eq!(
        reopened.as_caller(&caller).book_usage(run, "call", call(5, 7)).await.ok(),
        Some(first)
    );
    let late_caller = reopened.as_caller(&caller);
    let late = late_caller.book_usage(run, "late", call(5, 7));
    harmless(&reopened, &caller, thread, ErrorKind::Precondition, late).await;
    // Twins at once count once.
    let stores = [Arc::new(cx.store().await), Arc::new(cx.store().await)];
    for n in 0..5 {
        let twins = [0, 1].map(|i: usize| {
            let (store, caller) = (stores[i].clone(), caller.clone());
            tokio::spawn(async move {
                store.as_caller(&caller).book_usage(other, format!("twin {n}"), call(1, 0)).await
            })
        });
        let mut seen = Vec::new();
        for twin in twins {
            seen.push(twin.await.expect("no panic").expect("usage"));
        }
        assert_eq!(seen[0], seen[1]);
    }
    let totals =
        of(&*stores[0], &caller, UsageScope::Session(session)).await.totals.expect("booked");
    assert_eq!((totals.calls, totals.tokens), (7, Tokens::new(5 + 1 + 5, 7 + 1)));
    assert_eq!(ledger(&*stores[0], &caller, session).await.len(), 7);
    for bad in [String::new(), "x".repeat(129), "\n".into()] {
        let refusal_caller = stores[0].as_caller(&caller);
        let refusal = refusal_caller.book_usage(other, bad, call(1, 1));
        harmless(&*stores[0], &caller, thread, ErrorKind::Invalid, refusal).await;
    }
    Verdict::Passed
}

async fn book_role(cx: ClauseContext, index: usize, args: Value) -> String {
    let store = Arc::new(cx.store().await);
    let caller = cx.caller();
    let run: RunId = serde_json::from_value(args["run"].clone()).expect("a run");
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let (store, caller) = (store.clone(), caller.clone());
            tokio::spawn(async move {
                for n in 0..25 {
                    let id = format!("{index}/{task}/{n}");
                    let usage = call(1, 2).with_cost(usd(), 3);
                    store.as_caller(&caller).book_usage(run, id, usage).await.expect("usage");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    "100".into()
}

/// Two processes adding 100 each give 200.
pub async fn use3(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let run = a_run(&store, &caller, session).await;
    cx.processes("use book", 2, &json!({ "run": run })).await;
    for scope in [UsageScope::Session(session), UsageScope::Thread(session.thread())] {
        let totals = of(&store, &caller, scope).await.totals.expect("booked");
        assert_eq!((totals.calls, totals.tokens, totals.turns), (200, Tokens::new(200, 400), 200));
        assert_eq!(totals.cost.get(&usd()), Some(&600));
    }
    let shown = store.as_caller(&caller).run(run).await.expect("an answer").expect("the run");
    assert_eq!(shown.usage.calls, 200);
    let rows = pages(50, |page| store.as_caller(&caller).ledger(session).page(page)).await;
    assert_eq!(sum(&rows), shown.usage);
    crate::clauses::delegation::process_races::two_bookings(&cx, cx.scale(20, 1000)).await;
    Verdict::Passed
}

/// No usage and unknown task are different answers; an average over zero is zero.
pub async fn use4(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let task = |name: &str| UsageScope::Task(thread, name.into());
    refused(store.as_caller(&caller).usage(task("unknown")).await, ErrorKind::NotFound);
    let new = NewSession::named("s").for_task("named");
    let session = store.as_caller(&caller).create_session(thread, new).await.expect("a session");
    refused(store.as_caller(&caller).usage(task("unknown")).await, ErrorKind::NotFound);
    for scope in [task("named"), UsageScope::Session(session), UsageScope::Thread(thread)] {
        let none = of(&store, &caller, scope).await;
        assert_eq!(none, RollUp::default());
        assert_eq!(none.totals, None);
        assert_eq!(none.tokens_per_attempt(), Average { sum: 0, count: 0 });
        assert!(none.tokens_per_attempt().value().abs() < f64::EPSILON);
        assert!(none.cost_per_attempt(&usd()).value().abs() < f64::EPSILON);
    }
    assert_eq!(ledger(&store, &caller, session).await, []);
    // A call of nothing is a call: zero is not none.
    let run = a_run(&store, &caller, session).await;
    assert_eq!(of(&store, &caller, task("named")).await.totals, None, "a run without a call");
    store
        .as_caller(&caller)
        .book_usage(run, "c", Usage::new(Tokens::default(), 0))
        .await
        .expect("usage");
    let zero = of(&store, &caller, task("named")).await.totals.expect("booked");
    assert_eq!((zero.calls, zero.tokens, zero.cost.len()), (1, Tokens::default(), 0));
    // A task once named stays known: by an update, by a run, after both are gone.
    let version = session.version();
    let update = UpdateSession { task: Some(Some("renamed".into())), ..UpdateSession::default() };
    store.as_caller(&caller).update_session(session, version, update).await.expect("an update");
    let other = NewRun { task: Some("the run's".into()), ..NewRun::default() };
    store.as_caller(&caller).start_run(session, other).await.expect("a run");
    store.as_caller(&caller).delete_session(session).await.expect("it goes");
    let store = cx.reopen(store).await;
    for (name, attempts, calls) in
        [("named", 1, Some(1)), ("renamed", 0, None), ("the run's", 1, None)]
    {
        let it = of(&store, &caller, task(name)).await;
        assert_eq!((it.attempts, it.totals.map(|t| t.calls)), (attempts, calls), "{name}");
    }
    refused(store.as_caller(&caller).usage(task("unknown")).await, ErrorKind::NotFound);
    Verdict::Passed
}

/// A roll-up answers currencies, outcomes, iterations and attempts apart, exact averages, and runs that sum to it.
pub async fn use6(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let ends = [
        Some(RunOutcome::Succeeded),
        Some(RunOutcome::Failed { reason: "r".into() }),
        Some(RunOutcome::Cancelled),
        Some(RunOutcome::Succeeded),
        None,
    ];
    let mut sessions = Vec::new();
    for s in 0..2_u64 {
        let new = NewSession::named("s").for_task("task");
        let session =
            store.as_caller(&caller).create_session(thread, new).await.expect("a session");
        let mut before = None;
        for (i, end) in (0_u64..).zip(&ends) {
            let new = NewRun { retry_of: before.filter(|_| i % 2 == 1), ..NewRun::default() };
            let run = store.as_caller(&caller).start_run(session, new).await.expect("a run");
            for (n, code) in (0_u64..).zip(["USD", "EUR", "X1"].iter().take(i as usize + 1)) {
                let currency = Currency::new(code).expect("a currency");
                let usage = call(10 + i, s).with_cost(currency, 7 * (n + 1));
                store
                    .as_caller(&caller)
                    .book_usage(run, n.to_string(), usage)
                    .await
                    .expect("usage");
            }
            if let Some(end) = end {
                store.as_caller(&caller).end_run(run, end.clone()).await.expect("it ends");
            }
            before = Some(run);
        }
        sessions.push(session);
    }
    let store = cx.reopen(store).await;
    let thread_runs =
        pages(3, |page| store.as_caller(&caller).runs(RunScope::Thread(thread)).page(page)).await;
    let mut scopes = vec![(UsageScope::Thread(thread), thread_runs.clone())];
    scopes.push((UsageScope::Task(thread, "task".into()), thread_runs));
    for session in &sessions {
        let runs =
            pages(2, |page| store.as_caller(&caller).runs(RunScope::Session(*session)).page(page))
                .await;
        assert_eq!(runs.len(), 5);
        let ended: Vec<_> = runs.iter().filter_map(|r| r.ended_at.map(|_| r.version)).collect();
        assert!(
            ended.is_sorted() && ended.len() == 4 && runs[4].ended_at.is_none(),
            "ended ones first"
        );
        scopes.push((UsageScope::Session(*session), runs));
    }
    for (scope, runs) in scopes {
        let it = of(&store, &caller, scope.clone()).await;
        let n = runs.len() as u64 / 5;
        assert_eq!((it.attempts, it.iterations), (5 * n, 3 * n), "{scope:?}");
        assert_eq!((it.succeeded, it.failed, it.cancelled, it.live), (2 * n, n, n, n), "{scope:?}");
        let mut totals = Totals::default();
        runs.iter().for_each(|r| totals.add(&r.usage));
        assert_eq!(it.totals.as_ref(), Some(&totals), "{scope:?}: the runs sum to the roll-up");
        assert_eq!(totals.cost.len(), 3, "currencies apart");
        let tokens = totals.tokens.input + totals.tokens.output;
        assert_eq!(it.tokens_per_attempt(), Average { sum: tokens, count: 5 * n });
        let dollars = totals.cost.get(&usd()).copied().expect("dollars");
        assert_eq!(it.cost_per_attempt(&usd()), Average { sum: dollars, count: 5 * n });
    }
    super::run_pages::many_sessions(&cx).await;
    Verdict::Passed
}

/// The ledger is paged, with running totals.
pub async fn use7(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let other = named(&store, &caller, session.thread(), "other").await;
    let (run, second) =
        (a_run(&store, &caller, session).await, a_run(&store, &caller, session).await);
    let beside = a_run(&store, &caller, other).await;
    let mut want = Vec::new();
    for n in 0..40_u64 {
        let (run, id) = (if n % 3 == 0 { second } else { run }, format!("call {n}"));
        let mut usage = call(n, 1).with_cost(usd(), n);
        if n % 4 == 1 {
            usage = usage.with_model(format!("model {n}"));
        }
        if n % 8 == 1 {
            usage = usage.with_provider("\u{e9} ' or 1=1 --");
        }
        let version = store
            .as_caller(&caller)
            .book_usage(run, id.clone(), usage.clone())
            .await
            .expect("usage");
        store
            .as_caller(&caller)
            .book_usage(beside, id.clone(), usage.clone())
            .await
            .expect("usage");
        want.push((version, run, id, usage));
    }
    for bad in ["", "\n", &"x".repeat(129)] {
        for usage in [call(1, 1).with_model(bad), call(1, 1).with_provider(bad)] {
            refused(
                store.as_caller(&caller).book_usage(run, "bad", usage).await,
                ErrorKind::Invalid,
            );
        }
    }
    store.as_caller(&caller).end_run(run, RunOutcome::Succeeded).await.expect("it ends");
    let store = cx.reopen(store).await;
    for limit in [1, 7, 40, 1000] {
        let rows = pages(limit, |page| store.as_caller(&caller).ledger(session).page(page)).await;
        let got: Vec<_> =
            rows.iter().map(|r| (r.version, r.run, r.call.clone(), r.usage.clone())).collect();
        assert_eq!(got, want, "{limit} at a time");
        for (i, row) in rows.iter().enumerate() {
            assert_eq!(row.running, sum(&rows[..=i]), "the running total at {i}");
        }
    }
    let last = ledger(&store, &caller, session).await.pop().expect("a row").running;
    assert_eq!(of(&store, &caller, UsageScope::Session(session)).await.totals, Some(last));
    Verdict::Passed
}
