//! The store over a journal.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    StoreOptions,
    inner::StoreInner,
    traits::{SessionStore, ThreadStore},
};
use crate::{
    archive::{CollectBundles, CollectedBundle, Retain, Retained},
    command::{
        Caller, Feed, FeedPage, Forget, Forgotten, SessionAnswer, SessionCommand, SessionOutcome,
        SessionQuery, Sweep, SweptThread, ThreadAnswer, ThreadCommand, ThreadOutcome, ThreadQuery,
    },
    error::{Error, Result},
    handle::Handle,
    id::TenantId,
    journal::{Journal, Scrub},
    model::ActorName,
    workspace::{Reap, Reaped},
};

/// A store over a journal. Cheap to clone; clones share everything.
///
/// Dropping it loses nothing that was acknowledged; [`close`](Self::close) also closes the journal. Several stores may
/// be made over one journal, or over several handles of one: each decides on its own copy of the state, and every commit
/// is checked against the journal's head.
///
/// It is one type, compiled once, whatever the journal. To call the journal's own methods, use [`journal`](Self::journal).
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<StoreInner>,
}

impl Store {
    /// A store over a journal.
    pub fn new(journal: Arc<dyn Journal>, options: StoreOptions) -> Self {
        Self { inner: Arc::new(StoreInner::new(journal, options)) }
    }

    /// This store, as this caller uses it: whose data it is, and who calls. Everything a program does goes through the
    /// [`Handle`] it answers.
    ///
    /// `Invalid` if the tenant does not match `[a-z0-9][a-z0-9._-]*` in 1 to 128 bytes, or the actor's name is not 1 to
    /// 128 bytes without control characters.
    pub fn caller(&self, tenant: impl AsRef<str>, actor: ActorName) -> Result<Handle> {
        let tenant = TenantId::new(tenant)?;
        let actor = actor.in_tenant(&tenant)?;
        Ok(self.as_caller(&Caller::new(tenant, actor)))
    }

    /// This store, as a caller uses it who is known already.
    pub fn as_caller(&self, caller: &Caller) -> Handle {
        let background = self.inner.options().background.clone();
        Handle::new(Arc::new(self.clone()), caller.clone()).with_background(background)
    }

    /// The journal below.
    pub fn journal(&self) -> &Arc<dyn Journal> {
        self.inner.journal()
    }

    /// Removes from the medium what was erased, dropped or replaced, in every thread of every tenant. It may take as long
    /// as a copy of the store; [`Scrub`] says whether anything is left. `Unsupported` if the engine cannot.
    pub async fn scrub(&self) -> Result<Scrub> {
        let scrubbed = async { self.inner.require_open()?.journal().scrub().await };
        scrubbed.await.map_err(|error| error.during("scrub"))
    }

    /// Removes what drivers of workspaces hold and nobody owns (WSP6, WSP7), of this caller's tenant: workspaces of deleted
    /// sessions, what makers left that died or took too long, snapshots of deleted threads. Several may reap at once, in
    /// several processes. It lists the tenant's threads.
    ///
    /// What holds work stays, unless [`Reap::force`]. What carries another store's id is not touched; a copy of a store has
    /// the same id, so do not reap from a copy while the original is in use.
    pub async fn reap(&self, caller: &Caller, reap: Reap) -> Result<Vec<Reaped>> {
        let reaped = async {
            caller.check_query()?;
            self.inner.require_open()?.reap(caller, reap).await
        };
        reaped.await.map_err(|error| error.during("reap"))
    }

    /// Removes the bundles of this caller's tenant that belong to nothing (ARC4), from all archives of this store: of sessions that
    /// were restored, deleted or never archived, of deleted threads. A bundle that is being written, or that a session is archived
    /// with, is not touched. Several may collect at once, in several processes. It lists the tenant's bundles.
    ///
    /// What carries another store's id is not touched; a copy of a store has the same id, so do not collect from a copy while the
    /// original is in use.
    pub async fn collect_bundles(
        &self,
        caller: &Caller,
        collect: CollectBundles,
    ) -> Result<Vec<CollectedBundle>> {
        let collected = async {
            caller.check_query()?;
            self.inner.require_open()?.collect_bundles(caller, collect).await
        };
        collected.await.map_err(|error| error.during("collect_bundles"))
    }

    /// Archives the sub-sessions of this caller's tenant that their projects keep no longer (ARC5), as
    /// [`Retention`](crate::model::Retention) says; a project that does not configure it loses nothing. A dry run says what would
    /// be archived now. What is at work is never taken, nor what is written to meanwhile, nor anything in an archived thread. It
    /// lists the tenant's threads.
    pub async fn retain(&self, caller: &Caller, retain: Retain) -> Result<Vec<Retained>> {
        let retained = async {
            caller.check_query()?;
            self.inner.require_open()?.retain(caller, retain).await
        };
        retained.await.map_err(|error| error.during("retain"))
    }

    /// Erases for ever what a person wrote, everywhere in this caller's tenant (ERA1): in every thread, archived or not, of every
    /// project, in sessions that were deleted, in bundles of archived sessions. [`Forget`] says what that is, and what it is not.
    /// Answers for each thread in which there was something how much, and what became of it, by id; what fails in one does not stop
    /// the others. From the record on that says so no read shows what is erased; its bytes may stay on the medium until
    /// [`scrub`](Self::scrub). Nothing is erased twice: asking again after an error, or after the process was killed, goes on with
    /// the rest. It also finishes erasures that were cut off before, and removes bundles that belong to nothing, as
    /// [`collect_bundles`](Self::collect_bundles) does; if these cannot be looked at, that is the answer for every thread.
    ///
    /// It needs the archives of the sessions that the person wrote in: without one of them nothing is erased in the thread, which
    /// is told as failed. So is a thread whose bundle another is writing, or has begun to write and died; it has
    /// [`archive_time`](super::StoreOptions::archive_time) for that.
    ///
    /// Others may write at the same time. What is written after the call began may stay, and so may copies that are made of it
    /// then; the next call finds them. Several may forget at once, in several processes. It reads every record of the tenant, in
    /// pieces; the caller's deadline, or the store's, is for each step.
    pub async fn forget(&self, caller: &Caller, forget: Forget) -> Result<Vec<Forgotten>> {
        let forgotten = async {
            caller.check_query()?;
            self.inner.require_open()?.forget(caller, forget).await
        };
        forgotten.await.map_err(|error| error.during("forget"))
    }

    /// Ends the runs that nobody works on any more (RUN4), and the locks of handoffs that were cut off (HOF5), in all threads of this caller's tenant; answers for each thread which,
    /// and what failed there. A program calls it from time to time. Several may sweep at once, in several processes. It
    /// lists the tenant's threads, and looks into those in which runs live or sessions are locked. Slices of projects' budgets that threads have and in
    /// which nothing was written for the bound go back (BUD1).
    pub async fn sweep(&self, caller: &Caller, sweep: Sweep) -> Result<Vec<SweptThread>> {
        let swept = async {
            caller.check_query()?;
            self.inner.require_open()?.sweep(caller, sweep).await
        };
        swept.await.map_err(|error| error.during("sweep"))
    }

    /// Closes the store and its journal: every later call, on any clone, answers `Closed`. Closing again is fine.
    pub async fn close(&self) -> Result<()> {
        self.inner.mark_closed();
        match self.journal().close().await {
            Err(Error::Closed { .. }) => Ok(()),
            closed => closed,
        }
    }
}

// What fails says which command or query failed: only here is it known.
#[async_trait]
impl ThreadStore for Store {
    async fn apply_thread(&self, caller: &Caller, command: ThreadCommand) -> Result<ThreadOutcome> {
        let name = command.name();
        let applied = match self.inner.require_open() {
            Ok(store) => store.apply_thread(caller, command).await,
            Err(closed) => Err(closed),
        };
        applied.map_err(|error| error.during(name))
    }

    async fn ask_thread(&self, caller: &Caller, query: ThreadQuery) -> Result<ThreadAnswer> {
        let (store, name) = (&self.inner, query.name());
        let answer = async { store.require_open()?.ask_thread(caller, query).await };
        store.within(store.patience(caller), answer).await.map_err(|error| error.during(name))
    }
}

#[async_trait]
impl SessionStore for Store {
    async fn apply(&self, caller: &Caller, command: SessionCommand) -> Result<SessionOutcome> {
        let name = command.name();
        let applied = match self.inner.require_open() {
            Ok(store) => store.apply_session(caller, command).await,
            Err(closed) => Err(closed),
        };
        applied.map_err(|error| error.during(name))
    }

    async fn ask(&self, caller: &Caller, query: SessionQuery) -> Result<SessionAnswer> {
        let (store, name) = (&self.inner, query.name());
        let answer = async { store.require_open()?.ask_session(caller, query).await };
        store.within(store.patience(caller), answer).await.map_err(|error| error.during(name))
    }

    async fn feed(&self, caller: &Caller, from: Feed) -> Result<FeedPage> {
        let store = &self.inner;
        let time = store.patience(caller).saturating_add(from.wait);
        let page = async { store.require_open()?.feed(caller, from).await };
        store.within(time, page).await.map_err(|error| error.during("follow"))
    }
}
