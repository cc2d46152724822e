//! Stopping a call anywhere: dropped after each number of polls, or with a journal that fails from its n-th commit on.

use std::{future::Future, pin::pin, sync::Arc, task::Poll};

use sessile_core::{
    Error,
    store::{Store, StoreOptions},
};

use super::{
    ClauseContext,
    fault::{Call, InterruptedJournal},
    workspaces::Lab,
};

/// Polls a future at most so often; `None` if it is dropped then.
pub async fn polled<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// A store in the place of a lab's, whose journal fails once, at the commit after so many.
pub async fn failing_after(lab: &Lab, commits: usize) -> (Store, Arc<InterruptedJournal>) {
    let cx: &ClauseContext = &lab.cx;
    let broken = InterruptedJournal::after(cx.journal().await, Call::Commit, commits, async {
        Err(Error::failed("the engine fails for now"))
    });
    let drivers = cx.drivers().await;
    let with = |options: StoreOptions| options.with_workspaces(drivers);
    (cx.store_over(Arc::clone(&broken) as _, Arc::clone(&lab.clock), with), broken)
}
