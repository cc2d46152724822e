//! SES7, SES8: deletion and lists of sessions.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    Caller, ErrorKind,
    command::{
        Feed, NewRun, NewSession, NewSubSession, Paging, RunScope, SessionFilter, UsageScope,
    },
    error::Error,
    id::SessionId,
    journal::Direction,
    model::{RunOutcome, SessionStatus, Tokens, Usage},
    store::AnyStore,
};

use super::fields::{agent, the_session};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        id_arguments::{EXTERNAL_ID, Ids},
        shorthand::{self, named, pages, says, the_thread},
    },
};

crate::clauses! { SES7 => ses7, SES8 => ses8 }

/// Delete may be repeated, is refused while an edge names the session, and hides everything of it.
pub async fn ses7(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let own = Ids::make(&store, &caller).await;
    let thread = own.thread;
    let child =
        store.as_caller(&caller).edge(own.edge).await.expect("an answer").expect("the edge").child;
    for session in [own.session, child] {
        let delete_caller = store.as_caller(&caller);
        let delete = delete_caller.delete_session(session);
        match harmless(&store, &caller, thread, ErrorKind::Precondition, delete).await {
            Error::SessionLinked { session: named, edge } => {
                assert_eq!((named, edge), (session, own.edge));
            }
            other => panic!("{other:?}"),
        }
    }
    store.as_caller(&caller).delete_edge(own.edge).await.expect("it goes");
    let usage = Usage::new(Tokens::new(3, 4), 1);
    store.as_caller(&caller).book_usage(own.run, "call", usage).await.expect("usage");
    let token = store
        .as_caller(&caller)
        .claim_lease(own.session, Duration::from_secs(60))
        .await
        .expect("a lease");
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Fenced,
        store.as_caller(&caller).delete_session(own.session),
    )
    .await;
    store.as_caller(&caller.with_lease(token)).delete_session(own.session).await.expect("it goes");
    let head = shorthand::head(&store, &caller, thread).await;
    for round in 0..3 {
        let store = if round == 2 { cx.reopen(cx.store().await).await } else { cx.store().await };
        store.as_caller(&caller).delete_session(own.session).await.expect("it is gone already");
        assert_eq!(
            shorthand::head(&store, &caller, thread).await,
            head,
            "deleting again writes nothing"
        );
        unreadable(&store, &caller, &own).await;
        assert_eq!(the_thread(&store, &caller, thread).await.sessions, 1);
        let rows = shorthand::sessions(&store, &caller, thread).await;
        assert_eq!(rows.iter().map(|r| r.id).collect::<Vec<_>>(), [child]);
        // What it cost stays with the thread; its live run counts as cancelled.
        let sum =
            store.as_caller(&caller).usage(UsageScope::Thread(thread)).await.expect("a roll-up");
        assert_eq!((sum.attempts, sum.cancelled, sum.live), (1, 1, 0));
        assert_eq!(sum.totals.expect("booked").tokens, Tokens::new(3, 4));
    }
    let store = cx.store().await;
    named(&store, &caller, thread, "the next write").await;
    Verdict::Passed
}

/// No query and no feed shows anything of a deleted session.
async fn unreadable(store: &dyn AnyStore, caller: &Caller, gone: &Ids) {
    let page = Paging::default();
    let none = |shown: bool, what: &str| assert!(!shown, "{what} of a deleted session is shown");
    none(
        store.as_caller(caller).session(gone.session).await.expect("an answer").is_some(),
        "the record",
    );
    none(store.as_caller(caller).drill(gone.session).await.expect("an answer").is_some(), "drill");
    none(store.as_caller(caller).entry(gone.entry).await.expect("an answer").is_some(), "an entry");
    none(store.as_caller(caller).run(gone.run).await.expect("an answer").is_some(), "a run");
    let by_external_id = store.as_caller(caller).run_by_external_id(gone.thread, EXTERNAL_ID).await;
    none(by_external_id.expect("an answer").is_some(), "a run by its external id");
    let kind = ErrorKind::NotFound;
    refused(store.as_caller(caller).entries(gone.session).page(page).await, kind);
    refused(store.as_caller(caller).children(gone.session).page(page).await, kind);
    refused(store.as_caller(caller).runs(RunScope::Session(gone.session)).page(page).await, kind);
    refused(store.as_caller(caller).usage(UsageScope::Session(gone.session)).await, kind);
    refused(store.as_caller(caller).ledger(gone.session).page(page).await, kind);
    refused(store.as_caller(caller).lease(gone.session).await, kind);
    refused(store.as_caller(caller).append(gone.session, says("x")).await, kind);
    refused(store.as_caller(caller).end_run(gone.run, RunOutcome::Succeeded).await, kind);
    let feed = Feed {
        thread: gone.thread,
        after: 0,
        limit: 1000,
        wait: Duration::ZERO,
        filter: Default::default(),
    };
    let events = store.feed(caller, feed).await.expect("the feed").records;
    assert!(events.iter().map(|e| e.version).eq(1..=events.len() as u64), "every version, once");
    for event in events.iter().filter(|e| e.session == Some(gone.session)) {
        assert_eq!(event.body, None, "the feed shows {} of a deleted session", event.kind);
    }
}

/// List by thread: filters, both directions, pages, whole rows, exact under writers.
pub async fn ses8(cx: ClauseContext) -> Verdict {
    let store = Arc::new(cx.store().await);
    let caller = cx.caller();
    let thread = cx.thread(&*store, &caller).await;
    let mut all = Vec::new();
    for i in 0..12_usize {
        let mut new = NewSession::named(format!("s{i}")).with_label("parity", (i % 2).to_string());
        if i % 3 == 0 {
            new = new.for_task("third").owned_by(agent(&caller, "third"));
        }
        all.push(store.as_caller(&caller).create_session(thread, new).await.expect("a session"));
    }
    for i in [1, 4] {
        store.as_caller(&caller).set_status(all[i], SessionStatus::Active).await.expect("a status");
    }
    let list = |filter: SessionFilter, limit: usize| {
        let (store, caller) = (store.clone(), caller.clone());
        async move {
            let rows = pages(limit, |page| {
                store.as_caller(&caller).sessions(thread).matching(filter.clone()).page(page)
            })
            .await;
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
            SessionFilter { actor: Some(agent(&caller, "third")), label: label("0"), ..filter() };
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
    row(&*store, &caller, all[2]).await;

    // Under writers, in both directions: those that stay are there exactly once, and rows agree with sessions.
    let churn = {
        let (store, caller) = (store.clone(), caller.clone());
        tokio::spawn(async move {
            loop {
                let session = named(&*store, &caller, thread, "churn").await;
                store.as_caller(&caller).append(session, says("x")).await.expect("an entry");
                store.as_caller(&caller).delete_session(session).await.expect("it goes");
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
async fn row(store: &dyn AnyStore, caller: &Caller, parent: SessionId) {
    let thread = parent.thread();
    let new = NewSession::named("child").under(NewSubSession::under(parent));
    let child = store.as_caller(caller).create_session(thread, new).await.expect("a child");
    let said =
        store.as_caller(caller).append(child, vec![says("a"), says("b")]).await.expect("a turn");
    let first = store.as_caller(caller).start_run(child, NewRun::default()).await.expect("a run");
    let open = store.as_caller(caller).start_run(child, NewRun::default()).await.expect("a run");
    store.as_caller(caller).end_run(first, RunOutcome::Succeeded).await.expect("it ends");
    let rows = shorthand::sessions(store, caller, thread).await;
    let row = rows.iter().find(|r| r.id == child).expect("the row");
    let session = the_session(store, caller, child).await;
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
