//! Reading the current state of a space from the store: a look.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{Error as StoreError, ObjectStoreExt as _, path::Path};
use sessile_core::{
    error::{Error, Result},
    id::Version,
    journal::{Direction, ReadRange, Record},
};

use super::{
    Inner,
    format::{Logged, Manifest, Segment},
    keys::{JournalKey, part},
    site::Site,
    view::{Moment, View},
};
use sessile_driver::check;

/// Requests that one look has under way.
const PARALLEL: usize = 16;
/// Looks that are begun anew because objects went while they were read. Each has seen a manifest that is gone since.
const LOOKS: usize = 16;

/// The error of a request that failed.
pub(super) fn unavailable(what: &str, error: StoreError) -> Error {
    Error::unavailable(format!("cannot {what}: the object store fails"), error)
}

impl Inner {
    /// The bytes of an object; `None` if there is none.
    pub(super) async fn get(&self, key: &Path) -> Result<Option<Bytes>> {
        let got = match self.store.get(key).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        match got {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(unavailable("read an object", error)),
        }
    }

    /// The keys below a folder.
    pub(super) async fn keys_below(&self, folder: &Path) -> Result<Vec<Path>> {
        let all = self.store.list(Some(folder)).map_ok(|meta| meta.location);
        all.try_collect().await.map_err(|e| unavailable("list objects", e))
    }

    /// Deletes objects; what is gone already is fine. All are tried, whatever becomes of one.
    pub(super) async fn delete(&self, keys: Vec<Path>) -> Result<()> {
        let deleting = stream::iter(keys).map(Ok).boxed();
        let mut deleted = self.store.delete_stream(deleting);
        let mut failed = Ok(());
        while let Some(done) = deleted.next().await {
            match done {
                Ok(_) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => failed = Err(unavailable("delete an object", error)),
            }
        }
        failed
    }

    /// The space as it is now: one listing, and each object that is not known yet.
    pub(super) async fn look(&self, site: &Site) -> Result<Arc<View>> {
        self.look_and_list(site).await.map(|(view, _)| view)
    }

    /// A look, and the keys of the journal's objects that it listed.
    pub(super) async fn look_and_list(&self, site: &Site) -> Result<(Arc<View>, Vec<Path>)> {
        let mut failed = Err(0);
        for _ in 0..LOOKS {
            let begun = self.options.clock.elapsed();
            let listed = self.keys_below(&site.keys.journal()).await?;
            match self.try_look(site, &listed).await? {
                Ok((manifest, tail)) => {
                    let now = self.options.clock.elapsed();
                    if now.saturating_sub(begun) >= self.options.grace / 2 {
                        // What was listed first may have been folded and deleted before the rest was.
                        failed = Ok(());
                        continue;
                    }
                    let (proved, looked) = (Moment::at(begun), Moment::at(begun));
                    let view = site.cell.learn(View { manifest, tail, proved, looked }, now);
                    self.kept.trim();
                    return Ok((view, listed));
                }
                Err(version) => failed = Err(version),
            }
        }
        Err(match failed {
            Ok(()) => {
                let reason = "the object store answers too slowly: one look takes half of `grace_seconds`; try again";
                Error::failed(reason)
            }
            Err(version) => site.damaged(version, "an object of the log is missing"),
        })
    }

    /// `Err(version)`: an object that was listed is gone. It was folded meanwhile, or it is missing.
    async fn try_look(
        &self,
        site: &Site,
        listed: &[Path],
    ) -> Result<Result<(Arc<Manifest>, BTreeMap<Version, Arc<Logged>>), Version>> {
        let (keys, known) = (&site.keys, site.cell.view());
        let (mut newest, mut firsts) = (0, Vec::new());
        for key in listed {
            match part(key) {
                Some(JournalKey::Manifest(n)) => newest = newest.max(n),
                Some(JournalKey::Log(first)) => firsts.push(first),
                Some(JournalKey::Segment(..)) | None => {}
            }
        }
        let manifest = match &known {
            Some(known) if known.manifest.n == newest => known.manifest.clone(),
            _ if newest == 0 => Arc::default(),
            _ => match self.get(&keys.manifest(newest)).await? {
                Some(bytes) => Arc::new(
                    Manifest::decode(&bytes)
                        .filter(|manifest| manifest.n == newest)
                        .ok_or_else(|| site.damaged(1, "the manifest is damaged"))?,
                ),
                None => return Ok(Err(1)),
            },
        };
        firsts.retain(|first| *first > manifest.boundary);
        if manifest.dropped {
            firsts.clear();
        }
        let of_known = |first: &Version| {
            let known = known.as_ref()?;
            Some((*first, known.tail.get(first)?.clone()))
        };
        let mut tail: BTreeMap<_, _> = firsts.iter().filter_map(of_known).collect();
        firsts.retain(|first| !tail.contains_key(first));
        let mut reading = stream::iter(firsts)
            .map(|first| async move { (first, self.get(&keys.log(first)).await) })
            .buffer_unordered(PARALLEL);
        while let Some((first, bytes)) = reading.next().await {
            let Some(bytes) = bytes? else { return Ok(Err(first)) };
            tail.insert(first, Arc::new(decode_log(site, first, &bytes)?));
        }
        // A listing may miss an object that came while it went on, and have a later one.
        let mut next = manifest.boundary + 1;
        while let Some(last) = tail.values().next_back().map(|logged| logged.last)
            && next <= last
        {
            let known = tail.get(&next).map(|logged| logged.last);
            let end = match known {
                Some(end) => end,
                None => {
                    let Some(bytes) = self.get(&keys.log(next)).await? else {
                        return Ok(Err(next));
                    };
                    let logged = decode_log(site, next, &bytes)?;
                    let end = logged.last;
                    tail.insert(next, Arc::new(logged));
                    end
                }
            };
            next = end + 1;
        }
        Ok(Ok((manifest, tail)))
    }

    /// The batches of a segment; `None` if it is gone. What is kept is given only if `may_keep`: who looked just now knows
    /// that it still counts.
    pub(super) async fn segment(
        &self,
        site: &Site,
        segment: &Segment,
        may_keep: bool,
    ) -> Result<Option<Arc<Vec<Logged>>>> {
        if may_keep && let Some(kept) = self.kept.segment(&segment.name) {
            return Ok(Some(kept));
        }
        let key = site.keys.segment(&segment.name);
        let Some(bytes) = self.get(&key).await? else { return Ok(None) };
        let batches = Logged::decode_all(&bytes)
            .filter(|all| all.first().is_some_and(|batch| batch.first == segment.first))
            .ok_or_else(|| site.damaged(segment.first, "a segment is damaged"))?;
        let batches = Arc::new(batches);
        self.kept.keep_segment(&segment.name, batches.clone());
        Ok(Some(batches))
    }

    /// Records of a range. Where all of it lies in one segment that is not kept, reading that is the look: it is deleted
    /// before an erasure is acknowledged.
    pub(super) async fn read(&self, site: &Site, range: &ReadRange) -> Result<Vec<Record>> {
        let mut lost = 0;
        for attempt in 0..LOOKS {
            let known = site.cell.view().filter(|view| {
                attempt == 0 && range.upto <= view.manifest.boundary && !view.dropped() && {
                    let kept = |s: &Segment| self.kept.segment(&s.name).is_some();
                    !view.manifest.segments.iter().any(kept)
                }
            });
            let view = match known {
                Some(view) => view,
                None => self.look(site).await?,
            };
            if view.dropped() {
                return Ok(Vec::new());
            }
            match self.read_view(site, &view, range).await? {
                Ok(records) => return Ok(records),
                Err(version) => lost = version,
            }
            site.cell.forget();
        }
        Err(site.damaged(lost, "a segment is missing"))
    }

    async fn read_view(
        &self,
        site: &Site,
        view: &View,
        range: &ReadRange,
    ) -> Result<Result<Vec<Record>, Version>> {
        let mut taking = Taking::new(range, self.info.limits.batch_bytes);
        let tail: Vec<&Logged> = view.tail.values().map(|logged| &**logged).collect();
        let mut segments: Vec<&Segment> = view
            .manifest
            .segments
            .iter()
            .filter(|s| s.last > range.after && s.first <= range.upto)
            .collect();
        if range.direction == Direction::Backward {
            segments.reverse();
            if !taking.take_all(site, tail.iter().copied())? {
                return Ok(Ok(taking.taken));
            }
        }
        for segment in segments {
            let Some(batches) = self.segment(site, segment, true).await? else {
                return Ok(Err(segment.first));
            };
            if !taking.take_all(site, batches.iter())? {
                return Ok(Ok(taking.taken));
            }
        }
        if range.direction == Direction::Forward {
            taking.take_all(site, tail.iter().copied())?;
        }
        Ok(Ok(taking.taken))
    }
}

/// The batch of a log object.
pub(super) fn decode_log(site: &Site, first: Version, bytes: &[u8]) -> Result<Logged> {
    Logged::decode(bytes)
        .filter(|logged| logged.first == first)
        .ok_or_else(|| site.damaged(first, "an object of the log is damaged"))
}

/// Takes what a range asks for, until it is enough.
struct Taking<'a> {
    range: &'a ReadRange,
    bytes: usize,
    taken: Vec<Record>,
    weight: usize,
}

impl<'a> Taking<'a> {
    const fn new(range: &'a ReadRange, bytes: usize) -> Self {
        Self { range, bytes, taken: Vec::new(), weight: 0 }
    }

    /// Takes from batches in ascending order, from the range's end; `false`: it is enough.
    fn take_all<'b>(
        &mut self,
        site: &Site,
        batches: impl DoubleEndedIterator<Item = &'b Logged>,
    ) -> Result<bool> {
        if self.range.direction == Direction::Forward {
            self.take_batches(site, batches, |batch| Box::new(batch.records.iter()))
        } else {
            self.take_batches(site, batches.rev(), |batch| Box::new(batch.records.iter().rev()))
        }
    }

    fn take_batches<'b>(
        &mut self,
        site: &Site,
        batches: impl Iterator<Item = &'b Logged>,
        records: impl Fn(&'b Logged) -> Box<dyn Iterator<Item = &'b Record> + 'b>,
    ) -> Result<bool> {
        let (after, upto) = (self.range.after, self.range.upto);
        for batch in batches.filter(|batch| batch.last > after && batch.first <= upto) {
            if let Some(version) = batch.missing() {
                return Err(site.damaged(version, "the record is missing"));
            }
            if !records(batch).all(|record| self.take(record)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// `false`: it is enough.
    fn take(&mut self, record: &Record) -> bool {
        let range = self.range;
        if self.taken.len() >= range.limit {
            return false;
        }
        let is_wanted = record.version > range.after
            && record.version <= range.upto
            && range.stream.is_none_or(|stream| stream == record.stream);
        if is_wanted {
            self.weight += record.weight();
            if self.weight > self.bytes && !self.taken.is_empty() {
                return false;
            }
            self.taken.push(record.clone());
        }
        true
    }
}

/// The records that `HeadMoved` brings, if they are few and in the tail.
pub(super) fn since(view: &View, range: &ReadRange) -> Vec<Record> {
    let records = view.tail_after(range.after).take(check::SINCE_RECORDS + 1);
    records.cloned().collect()
}
