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
    machine::Machine,
    shared::Shared,
    slot::{Slot, lock},
};
use crate::{
    decision::{Ask, Call, Decision, Facts, Reply},
    error::{Error, Result},
    flaw::{self, Flaw},
    fold::Event,
    id::Space,
    journal::{Batch, Card, Commit, Position, Turn},
    record::Draft,
};

/// A snapshot is not worth its write below this many bytes of records.
const SNAPSHOT_FROM: usize = 64 << 10;

/// An answer that waits for its batch.
#[derive(Debug)]
struct Due {
    slot: Arc<Slot>,
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
    after: Arc<Machine>,
    /// Whom it answers, and what.
    answers: Vec<Due>,
    /// When its blobs are too old to be named, on the store's elapsed clock.
    until: Option<Duration>,
}

/// What only the leader touches.
#[derive(Debug)]
struct Led {
    machine: Arc<Machine>,
    /// Taken from the queue, not yet answered.
    taken: VecDeque<Arc<Slot>>,
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
    after: Machine,
    answers: Vec<Due>,
    /// The last of `answers` asks for the whole space to go, and is alone.
    drop: bool,
}

impl Round {
    fn due(&mut self, slot: &Arc<Slot>, answer: Result<Reply>, wrote: bool) {
        self.answers.push(Due { slot: Arc::clone(slot), answer, wrote });
    }
}

/// The sequencer of one journal.
#[derive(Debug)]
pub(super) struct Sequencer {
    space: Space,
    queue: Mutex<VecDeque<Arc<Slot>>>,
    led: async_lock::Mutex<Led>,
    published: Mutex<Arc<Machine>>,
    /// A batch is in flight that nobody leads.
    unsettled: AtomicBool,
    weight: AtomicUsize,
}

/// Whoever drops its call takes it out of the queue.
struct Leaving<'a>(&'a Slot, &'a Space);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let _ = self.0.leave(self.1);
    }
}

impl Sequencer {
    pub(super) fn new(space: Space) -> Self {
        let machine = Arc::new(Machine::empty(&space));
        let led = Led {
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
            led: async_lock::Mutex::new(led),
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
        let time = call.by.deadline.unwrap_or(shared.options.deadline);
        let late = shared.options.clock.elapsed().saturating_add(time);
        let until = call.until.map_or(late, |until| until.min(late));
        let slot = Arc::new(Slot::new(call, until));
        lock(&self.queue).push_back(Arc::clone(&slot));
        let leaving = Leaving(&slot, &self.space);
        let answer = async {
            match self.led.try_lock() {
                Some(mut led) => self.lead(shared, &mut led, &slot).await,
                None if flaw::is(Flaw::StrandsFollowers) => slot.answered().await,
                None => {
                    let lead = async {
                        let mut led = self.led.lock().await;
                        self.lead(shared, &mut led, &slot).await
                    };
                    futures_lite::future::or(slot.answered(), lead).await
                }
            }
        };
        let timeout = async {
            let now = shared.options.clock.elapsed();
            shared.options.clock.sleep(until.saturating_sub(now)).await;
            slot.leave(&self.space)
        };
        let answer = futures_lite::future::or(answer, timeout).await;
        drop(leaving);
        answer
    }

    /// The state as of now, by the journal's own word.
    pub(super) async fn fresh(&self, shared: &Shared) -> Result<Arc<Machine>> {
        let seen = self.cached();
        if flaw::is(Flaw::ReadsFromCache) && seen.head().is_some() {
            return Ok(seen);
        }
        let head = shared.journal.head(&self.space).await?;
        if !self.unsettled.load(Ordering::Acquire)
            && same(seen.head(), head.as_ref().map(|h| h.position))
        {
            return Ok(seen);
        }
        let mut led = self.led.lock().await;
        self.settle(shared, &mut led).await?;
        self.refresh(shared, &mut led).await?;
        Ok(Arc::clone(&led.machine))
    }

    /// The state last seen; empty before the first look.
    pub(super) fn cached(&self) -> Arc<Machine> {
        Arc::clone(&lock(&self.published))
    }

    /// Leads until the caller's own call is answered.
    async fn lead(&self, shared: &Shared, led: &mut Led, own: &Slot) -> Result<Reply> {
        let mut turn = None;
        loop {
            if let Some(answer) = own.fetch() {
                return answer;
            }
            let round = async {
                self.settle(shared, led).await?;
                if led.taken.is_empty() {
                    self.take(led);
                }
                self.round(shared, led, own, &mut turn).await
            };
            if let Err(error) = round.await {
                // Nothing could be decided or sent; each waiting caller leads in turn and sees for itself.
                own.fail(&self.space, error);
            }
        }
    }

    /// Moves calls from the queue into the leader's hands: as many as one batch holds.
    fn take(&self, led: &mut Led) {
        let mut queue = lock(&self.queue);
        let mut bytes = 0;
        while let Some(slot) = queue.pop_front() {
            if slot.is_over() {
                continue;
            }
            bytes += 1024 + slot.call.bodies.iter().map(|b| b.weight()).sum::<usize>();
            led.taken.push_back(slot);
            if bytes > (4 << 20) || led.taken.len() == 512 {
                break;
            }
        }
    }

    /// Decides what was taken, commits it, answers it; leaves in `taken` what must be decided again.
    async fn round(
        &self,
        shared: &Shared,
        led: &mut Led,
        own: &Slot,
        turn: &mut Option<Turn>,
    ) -> Result<()> {
        let mut checked = flaw::is(Flaw::RefusesFromStaleCache);
        if led.machine.head().is_none() {
            self.refresh(shared, led).await?;
            checked = true;
        }
        loop {
            led.taken.retain(|slot| !slot.is_over());
            if led.taken.is_empty() {
                return Ok(());
            }
            let facts = self.facts(shared, led).await?;
            let mut round = self.decide(shared, led, &facts);
            if round.drafts.is_empty() && !round.drop {
                if !checked {
                    let before = led.machine.head();
                    self.refresh(shared, led).await?;
                    checked = true;
                    if led.machine.head() != before {
                        continue;
                    }
                }
                finish(led, round.answers);
                return Ok(());
            }
            if flaw::is(Flaw::RefusesFromOverlay) {
                for due in round.answers.iter().filter(|due| !due.wrote) {
                    due.slot.answer(due.answer.clone());
                }
                round.answers.retain(|due| due.wrote);
            }
            if !round.answers.iter().all(|due| due.slot.take_off()) {
                round.answers.iter().for_each(|due| due.slot.touch_down());
                continue;
            }
            let patience = own.until.saturating_sub(shared.options.clock.elapsed());
            let (sent, answers) = if round.drop {
                let sent = shared.journal.drop_space(&self.space, led.machine.head()).await;
                drop(turn.take());
                if matches!(sent, Ok(Commit::Done)) {
                    self.publish(shared, led, Arc::new(Machine::empty(&self.space)));
                    finish(led, round.answers);
                    return Ok(());
                }
                for due in &round.answers {
                    match sent {
                        Ok(Commit::Indeterminate { .. }) if due.wrote => due.slot.doubt(),
                        _ => due.slot.touch_down(),
                    }
                }
                (sent, round.answers)
            } else {
                self.launch(shared, led, round, patience)?;
                let sent = self.send(shared, led).await;
                drop(turn.take());
                match sent {
                    Ok(Commit::Done) => {
                        self.landed(shared, led);
                        self.snapshot(shared, led).await;
                        return Ok(());
                    }
                    Ok(Commit::Indeterminate { .. }) if flaw::is(Flaw::TrustsAbsent) => {
                        drop(self.returned(led));
                        self.refresh(shared, led).await?;
                        continue;
                    }
                    Ok(Commit::Indeterminate { .. }) => return self.settle(shared, led).await,
                    sent => (sent, self.returned(led)),
                }
            };
            match sent {
                Ok(Commit::HeadMoved { head: None, .. }) if led.machine.head().is_none() => {
                    // Nothing will ever begin here: the space was dropped.
                    let gone = Error::not_found(&self.space);
                    answers
                        .iter()
                        .filter(|due| due.wrote)
                        .for_each(|due| due.slot.answer(Err(gone.clone())));
                    checked = true;
                }
                Ok(Commit::HeadMoved { head, since, turn: next }) => {
                    *turn = next;
                    self.catch_up(shared, led, head, since).await?;
                    checked = true;
                }
                Ok(Commit::Diverged { head }) => {
                    self.part(shared, led, head.as_ref());
                    self.catch_up(shared, led, head, Vec::new()).await?;
                    checked = true;
                }
                Ok(Commit::Indeterminate { .. }) => {
                    // Only a drop comes here; it is idempotent, so it is sent again.
                    shared.options.clock.sleep(Duration::from_millis(5)).await;
                    self.refresh(shared, led).await?;
                }
                Ok(Commit::Done) => return Ok(()),
                Err(error) => {
                    // What the engine refused was not applied, unless an earlier try was; what was decided behind it is
                    // decided again.
                    for due in answers.iter().filter(|due| due.wrote) {
                        due.slot.fail(&self.space, error.clone());
                    }
                    checked = false;
                }
            }
        }
    }

    /// Decides each taken call in order, on the state plus what those before it would add.
    fn decide(&self, shared: &Shared, led: &mut Led, facts: &Facts) -> Round {
        let limits = &shared.journal.info().limits;
        let now = shared.options.clock.now();
        let mut round = Round {
            drafts: Vec::new(),
            after: (*led.machine).clone(),
            answers: Vec::new(),
            drop: false,
        };
        let mut bytes = 0;
        for slot in &led.taken {
            let ask = Ask { call: &slot.call, now, facts };
            let state = if flaw::is(Flaw::DecidesOnBase) { &*led.machine } else { &round.after };
            match state.decide(&self.space, &ask) {
                Ok(Decision::Write(drafts, reply)) => {
                    bytes += drafts.len() * 512
                        + slot.call.bodies.iter().map(|b| b.weight()).sum::<usize>();
                    let full = round.drafts.len() + drafts.len() > limits.batch_records
                        || bytes > limits.batch_bytes;
                    if full && !round.drafts.is_empty() {
                        break;
                    }
                    match self.overlay(shared, &mut round, drafts) {
                        Ok(()) => round.due(slot, Ok(reply), true),
                        Err(error) => {
                            // A record that does not fold is a bug; the overlay is spoilt, so the batch ends before it.
                            if round.drafts.is_empty() {
                                round.after = (*led.machine).clone();
                                round.due(slot, Err(error), false);
                            }
                            break;
                        }
                    }
                }
                Ok(Decision::Answer(reply)) => round.due(slot, Ok(reply), false),
                Err(error) => round.due(slot, Err(error), false),
                Ok(Decision::Drop(reply)) => {
                    if round.answers.is_empty() {
                        round.due(slot, Ok(reply), true);
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
                .evolve(&Event::of_draft(version, draft))
                .map_err(|why| Error::corrupt(&self.space, version, why))?;
            // The hash is not known before the batch is sealed; only the version is looked at until then.
            round.after.set_head(Position { version, hash: crate::record::Hash::ZERO });
        }
        round.drafts.append(&mut drafts);
        Ok(())
    }

    fn publish(&self, shared: &Shared, led: &mut Led, machine: Arc<Machine>) {
        let weight = machine.weight();
        let before = self.weight.swap(weight, Ordering::Relaxed);
        shared.registry.reweigh(before, weight);
        led.machine = Arc::clone(&machine);
        led.card = None;
        *lock(&self.published) = machine;
        if led.in_flight.is_none() {
            self.unsettled.store(false, Ordering::Release);
        }
    }
}

/// Whether two heads are of one history: number and hash.
fn same(one: Option<Position>, other: Option<Position>) -> bool {
    if flaw::is(Flaw::MatchesNumbers) {
        return one.map(|p| p.version) == other.map(|p| p.version);
    }
    one == other
}

/// Hands out answers; what was answered is no longer in the leader's hands.
fn finish(led: &mut Led, answers: Vec<Due>) {
    for due in answers {
        due.slot.answer(due.answer);
    }
    led.taken.retain(|slot| !slot.is_over());
}
