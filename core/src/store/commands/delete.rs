//! Deleting projects.

use super::thread_outcome;
use crate::{
    command::{Caller, Needs, ThreadCommand, ThreadOutcome},
    error::{Error, ErrorKind, Result},
    id::{ProjectId, Space, SpaceKind},
    journal::{Commit, ListOrder, ListQuery},
    model::ProjectStatus,
    rules::decision::Request,
    store::{environment::unknown_outcome, inner::StoreInner, sync::Backoff},
};

/// Living threads that a refusal counts, at most.
const COUNTED: usize = 50;

impl StoreInner {
    /// Deletes a project without threads (PRJ4), in three steps: the project takes no reservation any more; each thread
    /// that was reserved and has not begun gets a tombstone, so that its creator cannot begin it later; then the project
    /// is dropped, or the deletion is undone because a thread lives.
    ///
    /// If the caller's time is up after the first step the answer is `Indeterminate`: the project stays *deleting*, and
    /// repeating the command finishes it.
    pub(super) async fn delete_project(
        &self,
        caller: &Caller,
        project: ProjectId,
        command: ThreadCommand,
    ) -> Result<ThreadOutcome> {
        let deadline = self.environment.elapsed().saturating_add(self.patience(caller));
        let space = project.space(&caller.tenant);
        self.within(self.patience(caller), self.require_empty(caller, project)).await?;
        let in_time = caller.within(self.environment.left(deadline));
        let request = Request::Thread(command);
        let begun = thread_outcome(self.call(&in_time, &space, request, Needs::default()).await?)?;
        if begun == ThreadOutcome::Deleted {
            return Ok(begun);
        }
        let late = async {
            self.options().clock.sleep(self.environment.left(deadline)).await;
            Err(Error::indeterminate(&space, None))
        };
        match futures_lite::future::or(self.finish_delete(caller, project), late).await {
            // The project takes no threads any more, and nobody undid that: it is no refusal.
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                Err(unknown_outcome(&space, error))
            }
            done => done,
        }
    }

    /// Refuses to delete a project that has threads, without writing anything. One that is being deleted goes on: its
    /// deletion must be finished or undone.
    async fn require_empty(&self, caller: &Caller, project: ProjectId) -> Result<()> {
        if self.living_threads(caller, project).await? == 0 {
            return Ok(());
        }
        let state = self.state(&project.space(&caller.tenant), caller).await?;
        let caps = state.as_project()?.caps();
        if caps.is_none_or(|caps| caps.status == ProjectStatus::Deleting) {
            return Ok(());
        }
        Err(Error::ProjectNotEmpty {
            project,
            threads: self.living_threads(caller, project).await?,
        })
    }

    async fn finish_delete(&self, caller: &Caller, project: ProjectId) -> Result<ThreadOutcome> {
        let space = project.space(&caller.tenant);
        let state = self.state(&space, caller).await?;
        for (_, thread) in &state.as_project()?.unsettled {
            self.write_tombstone(&thread.space(&caller.tenant)).await?;
        }
        let threads = self.living_threads(caller, project).await?;
        if threads > 0 {
            self.call(caller, &space, Request::UndoDelete, Needs::default()).await?;
            return Err(Error::ProjectNotEmpty { project, threads });
        }
        let finished = self.call(caller, &space, Request::FinishDelete, Needs::default()).await?;
        match thread_outcome(finished)? {
            ThreadOutcome::Deleted => Ok(ThreadOutcome::Deleted),
            // Another deletion found a thread that has gone since, and was undone.
            _ => Err(Error::contended(&space)),
        }
    }

    /// Leaves a tombstone where no record is, so that none will ever be. A tombstone of unknown outcome is written again,
    /// after growing pauses; the caller bounds that.
    async fn write_tombstone(&self, space: &Space) -> Result<()> {
        let mut backoff = Backoff::new();
        loop {
            match self.journal().drop_space(space, None).await? {
                Commit::Done | Commit::HeadMoved { .. } | Commit::Diverged { .. } => return Ok(()),
                Commit::Indeterminate { .. } => backoff.pause(&*self.options().clock).await,
            }
        }
    }

    /// How many threads of a project live; counts up to 50.
    async fn living_threads(&self, caller: &Caller, project: ProjectId) -> Result<u64> {
        let query = ListQuery {
            tenant: caller.tenant.clone(),
            kind: SpaceKind::Thread,
            project: Some(project),
            order: ListOrder::Id,
            after: None,
            limit: COUNTED,
        };
        Ok(self.journal().list(&query).await?.len() as u64)
    }
}
