//! Time and randomness, injected into a store; and the operating system's own, read in this file only.

use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
pub use sessile_core::clock::{Clock, IdSource, Timestamp};
use sessile_core::store::StoreOptions;
use tokio::runtime::Handle;

/// The operating system's clocks.
///
/// `now` is the wall clock and may jump; `elapsed` is monotonic and, on Linux, counts the time a machine was suspended too
/// (`CLOCK_BOOTTIME`). `sleep` takes tokio's timer inside a runtime (which must have time enabled) and a thread outside of one.
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

/// The operating system's randomness, stretched by a generator of each thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsIds;

impl IdSource for OsIds {
    fn random(&self) -> u128 {
        rand::random()
    }
}

/// The usual options of a store: [`SystemClock`], [`OsIds`], and the defaults of [`StoreOptions::new`].
pub fn options() -> StoreOptions {
    StoreOptions::new(std::sync::Arc::new(SystemClock), std::sync::Arc::new(OsIds))
}

/// Time since some point in the past, the same for all processes until the machine is started again; it never stands
/// still, a suspended machine's does not either.
#[cfg(target_os = "linux")]
pub(crate) fn since_boot() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::Boottime);
    Duration::try_from(time).unwrap_or_default()
}

/// Time since its first use in this process. Whether it counts while the machine is suspended is the platform's matter.
#[cfg(not(target_os = "linux"))]
pub(crate) fn since_boot() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let now = instant();
    now.saturating_duration_since(*START.get_or_init(|| now))
}

/// Elapsed time, for what bounds a wait.
#[allow(clippy::disallowed_methods, reason = "this is where elapsed time comes from")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// When `time` from now is over; about a year at most, so that it cannot overflow.
pub(crate) fn deadline(time: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let now = instant();
    now.checked_add(time.min(YEAR)).unwrap_or(now)
}

/// Sleeps inside and outside a runtime.
pub(crate) async fn sleep(time: Duration) {
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
