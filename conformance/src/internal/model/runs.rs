//! Runs: their status, what follows for their session, and what they used.

use sessile_core::{
    Error,
    ErrorKind::Precondition,
    command::{NewRun, SessionOutcome},
    error::State,
    id::{RunId, SessionId, SubSessionId, ThreadId, Version},
    model::{
        FailureMode, RollUp, RunOutcome, RunStatus, SessionStatus, SubSessionStatus, Totals, Usage,
    },
};

use super::{Predicted, Refusal, facts::Facts, state::*};

impl Thread {
    pub(super) fn run_exists(&self, run: RunId) -> Predicted<()> {
        match self.runs.get(&run.version()) {
            Some(known) if !known.gone => Ok(()),
            _ => Err(Error::not_found(run).into()),
        }
    }

    pub(super) fn start_run(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        session: SessionId,
        new: &NewRun,
    ) -> Predicted<SessionOutcome> {
        let v = self.present(session)?;
        if let Some(run) = new.retry_of.filter(|r| r.thread() == id) {
            self.run_exists(run)?;
        }
        if let Some(run) = new.retry_of
            && (run.thread() != id || self.runs[&run.version()].session != v)
        {
            return Err(Precondition.into());
        }
        self.fence(session, facts)?;
        let lives = |run: RunId| !self.runs[&run.version()].status.is_terminal();
        let status = self.sessions[&v].status;
        let takes_none = matches!(status, SessionStatus::Failed | SessionStatus::AwaitingMerge);
        if takes_none || new.retry_of.is_some_and(lives) {
            return Err(Precondition.into());
        }
        if let Some(external_id) = &new.external_id
            && self.runs.values().any(|r| r.external_id.as_ref() == Some(external_id))
        {
            let external_id = external_id.as_str().into();
            return Err(Error::ExternalIdTaken { thread: id, external_id }.into());
        }
        self.may_spend(id, v)?;
        let iteration = self.runs.values().filter(|r| r.session == v).count() as u32 + 1;
        let version = self.record_in(v, facts.now, facts.caller);
        let task = new.task.clone().or_else(|| self.session(v).task.clone());
        self.tasks.extend(task.clone());
        let run = ModelRun {
            session: v,
            iteration,
            retry_of: new.retry_of,
            task,
            labels: new.labels.clone(),
            external_id: new.external_id.clone(),
            model: new.model.clone(),
            provider: new.provider.clone(),
            status: if new.queued { RunStatus::Queued } else { RunStatus::Running },
            awaits: Vec::new(),
            outcome: None,
            started_at: self.updated_at,
            ended_at: None,
            ended: 0,
            version,
            calls: Vec::new(),
            gone: false,
        };
        self.runs.insert(version, run);
        self.session(v).begin_activity(version);
        self.fan_in(v);
        self.step_edge(v, |s| s == SubSessionStatus::Pending, SubSessionStatus::Active);
        Ok(SessionOutcome::RunStarted(RunId::new(id, version)))
    }

    /// What an agent program gives back as the run's external id must be it.
    fn echoed(&self, run: RunId, echo: Option<&str>) -> Predicted<()> {
        let external_id = self.runs[&run.version()].external_id.as_deref();
        match echo {
            Some(echo) if external_id != Some(echo) => {
                Err(Error::WrongExternalId { run, given: echo.into() }.into())
            }
            _ => Ok(()),
        }
    }

    /// A live run that the caller may write to.
    fn live_run(
        &self,
        facts: &Facts<'_>,
        id: ThreadId,
        run: RunId,
        echo: Option<&str>,
    ) -> Predicted<Version> {
        self.run_exists(run)?;
        self.echoed(run, echo)?;
        let session = self.runs[&run.version()].session;
        self.writable(facts, session_id(id, session))?;
        if self.runs[&run.version()].status.is_terminal() {
            return Err(Error::RunEnded { run }.into());
        }
        Ok(session)
    }

    pub(super) fn set_run_status(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        run: RunId,
        to: RunStatus,
    ) -> Predicted<SessionOutcome> {
        self.live_run(facts, id, run, None)?;
        let from = self.runs[&run.version()].status;
        if to.is_terminal() || !legal(from, to) {
            return Err(illegal(run, from, to));
        }
        Ok(SessionOutcome::Changed(self.step_run(facts, run.version(), to, Vec::new())))
    }

    /// A run takes a step and lives on; the version of its record.
    pub(super) fn step_run(
        &mut self,
        facts: &Facts<'_>,
        run: Version,
        to: RunStatus,
        awaits: Vec<Version>,
    ) -> Version {
        let session = self.runs[&run].session;
        let version = self.record_in(session, facts.now, facts.caller);
        let it = self.runs.get_mut(&run).expect("it lives");
        it.status = to;
        it.awaits = awaits;
        it.version = version;
        self.fan_in(session);
        version
    }

    pub(super) fn await_edges(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        run: RunId,
        edges: &[SubSessionId],
    ) -> Predicted<SessionOutcome> {
        self.run_exists(run)?;
        for edge in edges.iter().filter(|edge| edge.thread() == id) {
            self.edges.get(&edge.version()).ok_or_else(|| Error::not_found(*edge))?;
        }
        let session = self.runs[&run.version()].session;
        let elsewhere = |edge: &&SubSessionId| {
            edge.thread() != id || self.edges[&edge.version()].parent != session
        };
        if let Some(edge) = edges.iter().find(elsewhere) {
            return Err(Error::wrong_thread(*edge, session_id(id, session)).into());
        }
        self.live_run(facts, id, run, None)?;
        let from = self.runs[&run.version()].status;
        if from != RunStatus::Running {
            return Err(illegal(run, from, RunStatus::AwaitingSubsession));
        }
        let mut live: Vec<Version> = edges.iter().map(|edge| edge.version()).collect();
        live.retain(|edge| self.edges[edge].status.is_live());
        live.sort_unstable();
        live.dedup();
        let waits = (!live.is_empty())
            .then(|| self.step_run(facts, run.version(), RunStatus::AwaitingSubsession, live));
        Ok(SessionOutcome::Awaiting(waits))
    }

    /// What follows where the edge of this version ended, if one did.
    pub(super) fn follow(&mut self, facts: &Facts<'_>, id: ThreadId, ended: Option<Version>) {
        if let Some(edge) = ended {
            let it = self.edges.get(&edge).cloned();
            self.edge_ended(facts, id, edge, it);
        }
    }

    /// The runs that wait for an edge fail with it, or go on if nothing else keeps them; `it` is the edge as it ended.
    pub(super) fn edge_ended(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        edge: Version,
        it: Option<Edge>,
    ) {
        let Some(it) = it.filter(|it| {
            // A deleted one is as it was before.
            !it.status.is_live() || !self.edges.contains_key(&edge)
        }) else {
            return;
        };
        let fails = self.edges.contains_key(&edge)
            && it.status == SubSessionStatus::Failed
            && it.failure_mode == FailureMode::FailFast;
        let waiting: Vec<Version> = self
            .runs
            .iter()
            .filter(|(_, r)| r.session == it.parent && r.awaits.contains(&edge))
            .map(|(v, _)| *v)
            .collect();
        for run in waiting {
            let lives = |edge: &Version| self.edges.get(edge).is_some_and(|e| e.status.is_live());
            if fails {
                let outcome = RunOutcome::SubSessionFailed { edge: edge_id(id, edge) };
                self.finish_run(facts, id, run, &outcome);
            } else if !self.runs[&run].awaits.iter().any(lives) {
                self.step_run(facts, run, RunStatus::Running, Vec::new());
            }
        }
    }

    pub(super) fn end_run(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        run: RunId,
        outcome: &RunOutcome,
        echo: Option<&str>,
    ) -> Predicted<SessionOutcome> {
        self.live_run(facts, id, run, echo)?;
        let from = self.runs[&run.version()].status;
        if !legal(from, outcome.status()) {
            return Err(illegal(run, from, outcome.status()));
        }
        Ok(SessionOutcome::Changed(self.finish_run(facts, id, run.version(), outcome)))
    }

    /// A live run ends, with what follows; the version of its record.
    pub(super) fn finish_run(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        run: Version,
        outcome: &RunOutcome,
    ) -> Version {
        let session = self.runs[&run].session;
        let version = self.record_in(session, facts.now, facts.caller);
        let now = self.updated_at;
        let it = self.runs.get_mut(&run).expect("it lives");
        it.status = outcome.status();
        it.awaits = Vec::new();
        it.outcome = Some(outcome.clone());
        it.ended_at = Some(now);
        it.ended = version;
        it.version = version;
        self.fan_in(session);
        let active = |s| s == SubSessionStatus::Active;
        let ended = match self.session(session).status {
            SessionStatus::Idle => self.step_edge(session, active, SubSessionStatus::Idle),
            SessionStatus::Failed => self.step_edge(session, active, SubSessionStatus::Failed),
            _ => None,
        };
        // A cancelled last run ends the activity.
        if *outcome == RunOutcome::Cancelled && self.live_runs(session).next().is_none() {
            let head = self.head;
            let it = self.session(session);
            (it.activity, it.ended) = (head, true);
        }
        self.follow(facts, id, ended);
        version
    }

    /// The session's status from the runs of its current activity.
    fn fan_in(&mut self, session: Version) {
        let activity = self.sessions[&session].activity;
        let runs: Vec<RunStatus> = self
            .runs
            .values()
            .filter(|r| r.session == session && (!r.status.is_terminal() || r.ended > activity))
            .map(|r| r.status)
            .collect();
        let any = |wanted: &[RunStatus]| runs.iter().any(|s| wanted.contains(s));
        let status = if any(&[RunStatus::Queued, RunStatus::Running, RunStatus::AwaitingSubsession])
        {
            SessionStatus::Active
        } else if any(&[RunStatus::AwaitingHitl, RunStatus::AwaitingHitlResolution]) {
            SessionStatus::AwaitingHitl
        } else if runs.iter().all(|s| *s == RunStatus::Failed) {
            SessionStatus::Failed
        } else {
            SessionStatus::Idle
        };
        let head = self.head;
        let it = self.session(session);
        it.status = status;
        if status == SessionStatus::Failed {
            (it.ended, it.activity) = (true, head);
        }
    }

    pub(super) fn book(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        run: RunId,
        (call, usage): (&str, &Usage),
        echo: Option<&str>,
    ) -> Predicted<SessionOutcome> {
        self.run_exists(run)?;
        self.echoed(run, echo)?;
        let session = self.runs[&run.version()].session;
        self.writable(facts, session_id(id, session))?;
        if let Some(first) = self.runs[&run.version()].calls.iter().find(|c| c.call == call) {
            return Ok(SessionOutcome::Changed(first.version));
        }
        self.live_run(facts, id, run, echo)?;
        let version = self.record_in(session, facts.now, facts.caller);
        let booked =
            Call { version, at: self.updated_at, call: call.to_owned(), usage: usage.clone() };
        self.runs.get_mut(&run.version()).expect("it lives").calls.push(booked);
        self.pay(session, usage);
        self.spend_slice(usage);
        Ok(SessionOutcome::Changed(version))
    }

    /// The roll-up of some runs.
    pub fn roll_up(&self, wanted: impl Fn(&ModelRun) -> bool) -> RollUp {
        let mut roll_up = RollUp::default();
        for run in self.runs.values().filter(|r| wanted(r)) {
            roll_up.attempts += 1;
            roll_up.iterations += u64::from(run.retry_of.is_none());
            match run.status {
                RunStatus::Succeeded => roll_up.succeeded += 1,
                RunStatus::Failed => roll_up.failed += 1,
                RunStatus::Cancelled => roll_up.cancelled += 1,
                _ if run.gone => roll_up.cancelled += 1,
                _ => roll_up.live += 1,
            }
            if !run.calls.is_empty() {
                roll_up.totals.get_or_insert_default().add(&run.totals());
            }
        }
        roll_up
    }
}

impl ModelRun {
    /// What it used.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.calls.iter().for_each(|c| totals.add(&of(&c.usage)));
        totals
    }
}

/// One call as totals.
pub(super) fn of(usage: &Usage) -> Totals {
    let mut totals = Totals::default();
    totals.calls = 1;
    totals.tokens = usage.tokens;
    totals.turns = usage.turns;
    totals.cost.extend(usage.cost.iter().map(|c| (c.currency.clone(), c.micro)));
    totals
}

fn illegal(run: RunId, from: RunStatus, to: RunStatus) -> Refusal {
    let (from, to) = (State::Run(from), State::Run(to));
    Error::IllegalTransition { what: run.into(), from, to }.into()
}

fn legal(from: RunStatus, to: RunStatus) -> bool {
    use RunStatus::{
        AwaitingHitl, AwaitingHitlResolution, AwaitingSubsession, Cancelled, Failed, Queued,
        Running, Succeeded,
    };
    matches!(
        (from, to),
        (Queued, Running | Failed | Cancelled)
            | (Running, AwaitingHitl | Succeeded | Failed | Cancelled)
            | (AwaitingHitl, AwaitingHitlResolution | Failed | Cancelled)
            | (AwaitingHitlResolution, Running | Failed | Cancelled)
            | (AwaitingSubsession, Failed | Cancelled)
    )
}
