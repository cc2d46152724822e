//! Group commit: batches that come while a transaction is applied share the next one.
//!
//! Whoever finds no transaction under way takes what waits and applies it. The transaction belongs to all who wait for it:
//! each of them drives it when it is polled, so a caller that is dropped or not polled delays nobody. When nobody waits any
//! more it is dropped, and with it the engine's call.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Instant,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use sessile_core::error::{Error, Result};

use super::{ApplyError, GuardedBatch, Kv};
use crate::{blocking::yield_now, check, lock};

/// Batches in one transaction, at most.
const BATCHES: usize = 256;
/// Bytes in one transaction, at most, if it is more than one batch.
const BYTES: usize = 8 << 20;

/// The answer to one batch: whether its guards held.
type Answer = Result<bool, ApplyError>;

#[derive(Debug)]
struct Queued {
    batch: GuardedBatch,
    until: Instant,
    answer: Arc<Mutex<Option<Answer>>>,
}

/// The queue of batches before an engine.
#[derive(Debug)]
pub(super) struct Group {
    kv: Arc<dyn Kv>,
    state: Mutex<GroupState>,
}

#[derive(Debug, Default)]
struct GroupState {
    queue: VecDeque<Queued>,
    running: Option<Shared<BoxFuture<'static, ()>>>,
    /// Callers that have no answer yet.
    waiting: usize,
    /// Batches of the last transaction.
    last_group: usize,
    closed: bool,
}

impl Group {
    pub(super) fn new(kv: Arc<dyn Kv>) -> Self {
        Self { kv, state: Mutex::default() }
    }

    /// Applies a batch, in a transaction with others; `false` if its guards did not hold.
    pub(super) async fn submit(&self, batch: GuardedBatch, until: Instant) -> Answer {
        let answer = Arc::default();
        {
            let mut state = lock(&self.state);
            if state.closed {
                return Err(check::closed().into());
            }
            state.queue.push_back(Queued { batch, until, answer: Arc::clone(&answer) });
            state.waiting += 1;
        }
        let _waiting = Waiting { group: self, answer: &answer };
        let mut yielded = false;
        loop {
            if let Some(answer) = lock(&answer).take() {
                return answer;
            }
            // Callers that were just answered may write again: yield once, so that half of them join this group.
            if !yielded && self.is_small() {
                yielded = true;
                yield_now().await;
                continue;
            }
            let running = self.running();
            running.await;
        }
    }

    /// Whether the next transaction could be begun, and would have less than half of what the last one had.
    fn is_small(&self) -> bool {
        let state = lock(&self.state);
        state.queue.len() * 2 < state.last_group
            && state.running.as_ref().is_none_or(|running| running.peek().is_some())
    }

    /// The transaction under way, or the next.
    fn running(&self) -> Shared<BoxFuture<'static, ()>> {
        let mut state = lock(&self.state);
        if let Some(running) = &state.running
            && running.peek().is_none()
        {
            return running.clone();
        }
        let group = state.take();
        state.last_group = group.len();
        let next = apply(Arc::clone(&self.kv), group).boxed().shared();
        state.running = Some(next.clone());
        next
    }

    /// Refuses what waits, and returns when no transaction is under way.
    pub(super) async fn close(&self) {
        let (queue, running) = {
            let mut state = lock(&self.state);
            state.closed = true;
            (std::mem::take(&mut state.queue), state.running.clone())
        };
        for queued in queue {
            *lock(&queued.answer) = Some(Err(check::closed().into()));
        }
        if let Some(running) = running {
            running.await;
        }
    }
}

impl GroupState {
    fn take(&mut self) -> Vec<Queued> {
        let mut bytes = 0;
        let fits = |queued: &Queued| {
            bytes += queued.batch.weight();
            bytes <= BYTES
        };
        let count = self.queue.iter().take(BATCHES).map(fits).take_while(|fits| *fits).count();
        self.queue.drain(..count.max(1).min(self.queue.len())).collect()
    }
}

/// A caller. Dropping it takes its batch out of the queue.
struct Waiting<'a> {
    group: &'a Group,
    answer: &'a Arc<Mutex<Option<Answer>>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.group.state);
        state.queue.retain(|queued| !Arc::ptr_eq(&queued.answer, self.answer));
        state.waiting -= 1;
        let abandoned = if state.waiting == 0 { state.running.take() } else { None };
        drop(state);
        drop(abandoned);
    }
}

/// Applies a group. If it is refused, each batch is applied alone, once: what is wrong with one is of no concern to others.
async fn apply(kv: Arc<dyn Kv>, group: Vec<Queued>) {
    let until = group.iter().map(|queued| queued.until).max();
    let Some(until) = until else { return };
    let (batches, answers): (Vec<_>, Vec<_>) =
        group.into_iter().map(|queued| (queued.batch, (queued.answer, queued.until))).unzip();
    match kv.apply(&batches, until).await {
        Ok(applied) => {
            let missing = || Err(Error::failed("the engine did not answer for each batch").into());
            let mut applied = applied.into_iter().map(Ok);
            for (answer, _) in answers {
                *lock(&answer) = Some(applied.next().unwrap_or_else(missing));
            }
        }
        Err(ApplyError::Unknown(source)) => {
            for (answer, _) in answers {
                *lock(&answer) = Some(Err(ApplyError::Unknown(Arc::clone(&source))));
            }
        }
        Err(error) if batches.len() == 1 => {
            let mut error = Some(error);
            for (answer, _) in answers {
                *lock(&answer) = error.take().map(Err);
            }
        }
        Err(ApplyError::Refused(_)) => {
            for (batch, (answer, until)) in batches.iter().zip(answers) {
                let alone = kv.apply(std::slice::from_ref(batch), until).await;
                *lock(&answer) = Some(alone.map(|applied| applied.first() == Some(&true)));
            }
        }
    }
}
