//! The collector: removes bundles that belong to nothing (ARC4).

use std::sync::Arc;

use crate::{
    archive::{
        ArchiveBackend, BundleName, CollectBundles, CollectOutcome, CollectedBundle, Unclaimed,
    },
    command::{Caller, SessionOutcome},
    error::Result,
    id::{ArchiveId, SessionId},
    rules::{
        decision::{ArchiveStep, Reply},
        thread::{ArchiveReservation, ThreadState},
    },
    store::inner::StoreInner,
};

use super::PAGE;

impl StoreInner {
    /// Compares the bundles of a tenant with what its records claim. The archives are asked first and the records after that:
    /// what is there was claimed before, so what is not claimed then belongs to nothing, and never will.
    pub(in crate::store) async fn collect_bundles(
        &self,
        caller: &Caller,
        collect: CollectBundles,
    ) -> Result<Vec<CollectedBundle>> {
        let mut found = Vec::new();
        let prefix = BundleName::prefix_of(self.journal().info().store, &caller.tenant);
        for (name, backend) in self.options().archives.iter() {
            for archive in self.bundles_below(caller, &prefix, &**backend).await? {
                if archive.thread().tag() == caller.tenant.tag() {
                    found.extend(self.collect(caller, (name, backend), archive, collect).await?);
                }
            }
        }
        Ok(found)
    }

    /// The archives of which an archive holds any object. Of each it is one look: the list goes on behind it.
    async fn bundles_below(
        &self,
        caller: &Caller,
        prefix: &str,
        backend: &dyn ArchiveBackend,
    ) -> Result<Vec<ArchiveId>> {
        let mut bundles: Vec<ArchiveId> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let list = backend.list(prefix, after.as_deref(), PAGE);
            let names = self.in_archive_time(caller, list).await?;
            let Some(last) = names.last() else { return Ok(bundles) };
            let of = names.iter().filter_map(|name| BundleName::archive_in(prefix, name));
            bundles.extend(of);
            bundles.dedup();
            after = Some(last.clone());
        }
    }

    async fn collect(
        &self,
        caller: &Caller,
        (name, backend): (&str, &Arc<dyn ArchiveBackend>),
        archive: ArchiveId,
        collect: CollectBundles,
    ) -> Result<Option<CollectedBundle>> {
        let space = archive.thread().space(&caller.tenant);
        let fresh = self.fresh(&space).await?;
        let state = fresh.as_thread()?;
        let (why, reserved) = match claim(state, archive) {
            _ if state.thread.is_none() => (Unclaimed::ThreadGone, None),
            None => (Unclaimed::NotArchived, None),
            // Also of a copy that somebody made in another archive.
            Some((_, None)) => return Ok(None),
            Some((session, Some(reserved))) => {
                let (now, skew) = (self.options().clock.now(), self.options().max_skew);
                if !reserved.has_expired(now, skew) {
                    return Ok(None);
                }
                (Unclaimed::ArchiverGone, Some(session))
            }
        };
        let outcome = if collect.dry_run {
            CollectOutcome::Found
        } else {
            match self.collect_one(caller, &**backend, archive, reserved).await {
                Ok(outcome) => outcome,
                Err(error) => CollectOutcome::Failed(error.to_string()),
            }
        };
        Ok(Some(CollectedBundle::new(name, archive, why, outcome)))
    }

    /// Takes a bundle from whoever may still come for it, then removes it.
    async fn collect_one(
        &self,
        caller: &Caller,
        backend: &dyn ArchiveBackend,
        archive: ArchiveId,
        reserved: Option<SessionId>,
    ) -> Result<CollectOutcome> {
        if let Some(session) = reserved {
            let space = archive.thread().space(&caller.tenant);
            let step =
                ArchiveStep::Abandoned { session, archive: archive.version(), by_writer: false };
            match self.archive_step(caller, &space, step).await? {
                Reply::Session(SessionOutcome::Changed(_)) => {}
                _ => return Ok(CollectOutcome::Claimed),
            }
        }
        let bundle = self.bundle_name(caller, archive);
        self.remove_bundle(caller, backend, &bundle).await?;
        Ok(CollectOutcome::Removed)
    }
}

/// The session that a bundle is claimed for; with the reservation, if it is not archived with it.
fn claim(
    state: &ThreadState,
    archive: ArchiveId,
) -> Option<(SessionId, Option<&ArchiveReservation>)> {
    let (thread, archive) = (archive.thread(), archive.version());
    state.sessions.iter().find_map(|(version, session)| {
        let session_id = SessionId::new(thread, *version);
        if session.archived.as_ref().is_some_and(|it| it.archive == archive) {
            return Some((session_id, None));
        }
        let reserved = session.archiving.as_deref().filter(|it| it.archive == archive)?;
        Some((session_id, Some(reserved)))
    })
}
