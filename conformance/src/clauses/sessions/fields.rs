//! SES: sessions, their fields and their status.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    Caller, ErrorKind,
    command::{NewRun, NewSession, NewSubSession, UpdateSession},
    error::{Closure, Counter, Error, State},
    id::{AgentId, SessionId},
    model::{Actor, Budget, Labels, RunOutcome, Session, SessionStatus, Tokens, Usage},
    store::AnyStore,
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, TestClock,
        assertions::{closed, harmless, refused},
        id_arguments::Ids,
        shorthand::{named, says, the_thread},
    },
};

crate::clauses! { SES1 => ses1, SES2 => ses2, SES3 => ses3, SES4 => ses4, SES5 => ses5 }

pub(super) async fn the_session(
    store: &dyn AnyStore,
    caller: &Caller,
    session: SessionId,
) -> Session {
    store.as_caller(caller).session(session).await.expect("an answer").expect("the session exists")
}

pub(super) fn agent(caller: &Caller, name: &str) -> Actor {
    Actor::Agent {
        tenant: caller.tenant.clone(),
        id: AgentId::new(name).expect("an agent"),
        parent: None,
    }
}

/// A new session is idle, without previous actors.
pub async fn ses1(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let actor = agent(&caller, "planner");
    let new = NewSession::named("  name ✓ ")
        .with_label("k", "v")
        .for_task("task 1")
        .owned_by(actor.clone());
    for new in [NewSession::default(), new, NewSession::named("")] {
        let before = the_thread(&store, &caller, thread).await;
        let id =
            store.as_caller(&caller).create_session(thread, new.clone()).await.expect("a session");
        assert_eq!(id.version(), before.head + 1);
        for store in [&store, &cx.store().await] {
            let session = the_session(store, &caller, id).await;
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
            assert_eq!((&session.tenant, session.parent, session.depth), (&caller.tenant, None, 0));
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
        harmless(
            &store,
            &caller,
            thread,
            kind,
            store.as_caller(&caller).create_session(thread, bad),
        )
        .await;
    }
    let held = caller.with_lease(1);
    harmless(
        &store,
        &caller,
        thread,
        kind,
        store.as_caller(&held).create_session(thread, NewSession::default()),
    )
    .await;
    Verdict::Passed
}

/// Only in an open thread of the same project and tenant.
pub async fn ses2(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let (caller, theirs) = (cx.caller(), cx.caller_of("evil-corp", "eve"));
    let own = Ids::make(&store, &caller).await;
    let other = Ids::make(&store, &caller).await;
    let foreign = cx.thread(&store, &theirs).await;
    let new = NewSession::default;
    let writer = store.as_caller(&caller);
    let create = |thread, new: NewSession| writer.create_session(thread, new);
    harmless(&store, &caller, own.thread, ErrorKind::NotFound, create(own.missing().thread, new()))
        .await;
    harmless(&store, &theirs, foreign, ErrorKind::TenantIsolation, create(foreign, new())).await;
    let across = new().under(NewSubSession::under(other.session));
    let error =
        harmless(&store, &caller, own.thread, ErrorKind::Precondition, create(own.thread, across))
            .await;
    let Error::WrongThread { what, expected } = &error else { panic!("{error:?}") };
    assert_eq!((what, expected), (&other.session.into(), &own.thread.into()));
    let archived = cx.thread(&store, &caller).await;
    store.as_caller(&caller).archive_thread(archived).await.expect("it is archived");
    let error =
        harmless(&store, &caller, archived, ErrorKind::Closed, create(archived, new())).await;
    closed(&error, Closure::ThreadArchived(archived), "create_session");
    store.as_caller(&caller).archive_project(own.project).await.expect("it is archived");
    let error =
        harmless(&store, &caller, own.thread, ErrorKind::Closed, create(own.thread, new())).await;
    closed(&error, Closure::ProjectArchived(own.project), "create_session");
    let id = create(other.thread, new()).await.expect("an open thread of an open project");
    assert_eq!(the_session(&store, &caller, id).await.project, other.project);
    Verdict::Passed
}

/// An update has no field for what never changes, and after all updates it is the same.
pub async fn ses3(cx: ClauseContext) -> Verdict {
    let clock = Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let caller = cx.caller();
    let id = cx.session(&store, &caller).await;
    let first = the_session(&store, &caller, id).await;
    clock.advance(Duration::from_secs(5));
    // Every field an update has, all at once: this fails to compile when an update learns to say more.
    let UpdateSession { name: _, labels: _, task: _, actor: _, budget: _ } =
        UpdateSession::default();
    let all = UpdateSession {
        name: Some(Some("new".into())),
        labels: Some(Labels::new().with("a", "b")),
        task: Some(Some("t".into())),
        actor: Some(agent(&caller, "owner")),
        budget: Some(Some(Budget::of_tokens(7))),
    };
    let version =
        store.as_caller(&caller).update_session(id, first.version, all).await.expect("an update");
    let now = the_session(&store, &caller, id).await;
    assert_eq!((now.id, &now.tenant, now.project), (first.id, &first.tenant, first.project));
    assert_eq!(
        (now.thread, now.created_at, now.owner_version),
        (first.thread, first.created_at, 0)
    );
    assert_eq!((now.parent, now.depth, now.status), (None, 0, first.status));
    assert_eq!((now.name.as_deref(), now.task.as_deref()), (Some("new"), Some("t")));
    assert_eq!(
        (now.labels.get("a"), now.current_actor),
        (Some("b"), Some(agent(&caller, "owner")))
    );
    assert_eq!(now.budget.map(|it| it.budget), Some(Budget::of_tokens(7)));
    assert_eq!((now.version, now.previous_actors), (version, vec![]));
    // An owner is attached once; it is handed over, never replaced.
    let usurp =
        UpdateSession { actor: Some(agent(&caller, "usurper")), ..UpdateSession::default() };
    let refusal = store
        .as_caller(&caller)
        .update_session(id, version, usurp)
        .await
        .expect_err("it has an owner");
    assert!(matches!(refusal.kind(), ErrorKind::Precondition | ErrorKind::Fenced), "{refusal}");
    let clear = UpdateSession { name: Some(None), task: Some(None), ..UpdateSession::default() };
    let version =
        store.as_caller(&caller).update_session(id, version, clear).await.expect("an update");
    let store = cx.reopen(store).await;
    let now = the_session(&store, &caller, id).await;
    assert_eq!((now.name, now.task, now.version), (None, None, version));
    assert_eq!(
        (now.current_actor, now.labels.get("a")),
        (Some(agent(&caller, "owner")), Some("b"))
    );
    Verdict::Passed
}

/// Every status change is an edge of the machine.
pub async fn ses4(cx: ClauseContext) -> Verdict {
    use SessionStatus::{Active, Archived, AwaitingHitl, AwaitingMerge, Failed, Idle, Locked};
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let illegal = |error: Error, id: SessionId, from, to| match error {
        Error::IllegalTransition { what, from: f, to: t } => {
            assert_eq!((what, f, t), (id.into(), State::Session(from), State::Session(to)));
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
            let session = named(&store, &caller, thread, "s").await;
            if from != Idle {
                store.as_caller(&caller).set_status(session, from).await.expect("a status");
            }
            let set_caller = store.as_caller(&caller);
            let set = set_caller.set_status(session, to);
            if legal.contains(&(from, to)) {
                let version = set.await.unwrap_or_else(|e| panic!("{from} to {to}: {e}"));
                let now = the_session(&store, &caller, session).await;
                assert_eq!((now.status, now.version), (to, version));
            } else {
                let error = harmless(&store, &caller, thread, ErrorKind::Precondition, set).await;
                illegal(error, session, from, to);
                assert_eq!(the_session(&store, &caller, session).await.status, from);
            }
            let status = the_session(&store, &caller, session).await.status;
            let reopen_caller = store.as_caller(&caller);
            let reopen = reopen_caller.reopen_session(session);
            if status == Failed {
                let version = reopen.await.expect("a failed session reopens");
                let now = the_session(&store, &caller, session).await;
                assert_eq!((now.status, now.version), (Active, version));
            } else {
                harmless(&store, &caller, thread, ErrorKind::Precondition, reopen).await;
            }
        }
    }
    // While a run lives, its status rules; a failed session takes no run before it is reopened.
    let session = named(&store, &caller, thread, "s").await;
    let run = store.as_caller(&caller).start_run(session, NewRun::default()).await.expect("a run");
    for to in [Idle, AwaitingHitl, Failed] {
        harmless(
            &store,
            &caller,
            thread,
            ErrorKind::Precondition,
            store.as_caller(&caller).set_status(session, to),
        )
        .await;
    }
    let failed = RunOutcome::Failed { reason: "why not".into() };
    store.as_caller(&caller).end_run(run, failed).await.expect("it ends");
    assert_eq!(the_session(&store, &caller, session).await.status, Failed);
    let start_caller = store.as_caller(&caller);
    let start = start_caller.start_run(session, NewRun::default());
    let error = harmless(&store, &caller, thread, ErrorKind::Precondition, start).await;
    assert!(
        matches!(error, Error::IllegalTransition { from: State::Session(Failed), .. }),
        "{error:?}"
    );
    store.as_caller(&caller).reopen_session(session).await.expect("it reopens");
    store.as_caller(&caller).start_run(session, NewRun::default()).await.expect("a run");
    Verdict::Passed
}

/// Update is compare-and-swap on the session's own version.
pub async fn ses5(cx: ClauseContext) -> Verdict {
    let store = Arc::new(cx.store().await);
    let caller = cx.caller();
    let id = cx.session(&*store, &caller).await;
    let rename =
        |name: &str| UpdateSession { name: Some(Some(name.into())), ..UpdateSession::default() };
    let version = the_session(&*store, &caller, id).await.version;
    // What others do beside it does not make it stale.
    store.as_caller(&caller).append(id, says("x")).await.expect("an entry");
    let run = store.as_caller(&caller).start_run(id, NewRun::default()).await.expect("a run");
    store
        .as_caller(&caller)
        .book_usage(run, "c", Usage::new(Tokens::new(1, 1), 1))
        .await
        .expect("usage");
    store.as_caller(&caller).end_run(run, RunOutcome::Succeeded).await.expect("it ends");
    let token =
        store.as_caller(&caller).claim_lease(id, Duration::from_secs(9)).await.expect("a lease");
    store.as_caller(&caller.with_lease(token)).release_lease(id).await.expect("it is given back");
    assert_eq!(the_session(&*store, &caller, id).await.version, version);
    let version = store
        .as_caller(&caller)
        .update_session(id, version, rename("two"))
        .await
        .expect("an update");
    for expected in [0, version - 1, version + 1] {
        let update_caller = store.as_caller(&caller);
        let update = update_caller.update_session(id, expected, rename("x"));
        let error = harmless(&*store, &caller, id.thread(), ErrorKind::Stale, update).await;
        match error {
            Error::Stale { what, counter: Counter::Version, expected: told, actual } => {
                assert_eq!((what, told, actual), (id.into(), expected, version));
            }
            other => panic!("{other:?}"),
        }
    }
    let stores = [store.clone(), Arc::new(cx.store().await)];
    let racers: Vec<_> = (0..8)
        .map(|i| {
            let (store, caller) = (stores[i % 2].clone(), caller.clone());
            let update = rename(&format!("racer {i}"));
            tokio::spawn(async move {
                store.as_caller(&caller).update_session(id, version, update).await
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
    let now = the_session(&*store, &caller, id).await;
    assert_eq!((now.name, now.version), (Some(format!("racer {winner}")), version));
    Verdict::Passed
}
