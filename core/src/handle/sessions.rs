//! Everything inside one thread, one method each.

use std::{sync::Arc, time::Duration};

use super::{Changes, Handle, List, only};
use crate::{
    clock::Timestamp,
    command::{
        Append, Appended, At, Drill, Expect, LinkSessions, NewRun, NewSession, RunScope,
        SessionAnswer, SessionCommand, SessionFilter, SessionOutcome, SessionQuery, StateChange,
        StateScope, Sweep, SweptRun, UpdateEdge, UpdateSession, UsageScope, Verified,
    },
    error::Result,
    id::{EntryId, RunId, SessionId, SubSessionId, ThreadId, Version},
    journal::Position,
    model::{
        Context, ContextLimit, ContextMessage, ContextSize, Entry, KeyedState, Lease, LedgerRow,
        RollUp, Run, RunOutcome, RunStatus, Session, SessionRow, SessionStatus, SubSession, Usage,
    },
};

impl Handle {
    /// Creates a session in an open thread of an open project; a text is its name. Under an external id that a session of
    /// the thread has already, it answers that one.
    pub async fn create_session(
        &self,
        thread: ThreadId,
        session: impl Into<NewSession>,
    ) -> Result<SessionId> {
        let command = SessionCommand::CreateSession { thread, session: Box::new(session.into()) };
        self.apply(command, only!(SessionOutcome::SessionCreated(made) => made.id)).await
    }

    /// Changes a session if `expected` is its version; answers the new version.
    pub async fn update_session(
        &self,
        session: SessionId,
        expected: Version,
        update: UpdateSession,
    ) -> Result<Version> {
        self.changed(SessionCommand::UpdateSession { session, expected, update }).await
    }

    /// Sets a status by hand, while no run lives; answers the session's new version.
    pub async fn set_status(&self, session: SessionId, to: SessionStatus) -> Result<Version> {
        self.changed(SessionCommand::SetStatus { session, to }).await
    }

    /// Takes a failed session back to active; answers its new version.
    pub async fn reopen_session(&self, session: SessionId) -> Result<Version> {
        self.changed(SessionCommand::ReopenSession { session }).await
    }

    /// Deletes a session that no edge names, with its entries, runs and lease. Idempotent.
    pub async fn delete_session(&self, session: SessionId) -> Result<()> {
        let command = SessionCommand::DeleteSession { session };
        self.apply(command, only!(SessionOutcome::Deleted => ())).await
    }

    /// Makes one session the child of another; answers the edge.
    pub async fn link_sessions(&self, link: LinkSessions) -> Result<SubSessionId> {
        let command = SessionCommand::LinkSessions(link);
        self.apply(command, only!(SessionOutcome::Linked(edge) => edge)).await
    }

    /// Changes an edge if `expected` is its version; answers the new version.
    pub async fn update_edge(
        &self,
        edge: SubSessionId,
        expected: Version,
        update: UpdateEdge,
    ) -> Result<Version> {
        self.changed(SessionCommand::UpdateEdge { edge, expected, update }).await
    }

    /// Deletes an edge, and neither of its sessions. Idempotent.
    pub async fn delete_edge(&self, edge: SubSessionId) -> Result<()> {
        let command = SessionCommand::DeleteEdge { edge };
        self.apply(command, only!(SessionOutcome::Deleted => ())).await
    }

    /// Appends entries: all or none of them, durable when it returns.
    ///
    /// Takes one entry, an array or a vector of them; [`Append::expecting_tail`] appends only where nobody else did.
    pub async fn append(&self, session: SessionId, entries: impl Into<Append>) -> Result<Appended> {
        let command = SessionCommand::Append { session, append: entries.into() };
        self.apply(command, only!(SessionOutcome::Appended(appended) => appended)).await
    }

    /// Appends copies of entries of other sessions of the thread, in this order: all or none of them.
    pub async fn copy_entries(
        &self,
        to: SessionId,
        entries: impl IntoIterator<Item = EntryId>,
        expect: Expect,
    ) -> Result<Appended> {
        let entries = entries.into_iter().collect();
        let command = SessionCommand::CopyEntries { to, entries, expect };
        self.apply(command, only!(SessionOutcome::Appended(appended) => appended)).await
    }

    /// Appends copies of what is new in a fork to the session that it was forked from; `None` if nothing is.
    pub async fn merge_fork(&self, fork: SessionId, expect: Expect) -> Result<Option<Appended>> {
        let command = SessionCommand::MergeFork { fork, expect };
        self.apply(command, only!(SessionOutcome::Merged(appended) => appended)).await
    }

    /// Starts a run.
    pub async fn start_run(&self, session: SessionId, run: NewRun) -> Result<RunId> {
        let command = SessionCommand::StartRun { session, run };
        self.apply(command, only!(SessionOutcome::RunStarted(run) => run)).await
    }

    /// Moves a run to running, awaiting_hitl or awaiting_hitl_resolution; answers the version of that step.
    pub async fn set_run_status(&self, run: RunId, to: RunStatus) -> Result<Version> {
        self.changed(SessionCommand::SetRunStatus { run, to }).await
    }

    /// Ends a run; answers the version of its end.
    pub async fn end_run(&self, run: RunId, outcome: RunOutcome) -> Result<Version> {
        self.changed(SessionCommand::EndRun { run, outcome, echo: self.echo() }).await
    }

    /// Lets a running run wait for sub-sessions: it runs on in the commit that ends the last of them, or fails with one whose
    /// edge is `fail_fast`. Answers the version of that step; `None` if all had ended, and the run goes on running.
    pub async fn await_sub_sessions(
        &self,
        run: RunId,
        edges: impl IntoIterator<Item = SubSessionId>,
    ) -> Result<Option<Version>> {
        let command = SessionCommand::AwaitSubSessions { run, edges: edges.into_iter().collect() };
        self.apply(command, only!(SessionOutcome::Awaiting(version) => version)).await
    }

    /// Ends the runs of a thread that nobody works on any more; answers which. To sweep all threads of a tenant, call
    /// [`Store::sweep`](crate::store::Store::sweep).
    pub async fn sweep_runs(&self, thread: ThreadId, sweep: Sweep) -> Result<Vec<SweptRun>> {
        let command = SessionCommand::SweepRuns { thread, sweep };
        self.apply(command, only!(SessionOutcome::Swept(runs) => runs)).await
    }

    /// Books what one call of a live run used. The same call id counts once.
    pub async fn book_usage(
        &self,
        run: RunId,
        call: impl Into<String>,
        usage: Usage,
    ) -> Result<Version> {
        let (call, echo) = (call.into(), self.echo());
        self.changed(SessionCommand::BookUsage { run, call, usage, echo }).await
    }

    /// Takes the lease of a session; answers its fencing token, for [`with_lease`](Self::with_lease).
    pub async fn claim_lease(&self, session: SessionId, ttl: Duration) -> Result<Version> {
        let command = SessionCommand::ClaimLease { session, ttl };
        self.apply(command, only!(SessionOutcome::Leased(token) => token)).await
    }

    /// Gives the lease that this handle holds more time; the token stays.
    pub async fn renew_lease(&self, session: SessionId, ttl: Duration) -> Result<Version> {
        self.changed(SessionCommand::RenewLease { session, ttl }).await
    }

    /// Gives back the lease that this handle holds. Idempotent.
    pub async fn release_lease(&self, session: SessionId) -> Result<()> {
        self.changed(SessionCommand::ReleaseLease { session }).await.map(|_| ())
    }

    /// One session, if it exists.
    pub async fn session(&self, session: SessionId) -> Result<Option<Session>> {
        self.ask(SessionQuery::Session(session), only!(SessionAnswer::Session(it) => it)).await
    }

    /// The session of a thread with this external id, if there is one.
    pub async fn session_by_external_id(
        &self,
        thread: ThreadId,
        external_id: impl Into<String>,
    ) -> Result<Option<Session>> {
        let query = SessionQuery::SessionByExternalId(thread, external_id.into());
        self.ask(query, only!(SessionAnswer::Session(it) => it)).await
    }

    /// The sessions of a thread, in creation order.
    pub fn sessions(&self, thread: ThreadId) -> List<SessionRow> {
        List::new(self, (thread, SessionFilter::default()))
    }

    /// A session, its ancestry and its children, as one snapshot.
    pub async fn drill(&self, session: SessionId) -> Result<Option<Drill>> {
        self.ask(SessionQuery::Drill(session), only!(SessionAnswer::Drill(it) => it)).await
    }

    /// The edges below a session, in creation order.
    pub fn children(&self, session: SessionId) -> List<SubSession> {
        List::new(self, session)
    }

    /// One edge, if it exists.
    pub async fn edge(&self, edge: SubSessionId) -> Result<Option<SubSession>> {
        self.ask(SessionQuery::Edge(edge), only!(SessionAnswer::Edge(it) => it)).await
    }

    /// A session's log: oldest first, all of it, unless told otherwise.
    pub fn entries(&self, session: SessionId) -> List<Entry> {
        List::of_entries(self, session)
    }

    /// One entry, if it exists.
    pub async fn entry(&self, entry: EntryId) -> Result<Option<Entry>> {
        self.ask(SessionQuery::Entry(entry), only!(SessionAnswer::Entry(it) => it.map(|e| *e)))
            .await
    }

    /// One run, live or ended, if it exists.
    pub async fn run(&self, run: RunId) -> Result<Option<Run>> {
        self.ask(SessionQuery::Run(run), only!(SessionAnswer::Run(it) => it.map(|r| *r))).await
    }

    /// The run of a thread that has this external id, if there is one.
    pub async fn run_by_external_id(
        &self,
        thread: ThreadId,
        external_id: impl Into<String>,
    ) -> Result<Option<Run>> {
        let query = SessionQuery::RunByExternalId(thread, external_id.into());
        self.ask(query, only!(SessionAnswer::Run(it) => it.map(|r| *r))).await
    }

    /// Runs of a session or of a thread: of each session the ended ones, then the live ones.
    pub fn runs(&self, of: impl Into<RunScope>) -> List<Run> {
        List::new(self, of.into())
    }

    /// Totals of a session, of a thread or of a task.
    pub async fn usage(&self, of: impl Into<UsageScope>) -> Result<RollUp> {
        self.ask(SessionQuery::Usage(of.into()), only!(SessionAnswer::Usage(it) => it)).await
    }

    /// What a session used, call by call, with running totals.
    pub fn ledger(&self, session: SessionId) -> List<LedgerRow> {
        List::new(self, session)
    }

    /// The current lease of a session, if there is one.
    pub async fn lease(&self, session: SessionId) -> Result<Option<Lease>> {
        self.ask(SessionQuery::Lease(session), only!(SessionAnswer::Lease(it) => it)).await
    }

    /// Sets and removes keys of the state of a session or of a thread, all or none; answers the version that the keys have
    /// now.
    pub async fn set_state(
        &self,
        of: impl Into<StateScope>,
        changes: impl IntoIterator<Item = StateChange>,
    ) -> Result<Version> {
        let (of, changes) = (of.into(), changes.into_iter().collect());
        self.changed(SessionCommand::SetState { of, changes }).await
    }

    /// The state of a session or of a thread.
    pub async fn state(&self, of: impl Into<StateScope>) -> Result<KeyedState> {
        let query = SessionQuery::State(of.into(), None);
        self.ask(query, only!(SessionAnswer::State(it) => it)).await
    }

    /// The state of a session or of a thread as it was at a point of the thread's life: a version, or a time.
    pub async fn state_at(
        &self,
        of: impl Into<StateScope>,
        at: impl Into<At>,
    ) -> Result<KeyedState> {
        let query = SessionQuery::State(of.into(), Some(at.into()));
        self.ask(query, only!(SessionAnswer::State(it) => it)).await
    }

    /// What a model sees of a session: its messages in order, edits in their places, without what is skipped or compressed.
    pub async fn context(&self, session: SessionId) -> Result<Context> {
        let query = SessionQuery::Context(session, None);
        self.ask(query, only!(SessionAnswer::Context(it) => it)).await
    }

    /// The context of a session at a point of the thread's life: a version, or a time. Any version of the thread will do, also
    /// that of an entry of another session: what did this one know when that one decided?
    pub async fn context_at(&self, session: SessionId, at: impl Into<At>) -> Result<Context> {
        let query = SessionQuery::Context(session, Some(at.into()));
        self.ask(query, only!(SessionAnswer::Context(it) => it)).await
    }

    /// How long a session's context is, in tokens, and its share of the limit if it has one.
    pub async fn context_size(&self, session: SessionId) -> Result<ContextSize> {
        let query = SessionQuery::ContextSize(session);
        self.ask(query, only!(SessionAnswer::ContextSize(it) => it)).await
    }

    /// Says how long a session's context may get; `None`: it does not matter. See [`SessionCommand::SetContextLimit`].
    pub async fn set_context_limit(
        &self,
        session: SessionId,
        limit: impl Into<Option<ContextLimit>>,
    ) -> Result<Version> {
        self.changed(SessionCommand::SetContextLimit { session, limit: limit.into() }).await
    }

    /// The messages that a compression stands for, as the context showed them right before it.
    pub async fn expand(&self, compression: EntryId) -> Result<Vec<Arc<ContextMessage>>> {
        let query = SessionQuery::Expand(compression);
        self.ask(query, only!(SessionAnswer::Expanded(it) => it)).await
    }

    /// The newest version of a thread whose record is not later than a time; `None` if the thread is younger.
    pub async fn version_at(&self, thread: ThreadId, time: Timestamp) -> Result<Option<Version>> {
        let query = SessionQuery::VersionAt(thread, time);
        self.ask(query, only!(SessionAnswer::VersionAt(it) => it)).await
    }

    /// Every record of a thread, in order: the feed.
    pub fn changes(&self, thread: ThreadId) -> Changes {
        Changes::new(self, thread)
    }

    /// Reads a whole thread and checks every record, body and link. With a position that was noted before, also that the
    /// thread still holds it.
    pub async fn verify(&self, thread: ThreadId, expected: Option<Position>) -> Result<Verified> {
        let query = SessionQuery::Verify(thread, expected);
        self.ask(query, only!(SessionAnswer::Verified(it) => it)).await
    }

    async fn changed(&self, command: SessionCommand) -> Result<Version> {
        self.apply(command, only!(SessionOutcome::Changed(version) => version)).await
    }
}
