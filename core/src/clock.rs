//! Time and randomness, injected: no rule reads a clock of its own.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z. Data, never order: the journal's head orders.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since 1970.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// This much later; stops at the end of time.
    pub const fn plus(self, by: Duration) -> Self {
        let millis = by.as_millis();
        Self(self.0.saturating_add(if millis > u64::MAX as u128 {
            u64::MAX
        } else {
            millis as u64
        }))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What the core knows of time.
///
/// Not promised: that `now` moves forward, or agrees with another process. Nothing but the expiry of leases and what a
/// sweep takes for silence depends on it, and that only within the store's `max_skew`; the times of records never go back in a journal, whatever it says.
#[async_trait]
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Elapsed time since an arbitrary start; never goes back. Measures deadlines.
    fn elapsed(&self) -> Duration;

    /// Returns after about `time` of [`Clock::elapsed`].
    async fn sleep(&self, time: Duration);
}

/// Where nonces, salts and the random bits of ids come from.
///
/// Laws: values are unpredictable and do not repeat between processes; `nonce` is unique for ever, or a lost reply may
/// be taken for another's write.
pub trait IdSource: Send + Sync + fmt::Debug + 'static {
    /// 128 fresh random bits.
    fn random(&self) -> u128;
}
