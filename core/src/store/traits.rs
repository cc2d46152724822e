//! The traits of a store: commands, queries and a feed.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    command::{
        Caller, Feed, FeedPage, SessionAnswer, SessionCommand, SessionOutcome, SessionQuery,
        ThreadAnswer, ThreadCommand, ThreadOutcome, ThreadQuery,
    },
    error::Result,
    handle::Handle,
};

/// Projects and threads. Programs call the methods of a [`Handle`], which sends these commands and queries.
#[async_trait]
pub trait ThreadStore: Send + Sync {
    /// Carries out a command: done, refused (an error that changed nothing) or `Indeterminate`.
    async fn apply_thread(&self, caller: &Caller, command: ThreadCommand) -> Result<ThreadOutcome>;

    /// Answers a question; writes nothing.
    async fn ask_thread(&self, caller: &Caller, query: ThreadQuery) -> Result<ThreadAnswer>;
}

/// Everything inside one thread. Programs call the methods of a [`Handle`], which sends these commands and queries.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Carries out a command: done, refused (an error that changed nothing) or `Indeterminate`.
    async fn apply(&self, caller: &Caller, command: SessionCommand) -> Result<SessionOutcome>;

    /// Answers a question; writes nothing.
    async fn ask(&self, caller: &Caller, query: SessionQuery) -> Result<SessionAnswer>;

    /// Every record since a version, in order; waits for the first if asked to.
    async fn feed(&self, caller: &Caller, from: Feed) -> Result<FeedPage>;
}

/// Both: what a [`Handle`] works over, and what the suite judges.
///
/// It is implemented for everything that implements both and can be cloned. Cloning should be cheap, as it is of a
/// [`Store`](super::Store); put what is not into an `Arc`.
pub trait AnyStore: SessionStore + ThreadStore {
    /// The same store, to be owned.
    fn shared(&self) -> Arc<dyn AnyStore>;
}

impl<T: SessionStore + ThreadStore + Clone + 'static> AnyStore for T {
    fn shared(&self) -> Arc<dyn AnyStore> {
        Arc::new(self.clone())
    }
}

impl dyn AnyStore + '_ {
    /// This store, as this caller uses it.
    pub fn as_caller(&self, caller: &Caller) -> Handle {
        Handle::new(self.shared(), caller.clone())
    }
}

#[async_trait]
impl<T: ThreadStore + ?Sized> ThreadStore for Arc<T> {
    async fn apply_thread(&self, caller: &Caller, command: ThreadCommand) -> Result<ThreadOutcome> {
        (**self).apply_thread(caller, command).await
    }

    async fn ask_thread(&self, caller: &Caller, query: ThreadQuery) -> Result<ThreadAnswer> {
        (**self).ask_thread(caller, query).await
    }
}

#[async_trait]
impl<T: SessionStore + ?Sized> SessionStore for Arc<T> {
    async fn apply(&self, caller: &Caller, command: SessionCommand) -> Result<SessionOutcome> {
        (**self).apply(caller, command).await
    }

    async fn ask(&self, caller: &Caller, query: SessionQuery) -> Result<SessionAnswer> {
        (**self).ask(caller, query).await
    }

    async fn feed(&self, caller: &Caller, from: Feed) -> Result<FeedPage> {
        (**self).feed(caller, from).await
    }
}

const _: fn(&dyn AnyStore) = |_| {};
