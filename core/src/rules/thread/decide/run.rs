//! Runs and what they use.

use std::collections::BTreeSet;

use super::{View, session::illegal};
use crate::{
    command::{NewRun, SessionOutcome},
    error::{Error, Result, State},
    hash::{Hash, ShortHash},
    id::{RunId, SessionId, SubSessionId, Version},
    model::{RunOutcome, RunStatus, SessionStatus, SubSessionStatus, Usage},
    record::{Body, Consequence, EdgeStep, Event, Lane, RunBody, UsageBody},
    rules::decision::{Decision, DecisionInput, Drafts, ENTRY_BYTES, Reply},
    rules::thread::{
        external::derived_external_id,
        state::{RunState, SessionState},
    },
};

/// The digest a call is known by.
fn call_hash(call: &str) -> u128 {
    Hash::of(&[call.as_bytes()]).prefix_128()
}

/// A failure's reason of more bytes than this is sealed before the decision, as entries are: it may need a blob.
pub(crate) const LONG_REASON: usize = 8 << 10;

/// Runs of a thread that await sub-sessions at once: the commit that ends edges of all of them fits into a batch.
const AWAITING_RUNS: usize = 500;

fn is_long(outcome: &RunOutcome) -> bool {
    matches!(outcome, RunOutcome::Failed { reason } if reason.len() > LONG_REASON)
}

impl View<'_> {
    /// The session of a run that began and lives no more, as its own record says.
    pub(super) fn ended_run(&self, input: &DecisionInput<'_>, run: RunId) -> Option<Version> {
        match input.fact(run.version()) {
            Some(Event::RunStarted { session, .. }) if self.state.session(*session).is_some() => {
                Some(*session)
            }
            _ => None,
        }
    }

    /// Refuses an external id that was not this run's, live or ended (RUN1).
    fn check_echo(&self, input: &DecisionInput<'_>, id: RunId, echo: Option<&str>) -> Result<()> {
        let Some(echo) = echo else { return Ok(()) };
        let recorded = match (self.state.run(id.version()), input.fact(id.version())) {
            (Some(live), _) => live.external_id.as_deref().map(ShortHash::of),
            (None, Some(Event::RunStarted { external_id, .. })) => *external_id,
            (None, _) => None,
        };
        let is_same = match recorded {
            Some(digest) => digest == ShortHash::of(echo),
            None => echo == derived_external_id(id),
        };
        if is_same { Ok(()) } else { Err(Error::WrongExternalId { run: id, given: echo.into() }) }
    }

    /// The session of a run, live or ended, and the token held on it.
    fn owner(
        &self,
        input: &DecisionInput<'_>,
        id: RunId,
        echo: Option<&str>,
    ) -> Result<(&SessionState, Option<Version>)> {
        let live = self.state.run(id.version()).map(|r| r.session);
        let version =
            live.or_else(|| self.ended_run(input, id)).ok_or_else(|| Error::not_found(id))?;
        let owner = self.state.session(version).ok_or_else(|| Error::not_found(id))?;
        self.check_echo(input, id, echo)?;
        Ok((owner, self.fence(input, version, owner)?))
    }

    /// Refuses what does not go with a run that lives.
    pub(super) fn require_no_live_run(&self, session: &SessionState) -> Result<()> {
        let live = session.live_runs.iter().find_map(|run| Some((*run, self.state.run(*run)?)));
        live.map_or(Ok(()), |(run, state)| {
            Err(Error::RunLive { run: RunId::new(self.id, run), status: state.status })
        })
    }

    /// A live run, with its session and the token held on it.
    fn live_run(
        &self,
        input: &DecisionInput<'_>,
        id: RunId,
        echo: Option<&str>,
    ) -> Result<(&RunState, &SessionState, Option<Version>)> {
        let (owner, lease) = self.owner(input, id, echo)?;
        let run = self.state.run(id.version()).ok_or(Error::RunEnded { run: id })?;
        Ok((run, owner, lease))
    }

    /// The session's status over its live and ended runs (RUN3), with one of the live ones changed or gone.
    fn fan_in(
        &self,
        session: &SessionState,
        changed: Version,
        to: RunStatus,
        edge: Option<Version>,
    ) -> Consequence {
        let mut at_work = false;
        let mut waiting = false;
        let mut look = |status| match status {
            RunStatus::Queued | RunStatus::Running | RunStatus::AwaitingSubsession => {
                at_work = true;
            }
            RunStatus::AwaitingHitl | RunStatus::AwaitingHitlResolution => waiting = true,
            RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled => {}
        };
        look(to);
        session
            .live_runs
            .iter()
            .filter(|r| **r != changed)
            .filter_map(|r| self.state.run(*r))
            .for_each(|r| look(r.status));
        let ended = session.ended_runs + u32::from(to.is_terminal());
        let failed = session.failed_runs + u32::from(to == RunStatus::Failed);
        let status = if at_work {
            SessionStatus::Active
        } else if waiting {
            SessionStatus::AwaitingHitl
        } else if ended > 0 && failed == ended {
            SessionStatus::Failed
        } else {
            SessionStatus::Idle
        };
        let step = edge.and_then(|edge| {
            let now = self.state.edge(edge)?.status;
            let to = match (now, status) {
                (
                    SubSessionStatus::Pending,
                    SessionStatus::Active | SessionStatus::AwaitingHitl,
                ) => SubSessionStatus::Active,
                (SubSessionStatus::Active, SessionStatus::Idle) => SubSessionStatus::Idle,
                (SubSessionStatus::Active, SessionStatus::Failed) => SubSessionStatus::Failed,
                _ => return None,
            };
            Some(EdgeStep { edge, to })
        });
        Consequence { session: status, edge: step }
    }

    pub(super) fn start_run(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        new: &NewRun,
    ) -> Result<Decision> {
        let version = id.version();
        let session = self.state.session(version).ok_or_else(|| Error::not_found(id))?;
        let retried = match new.retry_of.filter(|run| run.thread() == self.id) {
            Some(run) => {
                let live = self.state.run(run.version());
                let owner = live.map(|r| r.session).or_else(|| self.ended_run(input, run));
                Some((run, owner.ok_or_else(|| Error::not_found(run))?, live))
            }
            None => None,
        };
        if let Some(run) = new.retry_of
            && retried.is_none_or(|(_, owner, _)| owner != version)
        {
            return Err(Error::wrong_thread(run, id));
        }
        let lease = self.fence(input, version, session)?;
        let status = if new.queued { RunStatus::Queued } else { RunStatus::Running };
        if let Some((run, _, Some(live))) = retried {
            return Err(Error::RunLive { run, status: live.status });
        }
        if !matches!(
            session.status,
            SessionStatus::Idle | SessionStatus::Active | SessionStatus::AwaitingHitl
        ) {
            return Err(illegal(id, session.status, SessionStatus::Active));
        }
        let external_id = new.external_id.as_ref().or(input.call.minted_external_id.as_ref());
        let external_id = external_id.ok_or_else(super::wrong_journal)?.clone();
        let digest = ShortHash::of(&external_id);
        if self.state.external_ids.get(digest).is_some() {
            let external_id = external_id.into_boxed_str();
            return Err(Error::ExternalIdTaken { thread: self.id, external_id });
        }
        self.require_budget(version)?;
        if self.needs_slice() {
            return Ok(Decision::Answer(Reply::DrawFirst));
        }
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let event = Event::RunStarted {
            session: version,
            iteration: session.iterations.saturating_add(1),
            retry_of: new.retry_of.map(RunId::version),
            external_id: Some(digest),
            status,
            then: self.fan_in(session, 0, status, session.parent),
        };
        let task = new.task.clone().or_else(|| session.task.as_deref().map(str::to_owned));
        let body = RunBody {
            external_id: Some(external_id),
            task,
            labels: new.labels.clone(),
            model: new.model.clone(),
            provider: new.provider.clone(),
            by: input.caller().actor.clone(),
        };
        let run = drafts.push(Lane::Runs.of(version), event, Body::Run(body));
        drafts.done(Reply::Session(SessionOutcome::RunStarted(RunId::new(self.id, run))))
    }

    /// A live run takes a step; `edges` are those that it waits for from then on.
    pub(super) fn run_step(
        &self,
        version: Version,
        run: &RunState,
        to: RunStatus,
        edges: Vec<Version>,
    ) -> Result<Event> {
        let session = self.state.session(run.session);
        let session = session.ok_or_else(|| Error::not_found(self.session_id(run.session)))?;
        let then = self.fan_in(session, version, to, session.parent);
        Ok(Event::RunStatusSet { run: version, session: run.session, status: to, edges, then })
    }

    /// The end of a live run.
    pub(super) fn run_end(
        &self,
        version: Version,
        run: &RunState,
        session: &SessionState,
        to: RunStatus,
    ) -> Event {
        Event::RunEnded {
            run: version,
            session: run.session,
            iteration: run.iteration,
            retry_of: run.retry_of,
            started_at: run.started_at,
            status: to,
            totals: run.totals.clone(),
            then: self.fan_in(session, version, to, session.parent),
        }
    }

    pub(super) fn set_run_status(
        &self,
        input: &DecisionInput<'_>,
        id: RunId,
        to: RunStatus,
    ) -> Result<Decision> {
        use RunStatus::{AwaitingHitl, AwaitingHitlResolution, Queued, Running};
        let (run, _, lease) = self.live_run(input, id, None)?;
        let step = matches!(
            (run.status, to),
            (Queued, Running)
                | (Running, AwaitingHitl)
                | (AwaitingHitl, AwaitingHitlResolution)
                | (AwaitingHitlResolution, Running)
        );
        if !step {
            return Err(Error::IllegalTransition {
                what: id.into(),
                from: State::Run(run.status),
                to: State::Run(to),
            });
        }
        let event = self.run_step(id.version(), run, to, Vec::new())?;
        self.one_of(input, run.session, lease, event, input.caller_body())
    }

    pub(super) fn end_run(
        &self,
        input: &DecisionInput<'_>,
        id: RunId,
        outcome: &RunOutcome,
        echo: Option<&str>,
    ) -> Result<Decision> {
        let (run, session, lease) = self.live_run(input, id, echo)?;
        let to = outcome.status();
        if to == RunStatus::Succeeded && run.status != RunStatus::Running {
            return Err(Error::IllegalTransition {
                what: id.into(),
                from: State::Run(run.status),
                to: State::Run(to),
            });
        }
        let event = self.run_end(id.version(), run, session, to);
        if let Some(actual) = input.call.oversize {
            let limit = ENTRY_BYTES as u64;
            return Err(Error::capacity(id, "bytes of a failure's reason", limit, actual));
        }
        let sealed = input.call.bodies.first().cloned();
        if sealed.is_none() && is_long(outcome) {
            // It began after the call was prepared, whose body tells of it; sent again, the call finds it.
            return Err(Error::contended(&self.id.space(&input.caller().tenant)));
        }
        let body = self.state.end_of_run(id.version(), outcome, &input.caller().actor);
        let body = body.ok_or(Error::RunEnded { run: id })?;
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let stream = Lane::Runs.of(run.session);
        let version = drafts.push_sealed(stream, event, Body::RunEnd(body), sealed);
        drafts.done(Reply::changed(version))
    }

    /// A running run waits for those of the edges that live; with none, nothing is written and it stays running.
    pub(super) fn await_sub_sessions(
        &self,
        input: &DecisionInput<'_>,
        id: RunId,
        edges: &[SubSessionId],
    ) -> Result<Decision> {
        let live = self.state.run(id.version()).map(|r| r.session);
        let session =
            live.or_else(|| self.ended_run(input, id)).ok_or_else(|| Error::not_found(id))?;
        let gone = |edge: &&SubSessionId| {
            edge.thread() == self.id && self.state.edge(edge.version()).is_none()
        };
        if let Some(edge) = edges.iter().find(gone) {
            return Err(Error::not_found(*edge));
        }
        let is_below = |edge: &SubSessionId| {
            let parent = self.state.edge(edge.version()).map(|edge| edge.parent);
            edge.thread() == self.id && parent == Some(session)
        };
        if let Some(edge) = edges.iter().find(|edge| !is_below(edge)) {
            return Err(Error::wrong_thread(*edge, self.session_id(session)));
        }
        let (run, _, lease) = self.live_run(input, id, None)?;
        if run.status != RunStatus::Running {
            return Err(Error::IllegalTransition {
                what: id.into(),
                from: State::Run(run.status),
                to: State::Run(RunStatus::AwaitingSubsession),
            });
        }
        let is_live = |edge: &Version| self.state.edge(*edge).is_some_and(|e| e.status.is_live());
        let awaits: BTreeSet<Version> =
            edges.iter().map(|edge| edge.version()).filter(is_live).collect();
        if awaits.is_empty() {
            return Ok(Decision::Answer(Reply::Session(SessionOutcome::Awaiting(None))));
        }
        let waiting = self.state.runs.values().filter(|run| !run.awaits.is_empty()).count() + 1;
        if waiting > AWAITING_RUNS {
            let (limit, actual) = (AWAITING_RUNS as u64, waiting as u64);
            return Err(Error::capacity(self.id, "runs that await sub-sessions", limit, actual));
        }
        let awaits = awaits.into_iter().collect();
        let event = self.run_step(id.version(), run, RunStatus::AwaitingSubsession, awaits)?;
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let version = drafts.push(Lane::Rest.of(run.session), event, input.caller_body());
        drafts.done(Reply::Session(SessionOutcome::Awaiting(Some(version))))
    }

    pub(super) fn book(
        &self,
        input: &DecisionInput<'_>,
        id: RunId,
        (call, usage): (&str, &Usage),
        echo: Option<&str>,
    ) -> Result<Decision> {
        let hash = call_hash(call);
        self.owner(input, id, echo)?;
        let live = self.state.run(id.version());
        let booked = match live {
            Some(run) => run.calls.get(&hash).copied(),
            None => {
                let mut late = self.state.late_calls.iter();
                late.find(|c| c.run == id.version() && c.call == hash).map(|c| c.version)
            }
        };
        if let Some(version) = booked {
            return Ok(Decision::Answer(Reply::changed(version)));
        }
        let (run, session, lease) = self.live_run(input, id, echo)?;
        let mut running =
            session.roll_up.as_ref().and_then(|r| r.totals.clone()).unwrap_or_default();
        running.book(usage);
        let event = Event::UsageBooked {
            run: id.version(),
            session: run.session,
            call: hash,
            usage: usage.numbers(),
            running,
        };
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let body = UsageBody {
            call: call.to_owned(),
            model: usage.model.clone(),
            provider: usage.provider.clone(),
            by: input.caller().actor.clone(),
        };
        let version = drafts.push(Lane::Usage.of(run.session), event, Body::Usage(body));
        drafts.done(Reply::changed(version))
    }
}
