//! Runs: live ones from state, ended ones from the record of their end.

use std::ops::Bound;

use super::{at_head::ThreadAtHead, stream_reader::StreamReader};
use crate::{
    command::{Caller, Cursor, Page, Paging, RunScope},
    error::{Error, Result},
    hash::ShortHash,
    id::{RunId, SessionId, Space, ThreadId, Version},
    journal::Direction,
    model::{Run, RunOutcome, RunStatus},
    record::{Body, Event, Lane, Opened},
    rules::thread::{derived_external_id, run_of_derived},
    store::inner::StoreInner,
};

/// Marks, in a cursor, that a session's ended runs were shown and its live ones follow.
const LIVE: u64 = 1 << 63;
/// Sessions of a thread that one page looks at, at most.
const PAGE_SESSIONS: usize = 256;

/// Runs that a page of a task's looks at, at most.
const PAGE_RUNS: usize = 4096;

/// A page of runs that is being filled.
struct RunsPage<'a> {
    /// Only of this task.
    task: Option<&'a str>,
    limit: usize,
    looked: usize,
    items: Vec<Run>,
}

impl RunsPage<'_> {
    const fn is_full(&self) -> bool {
        self.items.len() == self.limit || self.looked == PAGE_RUNS
    }

    fn add(&mut self, run: Run) {
        if self.task.is_none_or(|task| run.task.as_deref() == Some(task)) {
            self.items.push(run);
        }
        self.looked += 1;
    }
}

impl StoreInner {
    pub(super) async fn run(&self, caller: &Caller, id: RunId) -> Result<Option<Run>> {
        let at = self.at_head(caller, id.thread()).await?;
        if let Some(run) = at.reading()?.live_run(id.version()) {
            return Ok(Some(run));
        }
        let space = id.thread().space(&caller.tenant);
        if id.version() > at.state()?.version() {
            return Ok(None);
        }
        let session = match self.record_at(&space, id.version()).await? {
            Some(Opened { header, .. }) => match header.event {
                Event::RunStarted { session, .. } if at.state()?.session(session).is_some() => {
                    session
                }
                _ => return Ok(None),
            },
            None => return Ok(None),
        };
        // Its end is the next record of the lane, but for runs that were live beside it.
        let from = Some(Cursor::new(at.state()?.version().into(), id.version()));
        let mut lane = StreamReader::new(
            Lane::Runs.of(session),
            Direction::Forward,
            at.state()?.version(),
            from,
        );
        loop {
            let records = lane.next(self, &space, 32).await?;
            if records.is_empty() {
                return Err(Error::corrupt(
                    &space,
                    id.version(),
                    "a run that neither lives nor ended",
                ));
            }
            for opened in records {
                if matches!(opened.header.event, Event::RunEnded { run, .. } if run == id.version())
                {
                    return self.ended(&at, &space, &opened).await.map(Some);
                }
            }
        }
    }

    pub(super) async fn run_by_external_id(
        &self,
        caller: &Caller,
        thread: ThreadId,
        external: &str,
    ) -> Result<Option<Run>> {
        caller.owns(thread.tag(), thread)?;
        let at = self.at_head(caller, thread).await?;
        let Some(version) = at.state()?.external_ids.get(ShortHash::of(external)) else {
            let id = run_of_derived(external).filter(|id| id.thread() == thread);
            let Some(id) = id else { return Ok(None) };
            return Ok(self.run(caller, id).await?.filter(|run| run.external_id == external));
        };
        if let Some(run) = at.reading()?.live_run(version) {
            return Ok(Some(run));
        }
        // The record of its end, unless its session was deleted before or since.
        let space = thread.space(&caller.tenant);
        match self.record_at(&space, version).await? {
            Some(opened) => match opened.header.event {
                Event::RunEnded { session, .. } if at.state()?.session(session).is_some() => {
                    self.ended(&at, &space, &opened).await.map(Some)
                }
                _ => Ok(None),
            },
            None => Err(Error::corrupt(&space, version, "the record is missing")),
        }
    }

    /// `cursor.a` is the session a page ended in, `cursor.b` the last end seen there, or [`LIVE`] and the last live run.
    pub(super) async fn runs(
        &self,
        caller: &Caller,
        scope: RunScope,
        page: Paging,
    ) -> Result<Page<Run>> {
        page.check()?;
        let thread = match &scope {
            RunScope::Session(session) => session.thread(),
            RunScope::Thread(thread) | RunScope::Task(thread, _) => *thread,
        };
        let at = self.at_head(caller, thread).await?;
        let space = thread.space(&caller.tenant);
        let task = match &scope {
            RunScope::Task(_, task) => Some(task.as_str()),
            _ => None,
        };
        let sessions: Vec<Version> = match &scope {
            RunScope::Session(session) => {
                at.require_session(*session)?;
                vec![session.version()]
            }
            RunScope::Thread(_) | RunScope::Task(..) => {
                at.require_thread()?;
                if let Some(task) = task {
                    at.require_task(task)?;
                }
                let from = page.after.map_or(0, |c| u64::try_from(c.a).unwrap_or(u64::MAX));
                let later = at.state()?.sessions.range((Bound::Included(from), Bound::Unbounded));
                later
                    .filter(|(_, s)| s.iterations > 0)
                    .map(|(v, _)| *v)
                    .take(PAGE_SESSIONS + 1)
                    .collect()
            }
        };
        let mut page_of = RunsPage { task, limit: page.limit, looked: 0, items: Vec::new() };
        for (looked, session) in sessions.iter().copied().enumerate() {
            if looked == PAGE_SESSIONS {
                let next = Some(Cursor::new(session.into(), 0));
                return Ok(Page { items: page_of.items, next });
            }
            let from = page.after.filter(|c| c.a == u128::from(session)).map_or(0, |c| c.b);
            if let Some(next) = self.runs_of(&at, &space, session, from, &mut page_of).await? {
                let next = Some(Cursor::new(session.into(), next));
                return Ok(Page { items: page_of.items, next });
            }
        }
        Ok(Page::last(page_of.items))
    }

    /// Adds the runs of one session to a page; when that is full it answers the cursor to go on from.
    async fn runs_of(
        &self,
        at: &ThreadAtHead,
        space: &Space,
        session: Version,
        from: u64,
        page: &mut RunsPage<'_>,
    ) -> Result<Option<u64>> {
        let mut last = from;
        if from & LIVE == 0 {
            let head = at.state()?.version();
            let cursor = Some(Cursor::new(head.into(), from));
            let mut lane =
                StreamReader::new(Lane::Runs.of(session), Direction::Forward, head, cursor);
            loop {
                let records = lane.next(self, space, 128).await?;
                if records.is_empty() {
                    break;
                }
                for opened in records {
                    if !matches!(opened.header.event, Event::RunEnded { .. }) {
                        continue;
                    }
                    if page.is_full() {
                        return Ok(Some(last));
                    }
                    last = opened.header.version;
                    page.add(self.ended(at, space, &opened).await?);
                }
            }
            last = LIVE;
        }
        let seen = from & !LIVE;
        let reading = at.reading()?;
        let live = at.state()?.session(session).map(|s| s.live_runs.clone()).unwrap_or_default();
        for run in live.into_iter().filter(|run| from & LIVE == 0 || *run > seen) {
            if page.is_full() {
                return Ok(Some(last));
            }
            last = LIVE | run;
            reading.live_run(run).into_iter().for_each(|run| page.add(run));
        }
        Ok(None)
    }

    /// A run as the record of its end describes it.
    async fn ended(&self, at: &ThreadAtHead, space: &Space, opened: &Opened) -> Result<Run> {
        let text = self.body_or_erased(at, space, opened).await?;
        let body = text.map(|text| Body::decode(&opened.header.event, &text)).transpose();
        let body = body.map_err(|e| Error::corrupt(space, opened.header.version, e.to_string()))?;
        let body = if let Some(Body::RunEnd(body)) = body { Some(body) } else { None };
        let Event::RunEnded {
            run, session, iteration, retry_of, started_at, status, totals, ..
        } = &opened.header.event
        else {
            return Err(Error::corrupt(space, opened.header.version, "is no end of a run"));
        };
        let id = RunId::new(at.id(), *run);
        let outcome = body.as_ref().map_or_else(
            || match status {
                RunStatus::Succeeded => RunOutcome::Succeeded,
                RunStatus::Failed => RunOutcome::Failed { reason: String::new() },
                _ => RunOutcome::Cancelled,
            },
            |body| body.outcome.clone(),
        );
        let external_id = body.as_ref().and_then(|b| b.external_id.clone());
        let external_id = external_id.unwrap_or_else(|| derived_external_id(id));
        Ok(Run {
            id,
            session: SessionId::new(at.id(), *session),
            iteration: *iteration,
            retry_of: retry_of.map(|r| RunId::new(at.id(), r)),
            task: body.as_ref().and_then(|b| b.task.clone()),
            model: body.as_ref().and_then(|b| b.model.clone()),
            provider: body.as_ref().and_then(|b| b.provider.clone()),
            labels: body.map(|b| b.labels).unwrap_or_default(),
            external_id,
            status: *status,
            awaits: Vec::new(),
            outcome: Some(outcome),
            started_at: *started_at,
            ended_at: Some(opened.header.time().max(*started_at)),
            usage: totals.clone(),
            version: opened.header.version,
        })
    }
}
