//! The sweep: ends the runs that nobody works on any more (RUN4), and handoffs that came to nothing (HOF5).

use std::{cmp::Reverse, collections::BTreeSet};

use super::{View, follow::Ahead};
use crate::{
    command::{SessionOutcome, Sweep, Swept, SweptRun},
    error::Result,
    id::{RunId, Version},
    model::{RunOutcome, RunStatus},
    record::{Event, Lane},
    rules::{
        decision::{Decision, DecisionInput, Reply},
        thread::state::ThreadState,
    },
};

/// Runs that one sweep ends as abandoned; with what follows from that they fit into one batch. The runs of one session are
/// ended together, if they are no more than that: a session that is written to is silent no more.
const SWEPT_RUNS: usize = 500;

/// What is abandoned by now.
struct Judge<'a> {
    input: &'a DecisionInput<'a>,
    sweep: Sweep,
}

impl Judge<'_> {
    fn has_expired(&self, state: &ThreadState, session: Version) -> bool {
        let lease = state.session(session).and_then(|s| s.lease.as_ref());
        lease.is_some_and(|lease| lease.has_expired(self.input.now, self.input.call.max_skew))
    }

    /// It has no lease, and was not written to for longer than the bound.
    fn is_silent(&self, state: &ThreadState, session: Version) -> bool {
        let bound = self.sweep.silent_for.saturating_add(self.input.call.max_skew);
        state
            .session(session)
            .is_some_and(|s| s.lease.is_none() && self.input.now > s.updated_at.plus(bound))
    }

    /// Why a run is abandoned, if it is. Those of the sessions below were ended before.
    fn why(&self, state: &ThreadState, run: Version) -> Option<Swept> {
        let run = state.run(run)?;
        if self.has_expired(state, run.session) {
            return Some(Swept::LeaseExpired);
        }
        let awaited = run.awaits.iter().filter_map(|edge| state.edge(*edge));
        let mut at_work = awaited.filter(|edge| edge.status.is_live()).map(|edge| edge.child);
        let is_idle = |child: Version| {
            let runs = state.session(child).is_some_and(|s| !s.live_runs.is_empty());
            !runs && (self.has_expired(state, child) || self.is_silent(state, child))
        };
        let is_waiting = run.status == RunStatus::AwaitingSubsession;
        let is_abandoned =
            self.is_silent(state, run.session) && (!is_waiting || at_work.all(is_idle));
        is_abandoned.then_some(Swept::Silent)
    }
}

impl View<'_> {
    /// Sessions furthest from the root first, so that who waits is judged after whom it waits for.
    pub(super) fn sweep(&self, input: &DecisionInput<'_>, sweep: Sweep) -> Result<Decision> {
        let judge = Judge { input, sweep };
        let at_work: BTreeSet<Version> = self.state.runs.values().map(|run| run.session).collect();
        let mut at_work: Vec<Version> = at_work.into_iter().collect();
        at_work.sort_by_cached_key(|session| (Reverse(self.state.depth(*session)), *session));
        let mut ahead = Ahead::of(*self, input);
        let mut swept = Vec::new();
        let mut expired = Vec::new();
        let mut abandoned = 0;
        for session in at_work {
            // All of them are judged before the end of one is a record of their session.
            let runs = ahead.state().session(session).map(|s| s.live_runs.clone());
            let runs = runs.unwrap_or_default().into_iter();
            let judged = runs.filter_map(|run| Some((run, judge.why(ahead.state(), run)?)));
            let mut found: Vec<(Version, Swept)> = judged.collect();
            if !sweep.dry_run {
                let room = SWEPT_RUNS - abandoned;
                if found.len() > room && abandoned > 0 {
                    break;
                }
                found.truncate(room);
            }
            abandoned += found.len();
            for (run, why) in found {
                ahead.end_run(run, &RunOutcome::Abandoned)?;
                let (run, session) = (RunId::new(self.id, run), self.session_id(session));
                swept.push(SweptRun::new(run, session, why));
                for (run, session) in ahead.take_failed() {
                    swept.push(SweptRun::new(run, session, Swept::SubSessionFailed));
                }
            }
            let is_free = ahead.state().session(session).is_some_and(|s| s.live_runs.is_empty());
            if is_free && judge.has_expired(ahead.state(), session) {
                expired.push(session);
            }
        }
        for session in &self.state.locked {
            let lock = self.state.session(*session).and_then(|it| it.lock.as_ref());
            if lock.is_some_and(|it| it.has_expired(input.now, input.call.max_skew)) {
                let (event, body) =
                    (Event::HandoffReleased { session: *session }, input.caller_body());
                ahead.push(Lane::Rest.of(*session), event, body)?;
            }
        }
        if !expired.is_empty() {
            expired.sort_unstable();
            let event = Event::LeasesExpired { sessions: expired };
            ahead.push(Lane::Rest.of(0), event, input.caller_body())?;
        }
        let reply = Reply::Session(SessionOutcome::Swept(swept));
        if sweep.dry_run || ahead.records() == 0 {
            return Ok(Decision::Answer(reply));
        }
        Ok(Decision::Write(ahead.into_drafts(), reply))
    }
}
