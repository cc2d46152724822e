//! One call on its way through a sequencer.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use event_listener::{Event, listener};

use crate::{
    error::{Error, Result},
    id::Space,
    rules::decision::{Call, Reply},
};

/// Locks even after a panic elsewhere: what these locks guard is replaced whole, never half.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error of something that may have happened all the same.
pub(super) fn as_indeterminate(space: &Space, error: Error) -> Error {
    let source = match error {
        Error::Unavailable { source, .. } => source,
        error => Some(std::sync::Arc::new(error) as _),
    };
    Error::Indeterminate { space: space.clone(), source }
}

#[derive(Debug)]
enum Stage {
    /// Not in any batch.
    Waiting,
    /// In a batch that was sent.
    InFlight,
    /// It was sent and may have been applied; that it is sent again changes nothing about it.
    Unknown,
    /// The caller has gone; whatever is not in flight is not sent for it.
    Left,
    Answered(Result<Reply>),
    /// The answer was fetched.
    Over,
}

/// A call, its stage, and the bell its caller waits for.
#[derive(Debug)]
pub(super) struct PendingCall {
    pub(super) call: Call,
    /// When its time is up, on the store's elapsed clock.
    pub(super) until: Duration,
    stage: Mutex<Stage>,
    bell: Event,
}

impl PendingCall {
    pub(super) fn new(call: Call, until: Duration) -> Self {
        Self { call, until, stage: Mutex::new(Stage::Waiting), bell: Event::new() }
    }

    /// Marks it as sent; `false` when the caller has left, and it must not be.
    pub(super) fn mark_sent(&self) -> bool {
        let mut stage = lock(&self.stage);
        if matches!(*stage, Stage::Waiting) {
            *stage = Stage::InFlight;
        }
        matches!(*stage, Stage::InFlight | Stage::Unknown)
    }

    /// Nobody knows what became of it: until it is answered, an error proves nothing.
    pub(super) fn mark_unknown(&self) {
        let mut stage = lock(&self.stage);
        if matches!(*stage, Stage::InFlight) {
            *stage = Stage::Unknown;
        }
    }

    /// The batch did not land: it may be decided again.
    pub(super) fn mark_unsent(&self) {
        let mut stage = lock(&self.stage);
        if matches!(*stage, Stage::InFlight) {
            *stage = Stage::Waiting;
        }
    }

    /// Whether nobody waits any more for what was not sent.
    pub(super) fn is_over(&self) -> bool {
        !matches!(*lock(&self.stage), Stage::Waiting | Stage::InFlight | Stage::Unknown)
    }

    pub(super) fn answer(&self, answer: Result<Reply>) {
        let mut stage = lock(&self.stage);
        if matches!(*stage, Stage::Waiting | Stage::InFlight | Stage::Unknown) {
            *stage = Stage::Answered(answer);
            drop(stage);
            self.bell.notify(usize::MAX);
        }
    }

    /// The leader cannot go on. What is in flight stays unknown; the rest was never sent.
    pub(super) fn fail(&self, space: &Space, error: Error) {
        let in_flight = matches!(*lock(&self.stage), Stage::InFlight | Stage::Unknown);
        self.answer(Err(if in_flight { as_indeterminate(space, error) } else { error }));
    }

    /// The answer, once.
    pub(super) fn fetch(&self) -> Option<Result<Reply>> {
        let mut stage = lock(&self.stage);
        match std::mem::replace(&mut *stage, Stage::Over) {
            Stage::Answered(answer) => Some(answer),
            other => {
                *stage = other;
                None
            }
        }
    }

    pub(super) async fn answered(&self) -> Result<Reply> {
        loop {
            if let Some(answer) = self.fetch() {
                return answer;
            }
            listener!(self.bell => bell);
            if let Some(answer) = self.fetch() {
                return answer;
            }
            bell.await;
        }
    }

    /// The caller goes. What was never sent never will be; what is in flight stays unknown.
    pub(super) fn withdraw(&self, space: &Space) -> Result<Reply> {
        let mut stage = lock(&self.stage);
        match std::mem::replace(&mut *stage, Stage::Left) {
            Stage::Answered(answer) => answer,
            Stage::InFlight | Stage::Unknown => {
                Err(Error::Indeterminate { space: space.clone(), source: None })
            }
            Stage::Waiting | Stage::Left | Stage::Over => {
                Err(Error::Contended { space: space.clone() })
            }
        }
    }
}
