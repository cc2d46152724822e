//! What a space is now, and a cache of it.

use std::sync::{Arc, Mutex};

use hashlink::LruCache;
use sessile_core::{
    error::{Error, Result},
    id::{Space, Version},
    journal::{Commit, Direction, Position, ReadRange, Stream},
};

use super::{
    KvJournal, Value, keys,
    streams::OpenSpan,
    values::{self, Row},
};
use crate::{
    check::{self, HeadMatch, SINCE_BYTES, SINCE_RECORDS},
    lock,
};

/// Spaces remembered.
const SPACES: usize = 1024;

/// In the row of a space that is gone: it was dropped. Numbers are never 0.
const DROPPED: u64 = 0;

/// The value of a number.
pub(super) fn number_value(number: u64) -> Value {
    number.to_be_bytes().to_vec()
}

/// The value of a tombstone.
pub(super) fn tombstone() -> Value {
    number_value(DROPPED)
}

/// What a space is.
#[derive(Debug)]
pub(super) enum State {
    Live(Live),
    /// No commit yet; blobs may wait for one under this number.
    Unborn(Option<u64>),
    Dropped,
}

/// A space with a commit.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) number: u64,
    pub(super) row: Row,
    /// The row as it stands: what a commit expects.
    pub(super) value: Value,
}

/// A living space, with all that the next commit to it needs.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) live: Live,
    /// The streams of the span that is not full.
    pub(super) open: OpenSpan,
    /// Streams of full spans that were written to last: their newest versions.
    pub(super) older: Vec<(Stream, Version)>,
}

/// What is remembered of spaces. It is never trusted: a commit is guarded by what it assumes.
#[derive(Debug)]
pub(super) struct Cache {
    /// Never changes once it is there, so that it needs no guard.
    numbers: Mutex<LruCache<Space, u64>>,
    known: Mutex<LruCache<Space, Arc<Known>>>,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self {
            numbers: Mutex::new(LruCache::new(SPACES)),
            known: Mutex::new(LruCache::new(SPACES)),
        }
    }

    pub(super) fn known(&self, space: &Space) -> Option<Arc<Known>> {
        lock(&self.known).get(space).cloned()
    }

    pub(super) fn keep(&self, space: &Space, known: Known) {
        lock(&self.known).insert(space.clone(), Arc::new(known));
    }

    pub(super) fn forget(&self, space: &Space) {
        lock(&self.known).remove(space);
    }

    fn number(&self, space: &Space) -> Option<u64> {
        lock(&self.numbers).get(space).copied()
    }
}

pub(super) fn damaged(space: &Space, version: Version, reason: &str) -> Error {
    Error::corrupt(space, version, reason)
}

impl State {
    pub(super) const fn live(&self) -> Option<&Live> {
        if let Self::Live(live) = self { Some(live) } else { None }
    }

    /// The number under which its data is.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Live(live) => Some(live.number),
            Self::Unborn(number) => *number,
            Self::Dropped => None,
        }
    }
}

impl Live {
    pub(super) fn decode(space: &Space, number: u64, value: Value) -> Result<Self> {
        let row = Row::decode(space, number, &value);
        let row = row.ok_or_else(|| damaged(space, 0, "the head is damaged"))?;
        Ok(Self { number, row, value })
    }
}

impl KvJournal {
    /// What a space is now.
    pub(super) async fn state(&self, space: &Space) -> Result<State> {
        let mut before = self.cache.number(space);
        loop {
            if let Some(number) = before
                && let Some(value) = self.get(keys::head(number)).await?
            {
                return Live::decode(space, number, value).map(State::Live);
            }
            let found = self.kv.get(&[keys::living(space), keys::gone(space)]).await?;
            let decode = |value: &Option<Value>| {
                let number = |value: &Value| {
                    let number = values::decode_number(value);
                    number.ok_or_else(|| damaged(space, 0, "its number is damaged"))
                };
                value.as_ref().map(number).transpose()
            };
            let mut found = found.iter().map(decode);
            let (living, gone) = (found.next().transpose()?, found.next().transpose()?);
            match (living.flatten(), gone.flatten()) {
                // Its head was looked for, and is not there: it is gone, or was going.
                (Some(number), _) if before == Some(number) => {
                    return Err(damaged(space, 0, "the head is missing"));
                }
                (Some(number), _) => {
                    lock(&self.cache.numbers).insert(space.clone(), number);
                    before = Some(number);
                }
                (None, Some(DROPPED)) => return Ok(State::Dropped),
                (None, number) => return Ok(State::Unborn(number)),
            }
        }
    }

    /// The answer to a writer that expects another head; `None` if the write may go on.
    pub(super) async fn refusal(
        &self,
        space: &Space,
        state: &State,
        expected: Option<Position>,
    ) -> Result<Option<Commit>> {
        if matches!(state, State::Dropped) {
            return Ok(Some(Commit::HeadMoved {
                head: None,
                since: Vec::new(),
                reservation: None,
            }));
        }
        let live = state.live();
        let actual = live.map(|live| live.row.head.position);
        let head = live.map(|live| live.row.head.clone());
        Ok(match (check::compare_heads(actual, expected), live) {
            (HeadMatch::Same, _) => None,
            (HeadMatch::Diverged, _) | (HeadMatch::Moved, None) => Some(Commit::Diverged { head }),
            (HeadMatch::Moved, Some(live)) => {
                let after = expected.map_or(0, |position| position.version);
                let behind = live.row.version().saturating_sub(after);
                let mut since = Vec::new();
                if behind <= SINCE_RECORDS as u64 {
                    let (upto, direction) = (live.row.version(), Direction::Forward);
                    let range =
                        ReadRange { stream: None, after, upto, direction, limit: SINCE_RECORDS };
                    // Damage of a missed record is reported to those who read it.
                    let read = self.read_live(space, live, &range, SINCE_BYTES).await;
                    since = check::missed_records(read.unwrap_or_default(), behind);
                }
                Some(Commit::HeadMoved { head, since, reservation: None })
            }
        })
    }
}
