//! Projects and threads.

use std::future::Future;

use crate::{
    command::{
        Caller, NewThread, Page, Paging, ProjectUsage, ThreadAnswer, ThreadCommand, ThreadFilter,
        ThreadOutcome, ThreadQuery, UpdateProject, UpdateThread,
    },
    error::Result,
    id::{EntryId, ProjectId, ThreadId, Version},
    model::{Project, ProjectConfig, Thread, ThreadRow},
    store::traits::ThreadStore,
};

/// Projects and threads, one method each. Errors and limits are those of the command or query it sends.
pub trait ThreadStoreExt: ThreadStore {
    /// Creates a project.
    fn create_project(
        &self,
        caller: &Caller,
        name: impl Into<String> + Send,
        config: ProjectConfig,
    ) -> impl Future<Output = Result<ProjectId>> + Send {
        let request = ThreadCommand::CreateProject { name: name.into(), config };
        answer!("create_project", self.apply_thread(caller, request), ThreadOutcome::ProjectCreated(id) => id)
    }

    /// Changes a project if `expected` is its version; answers the new version.
    fn update_project(
        &self,
        caller: &Caller,
        project: ProjectId,
        expected: Version,
        update: UpdateProject,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = ThreadCommand::UpdateProject { project, expected, update };
        answer!("update_project", self.apply_thread(caller, request), ThreadOutcome::Changed(version) => version)
    }

    /// Takes no new threads and sessions from here on.
    fn archive_project(
        &self,
        caller: &Caller,
        project: ProjectId,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = ThreadCommand::ArchiveProject { project };
        answer!("archive_project", self.apply_thread(caller, request), ThreadOutcome::Changed(version) => version)
    }

    /// Takes new threads and sessions again.
    fn reopen_project(
        &self,
        caller: &Caller,
        project: ProjectId,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = ThreadCommand::ReopenProject { project };
        answer!("reopen_project", self.apply_thread(caller, request), ThreadOutcome::Changed(version) => version)
    }

    /// Deletes a project without threads. Idempotent.
    fn delete_project(
        &self,
        caller: &Caller,
        project: ProjectId,
    ) -> impl Future<Output = Result<()>> + Send {
        let request = ThreadCommand::DeleteProject { project };
        answer!("delete_project", self.apply_thread(caller, request), ThreadOutcome::Deleted => ())
    }

    /// Creates a thread in an open project.
    fn create_thread(
        &self,
        caller: &Caller,
        project: ProjectId,
        thread: NewThread,
    ) -> impl Future<Output = Result<ThreadId>> + Send {
        let request = ThreadCommand::CreateThread { project, thread };
        answer!("create_thread", self.apply_thread(caller, request), ThreadOutcome::ThreadCreated(id) => id)
    }

    /// Changes a thread if `expected` is its version; answers the new version.
    fn update_thread(
        &self,
        caller: &Caller,
        thread: ThreadId,
        expected: Version,
        update: UpdateThread,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = ThreadCommand::UpdateThread { thread, expected, update };
        answer!("update_thread", self.apply_thread(caller, request), ThreadOutcome::Changed(version) => version)
    }

    /// Archives a thread in which nothing is at work.
    fn archive_thread(
        &self,
        caller: &Caller,
        thread: ThreadId,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = ThreadCommand::ArchiveThread { thread };
        answer!("archive_thread", self.apply_thread(caller, request), ThreadOutcome::Changed(version) => version)
    }

    /// Opens an archived thread.
    fn reopen_thread(
        &self,
        caller: &Caller,
        thread: ThreadId,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = ThreadCommand::ReopenThread { thread };
        answer!("reopen_thread", self.apply_thread(caller, request), ThreadOutcome::Changed(version) => version)
    }

    /// Deletes a thread without sessions. Idempotent.
    fn delete_thread(
        &self,
        caller: &Caller,
        thread: ThreadId,
    ) -> impl Future<Output = Result<()>> + Send {
        let request = ThreadCommand::DeleteThread { thread };
        answer!("delete_thread", self.apply_thread(caller, request), ThreadOutcome::Deleted => ())
    }

    /// Deletes a thread with everything in it, if nothing in it is at work (THD13). Idempotent.
    fn purge_thread(
        &self,
        caller: &Caller,
        thread: ThreadId,
    ) -> impl Future<Output = Result<()>> + Send {
        let request = ThreadCommand::PurgeThread { thread };
        answer!("purge_thread", self.apply_thread(caller, request), ThreadOutcome::Deleted => ())
    }

    /// Removes the messages of these entries for ever; see [`ThreadCommand::EraseEntries`]. After an error call it again.
    fn erase_entries(
        &self,
        caller: &Caller,
        thread: ThreadId,
        entries: Vec<EntryId>,
    ) -> impl Future<Output = Result<Version>> + Send {
        let request = ThreadCommand::EraseEntries { thread, entries };
        answer!("erase_entries", self.apply_thread(caller, request), ThreadOutcome::Changed(version) => version)
    }

    /// Finishes erasures that were cut off and collects unnamed blobs; how many. See [`ThreadCommand::VacuumThread`].
    fn vacuum_thread(
        &self,
        caller: &Caller,
        thread: ThreadId,
    ) -> impl Future<Output = Result<u64>> + Send {
        let request = ThreadCommand::VacuumThread { thread };
        answer!("vacuum_thread", self.apply_thread(caller, request), ThreadOutcome::Vacuumed(blobs) => blobs)
    }

    /// One project.
    fn project(
        &self,
        caller: &Caller,
        project: ProjectId,
    ) -> impl Future<Output = Result<Option<Project>>> + Send {
        let request = ThreadQuery::Project(project);
        answer!("project", self.ask_thread(caller, request), ThreadAnswer::Project(it) => it)
    }

    /// The tenant's projects, by id.
    fn projects(
        &self,
        caller: &Caller,
        page: Paging,
    ) -> impl Future<Output = Result<Page<Project>>> + Send {
        let request = ThreadQuery::Projects(page);
        answer!("projects", self.ask_thread(caller, request), ThreadAnswer::Projects(it) => it)
    }

    /// One thread.
    fn thread(
        &self,
        caller: &Caller,
        thread: ThreadId,
    ) -> impl Future<Output = Result<Option<Thread>>> + Send {
        let request = ThreadQuery::Thread(thread);
        answer!("thread", self.ask_thread(caller, request), ThreadAnswer::Thread(it) => it)
    }

    /// Threads of a scope.
    fn threads(
        &self,
        caller: &Caller,
        filter: ThreadFilter,
        page: Paging,
    ) -> impl Future<Output = Result<Page<ThreadRow>>> + Send {
        let request = ThreadQuery::Threads(filter, page);
        answer!("threads", self.ask_thread(caller, request), ThreadAnswer::Threads(it) => it)
    }

    /// What a project cost.
    fn project_usage(
        &self,
        caller: &Caller,
        project: ProjectId,
    ) -> impl Future<Output = Result<ProjectUsage>> + Send {
        let request = ThreadQuery::ProjectUsage(project);
        answer!("project_usage", self.ask_thread(caller, request), ThreadAnswer::ProjectUsage(it) => it)
    }
}

impl<T: ThreadStore + ?Sized> ThreadStoreExt for T {}
