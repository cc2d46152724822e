//! SES13: a session goes on as another, once, in one commit.

use std::time::Duration;

use sessile_core::{
    Error, ErrorKind,
    command::{NewRun, NewSession, NewSubSession, SessionCommand},
    error::State,
    json::Json,
    model::{Labels, RunOutcome, SessionStatus, SubSessionStatus},
    store::SessionStore,
};

use super::handoffs::{agent, as_agent, recipient, the_session};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::harmless,
        concurrent::together,
        shorthand::{head, says, texts},
        stops::{Seen, Stops, another_thread, clear, settle},
        workspaces::Lab,
    },
};

crate::clauses! { SES13 => ses13 }

/// One commit makes the one successor, and gives it name, labels, task, owner, lease, workspace and the edge above.
pub async fn ses13(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let (handle, caller) = (lab.handle(), &lab.caller);
    let parent = cx.session_in(&lab.store, caller, lab.thread).await;
    let new = NewSession::named("worker")
        .with_label("role", "coder")
        .for_task("build")
        .owned_by(agent(caller, "coder"))
        .with_turn([says("a"), says("b")])
        .with_lease(Duration::from_secs(60))
        .with_workspace(lab.new_workspace("worker"));
    let old = handle.spawn(NewSubSession::under(parent), new).await.expect("a child");
    let edge = old.edge.expect("an edge");
    let holder = handle.with_lease(old.lease.expect("a lease"));
    let run = holder.start_run(old.id, NewRun::default()).await.expect("a run");
    // While a run lives, and without the lease, it does not.
    let call = holder.continue_as(old.id, NewSession::default());
    harmless(&lab.store, caller, lab.thread, ErrorKind::Precondition, call).await;
    holder.end_run(run, RunOutcome::Succeeded).await.expect("its end");
    let call = handle.continue_as(old.id, NewSession::default());
    harmless(&lab.store, caller, lab.thread, ErrorKind::Fenced, call).await;
    let before = the_session(&handle, old.id).await;
    let was = head(&lab.store, caller, lab.thread).await;
    let successor = NewSession { name: None, ..NewSession::default() }
        .with_turn([says("in short: a, b")])
        .with_state("step", Json::parse("2").expect("JSON"));
    let made = holder.continue_as(old.id, successor).await.expect("a successor");
    // Itself, its state, its turn, its lease, and that it goes on.
    assert_eq!(head(&lab.store, caller, lab.thread).await, was + 5);
    let now = the_session(&handle, made.id).await;
    assert_eq!(now.name.as_deref(), Some("worker"));
    assert_eq!(now.labels, Labels::new().with("role", "coder"));
    assert_eq!((now.task.as_deref(), &now.current_actor), (Some("build"), &before.current_actor));
    assert_eq!((now.workspace, now.parent), (before.workspace, Some(edge)));
    assert_eq!((now.continues, now.continued_as), (Some(old.id), None));
    assert_eq!(texts(&lab.store, caller, made.id).await, ["in short: a, b"]);
    let lease = handle.lease(made.id).await.expect("an answer").expect("its lease");
    assert_eq!(Some(lease.token), made.lease);
    let then = the_session(&handle, old.id).await;
    assert_eq!((then.continued_as, then.ended), (Some(made.id), true));
    assert_eq!((then.workspace, then.parent, then.status), (None, None, SessionStatus::Idle));
    assert_eq!(handle.lease(old.id).await.expect("an answer"), None);
    assert_eq!(texts(&lab.store, caller, old.id).await, ["a", "b"], "its log stays");
    let above = handle.edge(edge).await.expect("an answer").expect("the edge");
    assert_eq!((above.parent, above.child), (parent, made.id));
    let workspace = now.workspace.expect("a workspace");
    let record = handle.workspace(workspace).await.expect("an answer").expect("its record");
    assert_eq!(record.session, Some(made.id));
    lab.agrees().await;
    // Once: also of many at once, and with its key it is answered again.
    let call = handle.continue_as(old.id, "another");
    let error = harmless(&lab.store, caller, lab.thread, ErrorKind::Precondition, call).await;
    match error {
        Error::AlreadyContinued { session, successor } => {
            assert_eq!((session, successor), (old.id, made.id));
        }
        other => panic!("{other}"),
    }
    let many = cx.session_in(&lab.store, caller, lab.thread).await;
    let others = [lab.another_store().await, lab.another_store().await];
    let at_once = (0..8).map(|i| {
        let handle = others[i % 2].as_caller(caller);
        async move { handle.continue_as(many, format!("{i}")).await }
    });
    let made = together(at_once).await;
    assert_eq!(made.iter().filter(|it| it.is_ok()).count(), 1);
    let keyed = caller.with_key("go on".into());
    let leased = cx.session_in(&lab.store, caller, lab.thread).await;
    let token = handle.claim_lease(leased, Duration::from_secs(60)).await.expect("a lease");
    let command = SessionCommand::ContinueAs {
        session: leased,
        successor: Box::new(NewSession::named("next").with_turn([says("x")])),
    };
    let keyed = keyed.with_lease(token);
    let once = lab.store.apply(&keyed, command.clone()).await.expect("a successor");
    let twice = others[0].apply(&keyed, command).await.expect("its answer");
    assert_eq!(once, twice);
    // Not while it waits for others.
    let source = handle
        .create_session(lab.thread, NewSession::named("s").owned_by(agent(caller, "owner")))
        .await
        .expect("a session");
    let owner = lab.store.as_caller(&as_agent(caller, "owner"));
    let two = [recipient(caller, "a"), recipient(caller, "b")];
    owner.broadcast(source, 0, two).await.expect("a broadcast");
    let call = owner.continue_as(source, "no");
    match harmless(&lab.store, caller, lab.thread, ErrorKind::Precondition, call).await {
        Error::IllegalTransition { from, .. } => {
            assert_eq!(from, State::Session(SessionStatus::AwaitingMerge));
        }
        other => panic!("{other}"),
    }
    stopped_anywhere(&lab).await;
    Verdict::Passed
}

/// The edge has its one child, and the session at most one successor, wherever it is stopped; asked again it has one.
async fn stopped_anywhere(lab: &Lab) {
    let handle = lab.handle();
    let mut stops = Stops::of(&lab.cx);
    while let Some(stop) = stops.next(lab).await {
        let thread = another_thread(lab).await;
        let parent = lab.cx.session_in(&lab.store, &lab.caller, thread).await;
        let made = handle.spawn(NewSubSession::under(parent), "first").await.expect("a child");
        let (edge, old) = (made.edge.expect("an edge"), made.id);
        let before = Seen::of(&handle, thread).await;
        let keyed = lab.caller.with_key("go on".into());
        let answer = stop.run(stop.store.as_caller(&keyed).continue_as(old, "next")).await;
        let continued = the_session(&handle, old).await.continued_as;
        stop.fits(answer.as_ref(), continued.is_some());
        if continued.is_none() {
            assert_eq!(Seen::of(&handle, thread).await, before, "{}", stop.what);
        }
        settle(lab, thread, &stop.what).await;
        let store = stop.next_store(lab).await;
        let made = store.as_caller(&keyed).continue_as(old, "next").await.expect("asked again");
        assert_eq!(the_session(&handle, old).await.continued_as, Some(made.id));
        assert_eq!(the_session(&handle, made.id).await.continues, Some(old));
        let above = handle.edge(edge).await.expect("an answer").expect("the edge");
        assert_eq!((above.child, above.status), (made.id, SubSessionStatus::Pending));
        clear(lab, thread).await;
    }
}
