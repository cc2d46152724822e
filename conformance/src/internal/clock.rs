//! Time and randomness under the suite's control.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sessile_core::{Clock, IdSource, Timestamp};
use tokio::sync::Notify;

/// A wall clock that stands still until it is told otherwise, forward or back. Elapsed time and sleep are real, so that
/// deadlines and waiting behave as they do in life, until [`pass`](Self::pass) lets hours go by at once.
#[derive(Debug)]
pub struct TestClock {
    now: AtomicU64,
    start: tokio::time::Instant,
    /// Milliseconds that passed without being waited for.
    skipped: AtomicU64,
    passed: Notify,
}

impl TestClock {
    /// Where every clock of the suite begins: 2024-01-01T00:00:00Z.
    pub const START: Timestamp = Timestamp::from_millis(1_704_067_200_000);

    /// A clock that shows this time.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now: AtomicU64::new(now.millis()),
            start: tokio::time::Instant::now(),
            skipped: AtomicU64::new(0),
            passed: Notify::new(),
        }
    }

    /// Shows this time from now on.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.millis(), Ordering::SeqCst);
    }

    /// Jumps forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }

    /// Lets elapsed time pass at once, and wakes who slept for no longer. The wall clock stays.
    pub fn pass(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.skipped.fetch_add(millis, Ordering::SeqCst);
        self.passed.notify_waiters();
    }

    /// Jumps back; stops at 1970.
    pub fn rewind(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.set(Timestamp::from_millis(self.now().millis().saturating_sub(by)));
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::at(Self::START)
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed() + Duration::from_millis(self.skipped.load(Ordering::SeqCst))
    }

    async fn sleep(&self, time: Duration) {
        let until = self.elapsed().saturating_add(time);
        loop {
            let passed = self.passed.notified();
            tokio::pin!(passed);
            passed.as_mut().enable();
            let left = until.saturating_sub(self.elapsed());
            if left.is_zero() {
                return;
            }
            let _woken = tokio::time::timeout(left, passed).await;
        }
    }
}

/// Random bits from a seed: one seed, one sequence.
#[derive(Debug)]
pub struct SeededIds(Mutex<StdRng>);

impl SeededIds {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl IdSource for SeededIds {
    fn random(&self) -> u128 {
        self.0.lock().expect("no panic while drawing").random()
    }
}
