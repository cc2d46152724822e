//! Edges between sessions: what each command does.

use sessile_core::{
    Error,
    ErrorKind::{NotFound, Precondition},
    Timestamp,
    command::{LinkSessions, NewSubSession, SessionOutcome},
    error::{Counter, ForestRule, State},
    id::{SubSessionId, ThreadId, Version},
    model::{CompletionMode, SubSessionStatus},
};

use super::{Predicted, Refusal, facts::Facts, project::stale, state::*};

impl Thread {
    pub(super) fn link(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        link: &LinkSessions,
    ) -> Predicted<SessionOutcome> {
        let edge = &link.edge;
        if edge.parent.thread() != id {
            // Whether the child or the parent is looked at first is left open.
            return Err(Refusal::one_of(&[Precondition, NotFound]));
        }
        let child = match (self.present(link.child), self.parent_exists(id, edge)) {
            // Which of two that are missing is named is left open.
            (Err(_), Err(_)) => return Err(NotFound.into()),
            (child, parent) => parent.and(child)?,
        };
        self.parent_fits(id, edge)?;
        self.not_archived(edge.parent, facts)?;
        self.fence(link.child, facts)?;
        self.asker_lives(edge)?;
        let parent = edge.parent.version();
        let ancestry = self.ancestry(parent);
        let broken: Vec<ForestRule> = [
            (parent == child, ForestRule::OwnParent),
            (self.above(child).is_some(), ForestRule::SecondParent),
            (parent != child && ancestry.contains(&child), ForestRule::Cycle),
        ]
        .into_iter()
        .filter_map(|(is_broken, rule)| is_broken.then_some(rule))
        .collect();
        match broken[..] {
            [] => {}
            [reason] => {
                let (parent, child) = (edge.parent, link.child);
                return Err(Error::NotAForest { parent, child, reason }.into());
            }
            _ => return Err(Precondition.into()),
        }
        let answered = edge.prev_artifact.as_ref();
        self.answers(id, answered)?;
        self.no_cycle((edge.parent, link.child), answered)?;
        self.caps(facts, edge, ancestry.len() as u32 + self.height(child), 1)?;
        self.intervention_caps(facts, edge.parent, answered)?;
        let status = if self.live_runs(child).next().is_some() {
            SubSessionStatus::Active
        } else {
            SubSessionStatus::Pending
        };
        let version = self.insert_edge(facts, child, edge, status);
        Ok(SessionOutcome::Linked(edge_id(id, version)))
    }

    pub(super) fn insert_edge(
        &mut self,
        facts: &Facts<'_>,
        child: Version,
        new: &NewSubSession,
        status: SubSessionStatus,
    ) -> Version {
        let version = self.record_in(child, facts.now, facts.caller);
        let edge = Edge {
            parent: new.parent.version(),
            child,
            kind: new.kind,
            status,
            spawned_by: facts.caller.actor.clone(),
            spawned_by_run: new.spawned_by_run,
            failure_mode: new.failure_mode,
            completion_mode: new.completion_mode,
            purpose: new.purpose.clone(),
            answers: new.prev_artifact.clone(),
            broadcast: None,
            summary: 0,
            before_archive: None,
            created_at: self.updated_at,
            updated_at: self.updated_at,
            version,
        };
        self.edges.insert(version, edge);
        version
    }

    /// What an edge names in this thread must exist.
    pub(super) fn parent_exists(&self, id: ThreadId, edge: &NewSubSession) -> Predicted<()> {
        if edge.parent.thread() == id {
            self.present(edge.parent)?;
        }
        match edge.spawned_by_run.filter(|r| r.thread() == id) {
            Some(run) => self.run_exists(run),
            None => Ok(()),
        }
    }

    /// The parent must be of this thread, and the run of the parent.
    pub(super) fn parent_fits(&self, id: ThreadId, edge: &NewSubSession) -> Predicted<()> {
        let theirs = edge.spawned_by_run.is_some_and(|run| {
            run.thread() != id || self.runs[&run.version()].session != edge.parent.version()
        });
        if edge.parent.thread() != id || theirs {
            return Err(Refusal::one_of(&[Precondition, NotFound]));
        }
        Ok(())
    }

    pub(super) fn asker_lives(&self, edge: &NewSubSession) -> Predicted<()> {
        let ended =
            edge.spawned_by_run.is_some_and(|run| self.runs[&run.version()].status.is_terminal());
        if ended { Err(Refusal::one_of(&[Precondition, NotFound])) } else { Ok(()) }
    }

    /// Depth of the deepest session below the edge, and live children of the parent with it.
    pub(super) fn caps(
        &self,
        facts: &Facts<'_>,
        edge: &NewSubSession,
        depth: u32,
        children: u64,
    ) -> Predicted<()> {
        let exceeded = |measure, limit: u32, actual: u64| {
            let limit = u64::from(limit);
            (actual > limit).then(|| Error::capacity(edge.parent, measure, limit, actual))
        };
        let depth = exceeded("delegation depth", facts.caps.max_delegation_depth, u64::from(depth));
        let width = self.width(edge.parent.version()) + children;
        let width = exceeded("delegation width", facts.caps.max_delegation_width, width);
        match (depth, width) {
            (None, None) => Ok(()),
            (Some(one), None) | (None, Some(one)) => Err(one.into()),
            (Some(one), Some(_)) => Err(one.kind().into()),
        }
    }

    pub(super) fn step_merge(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        edge: SubSessionId,
        expected: Version,
        to: SubSessionStatus,
    ) -> Predicted<SessionOutcome> {
        use SubSessionStatus::{Idle, MergeConflict, MergeRejected, Merged, Merging, PendingMerge};
        let v = edge.version();
        let it = self.edges.get(&v).ok_or_else(|| Error::not_found(edge))?;
        let (child, from, mode, version) = (it.child, it.status, it.completion_mode, it.version);
        self.writable(facts, session_id(id, child))?;
        if mode == CompletionMode::SummaryRef {
            return Err(Error::NotMergeBack { edge }.into());
        }
        let parent = self.edges[&v].parent;
        self.not_archived(session_id(id, parent), facts)?;
        let next: &[SubSessionStatus] = match from {
            Idle => &[PendingMerge],
            PendingMerge | MergeConflict => &[Merging, MergeRejected],
            Merging => &[Merged, MergeConflict],
            _ => &[],
        };
        if !next.contains(&to) {
            let (from, to) = (State::Edge(from), State::Edge(to));
            return Err(Error::IllegalTransition { what: edge.into(), from, to }.into());
        }
        stale(edge, Counter::Version, expected, version)?;
        let version = self.record_in(child, facts.now, facts.caller);
        let is_at_work = self.live_runs(child).next().is_some();
        let it = self.session(child);
        it.ended |= matches!(to, Merged | MergeRejected) && it.activities > 0 && !is_at_work;
        let ended = self.step_edge(child, |_| true, to);
        self.follow(facts, id, ended);
        Ok(SessionOutcome::Changed(version))
    }

    /// Changes the status of the edge above, if it has the status it is to change from, and tells which it was. The record
    /// is already counted.
    pub(super) fn step_edge(
        &mut self,
        child: Version,
        from: impl Fn(SubSessionStatus) -> bool,
        to: SubSessionStatus,
    ) -> Option<Version> {
        let (version, now) = (self.head, self.updated_at);
        let (id, edge) = self.edges.iter_mut().find(|(_, e)| e.child == child && from(e.status))?;
        edge.status = to;
        edge.touch(version, now);
        let (id, is_live) = (*id, to.is_live());
        if !is_live {
            self.end_share(child);
        }
        Some(id)
    }
}

impl Edge {
    pub(super) fn touch(&mut self, version: Version, now: Timestamp) {
        self.version = version;
        self.updated_at = now;
    }
}
