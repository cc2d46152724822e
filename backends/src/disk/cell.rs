//! What is known of a space, and the registry of spaces in use.

use std::{
    hash::RandomState,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_lock::MutexGuardArc;
use hashlink::LinkedHashMap;
use sessile_core::{error::Error, id::Space};

use super::{log::Log, medium::Stat, path::Place, tail::Tail};
use sessile_driver::lock;

/// Memory of a space besides its card and its log.
const BASE: usize = 512;

/// What became of a space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Its folder has to be looked at.
    #[default]
    Unknown,
    /// It has no record.
    Absent,
    Dropped,
    Live(Tail),
}

/// What readers see: what is acknowledged.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) state: State,
    /// Where the records stand; may end before the tail.
    pub(super) log: Option<Log>,
    /// Counts how often all this was looked up anew, or the file replaced.
    pub(super) generation: u64,
    /// What the file looked like then, for handles that only read.
    pub(super) stat: Option<Stat>,
}

/// What the one who works on a space has.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// A flush failed: what the file holds is unknown until it is opened again.
    pub(super) poisoned: Option<String>,
}

/// The right to write to a space, or to look it up.
pub(super) type Guard = MutexGuardArc<Work>;

/// A space. Who works on it holds `work`; who only looks holds `seen`, for a moment.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) space: Space,
    pub(super) place: Place,
    pub(super) work: Arc<async_lock::Mutex<Work>>,
    pub(super) seen: Mutex<Seen>,
    weight: AtomicUsize,
}

impl Cell {
    fn new(root: &Path, space: &Space) -> Self {
        Self {
            space: space.clone(),
            place: Place::new(root, space),
            work: Arc::default(),
            seen: Mutex::default(),
            weight: AtomicUsize::new(BASE),
        }
    }

    /// Forgets what is known, if nobody looked it up since.
    pub(super) fn forget(&self, generation: u64) {
        let mut seen = lock(&self.seen);
        if seen.generation == generation {
            let generation = generation + 1;
            *seen = Seen { generation, ..Seen::default() };
        }
    }

    pub(super) fn error(&self, reason: &str) -> Error {
        let place = self.place.records();
        Error::failed(format!("{}: {reason}", place.display()))
    }

    fn weigh(&self) -> usize {
        let seen = lock(&self.seen);
        let card = match &seen.state {
            State::Live(Tail { card: Some(card), .. }) => card.json.len(),
            _ => 0,
        };
        BASE + card + seen.log.as_ref().map_or(0, Log::weight)
    }
}

/// The spaces in use, the least recently used forgotten first.
#[derive(Debug)]
pub(super) struct Cells {
    active: Mutex<LinkedHashMap<Space, Arc<Cell>, RandomState>>,
    weight: AtomicUsize,
    limit: usize,
}

impl Cells {
    pub(super) fn new(limit: usize) -> Self {
        Self { active: Mutex::default(), weight: AtomicUsize::new(0), limit }
    }

    /// The cell of a space; there is never more than one.
    pub(super) fn get(&self, root: &Path, space: &Space) -> Arc<Cell> {
        let mut active = lock(&self.active);
        if let Some(cell) = active.to_back(space) {
            return Arc::clone(cell);
        }
        let cell = Arc::new(Cell::new(root, space));
        active.insert(space.clone(), Arc::clone(&cell));
        self.weight.fetch_add(BASE, Ordering::Relaxed);
        let mut forgotten = Vec::new();
        let mut tries = active.len().min(64);
        while self.weight.load(Ordering::Relaxed) > self.limit && tries > 0 {
            tries -= 1;
            let Some((space, oldest)) = active.pop_front() else { break };
            // Whoever uses it has another handle to it; what a failed flush left must stay known.
            let is_idle = Arc::strong_count(&oldest) == 1
                && oldest.work.try_lock().is_some_and(|work| work.poisoned.is_none());
            if is_idle {
                self.weight.fetch_sub(oldest.weight.load(Ordering::Relaxed), Ordering::Relaxed);
                forgotten.push(oldest);
            } else {
                active.insert(space, oldest);
            }
        }
        drop(active);
        cell
    }

    /// Counts what a cell has become.
    pub(super) fn reweigh(&self, cell: &Cell) {
        let now = cell.weigh();
        let before = cell.weight.swap(now, Ordering::Relaxed);
        self.weight.fetch_add(now, Ordering::Relaxed);
        self.weight.fetch_sub(before, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.active).len()
    }
}
