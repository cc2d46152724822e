//! Damage on purpose, for tests: objects are written again where they lie, each line whole.

use object_store::PutOptions;
use sessile_core::{
    error::{Error, Result, Subject},
    id::{Space, Version},
    journal::{Record, RecordBody},
};

use super::{Inner, Objects, format::Logged, look};
use crate::tamper::{Damage, flip, flip_bytes, need_reader};

impl Objects {
    /// Damages the record at a version of a space; `NotFound` if there is none. All that this handle knows is forgotten.
    #[doc(hidden)]
    pub async fn tamper(&self, space: &Space, version: Version, damage: Damage) -> Result<()> {
        let done = self.inner.damage(space, version, damage).await;
        self.forget();
        match done? {
            Some(()) => Ok(()),
            None => Err(Error::not_found(Subject::record(space, version))),
        }
    }
}

impl Inner {
    async fn overwrite(&self, key: &object_store::path::Path, bytes: Vec<u8>) -> Result<()> {
        let put = self.store.put_opts(key, bytes.into(), PutOptions::default()).await;
        put.map(|_| ()).map_err(|e| look::unavailable("write an object", e))
    }

    async fn damage(&self, space: &Space, version: Version, damage: Damage) -> Result<Option<()>> {
        let site = &self.site(space);
        let (keys, view) = (&site.keys, self.look(site).await?);
        let mut batches: Vec<Logged> = view.tail.values().map(|b| Logged::clone(b)).collect();
        let mut key = None;
        for segment in &view.manifest.segments {
            if (segment.first..=segment.last).contains(&version)
                && let Some(found) = self.segment(site, segment, false).await?
            {
                batches = Vec::clone(&found);
                key = Some(keys.segment(&segment.name));
            }
        }
        if let (Damage::FlipBody, Some(RecordBody::Blob(name))) =
            (damage, find(&mut batches, version).map(|record| record.body.clone()))
        {
            let blob = keys.blob(&name.0);
            let Some(bytes) = self.get(&blob).await? else { return Ok(None) };
            let mut bytes = bytes.to_vec();
            flip_bytes(&mut bytes);
            return self.overwrite(&blob, bytes).await.map(Some);
        }
        let firsts: Vec<Version> = batches.iter().map(|batch| batch.first).collect();
        if apply(&mut batches, version, damage).is_none() {
            return Ok(None);
        }
        let encode = |batch: &Logged| batch.encode().unwrap_or_default();
        if let Some(key) = key {
            let bytes = batches.iter().flat_map(encode).collect();
            return self.overwrite(&key, bytes).await.map(Some);
        }
        self.delete(firsts.into_iter().map(|first| keys.log(first)).collect()).await?;
        for batch in &batches {
            self.overwrite(&keys.log(batch.first), encode(batch)).await?;
        }
        Ok(Some(()))
    }
}

fn find(batches: &mut [Logged], version: Version) -> Option<&mut Record> {
    batches.iter_mut().flat_map(|batch| &mut batch.records).find(|r| r.version == version)
}

fn apply(batches: &mut [Logged], version: Version, damage: Damage) -> Option<()> {
    match damage {
        Damage::FlipHead => {
            let record = find(batches, version)?;
            record.header = flip(&record.header).into();
        }
        Damage::FlipBody => {
            let record = find(batches, version)?;
            let RecordBody::Inline(text) = &record.body else { return None };
            record.body = RecordBody::Inline(flip(text).into());
        }
        Damage::Swap(with) => {
            let (one, other) = (find(batches, version)?.clone(), find(batches, with)?.clone());
            *find(batches, version)? = Record { version, ..other };
            *find(batches, with)? = Record { version: with, ..one };
        }
        Damage::Drop => {
            let batch = batches.iter_mut().find(|b| (b.first..=b.last).contains(&version))?;
            batch.records.retain(|record| record.version != version);
        }
        Damage::Insert => {
            let copied = find(batches, version.saturating_sub(1).max(1))?.clone();
            for batch in &mut *batches {
                if batch.last >= version {
                    batch.last += 1;
                    batch.first += u64::from(batch.first > version);
                }
                for record in batch.records.iter_mut().filter(|r| r.version >= version) {
                    record.version += 1;
                }
            }
            let inside = |b: &&mut Logged| (b.first..=b.last).contains(&version);
            let batch = batches.iter_mut().find(inside)?;
            let at = usize::try_from(version - batch.first).ok()?;
            batch.records.insert(at.min(batch.records.len()), Record { version, ..copied });
        }
        Damage::Reader(level) => {
            let record = find(batches, version)?;
            record.header = need_reader(&record.header, level).into();
            record.sum = record.fitting_sum();
        }
    }
    Some(())
}
