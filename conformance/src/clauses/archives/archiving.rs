//! ARC1, ARC3: what is archived, what it takes then, and that it comes back.

use std::time::Duration;

use sessile_core::{
    Error, ErrorKind,
    archive::CollectBundles,
    command::{
        Archiving, Expect, LinkSessions, NewRun, NewSession, NewSubSession, NewWorkspace,
        SessionCommand, StateChange, UpdateEdge, UpdateSession, WorkspaceSource,
    },
    error::{BundleFault, Closure, State},
    id::{SessionId, SubSessionId},
    json::Json,
    model::{
        CompletionMode, ContextLimit, NewCollapse, NewSummary, ProjectConfig, Retention,
        RunOutcome, SessionStatus, SubSessionStatus, SummaryOutcome,
    },
    store::SessionStore,
};

use super::place::{Place, config, everything, objects};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        archives::ARCHIVE,
        assertions::{closed, harmless, refused},
        shorthand::{head, says},
    },
};

crate::clauses! { ARC1 => arc1, ARC3 => arc3 }

/// Takes a child to where its edge stands so.
async fn stands(place: &Place, status: SubSessionStatus) -> (SessionId, SubSessionId) {
    use SubSessionStatus::{
        Active, Failed, Idle, MergeConflict, MergeRejected, Merged, Merging, Pending, PendingMerge,
    };
    let (child, edge) = place.spawned("child").await;
    let way: &[SubSessionStatus] = match status {
        Pending => return (child, edge),
        Active => {
            place.handle.start_run(child, NewRun::default()).await.expect("a run");
            return (child, edge);
        }
        Failed => {
            place.work(child, RunOutcome::Failed { reason: "no".into() }).await;
            return (child, edge);
        }
        Idle => &[],
        PendingMerge => &[PendingMerge],
        Merging => &[PendingMerge, Merging],
        Merged => &[PendingMerge, Merging, Merged],
        MergeConflict => &[PendingMerge, Merging, MergeConflict],
        MergeRejected => &[PendingMerge, MergeRejected],
        other => panic!("{other} is no way to stand"),
    };
    place.work(child, RunOutcome::Succeeded).await;
    for to in way {
        place.step(edge, *to).await;
    }
    (child, edge)
}

async fn cannot(place: &Place, session: SessionId, kind: ErrorKind) -> Error {
    let call = place.handle.archive_session(session, Archiving::new());
    let lab = &place.lab;
    let error = harmless(&lab.store, &lab.caller, lab.thread, kind, call).await;
    assert_eq!(place.collect(CollectBundles::new().dry_run()).await, [], "nothing was written");
    error
}

/// Only what is over is archived, and where to is known; then it takes nothing, and is read as before.
pub async fn arc1(cx: ClauseContext) -> Verdict {
    use SubSessionStatus::{
        Active, Failed, Idle, MergeConflict, MergeRejected, Merged, Merging, Pending, PendingMerge,
    };
    let place = Place::new(&cx).await;
    let handle = &place.handle;
    for from in [Pending, Active, PendingMerge, Merging, MergeConflict] {
        let (child, edge) = stands(&place, from).await;
        match cannot(&place, child, ErrorKind::Precondition).await {
            Error::IllegalTransition { what, from: State::Edge(was), to: State::Edge(to) } => {
                assert_eq!((what, was, to), (edge.into(), from, SubSessionStatus::Archived));
            }
            Error::IllegalTransition { what, from: State::Session(was), .. } => {
                assert_eq!((what, was, from), (child.into(), SessionStatus::Active, Active));
            }
            other => panic!("{from}: {other}"),
        }
    }
    for from in [Idle, Failed, Merged, MergeRejected] {
        let (child, edge) = stands(&place, from).await;
        let before = place.all_of(child).await;
        let status = before.session.status;
        let archive = place.archived(child).await;
        let now = place.session(child).await;
        assert_eq!(now.status, SessionStatus::Archived);
        let its = now.archive.expect("where it is");
        assert_eq!((its.id, its.backend.as_str(), its.before), (archive, ARCHIVE, status));
        let above = place.edge(edge).await;
        assert_eq!((above.status, above.before_archive), (SubSessionStatus::Archived, Some(from)));
        // It is read as before, and archived already.
        let read = place.all_of(child).await;
        assert_eq!(read.without_marks(true), before.without_marks(true));
        let at = head(&place.lab.store, &place.lab.caller, place.lab.thread).await;
        assert_eq!(place.archived(child).await, archive);
        assert_eq!(head(&place.lab.store, &place.lab.caller, place.lab.thread).await, at);
        takes_nothing(&place, child, edge).await;
    }
    at_work(&place).await;
    not_configured(&cx, &place).await;
    // A recipient that is archived has come to its end: its source waits no more.
    let source = handle.create_session(place.lab.thread, "source").await.expect("a session");
    let recipients = ["a", "b"].map(|name| {
        let edge = NewSubSession {
            completion_mode: CompletionMode::MergeBack,
            ..NewSubSession::handoff_of(source)
        };
        crate::clauses::delegation::handoffs::recipient(&place.lab.caller, name).under(edge)
    });
    let made = handle.broadcast(source, 0, recipients).await.expect("a broadcast");
    for child in made {
        assert_eq!(place.session(source).await.status, SessionStatus::AwaitingMerge);
        place.work(child.id, RunOutcome::Succeeded).await;
        place.archived(child.id).await;
    }
    assert_eq!(place.session(source).await.status, SessionStatus::Idle);
    Verdict::Passed
}

/// Sessions at work, or with a child that is, or under another's lease.
async fn at_work(place: &Place) {
    let handle = &place.handle;
    let root = handle.create_session(place.lab.thread, "root").await.expect("a session");
    for status in [SessionStatus::Active, SessionStatus::AwaitingHitl] {
        handle.set_status(root, status).await.expect("a status");
        match cannot(place, root, ErrorKind::Precondition).await {
            Error::IllegalTransition { from, to, .. } => assert_eq!(
                (from, to),
                (State::Session(status), State::Session(SessionStatus::Archived))
            ),
            other => panic!("{other}"),
        }
    }
    handle.set_status(root, SessionStatus::Idle).await.expect("a status");
    let made = handle.spawn(NewSubSession::under(root), "child").await.expect("a child");
    match cannot(place, root, ErrorKind::Precondition).await {
        Error::ChildAtWork { session, edge } => {
            assert_eq!((session, Some(edge)), (root, made.edge));
        }
        other => panic!("{other}"),
    }
    place.work(made.id, RunOutcome::Succeeded).await;
    let token = handle.claim_lease(root, Duration::from_secs(60)).await.expect("a lease");
    cannot(place, root, ErrorKind::Fenced).await;
    // The holder's own lease ends with it, and one that others could claim.
    let holder = handle.with_lease(token);
    holder.archive_session(root, Archiving::new()).await.expect("it is archived");
    assert_eq!(handle.lease(root).await.expect("an answer"), None);
    handle.restore_session(root).await.expect("it is restored");
    handle.claim_lease(root, Duration::from_secs(60)).await.expect("a lease");
    place.lab.clock.advance(Duration::from_secs(120));
    place.archived(root).await;
    assert_eq!(handle.lease(root).await.expect("an answer"), None);
    // An archived thread takes nothing; an archived session is not in its way.
    let thread = handle.create_thread(place.session(root).await.project, "t").await;
    let thread = thread.expect("a thread");
    let [over, other] = ["over", "other"].map(NewSession::named);
    let over = handle.create_session(thread, over).await.expect("a session");
    let other = handle.create_session(thread, other).await.expect("a session");
    place.archived(over).await;
    handle.archive_thread(thread).await.expect("it is archived");
    for call in [
        handle.archive_session(other, Archiving::new()).await.err(),
        handle.restore_session(over).await.err(),
    ] {
        let error = call.expect("it is refused");
        assert!(
            matches!(error, Error::Closed { what: Closure::ThreadArchived(it), .. } if it == thread)
        );
    }
    handle.reopen_thread(thread).await.expect("it is open");
    handle.restore_session(over).await.expect("it is restored");
}

async fn not_configured(cx: &ClauseContext, configured: &Place) {
    for (backend, to) in [
        (None, Archiving::new()),
        (Some("elsewhere"), Archiving::new().to("elsewhere")),
        (Some("nowhere"), Archiving::new()),
    ] {
        let config = match (backend, &to.backend) {
            (Some(backend), None) => {
                ProjectConfig::default().with_retention(Retention::to(backend))
            }
            _ => ProjectConfig::default(),
        };
        let place = Place::with(cx, config).await;
        let (child, _) = place.worked("child").await;
        let call = place.handle.archive_session(child, to);
        let lab = &place.lab;
        let kind = ErrorKind::Precondition;
        match harmless(&lab.store, &lab.caller, lab.thread, kind, call).await {
            Error::ArchiveNotConfigured { project, backend: named } => {
                assert_eq!(project, place.session(child).await.project);
                assert_eq!(named.as_deref(), backend);
            }
            other => panic!("{other}"),
        }
        // The caller may name one.
        let archiving = Archiving::new().to(ARCHIVE);
        place.handle.archive_session(child, archiving).await.expect("it is archived");
    }
    let (child, _) = configured.worked("child").await;
    for bad in ["", "Cold", "a/b", "..", "-x", &"x".repeat(65)] {
        let call = configured.handle.archive_session(child, Archiving::new().to(bad));
        refused(call.await, ErrorKind::Invalid);
        let retention = Retention::to(bad);
        let config = ProjectConfig::default().with_retention(retention);
        let new = sessile_core::command::NewProject::named("p").with_config(config);
        refused(configured.handle.create_project(new).await, ErrorKind::Invalid);
    }
}

/// Every write to an archived session is refused, with what was asked, and changes nothing.
async fn takes_nothing(place: &Place, session: SessionId, edge: SubSessionId) {
    let (lab, thread) = (&place.lab, place.lab.thread);
    let child = || NewSession::named("child");
    let update = UpdateEdge { purpose: Some(Some("other".into())), ..UpdateEdge::default() };
    let version = place.edge(edge).await.version;
    let renamed = UpdateSession { name: Some(None), ..UpdateSession::default() };
    let own = place.session(session).await.version;
    let other = place.handle.create_session(thread, "other").await.expect("a session");
    let below = NewSubSession::under(session);
    let summary = NewSummary::new(SummaryOutcome::Succeeded, "again");
    let ttl = Duration::from_secs(1);
    let workspace = NewWorkspace { source: WorkspaceSource::Default, ..lab.new_workspace("w") };
    let value = StateChange::set("k", Json::parse("1").expect("JSON"));
    let recipient = crate::clauses::delegation::handoffs::recipient(&lab.caller, "a")
        .under(NewSubSession::handoff_of(session));
    for command in [
        SessionCommand::Append { session, append: [says("more")].into() },
        SessionCommand::UpdateSession { session, expected: own, update: renamed },
        SessionCommand::SetStatus { session, to: SessionStatus::Active },
        SessionCommand::ReopenSession { session },
        SessionCommand::StartRun { session, run: NewRun::default() },
        SessionCommand::ClaimLease { session, ttl },
        SessionCommand::SealSummary { session, summary: Box::new(summary) },
        SessionCommand::SetState { of: session.into(), changes: vec![value] },
        SessionCommand::SetContextLimit { session, limit: Some(ContextLimit::new(100)) },
        SessionCommand::ContinueAs { session, successor: Box::new(child()) },
        SessionCommand::HandOff { expected: 0, recipient: Box::new(recipient) },
        SessionCommand::CreateSession { thread, session: Box::new(child().under(below.clone())) },
        SessionCommand::LinkSessions(LinkSessions { child: other, edge: below }),
        SessionCommand::UpdateEdge { edge, expected: version, update },
        SessionCommand::StepMerge { edge, expected: version, to: SubSessionStatus::PendingMerge },
        SessionCommand::CreateWorkspace { session, workspace },
        SessionCommand::ProposeCollapse { edge, collapse: Box::new(NewCollapse::of("it")) },
    ] {
        let name = command.name();
        let call = lab.store.apply(&lab.caller, command);
        let error = harmless(&lab.store, &lab.caller, thread, ErrorKind::Closed, call).await;
        closed(&error, Closure::SessionArchived(session), name);
    }
    // Entries of it may be copied, and it may be continued as a fork.
    let entries = place.handle.entries(session).all().await.expect("a list");
    let copied = place.handle.copy_entries(other, [entries[0].id], Expect::Any).await;
    copied.expect("a copy");
    let into = place.handle.copy_entries(session, [entries[0].id], Expect::Any).await;
    closed(&refused(into, ErrorKind::Closed), Closure::SessionArchived(session), "copy_entries");
    let fork = NewSession::named("fork").fork_of(session, None);
    let fork = place.handle.create_session(thread, fork).await.expect("a fork");
    place.handle.append(fork, says("more")).await.expect("an entry");
    let merged = place.handle.merge_fork(fork, Expect::Any).await;
    closed(&refused(merged, ErrorKind::Closed), Closure::SessionArchived(session), "merge_fork");
    let resumable = place.handle.resumable(thread).all().await.expect("a list");
    assert!(resumable.iter().all(|it| it.session != session), "it is not offered");
    let rows = place.handle.sessions(thread).all().await.expect("a list");
    let row = rows.iter().find(|row| row.id == session).expect("it is listed");
    assert_eq!(row.status, SessionStatus::Archived);
}

/// What is restored is what was archived, status and edge included; nobody restores it for another tenant, or as another
/// session.
pub async fn arc3(cx: ClauseContext) -> Verdict {
    use SubSessionStatus::{Failed, Idle, MergeRejected, Merged};
    let place = Place::new(&cx).await;
    let mut bundles = Vec::new();
    for from in [Idle, Failed, Merged, MergeRejected] {
        let (child, edge) = stands(&place, from).await;
        let before = place.all_of(child).await;
        for round in 0..2 {
            let archive = place.archived(child).await;
            assert_eq!(place.edge(edge).await.status, SubSessionStatus::Archived);
            // Another store, with nothing in memory, restores it.
            let store = place.lab.another_store().await;
            let handle = store.as_caller(&place.lab.caller);
            let version = handle.restore_session(child).await.expect("it is restored");
            let now = everything(&handle, child).await;
            assert_eq!(now.session.version, version);
            assert_eq!(now.edge.as_ref().map(|edge| edge.version), Some(version));
            assert_eq!(
                now.without_marks(false),
                place.all_of(child).await.without_marks(false),
                "to all stores"
            );
            assert_eq!(
                place.all_of(child).await.without_marks(false),
                before.clone().without_marks(false),
                "{round}"
            );
            // Again it writes nothing, and answers what made it so.
            let at = head(&store, &place.lab.caller, place.lab.thread).await;
            assert_eq!(handle.restore_session(child).await.expect("it is there"), version);
            assert_eq!(head(&store, &place.lab.caller, place.lab.thread).await, at);
            let left = place.objects().await;
            let is_its = |name: &&String| name.contains(&archive.to_string());
            assert_eq!(left.iter().find(is_its), None, "its bundle is gone");
        }
        // It goes on.
        if from == Failed {
            place.handle.reopen_session(child).await.expect("it is open");
        }
        place.work(child, RunOutcome::Succeeded).await;
        let (child, _) = stands(&place, from).await;
        bundles.push((child, place.archived(child).await));
    }
    // Another tenant's session is isolated, and another's bundle is not taken.
    let (child, archive) = bundles[0];
    let stranger = cx.caller_of("globex", "eve");
    let foreign = place.lab.store.as_caller(&stranger);
    refused(foreign.restore_session(child).await, ErrorKind::TenantIsolation);
    refused(foreign.archive_session(child, Archiving::new()).await, ErrorKind::TenantIsolation);
    let project = sessile_core::command::NewProject::named("p").with_config(config());
    let project = foreign.create_project(project).await.expect("a project");
    let thread = foreign.create_thread(project, "t").await.expect("a thread");
    let theirs = foreign.create_session(thread, "theirs").await.expect("a session");
    let other = foreign.archive_session(theirs, Archiving::new()).await.expect("it is archived");
    let backend = place.archive();
    let names = objects(&*backend, "").await;
    for name in names.iter().filter(|name| name.contains(&other.to_string())) {
        backend.remove(name).await.expect("it is removed");
    }
    for name in names.iter().filter(|name| name.contains(&archive.to_string())) {
        let bytes = backend.get(name).await.expect("it is there");
        let name = name.replace("/acme/", "/globex/");
        let name = name.replace(&archive.to_string(), &other.to_string());
        backend.put(&name, &bytes).await.expect("it is copied");
    }
    let call = foreign.restore_session(theirs);
    match harmless(&place.lab.store, &stranger, thread, ErrorKind::Corrupt, call).await {
        Error::BrokenBundle { archive, fault } => {
            assert_eq!((archive, fault), (other, BundleFault::Altered));
        }
        other => panic!("{other}"),
    }
    // A former owner does neither; an archived session is deleted with its edge, and its bundle belongs to nothing then.
    let gone = place.session(child).await.parent.expect("an edge");
    place.handle.delete_edge(gone).await.expect("the edge goes");
    place.handle.delete_session(child).await.expect("the session goes");
    let found = place.collect(CollectBundles::new()).await;
    assert_eq!(found.iter().map(|it| it.archive).collect::<Vec<_>>(), [archive]);
    Verdict::Passed
}
