//! Creating sessions with what is read or made before: what they inherit, and their workspaces.
//!
//! A session and its workspace are both there or neither: the session is created when the workspace is made, and the
//! workspace is made when nothing else is in the way of the session. A handoff locks its source in between.

use super::choose::{Chosen, ChosenFor, Plan};
use crate::{
    command::{
        Caller, CreatedSession, GivenWorkspace, Needs, NewSession, SessionCommand, SessionOutcome,
    },
    error::{Error, ErrorKind, NotHandedOff, Result},
    id::{ThreadId, Version, WorkspaceId},
    rules::decision::{Gathering, MadeWorkspace, Provision, Reply, Request, WorkspaceStep},
    store::{
        commands::{may_get_workspace, session_outcome},
        inner::StoreInner,
    },
    workspace::WorkspaceName,
};

/// What was found out about the workspace of one of the sessions.
enum Provided {
    /// It gets none, for this reason.
    Nothing(GivenWorkspace),
    Made(Box<Made>),
}

/// A workspace that was made, and how.
struct Made {
    plan: Plan,
    made: MadeWorkspace,
}

/// A command that creates sessions.
struct Creation<'a> {
    thread: ThreadId,
    command: &'a SessionCommand,
    needs: &'a Needs,
}

impl StoreInner {
    /// Carries out a command that creates sessions of which at least one inherits something that is read, or may get a
    /// workspace.
    pub(in crate::store::commands) async fn create_sessions(
        &self,
        caller: &Caller,
        thread: ThreadId,
        command: SessionCommand,
        needs: Needs,
    ) -> Result<SessionOutcome> {
        let creation = Creation { thread, command: &command, needs: &needs };
        let until = self.environment.elapsed().saturating_add(self.patience(caller));
        let is_handoff = !matches!(command, SessionCommand::CreateSession { .. });
        loop {
            // What a key or an external id answers, and what is in the way, comes before all that is said of a workspace.
            let lock = match self.submit_sessions(caller, &creation, None, None).await? {
                Reply::LookAgain if self.environment.left(until).is_zero() => {
                    return Err(Error::contended(&thread.space(&caller.tenant)));
                }
                Reply::LookAgain => continue,
                Reply::Proceed { lock } => lock,
                reply => return session_outcome(reply),
            };
            let (provided, failure) = self.provide(caller, &creation).await;
            let reply = match failure {
                Some(failure) => Err(failure),
                None => self.submit_sessions(caller, &creation, Some(&provided), lock).await,
            };
            match reply {
                Ok(Reply::Session(outcome)) if is_made(&outcome, thread, &provided) => {
                    return Ok(with_reasons(outcome, &provided));
                }
                // They may be the sessions' by now. If they are not, their time runs out.
                Err(error) if error.kind() == ErrorKind::Indeterminate => return Err(error),
                reply => {
                    let (made, left) = self.undo(caller, thread, &provided).await;
                    if let Some(lock) = lock {
                        self.release(caller, &command, lock).await;
                    }
                    match reply {
                        Ok(Reply::LookAgain) if self.environment.left(until).is_zero() => {
                            return Err(Error::contended(&thread.space(&caller.tenant)));
                        }
                        Ok(Reply::LookAgain) => {}
                        Err(cause) if is_handoff && made > 0 => {
                            let undone = NotHandedOff { cause, made, left };
                            return Err(Error::NotHandedOff { undone: undone.into() });
                        }
                        reply => return session_outcome(reply?),
                    }
                }
            }
        }
    }

    /// Reads what the sessions inherit, and has the command decided. Without anything provided the decision says whether
    /// nothing is in the way of that.
    async fn submit_sessions(
        &self,
        caller: &Caller,
        Creation { thread, command, needs }: &Creation<'_>,
        provided: Option<&[Provided]>,
        lock: Option<Version>,
    ) -> Result<Reply> {
        let space = thread.space(&caller.tenant);
        let caps = self.within(self.patience(caller), self.caps(caller, &space)).await?;
        let mut children = Vec::with_capacity(command.new_sessions().len());
        for (at, new) in command.new_sessions().iter().enumerate() {
            let gathered = self.gather_inherited(caller, *thread, new);
            let mut child = self.within(self.patience(caller), gathered).await?;
            child.workspace = match provided {
                None => may_get_workspace(new, caps.as_ref()).then_some(Provision::Wanted),
                Some(provided) => match provided.get(at) {
                    Some(Provided::Made(it)) => Some(Provision::Made(it.made.clone())),
                    _ => None,
                },
            };
            children.push(child);
        }
        let gathering = Some(Box::new(Gathering { children, lock, ..Gathering::default() }));
        let request = (Request::Session((*command).clone()), (*needs).clone());
        let mut call = self.prepare(caller, &space, request, gathering).await?;
        call.caps = caps;
        self.submit(&space, call).await
    }

    /// Makes the workspaces, one after the other; with the error of the first that could not be made.
    async fn provide(
        &self,
        caller: &Caller,
        creation: &Creation<'_>,
    ) -> (Vec<Provided>, Option<Error>) {
        let mut provided = Vec::new();
        for new in creation.command.new_sessions() {
            match self.provide_one(caller, creation.thread, new).await {
                Ok(one) => provided.push(one),
                Err(error) => return (provided, Some(error)),
            }
        }
        (provided, None)
    }

    async fn provide_one(
        &self,
        caller: &Caller,
        thread: ThreadId,
        new: &NewSession,
    ) -> Result<Provided> {
        let at = self.fresh_thread(caller, thread).await?;
        let caps = self.caps(caller, &thread.space(&caller.tenant)).await?;
        let config = caps.ok_or_else(|| Error::not_found(thread))?.config;
        let chosen_for = ChosenFor {
            name: new.name.as_deref(),
            fork: new.fork.map(|fork| (fork.session, fork.version)),
        };
        match self.choose(caller, &at, &new.workspace, &config, chosen_for).await? {
            Chosen::Nothing(given) => Ok(Provided::Nothing(given)),
            Chosen::Plan(plan) => {
                let made = self.make(caller, thread, &plan, None).await?;
                Ok(Provided::Made(Made { plan, made }.into()))
            }
        }
    }

    /// Removes the workspaces that were made for nothing; answers how many they were, and which are left.
    async fn undo(
        &self,
        caller: &Caller,
        thread: ThreadId,
        provided: &[Provided],
    ) -> (usize, Vec<WorkspaceId>) {
        let (mut count, mut left) = (0, Vec::new());
        for it in provided {
            let Provided::Made(it) = it else { continue };
            count += 1;
            let id = WorkspaceId::new(thread, it.made.reserved);
            let name = WorkspaceName::new(it.plan.label.clone(), self.journal().info().store, id);
            if !self.abandon(caller, &*it.plan.driver, &name).await {
                left.push(id);
            }
        }
        (count, left)
    }

    /// Takes a handoff's lock back. If that fails, its time runs out.
    async fn release(&self, caller: &Caller, command: &SessionCommand, lock: Version) {
        let edges = command.new_sessions().iter().filter_map(|new| new.parent.as_ref());
        let Some(session) = edges.map(|edge| edge.parent).next() else { return };
        let space = session.thread().space(&caller.tenant);
        let step = WorkspaceStep::Unlock { session, lock };
        let _ = self.step(caller, &space, step, self.environment.elapsed()).await;
    }
}

/// The sessions that an outcome says were created.
fn created(outcome: &SessionOutcome) -> &[CreatedSession] {
    match outcome {
        SessionOutcome::SessionCreated(one) | SessionOutcome::HandedOff(one) => {
            std::slice::from_ref(one)
        }
        SessionOutcome::BroadcastSent(all) => all,
        _ => &[],
    }
}

/// Whether the sessions were made now, with the workspaces that were made for them.
fn is_made(outcome: &SessionOutcome, thread: ThreadId, provided: &[Provided]) -> bool {
    let sessions = created(outcome);
    sessions.len() == provided.len()
        && sessions.iter().zip(provided).all(|(session, provided)| {
            session.created
                && match provided {
                    Provided::Nothing(_) => true,
                    Provided::Made(it) => {
                        let id = WorkspaceId::new(thread, it.made.reserved);
                        id.version() == 0 || session.workspace == GivenWorkspace::Ready(id)
                    }
                }
        })
}

/// With the reasons why sessions got no workspace.
fn with_reasons(mut outcome: SessionOutcome, provided: &[Provided]) -> SessionOutcome {
    let sessions = match &mut outcome {
        SessionOutcome::SessionCreated(one) | SessionOutcome::HandedOff(one) => {
            std::slice::from_mut(one)
        }
        SessionOutcome::BroadcastSent(all) => all,
        _ => &mut [],
    };
    for (session, provided) in sessions.iter_mut().zip(provided) {
        if let (GivenWorkspace::None, Provided::Nothing(reason)) = (session.workspace, provided) {
            session.workspace = *reason;
        }
    }
    outcome
}
