//! Everything inside a thread.

use std::{future::Future, time::Duration};

use crate::{
    command::{
        Append, Appended, By, Drill, LinkSessions, NewRun, NewSession, Page, Paging, RunScope,
        SessionAnswer, SessionCommand, SessionFilter, SessionOutcome, SessionQuery, UpdateEdge,
        UpdateSession, UsageScope, Verified,
    },
    error::Result,
    id::{EntryId, RunId, SessionId, SubSessionId, ThreadId, Version},
    journal::{Direction, Position},
    model::{
        Entry, Lease, LedgerRow, RollUp, Run, RunOutcome, RunStatus, Session, SessionRow,
        SessionStatus, SubSession, Usage,
    },
    store::waist::SessionStore,
};

/// Everything inside one thread, one method each. Errors and limits are those of the command or query it sends.
pub trait SessionStoreExt: SessionStore {
    /// Creates a session in an open thread of an open project; answers its id, and its edge's if it has a parent.
    fn create_session(
        &self,
        by: &By,
        thread: ThreadId,
        session: NewSession,
    ) -> impl Future<Output = Result<(SessionId, Option<SubSessionId>)>> + Send {
        let request = SessionCommand::CreateSession { thread, session };
        answer!("create_session", self.apply(by, request), SessionOutcome::SessionCreated(id, edge) => (id, edge))
    }

    /// Changes a session if `expected` is its version; answers the new version.
    fn update_session(
        &self,
        by: &By,
        session: SessionId,
        expected: Version,
        update: UpdateSession,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::UpdateSession { session, expected, update };
        answer!("update_session", self.apply(by, request), SessionOutcome::Changed(version) => version)
    }

    /// Sets a status by hand; answers the session's new version.
    fn set_status(
        &self,
        by: &By,
        session: SessionId,
        to: SessionStatus,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::SetStatus { session, to };
        answer!("set_status", self.apply(by, request), SessionOutcome::Changed(version) => version)
    }

    /// Takes a failed session back to active; answers its new version.
    fn reopen_session(
        &self,
        by: &By,
        session: SessionId,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::ReopenSession { session };
        answer!("reopen_session", self.apply(by, request), SessionOutcome::Changed(version) => version)
    }

    /// Deletes a session that no edge names. Idempotent.
    fn delete_session(
        &self,
        by: &By,
        session: SessionId,
    ) -> impl Future<Output = Result<()>> + Send {
        let request = SessionCommand::DeleteSession { session };
        answer!("delete_session", self.apply(by, request), SessionOutcome::Deleted => ())
    }

    /// Makes one session the child of another.
    fn link_sessions(
        &self,
        by: &By,
        link: LinkSessions,
    ) -> impl Future<Output = Result<SubSessionId>> + Send {
        let request = SessionCommand::LinkSessions(link);
        answer!("link_sessions", self.apply(by, request), SessionOutcome::Linked(edge) => edge)
    }

    /// Changes an edge if `expected` is its version; answers the new version.
    fn update_edge(
        &self,
        by: &By,
        edge: SubSessionId,
        expected: Version,
        update: UpdateEdge,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::UpdateEdge { edge, expected, update };
        answer!("update_edge", self.apply(by, request), SessionOutcome::Changed(version) => version)
    }

    /// Removes an edge and nothing else. Idempotent.
    fn delete_edge(&self, by: &By, edge: SubSessionId) -> impl Future<Output = Result<()>> + Send {
        let request = SessionCommand::DeleteEdge { edge };
        answer!("delete_edge", self.apply(by, request), SessionOutcome::Deleted => ())
    }

    /// Appends entries as one turn: all of them or none.
    fn append(
        &self,
        by: &By,
        session: SessionId,
        append: impl Into<Append> + Send,
    ) -> impl Future<Output = Result<Appended>> + Send {
        let request = SessionCommand::Append { session, append: append.into() };
        answer!("append", self.apply(by, request), SessionOutcome::Appended(appended) => appended)
    }

    /// Starts a run.
    fn start_run(
        &self,
        by: &By,
        session: SessionId,
        run: NewRun,
    ) -> impl Future<Output = Result<RunId>> + Send {
        let request = SessionCommand::StartRun { session, run };
        answer!("start_run", self.apply(by, request), SessionOutcome::RunStarted(run) => run)
    }

    /// Takes a run a step on; answers the version of that step.
    fn set_run_status(
        &self,
        by: &By,
        run: RunId,
        to: RunStatus,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::SetRunStatus { run, to };
        answer!("set_run_status", self.apply(by, request), SessionOutcome::Changed(version) => version)
    }

    /// Ends a run; answers the version of its end.
    fn end_run(
        &self,
        by: &By,
        run: RunId,
        outcome: RunOutcome,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::EndRun { run, outcome, echo: None };
        answer!("end_run", self.apply(by, request), SessionOutcome::Changed(version) => version)
    }

    /// Books one call of a live run; the same call id counts once.
    fn book_usage(
        &self,
        by: &By,
        run: RunId,
        call: impl Into<String> + Send,
        usage: Usage,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::BookUsage { run, call: call.into(), usage, echo: None };
        answer!("book_usage", self.apply(by, request), SessionOutcome::Changed(version) => version)
    }

    /// Takes the lease of a session; answers the fencing token.
    fn claim_lease(
        &self,
        by: &By,
        session: SessionId,
        ttl: Duration,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::ClaimLease { session, ttl };
        answer!("claim_lease", self.apply(by, request), SessionOutcome::Leased(token) => token)
    }

    /// Gives the current lease more time; the token goes with `by`.
    fn renew_lease(
        &self,
        by: &By,
        session: SessionId,
        ttl: Duration,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::RenewLease { session, ttl };
        answer!("renew_lease", self.apply(by, request), SessionOutcome::Changed(version) => version)
    }

    /// Gives the lease back; the token goes with `by`. Idempotent.
    fn release_lease(
        &self,
        by: &By,
        session: SessionId,
    ) -> impl Future<Output = Result<()>> + Send {
        let request = SessionCommand::ReleaseLease { session };
        answer!("release_lease", self.apply(by, request), SessionOutcome::Changed(_) => ())
    }

    /// One session.
    fn session(
        &self,
        by: &By,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Session>>> + Send {
        let request = SessionQuery::Session(session);
        answer!("session", self.ask(by, request), SessionAnswer::Session(it) => it)
    }

    /// The sessions of a thread, in creation order.
    fn sessions(
        &self,
        by: &By,
        thread: ThreadId,
        filter: SessionFilter,
        page: Paging,
    ) -> impl Future<Output = Result<Page<SessionRow>>> + Send {
        let request = SessionQuery::Sessions(thread, filter, page);
        answer!("sessions", self.ask(by, request), SessionAnswer::Sessions(it) => it)
    }

    /// A session, its ancestry and its children, as one snapshot.
    fn drill(
        &self,
        by: &By,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Drill>>> + Send {
        let request = SessionQuery::Drill(session);
        answer!("drill", self.ask(by, request), SessionAnswer::Drill(it) => it)
    }

    /// The edges below a session, in creation order.
    fn children(
        &self,
        by: &By,
        session: SessionId,
        page: Paging,
    ) -> impl Future<Output = Result<Page<SubSession>>> + Send {
        let request = SessionQuery::Children(session, page);
        answer!("children", self.ask(by, request), SessionAnswer::Edges(it) => it)
    }

    /// One edge.
    fn edge(
        &self,
        by: &By,
        edge: SubSessionId,
    ) -> impl Future<Output = Result<Option<SubSession>>> + Send {
        let request = SessionQuery::Edge(edge);
        answer!("edge", self.ask(by, request), SessionAnswer::Edge(it) => it)
    }

    /// A session's log, from either end.
    fn entries(
        &self,
        by: &By,
        session: SessionId,
        direction: Direction,
        page: Paging,
    ) -> impl Future<Output = Result<Page<Entry>>> + Send {
        let request =
            SessionQuery::Entries { session, direction, run: None, in_reply_to: None, page };
        answer!("entries", self.ask(by, request), SessionAnswer::Entries(it) => it)
    }

    /// One entry.
    fn entry(&self, by: &By, entry: EntryId) -> impl Future<Output = Result<Option<Entry>>> + Send {
        let request = SessionQuery::Entry(entry);
        answer!("entry", self.ask(by, request), SessionAnswer::Entry(it) => it.map(|e| *e))
    }

    /// One run, live or ended.
    fn run(&self, by: &By, run: RunId) -> impl Future<Output = Result<Option<Run>>> + Send {
        let request = SessionQuery::Run(run);
        answer!("run", self.ask(by, request), SessionAnswer::Run(it) => it.map(|r| *r))
    }

    /// The run that was handed this external id.
    fn run_by_external_id(
        &self,
        by: &By,
        thread: ThreadId,
        external_id: impl Into<String> + Send,
    ) -> impl Future<Output = Result<Option<Run>>> + Send {
        let request = SessionQuery::RunByExternalId(thread, external_id.into());
        answer!("run_by_external_id", self.ask(by, request), SessionAnswer::Run(it) => it.map(|r| *r))
    }

    /// Runs of a scope: ended ones, then live ones.
    fn runs(
        &self,
        by: &By,
        scope: RunScope,
        page: Paging,
    ) -> impl Future<Output = Result<Page<Run>>> + Send {
        let request = SessionQuery::Runs(scope, page);
        answer!("runs", self.ask(by, request), SessionAnswer::Runs(it) => it)
    }

    /// Totals of a scope.
    fn usage(&self, by: &By, scope: UsageScope) -> impl Future<Output = Result<RollUp>> + Send {
        let request = SessionQuery::Usage(scope);
        answer!("usage", self.ask(by, request), SessionAnswer::Usage(it) => it)
    }

    /// A session's ledger with running totals.
    fn ledger(
        &self,
        by: &By,
        session: SessionId,
        page: Paging,
    ) -> impl Future<Output = Result<Page<LedgerRow>>> + Send {
        let request = SessionQuery::Ledger(session, page);
        answer!("ledger", self.ask(by, request), SessionAnswer::Ledger(it) => it)
    }

    /// The current lease of a session.
    fn lease(
        &self,
        by: &By,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Lease>>> + Send {
        let request = SessionQuery::Lease(session);
        answer!("lease", self.ask(by, request), SessionAnswer::Lease(it) => it)
    }

    /// Reads a whole thread and checks it.
    fn verify(
        &self,
        by: &By,
        thread: ThreadId,
        expected: Option<Position>,
    ) -> impl Future<Output = Result<Verified>> + Send {
        let request = SessionQuery::Verify(thread, expected);
        answer!("verify", self.ask(by, request), SessionAnswer::Verified(it) => it)
    }
}

impl<T: SessionStore + ?Sized> SessionStoreExt for T {}
