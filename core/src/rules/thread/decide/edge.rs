//! Commands on edges, and the caps every edge is under.

use super::{View, thread::stale};
use crate::{
    command::{LinkSessions, NewSubSession, SessionOutcome, UpdateEdge},
    error::{Error, ForestRule, Result},
    id::{SubSessionId, Version},
    model::SubSessionStatus,
    record::{Body, EdgeBody, Event, Lane},
    rules::decision::{Caps, Decision, DecisionInput, Drafts, Reply},
    rules::thread::state::{EdgeState, SessionState},
};

impl View<'_> {
    /// Depth of the deepest session below the new edge, and live children of the parent (SUB7).
    pub(super) fn caps(&self, caps: &Caps, parent: Version, height: u32) -> Result<()> {
        let depth = u64::from(self.state.depth(parent)) + 1 + u64::from(height);
        let limit = u64::from(caps.config.max_delegation_depth);
        if depth > limit {
            return Err(Error::capacity(self.session_id(parent), "delegation depth", limit, depth));
        }
        let width = self.state.session(parent).map_or(0, |s| u64::from(s.live_children)) + 1;
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
        caps: Version,
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
        };
        (
            event,
            Body::Edge(EdgeBody {
                purpose: edge.purpose.clone(),
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
        self.caps(caps, parent, self.state.height(child))?;
        let status = if session.live_runs.is_empty() {
            SubSessionStatus::Pending
        } else {
            SubSessionStatus::Active
        };
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let (event, body) = self.edge_record(input, &link.edge, child, status, caps.version);
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

    pub(super) fn update_edge(
        &self,
        input: &DecisionInput<'_>,
        id: SubSessionId,
        expected: Version,
        update: &UpdateEdge,
    ) -> Result<Decision> {
        let (edge, lease) = self.writable_edge(input, id)?;
        stale(id, expected, edge.version)?;
        let event = Event::EdgeUpdated {
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
            Body::Edge(EdgeBody { purpose, by: input.caller().actor.clone() }),
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
        let (edge, lease) = self.writable_edge(input, id)?;
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        drafts.push(
            Lane::Rest.of(edge.child),
            Event::EdgeDeleted { edge: id.version() },
            input.caller_body(),
        );
        drafts.done(deleted)
    }
}
