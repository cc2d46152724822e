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

use crate::{Backend, Dir, internal::MapJournal};

macro_rules! mistakes {
    ($($(#[$doc:meta])* $name:ident => $($id:literal)|+,)*) => {
        /// A mistake that a journal can have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mistake { $($(#[$doc])* $name,)* }

        impl Mistake {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The clauses it breaks: the suite must fail each.
            pub const fn breaks(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($id),+],)* }
            }
        }
    };
}

mistakes! {
    /// Applies a batch in two halves.
    TearsBatches => "J1",
    /// Takes any batch, whatever head it expects.
    IgnoresExpected => "J2",
    /// Compares the number of the head and not its hash: a restored backup matches.
    MatchesNumbers => "J2",
    /// Says that a stale write diverged.
    ConfusesDiverged => "J2",
    /// Answers a commit before it is applied.
    AcknowledgesEarly => "J4",
    /// Answers for the head from a cache.
    RemembersHeads => "J4",
    /// Reads backward in forward order.
    ReadsForwardOnly => "J3",
    /// Reads stream by stream.
    ReadsInPieces => "J5",
    /// Answers that a commit was not applied, although it was.
    DeniesCommits => "J7",
    /// Cuts bodies at 64 KiB.
    CutsBodies => "J8",
    /// Takes batches above its limits, piece by piece.
    TakesTooMuch => "J8",
    /// Tells tenants apart by their first character only.
    LeaksPrefixes => "J9",
    /// Lets every later commit wait for ever after a commit was dropped half way.
    StrandsWaiters => "J10",
    /// Forgets what was dropped.
    ForgetsTombstones => "J11" | "J20",
    /// Lists what was dropped, by a head it remembers.
    ListsTwice => "J15",
    /// Leaves one row out between two pages.
    SkipsRows => "J15",
    /// Answers after it was closed.
    StaysOpen => "J16",
    /// Reads one byte too few of a blob's range.
    ShortensRanges => "J18",
    /// Gives two blobs one name.
    ReusesNames => "J18",
    /// Answers an erasure as done and erases nothing.
    KeepsErased => "J13",
    /// Erases what readers see, keeps it on its medium, and says of a scrub that it is done.
    LiesOnScrub => "J13",
    /// Collects blobs that records name.
    CollectsNamed => "J19",
    /// Blocks in a way that only some threads of some runtimes allow.
    BlocksInPlace => "J21",
}

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

    /// Commits on whatever head there is.
    async fn force(&self, space: &Space, batch: &Batch) -> Result<Commit> {
        let head = self.inner.head(space).await?;
        self.inner.commit(space, head.map(|head| head.position), batch).await
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
