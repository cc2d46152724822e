//! What records of runs change.

use std::sync::Arc;

use super::NO_RUN;
use crate::{
    hash::ShortHash,
    id::Version,
    model::RunStatus,
    record::Body,
    rules::{
        event::{EventRecord, Evolved},
        thread::state::{LATE_CALLS, LateCall, RunState, ThreadState},
    },
};

impl ThreadState {
    pub(super) fn start_run(
        &mut self,
        event: &EventRecord<'_>,
        session: Version,
        iteration: u32,
        retry_of: Option<Version>,
        status: RunStatus,
    ) -> Evolved {
        let body = if let Some(Body::Run(body)) = event.body { Some(body) } else { None };
        let task = body.and_then(|b| b.task.as_deref()).map(|t| self.task(t));
        let labels = body.filter(|b| !b.labels.is_empty()).map(|b| Arc::new(b.labels.clone()));
        let run = RunState {
            session,
            iteration,
            retry_of,
            external_id: body.and_then(|b| b.external_id.as_deref()).map(Arc::from),
            status,
            awaits: Vec::new(),
            task: task.clone(),
            labels,
            model: body.and_then(|b| b.model.as_deref()).map(Arc::from),
            provider: body.and_then(|b| b.provider.as_deref()).map(Arc::from),
            started_at: self.last_at,
            totals: Default::default(),
            calls: Default::default(),
            version: event.version,
        };
        self.runs.insert_mut(event.version, Arc::new(run));
        self.edit_session(session, |s| {
            s.begin_activity();
            s.iterations = iteration;
            s.live_runs.push(event.version);
        })?;
        self.count(session, task.as_ref(), |r| {
            r.attempts += 1;
            r.live += 1;
            r.iterations += u64::from(retry_of.is_none());
        })
    }

    pub(super) fn end_run(
        &mut self,
        version: Version,
        session: Version,
        status: RunStatus,
        end: Version,
    ) -> Evolved {
        let run = self.runs.get(&version).cloned().ok_or(NO_RUN)?;
        self.runs.remove_mut(&version);
        if let Some(external_id) = &run.external_id {
            self.external_ids.set(ShortHash::of(external_id), end);
        }
        for (call, booked) in &run.calls {
            self.late_calls.enqueue_mut(LateCall { run: version, call: *call, version: *booked });
        }
        while self.late_calls.len() > LATE_CALLS {
            self.late_calls.dequeue_mut();
        }
        self.edit_session(session, |s| {
            s.live_runs.retain(|r| *r != version);
            s.ended_runs += 1;
            s.failed_runs += u32::from(status == RunStatus::Failed);
            if s.live_runs.is_empty() && status == RunStatus::Cancelled {
                s.ended_runs = 0;
                s.failed_runs = 0;
                s.activity.ended = true;
            }
        })?;
        self.count(session, run.task.as_ref(), |r| {
            r.live = r.live.saturating_sub(1);
            match status {
                RunStatus::Succeeded => r.succeeded += 1,
                RunStatus::Failed => r.failed += 1,
                _ => r.cancelled += 1,
            }
        })
    }
}
