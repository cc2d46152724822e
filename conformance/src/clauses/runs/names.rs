//! RUN: the names of model and provider.

use sessile_core::{
    Caller, ErrorKind,
    command::NewRun,
    id::RunId,
    model::{Run, RunOutcome},
    store::AnyStore,
};

use crate::{
    clause::Verdict,
    internal::{ClauseContext, assertions::refused},
};

crate::clauses! { RUN7 => run7 }

async fn the_run(store: &dyn AnyStore, caller: &Caller, run: RunId) -> Run {
    store.as_caller(caller).run(run).await.expect("an answer").expect("the run exists")
}

/// The names of model and provider come back, whatever becomes of the run.
pub async fn run7(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let mut started = Vec::new();
    let long = "x".repeat(128);
    for (n, model) in
        [None, Some("opus"), Some("\u{1f600} ' or 1=1 --"), Some(&long)].iter().enumerate()
    {
        for provider in [None, Some("a/b:c"), *model] {
            let owned = |name: Option<&str>| name.map(str::to_owned);
            let new = NewRun {
                model: owned(*model),
                provider: owned(provider),
                queued: n == 1,
                ..NewRun::default()
            };
            let run = store.as_caller(&caller).start_run(session, new).await.expect("a run");
            started.push((run, owned(*model), owned(provider)));
        }
    }
    let store = cx.reopen(store).await;
    // A long reason takes the end of a run another way.
    let outcomes = ["".to_owned(), "x".repeat(100_000)].map(|reason| RunOutcome::Failed { reason });
    for (at, (run, model, provider)) in started.iter().enumerate() {
        let live = the_run(&store, &caller, *run).await;
        assert_eq!((&live.model, &live.provider), (model, provider));
        let outcome = outcomes[at % 2].clone();
        store.as_caller(&caller).end_run(*run, outcome).await.expect("it ends");
    }
    let store = cx.reopen(store).await;
    for (run, model, provider) in &started {
        let ended = the_run(&store, &caller, *run).await;
        assert_eq!((&ended.model, &ended.provider), (model, provider));
    }
    for bad in ["", "\n", &"x".repeat(129)] {
        let name = Some(bad.to_owned());
        for new in [
            NewRun { model: name.clone(), ..NewRun::default() },
            NewRun { provider: name.clone(), ..NewRun::default() },
        ] {
            refused(store.as_caller(&caller).start_run(session, new).await, ErrorKind::Invalid);
        }
    }
    Verdict::Passed
}
