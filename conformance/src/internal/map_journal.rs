//! The smallest correct journal: maps under one lock.

mod damage;

pub(crate) use damage::flip;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sessile_core::{
    Error, Result, Timestamp,
    error::{Closure, Subject},
    id::{ProjectId, Space, Version},
    journal::{
        Batch, BlobName, Blobs, Card, Commit, Direction, Durability, Head, Journal, JournalInfo,
        ListOrder, ListQuery, ListRow, Position, ReadRange, Record, RecordBody, Scrub, Sharing,
        Snapshot,
    },
};
use tokio::{sync::Notify, task::coop::consume_budget, time::Instant};

/// One space: its records, and what stands beside them.
#[derive(Debug, Default)]
struct SpaceContent {
    records: Vec<Record>,
    /// Where the last record stands, or stood before it was damaged.
    end: Option<Position>,
    card: Option<Card>,
    project: Option<ProjectId>,
    snapshot: Option<Snapshot>,
    /// When each was put, and its bytes.
    blobs: HashMap<BlobName, (Instant, Vec<u8>)>,
    /// Blobs ever put: the next one's name.
    put: u64,
    dropped: bool,
}

impl SpaceContent {
    fn head(&self) -> Option<Head> {
        Some(Head { position: self.end?, card: self.card.clone() })
    }

    /// The refusal of a write that expects this position, if it is one (J2, J20).
    fn refusal(&self, expected: Option<Position>) -> Option<Commit> {
        let head = self.head();
        let (is, want) = (head.as_ref().map(|h| h.position), expected);
        if self.dropped {
            return Some(Commit::HeadMoved { head: None, since: Vec::new(), reservation: None });
        }
        if is == want {
            return None;
        }
        if is.map(|p| p.version) > want.map(|p| p.version) {
            let after = want.map_or(0, |p| p.version);
            let since = self.records.iter().filter(|r| r.version > after).cloned().collect();
            return Some(Commit::HeadMoved { head, since, reservation: None });
        }
        Some(Commit::Diverged { head })
    }
}

/// A journal of maps in memory.
#[derive(Debug)]
pub struct MapJournal {
    info: JournalInfo,
    contents: Mutex<BTreeMap<Space, SpaceContent>>,
    moved: Notify,
    closed: AtomicBool,
}

impl Default for MapJournal {
    fn default() -> Self {
        static STORES: AtomicU64 = AtomicU64::new(0);
        let store = STORES.fetch_add(1, Ordering::SeqCst);
        Self {
            info: JournalInfo::new("plain", store.into(), Durability::None, Sharing::OneProcess, 1),
            contents: Mutex::default(),
            moved: Notify::new(),
            closed: AtomicBool::new(false),
        }
    }
}

impl MapJournal {
    fn contents(&self) -> Result<MutexGuard<'_, BTreeMap<Space, SpaceContent>>> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::closed(Closure::Store));
        }
        Ok(self.contents.lock().expect("no panic inside"))
    }

    /// Whether a space was dropped.
    pub fn is_dropped(&self, space: &Space) -> bool {
        let contents = self.contents.lock().expect("no panic inside");
        contents.get(space).is_some_and(|content| content.dropped)
    }

    fn check(&self, space: &Space, expected: Option<Position>, batch: &Batch) -> Result<()> {
        let first = expected.map_or(0, |position| position.version) + 1;
        if (first..).zip(&batch.records).any(|(version, record)| record.version != version) {
            return Err(Error::invalid("batch", "its versions do not follow what it expects"));
        }
        let limits = &self.info.limits;
        let card = batch.card.as_ref().map_or(0, |card| card.json.len());
        for (what, limit, actual) in [
            ("records in a batch", limits.batch_records, batch.records.len()),
            ("bytes in a batch", limits.batch_bytes, batch.weight()),
            ("bytes of a card", limits.card_bytes, card),
        ] {
            if actual > limit {
                return Err(Error::capacity(space, what, limit as u64, actual as u64));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Journal for MapJournal {
    fn info(&self) -> &JournalInfo {
        &self.info
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        consume_budget().await;
        Ok(self.contents()?.get(space).and_then(SpaceContent::head))
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        // Nothing here waits, and a writer that never waits would keep others from their turn.
        consume_budget().await;
        drop(self.contents()?);
        self.check(space, expected, batch)?;
        let mut contents = self.contents()?;
        let content = contents.entry(space.clone()).or_default();
        if let Some(refusal) = content.refusal(expected) {
            return Ok(refusal);
        }
        content.records.extend(batch.records.iter().cloned());
        content.end = batch.end().or(content.end);
        content.card = batch.card.clone().or(content.card.take());
        content.project = content.project.or(batch.project);
        drop(contents);
        self.moved.notify_waiters();
        Ok(Commit::Done)
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        consume_budget().await;
        let contents = self.contents()?;
        let Some(content) = contents.get(space) else { return Ok(Vec::new()) };
        let mut room = self.info.limits.batch_bytes;
        let wanted = |r: &&Record| {
            r.version > range.after
                && r.version <= range.upto
                && range.stream.is_none_or(|stream| stream == r.stream)
        };
        let fits = |r: &&Record| {
            let some = room > 0;
            room = room.saturating_sub(r.weight());
            some
        };
        let all = content.records.iter().filter(wanted);
        Ok(match range.direction {
            Direction::Forward => all.take(range.limit).take_while(fits).cloned().collect(),
            Direction::Backward => all.rev().take(range.limit).take_while(fits).cloned().collect(),
        })
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        if let Some(content) = self.contents()?.get_mut(space).filter(|content| !content.dropped) {
            content.snapshot = Some(snapshot.clone());
        }
        Ok(())
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        Ok(self.contents()?.get(space).and_then(|content| content.snapshot.clone()))
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        let contents = self.contents()?;
        let mut rows: Vec<_> = contents
            .iter()
            .filter(|(space, _)| *space.tenant() == query.tenant && space.kind() == query.kind)
            .filter(|(_, content)| query.project.is_none() || content.project == query.project)
            .filter_map(|(space, content)| {
                Some(ListRow { space: space.clone(), head: content.head()? })
            })
            .collect();
        drop(contents);
        let place = |row: &ListRow| (updated(row), row.space.bits());
        match query.order {
            ListOrder::Id => {
                rows.sort_by_key(|row| row.space.bits());
                rows.retain(|row| query.after.is_none_or(|(_, bits)| row.space.bits() > bits));
            }
            ListOrder::Updated => {
                rows.sort_by_key(|row| std::cmp::Reverse(place(row)));
                rows.retain(|row| query.after.is_none_or(|after| place(row) < after));
            }
        }
        rows.truncate(query.limit);
        Ok(rows)
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        let moved = self.moved.notified();
        tokio::pin!(moved);
        moved.as_mut().enable();
        if self.head(space).await?.is_some_and(|head| head.position.version > after) {
            return Ok(true);
        }
        Ok(tokio::time::timeout(time, moved).await.is_ok())
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        let mut contents = self.contents()?;
        let content = contents.entry(space.clone()).or_default();
        match content.refusal(expected) {
            Some(refusal) if !content.dropped => Ok(refusal),
            _ => {
                *content = SpaceContent { dropped: true, ..SpaceContent::default() };
                Ok(Commit::Done)
            }
        }
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        let mut contents = self.contents()?;
        let Some(content) = contents.get_mut(space) else { return Ok(()) };
        content.snapshot = None;
        for record in content.records.iter_mut().filter(|r| versions.contains(&r.version)) {
            record.salt = [0; 16];
            if let RecordBody::Blob(name) = std::mem::replace(&mut record.body, RecordBody::None) {
                content.blobs.remove(&name);
            }
        }
        Ok(())
    }

    async fn scrub(&self) -> Result<Scrub> {
        drop(self.contents()?);
        Ok(Scrub::Done)
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl Blobs for MapJournal {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        let (limit, actual) = (self.info.limits.blob_bytes, bytes.len() as u64);
        if actual > limit {
            return Err(Error::capacity(space, "bytes of a blob", limit, actual));
        }
        let mut contents = self.contents()?;
        let content = contents.entry(space.clone()).or_default();
        let name = BlobName(content.put.to_string().into());
        content.put += 1;
        content.blobs.insert(name.clone(), (Instant::now(), bytes.to_vec()));
        Ok(name)
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        let contents = self.contents()?;
        let blob = contents.get(space).and_then(|content| content.blobs.get(name));
        let (_, blob) = blob.ok_or_else(|| Error::not_found(Subject::blob(space, name)))?;
        let end = blob.len() as u64;
        let range = range.unwrap_or(0..end);
        let clamp = |at: u64| at.min(end) as usize;
        Ok(blob.get(clamp(range.start)..clamp(range.end)).unwrap_or_default().to_vec())
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        let mut contents = self.contents()?;
        let Some(content) = contents.get_mut(space) else { return Ok(0) };
        let before = content.blobs.len();
        content.blobs.retain(|name, (put, _)| in_use.contains(name) || put.elapsed() < older_than);
        Ok((before - content.blobs.len()) as u64)
    }
}

fn updated(row: &ListRow) -> Timestamp {
    row.head.card.as_ref().map_or(Timestamp::from_millis(0), |card| card.updated_at)
}
