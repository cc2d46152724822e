//! Forgetting, stopped at each call of its journal.

use sessile_core::command::ForgetOutcome;

use super::{super::place::Place, numbers, of_ann, people::People};
use crate::internal::{ClauseContext, stops::Stops};

/// Wherever it stops: what was acknowledged is erased, and asking again erases the rest. Each time in another tenant.
pub(super) async fn all(cx: &ClauseContext, place: &Place) {
    let mut stops = Stops::of(cx);
    for round in 0.. {
        let Some(stopped) = stops.next(&place.lab).await else { return };
        let what = &stopped.what;
        let people = People::of(place, &place.lab.store, &format!("stopped-{round}"));
        let (thread, archived) = (people.drafted_talk().await, people.archived_talk().await);
        let before = people.all_of(&[thread, archived]).await;
        let caller = people.ada.caller();
        let answer = stopped.run(stopped.store.forget(caller, of_ann())).await;
        let is_done = answer.is_some_and(|answer| {
            let told = answer.unwrap_or_default();
            told.len() == 2 && told.iter().all(|it| it.outcome == ForgetOutcome::Erased)
        });
        if is_done {
            people.is_forgotten(&[thread, archived], &before).await;
            continue;
        }
        // Whoever was killed while it wrote a bundle anew is late by now.
        place.archivers_are_late();
        let store = stopped.next_store(&place.lab).await;
        let dry = store.forget(caller, of_ann().dry_run()).await.expect("an answer");
        let told = store.forget(caller, of_ann()).await.expect("an answer");
        assert!(told.iter().all(|it| it.outcome == ForgetOutcome::Erased), "{what}: {told:?}");
        assert_eq!(numbers(&dry), numbers(&told), "{what}");
        people.is_forgotten(&[thread, archived], &before).await;
        let again = store.forget(caller, of_ann()).await.expect("an answer");
        assert_eq!(again, [], "{what}");
    }
}
