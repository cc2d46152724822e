//! The reaper: removes what drivers hold and nobody owns (WSP6, WSP7).

use std::sync::Arc;

use crate::{
    command::Caller,
    error::{Error, ErrorKind, Result},
    id::{SpaceKind, ThreadId, WorkspaceId},
    journal::{ListOrder, ListQuery},
    rules::{
        decision::{GivenUp, WorkspaceStep},
        thread::{ThreadState, WorkspaceState},
    },
    store::{answers::list_key, card::ThreadCard, inner::StoreInner},
    workspace::{
        Disposal, Leak, Leaked, Reap, ReapOutcome, Reaped, WorkspaceDriver, WorkspaceName,
    },
};

/// Threads of one page.
const PAGE: usize = 1000;

impl StoreInner {
    /// Compares what the drivers hold of a tenant with what its records claim. The drivers are asked first and the records
    /// after that: what is held was claimed before, so what is not claimed then is leaked.
    pub(in crate::store) async fn reap(&self, caller: &Caller, reap: Reap) -> Result<Vec<Reaped>> {
        let (store, tag) = (self.journal().info().store, caller.tenant.tag());
        let mut found = Vec::new();
        for driver in self.drivers.iter().filter(|driver| !driver.capabilities().in_journal) {
            for name in self.in_driver_time(caller, driver.list(store)).await? {
                let is_ours = name.store() == store && name.id().thread().tag() == tag;
                if is_ours && let Some(reaped) = self.reap_held(caller, driver, name, reap).await? {
                    found.push(reaped);
                }
            }
            for thread in self.in_driver_time(caller, driver.list_snapshots(store)).await? {
                if thread.tag() == tag
                    && let Some(reaped) = self.reap_snapshots(caller, driver, thread, reap).await?
                {
                    found.push(reaped);
                }
            }
        }
        // What is recorded and not held: makers that died before they made anything, and files in the journal.
        for thread in self.threads_where(caller, |card| card.workspaces > 0).await? {
            found.extend(self.reap_records(caller, thread, reap, &found).await?);
        }
        Ok(found)
    }

    /// What a driver holds.
    async fn reap_held(
        &self,
        caller: &Caller,
        driver: &Arc<dyn WorkspaceDriver>,
        name: WorkspaceName,
        reap: Reap,
    ) -> Result<Option<Reaped>> {
        let id = name.id();
        let state = self.fresh(&id.thread().space(&caller.tenant)).await?;
        let state = state.as_thread()?;
        let (why, record) = match state.workspaces.get(&id.version()) {
            Some(it) if &*it.kind != driver.kind() => return Ok(None),
            Some(it) => match self.why_leaked(state, it) {
                Some(why) => (why, Some(it)),
                None => return Ok(None),
            },
            None if state.thread.is_none() => (Leak::ThreadGone, None),
            None => (Leak::NoRecord, None),
        };
        let outcome = match record {
            _ if reap.dry_run => ReapOutcome::Found,
            Some(it) => self.reap_record(caller, id, it, reap.force).await,
            None => {
                outcome_of(self.in_driver_time(caller, driver.dispose(&name, reap.force)).await)
            }
        };
        Ok(Some(Reaped::new(driver.kind(), Leaked::Workspace(name), why, outcome)))
    }

    async fn reap_snapshots(
        &self,
        caller: &Caller,
        driver: &Arc<dyn WorkspaceDriver>,
        thread: ThreadId,
        reap: Reap,
    ) -> Result<Option<Reaped>> {
        if self.journal().head(&thread.space(&caller.tenant)).await?.is_some() {
            return Ok(None);
        }
        let outcome = if reap.dry_run {
            ReapOutcome::Found
        } else {
            let dropped = driver.drop_snapshots(self.journal().info().store, thread);
            let dropped = self.in_driver_time(caller, dropped).await;
            outcome_of(dropped.map(|()| Disposal::Removed))
        };
        let what = Leaked::Snapshots(thread);
        Ok(Some(Reaped::new(driver.kind(), what, Leak::ThreadGone, outcome)))
    }

    /// Leaked workspaces of a thread that were not found before.
    async fn reap_records(
        &self,
        caller: &Caller,
        thread: ThreadId,
        reap: Reap,
        found: &[Reaped],
    ) -> Result<Vec<Reaped>> {
        let state = self.fresh(&thread.space(&caller.tenant)).await?;
        let mut more = Vec::new();
        let state = state.as_thread()?;
        for (version, it) in &state.workspaces {
            let id = WorkspaceId::new(thread, *version);
            let what = Leaked::Workspace(self.workspace_name(id, it));
            let Some(why) = self.why_leaked(state, it) else { continue };
            if found.iter().any(|reaped| reaped.what == what) {
                continue;
            }
            let outcome = if reap.dry_run {
                ReapOutcome::Found
            } else {
                self.reap_record(caller, id, it, reap.force).await
            };
            more.push(Reaped::new(&it.kind, what, why, outcome));
        }
        Ok(more)
    }

    fn why_leaked(&self, state: &ThreadState, it: &WorkspaceState) -> Option<Leak> {
        let session_exists = state.session(it.session).is_some();
        let (now, skew) = (self.options().clock.now(), self.options().max_skew);
        let is_leaked = it.is_leaked(now, skew);
        is_leaked.then_some(match it.was_ready {
            true if session_exists => Leak::GivenUp,
            true => Leak::SessionGone,
            false => Leak::MakerGone,
        })
    }

    /// Takes a workspace from whoever may still come for it, then removes it.
    async fn reap_record(
        &self,
        caller: &Caller,
        id: WorkspaceId,
        it: &WorkspaceState,
        force: bool,
    ) -> ReapOutcome {
        let space = id.thread().space(&caller.tenant);
        let step = WorkspaceStep::Leaked { workspace: id, by: GivenUp::Nobody };
        match self.step_version(caller, &space, step).await {
            Ok(_) => outcome_of(self.remove_workspace(caller, id, it, force).await),
            Err(Error::IllegalTransition { .. } | Error::NotFound { .. }) => ReapOutcome::Claimed,
            Err(error) => ReapOutcome::Failed(error.to_string()),
        }
    }

    /// The threads of a tenant that their cards say this of.
    pub(in crate::store) async fn threads_where(
        &self,
        caller: &Caller,
        is_wanted: impl Fn(&ThreadCard) -> bool,
    ) -> Result<Vec<ThreadId>> {
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
            let rows = self.journal().list(&query).await?;
            let Some(last) = rows.last() else { return Ok(threads) };
            query.after = Some(list_key(last));
            for row in &rows {
                if let Some(thread) = row.space.thread()
                    && is_wanted(&self.thread_card(caller, row).await?)
                {
                    threads.push(thread);
                }
            }
        }
    }
}

fn outcome_of(disposal: Result<Disposal>) -> ReapOutcome {
    match disposal {
        Ok(Disposal::Removed | Disposal::AlreadyGone) => ReapOutcome::Removed,
        Ok(Disposal::Refused) => ReapOutcome::KeptWork,
        Err(error) if error.kind() == ErrorKind::Contended => ReapOutcome::Claimed,
        Err(error) => ReapOutcome::Failed(error.to_string()),
    }
}
