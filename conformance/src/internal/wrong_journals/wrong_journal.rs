//! Journals with one mistake each.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sessile_core::{
    Error, Result,
    id::{Space, TenantId, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Direction, Head, Journal, JournalInfo, ListQuery, ListRow,
        Position, ReadRange, Record, RecordBody, Scrub, Snapshot, Stream,
    },
};

use super::Mistake;
use crate::{Backend, Dir, internal::MapJournal};

/// A journal with a mistake.
#[derive(Debug)]
pub struct WrongJournal {
    inner: Arc<MapJournal>,
    mistake: Mistake,
    busy: AtomicBool,
    calls: AtomicU64,
    heads: Mutex<BTreeMap<Space, Option<Head>>>,
    generations: Mutex<BTreeMap<Space, u128>>,
    /// What is on the medium still, though nobody can read it.
    leftovers: Mutex<Vec<String>>,
    /// The only one.
    connection: Arc<tokio::sync::Mutex<()>>,
    /// Spaces in which a commit is under way.
    locked: Mutex<Vec<Space>>,
}

impl WrongJournal {
    /// A journal with this mistake only.
    pub fn with(mistake: Mistake) -> Self {
        Self {
            inner: Arc::default(),
            mistake,
            busy: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            heads: Mutex::default(),
            generations: Mutex::default(),
            leftovers: Mutex::default(),
            connection: Arc::default(),
            locked: Mutex::default(),
        }
    }

    /// Such journals as a backend.
    pub fn backend(mistake: Mistake) -> Backend {
        let open = move |dir: Dir| async move {
            let journal = Arc::new(Self::with(mistake));
            dir.keep(Arc::clone(&journal));
            journal
        };
        let holds = |dir: Dir, bytes: Vec<u8>| async move {
            dir.kept::<Self>().expect("a journal that was opened").holds(&bytes)
        };
        Backend::journal("wrong", open).with_holds(holds)
    }

    /// Whether its medium has these bytes.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        let leftovers = self.leftovers.lock().expect("no panic inside");
        let has = |text: &String| text.as_bytes().windows(bytes.len()).any(|it| it == bytes);
        self.inner.holds(bytes) || leftovers.iter().any(has)
    }

    fn is(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }

    /// The space that really holds a space's records.
    fn place(&self, space: &Space) -> Space {
        if self.is(Mistake::LeaksPrefixes) {
            let tenant = TenantId::new(&space.tenant().as_str()[..1]).expect("one character");
            return Space::new(tenant, space.kind(), space.bits());
        }
        let generations = self.generations.lock().expect("no panic inside");
        let generation = generations.get(space).copied().unwrap_or_default();
        Space::new(space.tenant().clone(), space.kind(), space.bits() ^ (generation << 64))
    }

    /// All that a range asks for, page by page.
    async fn all_of(&self, space: &Space, mut range: ReadRange) -> Result<Vec<Record>> {
        let mut all = Vec::new();
        loop {
            let page = self.inner.read(space, &range).await?;
            let Some(last) = page.last() else { return Ok(all) };
            match range.direction {
                Direction::Forward => range.after = last.version,
                Direction::Backward => range.upto = last.version - 1,
            }
            range.limit -= page.len();
            all.extend(page);
        }
    }

    /// Commits on whatever head there is.
    async fn force(&self, space: &Space, batch: &Batch) -> Result<Commit> {
        let at = self.inner.head(space).await?.map(|head| head.position);
        self.inner.commit(space, at, &in_line(at, batch)).await
    }
}

/// The batch with the versions that follow a position.
fn in_line(at: Option<Position>, batch: &Batch) -> Batch {
    let mut batch = batch.clone();
    for (version, record) in (at.map_or(0, |p| p.version) + 1..).zip(&mut batch.records) {
        record.version = version;
    }
    batch
}

/// A connection that is given back late if its user goes away.
struct HeldOn(Option<tokio::sync::OwnedMutexGuard<()>>);

impl Drop for HeldOn {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(5)).await;
                drop(connection);
            });
        }
    }
}

#[async_trait]
impl Journal for WrongJournal {
    fn info(&self) -> &JournalInfo {
        self.inner.info()
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        let head = self.inner.head(&self.place(space)).await?;
        if self.is(Mistake::RemembersHeads) {
            let mut heads = self.heads.lock().expect("no panic inside");
            let known = heads.entry(space.clone()).or_insert_with(|| head.clone());
            let stale = std::mem::replace(known, head);
            return Ok(stale);
        }
        Ok(head)
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        let space = self.place(space);
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        match self.mistake {
            Mistake::TearsBatches if batch.records.len() > 1 => {
                let mut first = batch.clone();
                let rest = first.records.split_off(1);
                let answer = self.inner.commit(&space, expected, &first).await?;
                if matches!(answer, Commit::Done) {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                    let rest = Batch { records: rest, ..batch.clone() };
                    return self.inner.commit(&space, first.end(), &rest).await;
                }
                Ok(answer)
            }
            Mistake::IgnoresExpected => self.force(&space, batch).await,
            Mistake::MatchesNumbers => {
                let head = self.inner.head(&space).await?.map(|head| head.position);
                let same = head.map(|p| p.version) == expected.map(|p| p.version);
                let expected = if same { head } else { expected };
                self.inner.commit(&space, expected, batch).await
            }
            Mistake::ConfusesDiverged => {
                Ok(match self.inner.commit(&space, expected, batch).await? {
                    Commit::HeadMoved { head: Some(head), .. } => {
                        Commit::Diverged { head: Some(head) }
                    }
                    other => other,
                })
            }
            Mistake::AcknowledgesEarly => {
                let head = self.inner.head(&space).await?.map(|head| head.position);
                if head != expected {
                    return self.inner.commit(&space, expected, batch).await;
                }
                let (inner, batch) = (Arc::clone(&self.inner), batch.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    let _lost = inner.commit(&space, expected, &batch).await;
                });
                Ok(Commit::Done)
            }
            Mistake::DeniesCommits if call % 4 == 3 => {
                let answer = self.inner.commit(&space, expected, batch).await?;
                if !matches!(answer, Commit::Done) {
                    return Ok(answer);
                }
                let head = self.inner.head(&space).await?;
                Ok(Commit::HeadMoved { head, since: Vec::new(), reservation: None })
            }
            Mistake::CutsBodies => {
                let mut batch = batch.clone();
                for record in &mut batch.records {
                    if let RecordBody::Inline(body) = &record.body
                        && body.len() > 1 << 16
                    {
                        let end = (0..=1 << 16)
                            .rfind(|at| body.is_char_boundary(*at))
                            .unwrap_or_default();
                        record.body = RecordBody::Inline(body[..end].into());
                    }
                }
                self.inner.commit(&space, expected, &batch).await
            }
            Mistake::TakesTooMuch => {
                let mut at = expected;
                let mut answer = Commit::Done;
                for piece in batch.records.chunks(512) {
                    let piece = Batch { records: piece.to_vec(), ..batch.clone() };
                    answer = self.inner.commit(&space, at, &piece).await?;
                    at = piece.end();
                }
                Ok(answer)
            }
            Mistake::StrandsWaiters => {
                while self.busy.swap(true, Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                tokio::task::yield_now().await;
                let answer = self.inner.commit(&space, expected, batch).await;
                self.busy.store(false, Ordering::SeqCst);
                answer
            }
            Mistake::HoldsOn => {
                let connection = Arc::clone(&self.connection).lock_owned().await;
                let mut held = HeldOn(Some(connection));
                tokio::task::yield_now().await;
                let answer = self.inner.commit(&space, expected, batch).await;
                held.0.take();
                answer
            }
            Mistake::SkipsLocked => {
                self.locked.lock().expect("no panic inside").push(space.clone());
                tokio::time::sleep(Duration::from_millis(1)).await;
                let answer = self.inner.commit(&space, expected, batch).await;
                let mut locked = self.locked.lock().expect("no panic inside");
                if let Some(at) = locked.iter().position(|it| *it == space) {
                    locked.remove(at);
                }
                answer
            }
            Mistake::TakesGaps => {
                self.inner.commit(&space, expected, &in_line(expected, batch)).await
            }
            Mistake::BlocksInPlace => {
                tokio::task::block_in_place(|| ());
                self.inner.commit(&space, expected, batch).await
            }
            _ => self.inner.commit(&space, expected, batch).await,
        }
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        let space = self.place(space);
        let mut range = *range;
        if self.is(Mistake::ReadsForwardOnly) {
            range.direction = Direction::Forward;
        }
        if self.is(Mistake::ReadsInPieces) && range.stream.is_none() {
            let mut all = Vec::new();
            for stream in 0..3 {
                let range = ReadRange { stream: Some(Stream(stream)), ..range };
                all.extend(self.inner.read(&space, &range).await?);
                tokio::time::sleep(Duration::from_micros(50)).await;
            }
            all.sort_by_key(|record| record.version);
            if range.direction == Direction::Backward {
                all.reverse();
            }
            all.truncate(range.limit);
            return Ok(all);
        }
        if self.is(Mistake::ReadsWithoutBound) {
            return self.all_of(&space, range).await;
        }
        self.inner.read(&space, &range).await
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.inner.save_snapshot(&self.place(space), snapshot).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.inner.load_snapshot(&self.place(space)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        let mut rows = self.inner.list(query).await?;
        if self.is(Mistake::SkipsLocked) {
            let locked = self.locked.lock().expect("no panic inside");
            rows.retain(|row| !locked.contains(&row.space));
        }
        if self.is(Mistake::SkipsRows) && query.after.is_some() && !rows.is_empty() {
            rows.remove(0);
        }
        if self.is(Mistake::ListsTwice) {
            let again = rows.iter().take(1).cloned().collect::<Vec<_>>();
            rows.splice(0..0, again);
            rows.truncate(query.limit);
        }
        Ok(rows)
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        self.inner.wait(&self.place(space), after, time).await
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        let answer = self.inner.drop_space(&self.place(space), expected).await?;
        if self.is(Mistake::ForgetsTombstones) && matches!(answer, Commit::Done) {
            let mut generations = self.generations.lock().expect("no panic inside");
            *generations.entry(space.clone()).or_default() += 1;
        }
        Ok(answer)
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        if self.is(Mistake::KeepsErased) {
            return Ok(());
        }
        if self.is(Mistake::LiesOnScrub) {
            let all = ReadRange {
                stream: None,
                after: 0,
                upto: Version::MAX,
                direction: Direction::Forward,
                limit: 100,
            };
            for record in self.inner.read(space, &all).await? {
                if let RecordBody::Inline(text) = record.body
                    && versions.contains(&record.version)
                {
                    self.leftovers.lock().expect("no panic inside").push(text.to_string());
                }
            }
        }
        self.inner.erase(&self.place(space), versions).await
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.inner.scrub().await
    }

    async fn close(&self) -> Result<()> {
        if self.is(Mistake::StaysOpen) { Ok(()) } else { self.inner.close().await }
    }
}

#[async_trait]
impl Blobs for WrongJournal {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        let name = self.inner.put_blob(&self.place(space), bytes).await?;
        Ok(if self.is(Mistake::ReusesNames) { BlobName("0".into()) } else { name })
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        let short = |range: Range<u64>| range.start..range.end.saturating_sub(1);
        let range = if self.is(Mistake::ShortensRanges) { range.map(short) } else { range };
        match self.inner.get_blob(&self.place(space), name, range).await {
            Err(Error::NotFound { .. }) if self.is(Mistake::LeaksPrefixes) => Ok(Vec::new()),
            answer => answer,
        }
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        let nothing = HashSet::new();
        let in_use = if self.is(Mistake::CollectsNamed) { &nothing } else { in_use };
        self.inner.collect_blobs(&self.place(space), in_use, older_than).await
    }
}
