//! Forgetting a person: erases what they wrote, in all threads of a tenant (ERA1).
//!
//! What a copy repeats is erased after the copy, so that whoever is stopped in between finds the copy again.

mod written;

use std::collections::BTreeMap;

use self::written::Written;
use crate::{
    archive::{CollectBundles, CollectOutcome},
    command::{Caller, Forget, ForgetOutcome, Forgotten, Needs},
    error::{Error, Result},
    id::{SessionId, SpaceKind, ThreadId, Version},
    journal::{ListOrder, ListQuery},
    rules::{
        decision::{Reply, Request},
        thread::{ThreadState, wrong_journal},
    },
    store::{answers::list_key, inner::StoreInner, sync::Backoff},
};

/// Versions of one erasure.
const PIECE: usize = 1024;
/// Threads of one list.
const PAGE: usize = 500;
/// How often what came meanwhile is read, at most: who writes all the time is not waited for.
const ROUNDS: usize = 16;

impl StoreInner {
    pub(in crate::store) async fn forget(
        &self,
        caller: &Caller,
        forget: Forget,
    ) -> Result<Vec<Forgotten>> {
        let mut forgotten = Vec::new();
        for thread in self.threads_of(caller).await? {
            let mut written = Written::of(&forget.user);
            let done = Box::pin(self.forget_in(caller, thread, forget.dry_run, &mut written)).await;
            let outcome = match done {
                Ok(()) if written.is_nothing() => continue,
                Ok(()) if forget.dry_run => ForgetOutcome::Found,
                Ok(()) => ForgetOutcome::Erased,
                // It was deleted since it was listed.
                Err(Error::NotFound { .. }) => continue,
                Err(error) => ForgetOutcome::Failed(error.to_string()),
            };
            forgotten.push(written.told(thread, outcome));
        }
        if !forget.dry_run {
            Box::pin(self.forget_bundles(caller, &mut forgotten)).await?;
        }
        Ok(forgotten)
    }

    /// All threads of a tenant, by id. Their cards are not read: a thread that is damaged is as good as any.
    async fn threads_of(&self, caller: &Caller) -> Result<Vec<ThreadId>> {
        let mut query = ListQuery {
            tenant: caller.tenant.clone(),
            kind: SpaceKind::Thread,
            project: None,
            order: ListOrder::Id,
            after: None,
            limit: PAGE,
        };
        let mut threads = Vec::new();
        loop {
            let list = async { self.journal().list(&query).await };
            let rows = self.within(self.patience(caller), list).await?;
            let Some(last) = rows.last() else { return Ok(threads) };
            threads.extend(rows.iter().filter_map(|row| row.space.thread()));
            query.after = Some(list_key(last));
        }
    }

    async fn forget_in(
        &self,
        caller: &Caller,
        thread: ThreadId,
        dry_run: bool,
        written: &mut Written<'_>,
    ) -> Result<()> {
        let space = thread.space(&caller.tenant);
        self.find_written(caller, thread, written).await?;
        let by_session = written.by_session();
        // Refused before anything is erased, as a single erasure is.
        let fresh = self.fresh(&space).await?;
        self.archived_among(fresh.as_thread()?, thread, by_session)?;
        if dry_run {
            return Ok(());
        }
        let until = self.environment.elapsed().saturating_add(self.patience(caller));
        let mut backoff = Backoff::new();
        let mut rounds = 0;
        loop {
            let is_done = self.erase_found(caller, thread, written).await?;
            self.find_written(caller, thread, written).await?;
            match is_done {
                true if written.is_all_erased() || rounds == ROUNDS => break,
                true => rounds += 1,
                false if self.environment.left(until).is_zero() => {
                    return Err(Error::contended(&space));
                }
                false => backoff.pause(&*self.options().clock).await,
            }
        }
        let unfinished: Vec<Version> = written.unfinished.keys().copied().collect();
        for piece in unfinished.chunks(PIECE) {
            self.within(self.patience(caller), self.erase_payloads(caller, thread, piece)).await?;
        }
        let by_session = written.by_session();
        let fresh = self.fresh(&space).await?;
        let archived = self.archived_among(fresh.as_thread()?, thread, by_session.clone())?;
        self.erase_in_bundles(caller, thread, archived).await?;
        let fresh = self.fresh(&space).await?;
        self.none_is_being_archived(fresh.as_thread()?, thread, &by_session)
    }

    /// Erases what was found, the newest first. `false` if somebody wrote to the thread since it was read, and that must be read
    /// before.
    async fn erase_found(
        &self,
        caller: &Caller,
        thread: ThreadId,
        written: &mut Written<'_>,
    ) -> Result<bool> {
        let space = &thread.space(&caller.tenant);
        loop {
            let (versions, unless_after) = written.newest(PIECE);
            if versions.is_empty() {
                return Ok(true);
            }
            let request = Request::Forget { versions: versions.clone(), unless_after };
            match self.call(caller, space, request, Needs::default()).await? {
                Reply::Erased { .. } => {}
                Reply::LookAgain => return Ok(false),
                _ => return Err(wrong_journal()),
            }
            // The record stands: from here on they are unfinished, until their payloads are gone.
            self.within(self.patience(caller), self.erase_payloads(caller, thread, &versions))
                .await?;
            written.erased(&versions);
        }
    }

    /// What was erased is in no bundle that may still be committed; but whoever began one before has bytes of it in the archive,
    /// until it gives up, or is late and the collector comes.
    fn none_is_being_archived(
        &self,
        state: &ThreadState,
        thread: ThreadId,
        by_session: &BTreeMap<Version, Vec<Version>>,
    ) -> Result<()> {
        let (now, skew) = (self.options().clock.now(), self.options().max_skew);
        for (session, versions) in by_session {
            let reserved = state.session(*session).and_then(|it| it.archiving.as_deref());
            let Some(reserved) = reserved.filter(|it| !it.has_expired(now, skew)) else { continue };
            if versions.iter().any(|it| written::is_in(state, *it, reserved.archive)) {
                let session = SessionId::new(thread, *session);
                return Err(Error::failed(format!("a bundle of {session} is being written")));
            }
        }
        Ok(())
    }

    /// Removes bundles that belong to nothing: they may hold what was erased.
    async fn forget_bundles(&self, caller: &Caller, forgotten: &mut Vec<Forgotten>) -> Result<()> {
        let collected = match self.collect_bundles(caller, CollectBundles::new()).await {
            Ok(collected) => collected,
            Err(error) if forgotten.is_empty() => return Err(error),
            Err(error) => {
                let why = error.to_string();
                let erased = forgotten.iter_mut().filter(|it| it.outcome == ForgetOutcome::Erased);
                erased.for_each(|it| it.outcome = ForgetOutcome::Failed(why.clone()));
                return Ok(());
            }
        };
        for it in collected {
            let CollectOutcome::Failed(why) = it.outcome else { continue };
            let thread = it.archive.thread();
            match forgotten.binary_search_by_key(&thread, |it| it.thread) {
                Ok(at) => {
                    let told =
                        forgotten.get_mut(at).filter(|it| it.outcome == ForgetOutcome::Erased);
                    told.into_iter().for_each(|it| it.outcome = ForgetOutcome::Failed(why.clone()));
                }
                Err(at) => forgotten.insert(at, Forgotten::failed(thread, why)),
            }
        }
        Ok(())
    }
}
