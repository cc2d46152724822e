//! THD: lists of threads.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    command::{NewThread, ThreadFilter, ThreadScope, UpdateThread},
    id::{ProjectId, ThreadId, UserId},
    journal::{Batch, Journal as _},
    model::Labels,
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, MapJournal, TestClock, raw_batches,
        shorthand::{named, pages, says, threads},
    },
};

crate::clauses! { THD11: Concurrent => thd11, THD12 => thd12 }

/// Lists by id and by updated, filtered by label, exactly once while threads come and go.
pub async fn thd11(cx: ClauseContext) -> Verdict {
    let clock = Arc::new(TestClock::default());
    let store = Arc::new(cx.store_with(clock.clone(), |options| options).await);
    let caller = cx.caller();
    let project = cx.project(&*store, &caller).await;
    let other = cx.project(&*store, &caller).await;
    store
        .as_caller(&caller)
        .create_thread(other, NewThread::titled("elsewhere"))
        .await
        .expect("a thread");
    let (mut all, mut blue) = (Vec::new(), Vec::new());
    for i in 0..23 {
        clock.advance(Duration::from_secs(1));
        let colour = if i % 3 == 0 { "blue" } else { "red" };
        let new = NewThread::titled(format!("{i}"))
            .with_label("colour", colour)
            .with_label("n", i.to_string());
        let thread = store.as_caller(&caller).create_thread(project, new).await.expect("a thread");
        all.push(thread);
        if i % 3 == 0 {
            blue.push(thread);
        }
    }
    // The newest commit decides the order, whichever it was.
    for i in [5, 0, 17] {
        clock.advance(Duration::from_secs(1));
        named(&*store, &caller, all[i], "touch").await;
    }
    let mut newest: Vec<ThreadId> =
        (0..23).filter(|i| ![5, 0, 17].contains(i)).map(|i| all[i]).collect();
    newest.extend([all[5], all[0], all[17]]);
    newest.reverse();
    let of = ThreadFilter::of(ThreadScope::Project(project));
    let list = |filter: ThreadFilter, limit| {
        let (store, caller) = (store.clone(), caller.clone());
        async move {
            let rows =
                pages(limit, |page| store.as_caller(&caller).threads(filter.clone()).page(page))
                    .await;
            rows.into_iter().map(|r| r.id).collect::<Vec<ThreadId>>()
        }
    };
    let sorted = |mut ids: Vec<ThreadId>| {
        ids.sort_unstable();
        ids
    };
    for limit in [1, 4, 23, 1000] {
        assert_eq!(list(of.clone(), limit).await, sorted(all.clone()), "by id, {limit} at a time");
        assert_eq!(
            list(of.clone().newest_first(), limit).await,
            newest,
            "by updated, {limit} at a time"
        );
        assert_eq!(list(of.clone().labelled("colour", "blue"), limit).await, sorted(blue.clone()));
        let labelled = of.clone().newest_first().labelled("colour", "blue");
        let want: Vec<_> = newest.iter().filter(|t| blue.contains(t)).copied().collect();
        assert_eq!(list(labelled, limit).await, want);
    }
    assert_eq!(list(of.clone().labelled("colour", "green"), 5).await, []);
    let relabel =
        UpdateThread { labels: Some(Labels::new().with("colour", "green")), ..Default::default() };
    store.as_caller(&caller).update_thread(blue[0], 1, relabel).await.expect("an update");
    assert_eq!(list(of.clone().labelled("colour", "green"), 5).await, [blue[0]]);
    assert!(!list(of.clone().labelled("colour", "blue"), 5).await.contains(&blue[0]));

    // Those that stay are listed exactly once, whoever comes and goes.
    let churn = {
        let (store, caller) = (store.clone(), caller.clone());
        tokio::spawn(async move {
            loop {
                let thread = store
                    .as_caller(&caller)
                    .create_thread(project, NewThread::titled("churn"))
                    .await
                    .expect("a thread");
                tokio::task::yield_now().await;
                store.as_caller(&caller).delete_thread(thread).await.expect("it goes");
            }
        })
    };
    for round in 0..10 {
        let filter = if round % 2 == 0 { of.clone() } else { of.clone().newest_first() };
        let seen = list(filter, 3).await;
        let stayed: Vec<_> = seen.iter().filter(|t| all.contains(t)).copied().collect();
        assert_eq!(stayed.len(), all.len(), "each exactly once in round {round}");
        assert_eq!(sorted(stayed), sorted(all.clone()));
    }
    churn.abort();
    let _ended = churn.await;
    crowded(&cx).await;
    Verdict::Passed
}

/// A list that shows one thread in five hundred goes on until it has found it, by whatever it is filtered. Hundreds of new
/// threads take long on many media, and how a list is filtered is no matter of the medium: they are in memory.
async fn crowded(cx: &ClauseContext) {
    let clock = Arc::new(TestClock::default());
    let journal = Arc::new(MapJournal::default());
    let store = cx.store_over(journal.clone(), clock.clone(), |options| options);
    let (ada, eve) = (cx.caller_of("acme", "ada"), cx.caller_of("acme", "eve"));
    let project = cx.project(&store, &ada).await;
    clock.advance(Duration::from_secs(60));
    let new = NewThread::titled("of eve").with_label("rare", "yes");
    let rare = store.as_caller(&eve).create_thread(project, new).await.expect("a thread");
    clock.advance(Duration::from_secs(60));
    let crowd = store
        .as_caller(&ada)
        .create_thread(project, NewThread::titled("t"))
        .await
        .expect("a thread");
    // 500 more like the last one, of one record each, by their ids before the rare one and by their updates after it.
    let space = crowd.space(&ada.tenant);
    let card = journal.head(&space).await.expect("a head").and_then(|head| head.card);
    let card = card.expect("the card of a thread");
    for n in 0..500 {
        let space = ThreadId::mint(&ada.tenant, TestClock::START.millis(), n).space(&ada.tenant);
        let batch = raw_batches::batch(None, 1, "crowd");
        let batch = Batch { card: Some(card.clone()), project: Some(project), ..batch };
        raw_batches::done(journal.commit(&space, None, &batch).await);
    }
    let user = ThreadScope::User(UserId::new("eve").expect("a user"));
    let labelled = ThreadFilter::of(ThreadScope::Project(project)).labelled("rare", "yes");
    for filter in [labelled, ThreadFilter::of(user)] {
        for filter in [filter.clone(), filter.newest_first()] {
            let rows =
                pages(10, |page| store.as_caller(&ada).threads(filter.clone()).page(page)).await;
            let found: Vec<_> = rows.iter().map(|row| row.id).collect();
            assert_eq!(found, [rare], "one of 502: {filter:?}");
        }
    }
}

/// Recent threads of a user, across projects.
pub async fn thd12(cx: ClauseContext) -> Verdict {
    let clock = Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let (ada, bob) = (cx.caller_of("acme", "ada"), cx.caller_of("acme", "bob"));
    let projects: Vec<ProjectId> =
        vec![cx.project(&store, &ada).await, cx.project(&store, &ada).await];
    let (mut of_ada, mut of_bob) = (Vec::new(), Vec::new());
    for i in 0..8 {
        clock.advance(Duration::from_secs(1));
        let caller = if i % 2 == 0 { &ada } else { &bob };
        let thread = store
            .as_caller(caller)
            .create_thread(projects[i / 4], NewThread::titled("t"))
            .await
            .expect("a thread");
        if i % 2 == 0 { of_ada.push(thread) } else { of_bob.push(thread) }
    }
    // Bob writes in the first of ada's.
    clock.advance(Duration::from_secs(1));
    let session = named(&store, &ada, of_ada[0], "s").await;
    clock.advance(Duration::from_secs(1));
    store.as_caller(&bob).append(session, says("hello")).await.expect("an entry");
    let recent = |name: &'static str, limit| {
        let user = UserId::new(name).expect("a user");
        let filter = ThreadFilter::of(ThreadScope::User(user)).newest_first();
        let (store, caller) = (&store, &ada);
        async move {
            let rows =
                pages(limit, |page| store.as_caller(caller).threads(filter.clone()).page(page))
                    .await;
            rows.into_iter().map(|r| r.id).collect::<Vec<_>>()
        }
    };
    let want = |mut ids: Vec<ThreadId>, first: Option<ThreadId>| {
        ids.reverse();
        ids.retain(|t| Some(*t) != first);
        first.into_iter().chain(ids).collect::<Vec<_>>()
    };
    for limit in [1, 3, 100] {
        assert_eq!(
            recent("bob", limit).await,
            want(of_bob.clone(), Some(of_ada[0])),
            "{limit} at a time"
        );
        assert_eq!(
            recent("ada", limit).await,
            want(of_ada.clone(), Some(of_ada[0])),
            "{limit} at a time"
        );
        assert_eq!(recent("carol", limit).await, []);
    }
    // The card keeps the creator and the 7 who wrote last.
    for i in 0..9 {
        let caller = cx.caller_of("acme", &format!("user{i}"));
        store.as_caller(&caller).append(session, says("me too")).await.expect("an entry");
    }
    assert!(recent("ada", 10).await.contains(&of_ada[0]), "the creator stays");
    assert_eq!(recent("user8", 10).await, [of_ada[0]]);
    assert_eq!(recent("user2", 10).await, [of_ada[0]]);
    let mine = threads(&store, &ada, ThreadScope::User(UserId::new("ada").expect("a user"))).await;
    assert!(mine.is_sorted_by_key(|r| r.id), "by id");
    crowded(&cx).await;
    Verdict::Passed
}
