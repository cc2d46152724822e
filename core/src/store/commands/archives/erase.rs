//! Erasing from bundles: what was erased is in none, and never comes back.

use std::collections::BTreeMap;

use super::archive::Attempt;
use crate::{
    command::Caller,
    error::{Error, Result},
    id::{ArchiveId, SessionId, ThreadId, Version},
    rules::{
        decision::Wanted,
        thread::{ArchivedState, ThreadState},
    },
    store::{inner::StoreInner, sync::Backoff},
};

impl StoreInner {
    /// The archived sessions whose own log holds any of these entries, and which. `ArchiveNotConfigured` if this store does not
    /// have the archive of one of them: it could not erase there.
    pub(in crate::store::commands) async fn archived_with(
        &self,
        caller: &Caller,
        thread: ThreadId,
        entries: &[Version],
    ) -> Result<BTreeMap<Version, Vec<Version>>> {
        let space = thread.space(&caller.tenant);
        let fresh = self.fresh(&space).await?;
        let state = fresh.as_thread()?;
        let mut of: BTreeMap<Version, Vec<Version>> = BTreeMap::new();
        if !state.sessions.values().any(|session| session.archived.is_some()) {
            return Ok(of);
        }
        for version in entries {
            let Some(opened) = self.record_at(&space, *version).await? else { continue };
            let session = opened.header.event.session_in(opened.header.stream);
            of.entry(session).or_default().push(*version);
        }
        self.archived_among(state, thread, of)
    }

    /// Those of these sessions that are archived. `ArchiveNotConfigured` as above.
    pub(in crate::store::commands) fn archived_among(
        &self,
        state: &ThreadState,
        thread: ThreadId,
        mut of: BTreeMap<Version, Vec<Version>>,
    ) -> Result<BTreeMap<Version, Vec<Version>>> {
        let archived = |session| state.session(session).and_then(|it| it.archived.as_deref());
        of.retain(|session, _| archived(*session).is_some());
        for archived in of.keys().filter_map(|session| archived(*session)) {
            let project = state.thread.as_deref().map(|thread| thread.project);
            let project = project.ok_or_else(|| Error::not_found(thread))?;
            self.archive_named(project, &archived.backend)?;
        }
        Ok(of)
    }

    /// Writes the bundles of these sessions anew, without those of their entries that were erased since, and removes those
    /// before.
    pub(in crate::store::commands) async fn erase_in_bundles(
        &self,
        caller: &Caller,
        thread: ThreadId,
        sessions: BTreeMap<Version, Vec<Version>>,
    ) -> Result<()> {
        for (session, entries) in sessions {
            let session = SessionId::new(thread, session);
            Box::pin(self.erase_in_bundle(caller, session, &entries)).await?;
        }
        Ok(())
    }

    async fn erase_in_bundle(
        &self,
        caller: &Caller,
        session: SessionId,
        entries: &[Version],
    ) -> Result<()> {
        let space = session.thread().space(&caller.tenant);
        let until = self.environment.elapsed().saturating_add(self.patience(caller));
        let mut backoff = Backoff::new();
        loop {
            let fresh = self.fresh(&space).await?;
            let state = fresh.as_thread()?;
            let Some(thread) = state.thread.as_deref() else { return Ok(()) };
            let archived = state.session(session.version()).and_then(|it| it.archived.as_deref());
            let Some(archived) = archived else { return Ok(()) };
            // A bundle holds what was not erased when it was reserved: nothing was erased between that and its commit.
            let holds = |entry: &Version| {
                state.erased.erased_by(*entry).is_some_and(|by| by > archived.archive)
            };
            if !entries.iter().any(holds) {
                return Ok(());
            }
            let (name, which) = (&*archived.backend, Wanted::Anew(archived.archive));
            let backend = self.archive_named(thread.project, name)?;
            match self.reserve_and_write(caller, session, (name, &*backend), which).await {
                Ok(Attempt::Archived(_)) => {
                    let before = ArchiveId::new(session.thread(), archived.archive);
                    let before = self.bundle_name(caller, before);
                    return self.remove_bundle(caller, &*backend, &before).await;
                }
                // Another erases too, and does this with it.
                Ok(Attempt::InUse) | Err(Error::Contended { .. })
                    if !self.environment.left(until).is_zero() =>
                {
                    backoff.pause(&*self.options().clock).await;
                }
                Ok(Attempt::InUse) => return Err(Error::contended(&space)),
                Err(error) => return Err(error),
            }
        }
    }

    /// The bundles of a thread that may be deleted, with the names of their archives.
    pub(in crate::store::commands) async fn bundles_of(
        &self,
        caller: &Caller,
        thread: ThreadId,
    ) -> Vec<(String, ArchiveId)> {
        let Ok(state) = self.state(&thread.space(&caller.tenant), caller).await else {
            return Vec::new();
        };
        let Ok(state) = state.as_thread() else { return Vec::new() };
        let archived = state.sessions.values().filter_map(|session| session.archived.as_deref());
        let bundle = |it: &ArchivedState| {
            (it.backend.as_ref().to_owned(), ArchiveId::new(thread, it.archive))
        };
        archived.map(bundle).collect()
    }

    /// After a thread or a session was deleted: its bundles follow. What stays is found by the collector.
    pub(in crate::store::commands) async fn follow_bundles(
        &self,
        caller: &Caller,
        bundles: Vec<(String, ArchiveId)>,
    ) {
        for (backend, archive) in bundles {
            if let Some(backend) = self.options().archives.get(&backend) {
                let bundle = self.bundle_name(caller, archive);
                let _ = self.remove_bundle(caller, &**backend, &bundle).await;
            }
        }
    }
}
