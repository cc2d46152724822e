//! Group commit without waiting: whoever commits takes everything queued meanwhile.
//!
//! A write joins the queue. Its caller, if nobody leads, leads: it gets the engine's right to write, takes what is queued,
//! hands it to the engine as one transaction, delivers the answers, and goes home as soon as it has its own. There is no
//! timer and no thread between a caller and its commit.
//!
//! Leading never spans an `await`: it happens on a thread that may block, so a caller that is dropped, or not polled, holds
//! up nobody. When a leader goes, everyone who still waits is woken, and the first to be polled leads on.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use sessile_core::{
    error::{Error, Result},
    id::Space,
    journal::Commit,
};

use crate::{
    blocking, check, clock,
    engine::{Committed, Engine, Job},
    lock::lock,
    reservation::{self, Alarm},
};

/// Jobs in one transaction, at most.
const GROUP_JOBS: usize = 256;
/// Bytes in one transaction, at most, if it is more than one job.
const GROUP_BYTES: usize = 8 << 20;
/// How long a caller leads in place before the other futures of its task are polled, timeouts above all.
const SLICE: Duration = Duration::from_millis(20);

/// The queue before an engine.
#[derive(Debug)]
pub(crate) struct Group {
    state: Mutex<State>,
    /// Rings when a leader goes, for `close`, which waits on its thread.
    idle: Condvar,
    engine: Mutex<Box<dyn Engine>>,
    alarm: Arc<Alarm>,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Ticket>,
    lead: Lead,
    /// When the turn that is held, or was taken up by the leader, began.
    held_since: Option<Instant>,
    turns: u64,
    /// Jobs of the last group.
    last: usize,
    closed: bool,
}

/// Who may touch the engine.
#[derive(Debug, PartialEq, Eq)]
enum Lead {
    /// The first who asks.
    Free,
    /// One leader.
    Busy,
    /// Who writes to this space, or who ends this turn.
    Held { space: Space, reservation: u64 },
}

#[derive(Clone, Debug)]
struct Ticket {
    job: Arc<Job>,
    /// It failed in a group: commit it by itself.
    alone: bool,
    slot: Arc<Mutex<Slot>>,
}

#[derive(Debug, Default)]
struct Slot {
    answer: Option<Result<Commit>>,
    /// The answer was given, or nobody wants it.
    done: bool,
    waker: Option<Waker>,
}

impl Ticket {
    fn answer(&self, answer: Result<Commit>) {
        let waker = {
            let mut slot = lock(&self.slot);
            if slot.done {
                return;
            }
            slot.done = true;
            slot.answer = Some(answer);
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn is(&self, slot: &Arc<Mutex<Slot>>) -> bool {
        Arc::ptr_eq(&self.slot, slot)
    }
}

impl State {
    fn may_lead(&self) -> bool {
        match &self.lead {
            Lead::Free => true,
            Lead::Busy => false,
            Lead::Held { space, .. } => self.queue.iter().any(|t| t.job.space == *space),
        }
    }
}

impl Group {
    pub(crate) fn new(engine: Box<dyn Engine>) -> Arc<Self> {
        let state = State {
            queue: VecDeque::new(),
            lead: Lead::Free,
            held_since: None,
            turns: 0,
            last: 0,
            closed: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            idle: Condvar::new(),
            engine: Mutex::new(engine),
            alarm: Arc::default(),
        })
    }

    /// Writes a job, in a group with others. Dropping the future takes it out of the queue; what was taken may land.
    pub(crate) async fn submit(self: &Arc<Self>, job: Job) -> Result<Commit> {
        enum Step {
            Answer(Result<Commit>),
            Lead(Leading),
            Yield,
        }
        let waiting = self.enqueue(job)?;
        let mut yielded = false;
        loop {
            let step = poll_fn(|cx| {
                let mut state = lock(&self.state);
                let mut slot = lock(&waiting.slot);
                if let Some(answer) = slot.answer.take() {
                    return Poll::Ready(Step::Answer(answer));
                }
                if state.may_lead() {
                    // Those who were just answered may be about to come back: let half of them join. The others
                    // get ready while this group is written.
                    let is_small = state.queue.len() * 2 < state.last;
                    if is_small && !std::mem::replace(&mut yielded, true) {
                        return Poll::Ready(Step::Yield);
                    }
                    state.lead = Lead::Busy;
                    return Poll::Ready(Step::Lead(Leading::new(self)));
                }
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            });
            match step.await {
                Step::Answer(answer) => return answer,
                Step::Yield => blocking::yield_now().await,
                Step::Lead(leading) if blocking::in_place() => {
                    tokio::task::block_in_place(|| leading.run(Some(&waiting.slot)));
                    if !lock(&waiting.slot).done {
                        blocking::yield_now().await;
                    }
                }
                Step::Lead(leading) => {
                    let led = blocking::run(move || leading.run(None)).await;
                    if let Err(error) = led
                        && self.withdraw(&waiting.slot)
                    {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn enqueue(self: &Arc<Self>, job: Job) -> Result<Waiting> {
        let slot = Arc::new(Mutex::new(Slot::default()));
        let ticket = Ticket { job: Arc::new(job), alone: false, slot: slot.clone() };
        let mut state = lock(&self.state);
        if state.closed {
            return Err(check::closed());
        }
        state.queue.push_back(ticket);
        drop(state);
        Ok(Waiting { group: self.clone(), slot })
    }

    /// Takes a job out of the queue; `false` if it was taken or answered.
    fn withdraw(&self, slot: &Arc<Mutex<Slot>>) -> bool {
        let mut state = lock(&self.state);
        let before = state.queue.len();
        state.queue.retain(|ticket| !ticket.is(slot));
        state.queue.len() < before
    }

    /// Ends the engine, after the group under way; who is still queued is answered `Closed`. Blocks.
    pub(crate) fn close(self: &Arc<Self>) -> Result<()> {
        let mut state = lock(&self.state);
        if std::mem::replace(&mut state.closed, true) {
            return Err(check::closed());
        }
        let mut queued = std::mem::take(&mut state.queue);
        if state.lead == Lead::Busy {
            // They need not wait for the leader. Nobody is woken under the lock: a waker may drop a caller.
            drop(state);
            refuse(&mut queued);
            state = lock(&self.state);
        }
        while state.lead == Lead::Busy {
            state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.lead = Lead::Busy;
        queued.append(&mut state.queue);
        drop(state);
        refuse(&mut queued);
        let leading = Leading::new(self);
        let closed = lock(&self.engine).close();
        drop(leading);
        closed
    }

    /// Ends a turn that nobody used: the engine gives up the right to write.
    pub(crate) fn end_turn(self: &Arc<Self>, reservation: u64) {
        let mut state = lock(&self.state);
        if !matches!(&state.lead, Lead::Held { reservation: held, .. } if *held == reservation) {
            return;
        }
        state.lead = Lead::Busy;
        state.held_since = None;
        drop(state);
        let leading = Leading::new(self);
        lock(&self.engine).release();
        drop(leading);
    }

    /// Takes the next group: what failed before goes by itself.
    fn take(&self) -> Taken {
        let mut state = lock(&self.state);
        let mut tickets = Vec::new();
        let mut weight = 0;
        while let Some(next) = state.queue.front() {
            weight += next.job.weight();
            let full = tickets.len() >= GROUP_JOBS || weight > GROUP_BYTES || next.alone;
            if full && !tickets.is_empty() {
                break;
            }
            let alone = next.alone;
            tickets.extend(state.queue.pop_front());
            if alone {
                break;
            }
        }
        state.last = tickets.len();
        Taken(tickets)
    }

    /// Answers `Contended` to those whose patience is over, and forgets them.
    fn expire(&self, now: Instant) {
        let mut expired = Vec::new();
        lock(&self.state).queue.retain(|ticket| {
            let over = ticket.job.until <= now;
            if over {
                expired.push(ticket.clone());
            }
            !over
        });
        for ticket in expired {
            let space = ticket.job.space.clone();
            ticket.answer(Err(Error::Contended { space }));
        }
    }

    fn is_empty(&self) -> bool {
        lock(&self.state).queue.is_empty()
    }
}

fn refuse(queued: &mut VecDeque<Ticket>) {
    for ticket in queued.drain(..) {
        ticket.answer(Err(check::closed()));
    }
}

/// The one who leads; dropping it lets another lead.
#[derive(Debug)]
struct Leading {
    group: Arc<Group>,
    /// The lead went to the owner of a turn.
    gone: bool,
}

impl Drop for Leading {
    fn drop(&mut self) {
        let mut state = lock(&self.group.state);
        if !self.gone {
            state.lead = Lead::Free;
            state.held_since = None;
        }
        wake_all(state);
        self.group.idle.notify_all();
    }
}

/// Wakes everyone in the queue: whoever is polled first may lead.
fn wake_all(state: MutexGuard<'_, State>) {
    let wakers: Vec<Waker> =
        state.queue.iter().filter_map(|ticket| lock(&ticket.slot).waker.take()).collect();
    drop(state);
    for waker in wakers {
        waker.wake();
    }
}

impl Leading {
    /// Of a lead that was just made busy.
    fn new(group: &Arc<Group>) -> Self {
        Self { group: group.clone(), gone: false }
    }

    /// Commits groups until `mine` has its answer - without one, until nobody waits - and at most for a slice in place.
    fn run(mut self, mine: Option<&Arc<Mutex<Slot>>>) {
        let group = self.group.clone();
        let mut engine = lock(&group.engine);
        let slice = clock::deadline(SLICE);
        let over = || match mine {
            Some(slot) => lock(slot).done || clock::instant() >= slice,
            None => group.is_empty(),
        };
        let mut attempt = 0;
        while !over() {
            match engine.begin() {
                Ok(true) => {
                    attempt = 0;
                    if let Some((taken, answers)) = self.round(&mut **engine) {
                        // A turn that nobody takes out of its answer ends here, and wants the engine.
                        drop(engine);
                        taken.answer(answers);
                        return;
                    }
                }
                Ok(false) => {
                    group.expire(clock::instant());
                    if !over() {
                        reservation::pause(attempt);
                        attempt += 1;
                    }
                }
                Err(error) => group.take().answer_all(&error),
            }
        }
    }

    /// Commits one group and answers it; the answers are given back if one of them is a turn, which has the lead now.
    fn round(&mut self, engine: &mut dyn Engine) -> Option<(Taken, Vec<Result<Commit>>)> {
        let mut taken = self.group.take();
        if taken.0.is_empty() {
            engine.release();
            return None;
        }
        let until = {
            let mut state = lock(&self.group.state);
            let now = clock::instant();
            let until = *state.held_since.get_or_insert(now) + reservation::LONGEST;
            (until > now && !state.closed).then_some(until)
        };
        let jobs: Vec<&Job> = taken.0.iter().map(|ticket| &*ticket.job).collect();
        match engine.commit(&jobs, until.is_some()) {
            Ok(Committed { mut answers, hold }) => {
                if let Some((at, until)) = hold.zip(until) {
                    if self.hold(&taken, at, until, &mut answers) {
                        return Some((taken, answers));
                    }
                    engine.release();
                }
                lock(&self.group.state).held_since = None;
                taken.answer(answers);
            }
            Err(error) => {
                engine.release();
                lock(&self.group.state).held_since = None;
                if taken.0.len() == 1 {
                    taken.answer_all(&error);
                } else {
                    let mut state = lock(&self.group.state);
                    for ticket in std::mem::take(&mut taken.0).into_iter().rev() {
                        state.queue.push_front(Ticket { alone: true, ..ticket });
                    }
                }
            }
        }
        None
    }

    /// Puts the turn into the answer, and leaves the lead to its owner.
    fn hold(
        &mut self,
        taken: &Taken,
        at: usize,
        until: Instant,
        answers: &mut [Result<Commit>],
    ) -> bool {
        let (Some(ticket), Some(Ok(Commit::HeadMoved { reservation, .. }))) =
            (taken.0.get(at), answers.get_mut(at))
        else {
            return false;
        };
        let mut state = lock(&self.group.state);
        state.turns += 1;
        let number = state.turns;
        if !self.group.alarm.set(&self.group, number, until) {
            return false;
        }
        state.lead = Lead::Held { space: ticket.job.space.clone(), reservation: number };
        self.gone = true;
        drop(state);
        *reservation = Some(reservation::new(self.group.clone(), number));
        true
    }
}

/// Jobs that are being committed: if the engine panics, nobody knows what became of them.
struct Taken(Vec<Ticket>);

impl Taken {
    fn answer(mut self, answers: Vec<Result<Commit>>) {
        for (ticket, answer) in std::mem::take(&mut self.0).into_iter().zip(answers) {
            ticket.answer(answer);
        }
    }

    fn answer_all(mut self, error: &Error) {
        for ticket in std::mem::take(&mut self.0) {
            ticket.answer(Err(error.clone()));
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for ticket in &self.0 {
            ticket.answer(Ok(Commit::Indeterminate { source: None }));
        }
    }
}

/// A caller in the queue; dropping it takes it out.
#[derive(Debug)]
struct Waiting {
    group: Arc<Group>,
    slot: Arc<Mutex<Slot>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = lock(&self.group.state);
        let finished = {
            let mut slot = lock(&self.slot);
            slot.waker = None;
            std::mem::replace(&mut slot.done, true)
        };
        if finished {
            return;
        }
        state.queue.retain(|ticket| !ticket.is(&self.slot));
        if state.may_lead() {
            wake_all(state);
        }
    }
}

#[cfg(test)]
mod tests;
