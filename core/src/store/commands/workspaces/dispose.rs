//! Removing a workspace: what is outside first, then the record.

use crate::{
    command::{Caller, SessionOutcome},
    error::{Error, Result},
    id::{SessionId, Space, WorkspaceId},
    model::{CompletionMode, WorkspaceStatus},
    rules::{
        decision::{GivenUp, Reply, WorkspaceStep},
        thread::WorkspaceState,
    },
    store::{answers::ThreadAtHead, inner::StoreInner},
    workspace::{Disposal, WorkspaceDriver, WorkspaceName},
};

impl StoreInner {
    pub(in crate::store::commands) async fn dispose_workspace(
        &self,
        caller: &Caller,
        id: WorkspaceId,
        force: bool,
    ) -> Result<SessionOutcome> {
        let at = self.fresh_thread(caller, id.thread()).await?;
        let state = at.state()?;
        let Some(it) = state.workspaces.get(&id.version()) else {
            return Ok(SessionOutcome::Disposed(Disposal::AlreadyGone));
        };
        let now = self.options().clock.now();
        if it.status == WorkspaceStatus::Intended && !it.is_leaked(now, self.options().max_skew) {
            return Err(Error::WorkspaceNotReady { workspace: id, status: it.status });
        }
        state.require_lease(at.id(), it.session, caller)?;
        let driver = self.driver_of(it)?;
        if driver.capabilities().in_journal {
            return self
                .remove_workspace(caller, id, it, force)
                .await
                .map(SessionOutcome::Disposed);
        }
        // That it is to be removed is recorded first, so that what a crash leaves is finished by the reaper.
        if !force && it.was_ready {
            let of = self.workspace_ref(caller, id, it);
            let there = self.in_driver_time(caller, driver.inspect(&of)).await?;
            if there.is_some_and(|there| there.dirty) {
                return Ok(SessionOutcome::Disposed(Disposal::Refused));
            }
        }
        let space = id.thread().space(&caller.tenant);
        let by = match it.status {
            WorkspaceStatus::Intended => GivenUp::Nobody,
            _ => GivenUp::Owner { force },
        };
        match self.step_version(caller, &space, WorkspaceStep::Leaked { workspace: id, by }).await {
            // Another disposed of it meanwhile.
            Err(Error::NotFound { .. }) => {
                return Ok(SessionOutcome::Disposed(Disposal::AlreadyGone));
            }
            given_up => given_up?,
        };
        let disposal = self.remove_workspace(caller, id, it, force).await;
        let is_whole = match &disposal {
            Ok(disposal) => *disposal == Disposal::Refused,
            Err(_) => {
                let of = self.workspace_ref(caller, id, it);
                let there = self.in_driver_time(caller, driver.inspect(&of)).await;
                there.is_ok_and(|there| there.is_some())
            }
        };
        if is_whole {
            // Somebody worked in it since it was looked at, or its driver cannot: its owner keeps it, unless that one is gone.
            let kept = WorkspaceStep::Kept { workspace: id };
            let _ = self.step(caller, &space, kept, self.environment.elapsed()).await;
        }
        disposal.map(SessionOutcome::Disposed)
    }

    /// Removes what there is of a workspace that nobody owns, and then its record. In one that never was ready nobody has
    /// worked.
    pub(super) async fn remove_workspace(
        &self,
        caller: &Caller,
        id: WorkspaceId,
        it: &WorkspaceState,
        force: bool,
    ) -> Result<Disposal> {
        let driver = self.driver_of(it)?;
        let force = force || it.force || !it.was_ready;
        let mut expected = None;
        let disposal = if driver.capabilities().in_journal {
            let of = self.workspace_ref(caller, id, it);
            let there = self.in_driver_time(caller, driver.inspect(&of)).await?;
            // What is written since is work.
            expected = (!force).then_some(of.reference);
            match there {
                Some(it) if it.dirty && !force => Disposal::Refused,
                _ => Disposal::Removed,
            }
        } else {
            let name = self.workspace_name(id, it);
            self.in_driver_time(caller, driver.dispose(&name, force)).await?
        };
        if disposal != Disposal::Refused {
            let space = id.thread().space(&caller.tenant);
            let step = WorkspaceStep::Disposed { workspace: id, expected };
            if self.step(caller, &space, step, self.environment.elapsed()).await?
                == Reply::LookAgain
            {
                return Ok(Disposal::Refused);
            }
        }
        Ok(disposal)
    }

    /// Removes the workspace that a session was to get from a maker that is gone.
    pub(super) async fn clear_way(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        session: SessionId,
    ) -> Result<()> {
        let state = at.state()?;
        let Some(id) = at.reading()?.workspace_of(session.version()) else { return Ok(()) };
        let Some(it) = state.workspaces.get(&id.version()) else { return Ok(()) };
        if !it.is_leaked(self.options().clock.now(), self.options().max_skew) {
            return Err(Error::SessionHasWorkspace { session, workspace: id });
        }
        let space = id.thread().space(&caller.tenant);
        let step = WorkspaceStep::Leaked { workspace: id, by: GivenUp::Nobody };
        self.step_version(caller, &space, step).await?;
        self.remove_workspace(caller, id, it, true).await?;
        Ok(())
    }

    /// After a session was deleted: its workspace follows, if nothing would be lost. What stays is leaked, and the reaper
    /// says why.
    pub(in crate::store::commands) async fn follow_session(&self, caller: &Caller, id: SessionId) {
        let space = id.thread().space(&caller.tenant);
        let Ok(state) = self.state(&space, &caller.cached()).await else { return };
        let Ok(state) = state.as_thread() else { return };
        let orphan = state
            .workspaces
            .iter()
            .find(|(_, it)| it.session == id.version() && it.status == WorkspaceStatus::Leaked);
        if let Some((version, it)) = orphan {
            let id = WorkspaceId::new(id.thread(), *version);
            let _ = self.remove_workspace(caller, id, it, false).await;
        }
    }

    /// After a child was summarised: its workspace follows, if its result comes back by reference and nothing would be lost
    /// (SPN7).
    pub(in crate::store::commands) async fn follow_summary(&self, caller: &Caller, id: SessionId) {
        let space = id.thread().space(&caller.tenant);
        let Ok(state) = self.state(&space, &caller.cached()).await else { return };
        let Ok(state) = state.as_thread() else { return };
        let edge = state.session(id.version()).and_then(|it| state.edge(it.parent?));
        if edge.is_none_or(|edge| edge.completion_mode != CompletionMode::SummaryRef) {
            return;
        }
        if let Some(workspace) = state.workspace_of.get(&id.version()) {
            let workspace = WorkspaceId::new(id.thread(), *workspace);
            let _ = self.dispose_workspace(caller, workspace, false).await;
        }
    }

    /// The workspaces of a thread that may be deleted, with their drivers.
    pub(in crate::store::commands) async fn workspaces_of(
        &self,
        caller: &Caller,
        space: &Space,
    ) -> Vec<(std::sync::Arc<dyn WorkspaceDriver>, WorkspaceName)> {
        let Some(thread) = space.thread() else { return Vec::new() };
        let Ok(state) = self.state(space, caller).await else { return Vec::new() };
        let Ok(state) = state.as_thread() else { return Vec::new() };
        let driver = |(version, it): (&u64, &std::sync::Arc<WorkspaceState>)| {
            let id = WorkspaceId::new(thread, *version);
            let driver = self.driver_of(it).ok()?;
            (!driver.capabilities().in_journal).then(|| (driver, self.workspace_name(id, it)))
        };
        state.workspaces.iter().filter_map(driver).collect()
    }

    /// After a thread was deleted: its workspaces follow, if nothing would be lost.
    pub(in crate::store::commands) async fn follow_thread(
        &self,
        caller: &Caller,
        workspaces: Vec<(std::sync::Arc<dyn WorkspaceDriver>, WorkspaceName)>,
    ) {
        for (driver, name) in workspaces {
            let _ = self.in_driver_time(caller, driver.dispose(&name, false)).await;
        }
    }
}
