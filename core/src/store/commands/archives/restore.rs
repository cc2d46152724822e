//! Restoring a session: its bundle is checked, then a record says that it is what it was, then its bundle goes.

use super::read::Bundle;
use crate::{
    command::{Caller, SessionOutcome},
    error::{Error, Result},
    id::{ArchiveId, SessionId},
    rules::{
        decision::{ArchiveStep, Reply},
        thread::wrong_journal,
    },
    store::inner::StoreInner,
};

impl StoreInner {
    pub(super) async fn restore_session(
        &self,
        caller: &Caller,
        session: SessionId,
    ) -> Result<SessionOutcome> {
        let thread = session.thread();
        let space = thread.space(&caller.tenant);
        loop {
            let at = self.fresh_thread(caller, thread).await?;
            at.require_thread()?;
            let state = at.state()?;
            state.require_not_archived(thread)?;
            let it = state.session(session.version()).ok_or_else(|| Error::not_found(session))?;
            it.require_not_former(session, &caller.actor)?;
            let Some(archived) = it.archived.as_deref() else {
                return Ok(SessionOutcome::Changed(it.version));
            };
            let project = state.thread.as_deref().ok_or_else(wrong_journal)?.project;
            let backend = self.archive_named(project, &archived.backend)?;
            let archive = ArchiveId::new(thread, archived.archive);
            let name = self.bundle_name(caller, archive);
            let checked = async {
                let bundle = Bundle::open(&*backend, name.clone(), session, archived).await?;
                bundle.check(&state.erased).await?;
                let Some(evicted) = archived.evicted else { return Ok(true) };
                let bundle = Bundle::open(&*backend, name.clone(), session, archived).await?;
                self.return_entries(caller, session, state, (bundle, evicted)).await
            };
            match self.in_archive_time(caller, Box::pin(checked)).await {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    // It goes as soon as another has restored the session, or written another.
                    if self.bundle_of(caller, session).await? == Some(archive) {
                        return Err(error);
                    }
                    continue;
                }
            }
            let step = ArchiveStep::Restored { session, archive: archived.archive };
            match self.archive_step(caller, &space, step).await? {
                Reply::Session(outcome @ SessionOutcome::Changed(_)) => {
                    let _ = self.remove_bundle(caller, &*backend, &name).await;
                    return Ok(outcome);
                }
                Reply::LookAgain => {}
                _ => return Err(wrong_journal()),
            }
        }
    }
}
