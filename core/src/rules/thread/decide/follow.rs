//! What follows where an edge ends: the parent's runs that wait for it go on or fail, in the same commit, and so upwards; a
//! parent that waits for the recipients of a broadcast waits no more when the last of them has come to an end.

use std::collections::{BTreeSet, VecDeque};

use super::View;
use crate::{
    error::{Error, Result},
    id::{RunId, SessionId, SubSessionId, ThreadId, Version},
    journal::Stream,
    model::{FailureMode, RunOutcome, RunStatus, SessionStatus, SubSessionStatus},
    record::{Body, Draft, Event, Lane},
    rules::{
        decision::DecisionInput,
        event::EventRecord,
        thread::state::{EdgeState, SessionState, ThreadState},
    },
};

/// An edge that left its live statuses.
#[derive(Clone, Copy, Debug)]
struct EndedEdge {
    edge: Version,
    parent: Version,
    /// Its child failed, and takes down with it whoever waits.
    fails: bool,
}

/// The records of a command, and the state with them folded in: for what is decided after them in the same commit.
#[derive(Debug)]
pub(super) struct Ahead<'a> {
    id: ThreadId,
    input: &'a DecisionInput<'a>,
    state: ThreadState,
    next: Version,
    drafts: Vec<Draft>,
    /// The parents of edges that took a step.
    stepped: BTreeSet<Version>,
    /// What still has to be followed.
    ended: VecDeque<EndedEdge>,
    /// The runs that failed because of a sub-session.
    failed: Vec<(RunId, SessionId)>,
}

impl View<'_> {
    /// Adds to the records of a command what follows from the edges that they end. Every command that writes goes through
    /// it, so none needs to know who waits: an event that steps or removes an edge says so in
    /// [`Event::stepped_edge`], and that is all.
    pub(super) fn follow_edge_ends(
        &self,
        input: &DecisionInput<'_>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Draft>> {
        let is_awaited = |edge: &EdgeState| {
            let parent = self.state.session(edge.parent);
            let runs = parent.iter().flat_map(|parent| &parent.live_runs);
            let is_source = |it: &SessionState| it.status == SessionStatus::AwaitingMerge;
            parent.is_some_and(is_source)
                || runs.filter_map(|run| self.state.run(*run)).any(|run| !run.awaits.is_empty())
        };
        let stepped = drafts.iter().filter_map(|draft| draft.event.stepped_edge());
        if !stepped.filter_map(|edge| self.state.edge(edge)).any(is_awaited) {
            return Ok(drafts);
        }
        let mut ahead = Ahead::of(*self, input);
        drafts.into_iter().try_for_each(|draft| ahead.add(draft))?;
        ahead.follow()?;
        Ok(ahead.drafts)
    }
}

impl<'a> Ahead<'a> {
    pub(super) fn of(view: View<'_>, input: &'a DecisionInput<'a>) -> Self {
        Self {
            id: view.id,
            input,
            state: view.state.clone(),
            next: view.state.version() + 1,
            drafts: Vec::new(),
            stepped: BTreeSet::new(),
            ended: VecDeque::new(),
            failed: Vec::new(),
        }
    }

    /// The state with all records so far.
    pub(super) const fn state(&self) -> &ThreadState {
        &self.state
    }

    /// The records so far.
    pub(super) const fn records(&self) -> usize {
        self.drafts.len()
    }

    pub(super) fn into_drafts(self) -> Vec<Draft> {
        self.drafts
    }

    /// The runs that failed because of a sub-session, since this was asked last.
    pub(super) fn take_failed(&mut self) -> Vec<(RunId, SessionId)> {
        std::mem::take(&mut self.failed)
    }

    const fn view(&self) -> View<'_> {
        View { id: self.id, state: &self.state }
    }

    /// Adds a record, folds it in, and notes whether it ends an edge.
    pub(super) fn add(&mut self, draft: Draft) -> Result<()> {
        let stepped = draft.event.stepped_edge();
        let before = stepped.and_then(|edge| Some((edge, self.state.edge(edge)?.clone())));
        self.state.evolve(&EventRecord::of_draft(self.next, &draft)).map_err(|why| {
            Error::corrupt(&self.id.space(&self.input.caller().tenant), self.next, why)
        })?;
        self.next += 1;
        self.drafts.push(draft);
        self.stepped.extend(before.iter().map(|(_, edge)| edge.parent));
        if let Some((edge, before)) = before
            && before.status.is_live()
        {
            let now = self.state.edge(edge).map(|it| it.status);
            if !now.is_some_and(SubSessionStatus::is_live) {
                let fails = now == Some(SubSessionStatus::Failed)
                    && before.failure_mode == FailureMode::FailFast;
                self.ended.push_back(EndedEdge { edge, parent: before.parent, fails });
            }
        }
        Ok(())
    }

    /// Adds a record of the caller's, who does not hold the lease of the session it is about.
    pub(super) fn push(&mut self, stream: Stream, event: Event, body: Body) -> Result<()> {
        self.add(Draft {
            stream,
            event,
            body,
            sealed: None,
            salt: 0,
            key: None,
            count: None,
            lease: None,
            at: self.input.now,
            not_before: None,
        })
    }

    /// Ends a live run, and adds what follows from that.
    pub(super) fn end_run(&mut self, run: Version, outcome: &RunOutcome) -> Result<()> {
        self.push_end(run, outcome)?;
        self.follow()
    }

    fn push_end(&mut self, run: Version, outcome: &RunOutcome) -> Result<()> {
        let id = RunId::new(self.id, run);
        let ended = || Error::RunEnded { run: id };
        let state = self.state.run(run).ok_or_else(ended)?;
        let session = self.state.session(state.session).ok_or_else(ended)?;
        let stream = Lane::Runs.of(state.session);
        let event = self.view().run_end(run, state, session, outcome.status());
        let body = self.state.end_of_run(run, outcome, &self.input.caller().actor);
        self.push(stream, event, Body::RunEnd(body.ok_or_else(ended)?))
    }

    /// What follows from the edges that ended so far, until nothing does.
    fn follow(&mut self) -> Result<()> {
        while let Some(ended) = self.ended.pop_front() {
            self.follow_edge_end(ended)?;
        }
        for session in std::mem::take(&mut self.stepped) {
            if self.state.is_broadcast_over(session) {
                let (event, body) = (Event::BroadcastEnded { session }, self.input.caller_body());
                self.push(Lane::Rest.of(session), event, body)?;
            }
        }
        Ok(())
    }

    /// The parent's runs that wait for an edge: each fails with it, or goes on if it was the last that it waited for.
    fn follow_edge_end(&mut self, ended: EndedEdge) -> Result<()> {
        let parent = self.state.session(ended.parent);
        let runs = parent.map(|parent| parent.live_runs.clone()).unwrap_or_default();
        for run in runs {
            let Some(state) = self.state.run(run).filter(|run| run.awaits.contains(&ended.edge))
            else {
                continue;
            };
            let is_live =
                |edge: &Version| self.state.edge(*edge).is_some_and(|e| e.status.is_live());
            if ended.fails {
                self.failed.push((RunId::new(self.id, run), SessionId::new(self.id, ended.parent)));
                let edge = SubSessionId::new(self.id, ended.edge);
                self.push_end(run, &RunOutcome::SubSessionFailed { edge })?;
            } else if !state.awaits.iter().any(is_live) {
                let event = self.view().run_step(run, state, RunStatus::Running, Vec::new())?;
                let body = self.input.caller_body();
                self.push(Lane::Rest.of(ended.parent), event, body)?;
            }
        }
        Ok(())
    }
}
