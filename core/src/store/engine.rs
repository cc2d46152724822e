//! The one implementation, over any journal.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    StoreOptions,
    waist::{SessionStore, ThreadStore},
};
use crate::{
    command::{
        By, Feed, FeedPage, SessionAnswer, SessionCommand, SessionOutcome, SessionQuery,
        ThreadAnswer, ThreadCommand, ThreadOutcome, ThreadQuery,
    },
    error::{Error, Result},
    journal::Journal,
};

/// A store over a journal. Cheap to clone; clones share everything.
///
/// Dropping it loses nothing that was acknowledged; [`close`](Self::close) also closes the journal.
#[derive(Debug)]
pub struct Store<J: Journal + ?Sized = dyn Journal> {
    journal: Arc<J>,
    options: StoreOptions,
}

impl<J: Journal + ?Sized> Store<J> {
    /// A store over a journal.
    pub fn new(journal: Arc<J>, options: StoreOptions) -> Self {
        Self { journal, options }
    }
}

impl<J: Journal + ?Sized> Store<J> {
    /// The journal below.
    pub const fn journal(&self) -> &Arc<J> {
        &self.journal
    }

    /// Closes the journal: every later call, on any clone, answers `Closed`.
    pub async fn close(&self) -> Result<()> {
        let _ = &self.options;
        self.journal.close().await
    }
}

fn not_yet() -> Error {
    Error::Unsupported { what: "not yet".into() }
}

#[async_trait]
impl<J: Journal + ?Sized> ThreadStore for Store<J> {
    async fn apply_thread(&self, _by: &By, _command: ThreadCommand) -> Result<ThreadOutcome> {
        Err(not_yet())
    }

    async fn ask_thread(&self, _by: &By, _query: ThreadQuery) -> Result<ThreadAnswer> {
        Err(not_yet())
    }
}

#[async_trait]
impl<J: Journal + ?Sized> SessionStore for Store<J> {
    async fn apply(&self, _by: &By, _command: SessionCommand) -> Result<SessionOutcome> {
        Err(not_yet())
    }

    async fn ask(&self, _by: &By, _query: SessionQuery) -> Result<SessionAnswer> {
        Err(not_yet())
    }

    async fn feed(&self, _by: &By, _from: Feed) -> Result<FeedPage> {
        Err(not_yet())
    }
}
