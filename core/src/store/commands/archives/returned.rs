//! Packs: entries that come back from a bundle, and what is erased from them later.

use super::read::Bundle;
use crate::{
    command::{Caller, Needs, SessionOutcome},
    error::{Error, Result},
    id::{SessionId, ThreadId, Version},
    record::{ReturnedBody, ReturnedEntry},
    rules::{
        decision::{ArchiveStep, Reply, Request},
        thread::{Evicted, ThreadState, wrong_journal},
    },
    store::{environment::BLOB_NAMED_WITHIN, inner::StoreInner, sync::Backoff},
};

/// Bytes of entries after which another pack begins; a pack is longer only by its last entry.
const PACK_FROM: usize = 256 << 10;

/// Entries of one pack.
const PACK_ENTRIES: usize = 512;

/// The entries of a pack that is being made.
#[derive(Default)]
struct NextPack {
    entries: Vec<ReturnedEntry>,
    bytes: usize,
}

impl NextPack {
    fn push(&mut self, entry: ReturnedEntry) {
        self.bytes += entry.body.get().len();
        self.entries.push(entry);
    }

    const fn is_full(&self) -> bool {
        self.bytes >= PACK_FROM || self.entries.len() >= PACK_ENTRIES
    }
}

impl StoreInner {
    /// Brings back what was evicted, one pack after the other; answers whether all of it is. If not, somebody else restores
    /// the session, too, or something was erased meanwhile. The bundle was checked.
    pub(super) async fn return_entries(
        &self,
        caller: &Caller,
        session: SessionId,
        state: &ThreadState,
        (mut bundle, evicted): (Bundle<'_>, Evicted),
    ) -> Result<bool> {
        let archive = bundle.archive().version();
        let (mut after, mut next) = (evicted.after, NextPack::default());
        let pack = |after, upto| ArchiveStep::Returned {
            session,
            archive,
            after,
            upto,
            erasures: state.erased.count(),
        };
        while let Some(records) = bundle.next_part().await? {
            for (header, kept) in records {
                let version = header.version;
                let is_back = evicted.holds(version)
                    && header.event.as_entry().is_some()
                    && state.erased.erased_by(version).is_none();
                let Some(body) = kept.body.filter(|_| is_back) else { continue };
                let body = serde_json::from_str(&body).map_err(|_| bundle.altered())?;
                next.push(ReturnedEntry { version, salt: kept.salt, body });
                if next.is_full() && version < evicted.upto {
                    let full = std::mem::take(&mut next).entries;
                    if !self.put_pack(caller, session.thread(), full, pack(after, version)).await? {
                        return Ok(false);
                    }
                    after = version;
                }
            }
        }
        self.put_pack(caller, session.thread(), next.entries, pack(after, evicted.upto)).await
    }

    /// One record of entries; answers whether the step could be taken.
    async fn put_pack(
        &self,
        caller: &Caller,
        thread: ThreadId,
        entries: Vec<ReturnedEntry>,
        step: ArchiveStep,
    ) -> Result<bool> {
        let space = thread.space(&caller.tenant);
        let began = self.options().clock.elapsed();
        let body = ReturnedBody { entries, by: caller.actor.clone() };
        let sealed = self.seal_pack(&space, &body).await?;
        let request = (Request::Archive(step), Needs::default());
        let mut call = self.prepare(caller, &space, request, None).await?;
        call.until = sealed.is_blob().then(|| began.saturating_add(BLOB_NAMED_WITHIN));
        call.bodies = vec![sealed];
        match self.submit(&space, call).await? {
            Reply::Session(SessionOutcome::Changed(_)) => Ok(true),
            Reply::LookAgain => Ok(false),
            _ => Err(wrong_journal()),
        }
    }

    /// Writes the packs of a thread anew that hold what was erased since, and removes those before.
    pub(in crate::store::commands) async fn erase_in_packs(
        &self,
        caller: &Caller,
        thread: ThreadId,
        erased: &[Version],
    ) -> Result<()> {
        let space = thread.space(&caller.tenant);
        let until = self.environment.elapsed().saturating_add(self.patience(caller));
        let mut backoff = Backoff::new();
        loop {
            let fresh = self.fresh(&space).await?;
            let state = fresh.as_thread()?;
            let mut is_done = true;
            for pack in state.returned.packs() {
                if erased.iter().any(|version| state.may_hold(&pack, *version)) {
                    is_done &= self.repack(caller, thread, state, pack.version).await?;
                }
            }
            if is_done {
                return Ok(());
            }
            if self.environment.left(until).is_zero() {
                return Err(Error::contended(&space));
            }
            backoff.pause(&*self.options().clock).await;
        }
    }

    /// Answers whether the pack holds nothing that was erased.
    async fn repack(
        &self,
        caller: &Caller,
        thread: ThreadId,
        state: &ThreadState,
        pack: Version,
    ) -> Result<bool> {
        let space = &thread.space(&caller.tenant);
        // Somebody else wrote it anew.
        let Some(entries) = self.pack_entries(space, pack).await? else { return Ok(false) };
        let is_kept = |it: &ReturnedEntry| state.erased.erased_by(it.version).is_none();
        let all = entries.len();
        let entries: Vec<_> = entries.into_iter().filter(is_kept).collect();
        if entries.len() < all {
            let step = ArchiveStep::Repacked { pack, erasures: state.erased.count() };
            if !self.put_pack(caller, thread, entries, step).await? {
                return Ok(false);
            }
            self.journal().erase(space, &[pack]).await?;
            self.last_pack.clear();
        }
        Ok(true)
    }
}
