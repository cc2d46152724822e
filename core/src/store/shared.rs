//! What all calls of a store share: the journal, the options, and one sequencer per active space.

use std::{
    hash::RandomState,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use hashlink::LinkedHashMap;

use super::{StoreOptions, pending::lock, sequencer::Sequencer, state::JournalState};
use crate::{
    command::{Caller, Read},
    error::Result,
    id::Space,
    journal::Journal,
    rules::decision::{Call, Reply},
};

/// Sequencers by space, the least recently used first.
#[derive(Debug, Default)]
pub(super) struct Registry {
    active: Mutex<LinkedHashMap<Space, Arc<Sequencer>, RandomState>>,
    weight: AtomicUsize,
}

impl Registry {
    /// The sequencer of a space; made if there is none. Idle ones give way when all together weigh too much: what they
    /// hold can be read again.
    fn get(&self, space: &Space, limit: usize) -> Arc<Sequencer> {
        let mut active = lock(&self.active);
        if let Some(sequencer) = active.to_back(space) {
            return Arc::clone(sequencer);
        }
        let sequencer = Arc::new(Sequencer::new(space.clone()));
        active.insert(space.clone(), Arc::clone(&sequencer));
        let mut busy = 0;
        while self.weight.load(Ordering::Relaxed) > limit && active.len() > busy + 1 {
            let Some((space, oldest)) = active.pop_front() else { break };
            if Arc::strong_count(&oldest) == 1 {
                self.reweigh(oldest.weight(), 0);
            } else {
                active.insert(space, oldest);
                busy += 1;
            }
        }
        sequencer
    }

    pub(super) fn reweigh(&self, before: usize, after: usize) {
        self.weight.fetch_add(after, Ordering::Relaxed);
        self.weight.fetch_sub(before, Ordering::Relaxed);
    }
}

/// Shared by all clones of a store.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) options: StoreOptions,
    pub(super) registry: Registry,
}

impl Shared {
    /// Sends a call through its space's sequencer.
    pub(super) async fn submit(&self, space: &Space, call: Call) -> Result<Reply> {
        self.registry.get(space, self.options.memory).submit(self, call).await
    }

    /// The state of a space, as fresh as the caller wants it.
    pub(super) async fn state(&self, space: &Space, caller: &Caller) -> Result<Arc<JournalState>> {
        let sequencer = self.registry.get(space, self.options.memory);
        if caller.read == Read::Cached {
            let cached = sequencer.cached();
            if cached.head().is_some() {
                return Ok(cached);
            }
        }
        sequencer.fresh(self).await
    }

    /// The state of a space as of now, whatever the caller is content with.
    pub(super) async fn fresh(&self, space: &Space) -> Result<Arc<JournalState>> {
        self.registry.get(space, self.options.memory).fresh(self).await
    }
}
