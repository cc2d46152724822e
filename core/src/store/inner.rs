//! What all clones of a store share; commands and queries are methods of it.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    StoreOptions, answers::LastPack, contexts::Contexts, environment::Environment,
    registry::Registry, state::JournalState,
};
use crate::{
    command::{Caller, Read},
    error::{Closure, Error, Result},
    id::Space,
    journal::Journal,
    rules::decision::{Call, Reply},
    workspace::WorkspaceDrivers,
};

/// The journal, the options, and one sequencer for each journal in use.
#[derive(Debug)]
pub(super) struct StoreInner {
    pub(super) environment: Arc<Environment>,
    registry: Registry,
    pub(super) contexts: Contexts,
    pub(super) last_pack: LastPack,
    pub(super) drivers: WorkspaceDrivers,
    closed: AtomicBool,
}

impl StoreInner {
    pub(super) fn new(journal: Arc<dyn Journal>, options: StoreOptions) -> Self {
        let drivers = options.workspaces.clone().with_virtual(Arc::clone(&journal));
        Self {
            drivers,
            environment: Arc::new(Environment::new(journal, options)),
            registry: Registry::default(),
            contexts: Contexts::default(),
            last_pack: LastPack::default(),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn journal(&self) -> &Arc<dyn Journal> {
        &self.environment.journal
    }

    pub(super) fn options(&self) -> &StoreOptions {
        &self.environment.options
    }

    /// From here on every call is refused.
    pub(super) fn mark_closed(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// `Closed` once the store was closed.
    pub(super) fn require_open(&self) -> Result<&Self> {
        if self.closed.load(Ordering::Acquire) {
            Err(Error::closed(Closure::Store))
        } else {
            Ok(self)
        }
    }

    /// The time a caller gives a call, or the store's default.
    pub(super) fn patience(&self, caller: &Caller) -> Duration {
        caller.deadline.unwrap_or(self.options().deadline)
    }

    /// The answer to a question if it comes within `time`; later the store counts as out of reach.
    pub(super) fn within<T>(
        &self,
        time: Duration,
        answer: impl Future<Output = Result<T>> + Send,
    ) -> impl Future<Output = Result<T>> + Send {
        let late = async move {
            self.options().clock.sleep(time).await;
            Err(Error::failed(format!("no answer within {time:?}; try again, or allow more time")))
        };
        // No `async fn`: that would have room for the answer twice.
        futures_lite::future::or(answer, late)
    }

    /// Sends a call through its journal's sequencer.
    pub(super) async fn submit(&self, space: &Space, call: Box<Call>) -> Result<Reply> {
        self.registry.get(&self.environment, space).submit(call).await
    }

    /// The state of a journal, as fresh as the caller asked for.
    pub(super) async fn state(&self, space: &Space, caller: &Caller) -> Result<Arc<JournalState>> {
        let sequencer = self.registry.get(&self.environment, space);
        if caller.read == Read::Cached {
            let cached = sequencer.cached();
            if cached.head().is_some() {
                return Ok(cached);
            }
        }
        sequencer.fresh().await
    }

    /// The state of a journal at its head, whatever freshness the caller asked for.
    pub(super) async fn fresh(&self, space: &Space) -> Result<Arc<JournalState>> {
        self.registry.get(&self.environment, space).fresh().await
    }
}
