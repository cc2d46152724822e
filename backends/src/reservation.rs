//! A place in line: the engine's right to write, kept for the writer that just lost.
//!
//! Without it a writer whose head moved reads, decides and queues again among all others, and moves too late again: under
//! sixteen processes on one space it may starve. With it, whoever gets the right to write commits before giving it up.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use sessile_core::journal::WriteReservation;

use crate::{clock, group::Group, lock::lock};

/// How long a turn lasts, counted from when the right to write was got.
pub(crate) const LONGEST: Duration = Duration::from_millis(20);

/// How long the thread that ends forgotten turns stays without work.
const IDLE: Duration = Duration::from_secs(2);

/// Ends its turn when dropped.
struct Guard {
    group: Arc<Group>,
    reservation: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.group.end_turn(self.reservation);
    }
}

/// The turn with this number.
pub(crate) fn new(group: Arc<Group>, reservation: u64) -> WriteReservation {
    WriteReservation::new(Guard { group, reservation })
}

/// Waits a moment before the next attempt to get what another process has: below a millisecond, never twice the same.
pub(crate) fn pause(attempt: u32) {
    let most = 100 + 100 * u64::from(attempt.min(7));
    let micros = rand::random_range(30..most);
    std::thread::park_timeout(Duration::from_micros(micros));
}

/// Ends turns that last too long, on a thread that lives while there are turns.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    next: Mutex<Next>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Next {
    /// The newest turn: a newer one takes the place of one that is over.
    set: Option<(u64, Instant)>,
    running: bool,
}

impl Alarm {
    /// Will end this turn at this time, if it is still held. `false`: there is no thread for it.
    pub(crate) fn set(
        self: &Arc<Self>,
        group: &Arc<Group>,
        reservation: u64,
        until: Instant,
    ) -> bool {
        let mut next = lock(&self.next);
        if !next.running {
            let (alarm, group) = (self.clone(), Arc::downgrade(group));
            let thread = std::thread::Builder::new().name("sessile-turns".into());
            if thread.spawn(move || alarm.run(&group)).is_err() {
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

    fn run(&self, group: &Weak<Group>) {
        let mut next = lock(&self.next);
        loop {
            let now = clock::instant();
            match next.set {
                Some((reservation, until)) if until <= now => {
                    next.set = None;
                    drop(next);
                    if let Some(group) = group.upgrade() {
                        group.end_turn(reservation);
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
