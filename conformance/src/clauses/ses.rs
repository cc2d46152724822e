//! SES: sessions.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    By, ErrorKind,
    command::{
        Feed, NewRun, NewSession, NewSubSession, NewThread, Paging, RunScope, SessionFilter,
        UpdateSession, UsageScope,
    },
    error::{Closure, Counter, Error, State},
    id::{AgentId, SessionId},
    journal::Direction,
    model::{Actor, Labels, RunOutcome, Session, SessionStatus, Tokens, Usage},
    store::{AnyStore, SessionStoreExt, ThreadStoreExt},
};

use crate::{
    Cx, TestClock, Verdict,
    check::refused,
    kit::{self, harmless, named, pages, says, the_thread},
    methods::{Ids, methods},
};

crate::clauses! {
    SES1 => ses1, SES2 => ses2, SES3 => ses3, SES4 => ses4, SES5 => ses5, SES7 => ses7, SES8 => ses8, SES10 => ses10,
    SES11 => ses11, SES14 => ses14,
}

async fn the_session(store: &dyn AnyStore, by: &By, session: SessionId) -> Session {
    store.session(by, session).await.expect("an answer").expect("the session exists")
}

fn agent(by: &By, name: &str) -> Actor {
    Actor::agent(by.tenant.clone(), AgentId::new(name).expect("an agent"))
}

/// A new session is idle, without previous actors.
pub async fn ses1(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let thread = cx.thread(&store, &by).await;
    let actor = agent(&by, "planner");
    let new = NewSession::named("  name ✓ ")
        .with_label("k", "v")
        .for_task("task 1")
        .owned_by(actor.clone());
    for new in [NewSession::default(), new, NewSession::named("")] {
        let before = the_thread(&store, &by, thread).await;
        let (id, edge) = store.create_session(&by, thread, new.clone()).await.expect("a session");
        assert_eq!((edge, id.version()), (None, before.head + 1));
        for store in [&store, &cx.store().await] {
            let session = the_session(store, &by, id).await;
            assert_eq!((session.status, session.owner_version), (SessionStatus::Idle, 0));
            assert_eq!(
                (&session.previous_actors[..], &session.current_actor),
                (&[][..], &new.actor)
            );
            assert_eq!(
                (&session.name, &session.labels, &session.task),
                (&new.name, &new.labels, &new.task)
            );
            assert_eq!((session.id, session.thread, session.project), (id, thread, before.project));
            assert_eq!((&session.tenant, session.parent, session.depth), (&by.tenant, None, 0));
            assert_eq!((session.entries, session.tail, session.version), (0, 0, id.version()));
            assert_eq!(session.created_at, session.updated_at);
        }
    }
    let kind = ErrorKind::Invalid;
    for bad in [
        NewSession::named("x".repeat(257)),
        NewSession::named("\n"),
        NewSession::default().for_task(""),
        NewSession::default().for_task("x".repeat(129)),
        NewSession::default().with_label("", "v"),
    ] {
        harmless(&store, &by, thread, kind, store.create_session(&by, thread, bad)).await;
    }
    let held = by.with_lease(1);
    harmless(&store, &by, thread, kind, store.create_session(&held, thread, NewSession::default()))
        .await;
    Verdict::Passed
}

/// Only in an open thread of the same project and tenant.
pub async fn ses2(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let (by, theirs) = (cx.by(), cx.by_of("evil-corp", "eve"));
    let own = Ids::make(&store, &by).await;
    let other = Ids::make(&store, &by).await;
    let foreign = cx.thread(&store, &theirs).await;
    let new = NewSession::default;
    let create = |thread, new| store.create_session(&by, thread, new);
    harmless(&store, &by, own.thread, ErrorKind::NotFound, create(own.nothing().thread, new()))
        .await;
    harmless(&store, &theirs, foreign, ErrorKind::TenantIsolation, create(foreign, new())).await;
    let across = new().under(NewSubSession::under(other.session));
    let error =
        harmless(&store, &by, own.thread, ErrorKind::Precondition, create(own.thread, across))
            .await;
    assert!(matches!(error, Error::WrongThread { .. }), "{error:?}");
    let archived = cx.thread(&store, &by).await;
    store.archive_thread(&by, archived).await.expect("it is archived");
    let error = harmless(&store, &by, archived, ErrorKind::Closed, create(archived, new())).await;
    assert!(matches!(error, Error::Closed { what: Closure::ThreadArchived }), "{error:?}");
    store.archive_project(&by, own.project).await.expect("it is archived");
    let error =
        harmless(&store, &by, own.thread, ErrorKind::Closed, create(own.thread, new())).await;
    assert!(matches!(error, Error::Closed { what: Closure::ProjectArchived }), "{error:?}");
    let id = create(other.thread, new()).await.expect("an open thread of an open project").0;
    assert_eq!(the_session(&store, &by, id).await.project, other.project);
    Verdict::Passed
}

/// What never changes cannot be said in an update, and is the same after all of them.
pub async fn ses3(cx: Cx) -> Verdict {
    let clock = Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let by = cx.by();
    let id = cx.session(&store, &by).await;
    let first = the_session(&store, &by, id).await;
    clock.advance(Duration::from_secs(5));
    // Every field an update has, all at once: this fails to compile when an update learns to say more.
    let UpdateSession { name: _, labels: _, task: _, actor: _ } = UpdateSession::default();
    let all = UpdateSession {
        name: Some(Some("new".into())),
        labels: Some(Labels::new().with("a", "b")),
        task: Some(Some("t".into())),
        actor: Some(agent(&by, "owner")),
    };
    let version = store.update_session(&by, id, first.version, all).await.expect("an update");
    let now = the_session(&store, &by, id).await;
    assert_eq!((now.id, &now.tenant, now.project), (first.id, &first.tenant, first.project));
    assert_eq!(
        (now.thread, now.created_at, now.owner_version),
        (first.thread, first.created_at, 0)
    );
    assert_eq!((now.parent, now.depth, now.status), (None, 0, first.status));
    assert_eq!((now.name.as_deref(), now.task.as_deref()), (Some("new"), Some("t")));
    assert_eq!((now.labels.get("a"), now.current_actor), (Some("b"), Some(agent(&by, "owner"))));
    assert_eq!((now.version, now.previous_actors), (version, vec![]));
    // An owner is attached once; it is handed over, never replaced.
    let usurp = UpdateSession { actor: Some(agent(&by, "usurper")), ..UpdateSession::default() };
    let refusal = store.update_session(&by, id, version, usurp).await.expect_err("it has an owner");
    assert!(matches!(refusal.kind(), ErrorKind::Precondition | ErrorKind::Fenced), "{refusal}");
    let clear = UpdateSession { name: Some(None), task: Some(None), ..UpdateSession::default() };
    let version = store.update_session(&by, id, version, clear).await.expect("an update");
    let store = cx.reopen(store).await;
    let now = the_session(&store, &by, id).await;
    assert_eq!((now.name, now.task, now.version), (None, None, version));
    assert_eq!((now.current_actor, now.labels.get("a")), (Some(agent(&by, "owner")), Some("b")));
    Verdict::Passed
}

/// Every status change is an edge of the machine.
pub async fn ses4(cx: Cx) -> Verdict {
    use SessionStatus::{Active, Archived, AwaitingHitl, AwaitingMerge, Failed, Idle, Locked};
    let store = cx.store().await;
    let by = cx.by();
    let thread = cx.thread(&store, &by).await;
    let illegal = |error: Error, from, to| match error {
        Error::IllegalTransition { from: f, to: t } => {
            assert_eq!((f, t), (State::Session(from), State::Session(to)));
        }
        other => panic!("{from} to {to}: {other:?}"),
    };
    let legal = [
        (Idle, Active),
        (Idle, AwaitingHitl),
        (Idle, Failed),
        (Active, Idle),
        (Active, AwaitingHitl),
        (Active, Failed),
        (AwaitingHitl, Active),
        (AwaitingHitl, Idle),
        (AwaitingHitl, Failed),
    ];
    for from in [Idle, Active, AwaitingHitl, Failed] {
        for to in [Idle, Active, AwaitingHitl, Failed, Locked, AwaitingMerge, Archived] {
            let session = named(&store, &by, thread, "s").await;
            if from != Idle {
                store.set_status(&by, session, from).await.expect("a status");
            }
            let set = store.set_status(&by, session, to);
            if legal.contains(&(from, to)) {
                let version = set.await.unwrap_or_else(|e| panic!("{from} to {to}: {e}"));
                let now = the_session(&store, &by, session).await;
                assert_eq!((now.status, now.version), (to, version));
            } else {
                let error = harmless(&store, &by, thread, ErrorKind::Precondition, set).await;
                illegal(error, from, to);
                assert_eq!(the_session(&store, &by, session).await.status, from);
            }
            let status = the_session(&store, &by, session).await.status;
            let reopen = store.reopen_session(&by, session);
            if status == Failed {
                let version = reopen.await.expect("a failed session reopens");
                let now = the_session(&store, &by, session).await;
                assert_eq!((now.status, now.version), (Active, version));
            } else {
                harmless(&store, &by, thread, ErrorKind::Precondition, reopen).await;
            }
        }
    }
    // While a run lives, its status rules; a failed session takes no run before it is reopened.
    let session = named(&store, &by, thread, "s").await;
    let run = store.start_run(&by, session, NewRun::default()).await.expect("a run");
    for to in [Idle, AwaitingHitl, Failed] {
        harmless(&store, &by, thread, ErrorKind::Precondition, store.set_status(&by, session, to))
            .await;
    }
    let failed = RunOutcome::Failed { reason: "why not".into() };
    store.end_run(&by, run, failed).await.expect("it ends");
    assert_eq!(the_session(&store, &by, session).await.status, Failed);
    let start = store.start_run(&by, session, NewRun::default());
    let error = harmless(&store, &by, thread, ErrorKind::Precondition, start).await;
    assert!(
        matches!(error, Error::IllegalTransition { from: State::Session(Failed), .. }),
        "{error:?}"
    );
    store.reopen_session(&by, session).await.expect("it reopens");
    store.start_run(&by, session, NewRun::default()).await.expect("a run");
    Verdict::Passed
}

/// Update is compare-and-swap on the session's own version.
pub async fn ses5(cx: Cx) -> Verdict {
    let store = Arc::new(cx.store().await);
    let by = cx.by();
    let id = cx.session(&*store, &by).await;
    let rename =
        |name: &str| UpdateSession { name: Some(Some(name.into())), ..UpdateSession::default() };
    let version = the_session(&*store, &by, id).await.version;
    // What others do beside it does not make it stale.
    store.append(&by, id, says("x")).await.expect("an entry");
    let run = store.start_run(&by, id, NewRun::default()).await.expect("a run");
    store.book_usage(&by, run, "c", Usage::new(Tokens::new(1, 1), 1)).await.expect("usage");
    store.end_run(&by, run, RunOutcome::Succeeded).await.expect("it ends");
    let token = store.claim_lease(&by, id, Duration::from_secs(9)).await.expect("a lease");
    store.release_lease(&by.with_lease(token), id).await.expect("it is given back");
    assert_eq!(the_session(&*store, &by, id).await.version, version);
    let version = store.update_session(&by, id, version, rename("two")).await.expect("an update");
    for expected in [0, version - 1, version + 1] {
        let update = store.update_session(&by, id, expected, rename("x"));
        let error = harmless(&*store, &by, id.thread(), ErrorKind::Stale, update).await;
        match error {
            Error::Stale { counter: Counter::Version, expected: told, actual } => {
                assert_eq!((told, actual), (expected, version));
            }
            other => panic!("{other:?}"),
        }
    }
    let stores = [store.clone(), Arc::new(cx.store().await)];
    let racers: Vec<_> = (0..8)
        .map(|i| {
            let (store, by) = (stores[i % 2].clone(), by.clone());
            let update = rename(&format!("racer {i}"));
            tokio::spawn(async move { store.update_session(&by, id, version, update).await })
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
    let now = the_session(&*store, &by, id).await;
    assert_eq!((now.name, now.version), (Some(format!("racer {winner}")), version));
    Verdict::Passed
}

/// Delete is idempotent, refused while an edge names the session, and takes everything of it from sight.
pub async fn ses7(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let own = Ids::make(&store, &by).await;
    let thread = own.thread;
    let child = store.edge(&by, own.edge).await.expect("an answer").expect("the edge").child;
    for session in [own.session, child] {
        let delete = store.delete_session(&by, session);
        match harmless(&store, &by, thread, ErrorKind::Precondition, delete).await {
            Error::SessionLinked { session: named, edge } => {
                assert_eq!((named, edge), (session.to_string(), own.edge.to_string()));
            }
            other => panic!("{other:?}"),
        }
    }
    store.delete_edge(&by, own.edge).await.expect("it goes");
    let usage = Usage::new(Tokens::new(3, 4), 1);
    store.book_usage(&by, own.run, "call", usage).await.expect("usage");
    let token =
        store.claim_lease(&by, own.session, Duration::from_secs(60)).await.expect("a lease");
    harmless(&store, &by, thread, ErrorKind::Fenced, store.delete_session(&by, own.session)).await;
    store.delete_session(&by.with_lease(token), own.session).await.expect("it goes");
    let head = kit::head(&store, &by, thread).await;
    for round in 0..3 {
        let store = if round == 2 { cx.reopen(cx.store().await).await } else { cx.store().await };
        store.delete_session(&by, own.session).await.expect("it is gone already");
        assert_eq!(kit::head(&store, &by, thread).await, head, "deleting again writes nothing");
        unreadable(&store, &by, &own).await;
        assert_eq!(the_thread(&store, &by, thread).await.sessions, 1);
        let rows = kit::sessions(&store, &by, thread).await;
        assert_eq!(rows.iter().map(|r| r.id).collect::<Vec<_>>(), [child]);
        // What it cost stays with the thread; its live run counts as cancelled.
        let sum = store.usage(&by, UsageScope::Thread(thread)).await.expect("a roll-up");
        assert_eq!((sum.attempts, sum.cancelled, sum.live), (1, 1, 0));
        assert_eq!(sum.totals.expect("booked").tokens, Tokens::new(3, 4));
    }
    let store = cx.store().await;
    named(&store, &by, thread, "the next write").await;
    Verdict::Passed
}

/// No query and no feed shows anything of a deleted session.
async fn unreadable(store: &dyn AnyStore, by: &By, gone: &Ids) {
    let page = Paging::default();
    let none = |shown: bool, what: &str| assert!(!shown, "{what} of a deleted session is shown");
    none(store.session(by, gone.session).await.expect("an answer").is_some(), "the record");
    none(store.drill(by, gone.session).await.expect("an answer").is_some(), "drill");
    none(store.entry(by, gone.entry).await.expect("an answer").is_some(), "an entry");
    none(store.run(by, gone.run).await.expect("an answer").is_some(), "a run");
    let external = crate::model::external_id(gone.run);
    let kind = ErrorKind::NotFound;
    refused(store.run_by_external_id(by, gone.thread, external).await, kind);
    refused(store.entries(by, gone.session, Direction::Forward, page).await, kind);
    refused(store.children(by, gone.session, page).await, kind);
    refused(store.runs(by, RunScope::Session(gone.session), page).await, kind);
    refused(store.usage(by, UsageScope::Session(gone.session)).await, kind);
    refused(store.ledger(by, gone.session, page).await, kind);
    refused(store.lease(by, gone.session).await, kind);
    refused(store.append(by, gone.session, says("x")).await, kind);
    refused(store.end_run(by, gone.run, RunOutcome::Succeeded).await, kind);
    let feed = Feed { thread: gone.thread, after: 0, limit: 1000, wait: Duration::ZERO };
    let events = store.feed(by, feed).await.expect("the feed").events;
    assert!(events.iter().map(|e| e.version).eq(1..=events.len() as u64), "every version, once");
    for event in events.iter().filter(|e| e.session == Some(gone.session)) {
        assert_eq!(event.body, None, "the feed shows {} of a deleted session", event.kind);
    }
}

/// List by thread: filters, both directions, pages, whole rows, exact under writers.
pub async fn ses8(cx: Cx) -> Verdict {
    let store = Arc::new(cx.store().await);
    let by = cx.by();
    let thread = cx.thread(&*store, &by).await;
    let mut all = Vec::new();
    for i in 0..12_usize {
        let mut new = NewSession::named(format!("s{i}")).with_label("parity", (i % 2).to_string());
        if i % 3 == 0 {
            new = new.for_task("third").owned_by(agent(&by, "third"));
        }
        all.push(store.create_session(&by, thread, new).await.expect("a session").0);
    }
    for i in [1, 4] {
        store.set_status(&by, all[i], SessionStatus::Active).await.expect("a status");
    }
    let list = |filter: SessionFilter, limit: usize| {
        let (store, by) = (store.clone(), by.clone());
        async move {
            let rows = pages(limit, |page| store.sessions(&by, thread, filter.clone(), page)).await;
            rows.into_iter().map(|r| r.id).collect::<Vec<_>>()
        }
    };
    let pick = |wanted: &dyn Fn(usize) -> bool| -> Vec<SessionId> {
        (0..12).filter(|i| wanted(*i)).map(|i| all[i]).collect()
    };
    let filter = SessionFilter::default;
    let label = |value: &str| Some(("parity".to_owned(), value.to_owned()));
    for limit in [1, 5, 1000] {
        assert_eq!(list(filter(), limit).await, all);
        let odd = SessionFilter { label: label("1"), ..filter() };
        assert_eq!(list(odd, limit).await, pick(&|i| i % 2 == 1));
        let third = SessionFilter { task: Some("third".into()), ..filter() };
        assert_eq!(list(third, limit).await, pick(&|i| i % 3 == 0));
        let owned =
            SessionFilter { actor: Some(agent(&by, "third")), label: label("0"), ..filter() };
        assert_eq!(list(owned, limit).await, pick(&|i| i % 6 == 0));
        let active = SessionFilter { status: Some(SessionStatus::Active), ..filter() };
        assert_eq!(list(active, limit).await, [all[1], all[4]]);
        let mut backward =
            list(SessionFilter { direction: Direction::Backward, ..filter() }, limit).await;
        backward.reverse();
        assert_eq!(backward, all);
        let nobody = SessionFilter { task: Some("none".into()), ..filter() };
        assert_eq!(list(nobody, limit).await, []);
    }
    row(&*store, &by, all[2]).await;

    // Under writers, in both directions: those that stay are there exactly once, and rows agree with sessions.
    let churn = {
        let (store, by) = (store.clone(), by.clone());
        tokio::spawn(async move {
            loop {
                let session = named(&*store, &by, thread, "churn").await;
                store.append(&by, session, says("x")).await.expect("an entry");
                store.delete_session(&by, session).await.expect("it goes");
            }
        })
    };
    for round in 0..10 {
        let direction = if round % 2 == 0 { Direction::Forward } else { Direction::Backward };
        let mut seen = list(SessionFilter { direction, ..filter() }, 4).await;
        if direction == Direction::Backward {
            seen.reverse();
        }
        assert!(seen.is_sorted_by(|a, b| a < b), "in creation order, each once");
        seen.retain(|s| all.contains(s));
        assert_eq!(seen, all, "in round {round}");
    }
    churn.abort();
    let _ended = churn.await;
    Verdict::Passed
}

/// What a row says is what the session says.
async fn row(store: &dyn AnyStore, by: &By, parent: SessionId) {
    let thread = parent.thread();
    let new = NewSession::named("child").under(NewSubSession::under(parent));
    let (child, _) = store.create_session(by, thread, new).await.expect("a child");
    let said = store.append(by, child, vec![says("a"), says("b")]).await.expect("a turn");
    let first = store.start_run(by, child, NewRun::default()).await.expect("a run");
    let open = store.start_run(by, child, NewRun::default()).await.expect("a run");
    store.end_run(by, first, RunOutcome::Succeeded).await.expect("it ends");
    let rows = kit::sessions(store, by, thread).await;
    let row = rows.iter().find(|r| r.id == child).expect("the row");
    let session = the_session(store, by, child).await;
    assert_eq!(
        (&row.name, &row.labels, &row.task),
        (&session.name, &session.labels, &session.task)
    );
    assert_eq!((row.status, &row.actor), (SessionStatus::Active, &session.current_actor));
    assert_eq!((row.parent, row.depth), (Some(parent), 1));
    assert_eq!((row.entries, row.last_entry), (2, said.entries().last()));
    assert_eq!((row.open_run, row.version), (Some(open), session.version));
    assert_eq!(row.updated_at, session.updated_at);
}

/// Records returned are values: what a caller does with them changes nothing, for every method.
pub async fn ses10(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let own = Ids::make(&store, &by).await;
    let mut session = the_session(&store, &by, own.session).await;
    let mut thread = the_thread(&store, &by, own.thread).await;
    let mut entries = kit::log(&store, &by, own.session, 10).await;
    let mut run = store.run(&by, own.run).await.expect("an answer").expect("the run");
    let mut edge = store.edge(&by, own.edge).await.expect("an answer").expect("the edge");
    let mut answers = Vec::new();
    for method in methods(&own, &own).iter().filter(|m| m.request.is_query()) {
        answers.push(format!("{:?}", method.request.send(&store, &by).await));
    }
    session.status = SessionStatus::Failed;
    session.previous_actors.push(by.actor.clone());
    session.labels = session.labels.with("changed", "yes");
    thread.title.push_str(" changed");
    entries.clear();
    run.external_id.clear();
    edge.purpose = Some("changed".into());
    drop((session, thread, entries, run, edge));
    for other in [&store, &cx.store().await] {
        for (method, before) in
            methods(&own, &own).iter().filter(|m| m.request.is_query()).zip(&answers)
        {
            let again = format!("{:?}", method.request.send(other, &by).await);
            assert_eq!(&again, before, "{}", method.name);
        }
    }
    Verdict::Passed
}

/// After an error the head and all records are the same, for every method.
pub async fn ses11(cx: Cx) -> Verdict {
    let store = cx.store().await;
    let by = cx.by();
    let own = Ids::make(&store, &by).await;
    let journal = cx.journal().await;
    // A lease that none of these calls holds, on every session that is written to.
    let edge = store.edge(&by, own.edge).await.expect("an answer").expect("the edge");
    let ttl = Duration::from_secs(60);
    for session in [own.session, edge.child] {
        store.claim_lease(&by, session, ttl).await.expect("a lease");
    }
    let shown = || async {
        let mut all = Vec::new();
        for method in methods(&own, &own).iter().filter(|m| m.request.is_query()) {
            all.push(format!("{:?}", method.request.send(&store, &by).await));
        }
        all
    };
    let before = shown().await;
    let allowed = |name: &str| {
        let more = ["create_session", "erase_entries", "erase_entries entries"];
        name.contains("_project") || name.contains("_thread") || more.contains(&name)
    };
    crate::unchanged(&*journal, &[&by.tenant], async {
        for method in
            methods(&own, &own).iter().filter(|m| !m.request.is_query() && !allowed(m.name))
        {
            let answer = method.request.send(&store, &by).await;
            let error = answer.expect_err(method.name);
            assert!(!error.is_retryable(), "{}: {error}", method.name);
            let stranger = by.with_lease(1);
            assert!(method.request.send(&store, &stranger).await.is_err(), "{}", method.name);
        }
        // Those that write to no session: stale, not empty, invalid.
        for method in
            methods(&own, &own).iter().filter(|m| allowed(m.name) && m.name != "create_thread")
        {
            refused(method.request.send(&store, &by.with_lease(1)).await, ErrorKind::Invalid);
        }
        refused(store.delete_thread(&by, own.thread).await, ErrorKind::Precondition);
        refused(store.archive_thread(&by, own.thread).await, ErrorKind::Precondition);
        let bad = NewThread::titled("x\n");
        refused(store.create_thread(&by, own.project, bad).await, ErrorKind::Invalid);
    })
    .await;
    assert_eq!(shown().await, before);
    let next = the_thread(&store, &by, own.thread).await;
    store
        .update_thread(&by, own.thread, next.version, Default::default())
        .await
        .expect("the next write");
    Verdict::Passed
}

/// `updated_at` is moved by commits only, and never goes back.
pub async fn ses14(cx: Cx) -> Verdict {
    let clock = Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let by = cx.by();
    let session = cx.session(&store, &by).await;
    let other = named(&store, &by, session.thread(), "other").await;
    let thread = session.thread();
    let at = || async {
        let now = the_session(&store, &by, session).await;
        let listed = kit::sessions(&store, &by, thread).await;
        assert!(listed.iter().any(|r| r.id == session && r.updated_at == now.updated_at));
        (now.updated_at, the_thread(&store, &by, thread).await.updated_at)
    };
    assert_eq!(at().await, (TestClock::START, TestClock::START));
    let mut moved = TestClock::START;
    for step in 0..7 {
        clock.advance(Duration::from_secs(10));
        at().await;
        store.append(&by, other, says("beside")).await.expect("an entry");
        assert!(store.reopen_session(&by, session).await.is_err(), "it has not failed");
        assert_eq!(at().await.0, moved, "reads, refusals and others do not move it");
        let lane = async {
            match step {
                0 => drop(store.append(&by, session, says("x")).await?),
                1 => drop(store.start_run(&by, session, NewRun::default()).await?),
                2 => {
                    let runs =
                        store.runs(&by, RunScope::Session(session), Paging::default()).await?;
                    let run = runs.items[0].id;
                    store.book_usage(&by, run, "c", Usage::new(Tokens::new(1, 1), 1)).await?;
                }
                3 => {
                    let runs =
                        store.runs(&by, RunScope::Session(session), Paging::default()).await?;
                    store.end_run(&by, runs.items[0].id, RunOutcome::Succeeded).await?;
                }
                4 => drop(store.set_status(&by, session, SessionStatus::Active).await?),
                5 => drop(store.claim_lease(&by, session, Duration::from_secs(9)).await?),
                _ => {
                    let token = store.lease(&by, session).await?.expect("a lease").token;
                    store.release_lease(&by.with_lease(token), session).await?;
                }
            }
            Ok::<_, Error>(())
        };
        lane.await.unwrap_or_else(|e| panic!("step {step}: {e}"));
        moved = sessile_core::Clock::now(&*clock);
        assert_eq!(at().await, (moved, moved), "step {step} moves it");
    }
    clock.rewind(Duration::from_secs(3600));
    store.append(&by, session, says("late")).await.expect("an entry");
    assert_eq!(at().await, (moved, moved), "it never goes back");
    Verdict::Passed
}
