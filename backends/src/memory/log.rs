//! One space: its records, and what lies beside them.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use sessile_core::{
    clock::Timestamp,
    error::{Error, Result},
    id::{ProjectId, Space, Version},
    journal::{
        Batch, BlobName, Commit, Direction, Head, Position, ReadRange, Record, RecordBody,
        Snapshot, Stream,
    },
};

use sessile_driver::{check, clock, index::Index, lock};

/// A space. Locks are taken in the order log, index, head; so a commit and a list never wait for each other in a ring.
#[derive(Default)]
pub(super) struct Cell {
    pub(super) log: Mutex<Log>,
    /// The newest acknowledged state; set after the records are there.
    pub(super) head: Mutex<Option<Head>>,
}

#[derive(Default)]
pub(super) struct Log {
    dropped: bool,
    position: Option<Position>,
    updated: Timestamp,
    project: Option<ProjectId>,
    /// Version 1 first. A hole is damage.
    pub(super) records: Vec<Option<Record>>,
    streams: HashMap<Stream, Vec<Version>>,
    snapshot: Option<Snapshot>,
    pub(super) blobs: HashMap<BlobName, (Instant, Arc<[u8]>)>,
}

impl Cell {
    pub(super) fn is_past(&self, after: Version) -> bool {
        let log = lock(&self.log);
        log.dropped || log.version() > after
    }

    pub(super) fn commit(
        self: &Arc<Self>,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
        index: &Mutex<Index<Arc<Self>>>,
    ) -> Result<Commit> {
        let mut log = lock(&self.log);
        if let Some(refusal) = self.refusal(space, &log, expected) {
            return Ok(refusal);
        }
        let Some(end) = batch.end() else { return Ok(Commit::Done) };
        let first = log.position.is_none();
        log.records.reserve(batch.records.len());
        for record in &batch.records {
            log.streams.entry(record.stream).or_default().push(record.version);
            log.records.push(Some(record.clone()));
        }
        log.position = Some(end);
        let updated = batch.card.as_ref().map_or(log.updated, |card| card.updated_at);
        let was = std::mem::replace(&mut log.updated, updated);
        if first {
            log.project = batch.project;
        }
        let show = || {
            let mut head = lock(&self.head);
            let kept = head.take().and_then(|head| head.card);
            *head = Some(Head { position: end, card: batch.card.clone().or(kept) });
        };
        if first {
            let mut index = lock(index);
            index.insert(space, log.project, updated, self);
            show();
        } else if was != updated {
            let mut index = lock(index);
            index.update(space, log.project, was, updated);
            show();
        } else {
            show();
        }
        Ok(Commit::Done)
    }

    /// What to answer if the head is not as expected.
    fn refusal(&self, space: &Space, log: &Log, expected: Option<Position>) -> Option<Commit> {
        let refusal: Result<Option<Commit>, Infallible> = check::refusal(
            log.dropped,
            log.position,
            expected,
            || Ok(lock(&self.head).clone()),
            |range| Ok(log.read(space, range, check::SINCE_BYTES).unwrap_or_default()),
        );
        let Ok(refusal) = refusal;
        refusal
    }

    pub(super) fn read(
        &self,
        space: &Space,
        range: &ReadRange,
        bytes: usize,
    ) -> Result<Vec<Record>> {
        lock(&self.log).read(space, range, bytes)
    }

    pub(super) fn drop_all(
        &self,
        space: &Space,
        expected: Option<Position>,
        index: &Mutex<Index<Arc<Self>>>,
    ) -> Result<Commit> {
        let mut log = lock(&self.log);
        if log.dropped {
            return Ok(Commit::Done);
        }
        if let Some(refusal) = self.refusal(space, &log, expected) {
            return Ok(refusal);
        }
        let gone = std::mem::replace(&mut *log, Log { dropped: true, ..Log::default() });
        let mut index = lock(index);
        index.remove(space, gone.project, gone.updated);
        *lock(&self.head) = None;
        Ok(Commit::Done)
    }

    /// Keeps it unless a newer one, of a version that exists, is there; a space without commit keeps none.
    pub(super) fn save_snapshot(&self, snapshot: &Snapshot) {
        let mut log = lock(&self.log);
        let head = log.version();
        let newer = |kept: &Snapshot| {
            kept.position.version > snapshot.position.version && kept.position.version <= head
        };
        if head > 0 && !log.snapshot.as_ref().is_some_and(newer) {
            log.snapshot = Some(snapshot.clone());
        }
    }

    pub(super) fn load_snapshot(&self) -> Option<Snapshot> {
        lock(&self.log).snapshot.clone()
    }

    /// A dropped space keeps no blob: no record can ever name one.
    pub(super) fn put_blob(&self, name: &BlobName, bytes: &[u8]) {
        let bytes = bytes.into();
        let mut log = lock(&self.log);
        if !log.dropped {
            log.blobs.insert(name.clone(), (clock::instant(), bytes));
        }
    }

    pub(super) fn blob(&self, name: &BlobName) -> Option<Arc<[u8]>> {
        lock(&self.log).blobs.get(name).map(|(_, bytes)| bytes.clone())
    }

    pub(super) fn erase(&self, versions: &[Version]) {
        let mut log = lock(&self.log);
        log.snapshot = None;
        for version in versions {
            let Some(Some(record)) = log.slot(*version) else { continue };
            record.salt = [0; 16];
            if let RecordBody::Blob(name) = std::mem::replace(&mut record.body, RecordBody::None) {
                log.blobs.remove(&name);
            }
        }
    }

    pub(super) fn collect(&self, in_use: &HashSet<BlobName>, older_than: Duration) -> u64 {
        let now = clock::instant();
        let mut log = lock(&self.log);
        let before = log.blobs.len();
        log.blobs.retain(|name, (put, _)| {
            in_use.contains(name) || now.saturating_duration_since(*put) < older_than
        });
        (before - log.blobs.len()) as u64
    }
}

impl Log {
    pub(super) fn version(&self) -> Version {
        self.position.map_or(0, |position| position.version)
    }

    /// The slot of a version; there is one for each version up to the head.
    pub(super) fn slot(&mut self, version: Version) -> Option<&mut Option<Record>> {
        self.records.get_mut(usize::try_from(version.checked_sub(1)?).ok()?)
    }

    fn read(&self, space: &Space, range: &ReadRange, bytes: usize) -> Result<Vec<Record>> {
        let (after, upto) = (range.after, range.upto.min(self.version()));
        if after >= upto {
            return Ok(Vec::new());
        }
        let first = after.saturating_add(1);
        match (range.stream, range.direction) {
            (None, Direction::Forward) => self.take(space, first..=upto, range.limit, bytes),
            (None, Direction::Backward) => {
                self.take(space, (first..=upto).rev(), range.limit, bytes)
            }
            (Some(stream), direction) => {
                let versions = self.streams.get(&stream).map(Vec::as_slice).unwrap_or_default();
                let from = versions.partition_point(|version| *version < first);
                let to = versions.partition_point(|version| *version <= upto);
                let versions = versions.get(from..to).unwrap_or_default().iter().copied();
                match direction {
                    Direction::Forward => self.take(space, versions, range.limit, bytes),
                    Direction::Backward => self.take(space, versions.rev(), range.limit, bytes),
                }
            }
        }
    }

    fn take(
        &self,
        space: &Space,
        versions: impl Iterator<Item = Version>,
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<Record>> {
        let mut taken = Vec::new();
        let mut weight = 0;
        for version in versions.take(limit) {
            let record = usize::try_from(version - 1).ok().and_then(|at| self.records.get(at));
            let record = record.and_then(Option::as_ref);
            let missing = || Error::corrupt(space, version, "the record is missing");
            let record = record.ok_or_else(missing)?;
            if record.version != version {
                let reason = format!("record {} stands in its place", record.version);
                return Err(Error::corrupt(space, version, reason));
            }
            weight += record.weight();
            if weight > bytes && !taken.is_empty() {
                break;
            }
            taken.push(record.clone());
        }
        Ok(taken)
    }
}
