//! Archiving a session: claimed, written, archived, or given up.

use std::sync::Arc;

use crate::{
    archive::ArchiveBackend,
    command::{Archiving, Caller, SessionOutcome},
    error::{Error, ErrorKind, Result},
    id::{ArchiveId, SessionId, WorkspaceId},
    rules::{
        decision::{ArchiveStep, GivenUp, Reply, Wanted, WorkspaceStep},
        thread::wrong_journal,
    },
    store::inner::StoreInner,
};

/// An attempt to archive.
pub(super) enum Attempt {
    Archived(ArchiveId),
    /// Somebody used the session meanwhile.
    InUse,
}

impl StoreInner {
    pub(super) async fn archive_session(
        &self,
        caller: &Caller,
        session: SessionId,
        archiving: &Archiving,
    ) -> Result<SessionOutcome> {
        let until = self.environment.elapsed().saturating_add(self.patience(caller));
        let backend = archiving.backend.as_deref();
        loop {
            match self.try_archive(caller, session, backend, Wanted::Any).await? {
                Attempt::Archived(archive) if archiving.evict => {
                    let evicted = Box::pin(self.evict(caller, session, archive));
                    return evicted.await.map(SessionOutcome::Archived);
                }
                Attempt::Archived(archive) => return Ok(SessionOutcome::Archived(archive)),
                Attempt::InUse if self.environment.left(until).is_zero() => {
                    return Err(Error::contended(&session.thread().space(&caller.tenant)));
                }
                Attempt::InUse => {}
            }
        }
    }

    /// Archives a session if nobody writes to it meanwhile. After an error that is not `Indeterminate` it is not archived, and
    /// nothing of its bundle is left but what could not be removed.
    pub(super) async fn try_archive(
        &self,
        caller: &Caller,
        session: SessionId,
        backend: Option<&str>,
        which: Wanted,
    ) -> Result<Attempt> {
        let thread = session.thread();
        let at = self.fresh_thread(caller, thread).await?;
        at.require_thread()?;
        let state = at.state()?;
        state.require_not_archived(thread)?;
        let it = state.session(session.version()).ok_or_else(|| Error::not_found(session))?;
        if let Some(archived) = &it.archived {
            return Ok(Attempt::Archived(ArchiveId::new(thread, archived.archive)));
        }
        let time = (self.options().clock.now(), self.options().max_skew);
        state.require_archivable(thread, (session.version(), it), caller, time)?;
        let (name, backend) = self.choose_archive(caller, session, backend).await?;
        let tried = self.reserve_and_write(caller, session, (&name, &*backend), which).await?;
        if let Attempt::Archived(_) = tried {
            Box::pin(self.release_workspace(caller, session)).await;
        }
        Ok(tried)
    }

    /// Claims a bundle, writes it and has it committed, or gives it up.
    pub(super) async fn reserve_and_write(
        &self,
        caller: &Caller,
        session: SessionId,
        (name, backend): (&str, &dyn ArchiveBackend),
        which: Wanted,
    ) -> Result<Attempt> {
        let thread = session.thread();
        let space = thread.space(&caller.tenant);
        let ttl = self.options().archive_time;
        let reserve = ArchiveStep::Reserve {
            session,
            backend: name.to_owned(),
            ttl_millis: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
            which,
        };
        let archive = match self.archive_step(caller, &space, reserve).await? {
            Reply::Session(SessionOutcome::Changed(version)) => ArchiveId::new(thread, version),
            Reply::Session(SessionOutcome::Archived(archive)) => {
                return Ok(Attempt::Archived(archive));
            }
            _ => return Ok(Attempt::InUse),
        };
        let written = self.write_and_commit(caller, session, archive, (name, backend)).await;
        match written {
            Ok(Reply::Session(SessionOutcome::Archived(archive))) => {
                return Ok(Attempt::Archived(archive));
            }
            // It may be archived by now, or still: the claim stays, until it is, or has expired.
            Err(error) if error.kind() == ErrorKind::Indeterminate => return Err(error),
            _ => {}
        }
        self.abandon_bundle(caller, session, archive, backend).await;
        match written? {
            Reply::LookAgain => Ok(Attempt::InUse),
            _ => Err(wrong_journal()),
        }
    }

    async fn write_and_commit(
        &self,
        caller: &Caller,
        session: SessionId,
        archive: ArchiveId,
        (name, backend): (&str, &dyn ArchiveBackend),
    ) -> Result<Reply> {
        let at = self.fresh_thread(caller, session.thread()).await?;
        let written = async {
            let before = self.evicted_bodies(caller, &at, session, backend).await?;
            self.write_bundle(caller, &at, (session, archive), backend, before).await
        };
        let mut bundle = self.in_archive_time(caller, Box::pin(written)).await?;
        bundle.backend = name.to_owned();
        let space = session.thread().space(&caller.tenant);
        let step = ArchiveStep::Archived { session, bundle };
        self.archive_step(caller, &space, step).await
    }

    /// Where a session goes: what the caller names, else what its project does.
    async fn choose_archive(
        &self,
        caller: &Caller,
        session: SessionId,
        named: Option<&str>,
    ) -> Result<(String, Arc<dyn ArchiveBackend>)> {
        let thread = session.thread();
        let space = thread.space(&caller.tenant);
        let state = self.state(&space, &caller.cached()).await?;
        let project = state.project_of_thread().ok_or_else(|| Error::not_found(thread))?;
        let name = match named {
            Some(name) => Some(name.to_owned()),
            None => {
                let caps = self.caps(caller, &space).await?;
                caps.ok_or_else(|| Error::not_found(thread))?.config.retention.archive_backend
            }
        };
        let name = name.ok_or(Error::ArchiveNotConfigured { project, backend: None })?;
        let backend = self.archive_named(project, &name)?;
        Ok((name, backend))
    }

    /// Gives up a bundle that this call wrote. What cannot be removed now is found by the collector.
    async fn abandon_bundle(
        &self,
        caller: &Caller,
        session: SessionId,
        archive: ArchiveId,
        backend: &dyn ArchiveBackend,
    ) {
        let space = session.thread().space(&caller.tenant);
        let archive_version = archive.version();
        let step = ArchiveStep::Abandoned { session, archive: archive_version, by_writer: true };
        if let Ok(Reply::Session(SessionOutcome::Changed(_))) =
            self.archive_step(caller, &space, step).await
        {
            let bundle = self.bundle_name(caller, archive);
            let _ = self.remove_bundle(caller, backend, &bundle).await;
        }
    }

    /// After a session was archived: its workspace follows, if nothing would be lost (ARC7). One that cannot be removed is
    /// leaked, and the reaper tries again; the session stays archived.
    async fn release_workspace(&self, caller: &Caller, session: SessionId) {
        // The lease ended with the archive.
        let caller = Caller { lease: None, ..caller.clone() };
        let space = session.thread().space(&caller.tenant);
        let Ok(state) = self.state(&space, &caller.cached()).await else { return };
        let Ok(state) = state.as_thread() else { return };
        let Some(version) = state.workspace_of.get(&session.version()) else { return };
        let workspace = WorkspaceId::new(session.thread(), *version);
        if self.dispose_workspace(&caller, workspace, false).await.is_err() {
            let by = GivenUp::Owner { force: false };
            let leaked = WorkspaceStep::Leaked { workspace, by };
            let _ = self.step(&caller, &space, leaked, self.environment.elapsed()).await;
        }
    }
}
