//! Everything inside one thread.

use std::time::Duration;

use serde::Serialize;

use super::{Page, Paging};
use crate::{
    clock::Timestamp,
    id::{EntryId, RunId, SessionId, SubSessionId, ThreadId, Version},
    journal::{Direction, Position},
    json::Json,
    model::{
        Actor, CompletionMode, Entry, FailureMode, Labels, Lease, LedgerRow, NewEntry, RollUp, Run,
        RunOutcome, RunStatus, Session, SessionRow, SessionStatus, SubSession, SubSessionKind,
        Usage,
    },
};

/// The edge of a session created under a parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewSubSession {
    /// The session above.
    pub parent: SessionId,
    /// How it comes to be.
    pub kind: SubSessionKind,
    /// What a failure does.
    pub failure_mode: FailureMode,
    /// How the result comes back.
    pub completion_mode: CompletionMode,
    /// What it is for, 0 to 256 bytes.
    pub purpose: Option<String>,
    /// The parent's live run that asks for it.
    pub spawned_by_run: Option<RunId>,
}

impl NewSubSession {
    /// Under this parent, with the defaults.
    pub fn under(parent: SessionId) -> Self {
        Self {
            parent,
            kind: SubSessionKind::default(),
            failure_mode: FailureMode::default(),
            completion_mode: CompletionMode::default(),
            purpose: None,
            spawned_by_run: None,
        }
    }

    /// With a purpose.
    #[must_use]
    pub fn for_purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = Some(purpose.into());
        self
    }
}

/// A session to create.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewSession {
    /// Its name, 0 to 256 bytes.
    pub name: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// The task it works on, 1 to 128 bytes.
    pub task: Option<String>,
    /// Who owns it.
    pub actor: Option<Actor>,
    /// Its edge, if it is created under a parent: one commit.
    pub parent: Option<NewSubSession>,
}

impl NewSession {
    /// With a name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// With one more label.
    #[must_use]
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels = self.labels.with(key, value);
        self
    }

    /// With a task.
    #[must_use]
    pub fn for_task(mut self, task: impl Into<String>) -> Self {
        self.task = Some(task.into());
        self
    }

    /// With an owner.
    #[must_use]
    pub fn owned_by(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Under a parent.
    #[must_use]
    pub fn under(mut self, parent: NewSubSession) -> Self {
        self.parent = Some(parent);
        self
    }
}

/// What a session becomes; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UpdateSession {
    /// Its name; `Some(None)` takes it away.
    pub name: Option<Option<String>>,
    /// Its labels, whole.
    pub labels: Option<Labels>,
    /// Its task; `Some(None)` takes it away.
    pub task: Option<Option<String>>,
    /// Its owner; only where it has none yet.
    pub actor: Option<Actor>,
}

/// An edge between existing sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkSessions {
    /// The session below.
    pub child: SessionId,
    /// The edge.
    pub edge: NewSubSession,
}

/// What an edge becomes; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UpdateEdge {
    /// What it is for; `Some(None)` takes it away.
    pub purpose: Option<Option<String>>,
    /// What a failure does.
    pub failure_mode: Option<FailureMode>,
    /// How the result comes back.
    pub completion_mode: Option<CompletionMode>,
}

/// What an append expects to find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Expect {
    /// Anything.
    #[default]
    Any,
    /// The session's last entry at this version; 0 when it has none (MSG3).
    Tail(Version),
}

/// Entries to append: one turn, atomic (MSG2). 1 to 1,000 entries, each at most 32 MiB before encoding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Append {
    /// In this order.
    pub entries: Vec<NewEntry>,
    /// What must be there.
    pub expect: Expect,
}

impl Append {
    /// Only if the session's last entry is at this version.
    #[must_use]
    pub const fn expecting_tail(mut self, tail: Version) -> Self {
        self.expect = Expect::Tail(tail);
        self
    }
}

impl From<Vec<NewEntry>> for Append {
    fn from(entries: Vec<NewEntry>) -> Self {
        Self { entries, expect: Expect::Any }
    }
}

impl From<NewEntry> for Append {
    fn from(entry: NewEntry) -> Self {
        vec![entry].into()
    }
}

/// A run to start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewRun {
    /// The ended run of the same session that it tries again.
    pub retry_of: Option<RunId>,
    /// The task, 1 to 128 bytes; the session's without it.
    pub task: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// Begin queued instead of running.
    pub queued: bool,
}

/// Writes inside one thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SessionCommand {
    /// Creates a session in an open thread of an open project (SES1, SES2).
    CreateSession {
        /// Where.
        thread: ThreadId,
        /// What.
        session: NewSession,
    },
    /// Changes a session, if its version is the expected one (SES5).
    UpdateSession {
        /// Which.
        session: SessionId,
        /// Its version.
        expected: Version,
        /// What changes.
        update: UpdateSession,
    },
    /// Sets a status by hand: among idle, active, awaiting_hitl and failed, while no run lives (SES4).
    SetStatus {
        /// Which.
        session: SessionId,
        /// Where to.
        to: SessionStatus,
    },
    /// Takes a failed session back to active, in a new activity.
    ReopenSession {
        /// Which.
        session: SessionId,
    },
    /// Deletes a session that no edge names, with its entries, runs and lease (SES7). Idempotent. What it cost stays in
    /// the totals of task, thread and project.
    DeleteSession {
        /// Which.
        session: SessionId,
    },
    /// Makes one session the child of another (SUB1, SUB2, SUB7).
    LinkSessions(LinkSessions),
    /// Changes an edge, if its version is the expected one (SUB10).
    UpdateEdge {
        /// Which.
        edge: SubSessionId,
        /// Its version.
        expected: Version,
        /// What changes.
        update: UpdateEdge,
    },
    /// Removes an edge and nothing else (SUB6). Idempotent.
    DeleteEdge {
        /// Which.
        edge: SubSessionId,
    },
    /// Appends entries (MSG1, MSG2).
    Append {
        /// Where.
        session: SessionId,
        /// What.
        append: Append,
    },
    /// Starts a run (RUN1).
    StartRun {
        /// Where.
        session: SessionId,
        /// What.
        run: NewRun,
    },
    /// Takes a run a step on: running, awaiting_hitl, awaiting_hitl_resolution.
    SetRunStatus {
        /// Which.
        run: RunId,
        /// Where to.
        to: RunStatus,
    },
    /// Ends a run (RUN2).
    EndRun {
        /// Which.
        run: RunId,
        /// How.
        outcome: RunOutcome,
        /// The external id, as the agent program gave it back; one that differs is refused (RUN1).
        echo: Option<String>,
    },
    /// Books one call of a live run; again with the same call id it counts once (USE2).
    BookUsage {
        /// Which run.
        run: RunId,
        /// The caller's id of the call, 1 to 128 bytes, unique in the run.
        call: String,
        /// What it used.
        usage: Usage,
        /// The external id, as the agent program gave it back.
        echo: Option<String>,
    },
    /// Takes the lease of a session that has none, or whose lease expired more than `max_skew` ago (LEA1, LEA3).
    /// With the current token it is renewed under a new one.
    ClaimLease {
        /// Which session.
        session: SessionId,
        /// Time to live, 1 ms to 1 day.
        ttl: Duration,
    },
    /// Gives the current lease more time; the token stays.
    RenewLease {
        /// Which session.
        session: SessionId,
        /// Time to live from now.
        ttl: Duration,
    },
    /// Gives the lease back. Without a current lease it writes nothing (LEA4).
    ReleaseLease {
        /// Which session.
        session: SessionId,
    },
}

/// The entries of one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The first entry.
    pub first: EntryId,
    /// How many, at consecutive versions.
    pub count: u16,
}

impl Appended {
    /// Their ids, in order.
    pub fn entries(self) -> impl Iterator<Item = EntryId> {
        let (thread, first) = (self.first.thread(), self.first.version());
        (0..u64::from(self.count)).map(move |i| EntryId::new(thread, first + i))
    }

    /// The session's tail right after this append.
    pub const fn tail(self) -> Version {
        self.first.version() + self.count as u64 - 1
    }
}

/// What a [`SessionCommand`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionOutcome {
    /// The session exists; with its edge, if it was created under a parent.
    SessionCreated(SessionId, Option<SubSessionId>),
    /// The edge exists.
    Linked(SubSessionId),
    /// The entries are in the log.
    Appended(Appended),
    /// The run lives.
    RunStarted(RunId),
    /// The lease is held under this fencing token.
    Leased(Version),
    /// The change stands in the record at this version; for what wrote nothing, the version that made it so.
    Changed(Version),
    /// It is gone, or never was.
    Deleted,
}

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
}

/// Questions about one thread.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionQuery {
    /// One session.
    Session(SessionId),
    /// The sessions of a thread, in creation order.
    Sessions(ThreadId, SessionFilter, Paging),
    /// A session, its ancestry and its children, as one snapshot (SUB5).
    Drill(SessionId),
    /// The edges below a session, in creation order.
    Children(SessionId, Paging),
    /// One edge.
    Edge(SubSessionId),
    /// A session's log. Filters look at a bounded number of records per page (MSG15).
    Entries {
        /// Whose.
        session: SessionId,
        /// From which end.
        direction: Direction,
        /// Only of this run.
        run: Option<RunId>,
        /// Only answers to this entry.
        in_reply_to: Option<EntryId>,
        /// Which page.
        page: Paging,
    },
    /// One entry.
    Entry(EntryId),
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
    /// What a verification found.
    Verified(Verified),
}

/// Where a follower of a thread stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Which thread.
    pub thread: ThreadId,
    /// The last version seen; 0 for all.
    pub after: Version,
    /// At most this many records, 1 to 1,000.
    pub limit: usize,
    /// How long to wait for the first record, if there is none yet.
    pub wait: Duration,
}

/// One committed record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FeedRecord {
    /// Its version.
    pub version: Version,
    /// When, by the writer's clock.
    pub at: Timestamp,
    /// The session it is about.
    pub session: Option<SessionId>,
    /// The name of its kind.
    pub kind: String,
    /// The facts: ids, numbers, states.
    pub facts: Json,
    /// Names, texts, messages. `None` where the session was deleted since, or the body was erased.
    pub body: Option<Json>,
    /// The body was erased.
    pub erased: bool,
}

/// Events in order, without a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedPage {
    /// Records after the position asked for; empty if there were none within the wait.
    pub records: Vec<FeedRecord>,
    /// Ask again after this version.
    pub after: Version,
}
