//! J7 and J19 as a store has them: a batch in doubt whose body is a blob.

use std::{sync::Arc, time::Duration};

use sessile_core::ErrorKind;

use crate::internal::{
    ClauseContext, TestClock,
    assertions::refused,
    fault::{Faults, FaultyJournal},
    shorthand::{log, says},
};

const HOUR: Duration = Duration::from_secs(3600);

/// A record names a blob within 12 hours of its put, or never. Until then a batch in doubt is sent again, and lands once;
/// after that it is not sent any more, and its caller hears that nobody knows.
pub(super) async fn large_append(cx: &ClauseContext) {
    let lost_request = Faults { lost_request: 1000, ..Faults::NONE };
    let lost_reply = Faults { lost_reply: 1000, ..Faults::NONE };
    for (faults, hours) in [(lost_request, 11), (lost_reply, 11), (lost_request, 12)] {
        let (calm, caller) = (cx.store().await, cx.caller());
        let session = cx.session(&calm, &caller).await;
        let clock = Arc::new(TestClock::default());
        let journal = Arc::new(FaultyJournal::over(cx.journal().await, faults, cx.seed()));
        let store = cx.store_over(journal.clone(), clock.clone(), |options| options);
        let append = {
            let (store, caller) = (store.clone(), caller.within(20 * HOUR));
            async move { store.as_caller(&caller).append(session, says("x".repeat(70_000))).await }
        };
        let waiting = tokio::spawn(append);
        while journal.trace().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        clock.pass(hours * HOUR);
        if hours == 12 {
            let answer = waiting.await.expect("no panic");
            refused(answer, ErrorKind::Indeterminate);
            journal.set(Faults::NONE);
            let next = store
                .as_caller(&caller)
                .append(session, says("small"))
                .await
                .expect("an entry")
                .first;
            let ids: Vec<_> =
                log(&store, &caller, session, 10).await.iter().map(|e| e.id).collect();
            assert_eq!(ids, [next], "the batch in doubt was not sent again");
            continue;
        }
        if faults == lost_request {
            let sent = journal.trace().len();
            while journal.trace().len() < sent + 2 && !waiting.is_finished() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(!waiting.is_finished(), "in doubt, sent again, and the caller waits");
        }
        journal.set(Faults::NONE);
        let said = waiting.await.expect("no panic").expect("it lands").first;
        let ids: Vec<_> = log(&store, &caller, session, 10).await.iter().map(|e| e.id).collect();
        assert_eq!(ids, [said], "it landed once");
    }
}
