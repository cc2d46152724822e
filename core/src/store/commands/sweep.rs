//! The sweep of all threads of a tenant (RUN4).

use crate::{
    command::{Caller, SessionCommand, SessionOutcome, Sweep, SweptRun, SweptThread},
    error::{Error, Result},
    id::ThreadId,
    rules::thread::wrong_journal,
    store::inner::StoreInner,
};

impl StoreInner {
    /// Sweeps the threads whose cards say that runs live in them, or that sessions are being handed over. What fails in one does
    /// not stop the others.
    pub(in crate::store) async fn sweep(
        &self,
        caller: &Caller,
        sweep: Sweep,
    ) -> Result<Vec<SweptThread>> {
        let mut swept = Vec::new();
        for thread in
            self.threads_where(caller, |card| card.roll_up.live > 0 || card.locked > 0).await?
        {
            let mut runs = Vec::new();
            let failed = match self.sweep_thread(caller, thread, sweep, &mut runs).await {
                // It was deleted or archived since it was listed.
                Ok(()) | Err(Error::NotFound { .. } | Error::Closed { .. }) => None,
                Err(error) => Some(error),
            };
            if !runs.is_empty() || failed.is_some() {
                swept.push(SweptThread { thread, runs, failed });
            }
        }
        if !sweep.dry_run {
            swept.extend(Box::pin(self.sweep_slices(caller, sweep)).await?);
        }
        Ok(swept)
    }

    async fn sweep_thread(
        &self,
        caller: &Caller,
        thread: ThreadId,
        sweep: Sweep,
        runs: &mut Vec<SweptRun>,
    ) -> Result<()> {
        loop {
            let command = SessionCommand::SweepRuns { thread, sweep };
            let outcome = Box::pin(self.apply_session(caller, command)).await?;
            let SessionOutcome::Swept(more) = outcome else { return Err(wrong_journal()) };
            // What did not fit into one commit is in the next.
            let is_last = sweep.dry_run || more.is_empty();
            runs.extend(more);
            if is_last {
                return Ok(());
            }
        }
    }
}
