//! The queue: jobs that wait, who may lead, and the jobs of a group on their way to their answers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    task::Waker,
    time::Instant,
};

use sessile_core::{
    error::{Error, Result},
    id::Space,
    journal::Commit,
};

use crate::{check, engine::Job, lock};

/// Jobs in one transaction, at most.
const GROUP_JOBS: usize = 256;
/// Bytes in one transaction, at most, if it is more than one job.
const GROUP_BYTES: usize = 8 << 20;

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) jobs: VecDeque<QueuedJob>,
    pub(super) lead: Lead,
    /// When the right to write was got, if it is kept for a reservation.
    pub(super) held_since: Option<Instant>,
    /// How many reservations there were; the number of the newest.
    pub(super) reservations: u64,
    /// Jobs of the last group.
    pub(super) last_group: usize,
    pub(super) closed: bool,
}

/// Who may use the engine.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lead {
    /// The first caller that asks.
    Free,
    /// The leader that there is.
    Busy,
    /// A caller that writes to this space, or the one that ends the reservation.
    Held { space: Space, reservation: u64 },
}

#[derive(Clone, Debug)]
pub(super) struct QueuedJob {
    pub(super) job: Arc<Job>,
    /// It was in a group that failed: commit it alone.
    pub(super) alone: bool,
    pub(super) slot: Arc<Mutex<AnswerSlot>>,
}

#[derive(Debug, Default)]
pub(super) struct AnswerSlot {
    pub(super) answer: Option<Result<Commit>>,
    /// The answer was given, or its caller is gone.
    pub(super) done: bool,
    pub(super) waker: Option<Waker>,
}

impl QueuedJob {
    pub(super) fn answer(&self, answer: Result<Commit>) {
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

    pub(super) fn is(&self, slot: &Arc<Mutex<AnswerSlot>>) -> bool {
        Arc::ptr_eq(&self.slot, slot)
    }
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            jobs: VecDeque::new(),
            lead: Lead::Free,
            held_since: None,
            reservations: 0,
            last_group: 0,
            closed: false,
        }
    }

    /// Whether a caller may lead that is polled now.
    pub(super) fn may_lead(&self) -> bool {
        match &self.lead {
            Lead::Free => true,
            Lead::Busy => false,
            Lead::Held { space, .. } => self.jobs.iter().any(|t| t.job.space == *space),
        }
    }

    /// Takes the next group from the queue; a job marked `alone` is a group of its own.
    pub(super) fn take(&mut self) -> TakenGroup {
        let mut group = Vec::new();
        let mut weight = 0;
        while let Some(next) = self.jobs.front() {
            weight += next.job.weight();
            let full = group.len() >= GROUP_JOBS || weight > GROUP_BYTES || next.alone;
            if full && !group.is_empty() {
                break;
            }
            let alone = next.alone;
            group.extend(self.jobs.pop_front());
            if alone {
                break;
            }
        }
        self.last_group = group.len();
        TakenGroup(group)
    }
}

/// Jobs that are being committed. Dropping them without an answer, as a panic of the engine does, answers that their outcome is
/// unknown.
pub(super) struct TakenGroup(pub(super) Vec<QueuedJob>);

impl TakenGroup {
    pub(super) fn answer(mut self, answers: Vec<Result<Commit>>) {
        for (queued, answer) in std::mem::take(&mut self.0).into_iter().zip(answers) {
            queued.answer(answer);
        }
    }

    pub(super) fn answer_all(mut self, error: &Error) {
        for queued in std::mem::take(&mut self.0) {
            queued.answer(Err(error.clone()));
        }
    }
}

impl Drop for TakenGroup {
    fn drop(&mut self) {
        for queued in &self.0 {
            queued.answer(Ok(Commit::Indeterminate { source: None }));
        }
    }
}

pub(super) fn refuse(queued: &mut VecDeque<QueuedJob>) {
    for queued in queued.drain(..) {
        queued.answer(Err(check::closed()));
    }
}

/// Wakes all callers in the queue: the first that is polled may lead.
pub(super) fn wake_all(queue: MutexGuard<'_, Queue>) {
    let wakers: Vec<Waker> =
        queue.jobs.iter().filter_map(|queued| lock(&queued.slot).waker.take()).collect();
    drop(queue);
    for waker in wakers {
        waker.wake();
    }
}
