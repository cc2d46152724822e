//! Leading: take calls, decide them, commit what they write, answer them.

use std::sync::Arc;

use super::{
    leader::{Leader, PendingReply},
    pending_call::PendingCall,
};
use crate::{
    error::{Error, Result},
    journal::Commit,
    rules::decision::Reply,
    store::{state::JournalState, sync::Backoff},
};

/// What follows a commit that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The batch has its outcome; calls that it did not answer are in the leader's hands still.
    Finished,
    /// The calls are decided again. `head_checked`: the journal told its head since they came.
    DecideAgain { head_checked: bool },
}

impl Leader<'_> {
    /// Leads until the leader's own call is answered.
    pub(super) async fn lead(&mut self, own: &PendingCall) -> Result<Reply> {
        loop {
            if let Some(answer) = own.take_answer() {
                return answer;
            }
            if let Err(error) = self.take_and_commit().await {
                // Nothing could be decided or sent. Each waiting caller leads in turn and sees for itself.
                own.fail(self.space, error);
            }
        }
    }

    async fn take_and_commit(&mut self) -> Result<()> {
        if self.state.in_flight.is_some() {
            Box::pin(self.resolve_in_flight()).await?;
        }
        if self.state.calls.is_empty() {
            self.queue.take_into(&mut self.state.calls);
        }
        self.decide_and_commit().await
    }

    /// Decides the calls in hand, commits what they write, and answers them; those that did not fit into the batch stay
    /// in hand.
    ///
    /// An answer that writes nothing is given only if the head was checked after the call came: by reading it, or by the
    /// batch's own commit.
    async fn decide_and_commit(&mut self) -> Result<()> {
        let mut head_checked = false;
        if self.head().is_none() {
            self.refresh().await?;
            head_checked = true;
        }
        let mut backoff = Backoff::new();
        loop {
            self.state.calls.retain(|pending| pending.is_open());
            if self.state.calls.is_empty() {
                return Ok(());
            }
            let facts = self.facts().await?;
            let decided = self.decide(&facts);
            if !decided.writes() {
                if !head_checked {
                    let before = self.head();
                    self.refresh().await?;
                    head_checked = true;
                    if self.head() != before {
                        continue;
                    }
                }
                self.answer(decided.replies);
                return Ok(());
            }
            if !decided.replies.iter().all(|reply| reply.pending.mark_sent()) {
                // One was withdrawn in the meantime: what follows it is decided without it.
                decided.replies.iter().for_each(|reply| reply.pending.mark_unsent());
                continue;
            }
            let next = if decided.drops_space {
                Box::pin(self.commit_drop(decided.replies, head_checked, &mut backoff)).await?
            } else {
                self.put_in_flight(decided)?;
                self.commit_batch().await?
            };
            match next {
                Next::Finished => return Ok(()),
                Next::DecideAgain { head_checked: checked } => head_checked = checked,
            }
        }
    }

    /// Sends the batch in flight and answers its calls once it is durable.
    async fn commit_batch(&mut self) -> Result<Next> {
        let sent = self.send().await;
        drop(self.reservation.take());
        match sent {
            Ok(Commit::Done) => {
                self.batch_committed();
                self.save_snapshot().await;
                Ok(Next::Finished)
            }
            Ok(Commit::Indeterminate { .. }) => {
                Box::pin(self.resolve_in_flight()).await?;
                Ok(Next::Finished)
            }
            refused => {
                let replies = self.batch_refused();
                Box::pin(self.follow_refusal(refused, replies)).await
            }
        }
    }

    /// Drops the whole journal. A drop is idempotent: one of unknown outcome is decided again after a pause, and found
    /// done or sent again. The caller's deadline ends that, with `Indeterminate`.
    async fn commit_drop(
        &mut self,
        replies: Vec<PendingReply>,
        head_checked: bool,
        backoff: &mut Backoff,
    ) -> Result<Next> {
        let sent = self.environment.journal.drop_space(self.space, self.head()).await;
        drop(self.reservation.take());
        match sent {
            Ok(Commit::Done) => {
                self.publish(Arc::new(JournalState::empty(self.space)));
                self.answer(replies);
                Ok(Next::Finished)
            }
            Ok(Commit::Indeterminate { .. }) => {
                replies.iter().filter(|r| r.wrote).for_each(|r| r.pending.mark_unknown());
                backoff.pause(&*self.environment.options.clock).await;
                self.refresh().await?;
                Ok(Next::DecideAgain { head_checked })
            }
            refused => {
                replies.iter().for_each(|reply| reply.pending.mark_unsent());
                self.follow_refusal(refused, replies).await
            }
        }
    }

    /// Follows the journal to where it is after it refused a commit, or fails the calls that wrote if it cannot commit.
    async fn follow_refusal(
        &mut self,
        refused: Result<Commit>,
        replies: Vec<PendingReply>,
    ) -> Result<Next> {
        let wrote = replies.iter().filter(|reply| reply.wrote);
        match refused {
            Ok(Commit::HeadMoved { head: None, .. }) if self.head().is_none() => {
                // Nothing will ever begin here: the journal was dropped.
                let gone = Error::not_found(self.space);
                wrote.for_each(|reply| reply.pending.answer(Err(gone.clone())));
            }
            Ok(Commit::HeadMoved { head, since, reservation }) => {
                self.reservation = reservation;
                self.catch_up(head, since).await?;
            }
            Ok(Commit::Diverged { head }) => {
                self.abandon_history();
                self.catch_up(head, Vec::new()).await?;
            }
            // The outcome is known, or is being found out: no refusal.
            Ok(Commit::Done | Commit::Indeterminate { .. }) => return Ok(Next::Finished),
            Err(error) => {
                // What the engine refused was not applied, unless an earlier try was. What was decided behind it is
                // decided again.
                wrote.for_each(|reply| reply.pending.fail(self.space, error.clone()));
                return Ok(Next::DecideAgain { head_checked: false });
            }
        }
        Ok(Next::DecideAgain { head_checked: true })
    }
}
