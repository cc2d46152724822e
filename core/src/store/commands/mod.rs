//! Commands: what is refused before any I/O, then one call to one journal, or several calls to two.
//!
//! `create` and `delete` span a project's journal and a thread's; `erase` changes records and blobs; `gather` reads before
//! it writes, and `inherit` what a child begins with.

mod archives;
mod collapse;
mod create;
mod delete;
mod erase;
pub(super) mod external;
mod forget;
mod gather;
mod inherit;
mod slices;
mod sweep;
mod workspaces;

use self::workspaces::FilesChange;
use super::inner::StoreInner;
use crate::{
    command::{
        Caller, Description, Needs, NewSession, SessionCommand, SessionOutcome, Target,
        ThreadCommand, ThreadOutcome, WorkspaceChoice,
    },
    error::{Error, Result},
    id::{ProjectId, Space},
    rules::{
        decision::{Caps, Reply, Request},
        thread::wrong_journal,
    },
};

/// The outcome of a call that was a session command.
fn session_outcome(reply: Reply) -> Result<SessionOutcome> {
    if let Reply::Session(outcome) = reply { Ok(outcome) } else { Err(wrong_journal()) }
}

/// The outcome of a call that was a thread command.
fn thread_outcome(reply: Reply) -> Result<ThreadOutcome> {
    if let Reply::Thread(outcome) = reply { Ok(outcome) } else { Err(wrong_journal()) }
}

/// Whether a session gets a workspace, or it must be said why not.
fn may_get_workspace(session: &NewSession, caps: Option<&Caps>) -> bool {
    match session.workspace {
        WorkspaceChoice::None => false,
        WorkspaceChoice::Make(_) => true,
        WorkspaceChoice::ProjectDefault => caps.is_some_and(|it| it.config.workspace.is_some()),
    }
}

impl StoreInner {
    pub(super) async fn apply_session(
        &self,
        caller: &Caller,
        command: SessionCommand,
    ) -> Result<SessionOutcome> {
        let described = command.describe(caller)?;
        let space = described.target.space(&caller.tenant);
        if command.is_about_files() {
            return Box::pin(self.apply_to_files(caller, command)).await;
        }
        if collapse::brings_text(&command) {
            let collapsed = self.apply_collapse(caller, &space, command, described);
            return Box::pin(collapsed).await;
        }
        if matches!(
            command,
            SessionCommand::ArchiveSession { .. } | SessionCommand::RestoreSession { .. }
        ) {
            return Box::pin(self.apply_to_archives(caller, command)).await;
        }
        let (deleted, summarised) = match command {
            SessionCommand::DeleteSession { session } => (Some(session), None),
            SessionCommand::SealSummary { session, .. } => (None, Some(session)),
            _ => (None, None),
        };
        let caps = if described.caps {
            let caps = self.within(self.patience(caller), self.caps(caller, &space)).await?;
            Some(caps.ok_or_else(|| Error::not_found(described.target))?)
        } else {
            None
        };
        let needs_more = |session: &NewSession| {
            let inherits = session.parent.as_ref().is_some_and(|it| it.inherit.is_gathered());
            inherits || may_get_workspace(session, caps.as_ref())
        };
        let is_continued = matches!(command, SessionCommand::ContinueAs { .. });
        if !is_continued && command.new_sessions().iter().any(needs_more) {
            let created = self.create_sessions(caller, described.target, command, described.needs);
            return Box::pin(created).await;
        }
        if gather::is_needed(&command) {
            // A future of its own: few commands need it, and all would be as large.
            let gathered = self.apply_gathered(caller, &space, command, described.needs);
            return Box::pin(gathered).await;
        }
        if let SessionCommand::StartRun { .. } = command {
            return self.start_run(caller, &space, command, described.needs).await;
        }
        let again = gather::is_needed_with_limit(&command)
            .then(|| (command.clone(), described.needs.clone()));
        let request = (Request::Session(command), described.needs);
        let mut call = self.prepare(caller, &space, request, None).await?;
        call.caps = caps;
        match (self.submit(&space, call).await?, again) {
            (Reply::LookAgain, Some((command, needs))) => {
                Box::pin(self.apply_gathered(caller, &space, command, needs)).await
            }
            (reply, _) => {
                if let Some(session) = deleted {
                    Box::pin(self.follow_session(caller, session)).await;
                }
                if let Some(session) = summarised {
                    Box::pin(self.follow_summary(caller, session)).await;
                }
                session_outcome(reply)
            }
        }
    }

    /// What the driver of a workspace does, and the records of it.
    async fn apply_to_files(
        &self,
        caller: &Caller,
        command: SessionCommand,
    ) -> Result<SessionOutcome> {
        match command {
            SessionCommand::CreateWorkspace { session, workspace } => {
                self.create_workspace(caller, session, &workspace).await
            }
            SessionCommand::ChangeFiles { workspace, changes } => {
                self.change_workspace(caller, workspace, FilesChange::Changes(changes)).await
            }
            SessionCommand::SnapshotWorkspace { workspace } => {
                self.snapshot_workspace(caller, workspace).await
            }
            SessionCommand::RestoreWorkspace { workspace, tree } => {
                self.change_workspace(caller, workspace, FilesChange::Restore(tree)).await
            }
            SessionCommand::DisposeWorkspace { workspace, force } => {
                self.dispose_workspace(caller, workspace, force).await
            }
            _ => Err(wrong_journal()),
        }
    }

    /// The caps a new session must keep: those of its thread's project, at its head. A thread's project never changes, so
    /// the thread may be read from memory.
    async fn caps(&self, caller: &Caller, space: &Space) -> Result<Option<Caps>> {
        let thread = self.state(space, &caller.cached()).await?;
        let Some(project) = thread.project_of_thread() else { return Ok(None) };
        self.project_caps(caller, project).await
    }

    async fn project_caps(&self, caller: &Caller, project: ProjectId) -> Result<Option<Caps>> {
        let state = self.state(&project.space(&caller.tenant), caller).await?;
        Ok(state.as_project()?.caps())
    }

    pub(super) async fn apply_thread(
        &self,
        caller: &Caller,
        command: ThreadCommand,
    ) -> Result<ThreadOutcome> {
        let Description { target, needs, .. } = command.describe(caller)?;
        let space = match (target, &command) {
            (Target::NewProject, _) => return self.create_project(caller, command, needs).await,
            (
                Target::Project(project),
                ThreadCommand::CreateThread { .. } | ThreadCommand::BeginThread { .. },
            ) => {
                return self.create_thread(caller, project, command, needs).await;
            }
            (Target::Project(project), ThreadCommand::DeleteProject { .. }) => {
                return Box::pin(self.delete_project(caller, project, command)).await;
            }
            (Target::Thread(thread), ThreadCommand::EraseEntries { .. }) => {
                return Box::pin(self.erase(caller, thread, command, needs)).await;
            }
            (Target::Thread(thread), ThreadCommand::ReturnBudget { .. }) => {
                return Box::pin(self.return_budget(caller, thread)).await;
            }
            (Target::Thread(thread), ThreadCommand::VacuumThread { .. }) => {
                return Box::pin(self.vacuum(caller, thread)).await;
            }
            (Target::Project(project), _) => project.space(&caller.tenant),
            (Target::Thread(thread), _) => thread.space(&caller.tenant),
        };
        let (workspaces, bundles) = match &command {
            ThreadCommand::DeleteThread { thread } | ThreadCommand::PurgeThread { thread } => {
                let workspaces = Box::pin(self.workspaces_of(caller, &space)).await;
                (workspaces, Box::pin(self.bundles_of(caller, *thread)).await)
            }
            _ => (Vec::new(), Vec::new()),
        };
        let archived = match command {
            ThreadCommand::ArchiveThread { thread } => Some(thread),
            _ => None,
        };
        let outcome = match &command {
            ThreadCommand::DeleteThread { thread } | ThreadCommand::PurgeThread { thread } => {
                Box::pin(self.drop_thread(caller, *thread, &command)).await?
            }
            _ => thread_outcome(self.call(caller, &space, Request::Thread(command), needs).await?)?,
        };
        if let Some(thread) = archived {
            Box::pin(self.follow_archive(caller, thread)).await;
        }
        if !workspaces.is_empty() {
            Box::pin(self.follow_thread(caller, workspaces)).await;
        }
        if !bundles.is_empty() {
            Box::pin(self.follow_bundles(caller, bundles)).await;
        }
        Ok(outcome)
    }

    async fn call(
        &self,
        caller: &Caller,
        space: &Space,
        request: Request,
        needs: Needs,
    ) -> Result<Reply> {
        let call = self.prepare(caller, space, (request, needs), None).await?;
        self.submit(space, call).await
    }
}
