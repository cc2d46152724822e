//! What USE6 adds about the pages of a thread's runs.

use std::sync::Arc;

use sessile_core::{
    command::{NewRun, RunScope, UsageScope},
    id::RunId,
    model::{RunOutcome, Totals},
};

use super::usage::{call, of};
use crate::internal::{
    ClauseContext, concurrent,
    shorthand::pages,
    wrong_journals::{Alteration, AlteringJournal},
};

/// The pages of a thread's runs go on over any number of sessions.
pub(super) async fn many_sessions(cx: &ClauseContext) {
    const SESSIONS: usize = 300;
    let caller = cx.caller();
    // Where every call gives way, many calls make one batch.
    let journal = Arc::new(AlteringJournal::over(cx.journal().await, Alteration::Yields));
    let store = cx.store_over(journal, Arc::default(), |options| options);
    let thread = cx.thread(&store, &caller).await;
    let writer = store.as_caller(&caller);
    let new = |_| writer.create_session(thread, "s");
    let sessions = concurrent::together((0..SESSIONS).map(new)).await;
    let runs = concurrent::together(sessions.into_iter().map(|session| {
        let session = session.expect("a session");
        writer.start_run(session, NewRun::default())
    }));
    let mut runs: Vec<RunId> = runs.await.into_iter().map(|run| run.expect("a run")).collect();
    let ends = runs.iter().enumerate().map(async |(n, run)| {
        store.as_caller(&caller).book_usage(*run, "call", call(n as u64, 1)).await.expect("usage");
        if n % 2 == 0 {
            store.as_caller(&caller).end_run(*run, RunOutcome::Succeeded).await.expect("it ends");
        }
    });
    concurrent::together(ends).await;
    runs.sort_unstable();
    for limit in [100, 1000] {
        let listed =
            pages(limit, |page| store.as_caller(&caller).runs(RunScope::Thread(thread)).page(page))
                .await;
        assert!(listed.is_sorted_by_key(|run| run.session), "session by session");
        let mut ids: Vec<RunId> = listed.iter().map(|run| run.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, runs, "every run once, {limit} at a time");
        let mut totals = Totals::default();
        listed.iter().for_each(|run| totals.add(&run.usage));
        let it = of(&store, &caller, UsageScope::Thread(thread)).await;
        assert_eq!(it.totals, Some(totals), "the runs sum to the roll-up");
        assert_eq!((it.attempts, it.succeeded, it.live), (300, 150, 150));
    }
}
