//! Workspaces: what a driver does, and the records that claim it.
//!
//! A record is there before anything outside the journal is, and until nothing is any more; so whatever a crash leaves is
//! either claimed by a record that says so, or by none, and the reaper tells the two apart. What a driver keeps in the
//! journal needs no such care: it is made with one commit.

mod choose;
mod create;
mod dispose;
mod files;
mod make;
mod reap;

pub(super) use files::FilesChange;

use std::{future::Future, sync::Arc, time::Duration};

use crate::{
    command::{Caller, Needs},
    error::{Error, Result},
    id::{Space, Version, WorkspaceId},
    rules::{
        decision::{Reply, Request, WorkspaceStep},
        thread::WorkspaceState,
    },
    store::{environment::BLOB_NAMED_WITHIN, inner::StoreInner},
    workspace::{WorkspaceDriver, WorkspaceName, WorkspaceRef},
};

impl StoreInner {
    /// One commit of a flow. What it names was put into blobs after `began`.
    pub(super) async fn step(
        &self,
        caller: &Caller,
        space: &Space,
        step: WorkspaceStep,
        began: Duration,
    ) -> Result<Reply> {
        let request = (Request::Workspace(step), Needs::default());
        let mut call = self.prepare(caller, space, request, None).await?;
        call.until = Some(began.saturating_add(BLOB_NAMED_WITHIN));
        self.submit(space, call).await
    }

    /// The version that a step answers with.
    async fn step_version(
        &self,
        caller: &Caller,
        space: &Space,
        step: WorkspaceStep,
    ) -> Result<Version> {
        match self.step(caller, space, step, self.environment.elapsed()).await? {
            Reply::Session(crate::command::SessionOutcome::Changed(version)) => Ok(version),
            _ => Err(crate::rules::thread::wrong_journal()),
        }
    }

    /// The answer of a driver, if it comes in the time that the call has, or else a driver.
    async fn in_driver_time<T>(
        &self,
        caller: &Caller,
        answer: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let time = caller.deadline.unwrap_or(self.options().workspace_time);
        self.within(time, answer).await
    }

    /// The driver that a record names.
    fn driver_of(&self, it: &WorkspaceState) -> Result<Arc<dyn WorkspaceDriver>> {
        self.drivers.require(&it.kind).map(Arc::clone)
    }

    pub(super) fn workspace_name(&self, id: WorkspaceId, it: &WorkspaceState) -> WorkspaceName {
        WorkspaceName::new(it.label.clone(), self.journal().info().store, id)
    }

    /// A workspace as its driver gets it.
    fn workspace_ref(&self, caller: &Caller, id: WorkspaceId, it: &WorkspaceState) -> WorkspaceRef {
        WorkspaceRef {
            tenant: caller.tenant.clone(),
            name: self.workspace_name(id, it),
            reference: it.reference.as_deref().unwrap_or_default().to_owned(),
            saved: it.saved.clone(),
        }
    }
}

/// What a driver answered that the journal cannot hold.
fn check_reference(kind: &str, reference: &str) -> Result<()> {
    if reference.len() <= 1024 {
        return Ok(());
    }
    let bytes = reference.len();
    Err(Error::failed(format!("the driver `{kind}` gave a reference of {bytes} bytes, of 1024")))
}
