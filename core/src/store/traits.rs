//! The narrow waist: what a store is to a program, to the suite, to a proxy.

use async_trait::async_trait;

use crate::{
    command::{
        Caller, Feed, FeedPage, SessionAnswer, SessionCommand, SessionOutcome, SessionQuery,
        ThreadAnswer, ThreadCommand, ThreadOutcome, ThreadQuery,
    },
    error::Result,
};

/// Projects and threads. The pleasant methods are in [`ThreadStoreExt`](super::ThreadStoreExt).
#[async_trait]
pub trait ThreadStore: Send + Sync {
    /// Carries out a command: done, refused (an error that changed nothing) or `Indeterminate`.
    async fn apply_thread(&self, caller: &Caller, command: ThreadCommand) -> Result<ThreadOutcome>;

    /// Answers a question; writes nothing.
    async fn ask_thread(&self, caller: &Caller, query: ThreadQuery) -> Result<ThreadAnswer>;
}

/// Everything inside one thread. The pleasant methods are in [`SessionStoreExt`](super::SessionStoreExt).
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Carries out a command: done, refused (an error that changed nothing) or `Indeterminate`.
    async fn apply(&self, caller: &Caller, command: SessionCommand) -> Result<SessionOutcome>;

    /// Answers a question; writes nothing.
    async fn ask(&self, caller: &Caller, query: SessionQuery) -> Result<SessionAnswer>;

    /// Every record since a version, in order; waits for the first if asked to.
    async fn feed(&self, caller: &Caller, from: Feed) -> Result<FeedPage>;
}

/// Both: what the suite judges.
pub trait AnyStore: SessionStore + ThreadStore {}

impl<T: SessionStore + ThreadStore + ?Sized> AnyStore for T {}

const _: fn(&dyn AnyStore) = |_| {};
