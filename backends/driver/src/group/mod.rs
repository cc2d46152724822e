//! Group commit: writes that are queued while a transaction is committed share the next transaction.
//!
//! A write joins the queue. If nobody leads, its caller becomes the leader: it gets the engine's right to write, takes the queued
//! jobs, gives them to the engine as one transaction, and delivers the answers. It stops leading when it has its own answer.
//! There is no timer, and no background thread between a caller and its commit.
//!
//! Leading happens on a thread that may block and never spans an `await`, so a caller that is dropped or not polled delays
//! nobody. When a leader stops, all who still wait are woken, and the first that is polled leads.
//!
//! A store combines twice. Before it calls a journal it decides the commands of one thread one after the other and appends
//! their records as one batch; that needs the state of the thread, and is the store's. Here the batches of different threads,
//! already decided, share one transaction of the engine; that needs the right to write to the file. The two have no code in
//! common but a queue, so each has its own.

mod queue;

use std::{
    future::poll_fn,
    sync::{Arc, Condvar, Mutex, PoisonError},
    task::Poll,
    time::{Duration, Instant},
};

use sessile_core::{
    error::{Error, Result},
    id::Space,
    journal::{Commit, Head},
};

use self::queue::{AnswerSlot, Lead, Queue, QueuedJob, TakenGroup, refuse, wake_all};
use crate::{
    blocking, check, clock,
    engine::{Committed, Engine, Job},
    lock,
    reservation::{self, Expiry},
};

/// How long a caller leads on its own thread before the other futures of its task are polled, its timeout among them.
const SLICE: Duration = Duration::from_millis(20);

/// The queue of writes before an engine.
#[derive(Debug)]
pub struct GroupCommit {
    queue: Mutex<Queue>,
    /// Notified when a leader stops, for `close`, which waits for it on its thread.
    idle: Condvar,
    engine: Mutex<Box<dyn Engine>>,
    expiry: Arc<Expiry>,
}

impl GroupCommit {
    /// An empty queue before this engine.
    pub fn new(engine: Box<dyn Engine>) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::new(Queue::new()),
            idle: Condvar::new(),
            engine: Mutex::new(engine),
            expiry: Arc::default(),
        })
    }

    /// Commits a job, in a transaction with others. Dropping the future takes the job out of the queue; a job that a leader has
    /// taken may still be committed.
    ///
    /// # Errors
    /// `Contended` if another process had the right to write until the job's `until`; `Closed` after [`close`](Self::close);
    /// what the engine returns for this job.
    pub async fn submit(self: &Arc<Self>, job: Job) -> Result<Commit> {
        enum Step {
            Answer(Result<Commit>),
            Lead(Leader),
            Yield,
        }
        let waiting = self.enqueue(job)?;
        let mut yielded = false;
        loop {
            let step = poll_fn(|cx| {
                let mut queue = lock(&self.queue);
                let mut slot = lock(&waiting.slot);
                if let Some(answer) = slot.answer.take() {
                    return Poll::Ready(Step::Answer(answer));
                }
                if queue.may_lead() {
                    // Callers that were just answered may write again: yield once, so that half of them join this
                    // group. The others get ready while it is written.
                    let is_small = queue.jobs.len() * 2 < queue.last_group;
                    if is_small && !std::mem::replace(&mut yielded, true) {
                        return Poll::Ready(Step::Yield);
                    }
                    queue.lead = Lead::Busy;
                    return Poll::Ready(Step::Lead(Leader::new(self)));
                }
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            });
            match step.await {
                Step::Answer(answer) => return answer,
                Step::Yield => blocking::yield_now().await,
                Step::Lead(leader) if blocking::in_place() => {
                    blocking::here(|| leader.run(Some(&waiting.slot)));
                    if !lock(&waiting.slot).done {
                        blocking::yield_now().await;
                    }
                }
                Step::Lead(leader) => {
                    let led = blocking::run(move || leader.run(None)).await;
                    if let Err(error) = led
                        && self.withdraw(&waiting.slot)
                    {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// What [`Engine::head`] answers, if nobody uses the engine.
    pub fn head(&self, space: &Space) -> Option<Option<Head>> {
        let mut engine = self.engine.try_lock().ok()?;
        engine.head(space)
    }

    fn enqueue(self: &Arc<Self>, job: Job) -> Result<QueuedCaller> {
        let slot = Arc::new(Mutex::new(AnswerSlot::default()));
        let queued = QueuedJob { job: Arc::new(job), alone: false, slot: slot.clone() };
        let mut queue = lock(&self.queue);
        if queue.closed {
            return Err(check::closed());
        }
        queue.jobs.push_back(queued);
        drop(queue);
        Ok(QueuedCaller { group: self.clone(), slot })
    }

    /// Takes a job out of the queue; `false` if it was taken or answered.
    fn withdraw(&self, slot: &Arc<Mutex<AnswerSlot>>) -> bool {
        let mut queue = lock(&self.queue);
        let before = queue.jobs.len();
        queue.jobs.retain(|queued| !queued.is(slot));
        queue.jobs.len() < before
    }

    /// Closes the engine after the group that is being committed. Queued jobs are answered `Closed`. Blocks the thread.
    /// Closing again does nothing, and does not wait for the first close.
    ///
    /// # Errors
    /// What the engine's `close` returns.
    pub fn close(self: &Arc<Self>) -> Result<()> {
        let mut queue = lock(&self.queue);
        if std::mem::replace(&mut queue.closed, true) {
            return Ok(());
        }
        let mut queued = std::mem::take(&mut queue.jobs);
        if queue.lead == Lead::Busy {
            // Refuse them now: they need not wait for the leader. The lock is released first, because waking may drop a
            // caller, which locks.
            drop(queue);
            refuse(&mut queued);
            queue = lock(&self.queue);
        }
        while queue.lead == Lead::Busy {
            queue = self.idle.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.lead = Lead::Busy;
        queued.append(&mut queue.jobs);
        drop(queue);
        refuse(&mut queued);
        let leader = Leader::new(self);
        let closed = lock(&self.engine).close();
        drop(leader);
        closed
    }

    /// Ends a reservation that was not used: the engine gives up the right to write.
    pub(crate) fn end_reservation(self: &Arc<Self>, reservation: u64) {
        let mut queue = lock(&self.queue);
        if !matches!(&queue.lead, Lead::Held { reservation: held, .. } if *held == reservation) {
            return;
        }
        queue.lead = Lead::Busy;
        queue.held_since = None;
        drop(queue);
        let leader = Leader::new(self);
        lock(&self.engine).release();
        drop(leader);
    }

    /// Answers `Contended` to the jobs whose time is over, and removes them.
    fn expire(&self, now: Instant) {
        let mut expired = Vec::new();
        lock(&self.queue).jobs.retain(|queued| {
            let over = queued.job.until <= now;
            if over {
                expired.push(queued.clone());
            }
            !over
        });
        for queued in expired {
            queued.answer(Err(Error::contended(&queued.job.space)));
        }
    }

    fn is_empty(&self) -> bool {
        lock(&self.queue).jobs.is_empty()
    }
}

/// The leader. Dropping it lets another caller lead.
#[derive(Debug)]
struct Leader {
    group: Arc<GroupCommit>,
    /// The lead has passed to the owner of a reservation.
    passed_on: bool,
}

impl Drop for Leader {
    fn drop(&mut self) {
        let mut queue = lock(&self.group.queue);
        if !self.passed_on {
            queue.lead = Lead::Free;
            queue.held_since = None;
        }
        wake_all(queue);
        self.group.idle.notify_all();
    }
}

impl Leader {
    /// The leader, after `lead` was set to `Busy`.
    fn new(group: &Arc<GroupCommit>) -> Self {
        Self { group: group.clone(), passed_on: false }
    }

    /// Commits groups: until `mine` has its answer, for [`SLICE`] at most; without `mine`, until the queue is empty.
    fn run(mut self, mine: Option<&Arc<Mutex<AnswerSlot>>>) {
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
                        // Dropping an answer nobody takes ends its reservation, which locks the engine.
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
                Err(error) => {
                    let taken = lock(&group.queue).take();
                    taken.answer_all(&error);
                }
            }
        }
    }

    /// Commits one group and answers its callers. If one of the answers carries a reservation, which has the lead then, the
    /// answers are returned instead.
    fn round(&mut self, engine: &mut dyn Engine) -> Option<(TakenGroup, Vec<Result<Commit>>)> {
        let mut taken = lock(&self.group.queue).take();
        if taken.0.is_empty() {
            engine.release();
            return None;
        }
        let until = {
            let mut queue = lock(&self.group.queue);
            let now = clock::instant();
            let until = *queue.held_since.get_or_insert(now) + reservation::LONGEST;
            (until > now && !queue.closed).then_some(until)
        };
        let jobs: Vec<&Job> = taken.0.iter().map(|queued| &*queued.job).collect();
        match engine.commit(&jobs, until.is_some()) {
            Ok(Committed { mut answers, hold }) => {
                if let Some((at, until)) = hold.zip(until) {
                    if self.hold(&taken, at, until, &mut answers) {
                        return Some((taken, answers));
                    }
                    engine.release();
                }
                lock(&self.group.queue).held_since = None;
                taken.answer(answers);
            }
            Err(error) => {
                engine.release();
                lock(&self.group.queue).held_since = None;
                if taken.0.len() == 1 {
                    taken.answer_all(&error);
                } else {
                    let mut queue = lock(&self.group.queue);
                    for queued in std::mem::take(&mut taken.0).into_iter().rev() {
                        queue.jobs.push_front(QueuedJob { alone: true, ..queued });
                    }
                }
            }
        }
        None
    }

    /// Puts a reservation into the answer, and passes the lead to its owner.
    fn hold(
        &mut self,
        taken: &TakenGroup,
        at: usize,
        until: Instant,
        answers: &mut [Result<Commit>],
    ) -> bool {
        let (Some(queued), Some(Ok(Commit::HeadMoved { reservation, .. }))) =
            (taken.0.get(at), answers.get_mut(at))
        else {
            return false;
        };
        let mut queue = lock(&self.group.queue);
        queue.reservations += 1;
        let number = queue.reservations;
        if !self.group.expiry.set(&self.group, number, until) {
            return false;
        }
        queue.lead = Lead::Held { space: queued.job.space.clone(), reservation: number };
        self.passed_on = true;
        drop(queue);
        *reservation = Some(reservation::new(self.group.clone(), number));
        true
    }
}

/// A caller in the queue. Dropping it removes its job from the queue.
#[derive(Debug)]
struct QueuedCaller {
    group: Arc<GroupCommit>,
    slot: Arc<Mutex<AnswerSlot>>,
}

impl Drop for QueuedCaller {
    fn drop(&mut self) {
        let mut queue = lock(&self.group.queue);
        let finished = {
            let mut slot = lock(&self.slot);
            slot.waker = None;
            std::mem::replace(&mut slot.done, true)
        };
        if finished {
            return;
        }
        queue.jobs.retain(|queued| !queued.is(&self.slot));
        if queue.may_lead() {
            wake_all(queue);
        }
    }
}

#[cfg(test)]
mod tests;
