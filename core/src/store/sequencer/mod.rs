//! One queue per active journal: decide in order, commit in batches, answer.
//!
//! Whoever gets the lock *leads*: it takes everything queued, decides it in order on the state plus what the batch would
//! add, commits once, and answers all. A leader that is dropped leaves behind what it took and what it sent; the next one
//! takes both up. No answer is given on anything that did not commit, and none that writes nothing is given unless the
//! head was checked after the call arrived.

mod flight;
mod follow;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    pending::{PendingCall, lock},
    shared::Shared,
    state::JournalState,
};
use crate::{
    error::{Error, Result},
    id::Space,
    journal::{Batch, Card, Commit, Position, WriteReservation},
    record::Draft,
    rules::decision::{Call, Decision, DecisionInput, Facts, Reply},
    rules::event::EventRecord,
};

/// A snapshot is not worth its write below this many bytes of records.
const SNAPSHOT_FROM: usize = 64 << 10;

/// An answer that waits for its batch.
#[derive(Debug)]
struct PendingReply {
    pending: Arc<PendingCall>,
    answer: Result<Reply>,
    /// Whether it stands for records of the batch.
    wrote: bool,
}

/// A batch that was sent and whose fate is not known yet.
#[derive(Debug)]
struct InFlight {
    expected: Option<Position>,
    batch: Batch,
    nonce: u128,
    /// The state with it.
    after: Arc<JournalState>,
    /// Whom it answers, and what.
    answers: Vec<PendingReply>,
    /// When its blobs are too old to be named, on the store's elapsed clock.
    until: Option<Duration>,
}

/// What only the leader touches.
#[derive(Debug)]
struct LeaderState {
    machine: Arc<JournalState>,
    /// Taken from the queue, not yet answered.
    taken: VecDeque<Arc<PendingCall>>,
    in_flight: Option<InFlight>,
    /// The card of `machine`, if this sequencer committed it.
    card: Option<Card>,
    /// Bytes of records since the last snapshot, and that snapshot's own.
    tail_bytes: usize,
    snapshot_bytes: usize,
}

/// What a round of decisions came to.
struct Round {
    drafts: Vec<Draft>,
    after: JournalState,
    answers: Vec<PendingReply>,
    /// The last of `answers` asks for the whole space to go, and is alone.
    drop: bool,
}

impl Round {
    fn due(&mut self, pending: &Arc<PendingCall>, answer: Result<Reply>, wrote: bool) {
        self.answers.push(PendingReply { pending: Arc::clone(pending), answer, wrote });
    }
}

/// The sequencer of one journal.
#[derive(Debug)]
pub(super) struct Sequencer {
    space: Space,
    queue: Mutex<VecDeque<Arc<PendingCall>>>,
    leader: async_lock::Mutex<LeaderState>,
    published: Mutex<Arc<JournalState>>,
    /// A batch is in flight that nobody leads.
    unsettled: AtomicBool,
    weight: AtomicUsize,
}

/// Whoever drops its call takes it out of the queue.
struct WithdrawOnDrop<'a>(&'a PendingCall, &'a Space);

impl Drop for WithdrawOnDrop<'_> {
    fn drop(&mut self) {
        let _ = self.0.withdraw(self.1);
    }
}

impl Sequencer {
    pub(super) fn new(space: Space) -> Self {
        let machine = Arc::new(JournalState::empty(&space));
        let leader = LeaderState {
            machine: Arc::clone(&machine),
            taken: VecDeque::new(),
            in_flight: None,
            card: None,
            tail_bytes: 0,
            snapshot_bytes: 0,
        };
        Self {
            space,
            queue: Mutex::default(),
            leader: async_lock::Mutex::new(leader),
            published: Mutex::new(machine),
            unsettled: AtomicBool::new(false),
            weight: AtomicUsize::new(0),
        }
    }

    pub(super) fn weight(&self) -> usize {
        self.weight.load(Ordering::Relaxed)
    }

    /// Carries out one call, within its time.
    pub(super) async fn submit(&self, shared: &Shared, call: Call) -> Result<Reply> {
        let time = call.caller.deadline.unwrap_or(shared.options.deadline);
        let late = shared.options.clock.elapsed().saturating_add(time);
        let until = call.until.map_or(late, |until| until.min(late));
        let pending = Arc::new(PendingCall::new(call, until));
        lock(&self.queue).push_back(Arc::clone(&pending));
        let leaving = WithdrawOnDrop(&pending, &self.space);
        let answer = async {
            match self.leader.try_lock() {
                Some(mut leader) => self.lead(shared, &mut leader, &pending).await,
                None => {
                    let lead = async {
                        let mut leader = self.leader.lock().await;
                        self.lead(shared, &mut leader, &pending).await
                    };
                    futures_lite::future::or(pending.answered(), lead).await
                }
            }
        };
        let timeout = async {
            let now = shared.options.clock.elapsed();
            shared.options.clock.sleep(until.saturating_sub(now)).await;
            pending.withdraw(&self.space)
        };
        let answer = futures_lite::future::or(answer, timeout).await;
        drop(leaving);
        answer
    }

    /// The state as of now, by the journal's own word.
    pub(super) async fn fresh(&self, shared: &Shared) -> Result<Arc<JournalState>> {
        let seen = self.cached();
        let head = shared.journal.head(&self.space).await?;
        if !self.unsettled.load(Ordering::Acquire)
            && same(seen.head(), head.as_ref().map(|h| h.position))
        {
            return Ok(seen);
        }
        let mut leader = self.leader.lock().await;
        self.resolve_in_flight(shared, &mut leader).await?;
        self.refresh(shared, &mut leader).await?;
        Ok(Arc::clone(&leader.machine))
    }

    /// The state last seen; empty before the first look.
    pub(super) fn cached(&self) -> Arc<JournalState> {
        Arc::clone(&lock(&self.published))
    }

    /// Leads until the caller's own call is answered.
    async fn lead(
        &self,
        shared: &Shared,
        leader: &mut LeaderState,
        own: &PendingCall,
    ) -> Result<Reply> {
        let mut reservation = None;
        loop {
            if let Some(answer) = own.fetch() {
                return answer;
            }
            let round = async {
                self.resolve_in_flight(shared, leader).await?;
                if leader.taken.is_empty() {
                    self.take(leader);
                }
                self.round(shared, leader, own, &mut reservation).await
            };
            if let Err(error) = round.await {
                // Nothing could be decided or sent; each waiting caller leads in turn and sees for itself.
                own.fail(&self.space, error);
            }
        }
    }

    /// Moves calls from the queue into the leader's hands: as many as one batch holds.
    fn take(&self, leader: &mut LeaderState) {
        let mut queue = lock(&self.queue);
        let mut bytes = 0;
        while let Some(pending) = queue.pop_front() {
            if pending.is_over() {
                continue;
            }
            bytes += 1024 + pending.call.bodies.iter().map(|b| b.weight()).sum::<usize>();
            leader.taken.push_back(pending);
            if bytes > (4 << 20) || leader.taken.len() == 512 {
                break;
            }
        }
    }

    /// Decides what was taken, commits it, answers it; leaves in `taken` what must be decided again.
    async fn round(
        &self,
        shared: &Shared,
        leader: &mut LeaderState,
        own: &PendingCall,
        reservation: &mut Option<WriteReservation>,
    ) -> Result<()> {
        let mut checked = false;
        if leader.machine.head().is_none() {
            self.refresh(shared, leader).await?;
            checked = true;
        }
        loop {
            leader.taken.retain(|pending| !pending.is_over());
            if leader.taken.is_empty() {
                return Ok(());
            }
            let facts = self.facts(shared, leader).await?;
            let round = self.decide(shared, leader, &facts);
            if round.drafts.is_empty() && !round.drop {
                if !checked {
                    let before = leader.machine.head();
                    self.refresh(shared, leader).await?;
                    checked = true;
                    if leader.machine.head() != before {
                        continue;
                    }
                }
                finish(leader, round.answers);
                return Ok(());
            }
            if !round.answers.iter().all(|due| due.pending.mark_sent()) {
                round.answers.iter().for_each(|due| due.pending.mark_unsent());
                continue;
            }
            let patience = own.until.saturating_sub(shared.options.clock.elapsed());
            let (sent, answers) = if round.drop {
                let sent = shared.journal.drop_space(&self.space, leader.machine.head()).await;
                drop(reservation.take());
                if matches!(sent, Ok(Commit::Done)) {
                    self.publish(shared, leader, Arc::new(JournalState::empty(&self.space)));
                    finish(leader, round.answers);
                    return Ok(());
                }
                for due in &round.answers {
                    match sent {
                        Ok(Commit::Indeterminate { .. }) if due.wrote => due.pending.mark_unknown(),
                        _ => due.pending.mark_unsent(),
                    }
                }
                (sent, round.answers)
            } else {
                self.launch(shared, leader, round, patience)?;
                let sent = self.send(shared, leader).await;
                drop(reservation.take());
                match sent {
                    Ok(Commit::Done) => {
                        self.landed(shared, leader);
                        self.snapshot(shared, leader).await;
                        return Ok(());
                    }
                    Ok(Commit::Indeterminate { .. }) => {
                        return self.resolve_in_flight(shared, leader).await;
                    }
                    sent => (sent, self.returned(leader)),
                }
            };
            match sent {
                Ok(Commit::HeadMoved { head: None, .. }) if leader.machine.head().is_none() => {
                    // Nothing will ever begin here: the space was dropped.
                    let gone = Error::not_found(&self.space);
                    answers
                        .iter()
                        .filter(|due| due.wrote)
                        .for_each(|due| due.pending.answer(Err(gone.clone())));
                    checked = true;
                }
                Ok(Commit::HeadMoved { head, since, reservation: next }) => {
                    *reservation = next;
                    self.catch_up(shared, leader, head, since).await?;
                    checked = true;
                }
                Ok(Commit::Diverged { head }) => {
                    self.abandon_history(shared, leader);
                    self.catch_up(shared, leader, head, Vec::new()).await?;
                    checked = true;
                }
                Ok(Commit::Indeterminate { .. }) => {
                    // Only a drop comes here; it is idempotent, so it is sent again.
                    shared.options.clock.sleep(Duration::from_millis(5)).await;
                    self.refresh(shared, leader).await?;
                }
                Ok(Commit::Done) => return Ok(()),
                Err(error) => {
                    // What the engine refused was not applied, unless an earlier try was; what was decided behind it is
                    // decided again.
                    for due in answers.iter().filter(|due| due.wrote) {
                        due.pending.fail(&self.space, error.clone());
                    }
                    checked = false;
                }
            }
        }
    }

    /// Decides each taken call in order, on the state plus what those before it would add.
    fn decide(&self, shared: &Shared, leader: &mut LeaderState, facts: &Facts) -> Round {
        let limits = &shared.journal.info().limits;
        let now = shared.options.clock.now();
        let mut round = Round {
            drafts: Vec::new(),
            after: (*leader.machine).clone(),
            answers: Vec::new(),
            drop: false,
        };
        let mut bytes = 0;
        for pending in &leader.taken {
            let input = DecisionInput { call: &pending.call, now, facts };
            match round.after.decide(&self.space, &input) {
                Ok(Decision::Write(drafts, reply)) => {
                    bytes += drafts.len() * 512
                        + pending.call.bodies.iter().map(|b| b.weight()).sum::<usize>();
                    let full = round.drafts.len() + drafts.len() > limits.batch_records
                        || bytes > limits.batch_bytes;
                    if full && !round.drafts.is_empty() {
                        break;
                    }
                    match self.overlay(shared, &mut round, drafts) {
                        Ok(()) => round.due(pending, Ok(reply), true),
                        Err(error) => {
                            // A record that does not fold is a bug; the overlay is spoilt, so the batch ends before it.
                            if round.drafts.is_empty() {
                                round.after = (*leader.machine).clone();
                                round.due(pending, Err(error), false);
                            }
                            break;
                        }
                    }
                }
                Ok(Decision::Answer(reply)) => round.due(pending, Ok(reply), false),
                Err(error) => round.due(pending, Err(error), false),
                Ok(Decision::Drop(reply)) => {
                    if round.answers.is_empty() {
                        round.due(pending, Ok(reply), true);
                        round.drop = true;
                    }
                    break;
                }
            }
        }
        round
    }

    fn overlay(&self, shared: &Shared, round: &mut Round, mut drafts: Vec<Draft>) -> Result<()> {
        let mut version = round.after.version();
        for draft in &mut drafts {
            version += 1;
            if draft.salt == 0 && draft.sealed.is_none() {
                draft.salt = shared.options.ids.random();
            }
            round
                .after
                .evolve(&EventRecord::of_draft(version, draft))
                .map_err(|why| Error::corrupt(&self.space, version, why))?;
            // The hash is not known before the batch is sealed; only the version is looked at until then.
            round.after.set_head(Position { version, hash: crate::hash::Hash::ZERO });
        }
        round.drafts.append(&mut drafts);
        Ok(())
    }

    fn publish(&self, shared: &Shared, leader: &mut LeaderState, machine: Arc<JournalState>) {
        let weight = machine.weight();
        let before = self.weight.swap(weight, Ordering::Relaxed);
        shared.registry.reweigh(before, weight);
        leader.machine = Arc::clone(&machine);
        leader.card = None;
        *lock(&self.published) = machine;
        if leader.in_flight.is_none() {
            self.unsettled.store(false, Ordering::Release);
        }
    }
}

/// Whether two heads are of one history: number and hash.
fn same(one: Option<Position>, other: Option<Position>) -> bool {
    one == other
}

/// Hands out answers; what was answered is no longer in the leader's hands.
fn finish(leader: &mut LeaderState, answers: Vec<PendingReply>) {
    for due in answers {
        due.pending.answer(due.answer);
    }
    leader.taken.retain(|pending| !pending.is_over());
}
