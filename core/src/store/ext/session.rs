//! Everything inside a thread.

use std::{future::Future, time::Duration};

use crate::{
    command::{
        Append, Appended, Caller, Drill, LinkSessions, NewRun, NewSession, Page, Paging, RunScope,
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
    store::traits::SessionStore,
};

/// Everything inside one thread, one method each. Errors and limits are those of the command or query it sends.
pub trait SessionStoreExt: SessionStore {
    /// Creates a session in an open thread of an open project; answers its id, and its edge's if it has a parent.
    fn create_session(
        &self,
        caller: &Caller,
        thread: ThreadId,
        session: NewSession,
    ) -> impl Future<Output = Result<(SessionId, Option<SubSessionId>)>> + Send {
        let request = SessionCommand::CreateSession { thread, session };
        answer!("create_session", self.apply(caller, request), SessionOutcome::SessionCreated(id, edge) => (id, edge))
    }

    /// Changes a session if `expected` is its version; answers the new version.
    fn update_session(
        &self,
        caller: &Caller,
        session: SessionId,
        expected: Version,
        update: UpdateSession,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::UpdateSession { session, expected, update };
        answer!("update_session", self.apply(caller, request), SessionOutcome::Changed(version) => version)
    }

    /// Sets a status by hand; answers the session's new version.
    fn set_status(
        &self,
        caller: &Caller,
        session: SessionId,
        to: SessionStatus,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::SetStatus { session, to };
        answer!("set_status", self.apply(caller, request), SessionOutcome::Changed(version) => version)
    }

    /// Takes a failed session back to active; answers its new version.
    fn reopen_session(
        &self,
        caller: &Caller,
        session: SessionId,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::ReopenSession { session };
        answer!("reopen_session", self.apply(caller, request), SessionOutcome::Changed(version) => version)
    }

    /// Deletes a session that no edge names. Idempotent.
    fn delete_session(
        &self,
        caller: &Caller,
        session: SessionId,
    ) -> impl Future<Output = Result<()>> + Send {
        let request = SessionCommand::DeleteSession { session };
        answer!("delete_session", self.apply(caller, request), SessionOutcome::Deleted => ())
    }

    /// Makes one session the child of another.
    fn link_sessions(
        &self,
        caller: &Caller,
        link: LinkSessions,
    ) -> impl Future<Output = Result<SubSessionId>> + Send {
        let request = SessionCommand::LinkSessions(link);
        answer!("link_sessions", self.apply(caller, request), SessionOutcome::Linked(edge) => edge)
    }

    /// Changes an edge if `expected` is its version; answers the new version.
    fn update_edge(
        &self,
        caller: &Caller,
        edge: SubSessionId,
        expected: Version,
        update: UpdateEdge,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::UpdateEdge { edge, expected, update };
        answer!("update_edge", self.apply(caller, request), SessionOutcome::Changed(version) => version)
    }

    /// Removes an edge and nothing else. Idempotent.
    fn delete_edge(
        &self,
        caller: &Caller,
        edge: SubSessionId,
    ) -> impl Future<Output = Result<()>> + Send {
        let request = SessionCommand::DeleteEdge { edge };
        answer!("delete_edge", self.apply(caller, request), SessionOutcome::Deleted => ())
    }

    /// Appends entries as one turn: all of them or none.
    fn append(
        &self,
        caller: &Caller,
        session: SessionId,
        append: impl Into<Append> + Send,
    ) -> impl Future<Output = Result<Appended>> + Send {
        let request = SessionCommand::Append { session, append: append.into() };
        answer!("append", self.apply(caller, request), SessionOutcome::Appended(appended) => appended)
    }

    /// Starts a run.
    fn start_run(
        &self,
        caller: &Caller,
        session: SessionId,
        run: NewRun,
    ) -> impl Future<Output = Result<RunId>> + Send {
        let request = SessionCommand::StartRun { session, run };
        answer!("start_run", self.apply(caller, request), SessionOutcome::RunStarted(run) => run)
    }

    /// Takes a run a step on; answers the version of that step.
    fn set_run_status(
        &self,
        caller: &Caller,
        run: RunId,
        to: RunStatus,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::SetRunStatus { run, to };
        answer!("set_run_status", self.apply(caller, request), SessionOutcome::Changed(version) => version)
    }

    /// Ends a run; answers the version of its end.
    fn end_run(
        &self,
        caller: &Caller,
        run: RunId,
        outcome: RunOutcome,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::EndRun { run, outcome, echo: None };
        answer!("end_run", self.apply(caller, request), SessionOutcome::Changed(version) => version)
    }

    /// Books one call of a live run; the same call id counts once.
    fn book_usage(
        &self,
        caller: &Caller,
        run: RunId,
        call: impl Into<String> + Send,
        usage: Usage,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::BookUsage { run, call: call.into(), usage, echo: None };
        answer!("book_usage", self.apply(caller, request), SessionOutcome::Changed(version) => version)
    }

    /// Takes the lease of a session; answers the fencing token.
    fn claim_lease(
        &self,
        caller: &Caller,
        session: SessionId,
        ttl: Duration,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::ClaimLease { session, ttl };
        answer!("claim_lease", self.apply(caller, request), SessionOutcome::Leased(token) => token)
    }

    /// Gives the current lease more time; the token goes with `caller`.
    fn renew_lease(
        &self,
        caller: &Caller,
        session: SessionId,
        ttl: Duration,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::RenewLease { session, ttl };
        answer!("renew_lease", self.apply(caller, request), SessionOutcome::Changed(version) => version)
    }

    /// Gives the lease back; the token goes with `caller`. Idempotent.
    fn release_lease(
        &self,
        caller: &Caller,
        session: SessionId,
    ) -> impl Future<Output = Result<()>> + Send {
        let request = SessionCommand::ReleaseLease { session };
        answer!("release_lease", self.apply(caller, request), SessionOutcome::Changed(_) => ())
    }

    /// One session.
    fn session(
        &self,
        caller: &Caller,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Session>>> + Send {
        let request = SessionQuery::Session(session);
        answer!("session", self.ask(caller, request), SessionAnswer::Session(it) => it)
    }

    /// The sessions of a thread, in creation order.
    fn sessions(
        &self,
        caller: &Caller,
        thread: ThreadId,
        filter: SessionFilter,
        page: Paging,
    ) -> impl Future<Output = Result<Page<SessionRow>>> + Send {
        let request = SessionQuery::Sessions(thread, filter, page);
        answer!("sessions", self.ask(caller, request), SessionAnswer::Sessions(it) => it)
    }

    /// A session, its ancestry and its children, as one snapshot.
    fn drill(
        &self,
        caller: &Caller,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Drill>>> + Send {
        let request = SessionQuery::Drill(session);
        answer!("drill", self.ask(caller, request), SessionAnswer::Drill(it) => it)
    }

    /// The edges below a session, in creation order.
    fn children(
        &self,
        caller: &Caller,
        session: SessionId,
        page: Paging,
    ) -> impl Future<Output = Result<Page<SubSession>>> + Send {
        let request = SessionQuery::Children(session, page);
        answer!("children", self.ask(caller, request), SessionAnswer::Edges(it) => it)
    }

    /// One edge.
    fn edge(
        &self,
        caller: &Caller,
        edge: SubSessionId,
    ) -> impl Future<Output = Result<Option<SubSession>>> + Send {
        let request = SessionQuery::Edge(edge);
        answer!("edge", self.ask(caller, request), SessionAnswer::Edge(it) => it)
    }

    /// A session's log, from either end.
    fn entries(
        &self,
        caller: &Caller,
        session: SessionId,
        direction: Direction,
        page: Paging,
    ) -> impl Future<Output = Result<Page<Entry>>> + Send {
        let request =
            SessionQuery::Entries { session, direction, run: None, in_reply_to: None, page };
        answer!("entries", self.ask(caller, request), SessionAnswer::Entries(it) => it)
    }

    /// One entry.
    fn entry(
        &self,
        caller: &Caller,
        entry: EntryId,
    ) -> impl Future<Output = Result<Option<Entry>>> + Send {
        let request = SessionQuery::Entry(entry);
        answer!("entry", self.ask(caller, request), SessionAnswer::Entry(it) => it.map(|e| *e))
    }

    /// One run, live or ended.
    fn run(&self, caller: &Caller, run: RunId) -> impl Future<Output = Result<Option<Run>>> + Send {
        let request = SessionQuery::Run(run);
        answer!("run", self.ask(caller, request), SessionAnswer::Run(it) => it.map(|r| *r))
    }

    /// The run that was handed this external id.
    fn run_by_external_id(
        &self,
        caller: &Caller,
        thread: ThreadId,
        external_id: impl Into<String> + Send,
    ) -> impl Future<Output = Result<Option<Run>>> + Send {
        let request = SessionQuery::RunByExternalId(thread, external_id.into());
        answer!("run_by_external_id", self.ask(caller, request), SessionAnswer::Run(it) => it.map(|r| *r))
    }

    /// Runs of a scope: ended ones, then live ones.
    fn runs(
        &self,
        caller: &Caller,
        scope: RunScope,
        page: Paging,
    ) -> impl Future<Output = Result<Page<Run>>> + Send {
        let request = SessionQuery::Runs(scope, page);
        answer!("runs", self.ask(caller, request), SessionAnswer::Runs(it) => it)
    }

    /// Totals of a scope.
    fn usage(
        &self,
        caller: &Caller,
        scope: UsageScope,
    ) -> impl Future<Output = Result<RollUp>> + Send {
        let request = SessionQuery::Usage(scope);
        answer!("usage", self.ask(caller, request), SessionAnswer::Usage(it) => it)
    }

    /// A session's ledger with running totals.
    fn ledger(
        &self,
        caller: &Caller,
        session: SessionId,
        page: Paging,
    ) -> impl Future<Output = Result<Page<LedgerRow>>> + Send {
        let request = SessionQuery::Ledger(session, page);
        answer!("ledger", self.ask(caller, request), SessionAnswer::Ledger(it) => it)
    }

    /// The current lease of a session.
    fn lease(
        &self,
        caller: &Caller,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Lease>>> + Send {
        let request = SessionQuery::Lease(session);
        answer!("lease", self.ask(caller, request), SessionAnswer::Lease(it) => it)
    }

    /// Reads a whole thread and checks it.
    fn verify(
        &self,
        caller: &Caller,
        thread: ThreadId,
        expected: Option<Position>,
    ) -> impl Future<Output = Result<Verified>> + Send {
        let request = SessionQuery::Verify(thread, expected);
        answer!("verify", self.ask(caller, request), SessionAnswer::Verified(it) => it)
    }
}

impl<T: SessionStore + ?Sized> SessionStoreExt for T {}
