//! Batches between being sent and having a known outcome.

use std::sync::Arc;

use super::{
    decide::DecidedBatch,
    leader::{InFlight, Leader},
};
use crate::{
    error::{Error, Result},
    journal::{Batch, Commit, Record},
    record::{open, seal},
    store::sync::Backoff,
};

impl Leader<'_> {
    /// Seals what was decided into a batch and keeps it as the one in flight, before it is sent.
    pub(super) fn put_in_flight(&mut self, decided: DecidedBatch) -> Result<()> {
        let DecidedBatch { drafts, mut after, replies, .. } = decided;
        let patience = self.environment.left(self.deadline);
        let expected = self.head();
        let nonce = self.environment.options.ids.random();
        let sealed = seal(expected, nonce, drafts).and_then(|records| {
            Ok((records, after.card(&self.state.committed, self.state.card.as_ref())?))
        });
        let (records, card) =
            sealed.inspect_err(|_| replies.iter().for_each(|r| r.pending.mark_unsent()))?;
        let project = if expected.is_none() { after.project_of_thread() } else { None };
        let batch = Batch { records, card: Some(card), project, patience };
        if let Some(end) = batch.end() {
            after.set_head(end);
        }
        let blobs_until =
            replies.iter().filter(|r| r.wrote).filter_map(|r| r.pending.call.until).min();
        let after = Arc::new(after);
        self.state.in_flight =
            Some(InFlight { expected, batch, nonce, after, replies, blobs_until });
        self.published.set_in_flight(true);
        Ok(())
    }

    /// Sends the batch in flight.
    pub(super) async fn send(&self) -> Result<Commit> {
        match &self.state.in_flight {
            Some(InFlight { expected, batch, .. }) => {
                self.environment.journal.commit(self.space, *expected, batch).await
            }
            None => Ok(Commit::Done),
        }
    }

    /// Finds out what became of a batch whose leader was dropped or whose reply was lost. As long as the journal does
    /// not say, the same batch with the same nonce is sent again: an absent record proves nothing.
    pub(super) async fn resolve_in_flight(&mut self) -> Result<()> {
        let mut backoff = Backoff::new();
        while let Some(in_flight) = &self.state.in_flight {
            if in_flight.blobs_until.is_some_and(|until| until <= self.environment.elapsed()) {
                return Box::pin(self.abandon_in_flight()).await;
            }
            match self.send().await {
                Ok(Commit::Done) => self.batch_committed(),
                Ok(Commit::HeadMoved { head, since, reservation }) => {
                    drop(reservation);
                    if self.is_committed(in_flight, &since).await? {
                        self.batch_committed();
                    } else {
                        drop(self.batch_refused());
                    }
                    self.catch_up(head, Vec::new()).await?;
                }
                Ok(Commit::Diverged { head }) => {
                    drop(self.batch_refused());
                    self.abandon_history();
                    self.catch_up(head, Vec::new()).await?;
                }
                Ok(Commit::Indeterminate { .. }) => {
                    backoff.pause(&*self.environment.options.clock).await;
                }
                // An earlier try may have been applied, so an error now proves nothing about it.
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Stops sending a batch of unknown outcome whose blobs may be collected soon. If it is not in the journal its
    /// callers are answered `Indeterminate`: a late try may still be applied, and the next commit, on the same head,
    /// either comes before it and rules it out, or is decided again after it.
    async fn abandon_in_flight(&mut self) -> Result<()> {
        let head = self.read_head().await?;
        let committed = match &self.state.in_flight {
            Some(in_flight) => self.is_committed(in_flight, &[]).await?,
            None => return Ok(()),
        };
        if committed {
            self.batch_committed();
        } else {
            let mut replies = self.batch_refused();
            replies.retain(|reply| reply.wrote);
            for reply in &mut replies {
                reply.answer = Err(Error::indeterminate(self.space, None));
            }
            self.answer(replies);
        }
        self.catch_up(head, Vec::new()).await
    }

    /// Whether the journal holds the batch in flight: the record right after `expected` bears its nonce. `since` are
    /// the records after `expected`, if some came along.
    async fn is_committed(&self, in_flight: &InFlight, since: &[Record]) -> Result<bool> {
        let after = in_flight.expected.map_or(0, |p| p.version);
        let read;
        let first = match since.first() {
            Some(first) => first,
            None => {
                read = self.read(after, after + 1).await?;
                let Some(first) = read.first() else { return Ok(false) };
                first
            }
        };
        Ok(open(self.space, first)?.header.nonce == in_flight.nonce)
    }
}
