//! Options of [`Objects`](super::Objects).

use std::{fmt, sync::Arc, time::Duration};

use sessile_core::{
    clock::Clock,
    journal::{Durability, Sharing},
};

use sessile_driver::clock::SystemClock;

/// Options of [`Objects`](super::Objects).
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// What an acknowledged write survives. Default: [`Durability::PowerLoss`], as a cloud's store promises.
    pub durability: Durability,
    /// Who may open the store. Default: [`Sharing::ManyHosts`].
    pub sharing: Sharing,
    /// How long after a log object was folded into a segment it may be deleted; at least twice as long as a request may
    /// take from sending it to hearing its answer, with all attempts of the client. 10 minutes. Whoever makes the store
    /// decides for all who share it; on a store that is there already it is not looked at.
    pub grace: Duration,
    /// Log objects that are folded into a segment at once. 64.
    pub fold_after: usize,
    /// Elapsed time; it must not stand still while the machine is suspended.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::PowerLoss,
            sharing: Sharing::ManyHosts,
            grace: Duration::from_secs(600),
            fold_after: 64,
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("durability", &self.durability)
            .field("sharing", &self.sharing)
            .field("grace", &self.grace)
            .field("fold_after", &self.fold_after)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// Sets what an acknowledged write survives.
    #[must_use]
    pub const fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets who may open the store.
    #[must_use]
    pub const fn with_sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }

    /// Sets the grace of a store that this open makes.
    #[must_use]
    pub const fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets how many log objects are folded at once; at least 1.
    #[must_use]
    pub const fn with_fold_after(mut self, objects: usize) -> Self {
        self.fold_after = if objects == 0 { 1 } else { objects };
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}
