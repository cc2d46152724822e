//! The calls of the journal behind a wire: each is sent to the server, which calls its maps.

use std::{
    collections::HashSet,
    ops::Range,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use sessile_core::{
    Result,
    id::{Space, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Head, Journal, JournalInfo, ListQuery, ListRow, Position,
        ReadRange, Record, Scrub, Snapshot,
    },
};

use super::{Lost, WireMistake, WiredJournal, unavailable};

/// Sends a call with these arguments, of which it takes copies.
macro_rules! ask {
    ($this:ident.$call:ident($($argument:ident),*)) => {{
        $(let $argument = $argument.to_owned();)*
        $this.ask(move |journal| {
            $(let $argument = $argument.clone();)*
            Box::pin(async move { journal.$call($(&$argument),*).await })
        }).await
    }};
}

#[async_trait]
impl Journal for WiredJournal {
    fn info(&self) -> &JournalInfo {
        &self.info
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        ask!(self.head(space))
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        self.check_open()?;
        let mut tried = self.try_commit(space, expected, batch).await;
        if matches!(tried, Err(Lost::Sent)) && self.mistake == WireMistake::SendsAgain {
            tried = self.try_commit(space, expected, batch).await;
        }
        match tried {
            Ok(answer) => answer,
            Err(Lost::Sent) if self.mistake != WireMistake::DeniesLostReplies => {
                Ok(Commit::Indeterminate { source: None })
            }
            Err(_) => Err(unavailable()),
        }
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        ask!(self.read(space, range))
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        ask!(self.save_snapshot(space, snapshot))
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        ask!(self.load_snapshot(space))
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        ask!(self.list(query))
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        let deadline = tokio::time::Instant::now() + time;
        loop {
            if self.head(space).await?.is_some_and(|head| head.position.version > after) {
                return Ok(true);
            }
            if tokio::time::Instant::now() >= deadline {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        let space = space.clone();
        self.ask(move |journal| {
            let space = space.clone();
            Box::pin(async move { journal.drop_space(&space, expected).await })
        })
        .await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        ask!(self.erase(space, versions))
    }

    async fn scrub(&self) -> Result<Scrub> {
        ask!(self.scrub())
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::SeqCst);
        self.idle.lock().expect("no panic inside").clear();
        Ok(())
    }
}

#[async_trait]
impl Blobs for WiredJournal {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        ask!(self.put_blob(space, bytes))
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        let (space, name) = (space.clone(), name.clone());
        self.ask(move |journal| {
            let (space, name, range) = (space.clone(), name.clone(), range.clone());
            Box::pin(async move { journal.get_blob(&space, &name, range).await })
        })
        .await
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        let (space, in_use) = (space.clone(), Arc::new(in_use.clone()));
        self.ask(move |journal| {
            let (space, in_use) = (space.clone(), Arc::clone(&in_use));
            Box::pin(async move { journal.collect_blobs(&space, &in_use, older_than).await })
        })
        .await
    }
}

impl std::fmt::Debug for WiredJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WiredJournal").field("address", &self.address).finish_non_exhaustive()
    }
}
