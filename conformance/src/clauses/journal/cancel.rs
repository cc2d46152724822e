//! J10: any future may be dropped at any await.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use sessile_core::{
    ErrorKind,
    command::Paging,
    id::{Space, Version},
    journal::{Commit, Journal, ListOrder, ListQuery, Position, Sharing, Snapshot},
    model::{Entry, NewEntry, Part, Role},
};

use crate::{
    BoxFuture,
    clause::Verdict,
    internal::{
        ClauseContext, raw_batches,
        wrong_journals::{Alteration, AlteringJournal},
    },
};

crate::clauses! { J10: Journal => j10 }

/// More awaits than any call of a journal should have.
const MOST: usize = 40;

/// Polls a future at most so many times, then drops it.
struct Cut<'a, T> {
    inner: Option<BoxFuture<'a, T>>,
    polls: usize,
}

impl<'a, T> Cut<'a, T> {
    fn after(polls: usize, inner: impl Future<Output = T> + Send + 'a) -> Self {
        Self { inner: Some(Box::pin(inner)), polls }
    }
}

impl<T> Future for Cut<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if self.polls > 0
            && let Some(inner) = &mut self.inner
        {
            if let Poll::Ready(output) = inner.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            self.polls -= 1;
        }
        if self.polls > 0 {
            return Poll::Pending;
        }
        self.inner = None;
        Poll::Ready(None)
    }
}

/// Longer than any call waits, for others or for its engine, and shorter than what forgets a connection takes to notice.
const SOON: Duration = Duration::from_secs(4);

async fn soon<T>(what: &str, doing: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, doing)
        .await
        .unwrap_or_else(|_| panic!("{what} waits for a future that was dropped"))
}

/// Futures are dropped at every await, alone and with others queued behind them: J1 to J9 hold and no call waits for ever.
pub async fn j10(cx: ClauseContext) -> Verdict {
    commits(&cx).await;
    leaders(&cx).await;
    others(&cx).await;
    aborts(&cx).await;
    turns(&cx).await;
    stores(&cx).await;
    super::behind_a_wire::stands_still(&cx).await;
    Verdict::Passed
}

/// Commits, each dropped one await later than the one before.
async fn commits(cx: &ClauseContext) {
    let space = raw_batches::space(1);
    let (journal, other) = (cx.journal().await, cx.journal().await);
    for polls in 0..MOST {
        let at = raw_batches::at(&journal.head(&space).await.expect("a head"));
        let batch = raw_batches::batch(at, 3, &format!("cut{polls}"));
        let answer = Cut::after(polls, journal.commit(&space, at, &batch)).await;
        let through = &*if polls % 2 == 0 { Arc::clone(&journal) } else { Arc::clone(&other) };
        soon("a commit", raw_batches::append_anywhere(through, &space, 2, &format!("next{polls}")))
            .await;
        sound(&*journal, &space).await;
        if let Some(answer) = answer {
            raw_batches::done(answer);
            return;
        }
    }
    panic!("a commit has more than {MOST} awaits");
}

/// A space holds a chain of whole batches, and the head is its end.
async fn sound(journal: &dyn Journal, space: &Space) -> Vec<String> {
    let head = journal.head(space).await.expect("a head");
    let upto = head.as_ref().map_or(0, |h| h.position.version);
    let all = raw_batches::read_from(journal, space, 0, upto).await;
    assert_eq!(raw_batches::chained(&all), raw_batches::at(&head));
    raw_batches::whole_batches(&all)
}

/// One of several commits at once is dropped, whichever it is: the others get their answers, and are applied.
async fn leaders(cx: &ClauseContext) {
    let journal = cx.journal().await;
    let lead = raw_batches::space(2);
    for polls in 0..cx.times(12) {
        let at = raw_batches::at(&journal.head(&lead).await.expect("a head"));
        let batch = raw_batches::batch(at, 2, &format!("lead{polls}"));
        let mut followers = Vec::new();
        for follower in 0..4 {
            let journal = Arc::clone(&journal);
            followers.push(tokio::spawn(async move {
                let space = raw_batches::space(10 + follower);
                for i in 0..2 {
                    raw_batches::append_anywhere(&*journal, &space, 1, &format!("{polls}-{i}"))
                        .await;
                }
            }));
        }
        let beside = raw_batches::space(20);
        let (_cut, ()) = tokio::join!(
            Cut::after(polls % 6, journal.commit(&lead, at, &batch)),
            soon("a commit beside", async {
                raw_batches::append_anywhere(&*journal, &beside, 1, &format!("{polls}")).await;
            })
        );
        for follower in followers {
            soon("a follower", follower).await.expect("a follower ends");
        }
        soon("the next leader", raw_batches::append_anywhere(&*journal, &lead, 1, "next")).await;
    }
    sound(&*journal, &lead).await;
    for follower in 0..4 {
        let tags = sound(&*journal, &raw_batches::space(10 + follower)).await;
        assert_eq!(tags.len(), 2 * cx.times(12), "each follower's commits landed once");
    }
}

type Call = for<'a> fn(&'a dyn Journal, &'a Space, Option<Position>) -> BoxFuture<'a, bool>;

/// Every other call, dropped at every await.
async fn others(cx: &ClauseContext) {
    let calls: &[(&str, Call)] = &[
        ("head", |j, space, _| Box::pin(async { j.head(space).await.is_ok() })),
        ("read", |j, space, _| {
            Box::pin(async { j.read(space, &raw_batches::range(0, Version::MAX)).await.is_ok() })
        }),
        ("list", |j, space, _| {
            Box::pin(async {
                let query = ListQuery {
                    tenant: space.tenant().clone(),
                    kind: space.kind(),
                    project: None,
                    order: ListOrder::Updated,
                    after: None,
                    limit: 5,
                };
                j.list(&query).await.is_ok()
            })
        }),
        ("wait", |j, space, at| {
            Box::pin(async move {
                let time = Duration::from_millis(3);
                j.wait(space, at.map_or(0, |p| p.version), time).await.is_ok()
            })
        }),
        ("save_snapshot", |j, space, at| {
            Box::pin(async move {
                let Some(position) = at else { return false };
                let snapshot = Snapshot { position, bytes: vec![1; 100] };
                j.save_snapshot(space, &snapshot).await.is_ok()
            })
        }),
        ("load_snapshot", |j, space, _| Box::pin(async { j.load_snapshot(space).await.is_ok() })),
        ("put_blob", |j, space, _| {
            Box::pin(async {
                let Ok(name) = j.put_blob(space, &[7; 5000]).await else { return false };
                j.get_blob(space, &name, Some(1..9)).await.is_ok_and(|b| b == [7; 8])
            })
        }),
        ("erase", |j, space, _| Box::pin(async move { j.erase(space, &[1]).await.is_ok() })),
        ("drop_space", |j, _, at| {
            Box::pin(async move {
                let bits = 1000 + u128::from(at.map_or(0, |p| p.version));
                matches!(j.drop_space(&raw_batches::space(bits), None).await, Ok(Commit::Done))
            })
        }),
    ];
    let space = raw_batches::space(3);
    let journal = cx.journal().await;
    let mut at = raw_batches::append(&*journal, &space, None, 1, "first").await;
    for (name, call) in calls {
        let mut ended = false;
        for polls in 0..MOST {
            let answer = Cut::after(polls, call(&*journal, &space, at)).await;
            at = soon(
                name,
                raw_batches::append(&*journal, &space, at, 1, &format!("{name}{polls}")),
            )
            .await;
            if let Some(right) = answer {
                assert!(right, "{name} answers");
                ended = true;
                break;
            }
        }
        // Over a network the number of awaits is not the journal's own.
        let is_near = cx.info().sharing < Sharing::ManyHosts;
        assert!(ended || !is_near, "{name} has more than {MOST} awaits");
    }
    sound(&*journal, &space).await;
}

/// Tasks that commit are aborted at any time.
async fn aborts(cx: &ClauseContext) {
    let journals = raw_batches::handles(cx, 2).await;
    for round in 0..cx.times(20) as u64 {
        let journal = Arc::clone(&journals[round as usize % 2]);
        let task = tokio::spawn(async move {
            for i in 0..50 {
                let space = raw_batches::space(30 + u128::from(round) % 2);
                raw_batches::append_anywhere(&*journal, &space, 2, &format!("{round}-{i}")).await;
                tokio::task::yield_now().await;
            }
        });
        tokio::time::sleep(Duration::from_micros(300 * (round % 7))).await;
        task.abort();
    }
    for bits in [30, 31] {
        let space = raw_batches::space(bits);
        soon("a commit", raw_batches::append_anywhere(&*journals[0], &space, 2, "last")).await;
        sound(&*journals[1], &space).await;
    }
}

/// A reservation that is not used delays others for a bounded time only.
async fn turns(cx: &ClauseContext) {
    let space = raw_batches::space(40);
    let (journal, other) = (cx.journal().await, cx.journal().await);
    let at = raw_batches::append(&*journal, &space, None, 1, "one").await;
    let held = journal.commit(&space, None, &raw_batches::batch(None, 1, "stale")).await;
    assert!(matches!(held, Ok(Commit::HeadMoved { .. })), "{held:?}");
    let start = tokio::time::Instant::now();
    let next = raw_batches::batch(at, 1, "two");
    let at = match other.commit(&space, at, &next).await {
        Ok(Commit::Done) => next.end(),
        Err(error) if error.kind() == ErrorKind::Contended => at,
        answer => panic!("a commit beside a held turn was answered {answer:?}"),
    };
    soon("a commit", raw_batches::append(&*other, &space, at, 1, "three")).await;
    assert!(start.elapsed() < Duration::from_secs(1), "a turn lasts 20 ms at most");
    drop(held);
}

/// The same for a store: appends to one thread are dropped at every await, before and after their commit, with others
/// queued behind them.
async fn stores(cx: &ClauseContext) {
    let journal = Arc::new(AlteringJournal::over(cx.journal().await, Alteration::Yields));
    let store = cx.store_over(journal, Arc::default(), |options| options);
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let mut must = Vec::new();
    let mut may = Vec::new();
    for polls in 0..cx.times(20) {
        let mut followers = Vec::new();
        for k in 0..3 {
            let (store, caller, text) =
                (store.clone(), caller.clone(), format!("follower {k} of {polls}"));
            must.push(text.clone());
            followers.push(tokio::spawn(async move {
                let entry = NewEntry::text(Role::User, text);
                store.as_caller(&caller).append(session, entry).await.expect("a follower's append");
            }));
        }
        let text = format!("cut {polls}");
        let entry = NewEntry::text(Role::User, text.clone());
        let answer = Cut::after(polls % 12, store.as_caller(&caller).append(session, entry)).await;
        match answer {
            Some(answer) => {
                answer.expect("an append");
                must.push(text);
            }
            None => may.push(text),
        }
        for follower in followers {
            soon("a follower in a store", follower).await.expect("a follower ends");
        }
    }
    for store in [store, cx.store().await] {
        let mut there = Vec::new();
        let mut page = Paging::first(100);
        loop {
            let entries = store.as_caller(&caller).entries(session).page(page).await;
            let entries = entries.expect("a page of entries");
            there.extend(entries.items.iter().map(text));
            page = page.after(entries.next);
            if entries.next.is_none() {
                break;
            }
        }
        for text in &must {
            assert_eq!(there.iter().filter(|t| t == &text).count(), 1, "{text} is there once");
        }
        for text in &may {
            assert!(there.iter().filter(|t| t == &text).count() <= 1, "{text} is not doubled");
        }
        let found =
            store.as_caller(&caller).verify(session.thread(), None).await.expect("a verification");
        assert_eq!(found.problems, []);
    }
}

fn text(entry: &Entry) -> String {
    match entry.parts() {
        [Part::Text(it)] => it.text.clone(),
        other => panic!("an entry of the suite, but {other:?}"),
    }
}
