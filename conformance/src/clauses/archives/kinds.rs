//! SES12: every kind of record comes back equal.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use sessile_core::{
    Error, Handle, Store,
    archive::CollectBundles,
    command::{
        Archiving, Expect, LinkSessions, NewProject, NewRun, NewSession, NewSubSession, NewThread,
        NewWorkspace, StateChange, Sweep, UpdateEdge, UpdateProject, UpdateSession, UpdateThread,
    },
    id::{ProjectId, SessionId, Space, ThreadId},
    journal::{Direction, Journal, ReadRange, Record},
    json::Json,
    model::{
        Autonomy, Budget, CompletionMode, ContextLimit, NewCollapse, NewSummary, Note, NoteKind,
        Priority, RunOutcome, RunStatus, SessionStatus, SubSessionStatus, SummaryOutcome, Tokens,
        Usage, annotate, assistant, compress, edit, note,
    },
    record::KIND_NAMES,
    workspace::{FileChange, FilePath, WorkspaceDrivers},
};

use super::{
    bundles::holds_all,
    place::{Place, config, everything},
};
use crate::{
    clause::Verdict,
    clauses::delegation::handoffs::recipient,
    internal::{
        ClauseContext, MapDriver,
        fault::{Call, Faults, FaultyJournal, InterruptedJournal},
        shorthand::says,
        workspaces::Lab,
    },
};

crate::clauses! { SES12 => ses12 }

/// Every record of a journal.
async fn records(journal: &dyn Journal, space: &Space) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let after = all.last().map_or(0, |record| record.version);
        let range = ReadRange {
            stream: None,
            after,
            upto: u64::MAX,
            direction: Direction::Forward,
            limit: 500,
        };
        let page = journal.read(space, &range).await.expect("records");
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// A record of each kind there is; through a reopening, through a snapshot of the state, and through an archive and back, all of
/// it is the same.
pub async fn ses12(cx: ClauseContext) -> Verdict {
    let drivers = || WorkspaceDrivers::default().with(Arc::new(MapDriver::default()));
    let clock = Arc::default();
    let store = cx
        .store_with(Arc::clone(&clock), |options| options.with_workspaces(drivers().expect("one")))
        .await;
    let lab = Lab::over(&cx, store, clock).await;
    let handle = lab.handle();
    let new = NewProject::named("project").with_config(config());
    let project = handle.create_project(new).await.expect("a project");
    let thread = handle.create_thread(project, "thread").await.expect("a thread");
    let lab = Lab { thread, ..lab };
    let parent = handle.create_session(thread, "parent").await.expect("a session");
    let place = Place { handle: handle.clone(), parent, lab };
    let empty = of_projects(&place, project).await;
    let sessions = of_sessions(&place).await;
    of_delegation(&place).await;
    of_workspaces(&place).await;
    of_archives(&place).await;
    let (bounded, spender) = of_budgets(&place).await;
    handle.trim_feed(thread, 1).await.expect("it is trimmed");
    // Enough for a snapshot of all that.
    for _ in 0..6 {
        let long = assistant("0123456789".repeat(4000));
        handle.append(parent, [long]).await.expect("a long entry");
    }
    let tenant = &place.lab.caller.tenant;
    let mut spaces = vec![thread.space(tenant), spender.space(tenant)];
    spaces.extend([project, empty, bounded].map(|project| project.space(tenant)));
    spaces.push(Space::of_tenant(tenant.clone()));
    let mut before = BTreeMap::new();
    let mut kinds = BTreeSet::new();
    for space in &spaces {
        let records = records(&**place.lab.store.journal(), space).await;
        kinds.extend(records.iter().map(|record| record.kind.to_string()));
        before.insert(space.to_string(), records);
    }
    let missing: Vec<_> = KIND_NAMES.iter().filter(|kind| !kinds.contains(**kind)).collect();
    assert!(missing.is_empty(), "no record of {missing:?}");
    let said = answers(&handle, thread).await;
    through_archives(&place, &sessions).await;
    // Through a snapshot, and without one.
    let journal = place.lab.cx.journal().await;
    let snapshot = journal.load_snapshot(&spaces[0]).await.expect("an answer");
    assert!(snapshot.is_some_and(|it| it.position.version > 100), "there is one");
    let faults = Faults { lost_snapshot: 1000, ..Faults::NONE };
    let without = FaultyJournal::over(journal, faults, cx.seed());
    let clock = || Arc::clone(&place.lab.clock);
    let folded = cx.store_over(Arc::new(without), clock(), |options| options);
    let loaded = cx.store_with(clock(), |options| options).await;
    let folded = answers(&folded.as_caller(&place.lab.caller), thread).await;
    let loaded = answers(&loaded.as_caller(&place.lab.caller), thread).await;
    assert_eq!(folded.len(), loaded.len());
    for (folded, loaded) in folded.iter().zip(&loaded) {
        assert_eq!(folded, loaded, "of the records, and of a snapshot");
    }
    // Through a reopening.
    let caller = place.lab.caller.clone();
    let (held, clock) = (place.lab.store.clone(), clock());
    drop((place, handle));
    let store: Store = cx.reopen_with(held, clock, |options| options).await;
    for space in &spaces {
        let after = records(&**store.journal(), space).await;
        let before = &before[&space.to_string()];
        assert_eq!(&after[..before.len()], &before[..], "of {space}");
    }
    let again = answers(&store.as_caller(&caller), thread).await;
    assert_eq!(again, loaded, "of what was there before");
    assert_eq!(again.len(), said.len());
    let verified = store.as_caller(&caller).verify(thread, None).await.expect("it is verified");
    assert_eq!(verified.problems, []);
    Verdict::Passed
}

/// All that a caller is told of a thread.
async fn answers(handle: &Handle, thread: ThreadId) -> Vec<String> {
    let mut all = Vec::new();
    let it = handle.thread(thread).await.expect("an answer");
    all.push(format!("{it:?}"));
    all.push(format!("{:?}", handle.state(thread).await.expect("a state")));
    all.push(format!("{:?}", handle.usage(thread).await.expect("a sum")));
    all.push(format!("{:?}", handle.workspaces(thread).all().await.expect("a list")));
    all.push(format!("{:?}", handle.resumable(thread).all().await.expect("a list")));
    let rows = handle.sessions(thread).with_state().all().await.expect("a list");
    all.push(format!("{rows:?}"));
    for row in rows {
        all.push(format!("{:?}", everything(handle, row.id).await));
        all.push(format!("{:?}", handle.drill(row.id).await.expect("an answer")));
        all.push(format!("{:?}", handle.lease(row.id).await.expect("an answer")));
        all.push(format!("{:?}", handle.context_size(row.id).await.expect("an answer")));
    }
    all
}

async fn of_projects(place: &Place, project: ProjectId) -> ProjectId {
    let (handle, lab) = (&place.handle, &place.lab);
    let version = handle.project(project).await.expect("an answer").expect("it").version;
    let update = UpdateProject { name: Some("other".into()), ..UpdateProject::default() };
    handle.update_project(project, version, update).await.expect("an update");
    handle.archive_project(project).await.expect("it is archived");
    handle.reopen_project(project).await.expect("it is open");
    // A thread that is created while the project is deleted: that is undone.
    let empty = handle.create_project("empty").await.expect("a project");
    let other = lab.store.as_caller(&lab.caller);
    let begins = async move { other.create_thread(empty, "late").await.map(drop) };
    let journal = InterruptedJournal::before(lab.cx.journal().await, Call::Commit, begins);
    let racing = lab.cx.store_over(journal, Arc::clone(&lab.clock), |options| options);
    let deleted = racing.as_caller(&lab.caller).delete_project(empty).await;
    assert!(matches!(deleted, Err(Error::ProjectNotEmpty { .. })), "{deleted:?}");
    // An external id that stands for another thread by now.
    for _ in 0..2 {
        let named = NewThread::titled("named").with_external_id("named");
        let named = handle.create_thread(project, named).await.expect("a thread");
        handle.delete_thread(named).await.expect("it is gone");
    }
    empty
}

/// Sessions, entries, runs, leases, states; answers the sessions that can be archived.
async fn of_sessions(place: &Place) -> Vec<SessionId> {
    let (handle, thread) = (&place.handle, place.lab.thread);
    let at = handle.thread(thread).await.expect("an answer").expect("it").version;
    let update = UpdateThread { title: Some("other".into()), ..UpdateThread::default() };
    handle.update_thread(thread, at, update).await.expect("an update");
    handle.archive_thread(thread).await.expect("it is archived");
    handle.reopen_thread(thread).await.expect("it is open");
    let change = StateChange::set("k", Json::parse("1").expect("JSON"));
    handle.set_state(thread, [change.clone()]).await.expect("a state");
    let session = handle.create_session(thread, "session").await.expect("a session");
    let at = handle.session(session).await.expect("an answer").expect("it").version;
    let update = UpdateSession { name: Some(Some("other".into())), ..UpdateSession::default() };
    handle.update_session(session, at, update).await.expect("an update");
    handle.set_status(session, SessionStatus::Failed).await.expect("a status");
    handle.reopen_session(session).await.expect("it is open");
    handle.set_state(session, [change]).await.expect("a state");
    let gone = handle.create_session(thread, "gone").await.expect("a session");
    handle.delete_session(gone).await.expect("it is gone");
    let limit = ContextLimit::new(1000);
    handle.set_context_limit(session, Some(limit)).await.expect("a limit");
    let said = ["a", "b", "c", "d", "e"].map(says);
    let said: Vec<_> = handle.append(session, said).await.expect("entries").entries().collect();
    let message = |text: &str| assistant(text).message().expect("a message").clone();
    handle.append(session, [edit(said[0], message("A"))]).await.expect("an edit");
    handle.append(session, [annotate(said[1], Priority::Skip)]).await.expect("an annotation");
    let short = compress(said[2], said[3], message("c and d"));
    handle.append(session, [short]).await.expect("a compression");
    handle.append(session, [note(NoteKind::Checkpoint, Note::new("so far"))]).await.expect("it");
    handle.erase_entries(thread, [said[4]]).await.expect("it is erased");
    let fork = NewSession::named("fork").fork_of(session, None);
    let fork = handle.create_session(thread, fork).await.expect("a fork");
    handle.append(fork, [says("on its own")]).await.expect("an entry");
    handle.merge_fork(fork, Expect::Any).await.expect("it is merged");
    let run = handle.start_run(session, NewRun::default()).await.expect("a run");
    handle.set_run_status(run, RunStatus::AwaitingHitl).await.expect("a step");
    let tokens = Tokens { input: 3, output: 5, cache_read: 0, cache_write: 0 };
    handle.book_usage(run, "call", Usage::new(tokens, 1)).await.expect("a booking");
    handle.end_run(run, RunOutcome::Failed { reason: "no".into() }).await.expect("its end");
    let minute = Duration::from_secs(60);
    let leased = handle.create_session(thread, "leased").await.expect("a session");
    let token = handle.claim_lease(leased, minute).await.expect("a lease");
    let holder = handle.with_lease(token);
    holder.renew_lease(leased, minute).await.expect("more of it");
    holder.release_lease(leased).await.expect("it is free");
    let token = handle.claim_lease(leased, minute).await.expect("a lease");
    handle.with_lease(token).start_run(leased, NewRun::default()).await.expect("a run");
    place.lab.clock.advance(60 * minute);
    handle.sweep_runs(thread, Sweep::silent_for(1000 * minute)).await.expect("a sweep");
    vec![session, fork, leased]
}

async fn of_delegation(place: &Place) {
    let (handle, thread) = (&place.handle, place.lab.thread);
    let caller = &place.lab.caller;
    let (child, edge) = place.spawned("child").await;
    let update = UpdateEdge { purpose: Some(None), ..UpdateEdge::default() };
    let version = place.edge(edge).await.version;
    handle.update_edge(edge, version, update).await.expect("an update");
    place.work(child, RunOutcome::Succeeded).await;
    place.step(edge, SubSessionStatus::PendingMerge).await;
    let summary = NewSummary::new(SummaryOutcome::Partial, "some of it");
    handle.seal_summary(child, summary).await.expect("a summary");
    for accepted in [true, false] {
        let draft = NewCollapse::of("what it did").with_autonomy(Autonomy::Collaborative);
        let draft = handle.propose_collapse(edge, draft).await.expect("a draft").id;
        match accepted {
            true => drop(handle.accept_collapse(draft, None).await.expect("a message")),
            false => drop(handle.reject_collapse(draft).await.expect("it is rejected")),
        }
    }
    let loose = handle.create_session(thread, "loose").await.expect("a session");
    let link = LinkSessions { child: loose, edge: NewSubSession::under(place.parent) };
    let link = handle.link_sessions(link).await.expect("an edge");
    handle.delete_edge(link).await.expect("it is gone");
    handle.continue_as(loose, "successor").await.expect("a successor");
    let source = handle.create_session(thread, "source").await.expect("a session");
    handle.hand_off(source, 0, recipient(caller, "a")).await.expect("a handoff");
    let source = handle.create_session(thread, "source").await.expect("a session");
    let two = ["a", "b"].map(|name| {
        let edge = NewSubSession {
            completion_mode: CompletionMode::SummaryRef,
            ..NewSubSession::handoff_of(source)
        };
        recipient(caller, name).under(edge)
    });
    for made in handle.broadcast(source, 0, two).await.expect("a broadcast") {
        place.work(made.id, RunOutcome::Succeeded).await;
    }
}

async fn of_workspaces(place: &Place) {
    let (handle, thread, caller) = (&place.handle, place.lab.thread, &place.lab.caller);
    let source = handle.create_session(thread, "source").await.expect("a session");
    let outside = |base: &str| NewWorkspace::of_kind("maps").from_base(base);
    let unlucky = recipient(caller, "a").with_workspace(outside("no-such-base-anywhere"));
    handle.hand_off(source, 0, unlucky).await.expect_err("no such base");
    let with = |name: &str, kind: &str| (name.to_owned(), NewWorkspace::of_kind(kind));
    let (name, kind) = with("files", "virtual");
    let (_, workspace) =
        handle.create_session_in(thread, name.as_str(), kind).await.expect("a session");
    let workspace = workspace.expect("a workspace");
    let change = FileChange::write(FilePath::new("a.txt").expect("a path"), "a");
    handle.change_files(workspace, [change]).await.expect("a file");
    handle.snapshot_workspace(workspace).await.expect("a tree");
    let (name, kind) = with("folder", "maps");
    let (_, workspace) =
        handle.create_session_in(thread, name.as_str(), kind).await.expect("a session");
    let workspace = workspace.expect("a workspace");
    handle.dispose_of_workspace(workspace, true).await.expect("it is gone");
}

/// A project with a budget, and a thread that spends it.
async fn of_budgets(place: &Place) -> (ProjectId, ThreadId) {
    let handle = &place.handle;
    let bounded = config().with_budget(Budget::of_tokens(1000));
    let bounded = NewProject::named("bounded").with_config(bounded);
    let bounded = handle.create_project(bounded).await.expect("a project");
    let spender = handle.create_thread(bounded, "spender").await.expect("a thread");
    let session = NewSession::named("spender").with_budget(Budget::of_tokens(5));
    let session = handle.create_session(spender, session).await.expect("a session");
    let run = handle.start_run(session, NewRun::default()).await.expect("a run");
    handle.book_usage(run, "call", Usage::new(Tokens::new(3, 5), 1)).await.expect("a booking");
    handle.end_run(run, RunOutcome::Succeeded).await.expect("its end");
    handle.return_budget(spender).await.expect("it is returned");
    let now = handle.project(bounded).await.expect("an answer").expect("it");
    let update = UpdateProject { config: Some(config()), ..UpdateProject::default() };
    handle.update_project(bounded, now.version, update).await.expect("an update");
    let other = handle.create_session(spender, "other").await.expect("a session");
    handle.start_run(other, NewRun::default()).await.expect("a run");
    (bounded, spender)
}

async fn of_archives(place: &Place) {
    let (session, _) = place.worked("archived").await;
    // Its second commit fails, and it is given up with the third.
    let (store, _) = place.failing_after(1).await;
    let unlucky = store.as_caller(&place.lab.caller);
    unlucky.archive_session(session, Archiving::new()).await.expect_err("the engine fails");
    for archiving in [Archiving::new(), Archiving::new().evicting()] {
        place.handle.archive_session(session, archiving).await.expect("it is archived");
        place.handle.restore_session(session).await.expect("it is restored");
    }
}

/// What is archived holds each record as the journal does, and comes back as it was.
async fn through_archives(place: &Place, sessions: &[SessionId]) {
    for session in sessions {
        let before = place.all_of(*session).await;
        place.archived(*session).await;
        holds_all(place, *session).await;
        place.handle.restore_session(*session).await.expect("it is restored");
        let after = place.all_of(*session).await;
        assert_eq!(after.without_marks(false), before.without_marks(false));
    }
    assert_eq!(place.collect(CollectBundles::new()).await, []);
}
