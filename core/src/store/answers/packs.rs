//! Packs: records that hold entries which were evicted and are back.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use super::at_head::Payload;
use crate::{
    error::{Error, Result},
    id::{Space, Version},
    record::{Opened, ReturnedBody, ReturnedEntry, body_digest, check_body},
    store::{inner::StoreInner, sync::lock},
};

/// The entries of a pack, by version.
type Entries = HashMap<Version, ReturnedEntry>;

/// The pack that was read last: a page of a log reads one many times.
#[derive(Debug, Default)]
pub(in crate::store) struct LastPack(Mutex<Option<(Space, Version, Arc<Entries>)>>);

impl LastPack {
    fn get(&self, space: &Space, pack: Version) -> Option<Arc<Entries>> {
        let last = lock(&self.0);
        let (_, _, entries) = last.as_ref().filter(|(of, it, _)| of == space && *it == pack)?;
        Some(Arc::clone(entries))
    }

    /// Forgets it: something may have been erased from it.
    pub(in crate::store) fn clear(&self) {
        *lock(&self.0) = None;
    }
}

impl StoreInner {
    /// The body of an entry that is in a pack; `None` if the pack does not have it.
    pub(super) async fn returned(
        &self,
        space: &Space,
        pack: Version,
        opened: &Opened,
    ) -> Result<Option<Payload>> {
        let entries = match self.last_pack.get(space, pack) {
            Some(entries) => entries,
            None => {
                let read = self.pack_entries(space, pack).await?;
                let Some(read) = read else { return Ok(None) };
                let entries: Entries = read.into_iter().map(|it| (it.version, it)).collect();
                let entries = Arc::new(entries);
                *lock(&self.last_pack.0) = Some((space.clone(), pack, Arc::clone(&entries)));
                entries
            }
        };
        let version = opened.header.version;
        let Some(entry) = entries.get(&version) else { return Ok(None) };
        let (salt, text) = (entry.salt.to_be_bytes(), entry.body.get());
        if body_digest(&salt, text.as_bytes()) != opened.header.digest {
            return Err(Error::corrupt(space, version, "the body does not match its digest"));
        }
        Ok(Some(Payload::Here { salt, text: text.into() }))
    }

    /// What a pack holds; `None` if it was erased.
    pub(in crate::store) async fn pack_entries(
        &self,
        space: &Space,
        pack: Version,
    ) -> Result<Option<Vec<ReturnedEntry>>> {
        let corrupt = |reason: String| Error::corrupt(space, pack, reason);
        let opened = self.record_at(space, pack).await?;
        let opened = opened.ok_or_else(|| corrupt("the record is missing".into()))?;
        let Some(text) = self.body_text(space, &opened).await? else { return Ok(None) };
        check_body(space, &opened, text.as_bytes())?;
        let body: ReturnedBody = serde_json::from_str(&text).map_err(|e| corrupt(e.to_string()))?;
        Ok(Some(body.entries))
    }
}
