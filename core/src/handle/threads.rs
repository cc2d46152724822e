//! Projects and threads, one method each.

use super::{Handle, List, only};
use crate::{
    command::{
        Begun, NewProject, NewSession, NewThread, ProjectUsage, ThreadAnswer, ThreadCommand,
        ThreadFilter, ThreadOutcome, ThreadQuery, TimelineFilter, TimelineRow, TimelineScope,
        UpdateProject, UpdateThread,
    },
    error::Result,
    id::{EntryId, ProjectId, ThreadId, Version},
    model::{Project, Thread, ThreadRow},
};

impl Handle {
    /// Creates a project; a text is its name. Under an external id that a project of the tenant has already, it answers
    /// that one.
    pub async fn create_project(&self, project: impl Into<NewProject>) -> Result<ProjectId> {
        let command = ThreadCommand::CreateProject { project: project.into() };
        self.apply_thread(command, only!(ThreadOutcome::ProjectCreated(made) => made.id)).await
    }

    /// Changes a project if `expected` is its version; answers the new version.
    pub async fn update_project(
        &self,
        project: ProjectId,
        expected: Version,
        update: UpdateProject,
    ) -> Result<Version> {
        self.change(ThreadCommand::UpdateProject { project, expected, update }).await
    }

    /// Closes a project to new threads and sessions; answers its version.
    pub async fn archive_project(&self, project: ProjectId) -> Result<Version> {
        self.change(ThreadCommand::ArchiveProject { project }).await
    }

    /// Opens an archived project; answers its version.
    pub async fn reopen_project(&self, project: ProjectId) -> Result<Version> {
        self.change(ThreadCommand::ReopenProject { project }).await
    }

    /// Deletes a project that has no threads. Idempotent.
    pub async fn delete_project(&self, project: ProjectId) -> Result<()> {
        self.delete(ThreadCommand::DeleteProject { project }).await
    }

    /// Creates a thread in an open project; a text is its title. Under an external id that a thread of the project has
    /// already, it answers that one.
    pub async fn create_thread(
        &self,
        project: ProjectId,
        thread: impl Into<NewThread>,
    ) -> Result<ThreadId> {
        let command = ThreadCommand::CreateThread { project, thread: thread.into() };
        self.apply_thread(command, only!(ThreadOutcome::ThreadCreated(made) => made.id)).await
    }

    /// Creates a thread with its first session, which may begin with entries: in two commits, all or nothing. What has its
    /// external id already is answered as it is; entries are appended only to a session that this call creates. See
    /// [`ThreadCommand::BeginThread`].
    ///
    /// ```no_run
    /// # use sessile_core::{command::{NewSession, NewThread}, prelude::*};
    /// # async fn example(ann: Handle, project: sessile_core::id::ProjectId) -> Result<()> {
    /// let thread = NewThread::titled("Fix the login").with_external_id("chat-17");
    /// let session = NewSession::named("coder").with_external_id("coder").with_turn([user("Why?")]);
    /// let begun = ann.begin_thread(project, thread, session).await?;
    /// assert_eq!(begun.session.appended.is_some(), begun.session.created);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn begin_thread(
        &self,
        project: ProjectId,
        thread: impl Into<NewThread>,
        session: impl Into<NewSession>,
    ) -> Result<Begun> {
        let (thread, session) = (thread.into(), Box::new(session.into()));
        let command = ThreadCommand::BeginThread { project, thread, session };
        self.apply_thread(command, only!(ThreadOutcome::ThreadBegun(begun) => begun)).await
    }

    /// Changes a thread if `expected` is its version; answers the new version.
    pub async fn update_thread(
        &self,
        thread: ThreadId,
        expected: Version,
        update: UpdateThread,
    ) -> Result<Version> {
        self.change(ThreadCommand::UpdateThread { thread, expected, update }).await
    }

    /// Archives a thread in which nothing is at work; answers its version.
    pub async fn archive_thread(&self, thread: ThreadId) -> Result<Version> {
        self.change(ThreadCommand::ArchiveThread { thread }).await
    }

    /// Opens an archived thread; answers its version.
    pub async fn reopen_thread(&self, thread: ThreadId) -> Result<Version> {
        self.change(ThreadCommand::ReopenThread { thread }).await
    }

    /// Gives back what is left of a thread's slice of its project's budget; see [`ThreadCommand::ReturnBudget`].
    pub async fn return_budget(&self, thread: ThreadId) -> Result<()> {
        self.change(ThreadCommand::ReturnBudget { thread }).await.map(drop)
    }

    /// Deletes a thread that has no sessions. Idempotent.
    pub async fn delete_thread(&self, thread: ThreadId) -> Result<()> {
        self.delete(ThreadCommand::DeleteThread { thread }).await
    }

    /// Deletes a thread with everything in it, if nothing in it is at work (THD13). Idempotent.
    pub async fn purge_thread(&self, thread: ThreadId) -> Result<()> {
        self.delete(ThreadCommand::PurgeThread { thread }).await
    }

    /// Removes the messages of these entries for ever; see [`ThreadCommand::EraseEntries`]. After an error call it again.
    pub async fn erase_entries(
        &self,
        thread: ThreadId,
        entries: impl IntoIterator<Item = EntryId>,
    ) -> Result<Version> {
        let entries = entries.into_iter().collect();
        self.change(ThreadCommand::EraseEntries { thread, entries }).await
    }

    /// Finishes erasures that were cut off and deletes the blobs that no record names; answers how many. See
    /// [`ThreadCommand::VacuumThread`].
    pub async fn vacuum_thread(&self, thread: ThreadId) -> Result<u64> {
        let command = ThreadCommand::VacuumThread { thread };
        self.apply_thread(command, only!(ThreadOutcome::Vacuumed(blobs) => blobs)).await
    }

    /// Lets the feed of a thread begin after a version; see [`ThreadCommand::TrimFeed`].
    pub async fn trim_feed(&self, thread: ThreadId, upto: Version) -> Result<Version> {
        self.change(ThreadCommand::TrimFeed { thread, upto }).await
    }

    /// One project, if it exists.
    pub async fn project(&self, project: ProjectId) -> Result<Option<Project>> {
        self.ask_thread(ThreadQuery::Project(project), only!(ThreadAnswer::Project(it) => it)).await
    }

    /// The tenant's project with this external id, if there is one: one look-up, however many there are.
    pub async fn project_by_external_id(
        &self,
        external_id: impl Into<String>,
    ) -> Result<Option<Project>> {
        let query = ThreadQuery::ProjectByExternalId(external_id.into());
        self.ask_thread(query, only!(ThreadAnswer::Project(it) => it)).await
    }

    /// The tenant's projects, by id.
    pub fn projects(&self) -> List<Project> {
        List::new(self, ())
    }

    /// One thread, if it exists.
    pub async fn thread(&self, thread: ThreadId) -> Result<Option<Thread>> {
        self.ask_thread(ThreadQuery::Thread(thread), only!(ThreadAnswer::Thread(it) => it)).await
    }

    /// The thread of a project with this external id, if there is one: one look-up, however many there are.
    pub async fn thread_by_external_id(
        &self,
        project: ProjectId,
        external_id: impl Into<String>,
    ) -> Result<Option<Thread>> {
        let query = ThreadQuery::ThreadByExternalId(project, external_id.into());
        self.ask_thread(query, only!(ThreadAnswer::Thread(it) => it)).await
    }

    /// Threads: of a project, of the tenant, of a person; a [`ThreadFilter`] says more.
    pub fn threads(&self, of: impl Into<ThreadFilter>) -> List<ThreadRow> {
        List::new(self, of.into())
    }

    /// Entries of a session, of a thread or of a project in one order: newest first, all of them, unless told otherwise. With
    /// [`containing`](List::containing) it is a search.
    pub fn timeline(&self, of: impl Into<TimelineScope>) -> List<TimelineRow> {
        List::new(self, (of.into(), TimelineFilter::default()))
    }

    /// What a project cost: the sum over its threads, each at its own head.
    pub async fn project_usage(&self, project: ProjectId) -> Result<ProjectUsage> {
        let query = ThreadQuery::ProjectUsage(project);
        self.ask_thread(query, only!(ThreadAnswer::ProjectUsage(it) => it)).await
    }

    async fn change(&self, command: ThreadCommand) -> Result<Version> {
        self.apply_thread(command, only!(ThreadOutcome::Changed(version) => version)).await
    }

    async fn delete(&self, command: ThreadCommand) -> Result<()> {
        self.apply_thread(command, only!(ThreadOutcome::Deleted => ())).await
    }
}
