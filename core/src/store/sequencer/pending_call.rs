//! One call on its way through a sequencer.

use std::sync::Mutex;

use event_listener::{Event, listener};

use crate::{
    error::{Error, Result},
    id::Space,
    rules::decision::{Call, Reply},
    store::{environment::unknown_outcome, sync::lock},
};

/// How far a call has come.
#[derive(Debug)]
enum Stage {
    /// In no batch that was sent.
    Waiting,
    /// In a batch that was sent, once.
    Sent,
    /// It was sent and may have been applied. Sending it again does not change that.
    Unknown,
    /// Answered; the caller has not taken the answer yet.
    Answered(Result<Reply>),
    /// The caller has taken the answer.
    Taken,
    /// The caller has gone; what was not sent is not sent for it.
    Withdrawn,
}

impl Stage {
    /// Whether the caller still waits for an answer.
    const fn is_open(&self) -> bool {
        matches!(self, Self::Waiting | Self::Sent | Self::Unknown)
    }
}

/// A call and its stage. Any leader may answer it; its caller may withdraw it at any time.
///
/// The answer needs no channel of its own: it lies in the stage, which changes under one lock, and a caller that leads
/// itself waits for nobody and allocates nothing.
#[derive(Debug)]
pub(super) struct PendingCall {
    pub(super) call: Box<Call>,
    stage: Mutex<Stage>,
    /// Notified when the call is answered.
    answered: Event,
}

impl PendingCall {
    pub(super) const fn new(call: Box<Call>) -> Self {
        Self { call, stage: Mutex::new(Stage::Waiting), answered: Event::new() }
    }

    /// Marks it as sent; `false` when its caller has withdrawn it, and it must not be sent.
    pub(super) fn mark_sent(&self) -> bool {
        let mut stage = lock(&self.stage);
        if matches!(*stage, Stage::Waiting) {
            *stage = Stage::Sent;
        }
        matches!(*stage, Stage::Sent | Stage::Unknown)
    }

    /// Its batch may have been applied: until it is answered, an error proves nothing.
    pub(super) fn mark_unknown(&self) {
        let mut stage = lock(&self.stage);
        if matches!(*stage, Stage::Sent) {
            *stage = Stage::Unknown;
        }
    }

    /// Its batch was not applied and never will be: it may be decided again.
    pub(super) fn mark_unsent(&self) {
        let mut stage = lock(&self.stage);
        if matches!(*stage, Stage::Sent) {
            *stage = Stage::Waiting;
        }
    }

    /// Whether its caller still waits for an answer.
    pub(super) fn is_open(&self) -> bool {
        lock(&self.stage).is_open()
    }

    /// Answers it, unless it was answered or withdrawn before.
    pub(super) fn answer(&self, answer: Result<Reply>) {
        let mut stage = lock(&self.stage);
        if stage.is_open() {
            *stage = Stage::Answered(answer);
            drop(stage);
            self.answered.notify(usize::MAX);
        }
    }

    /// Answers it with an error of the journal: `Indeterminate` if it was sent.
    pub(super) fn fail(&self, space: &Space, error: Error) {
        let was_sent = matches!(*lock(&self.stage), Stage::Sent | Stage::Unknown);
        self.answer(Err(if was_sent { unknown_outcome(space, error) } else { error }));
    }

    /// The answer, if there is one; only the first call gets it.
    pub(super) fn take_answer(&self) -> Option<Result<Reply>> {
        let mut stage = lock(&self.stage);
        match std::mem::replace(&mut *stage, Stage::Taken) {
            Stage::Answered(answer) => Some(answer),
            other => {
                *stage = other;
                None
            }
        }
    }

    /// Waits for the answer.
    pub(super) async fn wait_answer(&self) -> Result<Reply> {
        loop {
            if let Some(answer) = self.take_answer() {
                return answer;
            }
            listener!(self.answered => answered);
            if let Some(answer) = self.take_answer() {
                return answer;
            }
            answered.await;
        }
    }

    /// Withdraws it, and says what the caller may know: the answer if there is one, `Indeterminate` if it was sent, else
    /// `Contended`, and it never will be sent.
    pub(super) fn withdraw(&self, space: &Space) -> Result<Reply> {
        let mut stage = lock(&self.stage);
        match std::mem::replace(&mut *stage, Stage::Withdrawn) {
            Stage::Answered(answer) => answer,
            Stage::Sent | Stage::Unknown => Err(Error::indeterminate(space, None)),
            Stage::Waiting | Stage::Taken | Stage::Withdrawn => Err(Error::contended(space)),
        }
    }
}

/// Withdraws a call when its caller drops it.
pub(super) struct WithdrawOnDrop<'a>(pub(super) &'a PendingCall, pub(super) &'a Space);

impl Drop for WithdrawOnDrop<'_> {
    fn drop(&mut self) {
        let _ = self.0.withdraw(self.1);
    }
}
