//! Workspaces: the files that the agents of a thread work in.

use super::{Handle, List, only};
use crate::{
    command::{
        CreatedSession, GivenWorkspace, NewSession, NewWorkspace, SessionAnswer, SessionCommand,
        SessionOutcome, SessionQuery,
    },
    error::Result,
    id::{SessionId, ThreadId, Version, WorkspaceId},
    model::Workspace,
    workspace::{Disposal, FileChange, FileEntry, FilePath, Inspection, TreeChange, TreeId},
};

impl Handle {
    /// Creates a session together with a workspace: both are there, or neither. `None` where the kind has no driver and is not
    /// required.
    pub async fn create_session_in(
        &self,
        thread: ThreadId,
        session: impl Into<NewSession>,
        workspace: NewWorkspace,
    ) -> Result<(SessionId, Option<WorkspaceId>)> {
        let session = Box::new(session.into().with_workspace(workspace));
        let command = SessionCommand::CreateSession { thread, session };
        let take = |outcome| match outcome {
            SessionOutcome::SessionCreated(CreatedSession { id, workspace, .. }) => {
                Some((id, workspace.id()))
            }
            _ => None,
        };
        self.apply(command, take).await
    }

    /// Makes a workspace for a session that has none; says whether it got one.
    pub async fn create_workspace(
        &self,
        session: SessionId,
        workspace: NewWorkspace,
    ) -> Result<GivenWorkspace> {
        let command = SessionCommand::CreateWorkspace { session, workspace };
        self.apply(command, only!(SessionOutcome::WorkspaceGiven(given) => given)).await
    }

    /// The record of a workspace, if it is not gone.
    pub async fn workspace(&self, workspace: WorkspaceId) -> Result<Option<Workspace>> {
        let query = SessionQuery::Workspace(workspace);
        self.ask(query, only!(SessionAnswer::Workspace(it) => it.map(|it| *it))).await
    }

    /// The workspaces of a thread that are not gone, in creation order.
    pub fn workspaces(&self, thread: ThreadId) -> List<Workspace> {
        List::new(self, thread)
    }

    /// What there is of a workspace: its folder if it is one, and whether it holds work that would be lost. `None` where
    /// somebody removed it by hand.
    pub async fn inspect_workspace(&self, workspace: WorkspaceId) -> Result<Option<Inspection>> {
        let query = SessionQuery::InspectWorkspace(workspace);
        self.ask(query, only!(SessionAnswer::Inspection(it) => it)).await
    }

    /// What lies in a folder of a workspace, not deeper; at its top with `None`.
    pub async fn list_files(
        &self,
        workspace: WorkspaceId,
        folder: Option<FilePath>,
    ) -> Result<Vec<FileEntry>> {
        let query = SessionQuery::Files(workspace, folder);
        self.ask(query, only!(SessionAnswer::Files(it) => it)).await
    }

    /// The bytes of a file, as it is.
    pub async fn read_file(&self, workspace: WorkspaceId, path: FilePath) -> Result<Vec<u8>> {
        let query = SessionQuery::File(workspace, path, None);
        self.ask(query, only!(SessionAnswer::File(it) => it)).await
    }

    /// The bytes of a file, as it was in a tree.
    pub async fn read_file_in(
        &self,
        workspace: WorkspaceId,
        path: FilePath,
        tree: TreeId,
    ) -> Result<Vec<u8>> {
        let query = SessionQuery::File(workspace, path, Some(tree));
        self.ask(query, only!(SessionAnswer::File(it) => it)).await
    }

    /// Changes files, in this order.
    pub async fn change_files(
        &self,
        workspace: WorkspaceId,
        changes: impl IntoIterator<Item = FileChange>,
    ) -> Result<Version> {
        let changes = changes.into_iter().collect();
        let command = SessionCommand::ChangeFiles { workspace, changes };
        self.apply(command, only!(SessionOutcome::Changed(version) => version)).await
    }

    /// Keeps what a workspace holds as long as its thread lives. Answers the tree, and the version that records it: from there
    /// the session can be forked with its workspace.
    pub async fn snapshot_workspace(&self, workspace: WorkspaceId) -> Result<(TreeId, Version)> {
        let command = SessionCommand::SnapshotWorkspace { workspace };
        self.apply(command, only!(SessionOutcome::Saved(tree, version) => (tree, version))).await
    }

    /// Makes a workspace what a tree of its thread is. What it held and was not kept is gone.
    pub async fn restore_workspace(&self, workspace: WorkspaceId, tree: TreeId) -> Result<Version> {
        let command = SessionCommand::RestoreWorkspace { workspace, tree };
        self.apply(command, only!(SessionOutcome::Changed(version) => version)).await
    }

    /// What changed in a workspace from a tree to another, or to what it holds now.
    pub async fn compare_files(
        &self,
        workspace: WorkspaceId,
        from: TreeId,
        to: Option<TreeId>,
    ) -> Result<Vec<TreeChange>> {
        let query = SessionQuery::FilesChanged(workspace, from, to);
        self.ask(query, only!(SessionAnswer::FilesChanged(it) => it)).await
    }

    /// Removes a workspace if nothing would be lost, or by force. Idempotent.
    pub async fn dispose_of_workspace(
        &self,
        workspace: WorkspaceId,
        force: bool,
    ) -> Result<Disposal> {
        let command = SessionCommand::DisposeWorkspace { workspace, force };
        self.apply(command, only!(SessionOutcome::Disposed(it) => it)).await
    }
}
