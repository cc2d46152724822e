//! Archiving: what stands in bundles, and the records that claim them.
//!
//! A record claims a bundle before its first byte is there, and nothing of it is removed while one does.

mod archive;
mod collect;
mod erase;
mod evict;
mod read;
mod restore;
mod retain;
mod returned;
mod write;

pub(super) use read::EvictedBodies;

use std::{future::Future, sync::Arc};

use crate::{
    archive::{ArchiveBackend, BundleName},
    command::{Caller, Needs, SessionCommand, SessionOutcome},
    error::{Error, Result},
    id::{ArchiveId, ProjectId, Space},
    rules::{
        decision::{ArchiveStep, Reply, Request},
        thread::wrong_journal,
    },
    store::inner::StoreInner,
};

/// Names of one page of a list.
const PAGE: usize = 1000;

impl StoreInner {
    /// What an archive does, and the records of it.
    pub(super) async fn apply_to_archives(
        &self,
        caller: &Caller,
        command: SessionCommand,
    ) -> Result<SessionOutcome> {
        match command {
            SessionCommand::ArchiveSession { session, archiving } => {
                self.archive_session(caller, session, &archiving).await
            }
            SessionCommand::RestoreSession { session } => {
                self.restore_session(caller, session).await
            }
            _ => Err(wrong_journal()),
        }
    }

    /// One commit of a flow.
    async fn archive_step(
        &self,
        caller: &Caller,
        space: &Space,
        step: ArchiveStep,
    ) -> Result<Reply> {
        let request = (Request::Archive(step), Needs::default());
        let call = self.prepare(caller, space, request, None).await?;
        self.submit(space, call).await
    }

    /// The archive of a name, which this store must have.
    fn archive_named(&self, project: ProjectId, name: &str) -> Result<Arc<dyn ArchiveBackend>> {
        let backend = self.options().archives.get(name).map(Arc::clone);
        backend.ok_or_else(|| Error::ArchiveNotConfigured { project, backend: Some(name.into()) })
    }

    fn bundle_name(&self, caller: &Caller, archive: ArchiveId) -> BundleName {
        BundleName::new(self.journal().info().store, &caller.tenant, archive)
    }

    /// The answer of an archive, if it comes in the time that the call has, or else an archive.
    async fn in_archive_time<T>(
        &self,
        caller: &Caller,
        answer: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let time = caller.deadline.unwrap_or(self.options().archive_time);
        self.within(time, answer).await
    }

    /// Removes all objects of a bundle that nothing claims. The manifest goes first: what is left is no bundle any more.
    async fn remove_bundle(
        &self,
        caller: &Caller,
        backend: &dyn ArchiveBackend,
        bundle: &BundleName,
    ) -> Result<()> {
        let removed = async {
            backend.remove(&bundle.manifest()).await?;
            loop {
                let names = backend.list(bundle.prefix(), None, PAGE).await?;
                if names.is_empty() {
                    return Ok(());
                }
                for name in names {
                    backend.remove(&name).await?;
                }
            }
        };
        self.in_archive_time(caller, removed).await
    }
}
