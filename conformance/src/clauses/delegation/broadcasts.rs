//! BRD, SUB8: a session is handed to several at once, all or none, and waits until the last of them has come to an end.

use std::time::Duration;

use sessile_core::{
    Error, ErrorKind, Handle,
    command::{
        ContextSelection, Expect, Inheritance, NewRun, NewSession, NewSubSession, SessionCommand,
    },
    error::State,
    id::{SessionId, ThreadId},
    model::{
        CompletionMode, NewSummary, ProjectConfig, RunOutcome, SessionStatus, SubSession,
        SubSessionStatus, SummaryOutcome,
    },
    store::SessionStore,
    workspace::{Reap, ReapOutcome},
};

use super::handoffs::{agent, as_agent, is_certain, recipient, the_session};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        shorthand::{head, says, sessions, texts},
        stops::{Seen, Stops, another_thread, clear, polled, settle},
        workspaces::Lab,
    },
};

crate::clauses! { BRD1 => brd1, BRD2 => brd2, BRD3 => brd3, BRD4 => brd4, BRD5 => brd5, SUB8 => sub8 }

async fn source_of(lab: &Lab) -> SessionId {
    source_in(lab, lab.thread).await
}

async fn source_in(lab: &Lab, thread: ThreadId) -> SessionId {
    let new = NewSession::named("source")
        .owned_by(agent(&lab.caller, "owner"))
        .with_turn([says("a"), says("b")]);
    lab.handle().create_session(thread, new).await.expect("a session")
}

/// A recipient whose result is merged back.
fn merging(lab: &Lab, source: SessionId, name: &str) -> NewSession {
    let edge = NewSubSession {
        completion_mode: CompletionMode::MergeBack,
        ..NewSubSession::handoff_of(source).inheriting(Inheritance::FullHistory)
    };
    recipient(&lab.caller, name).under(edge)
}

async fn edges_of(handle: &Handle, source: SessionId) -> Vec<SubSession> {
    handle.children(source).all().await.expect("a list")
}

/// A retry with its key gets the same answer, whatever the recipients inherited and said, and though an edge is gone.
async fn asked_again(lab: &Lab) {
    let all = || Inheritance::HeadSnapshot { max_tokens: None };
    let last = || Inheritance::Selective(ContextSelection { last: Some(1), ..Default::default() });
    let cases = [
        [Inheritance::FullHistory, Inheritance::Empty],
        [all(), last()],
        [all(), Inheritance::Empty],
        [last(), last()],
    ];
    for (at, inherited) in cases.into_iter().enumerate() {
        let source = source_of(lab).await;
        let keyed = as_agent(&lab.caller, "owner").with_key(format!("once {at}").into());
        let recipient = |(name, inherit)| {
            let edge = NewSubSession::handoff_of(source).inheriting(inherit);
            recipient(&lab.caller, name).under(edge).with_turn([says("go on"), says("now")])
        };
        let recipients = ["a", "b"].into_iter().zip(inherited).map(recipient).collect();
        let command = SessionCommand::Broadcast { expected: 0, recipients };
        let once = lab.store.apply(&keyed, command.clone()).await.expect("a broadcast");
        let before = head(&lab.store, &lab.caller, lab.thread).await;
        let other = lab.another_store().await;
        assert_eq!(other.apply(&keyed, command.clone()).await.expect("its answer"), once);
        assert_eq!(head(&lab.store, &lab.caller, lab.thread).await, before);
        if at > 1 {
            let edge = edges_of(&lab.handle(), source).await.remove(0);
            lab.handle().delete_edge(edge.id).await.expect("its edge goes");
            assert_eq!(other.apply(&keyed, command).await.expect("its answer"), once);
        }
    }
}

/// All recipients, or none: the source waits for them, keeps its owner, and one more handoff is counted.
pub async fn brd1(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let owner = lab.store.as_caller(&as_agent(&lab.caller, "owner"));
    let source = source_of(&lab).await;
    let names = ["a", "b", "c"];
    let made = owner.broadcast(source, 0, names.map(|name| merging(&lab, source, name))).await;
    let made = made.expect("a broadcast");
    assert_eq!(made.len(), 3);
    let now = the_session(&owner, source).await;
    assert_eq!((now.status, now.owner_version), (SessionStatus::AwaitingMerge, 1));
    assert_eq!(now.current_actor, Some(agent(&lab.caller, "owner")));
    assert_eq!(now.previous_actors, []);
    let edges = edges_of(&owner, source).await;
    assert_eq!(
        edges.iter().map(|it| it.child).collect::<Vec<_>>(),
        made.iter().map(|it| it.id).collect::<Vec<_>>()
    );
    assert!(edges.iter().all(|it| it.broadcast.is_some() && it.broadcast == edges[0].broadcast));
    for (child, name) in made.iter().zip(names) {
        let it = the_session(&owner, child.id).await;
        assert_eq!(it.current_actor, Some(agent(&lab.caller, name)));
        assert_eq!(owner.context(child.id).await.expect("a context").messages.len(), 3);
    }
    // While it waits nothing is started in it, and nothing else is handed over.
    refused(owner.start_run(source, NewRun::default()).await, ErrorKind::Precondition);
    refused(owner.hand_off(source, 1, recipient(&lab.caller, "d")).await, ErrorKind::Precondition);
    let store = lab.another_store().await;
    assert_eq!(the_session(&store.as_caller(&lab.caller), source).await, now);
    asked_again(&lab).await;
    Verdict::Passed
}

/// Fewer than two, two of one owner, of several sources, without an owner, or with what no recipient begins with.
pub async fn brd2(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let owner = as_agent(&lab.caller, "owner");
    let (source, other) = (source_of(&lab).await, source_of(&lab).await);
    let a = || merging(&lab, source, "a").with_workspace(lab.new_workspace("a"));
    let b = || merging(&lab, source, "b").with_workspace(lab.new_workspace("b"));
    let plain = |edge: NewSubSession| recipient(&lab.caller, "b").under(edge);
    let nobody = NewSession { actor: None, ..b() };
    let spawned = plain(NewSubSession::under(source));
    for recipients in [
        vec![],
        vec![a()],
        vec![a(), a()],
        vec![a(), nobody],
        vec![a(), merging(&lab, other, "b")],
        vec![a(), spawned],
        vec![a(), NewSession { parent: None, ..b() }],
        vec![a(), b().with_external_id("x")],
        vec![a(), b().with_lease(Duration::from_secs(1))],
        vec![a(), NewSession { parent: None, ..b() }.fork_of(source, None)],
        (0..65).map(|i| merging(&lab, source, &format!("r{i}"))).collect(),
    ] {
        let command = SessionCommand::Broadcast { expected: 0, recipients };
        let call = lab.store.apply(&owner, command);
        harmless(&lab.store, &lab.caller, lab.thread, ErrorKind::Invalid, call).await;
    }
    assert_eq!(lab.records().await, []);
    assert_eq!(lab.held().await, []);
    Verdict::Passed
}

/// Stopped anywhere, all of it is there or none, and what was made for nothing is told and goes.
pub async fn brd3(cx: ClauseContext) -> Verdict {
    let lab = Lab::with(&cx, ProjectConfig::default().with_max_delegation_width(1000)).await;
    let (handle, owner) = (lab.handle(), as_agent(&lab.caller, "owner"));
    let recipients = |source| {
        ["a", "b", "c"]
            .map(|name| merging(&lab, source, name).with_workspace(lab.new_workspace(name)))
    };
    // The last of three workspaces cannot be made: the two before it are removed again.
    let source = source_of(&lab).await;
    let mut failing = recipients(source);
    failing[2] = merging(&lab, source, "c")
        .with_workspace(lab.new_workspace("c").from_base("no-such-base-anywhere"));
    let error = lab.store.as_caller(&owner).broadcast(source, 0, failing).await;
    match error.expect_err("no such base") {
        Error::NotHandedOff { undone } => {
            assert_eq!((undone.made, undone.left.as_slice()), (2, &[][..]));
            assert_eq!(undone.cause.kind(), ErrorKind::Invalid);
        }
        other => panic!("{other}"),
    }
    assert_eq!(the_session(&handle, source).await.status, SessionStatus::Idle);
    assert_eq!(lab.held().await, []);
    let whole_or_none = async |source: SessionId| {
        let (it, edges) = (the_session(&handle, source).await, edges_of(&handle, source).await);
        match it.owner_version {
            0 => {
                assert!(edges.is_empty());
                assert!(matches!(it.status, SessionStatus::Idle | SessionStatus::Locked));
                assert_eq!(it.entries, 2);
            }
            1 => {
                assert_eq!((edges.len(), it.status), (3, SessionStatus::AwaitingMerge));
                assert_eq!(it.entries, 5, "a marker for each");
                for edge in edges {
                    assert!(the_session(&handle, edge.child).await.workspace.is_some());
                }
            }
            other => panic!("{other} handoffs"),
        }
    };
    let mut stops = Stops::of(&cx);
    while let Some(stop) = stops.next(&lab).await {
        let thread = another_thread(&lab).await;
        let source = source_in(&lab, thread).await;
        let before = Seen::of(&handle, thread).await;
        let keyed = owner.with_key("broadcast".into());
        let call = stop.store.as_caller(&keyed);
        let answer = stop.run(call.broadcast(source, 0, recipients(source))).await;
        whole_or_none(source).await;
        let happened = the_session(&handle, source).await.owner_version == 1;
        stop.fits(answer.as_ref(), happened);
        if !happened && answer.is_some_and(|it| it.is_err_and(|e| is_certain(&e))) {
            assert_eq!(Seen::of(&handle, thread).await, before, "{}, at once", stop.what);
        }
        settle(&lab, thread, &stop.what).await;
        if !happened {
            assert_eq!(Seen::of(&handle, thread).await, before, "{}", stop.what);
        }
        let again = stop.next_store(&lab).await.as_caller(&keyed);
        let made = again.broadcast(source, 0, recipients(source)).await.expect("asked again");
        let made: Vec<_> = made.iter().map(|it| it.id).collect();
        let edges = edges_of(&handle, source).await;
        assert_eq!(edges.iter().map(|it| it.child).collect::<Vec<_>>(), made, "{}", stop.what);
        clear(&lab, thread).await;
    }
    stopped_while_undoing(&lab).await;
    for polls in 0..cx.times(10) {
        let source = source_of(&lab).await;
        let call = lab.store.as_caller(&owner);
        let made = polled(polls, call.broadcast(source, 0, recipients(source))).await;
        if made.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        whole_or_none(source).await;
        if let Some(made) = made {
            assert_eq!(made.expect("a broadcast").len(), 3);
        }
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    lab.makers_are_late();
    for reaped in lab.reap(Reap::new()).await {
        assert_eq!(reaped.outcome, ReapOutcome::Removed, "{reaped:?}");
    }
    lab.agrees().await;
    Verdict::Passed
}

/// The last of three workspaces cannot be made: at whichever call what follows from that is stopped, the source is what it was
/// after the sweep, and the two others are gone.
async fn stopped_while_undoing(lab: &Lab) {
    let (handle, owner) = (lab.handle(), as_agent(&lab.caller, "owner"));
    let mut stops = Stops::of(&lab.cx);
    while let Some(stop) = stops.next(lab).await {
        let thread = another_thread(lab).await;
        let source = source_in(lab, thread).await;
        let before = Seen::of(&handle, thread).await;
        let mut recipients = ["a", "b", "c"]
            .map(|name| merging(lab, source, name).with_workspace(lab.new_workspace(name)));
        let bad = lab.new_workspace("bad").from_base("no-such-base-anywhere");
        recipients[2] = merging(lab, source, "c").with_workspace(bad);
        let call = stop.store.as_caller(&owner);
        let answer = stop.run(call.broadcast(source, 0, recipients)).await;
        assert!(answer.is_none_or(|it| it.is_err()), "{}", stop.what);
        settle(lab, thread, &stop.what).await;
        assert_eq!(Seen::of(&handle, thread).await, before, "{}", stop.what);
    }
}

async fn step(handle: &Handle, edge: &SubSession, to: SubSessionStatus) {
    let now = handle.edge(edge.id).await.expect("an answer").expect("the edge");
    handle.step_merge(edge.id, now.version, to).await.expect("a step");
}

/// A run that begins and ends: the edge above is idle, or failed.
async fn work(handle: &Handle, child: SessionId, outcome: RunOutcome) {
    let run = handle.start_run(child, NewRun::default()).await.expect("a run");
    handle.end_run(run, outcome).await.expect("its end");
}

/// The commit that ends the last recipient's part also ends the wait of the source, whichever way the parts end.
pub async fn brd4(cx: ClauseContext) -> Verdict {
    use SubSessionStatus::{MergeConflict, MergeRejected, Merged, Merging, PendingMerge};
    let lab = Lab::with(&cx, ProjectConfig::default().with_max_delegation_width(1000)).await;
    let (handle, owner) = (lab.handle(), as_agent(&lab.caller, "owner"));
    let status = async |source| the_session(&handle, source).await.status;
    // Ways to come to an end, each of them last once.
    for last in 0..5 {
        let source = source_of(&lab).await;
        let by_summary = recipient(&lab.caller, "s");
        let recipients = ["merged", "rejected", "failed", "gone"]
            .map(|name| merging(&lab, source, name))
            .into_iter()
            .chain([by_summary]);
        let made = lab.store.as_caller(&owner).broadcast(source, 0, recipients).await;
        let made = made.expect("a broadcast");
        let edges = edges_of(&handle, source).await;
        for way in (0..5).map(|i| (i + last + 1) % 5) {
            assert_eq!(status(source).await, SessionStatus::AwaitingMerge, "before way {way}");
            let (child, edge) = (made[way].id, &edges[way]);
            match way {
                0 => {
                    work(&handle, child, RunOutcome::Succeeded).await;
                    for to in [PendingMerge, Merging, Merged] {
                        assert_eq!(status(source).await, SessionStatus::AwaitingMerge);
                        step(&handle, edge, to).await;
                    }
                }
                1 => {
                    work(&handle, child, RunOutcome::Succeeded).await;
                    for to in [PendingMerge, Merging, MergeConflict, MergeRejected] {
                        assert_eq!(status(source).await, SessionStatus::AwaitingMerge);
                        step(&handle, edge, to).await;
                    }
                }
                2 => {
                    work(&handle, child, RunOutcome::Failed { reason: "no luck".into() }).await;
                }
                3 => handle.delete_edge(edge.id).await.expect("the edge goes"),
                _ => {
                    let summary = NewSummary::new(SummaryOutcome::Partial, "some of it");
                    handle.seal_summary(child, summary).await.expect("a summary");
                }
            }
        }
        assert_eq!(status(source).await, SessionStatus::Idle, "way {last} was the last");
        // It goes on.
        work(&handle, source, RunOutcome::Succeeded).await;
    }
    // A summary of the source ends its wait, too.
    let source = source_of(&lab).await;
    let two = [merging(&lab, source, "a"), merging(&lab, source, "b")];
    lab.store.as_caller(&owner).broadcast(source, 0, two).await.expect("a broadcast");
    let summary = NewSummary::new(SummaryOutcome::Failed, "without them");
    handle.seal_summary(source, summary).await.expect("a summary");
    assert_eq!(status(source).await, SessionStatus::Idle);
    let edges = edges_of(&handle, source).await;
    work(&handle, edges[0].child, RunOutcome::Failed { reason: "late".into() }).await;
    work(&handle, edges[1].child, RunOutcome::Failed { reason: "late".into() }).await;
    assert_eq!(status(source).await, SessionStatus::Idle);
    Verdict::Passed
}

/// Merging back goes through its states, and brings what is new to the source.
pub async fn brd5(cx: ClauseContext) -> Verdict {
    use SubSessionStatus::{Merged, Merging, PendingMerge};
    let lab = Lab::new(&cx).await;
    let (handle, owner) = (lab.handle(), as_agent(&lab.caller, "owner"));
    let source = source_of(&lab).await;
    let two = [merging(&lab, source, "a"), merging(&lab, source, "b")];
    let made = lab.store.as_caller(&owner).broadcast(source, 0, two).await.expect("it");
    let edges = edges_of(&handle, source).await;
    for (child, edge) in made.iter().zip(&edges) {
        handle.append(child.id, says(format!("by {}", edge.child))).await.expect("an entry");
        work(&handle, child.id, RunOutcome::Succeeded).await;
        step(&handle, edge, PendingMerge).await;
        step(&handle, edge, Merging).await;
        handle.merge_fork(child.id, Expect::Any).await.expect("merged").expect("what is new");
        step(&handle, edge, Merged).await;
    }
    let by = |i: usize| format!("by {}", edges[i].child);
    let want = ["a".into(), "b".into(), "go on".into(), by(0), "go on".into(), by(1)];
    assert_eq!(texts(&lab.store, &lab.caller, source).await, want);
    assert_eq!(the_session(&handle, source).await.status, SessionStatus::Idle);
    assert_eq!(sessions(&lab.store, &lab.caller, lab.thread).await.len(), 3);
    Verdict::Passed
}

/// Every step of an edge is one of its machine, any other is refused with both states; an edge that returns a summary is not
/// merged, and an edge that waits for its merge counts for the width.
pub async fn sub8(cx: ClauseContext) -> Verdict {
    use SubSessionStatus::{
        Active, Failed, Idle, MergeConflict, MergeRejected, Merged, Merging, Pending, PendingMerge,
    };
    let lab = Lab::with(&cx, ProjectConfig::default().with_max_delegation_width(1)).await;
    let handle = lab.handle();
    let all = [
        Pending,
        Active,
        Idle,
        Failed,
        PendingMerge,
        Merging,
        Merged,
        MergeConflict,
        MergeRejected,
    ];
    let legal = |from, to| {
        matches!(
            (from, to),
            (Idle, PendingMerge)
                | (PendingMerge, Merging | MergeRejected)
                | (Merging, Merged | MergeConflict)
                | (MergeConflict, Merging | MergeRejected)
        )
    };
    let ways: [(&[SubSessionStatus], SubSessionStatus); 8] = [
        (&[], Pending),
        (&[], Idle),
        (&[], Failed),
        (&[PendingMerge], PendingMerge),
        (&[PendingMerge, Merging], Merging),
        (&[PendingMerge, Merging, Merged], Merged),
        (&[PendingMerge, Merging, MergeConflict], MergeConflict),
        (&[PendingMerge, MergeRejected], MergeRejected),
    ];
    let parent = cx.session_in(&lab.store, &lab.caller, lab.thread).await;
    for (way, from) in ways {
        for to in all {
            let edge = NewSubSession {
                completion_mode: CompletionMode::MergeBack,
                ..NewSubSession::under(parent)
            };
            let made = handle.spawn(edge, "child").await.expect("the width is free");
            let id = made.edge.expect("an edge");
            match from {
                Pending => {}
                Failed => {
                    work(&handle, made.id, RunOutcome::Failed { reason: "no".into() }).await;
                }
                _ => work(&handle, made.id, RunOutcome::Succeeded).await,
            }
            let mut edge = handle.edge(id).await.expect("an answer").expect("the edge");
            for to in way {
                step(&handle, &edge, *to).await;
                edge = handle.edge(id).await.expect("an answer").expect("the edge");
            }
            assert_eq!(edge.status, from);
            // Said here: what counts is not for the code under judgement to say.
            if matches!(from, Pending | PendingMerge | Merging | MergeConflict) {
                let full = handle.spawn(NewSubSession::under(parent), "no").await;
                refused(full, ErrorKind::Capacity);
            }
            let call = handle.step_merge(id, edge.version, to);
            if legal(from, to) {
                let version = call.await.expect("a step");
                let now = handle.edge(id).await.expect("an answer").expect("the edge");
                assert_eq!((now.status, now.version), (to, version));
            } else {
                match harmless(&lab.store, &lab.caller, lab.thread, ErrorKind::Precondition, call)
                    .await
                {
                    Error::IllegalTransition { what, from: was, to: asked } => {
                        assert_eq!(what, id.into());
                        assert_eq!((was, asked), (State::Edge(from), State::Edge(to)));
                    }
                    other => panic!("{other}"),
                }
            }
            handle.delete_edge(id).await.expect("the edge goes");
        }
    }
    let made = handle.spawn(NewSubSession::under(parent), "child").await.expect("a child");
    work(&handle, made.id, RunOutcome::Succeeded).await;
    let id = made.edge.expect("an edge");
    let edge = handle.edge(id).await.expect("an answer").expect("the edge");
    let call = handle.step_merge(id, edge.version, PendingMerge);
    let error = harmless(&lab.store, &lab.caller, lab.thread, ErrorKind::Precondition, call).await;
    assert!(matches!(error, Error::NotMergeBack { edge } if edge == id), "{error}");
    // Compare and set.
    let update = sessile_core::command::UpdateEdge {
        completion_mode: Some(CompletionMode::MergeBack),
        ..Default::default()
    };
    handle.update_edge(id, edge.version, update).await.expect("an update");
    refused(handle.step_merge(id, edge.version, PendingMerge).await, ErrorKind::Stale);
    Verdict::Passed
}
