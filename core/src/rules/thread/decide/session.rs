//! Commands on sessions.

use super::{
    View,
    copy::COPIED_ENTRIES,
    entry::{appended, push_entries, refuse_oversize},
    lease::millis,
    state::{StateWrite, initial},
    thread::{closed_project, stale},
};
use crate::{
    command::{
        CreatedSession, Fork, GivenWorkspace, Inheritance, NewSession, NewSubSession,
        SessionOutcome, UpdateSession,
    },
    error::{Closure, Error, Result, State, Subject},
    id::{SessionId, SubSessionId, ThreadId, Version, WorkspaceId},
    model::{Actor, MarkerKind, SessionStatus, SubSessionKind, SubSessionStatus},
    record::{
        Body, Consequence, EdgeStep, EntryHeader, Event, Lane, SealedBody, SessionBody, SummaryOf,
    },
    rules::decision::{ChildGathering, Decision, DecisionInput, Drafts, Provision, Reply},
    rules::thread::state::SessionState,
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
        let base =
            self.history(new).map_or_else(|| self.fork_base(input, new), |it| Ok(Some(it)))?;
        let parent = match &new.parent {
            Some(edge) => Some((edge, self.parent(edge)?, self.spawner(input, edge)?)),
            None => None,
        };
        let (mut answers, mut share_of) = (None, None);
        let lease = match parent {
            Some((edge, parent, spawner)) => {
                self.spawner_is_parent(edge, spawner)?;
                let parent = parent.ok_or_else(|| Error::not_found(edge.parent))?;
                self.summarised_is_here(edge)?;
                let lease = self.fence(input, edge.parent.version(), parent)?;
                self.spawner_lives(edge)?;
                answers = self.answers(input, edge.prev_artifact.as_ref())?;
                self.caps(caps, edge.parent.version(), (0, 1))?;
                self.intervention_caps(input, edge.parent, answers)?;
                self.require_one_commit(input, edge.parent, std::iter::once(new))?;
                share_of = self.require_shares(edge.parent.version(), std::iter::once(new))?;
                let child = input.call.child(0);
                if edge.inherit.is_gathered() && !self.inherits_now(child, edge, parent)? {
                    return Ok(Decision::Answer(Reply::LookAgain));
                }
                lease
            }
            None => None,
        };
        let child = input.call.child(0);
        match child.and_then(|child| child.workspace.as_ref()) {
            // Nothing is in the way, so its workspace can be made.
            Some(Provision::Wanted) => {
                return Ok(Decision::Answer(Reply::Proceed { lock: None }));
            }
            Some(Provision::Made(made)) if !self.is_based_on_now(made) => {
                return Ok(Decision::Answer(Reply::LookAgain));
            }
            _ => {}
        }
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let (caps, broadcast) = (caps.version, None);
        let with = SessionWith { caps, base, broadcast, answers, share_of, child };
        let mut created = self.push_session(input, &mut drafts, new, (with, &input.call.bodies))?;
        drafts.begin_trailing();
        self.push_made(input, &mut drafts, &mut created, child)?;
        self.begin_slices(input, &mut drafts);
        drafts.done(Reply::Session(SessionOutcome::SessionCreated(created)))
    }

    /// The records of the workspace that was made for a session.
    pub(super) fn push_made(
        &self,
        input: &DecisionInput<'_>,
        drafts: &mut Drafts<'_>,
        created: &mut CreatedSession,
        child: Option<&ChildGathering>,
    ) -> Result<()> {
        if let Some(Provision::Made(made)) = child.and_then(|child| child.workspace.as_ref()) {
            let session = created.id.version();
            let workspace = self.push_workspace(input, drafts, session, made)?;
            created.workspace = GivenWorkspace::Ready(WorkspaceId::new(self.id, workspace));
        }
        Ok(())
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
        let (appended, lease) = (None, None);
        Ok(Some(CreatedSession { id, created: false, edge, appended, lease, workspace }))
    }

    /// The workspace of a session that was created before.
    pub(super) fn given_workspace(&self, session: Version) -> GivenWorkspace {
        let workspace = self.state.workspace_of.get(&session);
        workspace.map_or(GivenWorkspace::None, |version| {
            GivenWorkspace::Ready(WorkspaceId::new(self.id, *version))
        })
    }

    /// All that a child inherits, if that is what it inherits.
    pub(super) fn history(&self, new: &NewSession) -> Option<(Version, Version)> {
        let edge = new.parent.as_ref().filter(|edge| edge.inherit == Inheritance::FullHistory)?;
        Some((edge.parent.version(), self.state.version()))
    }

    /// The session and the version that a fork continues.
    pub(super) fn fork_base(
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
        let (of, state) = self.session(session)?;
        if version < of {
            return Err(Error::not_found(session));
        }
        if version > head {
            let space = self.id.space(&input.caller().tenant);
            return Err(Error::not_found(Subject::record(&space, version)));
        }
        // A fork reads what it begins with where it stands, and that is in a bundle, which goes with the session.
        let evicted = state.archived.as_deref().and_then(|it| it.evicted);
        if evicted.is_some_and(|it| version > it.after) {
            return Err(Error::closed(Closure::SessionArchived(session)));
        }
        Ok(Some((of, version)))
    }

    /// The records of a new session: itself, its edge, the entries it begins with, the marker in its parent's log, its lease.
    pub(super) fn push_session(
        &self,
        input: &DecisionInput<'_>,
        drafts: &mut Drafts<'_>,
        new: &NewSession,
        (with, bodies): (SessionWith<'_>, &[SealedBody]),
    ) -> Result<CreatedSession> {
        let base = with.base;
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
            actor: owner(new, &input.caller().actor),
            by: input.caller().actor.clone(),
        };
        let event = Event::SessionCreated { base, budget: new.budget.clone() };
        drafts.push(Lane::Rest.of(child), event, Body::Session(body));
        if let Some(edge) = &new.parent {
            let (event, body) = self.edge_record(
                input,
                edge,
                child,
                SubSessionStatus::Pending,
                (with.caps, with.broadcast, with.answers),
                with.share_of.filter(|_| new.budget.is_some()),
            );
            drafts.push(Lane::Rest.of(child), event, body);
        }
        state.write(drafts, input.caller());
        let inherited = with.child.map_or(&[][..], |child| &child.inherited.entries);
        let (copies, turn) = bodies.split_at_checked(inherited.len()).unwrap_or_default();
        for ((version, header, author), sealed) in inherited.iter().zip(copies) {
            let event = Event::from(EntryHeader {
                session: child,
                copied_from: (*version != 0).then_some(*version),
                ..*header
            });
            let author = author.as_ref().unwrap_or(&input.caller().actor).clone();
            let (stream, body) = (Lane::Log.of(child), Body::Entry(author));
            drafts.push_sealed(stream, event, body, Some(sealed.clone()));
        }
        push_entries(input, drafts, child, (&new.turn, turn));
        if let Some(edge) = &new.parent {
            let (parent, place) = (edge.parent.version(), Some(child + 1));
            let event = Event::Marker {
                session: parent,
                kind: match edge.kind {
                    SubSessionKind::UserHandoff => MarkerKind::HandedOff,
                    _ => MarkerKind::Spawned,
                },
                to: child,
                edge: place,
                version: None,
            };
            drafts.push(Lane::Log.of(parent), event, input.caller_body());
        }
        if let Some(ttl) = new.lease {
            let event = Event::LeaseGranted { session: child, ttl_millis: millis(ttl) };
            drafts.push(Lane::Rest.of(child), event, input.caller_body());
        }
        Ok(session_made(self.id, child, inherited.len(), new))
    }

    /// The session whose summary a child is to inherit is one of this thread.
    pub(super) fn summarised_is_here(&self, edge: &NewSubSession) -> Result<()> {
        if let Inheritance::Summary(of) = edge.inherit {
            if of.thread() != self.id {
                return Err(Error::wrong_thread(of, self.id));
            }
            self.session(of)?;
        }
        Ok(())
    }

    /// Whether what a child is to inherit was read as it is now.
    pub(super) fn inherits_now(
        &self,
        child: Option<&ChildGathering>,
        edge: &NewSubSession,
        parent: &SessionState,
    ) -> Result<bool> {
        if let Inheritance::Summary(of) = edge.inherit {
            let (_, session) = self.session(of)?;
            if session.activity.summary == 0 {
                return Err(Error::NotSummarised { session: of });
            }
            let summary = session.activity.summary;
            let Some(read) = child.map(|child| &child.inherited) else { return Ok(false) };
            let is_gone = self.state.erased.erased_by(summary).is_some();
            return Ok(read.summary == Some((of, summary)) && (read.entries.is_empty() || !is_gone));
        }
        let Some(gathered) = child.map(|child| &child.inherited) else { return Ok(false) };
        if gathered.tail != parent.tail {
            return Ok(false);
        }
        if let Some(missing) = gathered.missing {
            return Err(Error::not_found(missing));
        }
        if self.is_erased_since(gathered) {
            return Ok(false);
        }
        self.still_there(gathered)?;
        Ok(true)
    }

    /// All that sessions begin with fits into one commit.
    pub(super) fn require_one_commit<'a>(
        &self,
        input: &DecisionInput<'_>,
        parent: SessionId,
        sessions: impl Iterator<Item = &'a NewSession>,
    ) -> Result<()> {
        let records = sessions.enumerate().map(|(at, new)| {
            let inherited = input.call.child(at).map_or(0, |it| it.inherited.entries.len());
            inherited + new.turn.len() + BESIDE_ENTRIES
        });
        let (limit, actual) = (COPIED_ENTRIES + BESIDE_ENTRIES, records.sum::<usize>());
        if actual > limit {
            let (limit, actual) = (limit as u64, actual as u64);
            return Err(Error::capacity(parent, "records in one commit", limit, actual));
        }
        Ok(())
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
        let before = session.budget.as_ref().map(|it| it.budget.clone());
        let budget = update.budget.clone().unwrap_or(before);
        self.require_larger_share(version, budget.as_ref())?;
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
            Event::SessionUpdated { session: version, budget },
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
        let lease = self.fence_deletion(input, id.version(), session)?;
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

/// What the records of a new session need beside what the caller says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SessionWith<'a> {
    /// The version of the project under whose caps it is decided.
    pub(super) caps: Version,
    /// What it is a fork of.
    pub(super) base: Option<(Version, Version)>,
    /// The broadcast that it is of.
    pub(super) broadcast: Option<Version>,
    /// What it answers.
    pub(super) answers: Option<SummaryOf>,
    /// Whose budget its own is a share of, if it has one.
    pub(super) share_of: Option<Version>,
    /// What was read and made for it.
    pub(super) child: Option<&'a ChildGathering>,
}

/// Who owns a new session: an agent that nobody is said to have made act acts on behalf of whoever asked for it (SPN8).
fn owner(new: &NewSession, asker: &Actor) -> Option<Actor> {
    match new.actor.clone() {
        Some(Actor::Agent { tenant, id, parent: None })
            if new.parent.as_ref().is_some_and(|edge| edge.kind == SubSessionKind::AgentSpawn) =>
        {
            let parent = Some(Box::new(asker.with_at_most(OWNER_LEVELS)));
            Some(Actor::Agent { tenant, id, parent })
        }
        actor => actor,
    }
}

/// Records of a new session beside its entries, at most: itself, its edge, its state, its marker, its lease, two of its
/// workspace, one of a handoff.
const BESIDE_ENTRIES: usize = 8;

/// Levels of the chain of whoever asked for a child; the child's own owner is one more.
const OWNER_LEVELS: usize = 7;

/// What it answers that a session was made whose first record is at `first`, with so many entries before its turn.
pub(super) fn session_made(
    id: ThreadId,
    first: Version,
    inherited: usize,
    new: &NewSession,
) -> CreatedSession {
    let edge = new.parent.as_ref().map(|_| SubSessionId::new(id, first + 1));
    let entries = first + records_before_entries(new) + inherited as u64;
    let after = entries + new.turn.len() as u64;
    CreatedSession {
        lease: new.lease.map(|_| after + u64::from(edge.is_some())),
        ..CreatedSession::new(
            SessionId::new(id, first),
            true,
            edge,
            (!new.turn.is_empty()).then(|| appended(id, entries, new.turn.len())),
        )
    }
}

fn records_before_entries(new: &NewSession) -> u64 {
    1 + u64::from(new.parent.is_some()) + u64::from(!new.state.is_empty())
}

/// The records that make a session beside the entries it inherits: a child's marker and its lease are the last.
pub(super) fn records_beside_inherited(new: &NewSession) -> u64 {
    let marker = u64::from(new.parent.is_some());
    let lease = u64::from(new.lease.is_some());
    records_before_entries(new) + new.turn.len() as u64 + marker + lease
}

/// How many entries a session inherited that was made by so many records, its turn among them.
pub(super) fn inherited(records: u16, new: &NewSession) -> usize {
    if new.parent.as_ref().is_none_or(|edge| !edge.inherit.is_gathered()) {
        return 0;
    }
    let others = records_beside_inherited(new);
    usize::from(records).saturating_sub(usize::try_from(others).unwrap_or(usize::MAX))
}

pub(super) const fn illegal(id: SessionId, from: SessionStatus, to: SessionStatus) -> Error {
    let (from, to) = (State::Session(from), State::Session(to));
    Error::IllegalTransition { what: Subject::Session(id), from, to }
}
