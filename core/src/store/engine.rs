//! The one implementation, over any journal.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;

use super::{
    StoreOptions,
    shared::{Registry, Shared},
    traits::{SessionStore, ThreadStore},
};
use crate::{
    command::{
        Caller, Feed, FeedPage, SessionAnswer, SessionCommand, SessionOutcome, SessionQuery,
        ThreadAnswer, ThreadCommand, ThreadOutcome, ThreadQuery,
    },
    error::{Closure, Error, Result},
    handle::Handle,
    id::TenantId,
    journal::Journal,
    model::ActorName,
};

/// A store over a journal. Cheap to clone; clones share everything.
///
/// Dropping it loses nothing that was acknowledged; [`close`](Self::close) also closes the journal. Several stores may
/// be made over one journal, or over several handles of one: each decides on its own copy of the state, and every commit
/// is checked against the journal's head.
///
/// It is one type, compiled once, whatever the journal: who needs the journal's own methods keeps its own `Arc` of it.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Shared,
    closed: AtomicBool,
}

impl Store {
    /// A store over a journal.
    pub fn new(journal: Arc<dyn Journal>, options: StoreOptions) -> Self {
        let shared = Shared { journal, options, registry: Registry::default() };
        Self { inner: Arc::new(Inner { shared, closed: AtomicBool::new(false) }) }
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
        Handle::new(Arc::new(self.clone()), caller.clone())
    }

    /// The journal below.
    pub fn journal(&self) -> &Arc<dyn Journal> {
        &self.inner.shared.journal
    }

    /// Closes the journal: every later call, on any clone, answers `Closed`.
    pub async fn close(&self) -> Result<()> {
        self.inner.closed.store(true, Ordering::Release);
        self.inner.shared.journal.close().await
    }
}

impl Inner {
    fn open(&self) -> Result<&Shared> {
        if self.closed.load(Ordering::Acquire) {
            Err(Error::Closed { what: Closure::Store })
        } else {
            Ok(&self.shared)
        }
    }

    /// A question has a deadline too; past it the store counts as out of reach.
    async fn within<T>(
        &self,
        caller: &Caller,
        answer: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let time = caller.deadline.unwrap_or(self.shared.options.deadline);
        let late = async {
            self.shared.options.clock.sleep(time).await;
            Err(Error::Unavailable { reason: format!("no answer within {time:?}"), source: None })
        };
        futures_lite::future::or(answer, late).await
    }
}

#[async_trait]
impl ThreadStore for Store {
    async fn apply_thread(&self, caller: &Caller, command: ThreadCommand) -> Result<ThreadOutcome> {
        self.inner.open()?.apply_thread(caller, command).await
    }

    async fn ask_thread(&self, caller: &Caller, query: ThreadQuery) -> Result<ThreadAnswer> {
        let shared = self.inner.open()?;
        self.inner.within(caller, shared.ask_thread(caller, query)).await
    }
}

#[async_trait]
impl SessionStore for Store {
    async fn apply(&self, caller: &Caller, command: SessionCommand) -> Result<SessionOutcome> {
        self.inner.open()?.apply_session(caller, command).await
    }

    async fn ask(&self, caller: &Caller, query: SessionQuery) -> Result<SessionAnswer> {
        let shared = self.inner.open()?;
        self.inner.within(caller, shared.ask_session(caller, query)).await
    }

    async fn feed(&self, caller: &Caller, from: Feed) -> Result<FeedPage> {
        let shared = self.inner.open()?;
        let time = caller.deadline.unwrap_or(shared.options.deadline).saturating_add(from.wait);
        self.inner.within(&caller.within(time), shared.feed(caller, from)).await
    }
}
