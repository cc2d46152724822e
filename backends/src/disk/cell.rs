//! What a handle knows of a space, and the registry of the spaces it knows.

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

/// Bytes of memory for a space, without its card and its log.
const BASE: usize = 512;

/// The state of a space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum SpaceState {
    /// Its folder was not read yet.
    #[default]
    Unknown,
    /// It has no record.
    Absent,
    Dropped,
    Live(Tail),
}

/// The acknowledged state of a space, which readers see.
#[derive(Debug, Default)]
pub(super) struct AckedState {
    pub(super) state: SpaceState,
    /// The places of the records in the file; it may end before the tail.
    pub(super) log: Option<Log>,
    /// Rises when the state is read again, or the file is replaced.
    pub(super) generation: u64,
    /// Length and time of the file when it was read, for handles that only read.
    pub(super) stat: Option<Stat>,
}

/// What only the holder of the right to write uses.
#[derive(Debug, Default)]
pub(super) struct WriterState {
    /// Why the space takes no more writes: a flush failed, and the content of the file is unknown until the store is opened
    /// again.
    pub(super) poisoned: Option<String>,
}

/// The right to write to a space, or to read its folder.
pub(super) type WriteGuard = MutexGuardArc<WriterState>;

/// What a handle knows of a space. Writers hold `work`; readers lock `seen` for a moment.
#[derive(Debug)]
pub(super) struct SpaceCell {
    pub(super) space: Space,
    pub(super) place: Place,
    pub(super) work: Arc<async_lock::Mutex<WriterState>>,
    pub(super) seen: Mutex<AckedState>,
    weight: AtomicUsize,
}

impl SpaceCell {
    fn new(root: &Path, space: &Space) -> Self {
        Self {
            space: space.clone(),
            place: Place::new(root, space),
            work: Arc::default(),
            seen: Mutex::default(),
            weight: AtomicUsize::new(BASE),
        }
    }

    /// Forgets the state of this generation.
    pub(super) fn forget(&self, generation: u64) {
        let mut seen = lock(&self.seen);
        if seen.generation == generation {
            let generation = generation + 1;
            *seen = AckedState { generation, ..AckedState::default() };
        }
    }

    pub(super) fn error(&self, reason: &str) -> Error {
        let place = self.place.records();
        Error::failed(format!("{}: {reason}", place.display()))
    }

    fn weigh(&self) -> usize {
        let seen = lock(&self.seen);
        let card = match &seen.state {
            SpaceState::Live(Tail { card: Some(card), .. }) => card.json.len(),
            _ => 0,
        };
        BASE + card + seen.log.as_ref().map_or(0, Log::weight)
    }
}

/// The spaces a handle knows; the least recently used is forgotten first.
#[derive(Debug)]
pub(super) struct SpaceCells {
    active: Mutex<LinkedHashMap<Space, Arc<SpaceCell>, RandomState>>,
    weight: AtomicUsize,
    limit: usize,
}

impl SpaceCells {
    pub(super) fn new(limit: usize) -> Self {
        Self { active: Mutex::default(), weight: AtomicUsize::new(0), limit }
    }

    /// The cell of a space; there is never more than one.
    pub(super) fn get(&self, root: &Path, space: &Space) -> Arc<SpaceCell> {
        let mut active = lock(&self.active);
        if let Some(cell) = active.to_back(space) {
            return Arc::clone(cell);
        }
        let cell = Arc::new(SpaceCell::new(root, space));
        active.insert(space.clone(), Arc::clone(&cell));
        self.weight.fetch_add(BASE, Ordering::Relaxed);
        let mut forgotten = Vec::new();
        let mut tries = active.len().min(64);
        while self.weight.load(Ordering::Relaxed) > self.limit && tries > 0 {
            tries -= 1;
            let Some((space, oldest)) = active.pop_front() else { break };
            // A cell in use stays, and so does one whose flush failed.
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

    /// Counts the memory of a cell again after it changed.
    pub(super) fn reweigh(&self, cell: &SpaceCell) {
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
