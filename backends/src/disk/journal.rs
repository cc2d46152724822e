//! The calls of a journal.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use sessile_core::{
    error::Result,
    id::{Space, Version},
    journal::{
        Batch, Commit, Head, Journal, JournalInfo, ListQuery, ListRow, Position, ReadRange, Record,
        Scrub, Snapshot,
    },
};

use super::{
    Disk, DiskShared, cell::SpaceState, commit::Append, handle::PATIENCE, lists::Shown,
    lookup::LookupDepth,
};
use sessile_driver::{blocking, check, clock, coop, lock, notifier};

#[async_trait]
impl Journal for Disk {
    fn info(&self) -> &JournalInfo {
        &self.shared.info
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        coop::yield_budget().await;
        self.shared.check()?;
        self.head_of(space).await
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        coop::yield_budget().await;
        let epoch = self.shared.writer()?;
        check::batch(&self.shared.info.limits, space, expected, batch)?;
        let pass = self.enter()?;
        let until = clock::deadline(batch.patience);
        let cell = self.cell(space);
        let guard = self.guard(&cell, until).await?;
        let guard = self.with_known(&cell, guard, LookupDepth::Head).await?;
        let Some(before) = Self::expected(&cell, expected) else {
            return self.refuse(cell, guard, expected).await;
        };
        let append = Append::new(&cell, epoch, before, batch)?;
        let work = {
            let cell = Arc::clone(&cell);
            move |shared: &DiskShared| {
                let done = shared.append(&cell, guard, append);
                drop(pass);
                done
            }
        };
        self.write(&cell, until, work).await
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        coop::yield_budget().await;
        self.shared.check()?;
        self.records(&self.cell(space), range).await
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.shared.writer()?;
        let limit = self.shared.info.limits.blob_bytes;
        check::require_within(space, "bytes of a snapshot", limit, snapshot.bytes.len())?;
        let pass = self.enter()?;
        let (cell, until) = (self.cell(space), clock::deadline(PATIENCE));
        let guard = self.guard(&cell, until).await?;
        let guard = self.with_known(&cell, guard, LookupDepth::Head).await?;
        let (own, snapshot) = (Arc::clone(&cell), snapshot.clone());
        let work = move |shared: &DiskShared| {
            let saved = shared.save_snapshot(&own, &snapshot);
            drop((guard, pass));
            saved
        };
        self.write(&cell, until, work).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.shared.check()?;
        let cell = self.cell(space);
        self.look(&cell, LookupDepth::Head).await?;
        if !matches!(lock(&cell.seen).state, SpaceState::Live(_)) {
            return Ok(None);
        }
        let shared = Arc::clone(&self.shared);
        blocking::run(move || shared.load_snapshot(&cell)).await?
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        coop::yield_budget().await;
        self.shared.check()?;
        let is_reader = self.shared.epoch.is_none();
        let mut building = None;
        if is_reader || !self.shared.lists.is_built(query) {
            building = Some(self.shared.lists.building.lock_arc().await);
            if is_reader || !self.shared.lists.is_built(query) {
                let (shared, query) = (Arc::clone(&self.shared), query.clone());
                blocking::run(move || shared.build(&query)).await??;
            }
        }
        let mut rows = Vec::new();
        let (limit, mut query) = (query.limit, query.clone());
        while rows.len() < limit {
            query.limit = limit - rows.len();
            let found = self.shared.lists.page(&query)?;
            let Some((last, updated, _)) = found.last() else { break };
            query.after = Some((*updated, last.bits()));
            for (space, _, shown) in found {
                let head = match shown {
                    Shown::Head(head) => Some(head),
                    Shown::Unread => self.head_of(&space).await?,
                    Shown::Damaged(error) => return Err(error),
                };
                rows.extend(head.map(|head| ListRow { space, head }));
            }
        }
        drop(building);
        Ok(rows)
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        let until = clock::deadline(time);
        let mut pause = Duration::from_millis(1);
        loop {
            let listener = self.shared.notifier.listen(space);
            self.shared.check()?;
            let cell = self.cell(space);
            self.look(&cell, LookupDepth::Head).await?;
            let is_past = match &lock(&cell.seen).state {
                SpaceState::Live(tail) => tail.position.version > after,
                SpaceState::Dropped => true,
                SpaceState::Absent | SpaceState::Unknown => false,
            };
            drop(cell);
            if is_past {
                return Ok(true);
            }
            let left = until.saturating_duration_since(clock::instant());
            if left.is_zero() {
                return Ok(false);
            }
            // The writer may be another process, which notifies nobody here: look again after a nap.
            let nap = if self.shared.epoch.is_some() { left } else { left.min(pause) };
            notifier::notified(listener, nap).await;
            pause = (pause * 2).min(Duration::from_millis(16));
        }
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.shared.writer()?;
        let pass = self.enter()?;
        let (cell, until) = (self.cell(space), clock::deadline(PATIENCE));
        let guard = self.guard(&cell, until).await?;
        let guard = self.with_known(&cell, guard, LookupDepth::Head).await?;
        if lock(&cell.seen).state == SpaceState::Dropped {
            return Ok(Commit::Done);
        }
        let Some(before) = Self::expected(&cell, expected) else {
            return self.refuse(cell, guard, expected).await;
        };
        let own = Arc::clone(&cell);
        let work = move |shared: &DiskShared| {
            let done = shared.drop_now(&own, guard, before);
            drop(pass);
            done
        };
        self.write(&cell, until, work).await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        self.shared.writer()?;
        let pass = self.enter()?;
        let (cell, until) = (self.cell(space), clock::deadline(PATIENCE));
        let guard = self.guard(&cell, until).await?;
        let guard = self.with_known(&cell, guard, LookupDepth::All).await?;
        let (own, versions) = (Arc::clone(&cell), versions.to_vec());
        let work = move |shared: &DiskShared| {
            let done = shared.erase(&own, guard, &versions);
            drop(pass);
            done
        };
        self.write(&cell, until, work).await
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.shared.writer()?;
        let pass = self.enter()?;
        let shared = Arc::clone(&self.shared);
        blocking::run(move || {
            let done = shared.scrub();
            drop(pass);
            done
        })
        .await?
    }

    async fn close(&self) -> Result<()> {
        if self.shared.is_closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.shared.notifier.notify_all();
        let gate = self.gate.write_arc().await;
        let shared = Arc::clone(&self.shared);
        blocking::run(move || {
            let done = shared.finish();
            drop(gate);
            done
        })
        .await?
    }
}
