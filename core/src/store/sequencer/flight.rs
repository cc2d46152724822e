//! Batches between being sent and being known: landed, returned, or in doubt.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{Due, InFlight, Led, Round, Sequencer, finish};
use crate::{
    error::{Error, Result},
    flaw::{self, Flaw},
    journal::{Batch, Commit, Record},
    record::{open, seal},
    store::shared::Shared,
};

impl Sequencer {
    /// Seals the round and puts it in flight.
    pub(super) fn launch(
        &self,
        shared: &Shared,
        led: &mut Led,
        round: Round,
        patience: Duration,
    ) -> Result<()> {
        let Round { drafts, mut after, answers, .. } = round;
        let expected = led.machine.head();
        let nonce = shared.options.ids.random();
        let sealed = seal(expected, nonce, &drafts)
            .and_then(|records| Ok((records, after.card(&led.machine, led.card.as_ref())?)));
        let (records, card) =
            sealed.inspect_err(|_| answers.iter().for_each(|due| due.slot.touch_down()))?;
        let project = if expected.is_none() { after.project() } else { None };
        let batch = Batch { records, card: Some(card), project, patience };
        if let Some(end) = batch.end() {
            after.set_head(end);
        }
        let until = answers.iter().filter(|due| due.wrote).filter_map(|d| d.slot.call.until).min();
        let after = Arc::new(after);
        led.in_flight = Some(InFlight { expected, batch, nonce, after, answers, until });
        self.unsettled.store(true, Ordering::Release);
        Ok(())
    }

    pub(super) async fn send(&self, shared: &Shared, led: &Led) -> Result<Commit> {
        match &led.in_flight {
            Some(flight) => {
                shared.journal.commit(&self.space, flight.expected, &flight.batch).await
            }
            None => Ok(Commit::Done),
        }
    }

    /// The batch in flight is in the journal.
    pub(super) fn landed(&self, shared: &Shared, led: &mut Led) {
        let Some(flight) = led.in_flight.take() else { return };
        led.tail_bytes += flight.batch.weight();
        self.publish(shared, led, flight.after);
        led.card = flight.batch.card;
        finish(led, flight.answers);
    }

    /// The batch in flight is not in the journal and never will be.
    pub(super) fn returned(&self, led: &mut Led) -> Vec<Due> {
        let answers = led.in_flight.take().map(|f| f.answers).unwrap_or_default();
        answers.iter().for_each(|due| due.slot.touch_down());
        self.unsettled.store(false, Ordering::Release);
        answers
    }

    /// Finds out what became of a batch whose leader was dropped or whose reply was lost. As long as the journal does
    /// not say, the same batch with the same nonce is sent again: an absent record proves nothing.
    pub(super) async fn settle(&self, shared: &Shared, led: &mut Led) -> Result<()> {
        let mut pause = Duration::from_millis(1);
        if flaw::is(Flaw::ForgetsFlight) {
            drop(self.returned(led));
        }
        while let Some(flight) = &led.in_flight {
            if flight.until.is_some_and(|until| until <= shared.options.clock.elapsed()) {
                return self.give_up(shared, led).await;
            }
            match shared.journal.commit(&self.space, flight.expected, &flight.batch).await {
                Ok(Commit::Done) => self.landed(shared, led),
                Ok(Commit::HeadMoved { head, since, turn }) => {
                    drop(turn);
                    if self.is_ours(shared, flight, &since).await? {
                        self.landed(shared, led);
                    } else {
                        drop(self.returned(led));
                    }
                    self.catch_up(shared, led, head, Vec::new()).await?;
                }
                Ok(Commit::Diverged { head }) => {
                    drop(self.returned(led));
                    self.part(shared, led, head.as_ref());
                    self.catch_up(shared, led, head, Vec::new()).await?;
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
    async fn give_up(&self, shared: &Shared, led: &mut Led) -> Result<()> {
        let head = shared.journal.head(&self.space).await?;
        let landed = match &led.in_flight {
            Some(flight) => self.is_ours(shared, flight, &[]).await?,
            None => return Ok(()),
        };
        if landed {
            self.landed(shared, led);
        } else {
            let mut answers = self.returned(led);
            answers.retain(|due| due.wrote);
            for due in &mut answers {
                let space = self.space.clone();
                due.answer = Err(Error::Indeterminate { space, source: None });
            }
            finish(led, answers);
        }
        self.catch_up(shared, led, head, Vec::new()).await
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
        Ok(open(&self.space, first)?.head.nonce == flight.nonce)
    }
}
