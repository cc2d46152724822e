//! HOF, SES6, SES9: a session is handed over once, whole, by its owner, and whoever owned it writes to it no more.

use std::time::Duration;

use sessile_core::{
    Caller, Error, ErrorKind, Handle,
    command::{
        CreatedSession, Inheritance, LinkSessions, NewRun, NewSession, NewSubSession,
        SessionCommand,
    },
    error::{Counter, State},
    id::{AgentId, SessionId},
    model::{
        Actor, Content, MarkerKind, ProjectConfig, Session, SessionStatus, SubSessionKind,
        SubSessionStatus,
    },
    store::SessionStore,
    workspace::FileChange,
};

use super::process_races;
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        concurrent::together,
        shorthand::{head, log, says, sessions, texts},
        stops::{Seen, Stops, another_thread, clear, polled, settle},
        workspaces::Lab,
    },
};

crate::clauses! {
    SES6 => ses6, SES9 => ses9, HOF1 => hof1, HOF2: Concurrent => hof2, HOF3 => hof3, HOF4 => hof4, HOF5 => hof5, HOF6 => hof6,
    HOF7 => hof7, HOF8 => hof8
}

/// An agent of the caller's tenant.
pub(in crate::clauses) fn agent(caller: &Caller, name: &str) -> Actor {
    let id = AgentId::new(name).expect("an id");
    Actor::Agent { tenant: caller.tenant.clone(), id, parent: None }
}

/// The same tenant, as this agent.
pub(super) fn as_agent(caller: &Caller, name: &str) -> Caller {
    Caller::new(caller.tenant.clone(), agent(caller, name))
}

pub(super) async fn the_session(handle: &Handle, id: SessionId) -> Session {
    handle.session(id).await.expect("an answer").expect("the session")
}

/// A session that an agent owns.
async fn owned(handle: &Handle, caller: &Caller, lab: &Lab, name: &str) -> SessionId {
    let new =
        NewSession::named("source").owned_by(agent(caller, name)).with_turn([says("a"), says("b")]);
    handle.create_session(lab.thread, new).await.expect("a session")
}

pub(in crate::clauses) fn recipient(caller: &Caller, name: &str) -> NewSession {
    NewSession::named(name).owned_by(agent(caller, name)).with_turn([says("go on")])
}

/// A handoff is one session for the recipient, one edge, one marker, another owner, and one more in the count.
pub async fn hof1(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let caller = &lab.caller;
    let source = owned(&lab.handle(), caller, &lab, "first").await;
    let first = lab.store.as_caller(&as_agent(caller, "first"));
    let before = head(&lab.store, caller, lab.thread).await;
    let inherit = Inheritance::HeadSnapshot { max_tokens: None };
    let edge = NewSubSession::handoff_of(source).for_purpose("review").inheriting(inherit);
    let new = recipient(caller, "second").under(edge);
    let made = first.hand_off(source, 0, new.clone()).await.expect("a handoff");
    let of_source = the_session(&first, source).await;
    assert_eq!(of_source.current_actor, Some(agent(caller, "second")));
    assert_eq!(of_source.previous_actors, [agent(caller, "first")]);
    assert_eq!((of_source.owner_version, of_source.status), (1, SessionStatus::Idle));
    let child = the_session(&first, made.id).await;
    assert_eq!(child.current_actor, Some(agent(caller, "second")));
    assert_eq!((child.status, child.owner_version), (SessionStatus::Idle, 0));
    assert_eq!(texts(&lab.store, caller, made.id).await, ["a", "b", "go on"]);
    let edge = first.edge(made.edge.expect("an edge")).await.expect("an answer").expect("it");
    assert_eq!((edge.parent, edge.child), (source, made.id));
    assert_eq!((edge.kind, edge.status), (SubSessionKind::UserHandoff, SubSessionStatus::Pending));
    assert_eq!((edge.purpose.as_deref(), edge.broadcast), (Some("review"), None));
    let marker = log(&lab.store, caller, source, 10).await.pop().expect("the marker");
    match marker.content {
        Some(Content::Marker(it)) => {
            assert_eq!((it.kind, it.session, it.edge), (MarkerKind::HandedOff, made.id, made.edge));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(sessions(&lab.store, caller, lab.thread).await.len(), 2, "one more session");
    // The owner changed, the session, its edge, three entries, the marker.
    assert_eq!(head(&lab.store, caller, lab.thread).await, before + 7);
    let store = lab.another_store().await;
    assert_eq!(the_session(&store.as_caller(caller), source).await, of_source);
    // The lease that it was handed over under is over, too: the next owner need not wait for it.
    let second = lab.store.as_caller(&as_agent(caller, "second"));
    let token = second.claim_lease(source, Duration::from_secs(60)).await.expect("a lease");
    let leased = second.with_lease(token);
    leased.hand_off(source, 1, recipient(caller, "second")).await.expect("handed over");
    assert_eq!(second.lease(source).await.expect("an answer"), None);
    // With a key the same answer, whatever happened since.
    let second = as_agent(caller, "second");
    let keyed = second.with_key("hand it on".into());
    let again = SessionCommand::HandOff {
        expected: 2,
        recipient: Box::new(recipient(caller, "third").under(NewSubSession::handoff_of(source))),
    };
    let once = lab.store.apply(&keyed, again.clone()).await.expect("a handoff");
    let twice = store.apply(&keyed, again).await.expect("its answer");
    assert_eq!(once, twice);
    assert_eq!(sessions(&lab.store, caller, lab.thread).await.len(), 4);
    Verdict::Passed
}

/// Of many handoffs on one version exactly one is, in however many processes; the others are told which it is now.
pub async fn hof2(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let caller = &lab.caller;
    let others = [lab.another_store().await, lab.another_store().await];
    for round in 0..cx.times(4) {
        let source = owned(&lab.handle(), caller, &lab, "owner").await;
        let owner = as_agent(caller, "owner");
        let at_once = (0..6).map(|i| {
            let handle = others[i % 2].as_caller(&owner);
            let new = recipient(caller, &format!("r{i}"));
            async move { handle.hand_off(source, 0, new).await }
        });
        let (made, refusals): (Vec<_>, Vec<_>) =
            together(at_once).await.into_iter().partition(Result::is_ok);
        assert_eq!(made.len(), 1, "round {round}");
        for refusal in refusals {
            match refused(refusal, ErrorKind::Stale) {
                Error::Stale { what, counter, expected, actual } => {
                    assert_eq!(what, source.into());
                    assert_eq!((counter, expected, actual), (Counter::OwnerVersion, 0, 1));
                }
                other => panic!("{other}"),
            }
        }
        let made = made[0].as_ref().expect("a handoff");
        let children = lab.handle().children(source).all().await.expect("a list");
        assert_eq!(children.iter().map(|it| it.child).collect::<Vec<_>>(), [made.id]);
        lab.handle().delete_edge(made.edge.expect("an edge")).await.expect("its edge goes");
    }
    process_races::two_handoffs(&cx, cx.scale(20, 1000)).await;
    Verdict::Passed
}

/// Only the owner hands a session over, and only an idle one; the refusal says why.
pub async fn hof3(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let caller = &lab.caller;
    let source = owned(&lab.handle(), caller, &lab, "owner").await;
    let owner = lab.store.as_caller(&as_agent(caller, "owner"));
    let mut others = vec![as_agent(caller, "other"), caller.clone()];
    others.push(Caller::new(
        caller.tenant.clone(),
        Actor::System { tenant: caller.tenant.clone(), role: AgentId::new("owner").expect("it") },
    ));
    for other in others {
        let handle = lab.store.as_caller(&other);
        let call = handle.hand_off(source, 0, recipient(caller, "r"));
        let error = harmless(&lab.store, caller, lab.thread, ErrorKind::Fenced, call).await;
        match error {
            Error::NotOwner { session, owner } => {
                assert_eq!((session, *owner), (source, agent(caller, "owner")));
            }
            other => panic!("{other}"),
        }
    }
    let steps = [SessionStatus::Active, SessionStatus::AwaitingHitl, SessionStatus::Failed];
    for status in steps {
        owner.set_status(source, status).await.expect("a status");
        let call = owner.hand_off(source, 0, recipient(caller, "r"));
        let error = harmless(&lab.store, caller, lab.thread, ErrorKind::Precondition, call).await;
        match error {
            Error::IllegalTransition { what, from, to } => {
                assert_eq!(what, source.into());
                assert_eq!(from, State::Session(status));
                assert_eq!(to, State::Session(SessionStatus::Locked));
            }
            other => panic!("{other}"),
        }
    }
    owner.reopen_session(source).await.expect("reopened");
    owner.set_status(source, SessionStatus::Idle).await.expect("idle");
    // What an agent is made to act by does not make it another.
    let made_to_act = Actor::Agent {
        tenant: caller.tenant.clone(),
        id: AgentId::new("owner").expect("an id"),
        parent: Some(Box::new(caller.actor.clone())),
    };
    let same = lab.store.as_caller(&Caller::new(caller.tenant.clone(), made_to_act));
    same.hand_off(source, 0, recipient(caller, "r")).await.expect("it is the owner");
    // Without an owner anybody may.
    let free = cx.session_in(&lab.store, caller, lab.thread).await;
    lab.handle().hand_off(free, 0, recipient(caller, "r")).await.expect("a handoff");
    let it = the_session(&lab.handle(), free).await;
    assert_eq!((it.previous_actors.len(), it.owner_version), (0, 1));
    Verdict::Passed
}

/// The source is as it was, and nothing else is there, wherever a handoff is stopped; or all of it is.
pub async fn hof4(cx: ClauseContext) -> Verdict {
    let lab = Lab::with(&cx, ProjectConfig::default().with_max_delegation_width(1000)).await;
    let caller = &lab.caller;
    let handle = lab.handle();
    let source = owned(&handle, caller, &lab, "owner").await;
    let owner = as_agent(caller, "owner");
    let new = || {
        let inherit = Inheritance::HeadSnapshot { max_tokens: None };
        recipient(caller, "owner")
            .under(NewSubSession::handoff_of(source).inheriting(inherit))
            .with_workspace(lab.new_workspace("handed"))
    };
    // The driver fails.
    let failing = new().with_workspace(lab.new_workspace("bad").from_base("no-such-base-anywhere"));
    let before = the_session(&handle, source).await;
    let refusal = lab.store.as_caller(&owner).hand_off(source, 0, failing).await;
    assert!(refusal.is_err());
    is_as_before(&lab, &handle, source, &before).await;
    // Dropped after each number of polls.
    for polls in 0..cx.times(10) {
        let before = the_session(&handle, source).await;
        let at = before.owner_version;
        match polled(polls, lab.store.as_caller(&owner).hand_off(source, at, new())).await {
            Some(made) => is_whole(&handle, source, at + 1, &made.expect("a handoff")).await,
            None => {
                tokio::time::sleep(Duration::from_millis(10)).await;
                lab.makers_are_late();
                if the_session(&handle, source).await.owner_version == at {
                    is_released(&lab, &handle, source, &before).await;
                }
            }
        }
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    lab.makers_are_late();
    lab.reap_all().await;
    lab.agrees().await;
    stopped_anywhere(&lab).await;
    stopped_while_undoing(&lab).await;
    Verdict::Passed
}

/// At whichever call a handoff is stopped, it is whole, or the source is what it was: at once where the store could still
/// take back what it had done, else after the sweep. Asked again there is one handoff.
async fn stopped_anywhere(lab: &Lab) {
    let (handle, owner) = (lab.handle(), as_agent(&lab.caller, "owner"));
    let mut stops = Stops::of(&lab.cx);
    while let Some(stop) = stops.next(lab).await {
        let thread = another_thread(lab).await;
        let source = NewSession::named("source")
            .owned_by(owner.actor.clone())
            .with_turn([says("a"), says("b")]);
        let source = handle.create_session(thread, source).await.expect("a session");
        let before = Seen::of(&handle, thread).await;
        let new = || {
            let inherit = Inheritance::HeadSnapshot { max_tokens: None };
            recipient(&lab.caller, "next")
                .under(NewSubSession::handoff_of(source).inheriting(inherit))
                .with_workspace(lab.new_workspace("handed"))
        };
        let keyed = owner.with_key("hand off".into());
        let answer = stop.run(stop.store.as_caller(&keyed).hand_off(source, 0, new())).await;
        let happened = the_session(&handle, source).await.owner_version == 1;
        stop.fits(answer.as_ref(), happened);
        if !happened && answer.is_some_and(|it| it.is_err_and(|e| is_certain(&e))) {
            assert_eq!(Seen::of(&handle, thread).await, before, "{}, at once", stop.what);
        }
        settle(lab, thread, &stop.what).await;
        if !happened {
            assert_eq!(Seen::of(&handle, thread).await, before, "{}", stop.what);
        }
        let store = stop.next_store(lab).await;
        let again = store.as_caller(&keyed).hand_off(source, 0, new()).await;
        let made = again.unwrap_or_else(|error| panic!("{}, asked again: {error}", stop.what));
        is_whole(&handle, source, 1, &made).await;
        let children = handle.children(source).all().await.expect("a list");
        assert_eq!(children.iter().map(|it| it.child).collect::<Vec<_>>(), [made.id]);
        clear(lab, thread).await;
    }
}

/// The driver fails: at whichever call what follows from that is stopped, the source is what it was after the sweep, and
/// another handoff goes on.
async fn stopped_while_undoing(lab: &Lab) {
    let (handle, owner) = (lab.handle(), as_agent(&lab.caller, "owner"));
    let mut stops = Stops::of(&lab.cx);
    while let Some(stop) = stops.next(lab).await {
        let thread = another_thread(lab).await;
        let source = NewSession::named("source").owned_by(owner.actor.clone());
        let source = handle.create_session(thread, source).await.expect("a session");
        let before = Seen::of(&handle, thread).await;
        let bad = lab.new_workspace("bad").from_base("no-such-base-anywhere");
        let bad = recipient(&lab.caller, "next").with_workspace(bad);
        let call = stop.store.as_caller(&owner);
        let answer = stop.run(call.hand_off(source, 0, bad)).await;
        assert!(answer.is_none_or(|it| it.is_err()), "{}", stop.what);
        settle(lab, thread, &stop.what).await;
        assert_eq!(Seen::of(&handle, thread).await, before, "{}", stop.what);
        let again = stop.next_store(lab).await.as_caller(&owner);
        let made = again.hand_off(source, 0, recipient(&lab.caller, "next")).await;
        is_whole_without(&handle, source, &made.expect("a handoff")).await;
    }
}

async fn is_whole_without(handle: &Handle, source: SessionId, made: &CreatedSession) {
    let now = the_session(handle, source).await;
    assert_eq!((now.owner_version, now.status), (1, SessionStatus::Idle));
    let child = the_session(handle, made.id).await;
    assert!(child.workspace.is_none() && child.parent == made.edge);
}

/// Whether it says for certain that nothing was done.
pub(super) fn is_certain(error: &Error) -> bool {
    error.kind() != ErrorKind::Indeterminate
}

/// Nothing changed but times and versions.
async fn is_as_before(lab: &Lab, handle: &Handle, source: SessionId, before: &Session) {
    let now = the_session(handle, source).await;
    assert_eq!(now.status, before.status);
    assert_eq!(now.current_actor, before.current_actor);
    assert_eq!(now.previous_actors, before.previous_actors);
    assert_eq!((now.owner_version, now.tail), (before.owner_version, before.tail));
    assert_eq!(now.entries, before.entries);
    let children = handle.children(source).all().await.expect("a list");
    let all = sessions(&lab.store, &lab.caller, lab.thread).await;
    assert_eq!(all.len(), children.len() + 1, "no session without its edge");
    assert_eq!(children.len() as u64, before.owner_version, "a child for each handoff");
}

/// The same, where a lock may be left whose time is over: another handoff takes it.
async fn is_released(lab: &Lab, handle: &Handle, source: SessionId, before: &Session) {
    let now = the_session(handle, source).await;
    assert!(matches!(now.status, SessionStatus::Idle | SessionStatus::Locked), "{}", now.status);
    assert_eq!(now.current_actor, before.current_actor);
    assert_eq!((now.owner_version, now.tail), (before.owner_version, before.tail));
    let children = handle.children(source).all().await.expect("a list");
    let all = sessions(&lab.store, &lab.caller, lab.thread).await;
    assert_eq!(all.len(), children.len() + 1);
    assert_eq!(children.len() as u64, before.owner_version);
}

async fn is_whole(handle: &Handle, source: SessionId, handed: u64, made: &CreatedSession) {
    let now = the_session(handle, source).await;
    assert_eq!((now.owner_version, now.status), (handed, SessionStatus::Idle));
    assert_eq!(now.previous_actors.len() as u64, handed);
    let child = the_session(handle, made.id).await;
    assert!(child.workspace.is_some() && child.parent == made.edge);
}

/// A lock that outlives its time is taken by another handoff, and whoever comes late with the first is fenced.
pub async fn hof5(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let caller = &lab.caller;
    let source = owned(&lab.handle(), caller, &lab, "owner").await;
    let owner = as_agent(caller, "owner");
    let new = |name: &str| recipient(caller, name).with_workspace(lab.new_workspace(name));
    if lab.can.in_journal {
        // The lock is there between two commits: another handoff comes before the second of them.
        let (other, thread) = (lab.another_store().await, lab.thread);
        let (late_owner, late_caller) = (owner.clone(), caller.clone());
        let clock = std::sync::Arc::clone(&lab.clock);
        let meanwhile = async move {
            let handle = other.as_caller(&late_owner);
            let early = handle.hand_off(source, 0, recipient(&late_caller, "early")).await;
            refused(early, ErrorKind::Precondition);
            let status = the_session(&handle, source).await.status;
            assert_eq!(status, SessionStatus::Locked);
            let archived = other.as_caller(&late_caller).archive_thread(thread).await;
            refused(archived, ErrorKind::Precondition);
            clock.advance(Duration::from_secs(3600));
            handle.hand_off(source, 0, recipient(&late_caller, "winner")).await.map(|_| ())
        };
        let journal = crate::internal::fault::InterruptedJournal::after(
            cx.journal().await,
            crate::internal::fault::Call::Commit,
            1,
            meanwhile,
        );
        let store = cx.store_over(journal, std::sync::Arc::clone(&lab.clock), |it| it);
        let late = store.as_caller(&owner).hand_off(source, 0, new("late")).await;
        match late.expect_err("another was there") {
            Error::NotHandedOff { undone } => {
                assert!(
                    matches!(undone.cause, Error::Stale { .. } | Error::Fenced { .. }),
                    "{undone:?}"
                );
            }
            Error::Stale { .. } | Error::Fenced { .. } => {}
            other => panic!("{other}"),
        }
        let now = the_session(&lab.handle(), source).await;
        assert_eq!(now.current_actor, Some(agent(caller, "winner")));
        assert_eq!((now.owner_version, now.status), (1, SessionStatus::Idle));
        assert_eq!(lab.handle().children(source).all().await.expect("a list").len(), 1);
        assert_eq!(sessions(&lab.store, caller, lab.thread).await.len(), 2);
    } else {
        let made = lab.store.as_caller(&owner).hand_off(source, 0, new("next")).await;
        made.expect("a handoff");
    }
    lab.reap_all().await;
    lab.agrees().await;
    Verdict::Passed
}

/// Whoever follows the thread sees a handoff when it is done, and all of it.
pub async fn hof6(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let caller = &lab.caller;
    let source = owned(&lab.handle(), caller, &lab, "owner").await;
    let before = head(&lab.store, caller, lab.thread).await;
    let other = lab.another_store().await;
    let mut following = other.as_caller(caller).changes(lab.thread).after(before).follow();
    let owner = lab.store.as_caller(&as_agent(caller, "owner"));
    let hand_off = async { owner.hand_off(source, 0, recipient(caller, "r")).await };
    let follow = async {
        let mut kinds = Vec::new();
        while kinds.last().is_none_or(|kind| kind != "marker") {
            let record = following.try_next().await.expect("the feed").expect("a record");
            kinds.push(record.kind);
        }
        kinds
    };
    let (made, kinds) = tokio::join!(hand_off, follow);
    made.expect("a handoff");
    assert_eq!(kinds, ["handed_off", "session_created", "edge_created", "entry", "marker"]);
    Verdict::Passed
}

/// Neither across threads nor across tenants.
pub async fn hof7(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let caller = &lab.caller;
    let source = owned(&lab.handle(), caller, &lab, "owner").await;
    let owner = as_agent(caller, "owner");
    let far = cx.session(&lab.store, caller).await;
    let run = lab.handle().start_run(far, NewRun::default()).await.expect("a run");
    let edge = NewSubSession::handoff_of(source).spawned_by(run);
    let of_far_run = lab.store.as_caller(&owner);
    let call = of_far_run.hand_off(source, 0, recipient(caller, "r").under(edge));
    harmless(&lab.store, caller, lab.thread, ErrorKind::Precondition, call).await;
    let stranger = cx.caller_of("zenith", "zoe");
    let of_stranger = lab.store.as_caller(&stranger);
    let to_them = of_stranger.hand_off(source, 0, recipient(&stranger, "r"));
    harmless(&lab.store, caller, lab.thread, ErrorKind::TenantIsolation, to_them).await;
    let theirs = lab.store.as_caller(&owner);
    let call = theirs.hand_off(source, 0, recipient(&stranger, "r"));
    harmless(&lab.store, caller, lab.thread, ErrorKind::TenantIsolation, call).await;
    Verdict::Passed
}

/// Caps count edges of all kinds, and are looked at before anything is locked or made.
pub async fn hof8(cx: ClauseContext) -> Verdict {
    let config = ProjectConfig::default().with_max_delegation_width(3);
    let lab = Lab::with(&cx, config).await;
    let caller = &lab.caller;
    let source = owned(&lab.handle(), caller, &lab, "owner").await;
    let owner = lab.store.as_caller(&as_agent(caller, "owner"));
    owner.spawn(NewSubSession::under(source), "spawned").await.expect("a child");
    let loose = cx.session_in(&lab.store, caller, lab.thread).await;
    let edge = NewSubSession { kind: SubSessionKind::Intervention, ..NewSubSession::under(source) };
    owner.link_sessions(LinkSessions { child: loose, edge }).await.expect("an edge");
    let new = |name: &str| recipient(caller, name).with_workspace(lab.new_workspace(name));
    // One more fits, two do not.
    let call = owner.broadcast(source, 0, [new("a"), new("b")]);
    harmless(&lab.store, caller, lab.thread, ErrorKind::Capacity, call).await;
    assert_eq!(lab.held().await, []);
    assert_eq!(lab.records().await, []);
    owner.hand_off(source, 0, new("last")).await.expect("a handoff");
    let last = lab.store.as_caller(&as_agent(caller, "last"));
    let call = last.hand_off(source, 1, new("more"));
    harmless(&lab.store, caller, lab.thread, ErrorKind::Capacity, call).await;
    assert_eq!(lab.records().await.len(), 1);
    lab.agrees().await;
    Verdict::Passed
}

/// Owners are only ever added to those before, and each handoff counts one.
pub async fn ses6(cx: ClauseContext) -> Verdict {
    let lab = Lab::with(&cx, ProjectConfig::default().with_max_delegation_width(100)).await;
    let caller = &lab.caller;
    let source = owned(&lab.handle(), caller, &lab, "a0").await;
    let mut before = Vec::new();
    for n in 0..6_u64 {
        let name = format!("a{n}");
        let owner = lab.store.as_caller(&as_agent(caller, &name));
        let next = recipient(caller, &format!("a{}", n + 1));
        refused(owner.hand_off(source, n + 1, next.clone()).await, ErrorKind::Stale);
        let it = the_session(&owner, source).await;
        assert_eq!((it.previous_actors.as_slice(), it.owner_version), (before.as_slice(), n));
        // Other writes of the owner count for nothing.
        owner.append(source, says("still mine")).await.expect("an entry");
        owner.hand_off(source, n, next).await.expect("a handoff");
        before.push(agent(caller, &name));
    }
    let store = cx.reopen(lab.store).await;
    let it = the_session(&store.as_caller(caller), source).await;
    assert_eq!((it.previous_actors, it.owner_version), (before, 6));
    Verdict::Passed
}

/// Whoever owned a session before writes to it no more, and is told who owns it; people and parts of the system may, and a
/// session without an owner takes writes of anybody.
pub async fn ses9(cx: ClauseContext) -> Verdict {
    let lab = Lab::with(&cx, ProjectConfig::default().with_max_delegation_width(100)).await;
    let caller = &lab.caller;
    let source = owned(&lab.handle(), caller, &lab, "first").await;
    let first = as_agent(caller, "first");
    let handle = lab.store.as_caller(&first);
    handle.hand_off(source, 0, recipient(caller, "second")).await.expect("a handoff");
    let workspace = lab
        .handle()
        .create_workspace(source, lab.new_workspace("mine"))
        .await
        .expect("a workspace")
        .id()
        .expect("the kind is registered");
    let path = sessile_core::workspace::FilePath::new("a.txt").expect("a path");
    let version = the_session(&handle, source).await.version;
    let is_refused = |result: sessile_core::Result<()>| match result {
        Err(Error::NotOwner { session, owner }) => {
            assert_eq!((session, *owner), (source, agent(caller, "second")));
        }
        other => panic!("{other:?}"),
    };
    let before = head(&lab.store, caller, lab.thread).await;
    is_refused(handle.append(source, says("no")).await.map(drop));
    is_refused(handle.start_run(source, NewRun::default()).await.map(drop));
    is_refused(handle.set_status(source, SessionStatus::Active).await.map(drop));
    is_refused(handle.update_session(source, version, Default::default()).await.map(drop));
    is_refused(handle.claim_lease(source, Duration::from_secs(1)).await.map(drop));
    is_refused(handle.spawn(NewSubSession::under(source), "no").await.map(drop));
    is_refused(handle.change_files(workspace, [FileChange::write(path, "no")]).await.map(drop));
    is_refused(handle.dispose_of_workspace(workspace, true).await.map(drop));
    assert_eq!(head(&lab.store, caller, lab.thread).await, before, "none of it wrote");
    // Whoever never owned it, whoever owns it, people.
    let second = lab.store.as_caller(&as_agent(caller, "second"));
    for writer in [&second, &lab.store.as_caller(&as_agent(caller, "helper")), &lab.handle()] {
        writer.append(source, says("yes")).await.expect("an entry");
    }
    // Handed back, it is the owner's again.
    second.hand_off(source, 1, recipient(caller, "first")).await.expect("handed back");
    handle.append(source, says("mine again")).await.expect("an entry");
    let free = cx.session_in(&lab.store, caller, lab.thread).await;
    for name in ["a", "b"] {
        let anybody = lab.store.as_caller(&as_agent(caller, name));
        anybody.append(free, says(name)).await.expect("an entry");
    }
    Verdict::Passed
}
