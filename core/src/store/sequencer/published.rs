//! What everybody may see of a sequencer without its leader's lock.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::store::{environment::Environment, state::JournalState, sync::lock};

/// The state last seen of the journal, and whether a batch of unknown outcome is outstanding.
#[derive(Debug)]
pub(super) struct Published {
    state: Mutex<Arc<JournalState>>,
    /// A batch was sent whose outcome is not known yet; its leader may have been dropped.
    in_flight: AtomicBool,
    weight: AtomicUsize,
}

impl Published {
    pub(super) const fn new(state: Arc<JournalState>) -> Self {
        Self {
            state: Mutex::new(state),
            in_flight: AtomicBool::new(false),
            weight: AtomicUsize::new(0),
        }
    }

    pub(super) fn state(&self) -> Arc<JournalState> {
        Arc::clone(&lock(&self.state))
    }

    /// Shows a state that is in the journal.
    pub(super) fn set_state(&self, environment: &Environment, state: Arc<JournalState>) {
        let weight = state.weight();
        let before = self.weight.swap(weight, Ordering::Relaxed);
        environment.reweigh(before, weight);
        *lock(&self.state) = state;
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.load(Ordering::Acquire)
    }

    pub(super) fn set_in_flight(&self, in_flight: bool) {
        self.in_flight.store(in_flight, Ordering::Release);
    }

    /// Bytes of the state, about.
    pub(super) fn weight(&self) -> usize {
        self.weight.load(Ordering::Relaxed)
    }
}
