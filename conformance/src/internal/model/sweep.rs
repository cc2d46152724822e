//! The sweep: which runs it ends.

use sessile_core::{
    command::{SessionOutcome, Sweep, Swept, SweptRun},
    id::{RunId, ThreadId, Version},
    model::RunOutcome,
};

use super::{facts::Facts, state::*};

impl Thread {
    /// From the sessions furthest from the root up, each run that nobody works on is ended with all that follows.
    pub(super) fn sweep(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        sweep: Sweep,
    ) -> SessionOutcome {
        let before = sweep.dry_run.then(|| self.clone());
        let mut sessions: Vec<(usize, Version)> =
            self.sessions.keys().map(|v| (self.ancestry(*v).len(), *v)).collect();
        sessions.sort_by_key(|(depth, v)| (std::cmp::Reverse(*depth), *v));
        let mut swept = Vec::new();
        let mut expired = Vec::new();
        for (_, session) in sessions {
            let live: Vec<Version> = self.live_runs(session).map(|(v, _)| v).collect();
            let found: Vec<(Version, Swept)> = live
                .iter()
                .filter_map(|run| Some((*run, self.why_swept(facts, sweep, *run)?)))
                .collect();
            for (run, why) in &found {
                let ended = |thread: &Self| -> Vec<Version> {
                    let ended = thread.runs.iter().filter(|(_, r)| r.status.is_terminal());
                    ended.map(|(v, _)| *v).collect()
                };
                let over = ended(self);
                self.finish_run(facts, id, *run, &RunOutcome::Abandoned);
                let swept_run = |v: Version, why| {
                    let session = session_id(id, self.runs[&v].session);
                    SweptRun::new(RunId::new(id, v), session, why)
                };
                swept.push(swept_run(*run, *why));
                let mut more = ended(self);
                more.retain(|v| v != run && !over.contains(v));
                more.sort_by_key(|v| self.runs[v].ended);
                swept.extend(more.iter().map(|v| swept_run(*v, Swept::SubSessionFailed)));
            }
            if !live.is_empty() && self.live_runs(session).next().is_none() {
                expired.extend(Some(session).filter(|s| self.has_expired(facts, *s)));
            }
        }
        if !expired.is_empty() {
            self.record(facts.now, &facts.caller.actor);
            let now = self.updated_at;
            for session in expired {
                let session = self.session(session);
                session.lease = None;
                session.updated_at = now;
            }
        }
        if let Some(before) = before {
            *self = before;
        }
        SessionOutcome::Swept(swept)
    }

    fn has_expired(&self, facts: &Facts<'_>, session: Version) -> bool {
        let lease = self.sessions[&session].lease.as_ref();
        lease.is_some_and(|lease| facts.now > lease.expires_at().plus(facts.max_skew))
    }

    fn is_silent(&self, facts: &Facts<'_>, sweep: Sweep, session: Version) -> bool {
        let session = &self.sessions[&session];
        let last = session.updated_at.plus(sweep.silent_for).plus(facts.max_skew);
        session.lease.is_none() && facts.now > last
    }

    fn why_swept(&self, facts: &Facts<'_>, sweep: Sweep, run: Version) -> Option<Swept> {
        let run = self.runs.get(&run).filter(|run| !run.status.is_terminal())?;
        if self.has_expired(facts, run.session) {
            return Some(Swept::LeaseExpired);
        }
        let nobody_below = run.awaits.iter().filter_map(|edge| self.edges.get(edge)).all(|edge| {
            let child = edge.child;
            let is_free = self.has_expired(facts, child) || self.is_silent(facts, sweep, child);
            !edge.status.is_live() || is_free && self.live_runs(child).next().is_none()
        });
        (self.is_silent(facts, sweep, run.session) && nobody_below).then_some(Swept::Silent)
    }
}
