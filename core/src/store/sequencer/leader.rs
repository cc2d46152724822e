//! The leader of one journal: what it holds, and the small steps that all of its work is made of.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{pending_call::PendingCall, published::Published, queue::Queue};
use crate::{
    error::Result,
    id::Space,
    journal::{Batch, Card, Head, Position, WriteReservation},
    rules::decision::Reply,
    store::{environment::Environment, state::JournalState},
};

/// An answer that is given once the batch it was decided with, or behind, is durable.
#[derive(Debug)]
pub(super) struct PendingReply {
    pub(super) pending: Arc<PendingCall>,
    pub(super) answer: Result<Reply>,
    /// Whether it stands for records of the batch.
    pub(super) wrote: bool,
}

/// A batch that was sent and whose outcome is not known yet.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) expected: Option<Position>,
    pub(super) batch: Batch,
    pub(super) nonce: u128,
    /// The state once the batch is in the journal.
    pub(super) after: Arc<JournalState>,
    pub(super) replies: Vec<PendingReply>,
    /// When its blobs are too old to be named, on the store's elapsed clock.
    pub(super) blobs_until: Option<Duration>,
}

/// What only the leader touches. It outlives its leader: the next one goes on where a dropped one stopped.
#[derive(Debug)]
pub(super) struct LeaderState {
    /// The state as the journal has it, as far as it was read.
    pub(super) committed: Arc<JournalState>,
    /// The card of `committed`, if this sequencer committed it.
    pub(super) card: Option<Card>,
    /// Calls taken from the queue and not answered yet.
    pub(super) calls: VecDeque<Arc<PendingCall>>,
    pub(super) in_flight: Option<InFlight>,
    /// Bytes of records since the last snapshot.
    pub(super) tail_bytes: usize,
    /// Bytes of the last snapshot.
    pub(super) snapshot_bytes: usize,
}

impl LeaderState {
    pub(super) const fn new(empty: Arc<JournalState>) -> Self {
        Self {
            committed: empty,
            card: None,
            calls: VecDeque::new(),
            in_flight: None,
            tail_bytes: 0,
            snapshot_bytes: 0,
        }
    }
}

/// Whoever holds the sequencer's lock, with everything its work needs.
#[derive(Debug)]
pub(super) struct Leader<'a> {
    pub(super) environment: &'a Environment,
    pub(super) space: &'a Space,
    pub(super) queue: &'a Queue,
    pub(super) published: &'a Published,
    pub(super) state: &'a mut LeaderState,
    /// When its own caller's time is up, on the store's elapsed clock.
    pub(super) deadline: Duration,
    /// Keeps other writers out until the next commit, where the journal gave one.
    pub(super) reservation: Option<WriteReservation>,
}

impl Leader<'_> {
    pub(super) fn head(&self) -> Option<Position> {
        self.state.committed.head()
    }

    /// The head, by the journal's word.
    pub(super) async fn read_head(&self) -> Result<Option<Head>> {
        self.environment.journal.head(self.space).await
    }

    /// Takes over a state that is in the journal, and shows it to everybody.
    pub(super) fn publish(&mut self, committed: Arc<JournalState>) {
        self.state.committed = Arc::clone(&committed);
        self.state.card = None;
        self.published.set_state(self.environment, committed);
        if self.state.in_flight.is_none() {
            self.published.set_in_flight(false);
        }
    }

    /// Forgets everything folded so far: the journal no longer holds it.
    pub(super) fn abandon_history(&mut self) {
        self.publish(Arc::new(JournalState::empty(self.space)));
    }

    /// Gives answers; calls that were answered leave the leader's hands.
    pub(super) fn answer(&mut self, replies: Vec<PendingReply>) {
        for reply in replies {
            reply.pending.answer(reply.answer);
        }
        self.state.calls.retain(|pending| pending.is_open());
    }

    /// The batch in flight is in the journal.
    pub(super) fn batch_committed(&mut self) {
        let Some(in_flight) = self.state.in_flight.take() else { return };
        self.state.tail_bytes += in_flight.batch.weight();
        self.publish(in_flight.after);
        self.state.card = in_flight.batch.card;
        self.answer(in_flight.replies);
    }

    /// The batch in flight is not in the journal and never will be: its calls may be decided again.
    pub(super) fn batch_refused(&mut self) -> Vec<PendingReply> {
        let replies = self.state.in_flight.take().map(|f| f.replies).unwrap_or_default();
        replies.iter().for_each(|reply| reply.pending.mark_unsent());
        self.published.set_in_flight(false);
        replies
    }
}
