//! The cache of a handle: the state of spaces, and when it was current.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hashlink::LinkedHashMap;
use sessile_core::{
    id::{ProjectId, Version},
    journal::{Card, Head, Position, Record},
};

use super::{
    format::{Logged, Manifest},
    keys::SpaceKeys,
};
use sessile_driver::lock;

/// Bytes of log objects and of segments that a handle keeps, each.
const KEPT: usize = 64 << 20;

/// Spaces that a handle knows, at most.
const CELLS: usize = 16_384;
/// Looks from one trimming to the next: it goes over all spaces known.
const TRIM_EVERY: u64 = 1024;

/// A space as it was at one moment: a manifest and the log after it.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) manifest: Arc<Manifest>,
    /// By first version; without gaps, from the boundary on.
    pub(super) tail: BTreeMap<Version, Arc<Logged>>,
    /// When there was no boundary above this head: what a proof counts from.
    pub(super) proved: Moment,
    /// When no manifest was newer.
    pub(super) looked: Moment,
}

/// A time on the elapsed clock that can be moved on where it stands.
#[derive(Debug, Default)]
pub(super) struct Moment(AtomicU64);

impl Moment {
    pub(super) fn at(time: Duration) -> Self {
        let moment = Self::default();
        moment.raise(time);
        moment
    }

    /// To this time, unless it is later already.
    pub(super) fn raise(&self, time: Duration) {
        self.0.fetch_max(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::AcqRel);
    }

    pub(super) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Acquire))
    }
}

impl Clone for Moment {
    fn clone(&self) -> Self {
        Self::at(self.get())
    }
}

impl View {
    pub(super) fn dropped(&self) -> bool {
        self.manifest.dropped || self.tail.values().next_back().is_some_and(|last| last.dropped)
    }

    /// Where the journal ends, unless it was dropped.
    pub(super) fn position(&self) -> Option<Position> {
        if self.dropped() {
            return None;
        }
        let last = self.tail.values().next_back();
        last.map_or_else(|| self.manifest.end(), |last| last.end())
    }

    pub(super) fn head(&self) -> Option<Head> {
        Some(Head { position: self.position()?, card: self.card() })
    }

    pub(super) fn card(&self) -> Option<Card> {
        let newest = self.tail.values().rev().find_map(|logged| logged.card.clone());
        newest.or_else(|| self.manifest.card.clone())
    }

    pub(super) fn project(&self) -> Option<ProjectId> {
        let logged = self.tail.values().find_map(|logged| logged.project);
        logged.or(self.manifest.project)
    }

    /// The last version that anything stands at, a tombstone too.
    pub(super) fn last(&self) -> Version {
        self.tail.values().next_back().map_or(self.manifest.boundary, |last| last.last)
    }

    /// Records of the tail after a version.
    pub(super) fn tail_after(&self, after: Version) -> impl Iterator<Item = &Record> {
        let records = self.tail.values().flat_map(|logged| &logged.records);
        records.filter(move |record| record.version > after)
    }

    fn weight(&self) -> usize {
        512 + self.tail.values().map(|logged| logged.weight()).sum::<usize>()
    }
}

/// A space in use.
#[derive(Debug, Default)]
pub(super) struct SpaceCell {
    view: Mutex<Option<Arc<View>>>,
    /// When this handle first saw each boundary, the newest last: what lies below one may be deleted a grace later.
    seen: Mutex<Vec<(Version, Duration)>>,
}

/// Boundaries whose age is remembered.
const BOUNDARIES: usize = 16;

impl SpaceCell {
    /// What is known, if anything is.
    pub(super) fn view(&self) -> Option<Arc<View>> {
        lock(&self.view).clone()
    }

    /// Takes over what a look that ended now has shown, unless more is known already; answers what is known.
    pub(super) fn learn(&self, view: View, now: Duration) -> Arc<View> {
        {
            let mut seen = lock(&self.seen);
            let boundary = view.manifest.boundary;
            if boundary > seen.last().map_or(0, |(boundary, _)| *boundary) {
                if seen.len() == BOUNDARIES {
                    seen.remove(1);
                }
                seen.push((boundary, now));
            }
        }
        let mut known = lock(&self.view);
        match &*known {
            Some(known) if (known.manifest.n, known.last()) > (view.manifest.n, view.last()) => {
                if known.manifest.n == view.manifest.n {
                    known.looked.raise(view.looked.get());
                }
                known.clone()
            }
            _ => known.insert(Arc::new(view)).clone(),
        }
    }

    /// Takes over the batch that was found after a view; answers what is known.
    pub(super) fn extend(&self, before: &View, logged: Arc<Logged>) -> Arc<View> {
        let mut view = before.clone();
        view.tail.insert(logged.first, logged);
        let mut known = lock(&self.view);
        match &*known {
            Some(known) if (known.manifest.n, known.last()) >= (view.manifest.n, view.last()) => {
                known.clone()
            }
            _ => known.insert(Arc::new(view)).clone(),
        }
    }

    /// Adds what was just committed after `before`, which was sent at this time.
    pub(super) fn append(&self, before: &Arc<View>, logged: Logged, sent: Duration) {
        let mut known = lock(&self.view);
        if let Some(now) = known.as_mut()
            && now.last() + 1 == logged.first
            && before.last() + 1 == logged.first
        {
            let view = Arc::make_mut(now);
            view.proved.raise(sent);
            view.tail.insert(logged.first, Arc::new(logged));
        }
    }

    /// Forgets everything but ages.
    pub(super) fn forget(&self) {
        *lock(&self.view) = None;
    }

    /// The greatest boundary that this handle has known for a grace: nobody can be answered by what lies below.
    pub(super) fn settled(&self, now: Duration, grace: Duration) -> Version {
        let seen = lock(&self.seen);
        let old = seen.iter().filter(|(_, since)| now.saturating_sub(*since) >= grace);
        old.map(|(boundary, _)| *boundary).max().unwrap_or(0)
    }
}

/// The spaces in use, and segments read lately; both give way to newer ones.
#[derive(Debug, Default)]
pub(super) struct Kept {
    looks: AtomicU64,
    cells: Mutex<LinkedHashMap<String, Arc<SpaceCell>>>,
    segments: Mutex<LinkedHashMap<String, Arc<Vec<Logged>>>>,
}

impl Kept {
    pub(super) fn cell(&self, keys: &SpaceKeys) -> Arc<SpaceCell> {
        let mut cells = lock(&self.cells);
        let cell = cells.remove(keys.name()).unwrap_or_default();
        cells.insert(keys.name().to_owned(), cell.clone());
        cell
    }

    /// Now and then: lets spaces go that were not used lately, while there are too many, or their views are too heavy.
    pub(super) fn trim(&self) {
        if !self.looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(TRIM_EVERY) {
            return;
        }
        let mut cells = lock(&self.cells);
        while cells.len() > CELLS {
            cells.pop_front();
        }
        let weigh = |cell: &Arc<SpaceCell>| cell.view().map_or(0, |view| view.weight());
        let mut weight: usize = cells.values().map(weigh).sum();
        for cell in cells.values() {
            if weight <= KEPT {
                break;
            }
            weight -= weigh(cell);
            cell.forget();
        }
    }

    pub(super) fn segment(&self, name: &str) -> Option<Arc<Vec<Logged>>> {
        let mut segments = lock(&self.segments);
        let found = segments.remove(name)?;
        segments.insert(name.to_owned(), found.clone());
        Some(found)
    }

    pub(super) fn keep_segment(&self, name: &str, batches: Arc<Vec<Logged>>) {
        let weigh = |batches: &Arc<Vec<Logged>>| batches.iter().map(Logged::weight).sum::<usize>();
        let mut segments = lock(&self.segments);
        let mut weight = weigh(&batches);
        weight += segments.values().map(weigh).sum::<usize>();
        while weight > KEPT
            && let Some((_, oldest)) = segments.pop_front()
        {
            weight -= weigh(&oldest);
        }
        segments.insert(name.to_owned(), batches);
    }

    pub(super) fn drop_segment(&self, name: &str) {
        lock(&self.segments).remove(name);
    }
}
