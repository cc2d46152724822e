//! Commands on edges, and the caps every edge is under.

use super::{View, thread::stale};
use crate::{
    command::{LinkSessions, NewSubSession, SessionOutcome, UpdateEdge},
    error::{Error, ForestRule, Result, State},
    id::{SessionId, SubSessionId, Version},
    model::{CompletionMode, PrevArtifact, SubSessionKind, SubSessionStatus},
    record::{Body, EdgeBody, EdgeStep, Event, Lane, SummaryOf},
    rules::decision::{Caps, Decision, DecisionInput, Drafts, Reply},
    rules::thread::state::{EdgeState, SessionState},
};

/// What an intervention answers that is outside.
fn leaf(artifact: Option<&PrevArtifact>) -> Option<String> {
    match artifact {
        Some(PrevArtifact::Leaf(reference)) => Some(reference.clone()),
        _ => None,
    }
}

impl View<'_> {
    /// Depth of the deepest session below the new edges, and live children of the parent with them (SUB7).
    pub(super) fn caps(
        &self,
        caps: &Caps,
        parent: Version,
        (height, children): (u32, usize),
    ) -> Result<()> {
        let depth = u64::from(self.state.depth(parent)) + 1 + u64::from(height);
        let limit = u64::from(caps.config.max_delegation_depth);
        if depth > limit {
            return Err(Error::capacity(self.session_id(parent), "delegation depth", limit, depth));
        }
        let width = self.state.session(parent).map_or(0, |s| u64::from(s.live_children));
        let width = width + children as u64;
        let limit = u64::from(caps.config.max_delegation_width);
        if width > limit {
            return Err(Error::capacity(self.session_id(parent), "delegation width", limit, width));
        }
        Ok(())
    }

    /// The session above, as far as this thread can know: `NotFound` when it is one of its own that does not exist.
    pub(super) fn parent(&self, edge: &NewSubSession) -> Result<Option<&SessionState>> {
        let parent = self.state.session(edge.parent.version());
        if edge.parent.thread() == self.id && parent.is_none() {
            return Err(Error::not_found(edge.parent));
        }
        Ok(parent)
    }

    /// Whose run asks for a child, live or ended: `None` when none of this thread does, `NotFound` when there is no such
    /// run.
    pub(super) fn spawner(
        &self,
        input: &DecisionInput<'_>,
        edge: &NewSubSession,
    ) -> Result<Option<Version>> {
        let Some(id) = edge.spawned_by_run.filter(|run| run.thread() == self.id) else {
            return Ok(None);
        };
        let live = self.state.run(id.version()).map(|r| r.session);
        live.or_else(|| self.ended_run(input, id)).map(Some).ok_or_else(|| Error::not_found(id))
    }

    /// The parent is of this thread, and the run that asks for a child is one of the parent's.
    pub(super) fn spawner_is_parent(
        &self,
        edge: &NewSubSession,
        spawner: Option<Version>,
    ) -> Result<()> {
        if edge.parent.thread() != self.id {
            return Err(Error::wrong_thread(edge.parent, self.id));
        }
        match edge.spawned_by_run {
            Some(id) if spawner != Some(edge.parent.version()) => {
                Err(Error::wrong_thread(id, edge.parent))
            }
            _ => Ok(()),
        }
    }

    /// The run that asks for a child lives.
    pub(super) fn spawner_lives(&self, edge: &NewSubSession) -> Result<()> {
        match edge.spawned_by_run {
            Some(id) if self.state.run(id.version()).is_none() => Err(Error::RunEnded { run: id }),
            _ => Ok(()),
        }
    }

    pub(super) fn edge_record(
        &self,
        input: &DecisionInput<'_>,
        edge: &NewSubSession,
        child: Version,
        status: SubSessionStatus,
        (caps, broadcast, answers): (Version, Option<Version>, Option<SummaryOf>),
        share_of: Option<Version>,
    ) -> (Event, Body) {
        let event = Event::EdgeCreated {
            parent: edge.parent.version(),
            child,
            kind: edge.kind,
            status,
            failure_mode: edge.failure_mode,
            completion_mode: edge.completion_mode,
            spawned_by_run: edge.spawned_by_run.map(|r| r.version()),
            caps,
            broadcast,
            answers,
            share_of,
        };
        (
            event,
            Body::Edge(EdgeBody {
                purpose: edge.purpose.clone(),
                leaf: leaf(edge.prev_artifact.as_ref()),
                by: input.caller().actor.clone(),
            }),
        )
    }

    pub(super) fn link(&self, input: &DecisionInput<'_>, link: &LinkSessions) -> Result<Decision> {
        let parent = link.edge.parent.version();
        self.parent(&link.edge)?;
        let child = link.child.version();
        let session = self.state.session(child).ok_or_else(|| Error::not_found(link.child))?;
        let spawner = self.spawner(input, &link.edge)?;
        self.spawner_is_parent(&link.edge, spawner)?;
        if let Some(parent) = self.state.session(parent) {
            parent.require_not_archived(link.edge.parent)?;
        }
        let lease = self.fence(input, child, session)?;
        self.spawner_lives(&link.edge)?;
        let broken = if parent == child {
            Some(ForestRule::OwnParent)
        } else if session.parent.is_some() {
            Some(ForestRule::SecondParent)
        } else {
            self.state.upwards(parent).any(|s| s == child).then_some(ForestRule::Cycle)
        };
        if let Some(reason) = broken {
            let (parent, child) = (link.edge.parent, link.child);
            return Err(Error::NotAForest { parent, child, reason });
        }
        let caps = input.call.caps.as_ref().ok_or_else(super::wrong_journal)?;
        let answers = self.answers(input, link.edge.prev_artifact.as_ref())?;
        self.no_intervention_cycle((parent, child), answers)?;
        self.caps(caps, parent, (self.state.height(child), 1))?;
        self.intervention_caps(input, link.edge.parent, answers)?;
        let status = if session.live_runs.is_empty() {
            SubSessionStatus::Pending
        } else {
            SubSessionStatus::Active
        };
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let (event, body) =
            self.edge_record(input, &link.edge, child, status, (caps.version, None, answers), None);
        let edge = drafts.push(Lane::Rest.of(child), event, body);
        drafts.done(Reply::Session(SessionOutcome::Linked(SubSessionId::new(self.id, edge))))
    }

    /// An edge that exists, and the token held on its child.
    fn writable_edge(
        &self,
        input: &DecisionInput<'_>,
        id: SubSessionId,
    ) -> Result<(&EdgeState, Option<Version>)> {
        let edge = self.state.edge(id.version()).ok_or_else(|| Error::not_found(id))?;
        let child = self.state.session(edge.child).ok_or_else(|| Error::not_found(id))?;
        Ok((edge, self.fence(input, edge.child, child)?))
    }

    /// The summary that an intervention answers, and whose it is: of this thread, and of a session that exists.
    pub(super) fn answers(
        &self,
        input: &DecisionInput<'_>,
        artifact: Option<&PrevArtifact>,
    ) -> Result<Option<SummaryOf>> {
        let Some(PrevArtifact::Summary(summary)) = artifact else { return Ok(None) };
        if summary.thread() != self.id {
            return Err(Error::wrong_thread(*summary, self.id));
        }
        match input.fact(summary.version()) {
            Some(Event::SummarySealed { session, .. })
                if self.state.session(*session).is_some() =>
            {
                Ok(Some(SummaryOf { summary: summary.version(), session: *session }))
            }
            _ => Err(Error::not_found(*summary)),
        }
    }

    /// How many interventions follow one upon the other with one that answers this (INT1).
    pub(super) fn intervention_caps(
        &self,
        input: &DecisionInput<'_>,
        parent: SessionId,
        answers: Option<SummaryOf>,
    ) -> Result<()> {
        let Some(SummaryOf { session, .. }) = answers else { return Ok(()) };
        let caps = input.call.caps.as_ref().ok_or_else(super::wrong_journal)?;
        let limit = u64::from(caps.config.max_intervention_depth);
        let before = self.state.intervention_of(session);
        let before = before.map_or(0, |edge| 1 + self.state.interventions(edge).count() as u64);
        if before + 1 > limit {
            return Err(Error::capacity(parent, "intervention depth", limit, before + 1));
        }
        Ok(())
    }

    /// What an edge answers is said once, of an intervention, and is nothing that came of it.
    fn may_answer(
        &self,
        id: SubSessionId,
        edge: &EdgeState,
        answers: Option<SummaryOf>,
    ) -> Result<()> {
        if edge.answers.is_some() {
            return Err(Error::ArtifactSet { edge: id });
        }
        if edge.kind != SubSessionKind::Intervention {
            let reason = "only an intervention answers an artifact";
            return Err(Error::invalid("prev_artifact", reason));
        }
        self.no_intervention_cycle((edge.parent, edge.child), answers)
    }

    /// An edge above a session answers nothing that the session is part of (INT1).
    fn no_intervention_cycle(
        &self,
        (parent, child): (Version, Version),
        answers: Option<SummaryOf>,
    ) -> Result<()> {
        let answered = answers.map(|it| it.session);
        let mut chain = std::iter::successors(answered, |it| self.state.answered_before(*it));
        if chain.any(|session| session == child) {
            let (parent, child) = (self.session_id(parent), self.session_id(child));
            let reason = ForestRule::InterventionCycle;
            return Err(Error::NotAForest { parent, child, reason });
        }
        Ok(())
    }

    /// The machine of merging back (BRD5).
    pub(super) fn step_merge(
        &self,
        input: &DecisionInput<'_>,
        id: SubSessionId,
        expected: Version,
        to: SubSessionStatus,
    ) -> Result<Decision> {
        use SubSessionStatus::{Idle, MergeConflict, MergeRejected, Merged, Merging, PendingMerge};
        let (edge, lease) = self.writable_edge(input, id)?;
        if edge.completion_mode != CompletionMode::MergeBack {
            return Err(Error::NotMergeBack { edge: id });
        }
        if let Some(parent) = self.state.session(edge.parent) {
            // What begins to merge back is at work again, and there would be nothing to merge it into.
            parent.require_not_archived(self.session_id(edge.parent))?;
        }
        let is_step = matches!(
            (edge.status, to),
            (Idle, PendingMerge)
                | (PendingMerge, Merging | MergeRejected)
                | (Merging, Merged | MergeConflict)
                | (MergeConflict, Merging | MergeRejected)
        );
        if !is_step {
            let (from, to) = (State::Edge(edge.status), State::Edge(to));
            return Err(Error::IllegalTransition { what: id.into(), from, to });
        }
        stale(id, expected, edge.version)?;
        let session = edge.child;
        let step = EdgeStep { edge: id.version(), to };
        let event = Event::MergeStepped { session, step };
        self.one_of(input, session, lease, event, input.caller_body())
    }

    pub(super) fn update_edge(
        &self,
        input: &DecisionInput<'_>,
        id: SubSessionId,
        expected: Version,
        update: &UpdateEdge,
    ) -> Result<Decision> {
        let (edge, lease) = self.writable_edge(input, id)?;
        let answers = self.answers(input, update.prev_artifact.as_ref())?;
        if update.prev_artifact.is_some() {
            self.may_answer(id, edge, answers)?;
            self.intervention_caps(input, self.session_id(edge.parent), answers)?;
        }
        stale(id, expected, edge.version)?;
        let event = Event::EdgeUpdated {
            answers,
            edge: id.version(),
            failure_mode: update.failure_mode.unwrap_or(edge.failure_mode),
            completion_mode: update.completion_mode.unwrap_or(edge.completion_mode),
        };
        let purpose =
            update.purpose.clone().unwrap_or_else(|| edge.purpose.as_deref().map(str::to_owned));
        self.one_of(
            input,
            edge.child,
            lease,
            event,
            Body::Edge(EdgeBody {
                purpose,
                leaf: leaf(update.prev_artifact.as_ref()),
                by: input.caller().actor.clone(),
            }),
        )
    }

    pub(super) fn delete_edge(
        &self,
        input: &DecisionInput<'_>,
        id: SubSessionId,
    ) -> Result<Decision> {
        let deleted = Reply::Session(SessionOutcome::Deleted);
        if self.state.edge(id.version()).is_none() {
            return Ok(Decision::Answer(deleted));
        }
        self.open()?;
        let edge = self.state.edge(id.version()).ok_or_else(|| Error::not_found(id))?;
        let child = self.state.session(edge.child).ok_or_else(|| Error::not_found(id))?;
        let lease = self.fence_deletion(input, edge.child, child)?;
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        drafts.push(
            Lane::Rest.of(edge.child),
            Event::EdgeDeleted { edge: id.version() },
            input.caller_body(),
        );
        drafts.done(deleted)
    }
}
