//! Making a workspace: claimed, made, given to its session.

use super::{
    check_reference,
    choose::{Chosen, ChosenFor, From, Plan},
};
use crate::{
    command::{
        Caller, CreatedSession, GivenWorkspace, Needs, NewSession, NewWorkspace, SessionCommand,
        SessionOutcome, WorkspaceChoice,
    },
    error::{Error, ErrorKind, Result},
    id::{SessionId, Space, ThreadId, WorkspaceId},
    rules::decision::{
        Gathering, GivenUp, MadeWorkspace, Provision, Reply, Request, WorkspaceStep,
    },
    store::{commands::session_outcome, inner::StoreInner},
    workspace::{WorkspaceDriver, WorkspaceName},
};

impl StoreInner {
    /// Creates a session that may get a workspace. Where it gets one, both are there or neither: the session is created when
    /// the workspace is made, and the workspace is made when nothing else is in the way of the session.
    pub(in crate::store::commands) async fn create_session(
        &self,
        caller: &Caller,
        thread: ThreadId,
        new: &NewSession,
        needs: Needs,
    ) -> Result<SessionOutcome> {
        let until = self.environment.elapsed().saturating_add(self.patience(caller));
        loop {
            // What a key or an external id answers, and what is in the way, comes before all that is said of a workspace.
            let wanted = Some(Provision::Wanted);
            match self.submit_session(caller, thread, new, &needs, wanted).await? {
                Reply::LookAgain => {}
                reply => return session_outcome(reply),
            }
            let at = self.fresh_thread(caller, thread).await?;
            let caps = self.caps(caller, &thread.space(&caller.tenant)).await?;
            let config = caps.ok_or_else(|| Error::not_found(thread))?.config;
            let chosen_for = ChosenFor {
                name: new.name.as_deref(),
                fork: new.fork.map(|fork| (fork.session, fork.version)),
            };
            let plan = match self.choose(caller, &at, &new.workspace, &config, chosen_for).await? {
                Chosen::Plan(plan) => plan,
                Chosen::Nothing(given) => {
                    let reply = self.submit_session(caller, thread, new, &needs, None).await?;
                    return Ok(match session_outcome(reply)? {
                        SessionOutcome::SessionCreated(made) if made.created => {
                            let workspace = match made.workspace {
                                GivenWorkspace::None => given,
                                had => had,
                            };
                            SessionOutcome::SessionCreated(CreatedSession { workspace, ..made })
                        }
                        outcome => outcome,
                    });
                }
            };
            let made = self.make(caller, thread, &plan, None).await?;
            let id = WorkspaceId::new(thread, made.reserved);
            let name = WorkspaceName::new(plan.label.clone(), self.journal().info().store, id);
            let provision = Some(Provision::Made(made));
            match self.submit_session(caller, thread, new, &needs, provision).await {
                Ok(Reply::Session(SessionOutcome::SessionCreated(session)))
                    if session.created
                        && (id.version() == 0
                            || session.workspace == GivenWorkspace::Ready(id)) =>
                {
                    return Ok(SessionOutcome::SessionCreated(session));
                }
                // It may be the session's by now. If it is not, its time runs out.
                Err(error) if error.kind() == ErrorKind::Indeterminate => return Err(error),
                reply => {
                    self.abandon(caller, &*plan.driver, &name).await;
                    match reply? {
                        Reply::LookAgain if self.environment.left(until).is_zero() => {
                            return Err(Error::contended(&thread.space(&caller.tenant)));
                        }
                        Reply::LookAgain => {}
                        reply => return session_outcome(reply),
                    }
                }
            }
        }
    }

    async fn submit_session(
        &self,
        caller: &Caller,
        thread: ThreadId,
        new: &NewSession,
        needs: &Needs,
        workspace: Option<Provision>,
    ) -> Result<Reply> {
        let space = thread.space(&caller.tenant);
        let caps = self.within(self.patience(caller), self.caps(caller, &space)).await?;
        let command = SessionCommand::CreateSession { thread, session: Box::new(new.clone()) };
        let request = (Request::Session(command), needs.clone());
        let mut call = self.prepare(caller, &space, request, None).await?;
        call.caps = caps;
        if workspace.is_some() {
            call.gathering = Some(Box::new(Gathering { workspace, ..Gathering::default() }));
        }
        self.submit(&space, call).await
    }

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
            at.state()?.require_lease(thread, session.version(), caller.lease)?;
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
    async fn make(
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

    /// Removes what was made for nothing, and then its claim. What cannot be removed now stays claimed, and the reaper
    /// finds it.
    async fn abandon(&self, caller: &Caller, driver: &dyn WorkspaceDriver, name: &WorkspaceName) {
        let workspace = name.id();
        if workspace.version() == 0 {
            return;
        }
        let space: Space = workspace.thread().space(&caller.tenant);
        let given_up = WorkspaceStep::Leaked { workspace, by: GivenUp::Maker };
        if self.step_version(caller, &space, given_up).await.is_ok()
            && self.in_driver_time(caller, driver.dispose(name, true)).await.is_ok()
        {
            let gone = WorkspaceStep::Disposed { workspace, expected: None };
            let _ = self.step(caller, &space, gone, self.environment.elapsed()).await;
        }
    }
}
