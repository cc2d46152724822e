//! Making a workspace: claimed, made, given to its session.

use super::{
    check_reference,
    choose::{Chosen, ChosenFor, From, Plan},
};
use crate::{
    command::{Caller, GivenWorkspace, NewWorkspace, SessionOutcome, WorkspaceChoice},
    error::{Error, ErrorKind, Result},
    id::{SessionId, Space, ThreadId, WorkspaceId},
    rules::decision::{GivenUp, MadeWorkspace, Reply, WorkspaceStep},
    store::inner::StoreInner,
    workspace::{WorkspaceDriver, WorkspaceName},
};

impl StoreInner {
    /// Makes a workspace for a session that has none.
    pub(in crate::store::commands) async fn create_workspace(
        &self,
        caller: &Caller,
        session: SessionId,
        new: &NewWorkspace,
    ) -> Result<SessionOutcome> {
        let thread = session.thread();
        let space = thread.space(&caller.tenant);
        let until = self.environment.elapsed().saturating_add(self.patience(caller));
        loop {
            let began = self.environment.elapsed();
            let at = self.fresh_thread(caller, thread).await?;
            at.require_thread()?;
            at.state()?.require_not_archived(thread)?;
            at.require_session(session)?;
            at.state()?.require_lease(thread, session.version(), caller)?;
            self.clear_way(caller, &at, session).await?;
            let caps = self.caps(caller, &space).await?;
            let config = caps.ok_or_else(|| Error::not_found(thread))?.config;
            let state = at.state()?.session(session.version());
            let chosen_for = ChosenFor {
                name: state.and_then(|session| session.name.as_deref()),
                fork: state
                    .and_then(|session| session.base)
                    .map(|base| (SessionId::new(thread, base.session), Some(base.upto))),
            };
            let choice = WorkspaceChoice::Make(new.clone());
            let plan = match self.choose(caller, &at, &choice, &config, chosen_for).await? {
                Chosen::Plan(plan) => plan,
                Chosen::Nothing(given) => return Ok(SessionOutcome::WorkspaceGiven(given)),
            };
            let made = self.make(caller, thread, &plan, Some(session)).await?;
            let id = WorkspaceId::new(thread, made.reserved);
            let name = WorkspaceName::new(plan.label.clone(), self.journal().info().store, id);
            let step = WorkspaceStep::Ready { session, made };
            match self.step(caller, &space, step, began).await {
                Ok(Reply::Session(SessionOutcome::Changed(version))) => {
                    let given = GivenWorkspace::Ready(WorkspaceId::new(thread, version));
                    return Ok(SessionOutcome::WorkspaceGiven(given));
                }
                Err(error) if error.kind() == ErrorKind::Indeterminate => return Err(error),
                reply => {
                    self.abandon(caller, &*plan.driver, &name).await;
                    reply?;
                    if self.environment.left(until).is_zero() {
                        return Err(Error::contended(&space));
                    }
                }
            }
        }
    }

    /// Claims a workspace and has it made; after an error nothing of it is left.
    pub(super) async fn make(
        &self,
        caller: &Caller,
        thread: ThreadId,
        plan: &Plan,
        session: Option<SessionId>,
    ) -> Result<MadeWorkspace> {
        let kind = plan.driver.kind();
        let reserved = if plan.driver.capabilities().in_journal {
            0
        } else {
            let ttl = self.options().workspace_time;
            let step = WorkspaceStep::Reserve {
                session,
                kind: kind.to_owned(),
                label: plan.label.clone(),
                ttl_millis: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
            };
            self.step_version(caller, &thread.space(&caller.tenant), step).await?
        };
        let id = WorkspaceId::new(thread, reserved);
        let name = WorkspaceName::new(plan.label.clone(), self.journal().info().store, id);
        let begun = async {
            let begun = match &plan.from {
                From::Base(base) => {
                    plan.driver.create(&caller.tenant, &name, base.as_deref()).await?
                }
                From::Workspace(source, tree) => {
                    plan.driver.branch(&name, source, tree.as_ref()).await?
                }
            };
            check_reference(kind, &begun.reference)?;
            Ok(begun)
        };
        match self.in_driver_time(caller, begun).await {
            Ok(begun) => {
                let based_on = match &plan.from {
                    From::Workspace(source, None) if reserved == 0 => {
                        Some((source.name.id(), source.reference.clone()))
                    }
                    _ => None,
                };
                let (kind, label) = (kind.to_owned(), plan.label.clone());
                Ok(MadeWorkspace { reserved, kind, label, begun, based_on })
            }
            Err(error) => {
                self.abandon(caller, &*plan.driver, &name).await;
                Err(error)
            }
        }
    }

    /// Removes what was made for nothing, and then its claim; answers whether both are gone. What cannot be removed now stays
    /// claimed, and the reaper finds it.
    pub(super) async fn abandon(
        &self,
        caller: &Caller,
        driver: &dyn WorkspaceDriver,
        name: &WorkspaceName,
    ) -> bool {
        let workspace = name.id();
        if workspace.version() == 0 {
            return true;
        }
        let space: Space = workspace.thread().space(&caller.tenant);
        let given_up = WorkspaceStep::Leaked { workspace, by: GivenUp::Maker };
        if self.step_version(caller, &space, given_up).await.is_ok()
            && self.in_driver_time(caller, driver.dispose(name, true)).await.is_ok()
        {
            let gone = WorkspaceStep::Disposed { workspace, expected: None };
            return self.step(caller, &space, gone, self.environment.elapsed()).await.is_ok();
        }
        false
    }
}
