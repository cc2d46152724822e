//! Commands on sessions.

use super::{
    View,
    entry::{appended, push_entries, refuse_oversize},
    state::{StateWrite, initial},
    thread::{closed_project, stale},
};
use crate::{
    command::{CreatedSession, Fork, GivenWorkspace, NewSession, SessionOutcome, UpdateSession},
    error::{Error, Result, State, Subject},
    id::{SessionId, SubSessionId, ThreadId, Version, WorkspaceId},
    model::{SessionStatus, SubSessionStatus},
    record::{Body, Consequence, EdgeStep, Event, Lane, SessionBody},
    rules::decision::{Decision, DecisionInput, Drafts, Provision, Reply},
};

impl View<'_> {
    pub(super) fn create_session(
        &self,
        input: &DecisionInput<'_>,
        new: &NewSession,
    ) -> Result<Decision> {
        let caps = input.call.caps.as_ref().ok_or_else(super::wrong_journal)?;
        closed_project(self.thread()?.project, caps.status)?;
        if let Some(found) = self.named_session(new)? {
            let found = SessionOutcome::SessionCreated(found);
            return Ok(Decision::Answer(Reply::Session(found)));
        }
        let base = self.fork_base(input, new)?;
        let parent = match &new.parent {
            Some(edge) => Some((edge, self.parent(edge)?, self.spawner(input, edge)?)),
            None => None,
        };
        let lease = match parent {
            Some((edge, parent, spawner)) => {
                self.spawner_is_parent(edge, spawner)?;
                let parent = parent.ok_or_else(|| Error::not_found(edge.parent))?;
                let lease = self.fence(input, edge.parent.version(), parent)?;
                self.spawner_lives(edge)?;
                self.caps(caps, edge.parent.version(), 0)?;
                lease
            }
            None => None,
        };
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let mut created = self.push_session(input, &mut drafts, new, (caps.version, base))?;
        match input.call.provision() {
            // Nothing is in the way, so its workspace can be made.
            Some(Provision::Wanted) => return Ok(Decision::Answer(Reply::LookAgain)),
            Some(Provision::Made(made)) if !self.is_based_on_now(made) => {
                return Ok(Decision::Answer(Reply::LookAgain));
            }
            Some(Provision::Made(made)) => {
                let session = created.id.version();
                let workspace = self.push_workspace(input, &mut drafts, session, made)?;
                created.workspace = GivenWorkspace::Ready(WorkspaceId::new(self.id, workspace));
            }
            None => {}
        }
        drafts.done(Reply::Session(SessionOutcome::SessionCreated(created)))
    }

    /// The session that has the external id already.
    fn named_session(&self, new: &NewSession) -> Result<Option<CreatedSession>> {
        let named = new.external_id.as_deref().and_then(|id| self.state.named_sessions.get(id));
        let Some((version, session)) = named.and_then(|v| Some((*v, self.state.session(*v)?)))
        else {
            return Ok(None);
        };
        let id = self.session_id(version);
        if let Some(edge) = &new.parent
            && self.state.parent_of(version) != Some(edge.parent.version())
        {
            return Err(Error::wrong_thread(id, edge.parent));
        }
        let edge = session.parent.map(|edge| SubSessionId::new(self.id, edge));
        let workspace = self.given_workspace(version);
        Ok(Some(CreatedSession { id, created: false, edge, appended: None, workspace }))
    }

    /// The workspace of a session that was created before.
    pub(super) fn given_workspace(&self, session: Version) -> GivenWorkspace {
        let workspace = self.state.workspace_of.get(&session);
        workspace.map_or(GivenWorkspace::None, |version| {
            GivenWorkspace::Ready(WorkspaceId::new(self.id, *version))
        })
    }

    /// The session and the version that a fork continues.
    fn fork_base(
        &self,
        input: &DecisionInput<'_>,
        new: &NewSession,
    ) -> Result<Option<(Version, Version)>> {
        let Some(Fork { session, version }) = new.fork else { return Ok(None) };
        let head = self.state.version();
        let version = version.unwrap_or(head);
        if session.thread() != self.id {
            return Err(Error::wrong_thread(session, self.id));
        }
        let (of, _) = self.session(session)?;
        if version < of {
            return Err(Error::not_found(session));
        }
        if version > head {
            let space = self.id.space(&input.caller().tenant);
            return Err(Error::not_found(Subject::record(&space, version)));
        }
        Ok(Some((of, version)))
    }

    /// The records of a new session: itself, its edge, the entries it begins with.
    pub(super) fn push_session(
        &self,
        input: &DecisionInput<'_>,
        drafts: &mut Drafts<'_>,
        new: &NewSession,
        (caps, base): (Version, Option<(Version, Version)>),
    ) -> Result<CreatedSession> {
        let child = drafts.next();
        let id = SessionId::new(self.id, child);
        let changes = initial(&new.state);
        let state = StateWrite::new(id.into(), None, &changes);
        refuse_oversize(input, self.id)?;
        state.require_room()?;
        let body = SessionBody {
            external_id: new.external_id.clone(),
            name: new.name.clone(),
            labels: new.labels.clone(),
            task: new.task.clone(),
            actor: new.actor.clone(),
            by: input.caller().actor.clone(),
        };
        drafts.push(Lane::Rest.of(child), Event::SessionCreated { base }, Body::Session(body));
        if let Some(edge) = &new.parent {
            let (event, body) =
                self.edge_record(input, edge, child, SubSessionStatus::Pending, caps);
            drafts.push(Lane::Rest.of(child), event, body);
        }
        state.write(drafts, input.caller());
        push_entries(input, drafts, child, &new.turn);
        Ok(session_made(self.id, child, new))
    }

    pub(super) fn update_session(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        expected: Version,
        update: &UpdateSession,
    ) -> Result<Decision> {
        let (version, session) = self.session(id)?;
        let lease = self.fence(input, version, session)?;
        if let (Some(_), Some(owner)) = (&update.actor, &session.actor) {
            return Err(Error::SessionOwned { session: id, owner: Box::new((**owner).clone()) });
        }
        stale(id, expected, session.version)?;
        let owned = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
        let body = SessionBody {
            external_id: None,
            name: update.name.clone().unwrap_or_else(|| owned(&session.name)),
            labels: match (&update.labels, &session.labels) {
                (Some(labels), _) => labels.clone(),
                (None, Some(labels)) => (**labels).clone(),
                (None, None) => Default::default(),
            },
            task: update.task.clone().unwrap_or_else(|| owned(&session.task)),
            actor: update.actor.clone().or_else(|| session.actor.as_deref().cloned()),
            by: input.caller().actor.clone(),
        };
        self.one_of(
            input,
            version,
            lease,
            Event::SessionUpdated { session: version },
            Body::Session(body),
        )
    }

    /// The machine of statuses set by hand. What follows runs goes by another road.
    pub(super) fn set_status(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        to: SessionStatus,
    ) -> Result<Decision> {
        use SessionStatus::{Active, AwaitingHitl, Failed, Idle};
        let (version, session) = self.session(id)?;
        let lease = self.fence(input, version, session)?;
        let step = matches!(
            (session.status, to),
            (Idle, Active | AwaitingHitl | Failed)
                | (Active, Idle | AwaitingHitl | Failed)
                | (AwaitingHitl, Active | Idle | Failed)
        );
        if !step || !session.live_runs.is_empty() {
            return Err(illegal(id, session.status, to));
        }
        let edge = session
            .parent
            .filter(|edge| {
                to == Failed && self.state.edge(*edge).is_some_and(|e| e.status.is_live())
            })
            .map(|edge| EdgeStep { edge, to: SubSessionStatus::Failed });
        let then = Consequence { session: to, edge };
        self.one_of(
            input,
            version,
            lease,
            Event::SessionStatusSet { session: version, then },
            input.caller_body(),
        )
    }

    pub(super) fn reopen_session(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
    ) -> Result<Decision> {
        let (version, session) = self.session(id)?;
        let lease = self.fence(input, version, session)?;
        if session.status != SessionStatus::Failed {
            return Err(illegal(id, session.status, SessionStatus::Active));
        }
        self.one_of(
            input,
            version,
            lease,
            Event::SessionReopened { session: version },
            input.caller_body(),
        )
    }

    pub(super) fn delete_session(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
    ) -> Result<Decision> {
        let deleted = Reply::Session(SessionOutcome::Deleted);
        let Some(session) = self.state.session(id.version()) else {
            return Ok(Decision::Answer(deleted));
        };
        self.open()?;
        let lease = self.fence(input, id.version(), session)?;
        let named_by = session.parent.or_else(|| session.children.first().copied());
        if let Some(edge) = named_by {
            let edge = SubSessionId::new(self.id, edge);
            return Err(Error::SessionLinked { session: id, edge });
        }
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        drafts.push(
            Lane::Rest.of(id.version()),
            Event::SessionDeleted { session: id.version() },
            input.caller_body(),
        );
        drafts.done(deleted)
    }

    /// One record about a session.
    pub(super) fn one_of(
        &self,
        input: &DecisionInput<'_>,
        session: Version,
        lease: Option<Version>,
        event: Event,
        body: Body,
    ) -> Result<Decision> {
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let version = drafts.push(Lane::Rest.of(session), event, body);
        drafts.done(Reply::changed(version))
    }
}

/// What it answers that a session was made whose first record is at `first`.
pub(super) fn session_made(id: ThreadId, first: Version, new: &NewSession) -> CreatedSession {
    let edge = new.parent.as_ref().map(|_| SubSessionId::new(id, first + 1));
    let entries = first + 1 + u64::from(edge.is_some()) + u64::from(!new.state.is_empty());
    let appended = (!new.turn.is_empty()).then(|| appended(id, entries, new.turn.len()));
    CreatedSession::new(SessionId::new(id, first), true, edge, appended)
}

pub(super) const fn illegal(id: SessionId, from: SessionStatus, to: SessionStatus) -> Error {
    let (from, to) = (State::Session(from), State::Session(to));
    Error::IllegalTransition { what: Subject::Session(id), from, to }
}
