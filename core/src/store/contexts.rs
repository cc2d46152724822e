//! Folded logs kept in memory, so that a context costs the entries that are new and not the history.

use std::{
    hash::RandomState,
    sync::{Arc, Mutex},
};

use hashlink::LinkedHashMap;

use super::sync::lock;
use crate::{
    id::{SessionId, TenantId, Version},
    journal::Position,
    rules::thread::ContextFold,
};

/// A session's log, folded up to a point of the journal that was seen.
#[derive(Debug, Default)]
pub(super) struct Folded {
    pub(super) fold: ContextFold,
    /// The head by then; none before the first use.
    pub(super) head: Option<Position>,
    /// What the thread had lost by then: an erasure changes what was folded, an eviction who may read it.
    pub(super) removals: (usize, Version),
}

/// One session's place. Who folds takes what is there and puts it back, so that a fold that was broken off is forgotten;
/// others wait.
pub(super) type Slot = Arc<async_lock::Mutex<Option<Folded>>>;

type Key = (TenantId, SessionId);

/// By session, the least recently used first.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    by_session: LinkedHashMap<Key, (Slot, usize), RandomState>,
    weight: usize,
}

impl Contexts {
    /// The place of a session.
    pub(super) fn slot(&self, tenant: &TenantId, session: SessionId) -> Slot {
        let mut slots = lock(&self.slots);
        let key = (tenant.clone(), session);
        if let Some((slot, _)) = slots.by_session.to_back(&key) {
            return Arc::clone(slot);
        }
        let slot = Slot::default();
        slots.by_session.insert(key, (Arc::clone(&slot), 0));
        slot
    }

    /// Says what is in a session's place now, in bytes; those used longest ago give way to what is above `memory`.
    pub(super) fn weigh(&self, tenant: &TenantId, session: SessionId, now: usize, memory: usize) {
        let mut guard = lock(&self.slots);
        let slots = &mut *guard;
        if let Some((_, weight)) = slots.by_session.get_mut(&(tenant.clone(), session)) {
            slots.weight = (slots.weight + now).saturating_sub(*weight);
            *weight = now;
        }
        while slots.weight > memory || slots.by_session.len() > SLOTS {
            let Some((_, (_, weight))) = slots.by_session.pop_front() else { break };
            slots.weight = slots.weight.saturating_sub(weight);
        }
    }
}

/// Sessions that have a place at most, whatever they weigh.
const SLOTS: usize = 4096;
