//! Spending a project's budget: a slice is drawn in the project's journal, then credited in the thread's; it is returned in the
//! thread's, then settled in the project's.
//!
//! Each step is repeated without harm, and names the one before it: what a crash left is found by whoever comes next.

use std::sync::Arc;

use super::{session_outcome, thread_outcome};
use crate::{
    command::{
        Caller, Needs, SessionCommand, SessionOutcome, Sweep, SweptThread, ThreadCommand,
        ThreadOutcome,
    },
    error::{Error, ErrorKind, Result},
    id::SpaceKind,
    id::{ProjectId, Space, ThreadId, Version},
    journal::{ListOrder, ListQuery},
    model::{ThreadStatus, Totals},
    rules::{
        decision::{DrawnSlice, Reply, Request, SliceStep},
        thread::{Slices, wrong_journal},
    },
    store::{
        answers::list_key,
        card::{self, ProjectCard},
        inner::StoreInner,
    },
};

/// Projects of one page.
const PAGE: usize = 200;

impl StoreInner {
    /// Starts a run; draws a slice first, where there is nothing left of the last one.
    pub(super) async fn start_run(
        &self,
        caller: &Caller,
        space: &Space,
        command: SessionCommand,
        needs: Needs,
    ) -> Result<SessionOutcome> {
        let until = self.environment.elapsed().saturating_add(self.patience(caller));
        let again = command.clone();
        let call = self.prepare(caller, space, (Request::Session(command), needs.clone()), None);
        let mut reply = self.submit(space, call.await?).await?;
        while reply == Reply::DrawFirst {
            let left = self.environment.left(until);
            if left.is_zero() {
                return Err(Error::contended(space));
            }
            let caller = caller.within(left);
            let thread = space.thread().ok_or_else(wrong_journal)?;
            self.within(left, Box::pin(self.draw(&caller, thread, true))).await?;
            let request = (Request::Session(again.clone()), needs.clone());
            let call = self.prepare(&caller, space, request, None).await?;
            reply = self.submit(space, call).await?;
        }
        session_outcome(reply)
    }

    /// What a thread has, and its project.
    async fn slices(&self, caller: &Caller, thread: ThreadId) -> Result<(ProjectId, Arc<Slices>)> {
        let state = self.fresh(&thread.space(&caller.tenant)).await?;
        let project = state.project_of_thread().ok_or_else(|| Error::not_found(thread))?;
        Ok((project, state.as_thread()?.slices.clone().unwrap_or_default()))
    }

    async fn step_slice(&self, caller: &Caller, space: &Space, step: SliceStep) -> Result<Reply> {
        // A key is for the command, not for its steps.
        let caller = Caller { key: None, lease: None, ..caller.clone() };
        self.call(&caller, space, Request::Slice(step), Needs::default()).await
    }

    /// Draws a slice for a thread, or more of it, or what it spent without one, and credits it.
    async fn draw(&self, caller: &Caller, thread: ThreadId, asks_for_more: bool) -> Result<()> {
        let (project, slices) = self.slices(caller, thread).await?;
        let (space, of) = (thread.space(&caller.tenant), project.space(&caller.tenant));
        if slices.slice.is_none() && slices.draw > 0 {
            self.settle(caller, &of, thread, &slices).await?;
        }
        let step = SliceStep::Draw {
            thread,
            known: slices.draw,
            opened: slices.slice.as_ref().map(|slice| slice.opened),
            used: slices.used.clone(),
            asks_for_more,
        };
        let step = match self.step_slice(caller, &of, step).await? {
            Reply::Slice(Some(slice)) => SliceStep::Credit((*slice).clone()),
            Reply::Slice(None) => SliceStep::Stop,
            _ => return Err(wrong_journal()),
        };
        self.step_slice(caller, &space, step).await.map(drop)
    }

    /// Tells the project what was spent of the slice that a thread returned last.
    async fn settle(
        &self,
        caller: &Caller,
        of: &Space,
        thread: ThreadId,
        slices: &Slices,
    ) -> Result<()> {
        let (draw, spent) = (slices.draw, slices.returned.clone());
        let step = SliceStep::Settle { thread, draw, spent };
        self.step_slice(caller, of, step).await.map(drop)
    }

    /// The slice that a project knows a thread to have.
    async fn drawn(&self, of: &Space, thread: ThreadId) -> Result<Option<Arc<DrawnSlice>>> {
        let state = self.fresh(of).await?;
        Ok(state.as_project()?.escrow.slices.get(&thread).cloned())
    }

    /// Gives back what a thread has, and sees to it that the project knows; answers the newest draw.
    async fn return_slice(&self, caller: &Caller, thread: ThreadId) -> Result<Version> {
        let space = thread.space(&caller.tenant);
        loop {
            let (project, slices) = self.slices(caller, thread).await?;
            let of = project.space(&caller.tenant);
            if !slices.is_on {
                return Ok(0);
            }
            // What was drawn and never credited, and what was spent without a slice, becomes one first.
            match self.drawn(&of, thread).await? {
                Some(drawn) if drawn.draw > slices.draw => {
                    let credit = SliceStep::Credit((*drawn).clone());
                    self.step_slice(caller, &space, credit).await?;
                }
                _ if slices.is_settled() => {
                    if slices.draw > 0 {
                        self.settle(caller, &of, thread, &slices).await?;
                    }
                    return Ok(slices.draw);
                }
                _ if slices.slice.is_none() => self.draw(caller, thread, false).await?,
                _ => drop(self.step_slice(caller, &space, SliceStep::Return).await?),
            }
        }
    }

    pub(super) async fn return_budget(
        &self,
        caller: &Caller,
        thread: ThreadId,
    ) -> Result<ThreadOutcome> {
        let returned = async {
            self.return_slice(caller, thread).await?;
            let (_, slices) = self.slices(caller, thread).await?;
            Ok(ThreadOutcome::Changed(slices.returned_at))
        };
        self.within(self.patience(caller), returned).await
    }

    /// An archived thread spends nothing; one that was asked for once more may be open again. What fails is for the sweep.
    pub(super) async fn follow_archive(&self, caller: &Caller, thread: ThreadId) {
        let cached = self.state(&thread.space(&caller.tenant), &caller.cached()).await;
        let spends = cached.ok().is_some_and(|it| {
            let Ok(state) = it.as_thread() else { return false };
            let is_archived =
                state.thread.as_deref().is_some_and(|it| it.status == ThreadStatus::Archived);
            is_archived && state.slices.as_deref().is_some_and(|slices| slices.is_on)
        });
        if spends {
            let _ = self.within(self.patience(caller), self.return_slice(caller, thread)).await;
        }
    }

    /// Deletes or purges a thread, whose slice is given back before.
    pub(super) async fn drop_thread(
        &self,
        caller: &Caller,
        thread: ThreadId,
        command: &ThreadCommand,
    ) -> Result<ThreadOutcome> {
        let space = thread.space(&caller.tenant);
        let until = self.environment.elapsed().saturating_add(self.patience(caller));
        let mut settled = None;
        loop {
            let request = (Request::Thread(command.clone()), Needs::default());
            let mut call = self.prepare(caller, &space, request, None).await?;
            call.settled = settled;
            match self.submit(&space, call).await? {
                Reply::ReturnFirst => {
                    let left = self.environment.left(until);
                    if left.is_zero() {
                        return Err(Error::contended(&space));
                    }
                    let returned = self.within(left, self.return_slice(caller, thread)).await;
                    match returned {
                        Err(error) if error.kind() == ErrorKind::NotFound => {}
                        draw => settled = Some(draw?),
                    }
                }
                reply => return thread_outcome(reply),
            }
        }
    }

    /// Gives back the slices of threads in which nothing was written for longer than the bound, and those of threads that are
    /// gone as if they were spent. Answers where that failed.
    pub(super) async fn sweep_slices(
        &self,
        caller: &Caller,
        sweep: Sweep,
    ) -> Result<Vec<SweptThread>> {
        let mut failures = Vec::new();
        let mut query = ListQuery {
            tenant: caller.tenant.clone(),
            kind: SpaceKind::Project,
            project: None,
            order: ListOrder::Id,
            after: None,
            limit: PAGE,
        };
        let bound = sweep.silent_for.saturating_add(self.options().max_skew);
        loop {
            let rows = self.journal().list(&query).await?;
            let Some(last) = rows.last() else { return Ok(failures) };
            query.after = Some(list_key(last));
            for row in &rows {
                let card: ProjectCard = card::read(&row.space, row.head.card.as_ref())?;
                if card.config.budget.is_none() {
                    continue;
                }
                let state = self.fresh(&row.space).await?;
                for (thread, slice) in &state.as_project()?.escrow.slices {
                    let thread = *thread;
                    let slice = (thread, &**slice);
                    if let Err(error) = self.sweep_slice(caller, &row.space, slice, bound).await {
                        let failed = Some(error);
                        failures.push(SweptThread { thread, runs: Vec::new(), failed });
                    }
                }
            }
        }
    }

    async fn sweep_slice(
        &self,
        caller: &Caller,
        of: &Space,
        (thread, slice): (ThreadId, &DrawnSlice),
        bound: std::time::Duration,
    ) -> Result<()> {
        let state = self.fresh(&thread.space(&caller.tenant)).await?;
        let state = state.as_thread()?;
        if state.thread.is_none() {
            let spent = Totals::of_amount(&slice.amount);
            let step = SliceStep::Settle { thread, draw: slice.draw, spent };
            return self.step_slice(caller, of, step).await.map(drop);
        }
        let is_silent = self.options().clock.now() > state.last_at.plus(bound);
        if is_silent && state.runs.is_empty() {
            self.return_slice(caller, thread).await?;
        }
        Ok(())
    }
}
