//! The commands inside one thread, and what there is to know of each before it is decided.

use std::time::Duration;

use serde::Serialize;

use super::{
    Append, Archiving, Expect, LinkSessions, NewRun, NewSession, NewSubSession, NewWorkspace,
    StateChange, StateScope, Sweep, UpdateEdge, UpdateSession, WorkspaceChoice,
    state::{check_changes, check_initial},
};
use crate::{
    archive::check_name,
    command::{
        Caller,
        describe::{Check, Description, check_count, optional},
    },
    error::{Error, Result},
    id::{
        CollapseId, EntryId, RunId, SessionId, SubSessionId, ThreadId, Version, WorkspaceId,
        check_external_id, check_outside,
    },
    model::{
        Actor, Budget, ContextLimit, Deliverable, EntryKind, NewCollapse, NewEntry, NewSummary,
        PrevArtifact, RunOutcome, RunStatus, SessionStatus, SubSessionKind, SubSessionStatus,
        Usage, check_collapse_text, check_text,
    },
    rules::thread::run_of_derived,
    workspace::{FileChange, TreeId},
};

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
        session: Box<NewSession>,
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
    /// Deletes a session that no edge names, with its entries, runs and lease (SES7); forks go on showing what they share.
    /// Idempotent. What it cost stays in
    /// the totals of task, thread and project. Its workspace follows it, if no work would be lost; else it is leaked.
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
    /// Appends copies of entries of other logs of the thread (MSG16): 1 to 1,000, in this order. Each says what it is a copy
    /// of, keeps its author and belongs to no run. What names another of them names its copy.
    CopyEntries {
        /// Where to.
        to: SessionId,
        /// Which: all but compressions.
        entries: Vec<EntryId>,
        /// What must be there.
        expect: Expect,
    },
    /// Appends copies of a fork's own entries to the session that it was forked from, at most 1,000, in one commit (MSG16).
    /// Again it brings what is new since. What was erased, and what names only that, stays behind.
    MergeFork {
        /// The fork. It stays as it is.
        fork: SessionId,
        /// What must be there, in the session that it was forked from.
        expect: Expect,
    },
    /// Says how long the context of a session may get, or that this does not matter any more (CTX4). From then on the feed has
    /// a record of kind `context_measured` whenever it reaches or leaves a threshold, which `reached` or `left` names, in the
    /// commit that did it; no write is refused, unless the limit is to
    /// ([`ContextLimit::refusing`], BUD2). In a session with a limit whatever is no message, a copy of such too, is
    /// decided with the whole context, and has such a record behind it in any case.
    SetContextLimit {
        /// Whose. A fork begins without a limit.
        session: SessionId,
        /// The limit.
        limit: Option<ContextLimit>,
    },
    /// Starts a run (RUN1). Refused as `BudgetExceeded` where nothing is left of a budget of the session, of one above it or of
    /// its thread (BUD1).
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
    /// Lets a running run wait for sub-sessions. It runs on in the commit that ends the last of these edges; where one of them
    /// is `fail_fast` and its child fails, the run fails in that commit instead, as
    /// [`RunOutcome::SubSessionFailed`] (SUB11). Until then it may be ended, and takes no other step.
    ///
    /// Edges that had ended before are left out, whatever their failure mode; if all had, the run does not wait. At most 500
    /// runs of a thread wait at once.
    AwaitSubSessions {
        /// Which run.
        run: RunId,
        /// 1 to 1,000 edges below the run's session.
        edges: Vec<SubSessionId>,
    },
    /// Ends the runs of a thread that nobody works on any more, as [`RunOutcome::Abandoned`], with all that follows, in one
    /// commit; ends the expired leases of their sessions too (RUN4). Without such a run it writes nothing. It needs no leases.
    ///
    /// One sweep ends 500 abandoned runs at most, those of a session together; another one goes on. A dry run tells of all at
    /// once.
    SweepRuns {
        /// Which thread.
        thread: ThreadId,
        /// Which runs.
        sweep: Sweep,
    },
    /// Books one call of a live run; again with the same call id it counts once (USE2). What was spent is booked, also above a
    /// budget: the feed then says that it is used up, once (BUD1).
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
    /// Seals what the current activity of a session came to, or its last, once (SUM1). With it the activity ends, a session
    /// that is active or awaits a merge is idle, and the edge above gets the summary and ends. No run of the session may live.
    /// The workspace of a child follows, if no work would be lost.
    SealSummary {
        /// Of which session.
        session: SessionId,
        /// What.
        summary: Box<NewSummary>,
    },
    /// Hands a session over (HOF1): its recipient is its owner from here on, and goes on in a new child of it. Only an idle
    /// session is handed over, and only by its owner, if it has one. All of it is one commit; where the recipient gets a
    /// workspace beside the journal, the session is `locked` while that is made, at most
    /// [`StoreOptions::workspace_time`](crate::store::StoreOptions::workspace_time), and idle again if it comes to nothing.
    /// What another handoff did is looked at before anything else: `Stale`.
    HandOff {
        /// How often the session was handed over.
        expected: u64,
        /// The recipient's session: under the source, by an edge of kind `user_handoff`, with an owner; without an external id,
        /// a lease and a fork.
        recipient: Box<NewSession>,
    },
    /// Hands a session over to several at once, all or none (BRD1): each goes on in a child of its own, and the session waits
    /// for all of them, `awaiting_merge`. It keeps its owner. Asked again by its key, it is answered as before; where recipients
    /// inherited different things and an edge is gone since, those are told of which it is still known where they begin.
    Broadcast {
        /// How often the session was handed over.
        expected: u64,
        /// As for a handoff; 2 to 64, of different owners. What they begin with must fit into one commit: 1,008 records, with 8 of
        /// each recipient beside its entries.
        recipients: Vec<NewSession>,
    },
    /// Goes on in another session, its one successor (SES13): the session's activity ends, and its name, labels, task and owner -
    /// as far as the successor has none of its own - and its lease, its workspace, its budget and the edge to its parent move along, all in one
    /// commit. Its log, its children and what it cost stay. No run of it may live.
    ContinueAs {
        /// Which session.
        session: SessionId,
        /// The successor: without a parent, an external id, a workspace, a budget or a lease of its own. It may be a fork.
        successor: Box<NewSession>,
    },
    /// Takes an edge that merges back a step on (BRD5): idle to `pending_merge`, that to `merging` or `merge_rejected`, that to
    /// `merged` or `merge_conflict`, that to `merging` or `merge_rejected`. With the last recipient of a broadcast its source
    /// is idle again.
    StepMerge {
        /// Which edge.
        edge: SubSessionId,
        /// Its version.
        expected: Version,
        /// Where to.
        to: SubSessionStatus,
    },
    /// Proposes a text for what a child came to, as a message in its parent's log (COL1). What the text is, and whether it waits
    /// for somebody to accept it, follows from the [`Autonomy`](crate::model::Autonomy) (COL4). It needs the lease of the parent,
    /// where that has one. Another open draft of the same state of the child is stale with it (COL6).
    ///
    /// Without a text the store's [`Summarizer`](crate::summarizer::Summarizer) is asked, before anything is written; it may take
    /// as long as the call may, or else [`StoreOptions::summary_time`](crate::store::StoreOptions::summary_time).
    ProposeCollapse {
        /// The edge between the two.
        edge: SubSessionId,
        /// What.
        collapse: Box<NewCollapse>,
    },
    /// Accepts an open draft: its text is the next message of the parent's log (COL1), in the voice of a user.
    AcceptCollapse {
        /// Which.
        collapse: CollapseId,
        /// The text that is to stand there, where it is not the draft's: 1 byte to 64 KiB.
        text: Option<String>,
    },
    /// Rejects an open draft.
    RejectCollapse {
        /// Which.
        collapse: CollapseId,
    },
    /// Archives a session that is idle or failed, with the edge above (ARC1): nothing of it is at work, no child of it is, no
    /// lease is current but the caller's own - which ends with it, as an expired one does -, and the edge is idle, failed,
    /// merged or rejected. From then on it takes nothing, counts for no cap, and is read as before.
    ///
    /// Its bundle is written first, which takes as long as the archive takes, at most
    /// [`StoreOptions::archive_time`](crate::store::StoreOptions::archive_time); what is written to the session meanwhile makes
    /// it begin anew. Its workspace is disposed of after that, if no work would be lost (ARC7). Of a session that is archived
    /// it answers the archive.
    ///
    /// With [`Archiving::evict`] the bundle is read back then, and if it is whole, what the entries of the session's own log say
    /// leaves the journal (ARC6), but for what a fork of it shows. Until the session is restored, lists and the feed show such
    /// entries as `evicted`, searches do not find them, and a context, a copy or a fork of them is `Closed`. What is erased
    /// meanwhile is erased in the bundle. If the session is deleted, or the bundle is lost, they are gone. Of a session that is
    /// archived already it evicts.
    ArchiveSession {
        /// Which.
        session: SessionId,
        /// How.
        archiving: Archiving,
    },
    /// Makes an archived session what it was, its edge too, after its bundle was checked (ARC2, ARC3). What was evicted comes back
    /// before that, in as many commits as it takes (ARC6): cut off, some of it is back, and the session still archived. A
    /// workspace that was disposed of does not come back. Of a session that is not archived it writes nothing.
    RestoreSession {
        /// Which.
        session: SessionId,
    },
    /// Sets and removes keys of a state: all of these changes or none (SES15). A session's state needs the token of its
    /// lease, as an append does; a thread's has no lease. Neither changes the version of its session or thread.
    SetState {
        /// Whose.
        of: StateScope,
        /// 1 to 1,024 changes, each of another key.
        changes: Vec<StateChange>,
    },
    /// Makes a workspace for a session that has none (WSP1, WSP2, WSP11). It takes as long as the driver takes, at most
    /// [`StoreOptions::workspace_time`](crate::store::StoreOptions::workspace_time); without it nothing stays behind, and
    /// what a crash leaves is found by the [reaper](crate::store::Store::reap).
    CreateWorkspace {
        /// For which session.
        session: SessionId,
        /// What.
        workspace: NewWorkspace,
    },
    /// Changes files of a workspace, in this order (WSP9). Where the journal keeps them it is all or nothing; elsewhere, after
    /// an error, those before the one that failed may have been made.
    ChangeFiles {
        /// Which workspace.
        workspace: WorkspaceId,
        /// 1 to 100,000 changes.
        changes: Vec<FileChange>,
    },
    /// Keeps what a workspace holds, as long as its thread lives, and records the tree (WSP10). When nothing changed since the
    /// last one, nothing is written.
    SnapshotWorkspace {
        /// Which.
        workspace: WorkspaceId,
    },
    /// Makes a workspace what a tree of its thread is. What it held and was not kept is gone.
    RestoreWorkspace {
        /// Which.
        workspace: WorkspaceId,
        /// The tree.
        tree: TreeId,
    },
    /// Removes a workspace, if nothing would be lost or it is forced (WSP3). Idempotent; the session stays, and may get
    /// another.
    DisposeWorkspace {
        /// Which.
        workspace: WorkspaceId,
        /// With the work in it.
        force: bool,
    },
}

/// Recipients of one broadcast.
const RECIPIENTS: usize = 64;
/// Entries of one append.
const TURN_ENTRIES: usize = 1000;
/// Edges that a run waits for.
const AWAITED_EDGES: usize = 1000;
/// Changes of files in one command.
const FILE_CHANGES: usize = 100_000;
/// The longest lease.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl NewSession {
    pub(in crate::command) fn check(&self, check: &mut Check<'_>) -> Result<()> {
        optional(self.external_id.as_deref(), check_external_id)?;
        optional(self.name.as_deref(), |name| check_text("name", name))?;
        optional(self.task.as_deref(), |task| check_outside("task", task))?;
        self.labels.check()?;
        check_initial(&self.state)?;
        if !self.turn.is_empty() {
            check_count(self.turn.len(), TURN_ENTRIES)?;
        }
        if self.turn.iter().any(|entry| entry.content.kind() != EntryKind::Message) {
            let reason = "a session begins with messages, and with no other entries";
            return Err(Error::invalid("turn", reason));
        }
        if self.turn.iter().any(|entry| entry.run.is_some() || entry.in_reply_to.is_some()) {
            let reason = "the entries that a session begins with belong to no run and answer none";
            return Err(Error::invalid("turn", reason));
        }
        self.turn.iter().try_for_each(|entry| entry.content.check())?;
        optional(self.parent.as_ref(), |edge| check.edge(edge))?;
        optional(self.lease, check_ttl)?;
        optional(self.budget.as_ref(), Budget::check)?;
        let inherit = self.parent.as_ref().map(|edge| &edge.inherit);
        if self.fork.is_some() && inherit.is_some_and(|inherit| !inherit.is_empty()) {
            let reason = "a fork begins with what it continues, and inherits nothing else";
            return Err(Error::invalid("inherit", reason));
        }
        self.fork.into_iter().for_each(|fork| check.session(fork.session));
        if let WorkspaceChoice::Make(workspace) = &self.workspace {
            workspace.check(check, self.fork.is_some())?;
        }
        check.actor("actor", &self.actor);
        self.turn.iter().for_each(|entry| check.actor("turn", &entry.actor));
        Ok(())
    }
}

impl SessionCommand {
    /// Whether the driver of a workspace has a part in it.
    pub(crate) const fn is_about_files(&self) -> bool {
        matches!(
            self,
            Self::CreateWorkspace { .. }
                | Self::ChangeFiles { .. }
                | Self::SnapshotWorkspace { .. }
                | Self::RestoreWorkspace { .. }
                | Self::DisposeWorkspace { .. }
        )
    }

    /// The sessions that it creates.
    pub(crate) fn new_sessions(&self) -> &[NewSession] {
        match self {
            Self::CreateSession { session, .. }
            | Self::HandOff { recipient: session, .. }
            | Self::ContinueAs { successor: session, .. } => std::slice::from_ref(session),
            Self::Broadcast { recipients, .. } => recipients,
            _ => &[],
        }
    }

    /// Checks the command as far as that is possible without state, and tells what its decision needs. What is
    /// malformed comes before what belongs to another tenant.
    pub(crate) fn describe(&self, caller: &Caller) -> Result<Description<ThreadId>> {
        let mut check = Check::of(caller);
        let of_session = |session: &SessionId| Description::keyed(session.thread());
        let of_run = |run: &RunId| Description::keyed(run.thread()).with_facts([run.version()]);
        let spawner = |edge: &NewSubSession| edge.spawned_by_run.map(RunId::version);
        let answered = |artifact: &Option<PrevArtifact>| match artifact {
            Some(PrevArtifact::Summary(summary)) => Some(summary.version()),
            _ => None,
        };
        let of_edge =
            |edge: &NewSubSession| spawner(edge).into_iter().chain(answered(&edge.prev_artifact));
        let description = match self {
            Self::CreateSession { thread, session } => {
                session.check(&mut check)?;
                if session.parent.is_none() && caller.lease.is_some() {
                    return Err(Error::invalid(
                        "lease",
                        "a session without a parent has no lease yet",
                    ));
                }
                Description::keyed(*thread)
                    .with_caps()
                    .with_facts(session.parent.iter().flat_map(of_edge))
            }
            Self::UpdateSession { session, update, .. } => {
                optional(update.name.as_ref().and_then(Option::as_deref), |name| {
                    check_text("name", name)
                })?;
                optional(update.task.as_ref().and_then(Option::as_deref), |task| {
                    check_outside("task", task)
                })?;
                optional(update.labels.as_ref(), |labels| labels.check())?;
                optional(update.budget.as_ref().and_then(Option::as_ref), Budget::check)?;
                check.actor("actor", &update.actor);
                of_session(session)
            }
            Self::SetStatus { session, .. }
            | Self::ReopenSession { session }
            | Self::ReleaseLease { session } => of_session(session),
            Self::DeleteSession { session } => Description::unkeyed(session.thread()),
            Self::LinkSessions(link) => {
                check.edge(&link.edge)?;
                if !link.edge.inherit.is_empty() {
                    let reason = "a session that exists has a log of its own, and inherits nothing";
                    return Err(Error::invalid("inherit", reason));
                }
                of_session(&link.child).with_caps().with_facts(of_edge(&link.edge))
            }
            Self::UpdateEdge { edge, update, .. } => {
                optional(update.purpose.as_ref().and_then(Option::as_deref), |purpose| {
                    check_text("purpose", purpose)
                })?;
                optional(update.prev_artifact.as_ref(), |artifact| check.artifact(artifact))?;
                let description = Description::keyed(edge.thread());
                match answered(&update.prev_artifact) {
                    Some(summary) => description.with_caps().with_facts([summary]),
                    None => description,
                }
            }
            Self::DeleteEdge { edge } => Description::unkeyed(edge.thread()),
            Self::Append { session, append } => {
                check_count(append.entries.len(), TURN_ENTRIES)?;
                check_changes(&append.state)?;
                check_changes(&append.thread_state)?;
                for entry in &append.entries {
                    entry.content.check()?;
                    check.actor("entries", &entry.actor);
                    check.run(entry.run);
                    check.entry(entry.in_reply_to);
                    entry.content.targets().for_each(|target| check.entry(Some(target)));
                }
                let is_compression =
                    |entry: &NewEntry| entry.content.kind() == EntryKind::Compression;
                if append.entries.iter().skip(1).any(is_compression) {
                    let reason = "a compression is the first entry of its append, or is not in it";
                    return Err(Error::invalid("entries", reason));
                }
                let facts = append.entries.iter().flat_map(|entry| {
                    let run = entry.run.map(RunId::version);
                    let targets = entry.content.targets().map(|e| e.version());
                    entry.in_reply_to.map(|e| e.version()).into_iter().chain(run).chain(targets)
                });
                of_session(session).with_facts(facts)
            }
            Self::CopyEntries { to, entries, .. } => {
                check_count(entries.len(), TURN_ENTRIES)?;
                entries.iter().for_each(|entry| check.entry(Some(*entry)));
                of_session(to)
            }
            Self::MergeFork { fork, .. } => of_session(fork),
            Self::SetContextLimit { session, limit } => {
                optional(limit.as_ref(), ContextLimit::check)?;
                of_session(session)
            }
            Self::StartRun { session, run } => {
                optional(run.task.as_deref(), |task| check_outside("task", task))?;
                run.labels.check()?;
                optional(run.external_id.as_deref(), check_run_external_id)?;
                optional(run.model.as_deref(), |model| check_outside("model", model))?;
                optional(run.provider.as_deref(), |name| check_outside("provider", name))?;
                check.run(run.retry_of);
                of_session(session).with_facts(run.retry_of.map(RunId::version))
            }
            Self::SetRunStatus { run, .. } => of_run(run),
            Self::EndRun { run, outcome, echo } => {
                if !outcome.is_for_callers() {
                    let reason = format!("{outcome}, which only the store says of a run");
                    return Err(Error::invalid("outcome", reason));
                }
                optional(echo.as_deref(), check_external_id)?;
                of_run(run)
            }
            Self::AwaitSubSessions { run, edges } => {
                if edges.is_empty() || edges.len() > AWAITED_EDGES {
                    let reason = format!("{}, where 1 to {AWAITED_EDGES} are allowed", edges.len());
                    return Err(Error::invalid("edges", reason));
                }
                edges.iter().for_each(|edge| check.sub_session(*edge));
                of_run(run)
            }
            Self::SweepRuns { thread, .. } => {
                if caller.lease.is_some() {
                    return Err(Error::invalid(
                        "lease",
                        "a sweep is of a thread, which has no lease",
                    ));
                }
                Description::unkeyed(*thread)
            }
            Self::BookUsage { run, call, usage, echo } => {
                check_outside("call", call)?;
                optional(usage.model.as_deref(), |model| check_outside("model", model))?;
                optional(usage.provider.as_deref(), |name| check_outside("provider", name))?;
                optional(echo.as_deref(), check_external_id)?;
                of_run(run)
            }
            Self::ClaimLease { session, ttl } | Self::RenewLease { session, ttl } => {
                check_ttl(*ttl)?;
                of_session(session)
            }
            Self::HandOff { .. } | Self::Broadcast { .. } => {
                let recipients = self.new_sessions();
                let source = check_recipients(recipients, matches!(self, Self::Broadcast { .. }))?;
                recipients.iter().try_for_each(|recipient| recipient.check(&mut check))?;
                let edges = recipients.iter().filter_map(|recipient| recipient.parent.as_ref());
                of_session(&source).with_caps().with_facts(edges.filter_map(spawner))
            }
            Self::ContinueAs { session, successor } => {
                successor.check(&mut check)?;
                let is_bare = successor.parent.is_none()
                    && successor.external_id.is_none()
                    && successor.lease.is_none()
                    && successor.budget.is_none()
                    && !matches!(successor.workspace, WorkspaceChoice::Make(_));
                if !is_bare {
                    let reason = "a successor has no parent, external id, lease, budget or workspace of its own";
                    return Err(Error::invalid("successor", reason));
                }
                of_session(session).with_caps()
            }
            Self::StepMerge { edge, .. } => Description::keyed(edge.thread()),
            Self::SealSummary { session, summary } => {
                summary.check()?;
                for named in summary.named() {
                    match named {
                        Deliverable::Message(entry) => check.entry(Some(*entry)),
                        Deliverable::SessionSummary(summary) => check.summary(*summary),
                        _ => {}
                    }
                }
                let facts = summary.named().filter_map(|named| match named {
                    Deliverable::Message(entry) => Some(entry.version()),
                    Deliverable::SessionSummary(summary) => Some(summary.version()),
                    _ => None,
                });
                of_session(session).with_facts(facts)
            }
            Self::ProposeCollapse { edge, collapse } => {
                collapse.check()?;
                check.entry(collapse.upto);
                let facts = collapse.upto.map(EntryId::version);
                Description::keyed(edge.thread()).with_caps().with_facts(facts)
            }
            Self::AcceptCollapse { collapse, text } => {
                optional(text.as_deref(), check_collapse_text)?;
                Description::keyed(collapse.thread())
            }
            Self::RejectCollapse { collapse } => Description::keyed(collapse.thread()),
            Self::SetState { of, changes } => {
                if changes.is_empty() {
                    return Err(Error::invalid("state", "there are no changes"));
                }
                check_changes(changes)?;
                if matches!(of, StateScope::Thread(_)) && caller.lease.is_some() {
                    return Err(Error::invalid("lease", "the state of a thread has no lease"));
                }
                Description::keyed(of.thread())
            }
            Self::ArchiveSession { session, archiving } => {
                optional(archiving.backend.as_deref(), check_name)?;
                Description::unkeyed(session.thread())
            }
            Self::RestoreSession { session } => {
                if caller.lease.is_some() {
                    return Err(Error::invalid("lease", "an archived session has no lease"));
                }
                Description::unkeyed(session.thread())
            }
            Self::CreateWorkspace { session, workspace } => {
                workspace.check(&mut check, true)?;
                Description::unkeyed(session.thread())
            }
            Self::ChangeFiles { workspace, changes } => {
                if changes.is_empty() || changes.len() > FILE_CHANGES {
                    let reason =
                        format!("{}, where 1 to {FILE_CHANGES} are allowed", changes.len());
                    return Err(Error::invalid("changes", reason));
                }
                Description::unkeyed(workspace.thread())
            }
            Self::SnapshotWorkspace { workspace }
            | Self::RestoreWorkspace { workspace, .. }
            | Self::DisposeWorkspace { workspace, .. } => Description::unkeyed(workspace.thread()),
        };
        check.done(description.target.tag(), description.target)?;
        Ok(description)
    }
}

/// What is wrong with recipients in any state of the thread (BRD2); answers their source.
fn check_recipients(recipients: &[NewSession], is_broadcast: bool) -> Result<SessionId> {
    let invalid = |reason: &str| Err::<SessionId, _>(Error::invalid("recipients", reason));
    if is_broadcast && !(2..=RECIPIENTS).contains(&recipients.len()) {
        return invalid(&format!("{}, where 2 to {RECIPIENTS} are allowed", recipients.len()));
    }
    let mut source = None;
    let mut owners: Vec<&Actor> = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        let Some(edge) = &recipient.parent else {
            return invalid("a recipient goes on in a child of the source");
        };
        if edge.kind != SubSessionKind::UserHandoff {
            return invalid("the edge of a recipient is of kind `user_handoff`");
        }
        if source.is_some_and(|source| source != edge.parent) {
            return invalid("all recipients are of one source");
        }
        source = Some(edge.parent);
        if edge.prev_artifact.is_some() {
            return invalid("a recipient answers no artifact");
        }
        let Some(owner) = &recipient.actor else { return invalid("a recipient has an owner") };
        if owners.iter().any(|other| other.is_same(owner)) {
            return invalid("no two recipients have the same owner");
        }
        owners.push(owner);
        if recipient.external_id.is_some() || recipient.lease.is_some() || recipient.fork.is_some()
        {
            return invalid("a recipient begins without an external id, a lease and a fork");
        }
    }
    source.map_or_else(|| invalid("there are none"), Ok)
}

/// How long a lease may be.
fn check_ttl(ttl: Duration) -> Result<()> {
    if ttl < Duration::from_millis(1) || ttl > DAY {
        return Err(Error::invalid("ttl", format!("{ttl:?}, where 1 ms to 1 day are allowed")));
    }
    Ok(())
}

/// An external id that the caller gives to a run (RUN1).
fn check_run_external_id(external_id: &str) -> Result<()> {
    check_external_id(external_id)?;
    if run_of_derived(external_id).is_some() {
        return Err(Error::invalid(
            "external_id",
            format!("{external_id:?} has the form kept for runs of older releases; give another"),
        ));
    }
    Ok(())
}
