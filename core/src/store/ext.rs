//! The pleasant methods, written once over the waist.

use std::{future::Future, time::Duration};

use super::waist::{SessionStore, ThreadStore};
use crate::{
    command::{
        Append, Appended, By, Drill, LinkSessions, NewRun, NewSession, NewThread, Page, Paging,
        ProjectUsage, RunScope, SessionAnswer, SessionCommand, SessionFilter, SessionOutcome,
        SessionQuery, ThreadAnswer, ThreadCommand, ThreadFilter, ThreadOutcome, ThreadQuery,
        UpdateEdge, UpdateProject, UpdateSession, UpdateThread, UsageScope, Verified,
    },
    error::{Error, Result},
    id::{EntryId, ProjectId, RunId, SessionId, SubSessionId, ThreadId, Version},
    journal::{Direction, Position},
    model::{
        Entry, Lease, LedgerRow, Project, ProjectConfig, RollUp, Run, RunOutcome, RunStatus,
        Session, SessionRow, SessionStatus, SubSession, Thread, ThreadRow, Usage,
    },
};

/// A store that answers one request with the outcome of another is broken; say so instead of guessing.
fn mismatch(request: &str) -> Error {
    Error::Unsupported { what: format!("the store answered {request} with something else") }
}

/// Projects and threads, one method each. Errors and limits are those of the command or query it sends.
pub trait ThreadStoreExt: ThreadStore {
    /// Creates a project.
    fn create_project(
        &self,
        by: &By,
        name: impl Into<String> + Send,
        config: ProjectConfig,
    ) -> impl Future<Output = Result<ProjectId>> + Send {
        let request = ThreadCommand::CreateProject { name: name.into(), config };
        async move {
            if let ThreadOutcome::ProjectCreated(id) = self.apply_thread(by, request).await? {
                Ok(id)
            } else {
                Err(mismatch("create_project"))
            }
        }
    }

    /// Changes a project if `expected` is its version; answers the new version.
    fn update_project(
        &self,
        by: &By,
        project: ProjectId,
        expected: Version,
        update: UpdateProject,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = ThreadCommand::UpdateProject { project, expected, update };
        async move {
            if let ThreadOutcome::Changed(version) = self.apply_thread(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("update_project"))
            }
        }
    }

    /// Takes no new threads and sessions from here on.
    fn archive_project(
        &self,
        by: &By,
        project: ProjectId,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = ThreadCommand::ArchiveProject { project };
        async move {
            if let ThreadOutcome::Changed(version) = self.apply_thread(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("archive_project"))
            }
        }
    }

    /// Takes new threads and sessions again.
    fn reopen_project(
        &self,
        by: &By,
        project: ProjectId,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = ThreadCommand::ReopenProject { project };
        async move {
            if let ThreadOutcome::Changed(version) = self.apply_thread(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("reopen_project"))
            }
        }
    }

    /// Deletes a project without threads. Idempotent.
    fn delete_project(
        &self,
        by: &By,
        project: ProjectId,
    ) -> impl Future<Output = Result<()>> + Send {
        let request = ThreadCommand::DeleteProject { project };
        async move {
            if let ThreadOutcome::Deleted = self.apply_thread(by, request).await? {
                Ok(())
            } else {
                Err(mismatch("delete_project"))
            }
        }
    }

    /// Creates a thread in an open project.
    fn create_thread(
        &self,
        by: &By,
        project: ProjectId,
        thread: NewThread,
    ) -> impl Future<Output = Result<ThreadId>> + Send {
        let request = ThreadCommand::CreateThread { project, thread };
        async move {
            if let ThreadOutcome::ThreadCreated(id) = self.apply_thread(by, request).await? {
                Ok(id)
            } else {
                Err(mismatch("create_thread"))
            }
        }
    }

    /// Changes a thread if `expected` is its version; answers the new version.
    fn update_thread(
        &self,
        by: &By,
        thread: ThreadId,
        expected: Version,
        update: UpdateThread,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = ThreadCommand::UpdateThread { thread, expected, update };
        async move {
            if let ThreadOutcome::Changed(version) = self.apply_thread(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("update_thread"))
            }
        }
    }

    /// Archives a thread in which nothing is at work.
    fn archive_thread(
        &self,
        by: &By,
        thread: ThreadId,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = ThreadCommand::ArchiveThread { thread };
        async move {
            if let ThreadOutcome::Changed(version) = self.apply_thread(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("archive_thread"))
            }
        }
    }

    /// Opens an archived thread.
    fn reopen_thread(
        &self,
        by: &By,
        thread: ThreadId,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = ThreadCommand::ReopenThread { thread };
        async move {
            if let ThreadOutcome::Changed(version) = self.apply_thread(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("reopen_thread"))
            }
        }
    }

    /// Deletes a thread without sessions. Idempotent.
    fn delete_thread(&self, by: &By, thread: ThreadId) -> impl Future<Output = Result<()>> + Send {
        let request = ThreadCommand::DeleteThread { thread };
        async move {
            if let ThreadOutcome::Deleted = self.apply_thread(by, request).await? {
                Ok(())
            } else {
                Err(mismatch("delete_thread"))
            }
        }
    }

    /// Deletes a thread with everything in it, if nothing in it is at work (THD13). Idempotent.
    fn purge_thread(&self, by: &By, thread: ThreadId) -> impl Future<Output = Result<()>> + Send {
        let request = ThreadCommand::PurgeThread { thread };
        async move {
            if let ThreadOutcome::Deleted = self.apply_thread(by, request).await? {
                Ok(())
            } else {
                Err(mismatch("purge_thread"))
            }
        }
    }

    /// Removes the messages of these entries for ever; see [`ThreadCommand::EraseEntries`]. After an error call it again.
    fn erase_entries(
        &self,
        by: &By,
        thread: ThreadId,
        entries: Vec<EntryId>,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = ThreadCommand::EraseEntries { thread, entries };
        async move {
            if let ThreadOutcome::Changed(version) = self.apply_thread(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("erase_entries"))
            }
        }
    }

    /// Finishes erasures that were cut off and collects unnamed blobs; how many. See [`ThreadCommand::VacuumThread`].
    fn vacuum_thread(&self, by: &By, thread: ThreadId) -> impl Future<Output = Result<u64>> + Send {
        let request = ThreadCommand::VacuumThread { thread };
        async move {
            if let ThreadOutcome::Vacuumed(blobs) = self.apply_thread(by, request).await? {
                Ok(blobs)
            } else {
                Err(mismatch("vacuum_thread"))
            }
        }
    }

    /// One project.
    fn project(
        &self,
        by: &By,
        project: ProjectId,
    ) -> impl Future<Output = Result<Option<Project>>> + Send {
        let request = ThreadQuery::Project(project);
        async move {
            if let ThreadAnswer::Project(it) = self.ask_thread(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("project"))
            }
        }
    }

    /// The tenant's projects, by id.
    fn projects(
        &self,
        by: &By,
        page: Paging,
    ) -> impl Future<Output = Result<Page<Project>>> + Send {
        let request = ThreadQuery::Projects(page);
        async move {
            if let ThreadAnswer::Projects(it) = self.ask_thread(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("projects"))
            }
        }
    }

    /// One thread.
    fn thread(
        &self,
        by: &By,
        thread: ThreadId,
    ) -> impl Future<Output = Result<Option<Thread>>> + Send {
        let request = ThreadQuery::Thread(thread);
        async move {
            if let ThreadAnswer::Thread(it) = self.ask_thread(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("thread"))
            }
        }
    }

    /// Threads of a scope.
    fn threads(
        &self,
        by: &By,
        filter: ThreadFilter,
        page: Paging,
    ) -> impl Future<Output = Result<Page<ThreadRow>>> + Send {
        let request = ThreadQuery::Threads(filter, page);
        async move {
            if let ThreadAnswer::Threads(it) = self.ask_thread(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("threads"))
            }
        }
    }

    /// What a project cost.
    fn project_usage(
        &self,
        by: &By,
        project: ProjectId,
    ) -> impl Future<Output = Result<ProjectUsage>> + Send {
        let request = ThreadQuery::ProjectUsage(project);
        async move {
            if let ThreadAnswer::ProjectUsage(it) = self.ask_thread(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("project_usage"))
            }
        }
    }
}

impl<T: ThreadStore + ?Sized> ThreadStoreExt for T {}

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
        async move {
            if let SessionOutcome::SessionCreated(id, edge) = self.apply(by, request).await? {
                Ok((id, edge))
            } else {
                Err(mismatch("create_session"))
            }
        }
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
        async move {
            if let SessionOutcome::Changed(version) = self.apply(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("update_session"))
            }
        }
    }

    /// Sets a status by hand; answers the session's new version.
    fn set_status(
        &self,
        by: &By,
        session: SessionId,
        to: SessionStatus,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::SetStatus { session, to };
        async move {
            if let SessionOutcome::Changed(version) = self.apply(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("set_status"))
            }
        }
    }

    /// Takes a failed session back to active; answers its new version.
    fn reopen_session(
        &self,
        by: &By,
        session: SessionId,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::ReopenSession { session };
        async move {
            if let SessionOutcome::Changed(version) = self.apply(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("reopen_session"))
            }
        }
    }

    /// Deletes a session that no edge names. Idempotent.
    fn delete_session(
        &self,
        by: &By,
        session: SessionId,
    ) -> impl Future<Output = Result<()>> + Send {
        let request = SessionCommand::DeleteSession { session };
        async move {
            if let SessionOutcome::Deleted = self.apply(by, request).await? {
                Ok(())
            } else {
                Err(mismatch("delete_session"))
            }
        }
    }

    /// Makes one session the child of another.
    fn link_sessions(
        &self,
        by: &By,
        link: LinkSessions,
    ) -> impl Future<Output = Result<SubSessionId>> + Send {
        let request = SessionCommand::LinkSessions(link);
        async move {
            if let SessionOutcome::Linked(edge) = self.apply(by, request).await? {
                Ok(edge)
            } else {
                Err(mismatch("link_sessions"))
            }
        }
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
        async move {
            if let SessionOutcome::Changed(version) = self.apply(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("update_edge"))
            }
        }
    }

    /// Removes an edge and nothing else. Idempotent.
    fn delete_edge(&self, by: &By, edge: SubSessionId) -> impl Future<Output = Result<()>> + Send {
        let request = SessionCommand::DeleteEdge { edge };
        async move {
            if let SessionOutcome::Deleted = self.apply(by, request).await? {
                Ok(())
            } else {
                Err(mismatch("delete_edge"))
            }
        }
    }

    /// Appends entries as one turn: all of them or none.
    fn append(
        &self,
        by: &By,
        session: SessionId,
        append: impl Into<Append> + Send,
    ) -> impl Future<Output = Result<Appended>> + Send {
        let request = SessionCommand::Append { session, append: append.into() };
        async move {
            if let SessionOutcome::Appended(appended) = self.apply(by, request).await? {
                Ok(appended)
            } else {
                Err(mismatch("append"))
            }
        }
    }

    /// Starts a run.
    fn start_run(
        &self,
        by: &By,
        session: SessionId,
        run: NewRun,
    ) -> impl Future<Output = Result<RunId>> + Send {
        let request = SessionCommand::StartRun { session, run };
        async move {
            if let SessionOutcome::RunStarted(run) = self.apply(by, request).await? {
                Ok(run)
            } else {
                Err(mismatch("start_run"))
            }
        }
    }

    /// Takes a run a step on; answers the version of that step.
    fn set_run_status(
        &self,
        by: &By,
        run: RunId,
        to: RunStatus,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::SetRunStatus { run, to };
        async move {
            if let SessionOutcome::Changed(version) = self.apply(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("set_run_status"))
            }
        }
    }

    /// Ends a run; answers the version of its end.
    fn end_run(
        &self,
        by: &By,
        run: RunId,
        outcome: RunOutcome,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::EndRun { run, outcome, echo: None };
        async move {
            if let SessionOutcome::Changed(version) = self.apply(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("end_run"))
            }
        }
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
        async move {
            if let SessionOutcome::Changed(version) = self.apply(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("book_usage"))
            }
        }
    }

    /// Takes the lease of a session; answers the fencing token.
    fn claim_lease(
        &self,
        by: &By,
        session: SessionId,
        ttl: Duration,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::ClaimLease { session, ttl };
        async move {
            if let SessionOutcome::Leased(token) = self.apply(by, request).await? {
                Ok(token)
            } else {
                Err(mismatch("claim_lease"))
            }
        }
    }

    /// Gives the current lease more time; the token goes with `by`.
    fn renew_lease(
        &self,
        by: &By,
        session: SessionId,
        ttl: Duration,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = SessionCommand::RenewLease { session, ttl };
        async move {
            if let SessionOutcome::Changed(version) = self.apply(by, request).await? {
                Ok(version)
            } else {
                Err(mismatch("renew_lease"))
            }
        }
    }

    /// Gives the lease back; the token goes with `by`. Idempotent.
    fn release_lease(
        &self,
        by: &By,
        session: SessionId,
    ) -> impl Future<Output = Result<()>> + Send {
        let request = SessionCommand::ReleaseLease { session };
        async move {
            if let SessionOutcome::Changed(_) = self.apply(by, request).await? {
                Ok(())
            } else {
                Err(mismatch("release_lease"))
            }
        }
    }

    /// One session.
    fn session(
        &self,
        by: &By,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Session>>> + Send {
        let request = SessionQuery::Session(session);
        async move {
            if let SessionAnswer::Session(it) = self.ask(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("session"))
            }
        }
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
        async move {
            if let SessionAnswer::Sessions(it) = self.ask(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("sessions"))
            }
        }
    }

    /// A session, its ancestry and its children, as one snapshot.
    fn drill(
        &self,
        by: &By,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Drill>>> + Send {
        let request = SessionQuery::Drill(session);
        async move {
            if let SessionAnswer::Drill(it) = self.ask(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("drill"))
            }
        }
    }

    /// The edges below a session, in creation order.
    fn children(
        &self,
        by: &By,
        session: SessionId,
        page: Paging,
    ) -> impl Future<Output = Result<Page<SubSession>>> + Send {
        let request = SessionQuery::Children(session, page);
        async move {
            if let SessionAnswer::Edges(it) = self.ask(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("children"))
            }
        }
    }

    /// One edge.
    fn edge(
        &self,
        by: &By,
        edge: SubSessionId,
    ) -> impl Future<Output = Result<Option<SubSession>>> + Send {
        let request = SessionQuery::Edge(edge);
        async move {
            if let SessionAnswer::Edge(it) = self.ask(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("edge"))
            }
        }
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
        async move {
            if let SessionAnswer::Entries(it) = self.ask(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("entries"))
            }
        }
    }

    /// One entry.
    fn entry(&self, by: &By, entry: EntryId) -> impl Future<Output = Result<Option<Entry>>> + Send {
        let request = SessionQuery::Entry(entry);
        async move {
            if let SessionAnswer::Entry(it) = self.ask(by, request).await? {
                Ok(it.map(|e| *e))
            } else {
                Err(mismatch("entry"))
            }
        }
    }

    /// One run, live or ended.
    fn run(&self, by: &By, run: RunId) -> impl Future<Output = Result<Option<Run>>> + Send {
        let request = SessionQuery::Run(run);
        async move {
            if let SessionAnswer::Run(it) = self.ask(by, request).await? {
                Ok(it.map(|r| *r))
            } else {
                Err(mismatch("run"))
            }
        }
    }

    /// The run that was handed this external id.
    fn run_by_external_id(
        &self,
        by: &By,
        thread: ThreadId,
        external_id: impl Into<String> + Send,
    ) -> impl Future<Output = Result<Option<Run>>> + Send {
        let request = SessionQuery::RunByExternalId(thread, external_id.into());
        async move {
            if let SessionAnswer::Run(it) = self.ask(by, request).await? {
                Ok(it.map(|r| *r))
            } else {
                Err(mismatch("run_by_external_id"))
            }
        }
    }

    /// Runs of a scope: ended ones, then live ones.
    fn runs(
        &self,
        by: &By,
        scope: RunScope,
        page: Paging,
    ) -> impl Future<Output = Result<Page<Run>>> + Send {
        let request = SessionQuery::Runs(scope, page);
        async move {
            if let SessionAnswer::Runs(it) = self.ask(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("runs"))
            }
        }
    }

    /// Totals of a scope.
    fn usage(&self, by: &By, scope: UsageScope) -> impl Future<Output = Result<RollUp>> + Send {
        let request = SessionQuery::Usage(scope);
        async move {
            if let SessionAnswer::Usage(it) = self.ask(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("usage"))
            }
        }
    }

    /// A session's ledger with running totals.
    fn ledger(
        &self,
        by: &By,
        session: SessionId,
        page: Paging,
    ) -> impl Future<Output = Result<Page<LedgerRow>>> + Send {
        let request = SessionQuery::Ledger(session, page);
        async move {
            if let SessionAnswer::Ledger(it) = self.ask(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("ledger"))
            }
        }
    }

    /// The current lease of a session.
    fn lease(
        &self,
        by: &By,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Lease>>> + Send {
        let request = SessionQuery::Lease(session);
        async move {
            if let SessionAnswer::Lease(it) = self.ask(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("lease"))
            }
        }
    }

    /// Reads a whole thread and checks it.
    fn verify(
        &self,
        by: &By,
        thread: ThreadId,
        expected: Option<Position>,
    ) -> impl Future<Output = Result<Verified>> + Send {
        let request = SessionQuery::Verify(thread, expected);
        async move {
            if let SessionAnswer::Verified(it) = self.ask(by, request).await? {
                Ok(it)
            } else {
                Err(mismatch("verify"))
            }
        }
    }
}

impl<T: SessionStore + ?Sized> SessionStoreExt for T {}
