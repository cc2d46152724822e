//! The handle: a store as one caller uses it.
//!
//! [`Store::caller`](crate::store::Store::caller) makes one. It says once whose data it is and who calls; after that each
//! command and each query is one method. Options of single calls chain on it and make a handle of their own:
//!
//! ```no_run
//! # use std::time::Duration;
//! # use sessile_core::{prelude::*, store::Store};
//! # async fn example(store: Store) -> Result<()> {
//! let ann = store.caller("acme", Actor::user("ann"))?;
//! let once = ann.with_key(Key::rising("import 2026-11-27", 1)).within(Duration::from_secs(5));
//! let project = once.create_project("website").await?; // asked again, it answers the same project
//! # Ok(())
//! # }
//! ```
//!
//! A handle works over anything that implements [`SessionStore`](crate::store::SessionStore) and
//! [`ThreadStore`](crate::store::ThreadStore): the store of this crate, a proxy, or a store of your own.

mod archives;
mod changes;
mod collapse;
mod convert;
mod delegation;
mod in_run;
mod list;
mod sessions;
mod threads;
mod workspaces;

use std::{fmt, sync::Arc, time::Duration};

pub use changes::Changes;
pub use list::{List, Listed};

use crate::{
    background::Background,
    command::{
        Caller, Key, SessionAnswer, SessionCommand, SessionOutcome, SessionQuery, ThreadAnswer,
        ThreadCommand, ThreadOutcome, ThreadQuery,
    },
    error::{Error, Result},
    id::Version,
    model::{Actor, ActorName},
    store::AnyStore,
};

/// A store as one caller uses it. Cheap to clone; safe to use from many tasks at once.
///
/// Errors and limits of a method are those of the command or query it sends; they stand in
/// [`command`](crate::command).
#[derive(Clone)]
pub struct Handle {
    store: Arc<dyn AnyStore>,
    caller: Caller,
    echo: Option<Arc<str>>,
    /// What finishes what a dropped future leaves.
    background: Option<Arc<dyn Background>>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl Handle {
    /// A handle on any store, for this caller.
    pub fn new(store: Arc<dyn AnyStore>, caller: Caller) -> Self {
        Self { store, caller, echo: None, background: None }
    }

    /// With what finishes the work of futures that are dropped.
    pub(crate) fn with_background(self, background: Option<Arc<dyn Background>>) -> Self {
        Self { background, ..self }
    }

    /// Whose data this is, who calls, and the options of its calls.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The store below, for commands and queries that are built by hand.
    pub fn store(&self) -> &dyn AnyStore {
        &*self.store
    }

    /// This actor, with the tenant of the handle: for owners, authors and filters.
    ///
    /// `Invalid` if the name is not 1 to 128 bytes without control characters.
    pub fn actor(&self, name: ActorName) -> Result<Actor> {
        name.in_tenant(&self.caller.tenant)
    }

    /// The same handle for another actor of the same tenant; key, lease, deadline and freshness stay.
    pub fn acting_as(&self, name: ActorName) -> Result<Self> {
        let actor = self.actor(name)?;
        Ok(self.with_caller(Caller { actor, ..self.caller.clone() }))
    }

    /// Gives the next command an idempotency key: asked again with it, the command is not done twice but answered as
    /// before. How long a key is remembered stands at [`Key`]. A query with a key is `Invalid`.
    #[must_use]
    pub fn with_key(&self, key: impl Into<Key>) -> Self {
        self.with_caller(self.caller.with_key(key.into()))
    }

    /// Sends the fencing token of a lease that the caller holds, with each write to that session.
    #[must_use]
    pub fn with_lease(&self, token: Version) -> Self {
        self.with_caller(self.caller.with_lease(token))
    }

    /// Bounds each call by this time; without it the store's own deadline holds (30 s).
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        self.with_caller(self.caller.within(time))
    }

    /// Answers queries from memory where that is possible: they may be as old as what this process last saw.
    #[must_use]
    pub fn cached(&self) -> Self {
        self.with_caller(self.caller.cached())
    }

    /// Sends with `end_run` and `book_usage` the run's external id as the agent program gave it back. One that is not the
    /// run's is refused (RUN1).
    #[must_use]
    pub fn with_echo(&self, external_id: impl AsRef<str>) -> Self {
        Self { echo: Some(external_id.as_ref().into()), ..self.clone() }
    }

    fn with_caller(&self, caller: Caller) -> Self {
        Self { caller, ..self.clone() }
    }

    fn echo(&self) -> Option<String> {
        self.echo.as_deref().map(str::to_owned)
    }

    async fn apply<T>(
        &self,
        command: SessionCommand,
        take: fn(SessionOutcome) -> Option<T>,
    ) -> Result<T> {
        take(self.store.apply(&self.caller, command).await?).ok_or_else(wrong_answer)
    }

    async fn ask<T>(&self, query: SessionQuery, take: fn(SessionAnswer) -> Option<T>) -> Result<T> {
        take(self.store.ask(&self.caller, query).await?).ok_or_else(wrong_answer)
    }

    async fn apply_thread<T>(
        &self,
        command: ThreadCommand,
        take: fn(ThreadOutcome) -> Option<T>,
    ) -> Result<T> {
        take(self.store.apply_thread(&self.caller, command).await?).ok_or_else(wrong_answer)
    }

    async fn ask_thread<T>(
        &self,
        query: ThreadQuery,
        take: fn(ThreadAnswer) -> Option<T>,
    ) -> Result<T> {
        take(self.store.ask_thread(&self.caller, query).await?).ok_or_else(wrong_answer)
    }
}

/// A store that answers one request with the outcome of another is broken; the handle says so instead of guessing.
fn wrong_answer() -> Error {
    Error::Unsupported {
        what: "the store answered another request than the one it was sent".into(),
    }
}

/// Takes the one outcome or answer that fits.
macro_rules! only {
    ($fits:pat => $value:expr) => {
        |answer| if let $fits = answer { Some($value) } else { None }
    };
}
use only;
