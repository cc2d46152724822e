//! A journal that alters the calls to another, or their answers.

use std::{
    collections::{BTreeMap, HashSet},
    future::Future,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use sessile_core::{
    Result,
    id::{Space, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Head, Journal, JournalInfo, ListQuery, ListRow, Position,
        ReadRange, Record, RecordBody, Scrub, Snapshot,
    },
};

/// How calls and answers are altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alteration {
    /// The middle byte of each blob read is wrong, as from a bad disk.
    FlipsBlobs,
    /// A letter in the middle of each inline body read is another one, as from a bad disk.
    FlipsTexts,
    /// The head is answered from what this process has read and written, whatever others have written since.
    CachesHeads,
    /// Not at all, but every call yields once before and once after it is passed on, so that it can be dropped there.
    Yields,
    /// Blobs are collected however young they are.
    CollectsAtOnce,
}

type Heads = BTreeMap<(u128, Space), Head>;

/// The heads that this process knows, by any of its handles.
fn kept() -> MutexGuard<'static, Heads> {
    static KEPT: Mutex<Heads> = Mutex::new(BTreeMap::new());
    KEPT.lock().expect("no panic inside")
}

/// Flips the lowest bit of the first letter or digit in the second half of a body.
fn flip(record: &mut Record) {
    let RecordBody::Inline(text) = &record.body else { return };
    let half = text.len() / 2;
    let at = text.bytes().skip(half).position(|byte| byte.is_ascii_alphanumeric());
    let mut bytes = text.as_bytes().to_vec();
    if let Some(byte) = at.and_then(|at| bytes.get_mut(half + at)) {
        *byte ^= 1;
    }
    record.body = RecordBody::Inline(String::from_utf8(bytes).expect("still ASCII there").into());
}

/// Passes every call on.
#[derive(Debug)]
pub struct AlteringJournal {
    inner: Arc<dyn Journal>,
    alteration: Alteration,
}

impl AlteringJournal {
    /// Over this journal.
    pub fn over(inner: Arc<dyn Journal>, alteration: Alteration) -> Self {
        Self { inner, alteration }
    }

    async fn pass<T>(&self, call: impl Future<Output = T> + Send) -> T {
        self.give_way().await;
        let answer = call.await;
        self.give_way().await;
        answer
    }

    fn keep(&self, space: &Space, head: Option<&Head>) {
        let Some(head) = head.filter(|_| self.alteration == Alteration::CachesHeads) else {
            return;
        };
        let mut kept = kept();
        let place = (self.inner.info().store, space.clone());
        let known = kept.entry(place).or_insert_with(|| head.clone());
        if known.position.version < head.position.version {
            *known = head.clone();
        }
    }

    async fn give_way(&self) {
        if self.alteration == Alteration::Yields {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Journal for AlteringJournal {
    fn info(&self) -> &JournalInfo {
        self.inner.info()
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        if self.alteration == Alteration::CachesHeads
            && let Some(head) = kept().get(&(self.inner.info().store, space.clone()))
        {
            return Ok(Some(head.clone()));
        }
        let head = self.pass(self.inner.head(space)).await?;
        self.keep(space, head.as_ref());
        Ok(head)
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        let answer = self.pass(self.inner.commit(space, expected, batch)).await?;
        match &answer {
            Commit::Done if self.alteration == Alteration::CachesHeads => {
                self.keep(space, self.inner.head(space).await?.as_ref());
            }
            Commit::HeadMoved { head, .. } => self.keep(space, head.as_ref()),
            _ => {}
        }
        Ok(answer)
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        let mut records = self.pass(self.inner.read(space, range)).await?;
        if self.alteration == Alteration::FlipsTexts {
            records.iter_mut().for_each(flip);
        }
        Ok(records)
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.pass(self.inner.save_snapshot(space, snapshot)).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.pass(self.inner.load_snapshot(space)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        self.pass(self.inner.list(query)).await
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        self.pass(self.inner.wait(space, after, time)).await
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.pass(self.inner.drop_space(space, expected)).await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        self.pass(self.inner.erase(space, versions)).await
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.pass(self.inner.scrub()).await
    }

    async fn close(&self) -> Result<()> {
        self.pass(self.inner.close()).await
    }
}

#[async_trait]
impl Blobs for AlteringJournal {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.pass(self.inner.put_blob(space, bytes)).await
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        let mut bytes = self.pass(self.inner.get_blob(space, name, range)).await?;
        let middle = bytes.len() / 2;
        if self.alteration == Alteration::FlipsBlobs
            && let Some(byte) = bytes.get_mut(middle)
        {
            *byte ^= 1;
        }
        Ok(bytes)
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        let older_than = match self.alteration {
            Alteration::CollectsAtOnce => Duration::ZERO,
            _ => older_than,
        };
        self.pass(self.inner.collect_blobs(space, in_use, older_than)).await
    }
}
