//! Locks and pauses that the store's parts share.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::clock::Clock;

/// Locks even after a panic elsewhere: what these locks guard is replaced whole, never half.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Pauses between tries of something whose outcome is unknown: 1 ms, then twice as long each time, at most 200 ms.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_millis(200);

    pub(super) const fn new() -> Self {
        Self { next: Self::FIRST }
    }

    /// Returns after the pause that is due.
    pub(super) async fn pause(&mut self, clock: &dyn Clock) {
        clock.sleep(self.next).await;
        self.next = self.next.saturating_mul(2).min(Self::LONGEST);
    }
}
