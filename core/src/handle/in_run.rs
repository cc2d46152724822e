//! A scope of a program as a run, which ends whatever way the program leaves it.

use std::{
    any::Any,
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    task::Poll,
};

use super::Handle;
use crate::{
    command::{Caller, NewRun},
    error::Error,
    id::{RunId, SessionId},
    model::{RunOutcome, RunStatus},
};

impl Handle {
    /// Carries out `work` in a run of a session, and ends the run on every way out:
    ///
    /// | `work` | the run | what this does |
    /// | --- | --- | --- |
    /// | answers `Ok` | succeeded | answers it |
    /// | answers an error | failed, with its text as the reason | answers the error |
    /// | panics | failed, with the message of the panic | the panic goes on, after the run was ended |
    /// | is dropped, with the future of this | cancelled, in the background | - |
    ///
    /// If the run cannot be ended after an `Ok`, that error is the answer: among them `RunEnded`, where another ended it
    /// meanwhile, and `IllegalTransition`, where it waits for somebody or never began; such a run is ended as failed. After an error of
    /// the work the answer is that error.
    ///
    /// **What a drop promises.** `Drop` cannot wait, so the end is handed to the store's
    /// [`Background`](crate::background::Background): with the options of `sessile` to the runtime of the thread that drops,
    /// or to a thread where there is none. It may take a moment, and does not happen where the process or the runtime ends
    /// first, where the store was closed, or on a handle whose store has no background ([`Handle::new`]); what
    /// was dropped while the run was being started may have started it. Such a run lives until the next
    /// [`sweep`](crate::store::Store::sweep). With `panic = "abort"` a panic ends the process, and with it this.
    ///
    /// A key of the handle is that of the start of the run.
    ///
    /// ```no_run
    /// # use sessile_core::{prelude::*, handle::Handle};
    /// # async fn example(ann: Handle, coder: SessionId) -> Result<()> {
    /// let answer = ann
    ///     .in_run(coder, NewRun::default(), async |run| {
    ///         ann.append(coder, assistant("Done.").in_run(run)).await?;
    ///         Ok::<_, Error>(42)
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn in_run<T, E, F, W>(
        &self,
        session: SessionId,
        run: NewRun,
        work: F,
    ) -> std::result::Result<T, E>
    where
        F: FnOnce(RunId) -> W,
        W: Future<Output = std::result::Result<T, E>>,
        E: From<Error> + fmt::Display,
    {
        let run = self.start_run(session, run).await?;
        let mut guard = EndOnDrop::of(self, run);
        let work = Box::pin(async move { work(run).await });
        match until_panic(work).await {
            Ok(Ok(value)) => {
                guard.end(RunOutcome::Succeeded).await?;
                Ok(value)
            }
            Ok(Err(error)) => {
                let reason = error.to_string();
                let _ended_or_left = guard.end(RunOutcome::Failed { reason }).await;
                Err(error)
            }
            Err(panic) => {
                let reason = format!("panicked: {}", message(&*panic));
                let _ended_or_left = guard.end(RunOutcome::Failed { reason }).await;
                resume_unwind(panic)
            }
        }
    }
}

/// What the work comes to, or what it panicked with.
async fn until_panic<W: Future>(mut work: Pin<Box<W>>) -> Result<W::Output, Box<dyn Any + Send>> {
    poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// A run that is ended when this is dropped, unless it was before.
struct EndOnDrop {
    /// Without the key, which was of the start.
    handle: Handle,
    run: RunId,
    /// How; `None` where nothing is left to do.
    left: Option<RunOutcome>,
}

impl EndOnDrop {
    fn of(handle: &Handle, run: RunId) -> Self {
        let caller = Caller { key: None, ..handle.caller.clone() };
        let handle = Handle { echo: None, ..handle.with_caller(caller) };
        Self { handle, run, left: Some(RunOutcome::Cancelled) }
    }

    /// Ends the run now. What could not be done is left to the drop.
    async fn end(&mut self, outcome: RunOutcome) -> Result<(), Error> {
        self.left = Some(outcome.clone());
        match self.handle.end_run(self.run, outcome).await {
            Ok(_) => {
                self.left = None;
                Ok(())
            }
            Err(error @ (Error::RunEnded { .. } | Error::NotFound { .. })) => {
                self.left = None;
                Err(error)
            }
            Err(error @ Error::IllegalTransition { .. }) => {
                let status = self.handle.run(self.run).await.ok().flatten();
                let status = status.map_or(RunStatus::Running, |run| run.status);
                let reason = format!("its work ended while it was {status}");
                let outcome = RunOutcome::Failed { reason };
                self.left = Some(outcome.clone());
                if self.handle.end_run(self.run, outcome).await.is_ok() {
                    self.left = None;
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        if let (Some(outcome), Some(background)) = (self.left.take(), &self.handle.background) {
            let (handle, run) = (self.handle.clone(), self.run);
            background.spawn(Box::pin(async move {
                let _ended_or_swept = handle.end_run(run, outcome).await;
            }));
        }
    }
}
