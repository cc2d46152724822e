//! A reservation: the engine's right to write, kept for a writer that was refused because the head had moved.
//!
//! Without it, such a writer reads what it missed, decides again, and queues behind all others; by then the head may have moved
//! again. With sixteen processes on one space it may never succeed. With a reservation it commits before the right to write is
//! given up.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use sessile_core::journal::WriteReservation;

use crate::{clock, group::GroupCommit, lock};

/// How long a reservation lasts at most, counted from when the engine got the right to write.
pub(crate) const LONGEST: Duration = Duration::from_millis(20);

/// How long the thread that ends reservations stays alive without work.
const IDLE: Duration = Duration::from_secs(2);

/// Ends its reservation when dropped.
struct Guard {
    group: Arc<GroupCommit>,
    reservation: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.group.end_reservation(self.reservation);
    }
}

/// A reservation for the answer of a commit; it ends when it is dropped.
pub(crate) fn new(group: Arc<GroupCommit>, reservation: u64) -> WriteReservation {
    WriteReservation::new(Guard { group, reservation })
}

/// Blocks the thread for a random time of 30 to 900 microseconds, longer with each attempt: between two attempts to get a lock
/// that another process has.
pub fn pause(attempt: u32) {
    let most = 100 + 100 * u64::from(attempt.min(7));
    let micros = rand::random_range(30..most);
    std::thread::park_timeout(Duration::from_micros(micros));
}

/// Ends reservations that last too long, on a thread that runs only while there are reservations.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    next: Mutex<NextExpiry>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct NextExpiry {
    /// The newest reservation and when it ends; the one before it has ended.
    set: Option<(u64, Instant)>,
    running: bool,
}

impl Expiry {
    /// Ends a reservation at this time, if it is still held then. `false` if no thread can be started for it.
    pub(crate) fn set(
        self: &Arc<Self>,
        group: &Arc<GroupCommit>,
        reservation: u64,
        until: Instant,
    ) -> bool {
        let mut next = lock(&self.next);
        if !next.running {
            let (expiry, group) = (self.clone(), Arc::downgrade(group));
            let thread = std::thread::Builder::new().name("sessile-expiry".into());
            if thread.spawn(move || expiry.run(&group)).is_err() {
                return false;
            }
            next.running = true;
        }
        let asleep = next.set.is_none();
        next.set = Some((reservation, until));
        drop(next);
        if asleep {
            self.changed.notify_one();
        }
        true
    }

    fn run(&self, group: &Weak<GroupCommit>) {
        let mut next = lock(&self.next);
        loop {
            let now = clock::instant();
            match next.set {
                Some((reservation, until)) if until <= now => {
                    next.set = None;
                    drop(next);
                    if let Some(group) = group.upgrade() {
                        group.end_reservation(reservation);
                    }
                    next = lock(&self.next);
                }
                set => {
                    let time = set.map_or(IDLE, |(_, until)| until.saturating_duration_since(now));
                    let waited = self.changed.wait_timeout(next, time);
                    let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    next = again;
                    if timeout.timed_out() && next.set.is_none() {
                        next.running = false;
                        return;
                    }
                }
            }
        }
    }
}
