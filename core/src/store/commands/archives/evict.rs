//! Evicting: entries of an archived session leave the journal, after its bundle was found whole (ARC6).

use super::read::Bundle;
use crate::{
    command::{Caller, SessionOutcome},
    error::{Error, Result},
    id::{ArchiveId, SessionId, Space, Version},
    journal::{Direction, ReadRange, RecordBody},
    record::Lane,
    rules::{
        decision::{ArchiveStep, Reply},
        thread::wrong_journal,
    },
    store::{inner::StoreInner, sync::Backoff},
};

/// Records of one read, and versions of one erasure.
const PIECE: usize = 1024;

impl StoreInner {
    /// Evicts what of an archived session's log is in its bundle; answers the bundle. Of a session that is not archived any more
    /// it evicts nothing.
    pub(super) async fn evict(
        &self,
        caller: &Caller,
        session: SessionId,
        archive: ArchiveId,
    ) -> Result<ArchiveId> {
        // The lease ended with the archive.
        let caller = &Caller { lease: None, ..caller.clone() };
        let thread = session.thread();
        let space = thread.space(&caller.tenant);
        let until = self.environment.elapsed().saturating_add(self.patience(caller));
        let mut backoff = Backoff::new();
        let mut last = archive;
        loop {
            let at = self.fresh_thread(caller, thread).await?;
            let state = at.state()?;
            let it = state.session(session.version()).ok_or_else(|| Error::not_found(session))?;
            let Some(archived) = it.archived.as_deref() else { return Ok(last) };
            last = ArchiveId::new(thread, archived.archive);
            let project = state.thread.as_deref().ok_or_else(wrong_journal)?.project;
            let backend = self.archive_named(project, &archived.backend)?;
            let checked = async {
                let name = self.bundle_name(caller, last);
                Bundle::open(&*backend, name, session, archived).await?.check(&state.erased).await
            };
            let step = ArchiveStep::Evict { session, archive: archived.archive };
            let evicted = match self.in_archive_time(caller, Box::pin(checked)).await {
                Ok(()) => self.archive_step(caller, &space, step).await?,
                // Another may have written another bundle, and removed this one.
                Err(error) => match self.bundle_of(caller, session).await? {
                    Some(now) if now == last => return Err(error),
                    _ => Reply::LookAgain,
                },
            };
            match evicted {
                Reply::Session(SessionOutcome::Changed(_)) => {
                    // What stays in the journal is not shown, and a vacuum removes it.
                    let _ = Box::pin(self.finish_eviction(&space, session.version())).await;
                    return Ok(last);
                }
                Reply::LookAgain if !self.environment.left(until).is_zero() => {
                    backoff.pause(&*self.options().clock).await;
                }
                Reply::LookAgain => return Err(Error::contended(&space)),
                _ => return Err(wrong_journal()),
            }
        }
    }

    /// The bundle that a session has by now.
    pub(super) async fn bundle_of(
        &self,
        caller: &Caller,
        session: SessionId,
    ) -> Result<Option<ArchiveId>> {
        let now = self.fresh_thread(caller, session.thread()).await?;
        let now = now.state()?.session(session.version());
        let now = now.and_then(|it| it.archived.as_ref());
        Ok(now.map(|it| ArchiveId::new(session.thread(), it.archive)))
    }

    /// Removes the payloads of what is evicted, and of packs that held some of it.
    pub(in crate::store::commands) async fn finish_eviction(
        &self,
        space: &Space,
        session: Version,
    ) -> Result<()> {
        let state = self.fresh(space).await?;
        let state = state.as_thread()?;
        let archived = state.session(session).and_then(|it| it.archived.as_deref());
        let Some(evicted) = archived.and_then(|it| it.evicted) else { return Ok(()) };
        let mut after = evicted.after;
        loop {
            let range = ReadRange {
                stream: Some(Lane::Log.of(session)),
                after,
                upto: evicted.upto,
                direction: Direction::Forward,
                limit: PIECE,
            };
            let records = self.journal().read(space, &range).await?;
            let Some(last) = records.last() else { break };
            after = last.version;
            let left = records.iter().filter(|record| record.body != RecordBody::None);
            let versions: Vec<Version> = left.map(|record| record.version).collect();
            if !versions.is_empty() {
                self.journal().erase(space, &versions).await?;
            }
        }
        let packs: Vec<Version> = state.erased.by(state.last_eviction).collect();
        for piece in packs.chunks(PIECE) {
            self.journal().erase(space, piece).await?;
        }
        Ok(())
    }
}
