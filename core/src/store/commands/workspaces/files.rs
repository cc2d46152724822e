//! Files of a workspace: read, changed, kept, brought back.

use std::sync::Arc;

use super::check_reference;
use crate::{
    command::{Caller, SessionOutcome},
    error::{Error, Result},
    id::{Space, Version, WorkspaceId},
    rules::{
        decision::{Reply, WorkspaceStep},
        thread::wrong_journal,
    },
    store::inner::StoreInner,
    workspace::{
        FileChange, FileEntry, FilePath, Inspection, TreeChange, TreeId, WorkspaceDriver,
        WorkspaceRef,
    },
};

/// A workspace that is there, with its driver.
pub(in crate::store) struct ReadyWorkspace {
    pub(super) driver: Arc<dyn WorkspaceDriver>,
    pub(super) of: WorkspaceRef,
    pub(super) version: Version,
}

/// What makes the files of a workspace others.
pub(in crate::store::commands) enum FilesChange {
    Changes(Vec<FileChange>),
    Restore(TreeId),
}

impl StoreInner {
    /// A workspace that is there, to be read.
    async fn workspace_to_read(&self, caller: &Caller, id: WorkspaceId) -> Result<ReadyWorkspace> {
        let at = self.at_head(caller, id.thread()).await?;
        at.require_thread()?;
        let it = at.state()?.require_ready(at.id(), id)?;
        let driver = self.driver_of(it)?;
        Ok(ReadyWorkspace { driver, of: self.workspace_ref(caller, id, it), version: it.version })
    }

    /// A workspace that is there, and that the caller may change.
    async fn workspace_to_change(
        &self,
        caller: &Caller,
        id: WorkspaceId,
    ) -> Result<ReadyWorkspace> {
        let at = self.fresh_thread(caller, id.thread()).await?;
        at.require_thread()?;
        let it = at.state()?.require_changeable(at.id(), id, caller)?;
        let driver = self.driver_of(it)?;
        Ok(ReadyWorkspace { driver, of: self.workspace_ref(caller, id, it), version: it.version })
    }

    /// Changes files. What is kept in the journal is changed again if somebody else did meanwhile; elsewhere the change is
    /// done, and only what the driver says of it is recorded.
    pub(in crate::store::commands) async fn change_workspace(
        &self,
        caller: &Caller,
        id: WorkspaceId,
        change: FilesChange,
    ) -> Result<SessionOutcome> {
        let space = id.thread().space(&caller.tenant);
        let until = self.environment.elapsed().saturating_add(self.patience(caller));
        let mut done: Option<String> = None;
        loop {
            let began = self.environment.elapsed();
            let ReadyWorkspace { driver, of, version } =
                self.workspace_to_change(caller, id).await?;
            let reference = match done.take() {
                Some(reference) => reference,
                None => {
                    let changed = async {
                        match &change {
                            FilesChange::Changes(changes) => {
                                driver.change_files(&of, changes).await
                            }
                            FilesChange::Restore(tree) => driver.restore(&of, tree).await,
                        }
                    };
                    self.in_driver_time(caller, changed).await?
                }
            };
            check_reference(driver.kind(), &reference)?;
            if reference == of.reference {
                return Ok(SessionOutcome::Changed(version));
            }
            if !driver.capabilities().in_journal {
                done = Some(reference.clone());
            }
            let step = WorkspaceStep::Changed { workspace: id, expected: of.reference, reference };
            if let Some(version) = self.try_step(caller, &space, step, began).await? {
                return Ok(SessionOutcome::Changed(version));
            }
            self.require_time(until, &space)?;
        }
    }

    pub(in crate::store::commands) async fn snapshot_workspace(
        &self,
        caller: &Caller,
        id: WorkspaceId,
    ) -> Result<SessionOutcome> {
        let space = id.thread().space(&caller.tenant);
        let until = self.environment.elapsed().saturating_add(self.patience(caller));
        loop {
            let began = self.environment.elapsed();
            let ReadyWorkspace { driver, of, .. } = self.workspace_to_change(caller, id).await?;
            let tree = self.in_driver_time(caller, driver.snapshot(&of)).await?;
            let expected = driver.capabilities().in_journal.then_some(of.reference);
            let step = WorkspaceStep::Saved { workspace: id, expected, tree: tree.clone() };
            if let Some(version) = self.try_step(caller, &space, step, began).await? {
                return Ok(SessionOutcome::Saved(tree, version));
            }
            self.require_time(until, &space)?;
        }
    }

    /// The version that a step answers with; none where it must be looked again.
    async fn try_step(
        &self,
        caller: &Caller,
        space: &Space,
        step: WorkspaceStep,
        began: std::time::Duration,
    ) -> Result<Option<Version>> {
        match self.step(caller, space, step, began).await? {
            Reply::Session(SessionOutcome::Changed(version)) => Ok(Some(version)),
            Reply::LookAgain => Ok(None),
            _ => Err(wrong_journal()),
        }
    }

    fn require_time(&self, until: std::time::Duration, space: &Space) -> Result<()> {
        if self.environment.left(until).is_zero() { Err(Error::contended(space)) } else { Ok(()) }
    }

    pub(in crate::store) async fn inspect_workspace(
        &self,
        caller: &Caller,
        id: WorkspaceId,
    ) -> Result<Option<Inspection>> {
        let ReadyWorkspace { driver, of, .. } = self.workspace_to_read(caller, id).await?;
        driver.inspect(&of).await
    }

    pub(in crate::store) async fn list_files(
        &self,
        caller: &Caller,
        id: WorkspaceId,
        folder: Option<&FilePath>,
    ) -> Result<Vec<FileEntry>> {
        let ReadyWorkspace { driver, of, .. } = self.workspace_to_read(caller, id).await?;
        driver.list_files(&of, folder).await
    }

    pub(in crate::store) async fn read_file(
        &self,
        caller: &Caller,
        id: WorkspaceId,
        path: &FilePath,
        tree: Option<&TreeId>,
    ) -> Result<Vec<u8>> {
        let ReadyWorkspace { driver, of, .. } = self.workspace_to_read(caller, id).await?;
        driver.read_file(&of, path, tree).await
    }

    pub(in crate::store) async fn files_changed(
        &self,
        caller: &Caller,
        id: WorkspaceId,
        from: &TreeId,
        to: Option<&TreeId>,
    ) -> Result<Vec<TreeChange>> {
        let ReadyWorkspace { driver, of, .. } = self.workspace_to_read(caller, id).await?;
        driver.diff(&of, from, to).await
    }
}
