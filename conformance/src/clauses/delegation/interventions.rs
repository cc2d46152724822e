//! INT: interventions that follow one upon the other.

use sessile_core::{
    Error, ErrorKind, Handle,
    command::{CreatedSession, LinkSessions, NewSession, NewSubSession, Paging, UpdateEdge},
    error::ForestRule,
    id::{SessionId, SubSessionId, SummaryId},
    model::{NewSummary, PrevArtifact, ProjectConfig, SubSession, SummaryOutcome},
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        shorthand::{pages, says},
        workspaces::Lab,
    },
};

crate::clauses! { INT1 => int1, INT2 => int2, INT3 => int3, INT4 => int4 }

async fn intervene(handle: &Handle, parent: SessionId, of: PrevArtifact) -> CreatedSession {
    let edge = NewSubSession::under(parent).answering(of);
    let session = NewSession::named("intervention").with_turn([says("stop")]);
    handle.spawn(edge, session).await.expect("an intervention")
}

async fn summary_of(handle: &Handle, session: SessionId) -> SummaryId {
    let summary = NewSummary::new(SummaryOutcome::Succeeded, "done");
    handle.seal_summary(session, summary).await.expect("a summary")
}

async fn the_edge(handle: &Handle, id: SubSessionId) -> SubSession {
    handle.edge(id).await.expect("an answer").expect("the edge")
}

async fn chain(handle: &Handle, edge: SubSessionId, limit: usize) -> Vec<SubSessionId> {
    let edges = pages(limit, |page| handle.interventions(edge, page)).await;
    edges.iter().map(|it| it.id).collect()
}

/// A chain is as long as the cap says and no longer, and has no cycle.
pub async fn int1(cx: ClauseContext) -> Verdict {
    let config =
        ProjectConfig::default().with_max_intervention_depth(3).with_max_delegation_width(100);
    let lab = Lab::with(&cx, config).await;
    let (handle, caller) = (lab.handle(), &lab.caller);
    let parent = cx.session_in(&lab.store, caller, lab.thread).await;
    let mut of = PrevArtifact::Leaf("ticket 17".into());
    let mut edges = Vec::new();
    for depth in 0..3 {
        let made = intervene(&handle, parent, of).await;
        edges.push(made.edge.expect("an edge"));
        assert_eq!(chain(&handle, edges[depth], 10).await.len(), depth, "exactly the cap is fine");
        of = PrevArtifact::Summary(summary_of(&handle, made.id).await);
    }
    let edge = || NewSubSession::under(parent).answering(of.clone());
    let call = handle.spawn(edge(), "one too many");
    let error = harmless(&lab.store, caller, lab.thread, ErrorKind::Capacity, call).await;
    match error {
        Error::Capacity { measure, limit, actual, .. } => {
            assert_eq!((measure, limit, actual), ("intervention depth", 3, 4));
        }
        other => panic!("{other}"),
    }
    let loose = cx.session_in(&lab.store, caller, lab.thread).await;
    let link = LinkSessions { child: loose, edge: edge() };
    harmless(&lab.store, caller, lab.thread, ErrorKind::Capacity, handle.link_sessions(link)).await;
    // An intervention of which it was not said yet cannot answer what came of itself.
    let bare = NewSubSession {
        kind: sessile_core::model::SubSessionKind::Intervention,
        ..NewSubSession::under(parent)
    };
    let first = handle.spawn(bare, NewSession::named("a").with_turn([says("a")])).await;
    let first = first.expect("an intervention");
    let of_first = summary_of(&handle, first.id).await;
    let second = intervene(&handle, parent, PrevArtifact::Summary(of_first)).await;
    let of_second = summary_of(&handle, second.id).await;
    for of in [of_first, of_second] {
        let id = first.edge.expect("an edge");
        let update =
            UpdateEdge { prev_artifact: Some(PrevArtifact::Summary(of)), ..UpdateEdge::default() };
        let version = the_edge(&handle, id).await.version;
        let call = handle.update_edge(id, version, update);
        let error = harmless(&lab.store, caller, lab.thread, ErrorKind::Precondition, call).await;
        match error {
            Error::NotAForest { reason, .. } => assert_eq!(reason, ForestRule::InterventionCycle),
            other => panic!("{other}"),
        }
    }
    // Nor can a session that exists be linked below one, to answer what came of itself.
    let alone = cx.session_in(&lab.store, caller, lab.thread).await;
    handle.append(alone, [says("alone")]).await.expect("work");
    let of_alone = summary_of(&handle, alone).await;
    let next = intervene(&handle, parent, PrevArtifact::Summary(of_alone)).await;
    let of_next = summary_of(&handle, next.id).await;
    for of in [of_alone, of_next] {
        let edge = NewSubSession::under(parent).answering(PrevArtifact::Summary(of));
        let call = handle.link_sessions(LinkSessions { child: alone, edge });
        let error = harmless(&lab.store, caller, lab.thread, ErrorKind::Precondition, call).await;
        match error {
            Error::NotAForest { reason, .. } => assert_eq!(reason, ForestRule::InterventionCycle),
            other => panic!("{other}"),
        }
    }
    Verdict::Passed
}

/// What is outside ends the walk, and so does what is not there any more; another tenant's is refused, not taken for that.
pub async fn int2(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let (handle, caller) = (lab.handle(), &lab.caller);
    let parent = cx.session_in(&lab.store, caller, lab.thread).await;
    let first = intervene(&handle, parent, PrevArtifact::Leaf("x".repeat(1024))).await;
    let of = PrevArtifact::Summary(summary_of(&handle, first.id).await);
    let second = intervene(&handle, parent, of.clone()).await;
    let (first_edge, second_edge) = (first.edge.expect("it"), second.edge.expect("it"));
    assert_eq!(chain(&handle, first_edge, 10).await, []);
    assert_eq!(chain(&handle, second_edge, 10).await, [first_edge]);
    // The session that it came of goes.
    handle.delete_edge(first_edge).await.expect("its edge goes");
    handle.delete_session(first.id).await.expect("it goes");
    assert_eq!(chain(&handle, second_edge, 10).await, []);
    assert_eq!(the_edge(&handle, second_edge).await.prev_artifact, Some(of.clone()));
    let call = handle.spawn(NewSubSession::under(parent).answering(of), "no");
    harmless(&lab.store, caller, lab.thread, ErrorKind::NotFound, call).await;
    for bad in ["".to_owned(), "x".repeat(1025)] {
        let edge = NewSubSession::under(parent).answering(PrevArtifact::Leaf(bad));
        let call = handle.spawn(edge, "no");
        harmless(&lab.store, caller, lab.thread, ErrorKind::Invalid, call).await;
    }
    let stranger = cx.caller_of("zenith", "zoe");
    let theirs = cx.session(&lab.store, &stranger).await;
    let them = lab.store.as_caller(&stranger);
    them.append(theirs, says("work")).await.expect("an entry");
    let foreign = PrevArtifact::Summary(summary_of(&them, theirs).await);
    let call = handle.spawn(NewSubSession::under(parent).answering(foreign), "no");
    harmless(&lab.store, caller, lab.thread, ErrorKind::TenantIsolation, call).await;
    Verdict::Passed
}

/// The chain is read nearest first, in pages.
pub async fn int3(cx: ClauseContext) -> Verdict {
    let lab = Lab::with(&cx, ProjectConfig::default().with_max_delegation_width(100)).await;
    let handle = lab.handle();
    let parent = cx.session_in(&lab.store, &lab.caller, lab.thread).await;
    let mut of = PrevArtifact::Leaf("outside".into());
    let mut edges = Vec::new();
    for _ in 0..8 {
        let made = intervene(&handle, parent, of).await;
        edges.insert(0, made.edge.expect("an edge"));
        of = PrevArtifact::Summary(summary_of(&handle, made.id).await);
    }
    for limit in [1, 2, 3, 7, 8] {
        assert_eq!(chain(&handle, edges[0], limit).await, edges[1..], "{limit} a page");
    }
    let page = handle.interventions(edges[0], Paging::first(3)).await.expect("a page");
    assert_eq!(page.items[0], the_edge(&handle, edges[1]).await);
    let store = cx.reopen(lab.store).await;
    assert_eq!(chain(&store.as_caller(&lab.caller), edges[0], 3).await, edges[1..]);
    Verdict::Passed
}

/// It is said once, of an intervention, and is a sealed summary of the thread or something outside.
pub async fn int4(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let (handle, caller) = (lab.handle(), &lab.caller);
    let parent = cx.session_in(&lab.store, caller, lab.thread).await;
    let spawned = handle.spawn(NewSubSession::under(parent), "child").await.expect("a child");
    handle.append(spawned.id, says("work")).await.expect("an entry");
    let of = PrevArtifact::Summary(summary_of(&handle, spawned.id).await);
    let update = |of: PrevArtifact| UpdateEdge { prev_artifact: Some(of), ..UpdateEdge::default() };
    // Of a spawn.
    let id = spawned.edge.expect("an edge");
    let version = the_edge(&handle, id).await.version;
    refused(handle.update_edge(id, version, update(of.clone())).await, ErrorKind::Invalid);
    let as_spawn =
        NewSubSession { prev_artifact: Some(of.clone()), ..NewSubSession::under(parent) };
    refused(handle.spawn(as_spawn, "no").await, ErrorKind::Invalid);
    // Once, at birth or later.
    let at_birth = intervene(&handle, parent, of.clone()).await.edge.expect("an edge");
    assert_eq!(the_edge(&handle, at_birth).await.prev_artifact, Some(of.clone()));
    let bare = NewSubSession {
        kind: sessile_core::model::SubSessionKind::Intervention,
        ..NewSubSession::under(parent)
    };
    let later = handle.spawn(bare, "later").await.expect("it").edge.expect("an edge");
    let version = the_edge(&handle, later).await.version;
    let leaf = PrevArtifact::Leaf("outside".into());
    handle.update_edge(later, version, update(leaf.clone())).await.expect("said");
    assert_eq!(the_edge(&handle, later).await.prev_artifact, Some(leaf));
    for id in [at_birth, later] {
        let version = the_edge(&handle, id).await.version;
        let call = handle.update_edge(id, version, update(of.clone()));
        let error = harmless(&lab.store, caller, lab.thread, ErrorKind::Precondition, call).await;
        assert!(matches!(error, Error::ArtifactSet { edge } if edge == id), "{error}");
    }
    // A summary of another thread is none of this one.
    let far = cx.session(&lab.store, caller).await;
    handle.append(far, says("work")).await.expect("an entry");
    let far = PrevArtifact::Summary(summary_of(&handle, far).await);
    let call = handle.spawn(NewSubSession::under(parent).answering(far), "no");
    harmless(&lab.store, caller, lab.thread, ErrorKind::Precondition, call).await;
    Verdict::Passed
}
