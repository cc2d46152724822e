//! Clocks and identifiers of the operating system, for stores and drivers. No other module reads the system's time.

use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
pub use sessile_core::clock::{Clock, IdSource, Timestamp};
use sessile_core::store::StoreOptions;
use tokio::runtime::Handle;

use crate::background::InBackground;

/// The operating system's clocks.
///
/// `now` is the wall clock and may jump. `elapsed` never goes back; on Linux it includes the time the machine was suspended
/// (`CLOCK_BOOTTIME`). `sleep` uses tokio's timer inside a runtime (which must have time enabled), and a thread outside of one.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is where the wall clock comes from")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(0).plus(since)
    }

    fn elapsed(&self) -> Duration {
        since_boot()
    }

    async fn sleep(&self, time: Duration) {
        sleep(time).await;
    }
}

/// Random identifiers: a generator for each thread, seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsIds;

impl IdSource for OsIds {
    fn random(&self) -> u128 {
        rand::random()
    }
}

/// The usual options of a store: [`SystemClock`], [`OsIds`], [`InBackground`], and the defaults of [`StoreOptions::new`].
pub fn options() -> StoreOptions {
    StoreOptions::new(std::sync::Arc::new(SystemClock), std::sync::Arc::new(OsIds))
        .with_background(InBackground)
}

/// Time since the machine was started: the same for all processes of the machine, with the time it was suspended.
#[cfg(target_os = "linux")]
pub fn since_boot() -> Duration {
    use nix::time::{ClockId, clock_gettime};
    // The clock is as old as what the standard library needs of Linux.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

/// Time since the first call in this process. Whether it includes the time the machine was suspended depends on the platform.
#[cfg(not(target_os = "linux"))]
pub fn since_boot() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let now = instant();
    now.saturating_duration_since(*START.get_or_init(|| now))
}

/// Now, for deadlines.
#[allow(clippy::disallowed_methods, reason = "this is where elapsed time comes from")]
pub fn instant() -> Instant {
    Instant::now()
}

/// The instant `time` from now; a year from now at most, so that it cannot overflow.
pub fn deadline(time: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let now = instant();
    now.checked_add(time.min(YEAR)).unwrap_or(now)
}

/// Sleeps: on tokio's timer inside a runtime, on a thread outside of one.
pub async fn sleep(time: Duration) {
    if Handle::try_current().is_ok() {
        tokio::time::sleep(time).await;
        return;
    }
    let over = std::sync::Arc::new(event_listener::Event::new());
    let listener = over.listen();
    let wake = move || {
        let until = deadline(time);
        while instant() < until {
            std::thread::park_timeout(until.saturating_duration_since(instant()));
        }
        over.notify(usize::MAX);
    };
    if std::thread::Builder::new().name("sessile-sleep".into()).spawn(wake).is_ok() {
        listener.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes() {
        let clock = SystemClock;
        let (wall, before) = (clock.now(), clock.elapsed());
        assert!(wall.millis() > 1_700_000_000_000);
        let sleep = clock.sleep(Duration::from_millis(5));
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(sleep);
        assert!(clock.elapsed() - before >= Duration::from_millis(5));
    }

    #[test]
    fn ids_differ() {
        assert_ne!(OsIds.random(), OsIds.random());
    }
}
