//! How do I put a store on a journal of my own?
//!
//! Implement `Journal`, and make a `Store` of it. This journal passes every call on to another one and counts them; yours
//! keeps the records somewhere. The laws it must obey stand at the trait, and the conformance suite judges it.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use sessile::journal::{
    Batch, BlobName, Blobs, Commit, Head, Journal, JournalInfo, ListQuery, ListRow, Position,
    ReadRange, Record, Scrub, Snapshot,
};
use sessile::prelude::*;
use sessile::{
    Memory,
    id::{Space, Version},
};

/// A journal that counts the calls it hands on.
#[derive(Debug)]
struct Counting {
    below: Arc<dyn Journal>,
    calls: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counting {
    fn new(below: Arc<dyn Journal>) -> Self {
        Self { below, calls: Mutex::default() }
    }

    fn count(&self, call: &'static str) {
        if let Ok(mut calls) = self.calls.lock() {
            *calls.entry(call).or_default() += 1;
        }
    }
}

#[async_trait]
impl Journal for Counting {
    fn info(&self) -> &JournalInfo {
        self.below.info()
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        self.count("head");
        self.below.head(space).await
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        self.count("commit");
        self.below.commit(space, expected, batch).await
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        self.count("read");
        self.below.read(space, range).await
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.count("save_snapshot");
        self.below.save_snapshot(space, snapshot).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.count("load_snapshot");
        self.below.load_snapshot(space).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        self.count("list");
        self.below.list(query).await
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        self.count("wait");
        self.below.wait(space, after, time).await
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.count("drop_space");
        self.below.drop_space(space, expected).await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        self.count("erase");
        self.below.erase(space, versions).await
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.count("scrub");
        self.below.scrub().await
    }

    async fn close(&self) -> Result<()> {
        self.count("close");
        self.below.close().await
    }
}

#[async_trait]
impl Blobs for Counting {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.count("put_blob");
        self.below.put_blob(space, bytes).await
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        self.count("get_blob");
        self.below.get_blob(space, name, range).await
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        self.count("collect_blobs");
        self.below.collect_blobs(space, in_use, older_than).await
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let journal = Arc::new(Counting::new(Arc::new(Memory::new(1))));
    let store = Store::new(journal.clone(), sessile::options());
    let ann = store.caller("acme", Actor::user("ann"))?;

    let project = ann.create_project("website").await?;
    let thread = ann.create_thread(project, "fix the login").await?;
    let coder = ann.create_session(thread, "coder").await?;
    for i in 0..100 {
        ann.append(coder, user(format!("message {i}"))).await?;
    }
    store.close().await?;

    // A hundred appends are a hundred commits, and in steady state nothing is read for them.
    if let Ok(calls) = journal.calls.lock() {
        for (call, times) in calls.iter() {
            println!("{call:>14} {times:>4}");
        }
    }
    Ok(())
}
