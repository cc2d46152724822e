//! Batches between being sent and being known: landed, returned, or in doubt.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{InFlight, LeaderState, PendingReply, Round, Sequencer, finish};
use crate::{
    error::{Error, Result},
    journal::{Batch, Commit, Record},
    record::{open, seal},
    store::shared::Shared,
};

impl Sequencer {
    /// Seals the round and puts it in flight.
    pub(super) fn launch(
        &self,
        shared: &Shared,
        leader: &mut LeaderState,
        round: Round,
        patience: Duration,
    ) -> Result<()> {
        let Round { drafts, mut after, answers, .. } = round;
        let expected = leader.machine.head();
        let nonce = shared.options.ids.random();
        let sealed = seal(expected, nonce, &drafts)
            .and_then(|records| Ok((records, after.card(&leader.machine, leader.card.as_ref())?)));
        let (records, card) =
            sealed.inspect_err(|_| answers.iter().for_each(|due| due.pending.mark_unsent()))?;
        let project = if expected.is_none() { after.project() } else { None };
        let batch = Batch { records, card: Some(card), project, patience };
        if let Some(end) = batch.end() {
            after.set_head(end);
        }
        let until =
            answers.iter().filter(|due| due.wrote).filter_map(|d| d.pending.call.until).min();
        let after = Arc::new(after);
        leader.in_flight = Some(InFlight { expected, batch, nonce, after, answers, until });
        self.unsettled.store(true, Ordering::Release);
        Ok(())
    }

    pub(super) async fn send(&self, shared: &Shared, leader: &LeaderState) -> Result<Commit> {
        match &leader.in_flight {
            Some(flight) => {
                shared.journal.commit(&self.space, flight.expected, &flight.batch).await
            }
            None => Ok(Commit::Done),
        }
    }

    /// The batch in flight is in the journal.
    pub(super) fn landed(&self, shared: &Shared, leader: &mut LeaderState) {
        let Some(flight) = leader.in_flight.take() else { return };
        leader.tail_bytes += flight.batch.weight();
        self.publish(shared, leader, flight.after);
        leader.card = flight.batch.card;
        finish(leader, flight.answers);
    }

    /// The batch in flight is not in the journal and never will be.
    pub(super) fn returned(&self, leader: &mut LeaderState) -> Vec<PendingReply> {
        let answers = leader.in_flight.take().map(|f| f.answers).unwrap_or_default();
        answers.iter().for_each(|due| due.pending.mark_unsent());
        self.unsettled.store(false, Ordering::Release);
        answers
    }

    /// Finds out what became of a batch whose leader was dropped or whose reply was lost. As long as the journal does
    /// not say, the same batch with the same nonce is sent again: an absent record proves nothing.
    pub(super) async fn resolve_in_flight(
        &self,
        shared: &Shared,
        leader: &mut LeaderState,
    ) -> Result<()> {
        let mut pause = Duration::from_millis(1);
        while let Some(flight) = &leader.in_flight {
            if flight.until.is_some_and(|until| until <= shared.options.clock.elapsed()) {
                return self.give_up(shared, leader).await;
            }
            match shared.journal.commit(&self.space, flight.expected, &flight.batch).await {
                Ok(Commit::Done) => self.landed(shared, leader),
                Ok(Commit::HeadMoved { head, since, reservation }) => {
                    drop(reservation);
                    if self.is_ours(shared, flight, &since).await? {
                        self.landed(shared, leader);
                    } else {
                        drop(self.returned(leader));
                    }
                    self.catch_up(shared, leader, head, Vec::new()).await?;
                }
                Ok(Commit::Diverged { head }) => {
                    drop(self.returned(leader));
                    self.abandon_history(shared, leader);
                    self.catch_up(shared, leader, head, Vec::new()).await?;
                }
                Ok(Commit::Indeterminate { .. }) => {
                    shared.options.clock.sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(200));
                }
                // The first try may have landed, so an error now proves nothing about it.
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A batch in doubt whose blobs may be collected soon: it is not sent again. Its callers were told that nobody knows;
    /// if it has not landed yet, the next commit on the same head sees to it that it never will, or follows it.
    async fn give_up(&self, shared: &Shared, leader: &mut LeaderState) -> Result<()> {
        let head = shared.journal.head(&self.space).await?;
        let landed = match &leader.in_flight {
            Some(flight) => self.is_ours(shared, flight, &[]).await?,
            None => return Ok(()),
        };
        if landed {
            self.landed(shared, leader);
        } else {
            let mut answers = self.returned(leader);
            answers.retain(|due| due.wrote);
            for due in &mut answers {
                let space = self.space.clone();
                due.answer = Err(Error::Indeterminate { space, source: None });
            }
            finish(leader, answers);
        }
        self.catch_up(shared, leader, head, Vec::new()).await
    }

    /// Whether the record right after `expected` bears the nonce of the batch in flight.
    pub(super) async fn is_ours(
        &self,
        shared: &Shared,
        flight: &InFlight,
        since: &[Record],
    ) -> Result<bool> {
        let after = flight.expected.map_or(0, |p| p.version);
        let read;
        let first = match since.first() {
            Some(first) => first,
            None => {
                read = self.read(shared, after, after + 1).await?;
                let Some(first) = read.first() else { return Ok(false) };
                first
            }
        };
        Ok(open(&self.space, first)?.header.nonce == flight.nonce)
    }
}
