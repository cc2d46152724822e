//! Appending a batch: one guarded batch of the engine.

use std::sync::Arc;

use sessile_core::{
    error::{Error, Result},
    id::{ProjectId, Space},
    journal::{Batch, Commit, Head, Position, Stream},
};

use super::{
    ApplyError, GuardedBatch, KvJournal, keys,
    space::{Known, Live, State, number_value},
    streams,
    values::{self, Row},
};
use crate::clock::{self, Clock as _, SystemClock};

/// Streams of full spans remembered of a space.
const STREAMS: usize = 8;

/// A guard that did not hold, though the head is as expected, is tried again so often before patience counts: others moved
/// the space in the order of updates.
const ALWAYS_TRIED: usize = 8;

/// What a batch comes after.
enum Before {
    Commits(Arc<Known>),
    /// Nothing; blobs may have brought the space a number.
    Nothing(Option<u64>),
}

/// What is to be done for a batch.
enum Prepared {
    Answer(Commit),
    /// Whether it is the one that leaves the space where it does not belong; what the space is then; and the change.
    Change(bool, Known, GuardedBatch),
}

impl KvJournal {
    pub(super) async fn append(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        let until = clock::deadline(batch.patience);
        let known = self.cache.known(space);
        let mut known = known.filter(|it| Some(it.live.row.head.position) == expected);
        for attempt in 0_usize.. {
            let (is_moved, after, change) =
                match self.prepare(space, expected, batch, known.take()).await {
                    Ok(Prepared::Answer(refusal)) => return Ok(refusal),
                    Ok(Prepared::Change(is_moved, after, change)) => (is_moved, after, change),
                    // Its records were not there: the space was dropped meanwhile, or they are missing.
                    Err(error @ Error::Corrupt { .. }) => match self.state(space).await? {
                        State::Live(_) => return Err(error),
                        State::Unborn(_) | State::Dropped => continue,
                    },
                    Err(error) => return Err(error),
                };
            self.cache.forget(space);
            match self.group.submit(change, until).await {
                Ok(true) => {
                    self.cache.keep(space, after);
                    self.notifier.notify(space);
                    if is_moved {
                        self.one_more_moved(until).await;
                    }
                    return Ok(Commit::Done);
                }
                Ok(false) if attempt > ALWAYS_TRIED && clock::instant() >= until => break,
                Ok(false) => {}
                Err(ApplyError::Refused(error)) => return Err(error),
                Err(ApplyError::Unknown(source)) => {
                    return Ok(Commit::Indeterminate { source: Some(source) });
                }
            }
        }
        Err(Error::contended(space))
    }

    /// Looks at the space, unless it is known, and decides.
    async fn prepare(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
        known: Option<Arc<Known>>,
    ) -> Result<Prepared> {
        let before = match known {
            Some(known) => Before::Commits(known),
            None => {
                let state = self.state(space).await?;
                if let Some(refusal) = self.refusal(space, &state, expected).await? {
                    return Ok(Prepared::Answer(refusal));
                }
                match state {
                    State::Live(live) => {
                        let (open, _) = self.open_span(space, &live).await?;
                        Before::Commits(Arc::new(Known { live, open, older: Vec::new() }))
                    }
                    State::Unborn(number) => Before::Nothing(number),
                    State::Dropped => Before::Nothing(None),
                }
            }
        };
        let is_moved = matches!(&before, Before::Commits(it) if !it.live.row.is_moved());
        let (after, change) = self.change(space, &before, batch).await?;
        let is_moved = is_moved && after.live.row.is_moved();
        Ok(Prepared::Change(is_moved, after, change))
    }

    /// The space after a batch, and what makes it so.
    async fn change(
        &self,
        space: &Space,
        before: &Before,
        batch: &Batch,
    ) -> Result<(Known, GuardedBatch)> {
        let end = batch.end().ok_or_else(|| Error::invalid("batch", "it has no records"))?;
        let mut change = GuardedBatch::default();
        let mut known = match before {
            Before::Commits(known) => {
                change.guards.push((keys::head(known.live.number), Some(known.live.value.clone())));
                let mut known = Known::clone(known);
                self.newest_of_new(space, &mut known, batch).await?;
                known
            }
            Before::Nothing(number) => begin(space, *number, end, batch, &mut change),
        };
        let Known { live, open, older } = &mut known;
        let Live { number, row, value } = live;
        let mut head = if matches!(before, Before::Nothing(_)) { 0 } else { row.version() };
        for record in &batch.records {
            let prev = streams::newest_known(open, older, head, record.stream).unwrap_or(0);
            let row = values::encode_record(record, prev);
            change.put.push((keys::record(*number, record.version), Some(row)));
            streams::add(open, older, (*number, record.stream, record.version), &mut change);
            head = record.version;
        }
        let surplus = older.len().saturating_sub(STREAMS);
        older.drain(..surplus);
        if matches!(before, Before::Commits(_)) {
            let was_moved = row.is_moved();
            if let Some(card) = &batch.card {
                row.updated = card.updated_at.millis();
            }
            if !was_moved && row.is_moved() {
                change.put.push((keys::moved(space), Some(number_value(*number))));
            }
            let card = batch.card.clone().or_else(|| row.head.card.take());
            row.head = Head { position: end, card };
        }
        *value = row.encode(space, *number);
        change.put.push((keys::head(*number), Some(value.clone())));
        Ok((known, change))
    }

    /// Looks up what is newest in the streams of a batch that are not remembered.
    async fn newest_of_new(&self, space: &Space, known: &mut Known, batch: &Batch) -> Result<()> {
        let head = known.live.row.version();
        let mut seen: Vec<Stream> = Vec::new();
        for stream in batch.records.iter().map(|record| record.stream) {
            if seen.contains(&stream)
                || streams::newest_known(&known.open, &known.older, head, stream).is_some()
            {
                continue;
            }
            seen.push(stream);
            let newest = self.newest_in_full(space, known.live.number, stream).await?;
            known.older.push((stream, newest));
        }
        Ok(())
    }
}

/// A space that gets its first batch.
fn begin(
    space: &Space,
    number: Option<u64>,
    end: Position,
    batch: &Batch,
    change: &mut GuardedBatch,
) -> Known {
    let gone = number.map(number_value);
    change.guards.push((keys::living(space), None));
    change.guards.push((keys::gone(space), gone.clone()));
    let number = number.unwrap_or_else(|| fresh_number(space, change));
    if gone.is_some() {
        change.put.push((keys::gone(space), None));
    }
    change.put.push((keys::living(space), Some(number_value(number))));
    let (card, project) = (batch.card.clone(), batch.project);
    let now = card.as_ref().map_or(0, |card| card.updated_at.millis());
    for scope in scopes(project) {
        change.put.push((keys::updated(space, scope, now), Some(number_value(number))));
    }
    if let Some(project) = project {
        change.put.push((keys::of_project(space, project), Some(number_value(number))));
    }
    let row = Row { head: Head { position: end, card }, updated: now, listed: now, project };
    let live = Live { number, row, value: Vec::new() };
    Known { live, open: Vec::new(), older: Vec::new() }
}

/// The scopes of a space: all of its kind, and those of its project.
pub(super) fn scopes(project: Option<ProjectId>) -> impl Iterator<Item = Option<ProjectId>> {
    std::iter::once(None).chain(project.map(Some))
}

/// A number that no space has, as the batch makes sure: milliseconds, so that new spaces lie together, and random bits.
pub(super) fn fresh_number(space: &Space, change: &mut GuardedBatch) -> u64 {
    let number = SystemClock.now().millis() << 16 | u64::from(rand::random::<u16>()) | 1;
    change.guards.push((keys::claim(number), None));
    change.put.push((keys::claim(number), Some(keys::living(space))));
    number
}
