//! Steps of workspaces. What is outside the journal is made after a record claims it and removed before the record goes,
//! so each step here is one commit of several.

use super::View;
use crate::{
    command::SessionOutcome,
    error::{Error, Result, State},
    id::{SessionId, Version, WorkspaceId},
    model::WorkspaceStatus,
    record::{Body, Event, FilesBody, Lane, WorkspaceBody},
    rules::{
        decision::{Decision, DecisionInput, Drafts, GivenUp, MadeWorkspace, Reply, WorkspaceStep},
        thread::state::{SessionState, WorkspaceState},
    },
};

impl View<'_> {
    pub(super) fn decide_workspace(
        &self,
        input: &DecisionInput<'_>,
        step: &WorkspaceStep,
    ) -> Result<Decision> {
        self.thread()?;
        match step {
            WorkspaceStep::Reserve { session, kind, label, ttl_millis } => {
                self.open()?;
                let (of, lease) = match session {
                    Some(session) => {
                        let (of, session) = self.without_workspace(*session)?;
                        (Some(of), self.fence(input, of, session)?)
                    }
                    None => (None, None),
                };
                let mut drafts = Drafts::after(input, self.state.version(), lease);
                let (kind, label) = (kind.clone(), label.clone());
                let body = WorkspaceBody { kind, label, by: input.caller().actor.clone() };
                let event = Event::WorkspaceReserved { session: of, ttl_millis: *ttl_millis };
                let stream = Lane::Rest.of(drafts.next());
                let version = drafts.push(stream, event, Body::Workspace(body));
                drafts.done(Reply::changed(version))
            }
            WorkspaceStep::Ready { session, made } => {
                self.open()?;
                let (of, owner) = if made.reserved == 0 {
                    self.without_workspace(*session)?
                } else {
                    self.session(*session)?
                };
                let lease = self.fence(input, of, owner)?;
                if !self.is_based_on_now(made) {
                    return Ok(Decision::Answer(Reply::LookAgain));
                }
                let mut drafts = Drafts::after(input, self.state.version(), lease);
                let workspace = self.push_workspace(input, &mut drafts, of, made)?;
                drafts.done(Reply::changed(workspace))
            }
            WorkspaceStep::Changed { workspace, expected, reference } => {
                let (it, owner) = self.ready_workspace(*workspace)?;
                self.open()?;
                let lease = self.fence(input, it.session, owner)?;
                if it.reference.as_deref() != Some(expected) {
                    return Ok(Decision::Answer(Reply::LookAgain));
                }
                if expected == reference {
                    return Ok(Decision::Answer(Reply::changed(it.version)));
                }
                let event =
                    Event::WorkspaceChanged { workspace: workspace.version(), session: it.session };
                let body = self.files(input, Some(reference.clone()), None);
                let mut drafts = Drafts::after(input, self.state.version(), lease);
                let version = drafts.push(Lane::Rest.of(workspace.version()), event, body);
                drafts.done(Reply::changed(version))
            }
            WorkspaceStep::Saved { workspace, expected, tree } => {
                let (it, owner) = self.ready_workspace(*workspace)?;
                self.open()?;
                let lease = self.fence(input, it.session, owner)?;
                if expected.is_some() && it.reference.as_deref() != expected.as_deref() {
                    return Ok(Decision::Answer(Reply::LookAgain));
                }
                if it.saved.as_ref().is_some_and(|saved| saved.content() == tree.content()) {
                    return Ok(Decision::Answer(Reply::changed(it.saved_at)));
                }
                let event =
                    Event::WorkspaceSaved { workspace: workspace.version(), session: it.session };
                let body = self.files(input, None, Some(tree.clone()));
                let mut drafts = Drafts::after(input, self.state.version(), lease);
                let version = drafts.push(Lane::Rest.of(workspace.version()), event, body);
                drafts.done(Reply::changed(version))
            }
            WorkspaceStep::Leaked { workspace, by } => self.leak(input, *workspace, *by),
            WorkspaceStep::Kept { workspace } => {
                let it = self.state.workspaces.get(&workspace.version());
                let it = it.ok_or_else(|| Error::not_found(*workspace))?;
                let owner = SessionId::new(self.id, it.session);
                self.without_workspace(owner)?;
                let (workspace, session) = (workspace.version(), it.session);
                let event = Event::WorkspaceReady { workspace, session };
                let mut drafts = Drafts::after(input, self.state.version(), None);
                let body = self.files(input, None, None);
                let version = drafts.push(Lane::Rest.of(workspace), event, body);
                drafts.done(Reply::changed(version))
            }
            WorkspaceStep::Unlock { session, lock } => self.unlock(input, *session, *lock),
            WorkspaceStep::Disposed { workspace, expected } => {
                let Some(it) = self.state.workspaces.get(&workspace.version()) else {
                    return Ok(Decision::Answer(Reply::Session(SessionOutcome::Deleted)));
                };
                if it.status == WorkspaceStatus::Ready {
                    self.state.require_lease(self.id, it.session, input.caller())?;
                }
                if expected.is_some() && it.reference.as_deref() != expected.as_deref() {
                    return Ok(Decision::Answer(Reply::LookAgain));
                }
                let event = Event::WorkspaceDisposed {
                    workspace: workspace.version(),
                    session: (it.session != 0).then_some(it.session),
                };
                let mut drafts = Drafts::after(input, self.state.version(), None);
                let stream = Lane::Rest.of(workspace.version());
                drafts.push(stream, event, input.caller_body());
                drafts.done(Reply::Session(SessionOutcome::Deleted))
            }
        }
    }

    /// A session that has none yet.
    pub(super) fn without_workspace(&self, id: SessionId) -> Result<(Version, &SessionState)> {
        let (version, session) = self.session(id)?;
        match self.state.workspace_of.get(&version) {
            None => Ok((version, session)),
            Some(workspace) => {
                let workspace = WorkspaceId::new(self.id, *workspace);
                Err(Error::SessionHasWorkspace { session: id, workspace })
            }
        }
    }

    /// Whether what it begins as is still what it was made of.
    pub(super) fn is_based_on_now(&self, made: &MadeWorkspace) -> bool {
        made.based_on.as_ref().is_none_or(|(source, reference)| {
            let source = self.state.workspaces.get(&source.version());
            source.is_some_and(|source| source.reference.as_deref() == Some(reference))
        })
    }

    /// The records of a workspace that was made; answers its version.
    pub(super) fn push_workspace(
        &self,
        input: &DecisionInput<'_>,
        drafts: &mut Drafts<'_>,
        session: Version,
        made: &MadeWorkspace,
    ) -> Result<Version> {
        let by = input.caller().actor.clone();
        let workspace = if made.reserved == 0 {
            let (kind, label) = (made.kind.clone(), made.label.clone());
            let event = Event::WorkspaceReserved { session: Some(session), ttl_millis: 0 };
            let body = Body::Workspace(WorkspaceBody { kind, label, by });
            let stream = Lane::Rest.of(drafts.next());
            drafts.push(stream, event, body)
        } else {
            self.intended(made.reserved)?;
            made.reserved
        };
        let body = self.files(input, Some(made.begun.reference.clone()), made.begun.tree.clone());
        let event = Event::WorkspaceReady { workspace, session };
        drafts.push(Lane::Rest.of(workspace), event, body);
        Ok(workspace)
    }

    fn files(
        &self,
        input: &DecisionInput<'_>,
        reference: Option<String>,
        tree: Option<crate::workspace::TreeId>,
    ) -> Body {
        Body::Files(FilesBody { reference, tree, by: input.caller().actor.clone() })
    }

    /// A workspace that is being made; whoever takes too long finds it taken back.
    fn intended(&self, version: Version) -> Result<()> {
        let id = WorkspaceId::new(self.id, version);
        let it = self.state.workspaces.get(&version).ok_or_else(|| Error::not_found(id))?;
        match it.status {
            WorkspaceStatus::Intended => Ok(()),
            status => Err(Error::WorkspaceNotReady { workspace: id, status }),
        }
    }

    /// A workspace that is there, and the session that owns it.
    pub(super) fn ready_workspace(
        &self,
        id: WorkspaceId,
    ) -> Result<(&WorkspaceState, &SessionState)> {
        let it = self.state.require_ready(self.id, id)?;
        let (_, owner) = self.session(SessionId::new(self.id, it.session))?;
        Ok((it, owner))
    }

    /// Takes a workspace from whoever had it: what nobody owns, or what its maker or its owner gives up.
    fn leak(&self, input: &DecisionInput<'_>, id: WorkspaceId, by: GivenUp) -> Result<Decision> {
        let it = self.state.workspaces.get(&id.version()).ok_or_else(|| Error::not_found(id))?;
        let (may, force) = match (by, it.status) {
            (GivenUp::Owner { force }, WorkspaceStatus::Ready) => {
                self.state.require_lease(self.id, it.session, input.caller())?;
                (true, force)
            }
            (GivenUp::Owner { force }, WorkspaceStatus::Leaked) => (true, force || it.force),
            (GivenUp::Maker, WorkspaceStatus::Intended) => (true, false),
            _ => (it.is_leaked(input.now, input.call.max_skew), it.force),
        };
        if !may {
            return Err(Error::IllegalTransition {
                what: id.into(),
                from: State::Workspace(it.status),
                to: State::Workspace(WorkspaceStatus::Leaked),
            });
        }
        if it.status == WorkspaceStatus::Leaked && it.force == force {
            return Ok(Decision::Answer(Reply::changed(it.version)));
        }
        let event = Event::WorkspaceLeaked {
            workspace: id.version(),
            force,
            session: (it.session != 0).then_some(it.session),
        };
        let mut drafts = Drafts::after(input, self.state.version(), None);
        let version = drafts.push(Lane::Rest.of(id.version()), event, input.caller_body());
        drafts.done(Reply::changed(version))
    }
}
