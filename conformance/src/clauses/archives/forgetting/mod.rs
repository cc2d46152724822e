//! ERA1: a person is forgotten, everywhere in a tenant, and nobody else is.

mod everything;
mod meanwhile;
mod people;
mod stopped;

use std::sync::Arc;

use sessile_core::{
    Error, ErrorKind, Store,
    archive::ArchiveBackends,
    command::{Forget, ForgetOutcome, Forgotten},
    id::{ThreadId, UserId},
    store::StoreOptions,
};

use self::people::{People, SECRET};
use super::{crashes::failing_archive, place::Place};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        archives::Failure,
        fault::{Call, InterruptedJournal},
        shorthand::says,
    },
};

crate::clauses! { ERA1 => era1 }

/// Who is forgotten.
fn of_ann() -> Forget {
    Forget::user(UserId::new("ann").expect("a valid user"))
}

async fn forget(store: &Store, people: &People, forget: Forget) -> Vec<Forgotten> {
    store.forget(people.ada.caller(), forget).await.expect("an answer for each thread")
}

/// All that is told to have been found.
const fn found(of: &Forgotten) -> u64 {
    of.entries + of.drafts + of.summaries
}

/// What is told of each thread, but for the outcome.
fn numbers(told: &[Forgotten]) -> Vec<(ThreadId, [u64; 4])> {
    let numbers = |it: &Forgotten| [it.entries, it.drafts, it.summaries, it.unfinished];
    told.iter().map(|it| (it.thread, numbers(it))).collect()
}

/// Everywhere, in every kind of what a person writes; with others at the same time, with failures, stopped anywhere.
pub async fn era1(cx: ClauseContext) -> Verdict {
    let place = Place::new(&cx).await;
    everywhere(&place).await;
    failing(&place).await;
    super::evict::forgotten(&cx).await;
    meanwhile::all(&place).await;
    stopped::all(&cx, &place).await;
    Verdict::Passed
}

async fn everywhere(place: &Place) {
    let people = People::of(place, &place.lab.store, "umbrella");
    let others = People::of(place, &place.lab.store, "globex");
    let threads = people.work().await;
    let foreign = others.work().await;
    let (before, theirs) = (people.all_of(&threads).await, others.all_of(&foreign).await);
    let mut expected: Vec<u64> = threads.iter().map(|it| before.secrets_in(*it)).collect();
    // The marker of her handoff is hers, too.
    expected[1] += 1;
    assert!(expected.iter().all(|secrets| *secrets > 0), "{expected:?}");
    let bundled = before.bundles;
    assert!(bundled > 0, "it is in bundles, too");
    let nobody = Forget::user(UserId::new("nobody").expect("a valid user"));
    assert_eq!(forget(&place.lab.store, &people, nobody).await, []);
    // A dry run says what the real one does, and does nothing.
    let store = place.lab.another_store().await;
    let dry = forget(&store, &people, of_ann().dry_run()).await;
    people.all_of(&threads).await.equals(&before);
    let told: Vec<_> = dry.iter().map(|it| (it.thread, found(it), it.unfinished)).collect();
    let mut right: Vec<_> = threads.iter().zip(expected).map(|(it, all)| (*it, all, 0)).collect();
    right.sort_unstable();
    assert_eq!(told, right, "each thread, by id, and all of it");
    assert!(dry.iter().all(|it| it.outcome == ForgetOutcome::Found), "{dry:?}");
    assert!(dry.iter().any(|it| it.drafts > 0) && dry.iter().any(|it| it.summaries > 0));
    let real = forget(&store, &people, of_ann()).await;
    assert_eq!(numbers(&real), numbers(&dry));
    assert!(real.iter().all(|it| it.outcome == ForgetOutcome::Erased), "{real:?}");
    // The store that was there, the one that erased and one with nothing in memory agree.
    for store in [&place.lab.store, &store, &place.lab.another_store().await] {
        let people = People::of(place, store, "umbrella");
        people.is_forgotten(&threads, &before).await;
    }
    others.all_of(&foreign).await.equals(&theirs);
    let heads = people.heads(&threads).await;
    assert_eq!(forget(&store, &people, of_ann()).await, [], "nothing is erased twice");
    assert_eq!(people.heads(&threads).await, heads);
    for thread in &threads {
        let verified = people.ada.verify(*thread, None).await.expect("an answer");
        assert_eq!(verified.problems, [], "what is erased is no damage");
    }
    // She may write again, and be forgotten again.
    let session = people.ada.create_session(threads[0], "again").await.expect("a session");
    people.ann.append(session, [says(SECRET)]).await.expect("an entry");
    let [again] = &*forget(&store, &people, of_ann()).await else { panic!("one thread") };
    assert_eq!((again.thread, again.entries), (threads[0], 1));
}

/// What fails is told, stops nothing else, and is finished by asking again.
async fn failing(place: &Place) {
    let below = &place.lab.cx.journal().await;
    for call in [Call::Commit, Call::Erase] {
        for at in 0..2 {
            let tenant = format!("fails-{call:?}-{at}").to_lowercase();
            let people = People::of(place, &place.lab.store, &tenant);
            let threads = [people.talk().await, people.talk().await];
            let before = people.all_of(&threads).await;
            let fails = async { Err(Error::failed("the engine fails for now")) };
            let broken = InterruptedJournal::after(Arc::clone(below), call, at, fails);
            let clock = Arc::clone(&place.lab.clock);
            let store = place.lab.cx.store_over(broken, clock, |options| options);
            let told = forget(&store, &people, of_ann()).await;
            let failed = |it: &&Forgotten| matches!(it.outcome, ForgetOutcome::Failed(_));
            assert_eq!((told.len(), told.iter().filter(failed).count()), (2, 1), "{told:?}");
            let rest = forget(&store, &people, of_ann()).await;
            let [rest] = rest.as_slice() else { panic!("one thread is left: {rest:?}") };
            assert_eq!(rest.outcome, ForgetOutcome::Erased);
            assert!(found(rest) + rest.unfinished > 0);
            people.is_forgotten(&threads, &before).await;
        }
    }
    archives_fail(place).await;
}

/// A store that does not have the archive of a thread erases nothing there; one that does not reach it says so.
async fn archives_fail(place: &Place) {
    let people = People::of(place, &place.lab.store, "hooli");
    let (archived, open) = (people.archived_talk().await, people.talk().await);
    let threads = [archived, open];
    let before = people.all_of(&threads).await;
    let with = |options: StoreOptions| options.with_archives(ArchiveBackends::default());
    let without = place.lab.cx.store_with(Arc::clone(&place.lab.clock), with).await;
    let heads = people.heads(&threads).await;
    for asked in [of_ann().dry_run(), of_ann()] {
        let told = forget(&without, &people, asked.clone()).await;
        for it in &told {
            let is_refused = matches!(it.outcome, ForgetOutcome::Failed(_));
            assert_eq!(is_refused, it.thread == archived, "{told:?}");
            assert!(found(it) > 0);
        }
        assert_eq!(told.len(), 2);
        assert_eq!(people.heads(&threads).await[0], heads[0], "nothing of it is erased");
    }
    for calls in 0..12 {
        let (store, failing) = failing_archive(place, calls, Failure::Before).await;
        let told = store.forget(people.ada.caller(), of_ann()).await;
        if failing.calls().len() <= calls {
            break;
        }
        match told {
            Ok(told) => {
                let is_erased = |it: &Forgotten| it.outcome == ForgetOutcome::Erased;
                assert!(!told.is_empty() && !told.iter().any(is_erased), "{calls}: {told:?}");
            }
            // Nothing is left to tell of a thread, and what is left of bundles is not known.
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
        }
        place.archivers_are_late();
    }
    forget(&place.lab.store, &people, of_ann()).await;
    people.is_forgotten(&threads, &before).await;
}
