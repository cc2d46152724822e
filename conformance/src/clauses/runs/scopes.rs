//! RUN8: scopes of a program that are runs.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    Caller, Error, ErrorKind,
    command::{NewRun, RunScope},
    id::{RunId, SessionId},
    model::{Run, RunOutcome, RunStatus},
    store::Store,
};
use tokio::sync::oneshot;

use crate::{
    clause::Verdict,
    internal::{ClauseContext, assertions::refused, shorthand::pages},
};

crate::clauses! { RUN8 => run8 }

async fn the_run(store: &Store, caller: &Caller, run: RunId) -> Run {
    store.as_caller(caller).run(run).await.expect("an answer").expect("the run exists")
}

/// The outcome of the only run of a session, once it has ended.
async fn outcome(store: &Store, caller: &Caller, session: SessionId) -> RunOutcome {
    for _ in 0..1000 {
        let scope = RunScope::Session(session);
        let runs = pages(10, |page| store.as_caller(caller).runs(scope.clone()).page(page)).await;
        let [run] = &runs[..] else { panic!("one run, not {runs:?}") };
        if let Some(outcome) = &run.outcome {
            return outcome.clone();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the run does not end");
}

fn failed(reason: &str) -> RunOutcome {
    RunOutcome::Failed { reason: reason.into() }
}

/// A scope of a program is a run: it ends with the scope, whatever way the program leaves that.
pub async fn run8(cx: ClauseContext) -> Verdict {
    let store = Arc::new(cx.store().await);
    let caller = cx.caller();
    let thread = cx.thread(&*store, &caller).await;
    let session = async || cx.session_in(&*store, &caller, thread).await;
    let ann = store.as_caller(&caller);
    // It answers what the work answers.
    let it = session().await;
    let done = ann.in_run(it, NewRun::default(), async |run| {
        assert_eq!(the_run(&store, &caller, run).await.status, RunStatus::Running);
        Ok::<_, Error>(run)
    });
    let run = done.await.expect("it is done");
    assert_eq!(the_run(&store, &caller, run).await.outcome, Some(RunOutcome::Succeeded));
    // An error is the reason of a failure.
    let it = session().await;
    let refusal = ann.in_run(it, NewRun::default(), async |_| {
        Err::<(), _>(Error::invalid("model", "has no such temperature"))
    });
    let refusal = refused(refusal.await, ErrorKind::Invalid);
    assert_eq!(outcome(&store, &caller, it).await, failed(&refusal.to_string()));
    panics(&store, &caller, session().await).await;
    drops(&store, &caller, [session().await, session().await]).await;
    // What cannot succeed is not left behind, and the caller is told.
    let it = session().await;
    let waits = ann.in_run(it, NewRun::default(), async |run| {
        ann.set_run_status(run, RunStatus::AwaitingHitl).await.map(|_| ())
    });
    refused(waits.await, ErrorKind::Precondition);
    let reason = failed("its work ended while it was awaiting_hitl");
    assert_eq!(outcome(&store, &caller, it).await, reason);
    let it = session().await;
    let ended = ann.in_run(it, NewRun::default(), async |run| {
        ann.end_run(run, RunOutcome::Cancelled).await.map(|_| ())
    });
    let ended = refused(ended.await, ErrorKind::Precondition);
    assert!(matches!(ended, Error::RunEnded { .. }), "{ended:?}");
    assert_eq!(outcome(&store, &caller, it).await, RunOutcome::Cancelled);
    // A key is of the start; a lease, of all of it.
    let it = session().await;
    let token = ann.claim_lease(it, Duration::from_secs(60)).await.expect("a lease");
    let held = ann.with_lease(token).with_key("once");
    let done = held.in_run(it, NewRun::default(), async |_| Ok::<_, Error>(()));
    done.await.expect("it is done");
    assert_eq!(outcome(&store, &caller, it).await, RunOutcome::Succeeded);
    // What does not begin is not carried out.
    let never = ann.in_run(it, NewRun::default(), async |_| -> Result<(), Error> {
        panic!("there is no run")
    });
    refused(never.await, ErrorKind::Fenced);
    Verdict::Passed
}

/// A panic goes on, after the run was ended.
async fn panics(store: &Arc<Store>, caller: &Caller, session: SessionId) {
    let ann = store.as_caller(caller);
    let caught = tokio::spawn(async move {
        let work = ann.in_run(session, NewRun::default(), async |_| -> Result<(), Error> {
            std::panic::resume_unwind(Box::new("the model ran away"))
        });
        work.await
    });
    let panic = caught.await.expect_err("the panic goes on").into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the model ran away"));
    let ended = store.as_caller(caller).usage(session).await.expect("a roll-up");
    assert_eq!((ended.failed, ended.live), (1, 0), "it was ended before the panic went on");
    let reason = failed("panicked: the model ran away");
    assert_eq!(outcome(store, caller, session).await, reason);
}

/// Dropped in the middle of the work: by a task that is aborted, and by one that lost its patience.
async fn drops(store: &Arc<Store>, caller: &Caller, sessions: [SessionId; 2]) {
    let [aborted, late] = sessions;
    let (began, begins) = oneshot::channel();
    let ann = store.as_caller(caller);
    let task = tokio::spawn(async move {
        let work = ann.in_run(aborted, NewRun::default(), async |_| {
            began.send(()).expect("somebody waits");
            std::future::pending::<Result<(), Error>>().await
        });
        work.await
    });
    begins.await.expect("it begins");
    task.abort();
    assert_eq!(outcome(store, caller, aborted).await, RunOutcome::Cancelled);
    let ann = store.as_caller(caller);
    let (began, begins) = oneshot::channel();
    let work = ann.in_run(late, NewRun::default(), async |_| {
        began.send(()).expect("somebody waits");
        std::future::pending::<Result<(), Error>>().await
    });
    tokio::select! {
        _ = work => panic!("the work does not end"),
        began = begins => began.expect("it begins"),
    }
    assert_eq!(outcome(store, caller, late).await, RunOutcome::Cancelled);
}
