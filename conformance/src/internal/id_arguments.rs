//! A call of every method of a store that takes an id, for each place where it takes one.

use std::time::Duration;

use sessile_core::{
    Caller, Result, Timestamp,
    command::{
        Append, Archiving, ContextSelection, EntryFilter, Expect, Feed, Inheritance, LinkSessions,
        NewRun, NewSession, NewSubSession, NewThread, NewWorkspace, Paging, RunScope,
        SessionCommand, SessionFilter, SessionQuery, StateChange, Sweep, ThreadCommand,
        ThreadFilter, ThreadQuery, ThreadScope, TimelineScope, UpdateEdge, UpdateProject,
        UpdateSession, UpdateThread, UsageScope,
    },
    error::Subject,
    id::{
        AgentId, CollapseId, EntryId, ProjectId, RunId, SessionId, SubSessionId, SummaryId,
        ThreadId, WorkspaceId,
    },
    journal::Direction,
    model::{
        Actor, Autonomy, ContextLimit, Deliverable, Message, NewCollapse, NewSummary, PrevArtifact,
        Role, RunOutcome, RunStatus, SessionStatus, SubSessionStatus, SummaryOutcome, Tokens,
        Usage, annotate, compress, edit,
    },
    store::AnyStore,
    workspace::{FileChange, FilePath, Node, TreeId},
};

use crate::internal::{archives::ARCHIVE, shorthand};

/// One of each.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "named after their types")]
pub struct Ids {
    pub project: ProjectId,
    pub thread: ThreadId,
    pub session: SessionId,
    pub edge: SubSessionId,
    pub run: RunId,
    pub entry: EntryId,
    pub summary: SummaryId,
    pub collapse: CollapseId,
    pub workspace: WorkspaceId,
}

/// What the run of [`Ids`] is known by.
pub const EXTERNAL_ID: &str = "the id of the agent program";

impl Ids {
    /// Makes one of each; the edge's child is another session.
    pub async fn make(store: &dyn AnyStore, caller: &Caller) -> Self {
        let project = store
            .as_caller(caller)
            .create_project(
                sessile_core::command::NewProject::named("project")
                    .with_config(sessile_core::model::ProjectConfig::default()),
            )
            .await
            .expect("a project");
        let thread = store
            .as_caller(caller)
            .create_thread(project, NewThread::titled("thread"))
            .await
            .expect("a thread");
        let session = shorthand::named(store, caller, thread, "session").await;
        let edge = NewSubSession::under(session);
        let child = store.as_caller(caller).spawn(edge, "child").await.expect("a child");
        let edge = child.edge.expect("an edge");
        let ann = store.as_caller(caller);
        ann.append(child.id, shorthand::says("work")).await.expect("an entry");
        let summary = ann.seal_summary(child.id, new_summary()).await.expect("a summary");
        let collapse = NewCollapse::of("draft").with_autonomy(Autonomy::Collaborative);
        let collapse = ann.propose_collapse(edge, collapse).await.expect("a draft").id;
        let run = NewRun { external_id: Some(EXTERNAL_ID.into()), ..NewRun::default() };
        let run = store.as_caller(caller).start_run(session, run).await.expect("a run");
        let said = store
            .as_caller(caller)
            .append(session, shorthand::says("entry"))
            .await
            .expect("an entry");
        let virtual_files = NewWorkspace::of_kind("virtual");
        let given = store.as_caller(caller).create_workspace(session, virtual_files).await;
        let workspace = given.expect("a workspace").id().expect("every store has that kind");
        let change = FileChange::write(file(), b"text");
        store.as_caller(caller).change_files(workspace, [change]).await.expect("a file");
        Self {
            project,
            thread,
            session,
            edge,
            run,
            entry: said.first,
            summary,
            collapse,
            workspace,
        }
    }

    /// What errors name them by.
    #[must_use]
    pub fn subjects(&self) -> [Subject; 9] {
        let Self { project, thread, session, edge, run, entry, summary, collapse, workspace } =
            *self;
        [
            project.into(),
            thread.into(),
            session.into(),
            edge.into(),
            run.into(),
            entry.into(),
            summary.into(),
            collapse.into(),
            workspace.into(),
        ]
    }

    /// Ids of this tenant that name nothing: an unknown project and thread; and in the thread of `self` versions that
    /// are past its head.
    #[must_use]
    pub fn missing(&self) -> Self {
        const FAR: u64 = 1 << 40;
        Self {
            project: ProjectId::from_bits(self.project.bits() ^ 1),
            thread: ThreadId::from_bits(self.thread.bits() ^ 1),
            session: SessionId::new(self.thread, FAR),
            edge: SubSessionId::new(self.thread, FAR),
            run: RunId::new(self.thread, FAR),
            entry: EntryId::new(self.thread, FAR),
            summary: SummaryId::new(self.thread, FAR),
            collapse: CollapseId::new(self.thread, FAR),
            workspace: WorkspaceId::new(self.thread, FAR),
        }
    }

    /// Ids of this tenant in a thread that does not exist.
    #[must_use]
    pub fn in_missing_thread(&self) -> Self {
        let thread = self.missing().thread;
        Self {
            project: self.missing().project,
            thread,
            session: SessionId::new(thread, 2),
            edge: SubSessionId::new(thread, 3),
            run: RunId::new(thread, 4),
            entry: EntryId::new(thread, 5),
            summary: SummaryId::new(thread, 7),
            collapse: CollapseId::new(thread, 8),
            workspace: WorkspaceId::new(thread, 6),
        }
    }

    /// Ids of the right thread, each naming a record that is something else.
    #[must_use]
    pub fn of_other_kinds(&self) -> Self {
        let (entry, run) = (self.entry.version(), self.run.version());
        Self {
            session: SessionId::new(self.thread, entry),
            edge: SubSessionId::new(self.thread, entry),
            run: RunId::new(self.thread, entry),
            entry: EntryId::new(self.thread, run),
            summary: SummaryId::new(self.thread, entry),
            collapse: CollapseId::new(self.thread, entry),
            workspace: WorkspaceId::new(self.thread, entry),
            ..self.missing()
        }
    }
}

fn new_summary() -> NewSummary {
    NewSummary::new(SummaryOutcome::Succeeded, "done")
}

/// A file of the workspace.
fn file() -> FilePath {
    FilePath::new("file").expect("a path")
}

/// The tree without files, of workspaces in the journal.
fn tree() -> TreeId {
    TreeId::new(Node::default().digest().to_string()).expect("the id of a tree")
}

/// What a method does with an id of one's own tenant that names nothing (TEN7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// It answers that there is none.
    None,
    /// It is refused.
    NotFound,
    /// It succeeds and writes nothing.
    Deleted,
}

/// Any request.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named after their types")]
pub enum Request {
    ThreadCommand(ThreadCommand),
    ThreadQuery(ThreadQuery),
    Command(SessionCommand),
    Query(SessionQuery),
    Feed(Feed),
}

impl Request {
    /// Sends it; the answer as text.
    pub async fn send(&self, store: &dyn AnyStore, caller: &Caller) -> Result<String> {
        Ok(match self.clone() {
            Self::ThreadCommand(it) => format!("{:?}", store.apply_thread(caller, it).await?),
            Self::ThreadQuery(it) => format!("{:?}", store.ask_thread(caller, it).await?),
            Self::Command(it) => format!("{:?}", store.apply(caller, it).await?),
            Self::Query(it) => format!("{:?}", store.ask(caller, it).await?),
            Self::Feed(it) => format!("{:?}", store.feed(caller, it).await?),
        })
    }

    /// Whether it asks only.
    pub fn is_query(&self) -> bool {
        matches!(self, Self::ThreadQuery(_) | Self::Query(_) | Self::Feed(_))
    }
}

/// One method with an id at one place.
#[derive(Clone, Debug)]
pub struct IdCall {
    /// Which method, and which place.
    pub name: &'static str,
    /// The request.
    pub request: Request,
    /// What the method does with an id that names nothing.
    pub if_missing: IfMissing,
}

/// Every place where a method takes an id, filled from `it`; all other places are filled from `own`, and
/// whom a session is handed to is of this caller's tenant.
pub fn calls_with_ids(caller: &Caller, own: &Ids, it: &Ids) -> Vec<IdCall> {
    let mut all = commands_to_threads(own, it);
    all.extend(thread_queries(it));
    all.extend(commands(own, it));
    all.extend(handoffs(caller, own, it));
    all.extend(queries(it));
    all
}

fn call(name: &'static str, request: Request, if_missing: IfMissing) -> IdCall {
    IdCall { name, request, if_missing }
}

fn commands_to_threads(own: &Ids, it: &Ids) -> Vec<IdCall> {
    use IfMissing::{Deleted, NotFound};
    use ThreadCommand as C;
    let (project, thread) = (it.project, it.thread);
    let command =
        |name, command, if_missing| call(name, Request::ThreadCommand(command), if_missing);
    vec![
        command(
            "update_project",
            C::UpdateProject { project, expected: 1, update: UpdateProject::default() },
            NotFound,
        ),
        command("archive_project", C::ArchiveProject { project }, NotFound),
        command("reopen_project", C::ReopenProject { project }, NotFound),
        command("delete_project", C::DeleteProject { project }, Deleted),
        command(
            "create_thread",
            C::CreateThread { project, thread: NewThread::titled("new") },
            NotFound,
        ),
        command(
            "create_thread external_id",
            C::CreateThread { project, thread: NewThread::titled("new").with_external_id("new") },
            NotFound,
        ),
        command(
            "begin_thread",
            C::BeginThread {
                project,
                thread: "new".into(),
                session: NewSession::named("new").into(),
            },
            NotFound,
        ),
        command(
            "update_thread",
            C::UpdateThread { thread, expected: 1, update: UpdateThread::default() },
            NotFound,
        ),
        command("archive_thread", C::ArchiveThread { thread }, NotFound),
        command("reopen_thread", C::ReopenThread { thread }, NotFound),
        command("return_budget", C::ReturnBudget { thread }, NotFound),
        command("delete_thread", C::DeleteThread { thread }, Deleted),
        command("purge_thread", C::PurgeThread { thread }, Deleted),
        command("erase_entries", C::EraseEntries { thread, entries: vec![it.entry] }, NotFound),
        command(
            "erase_entries entries",
            C::EraseEntries { thread: own.thread, entries: vec![it.entry] },
            NotFound,
        ),
        command("trim_feed", C::TrimFeed { thread, upto: 1 }, NotFound),
        command("vacuum_thread", C::VacuumThread { thread }, NotFound),
    ]
}

fn thread_queries(it: &Ids) -> Vec<IdCall> {
    use IfMissing::{None, NotFound};
    let query = |name, query, if_missing| call(name, Request::ThreadQuery(query), if_missing);
    let threads = |filter| ThreadQuery::Threads(filter, Paging::default());
    let timeline =
        |scope: TimelineScope| ThreadQuery::Timeline(scope, Box::default(), Paging::default());
    let filter = ThreadFilter::of(ThreadScope::Project(it.project));
    vec![
        query("project", ThreadQuery::Project(it.project), None),
        query("thread", ThreadQuery::Thread(it.thread), None),
        query(
            "thread_by_external_id",
            ThreadQuery::ThreadByExternalId(it.project, EXTERNAL_ID.into()),
            None,
        ),
        query("threads by id", threads(filter.clone()), NotFound),
        query("threads by updated", threads(filter.newest_first()), NotFound),
        query("timeline of a session", timeline(it.session.into()), NotFound),
        query("timeline of a thread", timeline(it.thread.into()), NotFound),
        query("timeline of a project", timeline(it.project.into()), NotFound),
        query("project_usage", ThreadQuery::ProjectUsage(it.project), NotFound),
    ]
}

/// Handoffs: the source, the run that asks, and what is inherited.
fn handoffs(caller: &Caller, own: &Ids, it: &Ids) -> Vec<IdCall> {
    let recipient = |edge: NewSubSession, name: &str| {
        let (tenant, id) = (caller.tenant.clone(), AgentId::new(name).expect("an id"));
        NewSession::named(name).owned_by(Actor::Agent { tenant, id, parent: None }).under(edge)
    };
    let hand_off = |edge| {
        let recipient = Box::new(recipient(edge, "a"));
        Request::Command(SessionCommand::HandOff { expected: 0, recipient })
    };
    let broadcast = |edge: NewSubSession| {
        let recipients = ["a", "b"].map(|name| recipient(edge.clone(), name)).to_vec();
        Request::Command(SessionCommand::Broadcast { expected: 0, recipients })
    };
    let of = NewSubSession::handoff_of;
    let summary = of(own.session).inheriting(Inheritance::Summary(it.session));
    vec![
        call("hand_off", hand_off(of(it.session)), IfMissing::NotFound),
        call(
            "hand_off spawned_by_run",
            hand_off(of(own.session).spawned_by(it.run)),
            IfMissing::NotFound,
        ),
        call("hand_off inherit summary", hand_off(summary.clone()), IfMissing::NotFound),
        call("broadcast", broadcast(of(it.session)), IfMissing::NotFound),
        call(
            "broadcast spawned_by_run",
            broadcast(of(own.session).spawned_by(it.run)),
            IfMissing::NotFound,
        ),
        call("broadcast inherit summary", broadcast(summary), IfMissing::NotFound),
    ]
}

fn commands(own: &Ids, it: &Ids) -> Vec<IdCall> {
    use IfMissing::{Deleted, NotFound};
    use SessionCommand as C;
    let command = |name, command, if_missing| call(name, Request::Command(command), if_missing);
    let under = |parent| NewSubSession::under(parent);
    let asked = NewSubSession { spawned_by_run: Some(it.run), ..NewSubSession::under(own.session) };
    let create = |thread, parent| C::CreateSession {
        thread,
        session: Box::new(NewSession { parent, ..NewSession::named("new") }),
    };
    let artifact = PrevArtifact::Summary(it.summary);
    let edge = NewSubSession::under(own.session).answering(artifact.clone());
    let answering = create(own.thread, Some(edge));
    let update = UpdateEdge { prev_artifact: Some(artifact), ..UpdateEdge::default() };
    let answer_now = C::UpdateEdge { edge: own.edge, expected: 1, update };
    let inherit =
        |inherit| create(own.thread, Some(NewSubSession::under(own.session).inheriting(inherit)));
    let selected = Inheritance::Selective(ContextSelection {
        entries: vec![it.entry],
        ..ContextSelection::default()
    });
    let propose =
        |edge, collapse: NewCollapse| C::ProposeCollapse { edge, collapse: collapse.into() };
    let seal = |deliverable| C::SealSummary {
        session: own.session,
        summary: new_summary().with_deliverable(deliverable).into(),
    };
    let append = |session, entry: sessile_core::model::NewEntry| C::Append {
        session,
        append: Append::of(vec![entry, shorthand::says("one")]),
    };
    let fork = |of| C::CreateSession {
        thread: own.thread,
        session: Box::new(NewSession::named("fork").fork_of(of, Option::None)),
    };
    let copy = |to, entry| C::CopyEntries { to, entries: vec![entry], expect: Expect::Any };
    let message = || Message::text(Role::User, "text");
    let limit = || Some(ContextLimit::new(1000));
    let (session, ttl) = (it.session, Duration::from_secs(1));
    let set = |of| C::SetState { of, changes: vec![StateChange::remove("key")] };
    let usage = Usage::new(Tokens::new(1, 1), 1);
    // A session that has no workspace: the one at the other end of the edge.
    let own_child = SessionId::new(own.thread, own.edge.version() - 1);
    let make = |session, workspace| C::CreateWorkspace { session, workspace };
    let create_in = |workspace| C::CreateSession {
        thread: own.thread,
        session: Box::new(NewSession::named("new").with_workspace(workspace)),
    };
    let change = FileChange::write(file(), b"other text");
    vec![
        command("create_session", create(it.thread, Option::None), NotFound),
        command("create_session parent", create(own.thread, Some(under(session))), NotFound),
        command("create_session spawned_by_run", create(own.thread, Some(asked.clone())), NotFound),
        command(
            "update_session",
            C::UpdateSession { session, expected: 1, update: UpdateSession::default() },
            NotFound,
        ),
        command("set_status", C::SetStatus { session, to: SessionStatus::Failed }, NotFound),
        command("reopen_session", C::ReopenSession { session }, NotFound),
        command(
            "archive_session",
            C::ArchiveSession { session, archiving: Archiving::new().to(ARCHIVE) },
            NotFound,
        ),
        command("restore_session", C::RestoreSession { session }, NotFound),
        command("delete_session", C::DeleteSession { session }, Deleted),
        command(
            "link_sessions child",
            C::LinkSessions(LinkSessions { child: session, edge: under(own.session) }),
            NotFound,
        ),
        command(
            "link_sessions parent",
            C::LinkSessions(LinkSessions { child: own.session, edge: under(session) }),
            NotFound,
        ),
        command(
            "link_sessions spawned_by_run",
            C::LinkSessions(LinkSessions { child: own.session, edge: asked }),
            NotFound,
        ),
        command(
            "update_edge",
            C::UpdateEdge { edge: it.edge, expected: 1, update: UpdateEdge::default() },
            NotFound,
        ),
        command("delete_edge", C::DeleteEdge { edge: it.edge }, Deleted),
        command("append", append(session, shorthand::says("two")), NotFound),
        command("append run", append(own.session, shorthand::says("two").in_run(it.run)), NotFound),
        command(
            "append in_reply_to",
            append(own.session, shorthand::says("two").in_reply_to(it.entry)),
            NotFound,
        ),
        command("append edit", append(own.session, edit(it.entry, message())), NotFound),
        command(
            "append annotation",
            append(own.session, annotate(it.entry, Option::None)),
            NotFound,
        ),
        command(
            "append compression",
            append(own.session, compress(it.entry, it.entry, message())),
            NotFound,
        ),
        command("create_session fork", fork(session), NotFound),
        command("copy_entries entries", copy(own.session, it.entry), NotFound),
        command("copy_entries", copy(session, own.entry), NotFound),
        command("merge_fork", C::MergeFork { fork: session, expect: Expect::Any }, NotFound),
        command("set_context_limit", C::SetContextLimit { session, limit: limit() }, NotFound),
        command("start_run", C::StartRun { session, run: NewRun::default() }, NotFound),
        command(
            "start_run retry_of",
            C::StartRun {
                session: own.session,
                run: NewRun { retry_of: Some(it.run), ..NewRun::default() },
            },
            NotFound,
        ),
        command(
            "set_run_status",
            C::SetRunStatus { run: it.run, to: RunStatus::AwaitingHitl },
            NotFound,
        ),
        command(
            "end_run",
            C::EndRun { run: it.run, outcome: RunOutcome::Succeeded, echo: Option::None },
            NotFound,
        ),
        command(
            "await_sub_sessions",
            C::AwaitSubSessions { run: it.run, edges: vec![own.edge] },
            NotFound,
        ),
        command(
            "await_sub_sessions edges",
            C::AwaitSubSessions { run: own.run, edges: vec![it.edge] },
            NotFound,
        ),
        command(
            "sweep_runs",
            C::SweepRuns { thread: it.thread, sweep: Sweep::silent_for(Duration::from_secs(60)) },
            NotFound,
        ),
        command(
            "book_usage",
            C::BookUsage { run: it.run, call: "call".into(), usage, echo: Option::None },
            NotFound,
        ),
        command("claim_lease", C::ClaimLease { session, ttl }, NotFound),
        command("renew_lease", C::RenewLease { session, ttl }, NotFound),
        command("release_lease", C::ReleaseLease { session }, NotFound),
        command(
            "seal_summary",
            C::SealSummary { session, summary: new_summary().into() },
            NotFound,
        ),
        command("propose_collapse", propose(it.edge, NewCollapse::of("text")), NotFound),
        command(
            "propose_collapse upto",
            propose(own.edge, NewCollapse::of("text").upto(it.entry)),
            NotFound,
        ),
        command(
            "accept_collapse",
            C::AcceptCollapse { collapse: it.collapse, text: Option::None },
            NotFound,
        ),
        command("reject_collapse", C::RejectCollapse { collapse: it.collapse }, NotFound),
        command("create_session prev_artifact", answering, NotFound),
        command("update_edge prev_artifact", answer_now, NotFound),
        command(
            "step_merge",
            C::StepMerge { edge: it.edge, expected: 1, to: SubSessionStatus::PendingMerge },
            NotFound,
        ),
        command("continue_as", C::ContinueAs { session, successor: Box::default() }, NotFound),
        command("seal_summary entry", seal(Deliverable::Message(it.entry)), NotFound),
        command("seal_summary summary", seal(Deliverable::SessionSummary(it.summary)), NotFound),
        command("create_session inherit entries", inherit(selected), NotFound),
        command(
            "create_session inherit summary",
            inherit(Inheritance::Summary(it.session)),
            NotFound,
        ),
        command("set_state of a session", set(session.into()), NotFound),
        command("set_state of a thread", set(it.thread.into()), NotFound),
        command("create_workspace", make(session, NewWorkspace::of_kind("virtual")), NotFound),
        command(
            "create_workspace source",
            make(own_child, NewWorkspace::branch_of(it.workspace)),
            NotFound,
        ),
        command(
            "create_session source",
            create_in(NewWorkspace::branch_of(it.workspace)),
            NotFound,
        ),
        command(
            "change_files",
            C::ChangeFiles { workspace: it.workspace, changes: vec![change] },
            NotFound,
        ),
        command("snapshot_workspace", C::SnapshotWorkspace { workspace: it.workspace }, NotFound),
        command(
            "restore_workspace",
            C::RestoreWorkspace { workspace: it.workspace, tree: tree() },
            NotFound,
        ),
        command(
            "dispose_of_workspace",
            C::DisposeWorkspace { workspace: it.workspace, force: true },
            Deleted,
        ),
    ]
}

fn queries(it: &Ids) -> Vec<IdCall> {
    use IfMissing::{None, NotFound};
    use SessionQuery as Q;
    let query = |name, query, if_missing| call(name, Request::Query(query), if_missing);
    let page = Paging::default();
    let entries = |session, run, in_reply_to, direction| {
        let filter = EntryFilter { direction, run, in_reply_to, ..EntryFilter::default() };
        Q::Entries(session, filter, page)
    };
    let (no_run, no_entry) = (Option::None, Option::None);
    let feed = Feed {
        thread: it.thread,
        after: 0,
        limit: 10,
        wait: Duration::ZERO,
        filter: Default::default(),
    };
    vec![
        query("session", Q::Session(it.session), None),
        query(
            "session_by_external_id",
            Q::SessionByExternalId(it.thread, EXTERNAL_ID.into()),
            None,
        ),
        query("sessions", Q::Sessions(it.thread, SessionFilter::default(), page), NotFound),
        query("drill", Q::Drill(it.session), None),
        query("children", Q::Children(it.session, page), NotFound),
        query("edge", Q::Edge(it.edge), None),
        query("entries", entries(it.session, no_run, no_entry, Direction::Forward), NotFound),
        query(
            "entries backward",
            entries(it.session, no_run, no_entry, Direction::Backward),
            NotFound,
        ),
        query("entry", Q::Entry(it.entry), None),
        query("run", Q::Run(it.run), None),
        query("run_by_external_id", Q::RunByExternalId(it.thread, EXTERNAL_ID.into()), None),
        query("runs of a session", Q::Runs(RunScope::Session(it.session), page), NotFound),
        query("runs of a thread", Q::Runs(RunScope::Thread(it.thread), page), NotFound),
        query("runs of a task", Q::Runs(RunScope::Task(it.thread, "task".into()), page), NotFound),
        query("usage of a session", Q::Usage(UsageScope::Session(it.session)), NotFound),
        query("usage of a task", Q::Usage(UsageScope::Task(it.thread, "task".into())), NotFound),
        query("usage of a thread", Q::Usage(UsageScope::Thread(it.thread)), NotFound),
        query("ledger", Q::Ledger(it.session, page), NotFound),
        query("lease", Q::Lease(it.session), NotFound),
        query("interventions", Q::Interventions(it.edge, page), NotFound),
        query("resumable", Q::Resumable(it.thread, page), NotFound),
        query("summary", Q::Summary(it.summary), None),
        query("summaries", Q::Summaries(it.session, page), NotFound),
        query("collapse", Q::Collapse(it.collapse), None),
        query("collapses", Q::Collapses(it.session, page), NotFound),
        query("state of a session", Q::State(it.session.into(), Option::None), NotFound),
        query(
            "state of a session at a version",
            Q::State(it.session.into(), Some(1.into())),
            NotFound,
        ),
        query("state of a thread", Q::State(it.thread.into(), Option::None), NotFound),
        query(
            "state of a thread at a version",
            Q::State(it.thread.into(), Some(1.into())),
            NotFound,
        ),
        query("context", Q::Context(it.session, Option::None), NotFound),
        query("context at a version", Q::Context(it.session, Some(1.into())), NotFound),
        query("context size", Q::ContextSize(it.session), NotFound),
        query("expand", Q::Expand(it.entry), NotFound),
        query("version_at", Q::VersionAt(it.thread, Timestamp::from_millis(0)), NotFound),
        query("workspace", Q::Workspace(it.workspace), None),
        query("workspaces", Q::Workspaces(it.thread, page), NotFound),
        query("inspect_workspace", Q::InspectWorkspace(it.workspace), NotFound),
        query("list_files", Q::Files(it.workspace, Option::None), NotFound),
        query("read_file", Q::File(it.workspace, file(), Option::None), NotFound),
        query("compare_files", Q::FilesChanged(it.workspace, tree(), Option::None), NotFound),
        query("verify", Q::Verify(it.thread, Option::None), NotFound),
        call("feed", Request::Feed(feed), NotFound),
    ]
}

/// The filters of `entries` that name an id; what they match nothing with is no error.
pub fn entry_filters(own: &Ids, it: &Ids) -> Vec<Request> {
    let entries = |run, in_reply_to| {
        let filter = EntryFilter { run, in_reply_to, ..EntryFilter::default() };
        Request::Query(SessionQuery::Entries(own.session, filter, Paging::default()))
    };
    vec![entries(Some(it.run), None), entries(None, Some(it.entry))]
}
