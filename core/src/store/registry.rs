//! The sequencers in use, one a journal, bounded by what their states weigh.

use std::{
    hash::RandomState,
    sync::{Arc, Mutex},
};

use hashlink::LinkedHashMap;

use super::{environment::Environment, sequencer::Sequencer, sync::lock};
use crate::id::Space;

/// Sequencers by space, the least recently used first.
///
/// A cache crate does not fit: a sequencer's weight changes with every commit, and one that somebody uses must stay,
/// whatever it weighs.
#[derive(Debug, Default)]
pub(super) struct Registry {
    sequencers: Mutex<LinkedHashMap<Space, Arc<Sequencer>, RandomState>>,
}

impl Registry {
    /// The sequencer of a space; made if there is none. Idle ones give way when all states together weigh too much:
    /// what they hold can be read again.
    pub(super) fn get(&self, environment: &Arc<Environment>, space: &Space) -> Arc<Sequencer> {
        let mut sequencers = lock(&self.sequencers);
        if let Some(sequencer) = sequencers.to_back(space) {
            return Arc::clone(sequencer);
        }
        let sequencer = Arc::new(Sequencer::new(Arc::clone(environment), space.clone()));
        sequencers.insert(space.clone(), Arc::clone(&sequencer));
        let mut busy = 0;
        while environment.is_over_memory() && sequencers.len() > busy + 1 {
            let Some((space, oldest)) = sequencers.pop_front() else { break };
            if Arc::strong_count(&oldest) == 1 {
                environment.reweigh(oldest.weight(), 0);
            } else {
                sequencers.insert(space, oldest);
                busy += 1;
            }
        }
        sequencer
    }
}
