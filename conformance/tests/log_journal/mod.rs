//! A small journal on a simulated medium, right or with one mistake.
//!
//! It has one log of checksummed frames, which it reads into maps when it is opened. Every eighth commit writes the log anew
//! beside itself and renames it into place. Each blob has a file.

mod frame;
mod mistake;

use std::{
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use sessile_conformance::{
    internal::MapJournal,
    medium::{Open, SimDisk, SimFile},
};
use sessile_core::{
    Error, Result, Timestamp,
    error::Closure,
    id::{Space, TenantId, Version},
    journal::{
        Batch, BlobName, Blobs, Card, Commit, Durability, Head, Journal, JournalInfo, ListQuery,
        ListRow, Position, ReadRange, Record, Scrub, Sharing, Snapshot,
    },
};

use self::frame::{Event, Frame, HEADER, LoggedRecord, encode, frame_of, next};
pub(crate) use self::mistake::Mistake;

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
pub(crate) struct LogJournal {
    info: JournalInfo,
    disk: SimDisk,
    mistake: Mistake,
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

impl LogJournal {
    pub(crate) async fn open(disk: SimDisk, mistake: Mistake) -> Result<Self> {
        let file = disk.open(Path::new(LOG), Open::Create).map_err(unavailable)?;
        let mut bytes = vec![0; file.len().map_err(unavailable)? as usize];
        file.read_at(&mut bytes, 0).map_err(unavailable)?;
        let plain = MapJournal::default();
        let mut at = 0;
        let mut commits = 0;
        while let Some(text) = next(&bytes[at..], mistake) {
            at += HEADER + text.len();
            let Ok(frame) = serde_json::from_slice::<Frame>(text) else {
                return Err(Error::CorruptFile { file: LOG.into(), reason: "a frame".into() });
            };
            let tenant = TenantId::new(&frame.tenant)?;
            let space = Space::new(tenant, frame.kind, frame.bits.parse().unwrap());
            match frame.event {
                Event::Commit { records, card, project } => {
                    let card = card
                        .map(|(at, json)| Card { updated_at: Timestamp::from_millis(at), json });
                    let records = records.into_iter().map(Record::from).collect();
                    let batch = Batch { records, card, project, patience: Duration::ZERO };
                    let _landed = plain.commit(&space, frame.expected, &batch).await?;
                }
                Event::Drop if mistake == Mistake::ForgetsDrops => {}
                Event::Erase { versions } => plain.erase(&space, &versions).await?,
                Event::Drop => {
                    let _dropped = plain.drop_space(&space, frame.expected).await?;
                }
            }
            commits += 1;
        }
        if at < bytes.len() && mistake != Mistake::KeepsTornTail {
            file.set_len(at as u64).map_err(unavailable)?;
        }
        // Whoever reads the log from now on relies on it.
        if mistake != Mistake::LosesNames {
            disk.sync_dir(root()).map_err(unavailable)?;
        }
        file.sync().map_err(unavailable)?;
        let len = file.len().map_err(unavailable)?;
        let names = disk.list(root()).map_err(unavailable)?;
        let of = |name: &str| name.strip_prefix('b')?.parse::<u64>().ok();
        let blobs = names.iter().filter_map(|(name, _)| of(name)).max().map_or(0, |n| n + 1);
        let log = Mutex::new(Log { file, len, commits, blobs, poisoned: false });
        let (durability, sharing) = (Durability::PowerLoss, Sharing::OneProcess);
        let info = JournalInfo::new("log", 1, durability, sharing, 1);
        Ok(Self { info, disk, mistake, plain, log })
    }

    fn is(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
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
    fn append(&self, frame: &Frame) -> Result<Option<Commit>> {
        let mut log = self.log()?;
        let mut frames = encode(frame);
        if let (Mistake::TearsBatches, Event::Commit { records, card, project }) =
            (self.mistake, &frame.event)
        {
            frames.clear();
            let mut expected = frame.expected;
            for row in records {
                let (records, card) = (vec![row.clone()], card.clone());
                let event = Event::Commit { records, card, project: *project };
                let (tenant, bits) = (frame.tenant.clone(), frame.bits.clone());
                frames.extend(encode(&Frame { tenant, kind: frame.kind, bits, expected, event }));
                expected = Some(Position { version: row.version, hash: row.link });
            }
        }
        if let Err(error) = log.file.write_at(&frames, log.len) {
            let undone = self.is(Mistake::LeavesHalves) || log.file.set_len(log.len).is_ok();
            log.poisoned = !undone || self.is(Mistake::StaysFull);
            if self.is(Mistake::LeavesHalves) {
                log.len = log.file.len().unwrap_or(log.len);
            }
            return Err(unavailable(error));
        }
        log.len += frames.len() as u64;
        if self.is(Mistake::AcknowledgesBeforeFlush) {
            return Ok(None);
        }
        if let Err(error) = log.file.sync()
            && !self.is(Mistake::ForgivesFlushes)
        {
            log.poisoned = true;
            if self.is(Mistake::DeniesFlushes) {
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
        if !self.is(Mistake::RenamesBeforeFlush) {
            file.sync()?;
        }
        self.disk.rename(beside, Path::new(LOG))?;
        if !self.is(Mistake::LosesRename) {
            self.disk.sync_dir(root())?;
        }
        log.file = file;
        Ok(())
    }
}

fn closed() -> Error {
    Error::closed(Closure::Store)
}

#[async_trait]
impl Journal for LogJournal {
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
            records: batch.records.iter().map(LoggedRecord::from).collect(),
            card: batch.card.as_ref().map(|c| (c.updated_at.millis(), c.json.clone())),
            project: batch.project,
        };
        match self.append(&frame_of(space, expected, event))? {
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
            && let Some(unknown) = self.append(&frame_of(space, expected, Event::Drop))?
        {
            return Ok(unknown);
        }
        self.plain.drop_space(space, expected).await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        let event = Event::Erase { versions: versions.to_vec() };
        match self.append(&frame_of(space, None, event))? {
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
impl Blobs for LogJournal {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.plain.head(space).await.map_err(|_| closed())?;
        let mut log = self.log()?;
        let name = format!("b{}", log.blobs);
        log.blobs += 1;
        let write = || {
            let file = self.disk.open(Path::new(&name), Open::CreateNew)?;
            file.write_at(bytes, 0)?;
            if self.is(Mistake::LosesBlobs) {
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
pub(crate) async fn open(disk: SimDisk, mistake: Mistake) -> Result<Arc<dyn Journal>> {
    Ok(Arc::new(LogJournal::open(disk, mistake).await?))
}
