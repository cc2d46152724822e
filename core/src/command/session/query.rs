//! Questions about one thread, and their answers.

use std::sync::Arc;

use serde::Serialize;

use super::StateScope;
use crate::{
    clock::Timestamp,
    command::{At, Page, Paging},
    id::{
        CollapseId, EntryId, RunId, SessionId, SubSessionId, SummaryId, ThreadId, Version,
        WorkspaceId,
    },
    journal::{Direction, Position},
    model::{
        Actor, Collapse, Context, ContextMessage, ContextSize, Entry, KeyedState, Lease, LedgerRow,
        Resumable, RollUp, Run, Session, SessionRow, SessionStatus, SubSession, Summary, Workspace,
    },
    workspace::{FileEntry, FilePath, Inspection, TreeChange, TreeId},
};

/// Which sessions of a thread to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Only with this status.
    pub status: Option<SessionStatus>,
    /// Only with this label.
    pub label: Option<(String, String)>,
    /// Only owned by this actor.
    pub actor: Option<Actor>,
    /// Only with this task.
    pub task: Option<String>,
    /// Oldest or newest first.
    pub direction: Direction,
    /// Each row with the session's state; a page then ends early where its states come to 4 MiB.
    pub with_state: bool,
}

/// Which entries of a session to list; all of them, oldest first, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// From which end.
    pub direction: Direction,
    /// Only of this run.
    pub run: Option<RunId>,
    /// Only answers to this entry.
    pub in_reply_to: Option<EntryId>,
    /// Only those after this version of the thread, which may be that of any record; 0 for all.
    pub after: Version,
    /// Only those at this time or later (MSG7). Oldest first, a search finds where the first page begins;
    /// newest first, the last page reads at most itself once more.
    pub since: Option<Timestamp>,
}

/// Whose usage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsageScope {
    /// A session's.
    Session(SessionId),
    /// A task's within a thread; an unknown task is `NotFound`, one without usage is not (USE4).
    Task(ThreadId, String),
    /// A thread's.
    Thread(ThreadId),
}

/// Whose runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunScope {
    /// A session's.
    Session(SessionId),
    /// A thread's, session by session.
    Thread(ThreadId),
    /// A task's within a thread, session by session; an unknown task is `NotFound`. A page looks at 4,096 runs at most, and may
    /// have fewer of the task than asked for, or none, with more to come.
    Task(ThreadId, String),
}

/// Questions about one thread.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionQuery {
    /// One session.
    Session(SessionId),
    /// The session of a thread with this external id: from the thread's state, without a scan (XID2).
    SessionByExternalId(ThreadId, String),
    /// The sessions of a thread, in creation order.
    Sessions(ThreadId, SessionFilter, Paging),
    /// A session, its ancestry and its children, as one snapshot (SUB5).
    Drill(SessionId),
    /// The edges below a session, in creation order.
    Children(SessionId, Paging),
    /// One edge.
    Edge(SubSessionId),
    /// The interventions that an edge follows upon, the nearest first, as one snapshot (INT3): it answers what came of the first,
    /// that of the second, and so on.
    Interventions(SubSessionId, Paging),
    /// A session's log. Filters look at a bounded number of records per page (MSG15).
    Entries(SessionId, EntryFilter, Paging),
    /// One entry.
    Entry(EntryId),
    /// What a model sees of a session: at the head, or at a point of the thread's life (CTX1). A session is `NotFound` at a
    /// point from before it was created. Asked again, it costs what is new: the log is folded in memory
    /// ([`StoreOptions::context_memory`](crate::store::StoreOptions::context_memory)).
    Context(SessionId, Option<At>),
    /// How long that is, and the limit that the session has.
    ContextSize(SessionId),
    /// What a compression stands for, as its context showed it right before.
    Expand(EntryId),
    /// The newest version of a thread whose record is not later than a time; none if the thread is younger (CTX3).
    VersionAt(ThreadId, Timestamp),
    /// One run, live or ended.
    Run(RunId),
    /// The run that was handed this external id (RUN5).
    RunByExternalId(ThreadId, String),
    /// Runs: of each session the ended ones in the order they ended, then the live ones. They sum to the roll-up (USE6).
    Runs(RunScope, Paging),
    /// Totals, runs by outcome, attempts (USE1, USE6).
    Usage(UsageScope),
    /// A session's ledger with running totals (USE7).
    Ledger(SessionId, Paging),
    /// The current lease of a session.
    Lease(SessionId),
    /// The state of a session or thread: at the head, or as it was at a point of the thread's life. A session is `NotFound`
    /// at a point from before it was created. At the head it is answered from memory; else the records of the scope are read backwards, but for entries, usage and runs, until one
    /// of 64 that change state.
    State(StateScope, Option<At>),
    /// The sessions of a thread that can be taken up again, those that were written to last first (TLN4). It is no snapshot
    /// across pages; each page looks at all sessions of the thread.
    Resumable(ThreadId, Paging),
    /// One summary.
    Summary(SummaryId),
    /// The summaries of a session, the newest first.
    Summaries(SessionId, Paging),
    /// One collapse.
    Collapse(CollapseId),
    /// The collapses of a session into its parents, the newest first.
    Collapses(SessionId, Paging),
    /// One workspace, if it is not gone.
    Workspace(WorkspaceId),
    /// The workspaces of a thread that are not gone, in creation order.
    Workspaces(ThreadId, Paging),
    /// What there is of a workspace; none where its driver does not have it, such as after somebody removed its folder
    /// (WSP4).
    InspectWorkspace(WorkspaceId),
    /// What lies in a folder of a workspace, not deeper; at its top without one.
    Files(WorkspaceId, Option<FilePath>),
    /// The bytes of a file of a workspace, as it is or as it was in a tree.
    File(WorkspaceId, FilePath, Option<TreeId>),
    /// What changed in a workspace from a tree to another, or to what it holds now.
    FilesChanged(WorkspaceId, TreeId, Option<TreeId>),
    /// Reads a whole thread and checks every record, body and link (MSG13). With an expected position, also that the
    /// journal still holds it: that is how a removed end is found.
    Verify(ThreadId, Option<Position>),
}

/// A session with what stands around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drill {
    /// The session.
    pub session: Session,
    /// Root to self.
    pub ancestry: Vec<SessionId>,
    /// The edges below it, in creation order; at most the first 1,000.
    pub children: Vec<SubSession>,
    /// The head all of it was read at.
    pub head: Version,
}

/// What [`SessionQuery::Verify`] found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Records that were read.
    pub records: u64,
    /// Where the journal ends.
    pub head: Option<Position>,
    /// What is wrong, each with the version it is at; at most 100.
    pub problems: Vec<(Version, String)>,
}

/// The answer to a [`SessionQuery`], in its order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SessionAnswer {
    /// The session, if it exists.
    Session(Option<Session>),
    /// A page of sessions.
    Sessions(Page<SessionRow>),
    /// The session with its surroundings, if it exists.
    Drill(Option<Drill>),
    /// A page of edges.
    Edges(Page<SubSession>),
    /// The edge, if it exists.
    Edge(Option<SubSession>),
    /// A page of entries.
    Entries(Page<Entry>),
    /// The entry, if it exists.
    Entry(Option<Box<Entry>>),
    /// A context.
    Context(Context),
    /// How long a context is.
    ContextSize(ContextSize),
    /// The messages that a compression stands for.
    Expanded(Vec<Arc<ContextMessage>>),
    /// A version, if the thread was there.
    VersionAt(Option<Version>),
    /// The run, if it exists.
    Run(Option<Box<Run>>),
    /// A page of runs.
    Runs(Page<Run>),
    /// A roll-up.
    Usage(RollUp),
    /// A page of the ledger.
    Ledger(Page<LedgerRow>),
    /// The lease, if one is current.
    Lease(Option<Lease>),
    /// The state.
    State(KeyedState),
    /// A page of sessions that can be taken up again.
    Resumable(Page<Resumable>),
    /// The summary, if it exists.
    Summary(Option<Box<Summary>>),
    /// A page of summaries.
    Summaries(Page<Summary>),
    /// The collapse, if it exists.
    Collapse(Option<Box<Collapse>>),
    /// A page of collapses.
    Collapses(Page<Collapse>),
    /// What a verification found.
    Verified(Verified),
    /// The workspace, if it is not gone.
    Workspace(Option<Box<Workspace>>),
    /// A page of workspaces.
    Workspaces(Page<Workspace>),
    /// What there is of a workspace.
    Inspection(Option<Inspection>),
    /// What lies in a folder.
    Files(Vec<FileEntry>),
    /// The bytes of a file.
    File(Vec<u8>),
    /// What changed.
    FilesChanged(Vec<TreeChange>),
}
