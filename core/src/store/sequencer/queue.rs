//! Calls that wait for a leader.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use super::pending_call::PendingCall;
use crate::store::sync::lock;

/// Calls one leader takes at once, at most.
const BATCH_CALLS: usize = 512;
/// Bytes of bodies and records, about, after which a leader takes no further call.
const BATCH_BYTES: usize = 4 << 20;
/// What a call weighs beside its bodies, about.
const CALL_BYTES: usize = 1024;

/// Calls in the order they came.
#[derive(Debug, Default)]
pub(super) struct Queue {
    calls: Mutex<VecDeque<Arc<PendingCall>>>,
}

impl Queue {
    pub(super) fn push(&self, pending: Arc<PendingCall>) {
        lock(&self.calls).push_back(pending);
    }

    /// Moves as many calls into `batch` as one batch may hold; withdrawn ones are dropped.
    pub(super) fn take_into(&self, batch: &mut VecDeque<Arc<PendingCall>>) {
        let mut calls = lock(&self.calls);
        let mut bytes = 0;
        while let Some(pending) = calls.pop_front() {
            if !pending.is_open() {
                continue;
            }
            bytes += CALL_BYTES + pending.call.bodies.iter().map(|b| b.weight()).sum::<usize>();
            batch.push_back(pending);
            if bytes > BATCH_BYTES || batch.len() == BATCH_CALLS {
                break;
            }
        }
    }
}
