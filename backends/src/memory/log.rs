//! One space: its records, snapshot and blobs.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use sessile_core::{
    clock::Timestamp,
    error::Result,
    id::{ProjectId, Space, Version},
    journal::{
        Batch, BlobName, Commit, Direction, Head, Position, ReadRange, Record, RecordBody,
        Snapshot, Stream,
    },
};

use sessile_driver::{check, clock, index::Index, lock};

/// A space. Locks are taken in the order log, index, head; so that a commit and a list do not deadlock.
#[derive(Default)]
pub(super) struct SpaceCell {
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
    /// Version 1 first.
    records: Vec<Record>,
    streams: HashMap<Stream, Vec<Version>>,
    snapshot: Option<Snapshot>,
    blobs: HashMap<BlobName, (Instant, Arc<[u8]>)>,
}

impl SpaceCell {
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
        if let Some(refusal) = self.refusal(&log, expected) {
            return Ok(refusal);
        }
        let Some(end) = batch.end() else { return Ok(Commit::Done) };
        let first = log.position.is_none();
        log.records.reserve(batch.records.len());
        for record in &batch.records {
            log.streams.entry(record.stream).or_default().push(record.version);
            log.records.push(record.clone());
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

    /// The answer if the head is not as expected.
    fn refusal(&self, log: &Log, expected: Option<Position>) -> Option<Commit> {
        let refusal: Result<Option<Commit>, Infallible> = check::refusal(
            log.dropped,
            log.position,
            expected,
            || Ok(lock(&self.head).clone()),
            |range| Ok(log.read(range, check::SINCE_BYTES)),
        );
        let Ok(refusal) = refusal;
        refusal
    }

    pub(super) fn read(&self, range: &ReadRange, bytes: usize) -> Vec<Record> {
        lock(&self.log).read(range, bytes)
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
        if let Some(refusal) = self.refusal(&log, expected) {
            return Ok(refusal);
        }
        let gone = std::mem::replace(&mut *log, Log { dropped: true, ..Log::default() });
        let mut index = lock(index);
        index.remove(space, gone.project, gone.updated);
        *lock(&self.head) = None;
        Ok(Commit::Done)
    }

    /// Keeps a snapshot, unless there is a newer one of a version that exists. A space without a commit keeps none.
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

    /// Keeps a blob. A dropped space keeps none: it gets no more records, so none can name it.
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
            let Some(record) = log.record_mut(*version) else { continue };
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

    fn record_mut(&mut self, version: Version) -> Option<&mut Record> {
        self.records.get_mut(usize::try_from(version.checked_sub(1)?).ok()?)
    }

    fn read(&self, range: &ReadRange, bytes: usize) -> Vec<Record> {
        let (after, upto) = (range.after, range.upto.min(self.version()));
        if after >= upto {
            return Vec::new();
        }
        let first = after.saturating_add(1);
        match (range.stream, range.direction) {
            (None, Direction::Forward) => self.take(first..=upto, range.limit, bytes),
            (None, Direction::Backward) => self.take((first..=upto).rev(), range.limit, bytes),
            (Some(stream), direction) => {
                let versions = self.streams.get(&stream).map(Vec::as_slice).unwrap_or_default();
                let from = versions.partition_point(|version| *version < first);
                let to = versions.partition_point(|version| *version <= upto);
                let versions = versions.get(from..to).unwrap_or_default().iter().copied();
                match direction {
                    Direction::Forward => self.take(versions, range.limit, bytes),
                    Direction::Backward => self.take(versions.rev(), range.limit, bytes),
                }
            }
        }
    }

    fn take(
        &self,
        versions: impl Iterator<Item = Version>,
        limit: usize,
        bytes: usize,
    ) -> Vec<Record> {
        let mut taken = Vec::new();
        let mut weight = 0;
        for version in versions.take(limit) {
            let record = usize::try_from(version - 1).ok().and_then(|at| self.records.get(at));
            let Some(record) = record else { break };
            weight += record.weight();
            if weight > bytes && !taken.is_empty() {
                break;
            }
            taken.push(record.clone());
        }
        taken
    }
}
