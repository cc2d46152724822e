//! The threads that a page has not looked at yet.

use std::collections::HashSet;

use super::Merge;
use crate::{
    clock::Timestamp,
    command::Caller,
    error::Result,
    id::ThreadId,
    journal::Direction,
    store::{answers::lists::ListedThreads, inner::StoreInner},
};

/// The threads of a project that are not opened yet, in the order of a page.
pub(super) struct Pending<'a> {
    pub(super) store: &'a StoreInner,
    pub(super) caller: &'a Caller,
    pub(super) threads: &'a mut ListedThreads,
    pub(super) opened: &'a mut HashSet<ThreadId>,
}

impl Pending<'_> {
    /// When the thread that was written to last was.
    pub(super) async fn newest(&mut self) -> Result<Timestamp> {
        self.threads.newest(self.store).await
    }

    /// The next thread that may hold an entry ahead of `time`, or at it; with `None`, the next one at all.
    pub(super) async fn next_before(
        &mut self,
        merge: &Merge<'_>,
        time: Option<Timestamp>,
    ) -> Result<Option<ThreadId>> {
        loop {
            let Some(thread) = self.threads.peek(self.store, self.caller).await? else {
                return Ok(None);
            };
            let bound = match merge.direction {
                Direction::Forward => thread.created_at,
                Direction::Backward => thread.updated_at,
            };
            if time.is_some_and(|time| merge.is_ahead(time, bound)) {
                return Ok(None);
            }
            let id = thread.id;
            let outside =
                thread.created_at > merge.before.time || thread.updated_at < merge.after.time;
            self.threads.skip();
            self.opened.insert(id);
            if !outside {
                return Ok(Some(id));
            }
        }
    }

    /// Threads that were written to after a time and were not opened.
    pub(super) async fn moved_since(&mut self, time: Timestamp) -> Result<Vec<ThreadId>> {
        let moved = self.threads.updated_since(self.store, time).await?;
        Ok(moved.into_iter().filter(|thread| !self.opened.contains(thread)).collect())
    }
}
