//! A small journal on a simulated medium: one log of checksummed frames, folded into maps at open, written anew and
//! renamed now and then; a file for each blob. Right, or with one flaw.

use std::{
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sessile_conformance::{
    internal::MapJournal,
    medium::{Open, SimDisk, SimFile},
};
use sessile_core::{
    Error, Result, Timestamp,
    error::Closure,
    hash::Hash,
    id::{ProjectId, Space, SpaceKind, TenantId, Version},
    journal::{
        Batch, BlobName, Blobs, Card, Commit, Durability, Head, Journal, JournalInfo, ListQuery,
        ListRow, Position, ReadRange, Record, RecordBody, Scrub, Sharing, Snapshot, Stream,
    },
};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// Answers before the flush.
    AcknowledgesBeforeFlush,
    /// Leaves a torn frame at the end of its log, and writes on behind it.
    KeepsTornTail,
    /// Takes a frame without looking at its checksum.
    TrustsTail,
    /// Renames the new log over the old one and does not flush the name.
    LosesRename,
    /// Renames the new log before it is flushed.
    RenamesBeforeFlush,
    /// Does not flush the name of a new file.
    LosesNames,
    /// Writes each record of a batch in a frame of its own.
    TearsBatches,
    /// Does not flush blobs.
    LosesBlobs,
    /// Says of a flush that failed that nothing was written.
    DeniesFlushes,
    /// Goes on after a flush failed: the next one will do.
    ForgivesFlushes,
    /// After a write that failed, leaves what of it has landed.
    LeavesHalves,
    /// Never recovers from a full disk.
    StaysFull,
    /// Forgets drops when it is opened again.
    ForgetsDrops,
}

impl Flaw {
    /// Those that a stop of the machine shows.
    pub(crate) const STOPPED: &[Self] = &[
        Self::AcknowledgesBeforeFlush,
        Self::KeepsTornTail,
        Self::TrustsTail,
        Self::LosesRename,
        Self::RenamesBeforeFlush,
        Self::LosesNames,
        Self::TearsBatches,
        Self::LosesBlobs,
        Self::DeniesFlushes,
        Self::ForgetsDrops,
    ];

    /// Those that a medium shows which is full, or fails at flushing.
    pub(crate) const HINDERED: &[Self] =
        &[Self::DeniesFlushes, Self::ForgivesFlushes, Self::LeavesHalves, Self::StaysFull];
}

#[derive(Serialize, Deserialize)]
struct Line {
    tenant: String,
    kind: SpaceKind,
    bits: String,
    expected: Option<Position>,
    event: Event,
}

#[derive(Serialize, Deserialize)]
enum Event {
    Commit { records: Vec<Row>, card: Option<(u64, String)>, project: Option<ProjectId> },
    Drop,
    Erase { versions: Vec<Version> },
}

#[derive(Serialize, Deserialize)]
struct Row {
    version: Version,
    stream: Stream,
    kind: String,
    head: String,
    sum: u64,
    link: Hash,
    salt: [u8; 16],
    inline: Option<String>,
    blob: Option<BlobName>,
}

impl From<&Record> for Row {
    fn from(record: &Record) -> Self {
        let (inline, blob) = match &record.body {
            RecordBody::None => (None, None),
            RecordBody::Inline(text) => (Some(text.to_string()), None),
            RecordBody::Blob(name) => (None, Some(name.clone())),
        };
        Self {
            version: record.version,
            stream: record.stream,
            kind: record.kind.to_string(),
            head: record.header.to_string(),
            sum: record.sum,
            link: record.link,
            salt: record.salt,
            inline,
            blob,
        }
    }
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        let body = match (row.inline, row.blob) {
            (Some(text), _) => RecordBody::Inline(text.into()),
            (None, Some(name)) => RecordBody::Blob(name),
            (None, None) => RecordBody::None,
        };
        Self {
            version: row.version,
            stream: row.stream,
            kind: row.kind.into(),
            header: row.head.into(),
            sum: row.sum,
            link: row.link,
            salt: row.salt,
            body,
        }
    }
}

/// Bytes before a frame: its length and its checksum.
const HEADER: usize = 16;

fn frame(line: &Line) -> Vec<u8> {
    let text = serde_json::to_vec(line).unwrap();
    let mut frame = Vec::with_capacity(HEADER + text.len());
    frame.extend((text.len() as u64).to_be_bytes());
    frame.extend(Hash::of(&[&text]).prefix_64().to_be_bytes());
    frame.extend(text);
    frame
}

#[derive(Debug)]
struct Log {
    file: SimFile,
    /// Up to where it is good.
    len: u64,
    commits: u64,
    blobs: u64,
    poisoned: bool,
}

#[derive(Debug)]
pub(crate) struct Toy {
    info: JournalInfo,
    disk: SimDisk,
    flaw: Flaw,
    plain: MapJournal,
    log: Mutex<Log>,
}

fn unavailable(error: std::io::Error) -> Error {
    Error::unavailable("the medium failed", error)
}

fn root() -> &'static Path {
    Path::new("")
}

const LOG: &str = "log";

impl Toy {
    pub(crate) async fn open(disk: SimDisk, flaw: Flaw) -> Result<Self> {
        let file = disk.open(Path::new(LOG), Open::Create).map_err(unavailable)?;
        let mut bytes = vec![0; file.len().map_err(unavailable)? as usize];
        file.read_at(&mut bytes, 0).map_err(unavailable)?;
        let plain = MapJournal::default();
        let mut at = 0;
        let mut commits = 0;
        while let Some(text) = next(&bytes[at..], flaw) {
            at += HEADER + text.len();
            let Ok(line) = serde_json::from_slice::<Line>(text) else {
                return Err(Error::CorruptFile { file: LOG.into(), reason: "a frame".into() });
            };
            let tenant = TenantId::new(&line.tenant)?;
            let space = Space::new(tenant, line.kind, line.bits.parse().unwrap());
            match line.event {
                Event::Commit { records, card, project } => {
                    let card = card
                        .map(|(at, json)| Card { updated_at: Timestamp::from_millis(at), json });
                    let records = records.into_iter().map(Record::from).collect();
                    let batch = Batch { records, card, project, patience: Duration::ZERO };
                    let _landed = plain.commit(&space, line.expected, &batch).await?;
                }
                Event::Drop if flaw == Flaw::ForgetsDrops => {}
                Event::Erase { versions } => plain.erase(&space, &versions).await?,
                Event::Drop => {
                    let _dropped = plain.drop_space(&space, line.expected).await?;
                }
            }
            commits += 1;
        }
        if at < bytes.len() && flaw != Flaw::KeepsTornTail {
            file.set_len(at as u64).map_err(unavailable)?;
        }
        // Whoever reads the log from now on relies on it.
        if flaw != Flaw::LosesNames {
            disk.sync_dir(root()).map_err(unavailable)?;
        }
        file.sync().map_err(unavailable)?;
        let len = file.len().map_err(unavailable)?;
        let names = disk.list(root()).map_err(unavailable)?;
        let of = |name: &str| name.strip_prefix('b')?.parse::<u64>().ok();
        let blobs = names.iter().filter_map(|(name, _)| of(name)).max().map_or(0, |n| n + 1);
        let log = Mutex::new(Log { file, len, commits, blobs, poisoned: false });
        let (durability, sharing) = (Durability::PowerLoss, Sharing::OneProcess);
        let info = JournalInfo::new("toy", 1, durability, sharing, 1);
        Ok(Self { info, disk, flaw, plain, log })
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn log(&self) -> Result<MutexGuard<'_, Log>> {
        let log = self.log.lock().unwrap();
        if log.poisoned {
            let reason = "a flush failed: it must be opened again".to_owned();
            return Err(Error::failed(reason));
        }
        Ok(log)
    }

    /// Appends frames, and flushes them.
    fn append(&self, line: &Line) -> Result<Option<Commit>> {
        let mut log = self.log()?;
        let mut frames = frame(line);
        if let (Flaw::TearsBatches, Event::Commit { records, card, project }) =
            (self.flaw, &line.event)
        {
            frames.clear();
            let mut expected = line.expected;
            for row in records {
                let of = |row: &Row| Row::from(&Record::from(clone(row)));
                let event =
                    Event::Commit { records: vec![of(row)], card: card.clone(), project: *project };
                let (tenant, bits) = (line.tenant.clone(), line.bits.clone());
                frames.extend(frame(&Line { tenant, kind: line.kind, bits, expected, event }));
                expected = Some(Position { version: row.version, hash: row.link });
            }
        }
        if let Err(error) = log.file.write_at(&frames, log.len) {
            let undone = self.is(Flaw::LeavesHalves) || log.file.set_len(log.len).is_ok();
            log.poisoned = !undone || self.is(Flaw::StaysFull);
            if self.is(Flaw::LeavesHalves) {
                log.len = log.file.len().unwrap_or(log.len);
            }
            return Err(unavailable(error));
        }
        log.len += frames.len() as u64;
        if self.is(Flaw::AcknowledgesBeforeFlush) {
            return Ok(None);
        }
        if let Err(error) = log.file.sync()
            && !self.is(Flaw::ForgivesFlushes)
        {
            log.poisoned = true;
            if self.is(Flaw::DeniesFlushes) {
                return Err(unavailable(error));
            }
            return Ok(Some(Commit::Indeterminate { source: None }));
        }
        log.commits += 1;
        if log.commits % 8 == 0 && self.renew(&mut log).is_err() {
            // The old log may be there or the new one: both say the same, until something is written to one.
            log.poisoned = true;
        }
        Ok(None)
    }

    /// Writes the log anew beside itself, and puts it in its own place.
    fn renew(&self, log: &mut Log) -> std::io::Result<()> {
        let mut bytes = vec![0; log.len as usize];
        log.file.read_at(&mut bytes, 0)?;
        let beside = Path::new("log.new");
        let file = self.disk.open(beside, Open::Create)?;
        file.set_len(0)?;
        file.write_at(&bytes, 0)?;
        if !self.is(Flaw::RenamesBeforeFlush) {
            file.sync()?;
        }
        self.disk.rename(beside, Path::new(LOG))?;
        if !self.is(Flaw::LosesRename) {
            self.disk.sync_dir(root())?;
        }
        log.file = file;
        Ok(())
    }
}

fn clone(row: &Row) -> Row {
    serde_json::from_value(serde_json::to_value(row).unwrap()).unwrap()
}

/// The next frame's text, if it is whole.
fn next(bytes: &[u8], flaw: Flaw) -> Option<&[u8]> {
    let number = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let len = usize::try_from(number(0)?).ok()?;
    let sum = number(8)?;
    let text = bytes.get(HEADER..HEADER.checked_add(len)?)?;
    let whole = len > 0 && Hash::of(&[text]).prefix_64() == sum;
    (whole || flaw == Flaw::TrustsTail).then_some(text)
}

fn line(space: &Space, expected: Option<Position>, event: Event) -> Line {
    let (tenant, bits) = (space.tenant().to_string(), space.bits().to_string());
    Line { tenant, kind: space.kind(), bits, expected, event }
}

fn closed() -> Error {
    Error::closed(Closure::Store)
}

#[async_trait]
impl Journal for Toy {
    fn info(&self) -> &JournalInfo {
        &self.info
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        self.plain.head(space).await
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        let now = self.plain.head(space).await?.map(|head| head.position);
        if now != expected || self.plain.is_dropped(space) {
            return self.plain.commit(space, expected, batch).await;
        }
        let event = Event::Commit {
            records: batch.records.iter().map(Row::from).collect(),
            card: batch.card.as_ref().map(|c| (c.updated_at.millis(), c.json.clone())),
            project: batch.project,
        };
        match self.append(&line(space, expected, event))? {
            Some(unknown) => Ok(unknown),
            None => self.plain.commit(space, expected, batch).await,
        }
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        self.plain.read(space, range).await
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.plain.save_snapshot(space, snapshot).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.plain.load_snapshot(space).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        self.plain.list(query).await
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        self.plain.wait(space, after, time).await
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        let now = self.plain.head(space).await?.map(|head| head.position);
        if now == expected
            && !self.plain.is_dropped(space)
            && let Some(unknown) = self.append(&line(space, expected, Event::Drop))?
        {
            return Ok(unknown);
        }
        self.plain.drop_space(space, expected).await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        let event = Event::Erase { versions: versions.to_vec() };
        match self.append(&line(space, None, event))? {
            None => self.plain.erase(space, versions).await,
            Some(_unknown) => Err(Error::failed("ask again")),
        }
    }

    async fn scrub(&self) -> Result<Scrub> {
        Err(Error::Unsupported { what: "scrub".into() })
    }

    async fn close(&self) -> Result<()> {
        self.plain.close().await
    }
}

#[async_trait]
impl Blobs for Toy {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.plain.head(space).await.map_err(|_| closed())?;
        let mut log = self.log()?;
        let name = format!("b{}", log.blobs);
        log.blobs += 1;
        let write = || {
            let file = self.disk.open(Path::new(&name), Open::CreateNew)?;
            file.write_at(bytes, 0)?;
            if self.is(Flaw::LosesBlobs) {
                return Ok(());
            }
            file.sync()?;
            self.disk.sync_dir(root())
        };
        write().map_err(unavailable)?;
        Ok(BlobName(name.into()))
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        let bytes = self.disk.read(Path::new(&*name.0)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::not_found(sessile_core::error::Subject::blob(space, name))
            }
            _ => unavailable(error),
        })?;
        let end = bytes.len() as u64;
        let range = range.unwrap_or(0..end);
        let clamp = |at: u64| at.min(end) as usize;
        Ok(bytes[clamp(range.start)..clamp(range.end)].to_vec())
    }

    async fn collect_blobs(
        &self,
        _space: &Space,
        _in_use: &std::collections::HashSet<BlobName>,
        _older_than: Duration,
    ) -> Result<u64> {
        Ok(0)
    }
}

/// The journal on this medium.
pub(crate) async fn open(disk: SimDisk, flaw: Flaw) -> Result<Arc<dyn Journal>> {
    Ok(Arc::new(Toy::open(disk, flaw).await?))
}
