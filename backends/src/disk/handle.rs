//! Steps that the calls of a journal share: finding a space, getting the right to write, running what blocks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_lock::RwLockReadGuardArc;
use sessile_core::{
    error::{Error, Result},
    id::Space,
    journal::{Commit, Head, Position, ReadRange, Record},
};

use super::{
    Disk, DiskShared,
    cell::{SpaceCell, SpaceState, WriteGuard},
    commit,
    lookup::LookupDepth,
    read::ReadPlan,
    tail::Tail,
};
use sessile_driver::{blocking, check, clock, lock};

/// A read of up to this many records runs on the caller's thread; a longer one through [`blocking::run`].
const SHORT_READ: usize = 64;

/// How long a write without a patience of its own waits for others of its space.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How often a read begins again because its lines are not where they were.
const ATTEMPTS: usize = 8;

impl Disk {
    pub(super) fn cell(&self, space: &Space) -> Arc<SpaceCell> {
        self.shared.cells.get(&self.shared.root, space)
    }

    /// Keeps the handle open while the result lives; `Closed` if it is closed or closing.
    pub(super) fn enter(&self) -> Result<RwLockReadGuardArc<()>> {
        let pass = self.gate.try_read_arc().ok_or_else(check::closed)?;
        self.shared.check()?;
        Ok(pass)
    }

    /// The right to write to a space; `Contended` if others keep it for too long.
    pub(super) async fn guard(&self, cell: &SpaceCell, until: Instant) -> Result<WriteGuard> {
        let guard = match cell.work.try_lock_arc() {
            Some(guard) => guard,
            None => within(cell, until, cell.work.lock_arc()).await?,
        };
        match &guard.poisoned {
            None => Ok(guard),
            Some(reason) => Err(cell.error(reason)),
        }
    }

    /// Runs a write through [`blocking::run`], when fewer than [`Options::flushes`](super::Options) are under way.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        cell: &SpaceCell,
        until: Instant,
        work: impl FnOnce(&DiskShared) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = match self.flushes.try_acquire_arc() {
            Some(place) => place,
            None => within(cell, until, self.flushes.acquire_arc()).await?,
        };
        let shared = Arc::clone(&self.shared);
        blocking::run(move || {
            let done = work(&shared);
            drop(place);
            done
        })
        .await?
    }

    /// Ensures that a space is known to this depth; returns the guard.
    pub(super) async fn with_known(
        &self,
        cell: &Arc<SpaceCell>,
        guard: WriteGuard,
        depth: LookupDepth,
    ) -> Result<WriteGuard> {
        if self.is_known(cell, depth) {
            return Ok(guard);
        }
        let (shared, cell) = (Arc::clone(&self.shared), Arc::clone(cell));
        blocking::run(move || shared.ensure_known(&cell, depth).map(|()| guard)).await?
    }

    fn is_known(&self, cell: &SpaceCell, depth: LookupDepth) -> bool {
        let seen = lock(&cell.seen);
        let complete = match (&seen.state, depth.range()) {
            (SpaceState::Unknown, _) => false,
            (SpaceState::Live(tail), Some(range)) => {
                seen.log.as_ref().is_some_and(|log| log.upto >= tail.end && log.reaches(range))
            }
            _ => true,
        };
        complete && self.shared.epoch.is_some()
    }

    /// For readers: ensures that a space is known to this depth.
    pub(super) async fn look(&self, cell: &Arc<SpaceCell>, depth: LookupDepth) -> Result<()> {
        if !self.is_known(cell, depth) {
            let guard = cell.work.lock_arc().await;
            let guard = self.with_known(cell, guard, depth).await?;
            drop(guard);
        }
        Ok(())
    }

    pub(super) async fn head_of(&self, space: &Space) -> Result<Option<Head>> {
        let cell = self.cell(space);
        self.look(&cell, LookupDepth::Head).await?;
        match &lock(&cell.seen).state {
            SpaceState::Live(tail) => Ok(Some(tail.head())),
            _ => Ok(None),
        }
    }

    pub(super) async fn records(
        &self,
        cell: &Arc<SpaceCell>,
        range: &ReadRange,
    ) -> Result<Vec<Record>> {
        let most = self.shared.info.limits.batch_bytes;
        for attempt in 0..ATTEMPTS {
            if attempt == 0 && self.shared.epoch.is_none() {
                self.look(cell, LookupDepth::Range(*range)).await?;
            }
            let fetch = match self.shared.plan(cell, range)? {
                ReadPlan::Nothing => return Ok(Vec::new()),
                ReadPlan::LookUp => {
                    self.look(cell, LookupDepth::Range(*range)).await?;
                    continue;
                }
                ReadPlan::Fetch(fetch) => fetch,
            };
            let generation = fetch.generation;
            let fetched = if range.limit <= SHORT_READ {
                fetch.run(most)?
            } else {
                blocking::run(move || fetch.run(most)).await??
            };
            if let Some(records) = fetched {
                return Ok(records);
            }
            // A line is not where it was: read the file again, while nobody writes to it.
            let guard = cell.work.lock_arc().await;
            cell.forget(generation);
            drop(guard);
        }
        Err(cell.error("the file kept changing while it was read; try again"))
    }

    /// Answers a writer that expected another head.
    pub(super) async fn refuse(
        &self,
        cell: Arc<SpaceCell>,
        guard: WriteGuard,
        expected: Option<Position>,
    ) -> Result<Commit> {
        let shared = Arc::clone(&self.shared);
        blocking::run(move || {
            let refusal = shared.refusal(&cell, expected);
            drop(guard);
            refusal
        })
        .await?
    }

    /// The end of a space that is as expected.
    pub(super) fn expected(cell: &SpaceCell, expected: Option<Position>) -> Option<Option<Tail>> {
        commit::expected(&lock(&cell.seen).state, expected)
    }
}

/// Waits for a lock until a deadline.
async fn within<T>(cell: &SpaceCell, until: Instant, lock: impl Future<Output = T>) -> Result<T> {
    let left = until.saturating_duration_since(clock::instant());
    let mut lock = std::pin::pin!(lock);
    let mut sleep = std::pin::pin!(clock::sleep(left));
    std::future::poll_fn(|cx| {
        if let std::task::Poll::Ready(locked) = lock.as_mut().poll(cx) {
            return std::task::Poll::Ready(Ok(locked));
        }
        let contended = || Err(Error::contended(&cell.space));
        sleep.as_mut().poll(cx).map(|()| contended())
    })
    .await
}
