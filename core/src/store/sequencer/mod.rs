//! One sequencer per journal in use: it decides calls in order, commits them in batches, and answers them.
//!
//! Callers put their calls into a queue. The one that gets the lock *leads*: it takes what is queued, decides it in order
//! on the state plus what the batch would add, commits once, and answers all. A leader that is dropped leaves the calls it
//! took and the batch it sent in the [`LeaderState`], where the next leader takes them up. No answer is given on anything
//! that did not commit, and none that writes nothing is given unless the head was checked after the call came.
//!
//! A caller's future holds the leader's, so what is rare has a box of its own: futures are moved, and room is paid for.
//!
//! The files, each building on those before it: `pending_call`, `queue`, `published`, `leader` (what a leader holds),
//! `snapshot`, `follow` (reading what others wrote), `decide`, `in_flight` (outcomes), `lead` (the loop).

mod decide;
mod follow;
mod in_flight;
mod lead;
mod leader;
mod pending_call;
mod published;
mod queue;
mod snapshot;

use std::{sync::Arc, time::Duration};

use self::{
    leader::{Leader, LeaderState},
    pending_call::{PendingCall, WithdrawOnDrop},
    published::Published,
    queue::Queue,
};
use super::{environment::Environment, state::JournalState};
use crate::{
    error::Result,
    id::Space,
    rules::decision::{Call, Reply},
};

/// The sequencer of one journal.
#[derive(Debug)]
pub(super) struct Sequencer {
    environment: Arc<Environment>,
    space: Space,
    queue: Queue,
    published: Published,
    leader: async_lock::Mutex<LeaderState>,
}

impl Sequencer {
    pub(super) fn new(environment: Arc<Environment>, space: Space) -> Self {
        let empty = Arc::new(JournalState::empty(&space));
        Self {
            environment,
            space,
            queue: Queue::default(),
            published: Published::new(Arc::clone(&empty)),
            leader: async_lock::Mutex::new(LeaderState::new(empty)),
        }
    }

    /// Bytes of its state, about.
    pub(super) fn weight(&self) -> usize {
        self.published.weight()
    }

    /// Whoever holds the lock leads, until `deadline` at most.
    fn lead_with<'a>(&'a self, state: &'a mut LeaderState, deadline: Duration) -> Leader<'a> {
        Leader {
            environment: &self.environment,
            space: &self.space,
            queue: &self.queue,
            published: &self.published,
            state,
            deadline,
            reservation: None,
        }
    }

    /// Carries out one call, within its time.
    pub(super) async fn submit(&self, call: Box<Call>) -> Result<Reply> {
        let options = &self.environment.options;
        let time = call.caller.deadline.unwrap_or(options.deadline);
        let late = self.environment.elapsed().saturating_add(time);
        let deadline = call.until.map_or(late, |until| until.min(late));
        let pending = Arc::new(PendingCall::new(call));
        self.queue.push(Arc::clone(&pending));
        let withdraw = WithdrawOnDrop(&pending, &self.space);
        let answer = async {
            match self.leader.try_lock() {
                Some(mut state) => self.lead_with(&mut state, deadline).lead(&pending).await,
                None => {
                    let lead = async {
                        let mut state = self.leader.lock().await;
                        self.lead_with(&mut state, deadline).lead(&pending).await
                    };
                    futures_lite::future::or(pending.wait_answer(), lead).await
                }
            }
        };
        let timeout = async {
            options.clock.sleep(self.environment.left(deadline)).await;
            pending.withdraw(&self.space)
        };
        let answer = futures_lite::future::or(answer, timeout).await;
        drop(withdraw);
        answer
    }

    /// The state at the journal's head.
    pub(super) async fn fresh(&self) -> Result<Arc<JournalState>> {
        let seen = self.cached();
        let head = self.environment.journal.head(&self.space).await?;
        if !self.published.is_in_flight() && seen.head() == head.map(|h| h.position) {
            return Ok(seen);
        }
        Box::pin(self.refreshed()).await
    }

    /// The state at the journal's head, after a leader has read what is new.
    async fn refreshed(&self) -> Result<Arc<JournalState>> {
        let mut state = self.leader.lock().await;
        let mut leader = self.lead_with(&mut state, Duration::MAX);
        leader.resolve_in_flight().await?;
        leader.refresh().await?;
        Ok(Arc::clone(&state.committed))
    }

    /// The state last seen; empty before the first look.
    pub(super) fn cached(&self) -> Arc<JournalState> {
        self.published.state()
    }
}
