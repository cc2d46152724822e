//! J6, J7 and J10 of a journal that speaks to a server: the wire is cut, or stands still, and the server is killed.

use std::{sync::Arc, time::Duration};

use sessile_core::{ErrorKind, journal::Commit};
use tokio::time::{Instant, timeout};

use crate::internal::{
    ClauseContext, raw_batches,
    wire::{Told, Writers, settled},
};

/// More pieces than any commit should need on their way back.
const PIECES: usize = 40;

/// Longer than a call may take to notice that its wire was cut.
const NOTICED: Duration = Duration::from_secs(20);

/// Part of J7. The wire is cut at each piece that comes back to a commit: the answer is true, or says that nobody knows. Then it is
/// cut again and again while several write: nothing is lost, nothing doubled.
pub(super) async fn cut(cx: &ClauseContext) {
    let Some(wired) = cx.wired().await else { return };
    let (calm, told) = (cx.journal().await, Told::default());
    let space = raw_batches::space(201);
    let mut at = raw_batches::append(&*wired.journal, &space, None, 1, "first").await;
    for piece in 0..PIECES {
        let batch = raw_batches::batch(at, 1 + piece % 3, &format!("lost {piece}"));
        wired.proxy.lose_reply(piece);
        let answer = timeout(NOTICED, wired.journal.commit(&space, at, &batch)).await;
        let answer = answer.unwrap_or_else(|_| {
            panic!("the wire was cut, and after {NOTICED:?} a commit has not noticed")
        });
        let was_lost = wired.proxy.lost_it();
        wired.proxy.pass();
        at = settled(&*calm, &space, at, &batch, &answer, &told).await;
        // What is late comes now, and would be in its way.
        at = raw_batches::append(&*calm, &space, at, 1, "after").await;
        wired.recovers(&space).await;
        if !was_lost {
            break;
        }
    }
    cx.note(format!("replies lost one by one: {told}"));

    let writers = Writers::start(&wired.journal, 202);
    wired.proxy.cut();
    writers.have_done(cx.times(20).clamp(100, 1000) as u64).await;
    wired.proxy.pass();
    let told = writers.check(&*calm).await;
    cx.note(format!("a wire that is cut every few milliseconds: {told}"));
    wired.journal.close().await.expect("a handle closes");
}

/// Part of J10. The wire stands still at each piece that comes back to a commit, which is dropped later: whoever waits for what it
/// holds waits no longer than asked, and once the wire moves, all is as if the commit had been in doubt.
pub(super) async fn stands_still(cx: &ClauseContext) {
    let Some(wired) = cx.wired().await else { return };
    let calm = cx.journal().await;
    let space = raw_batches::space(211);
    let mut at = raw_batches::append(&*wired.journal, &space, None, 1, "first").await;
    for piece in 0..PIECES {
        let batch = raw_batches::batch(at, 1, &format!("still {piece}"));
        wired.proxy.stall(piece);
        let held = tokio::spawn({
            let (journal, space, batch) = (Arc::clone(&wired.journal), space.clone(), batch);
            async move { journal.commit(&space, at, &batch).await }
        });
        tokio::time::sleep(Duration::from_millis(60)).await;
        let stood_still = wired.proxy.stands_still();

        let mut beside = raw_batches::batch(at, 1, &format!("beside {piece}"));
        beside.patience = Duration::from_millis(100);
        let began = Instant::now();
        let answer = timeout(Duration::from_secs(3), calm.commit(&space, at, &beside)).await;
        let answer = answer.unwrap_or_else(|_| {
            panic!("a commit with a patience of 100 ms waits for {:?} already", began.elapsed())
        });
        match &answer {
            Ok(Commit::Done | Commit::HeadMoved { .. }) => {}
            Err(error) if error.kind() == ErrorKind::Contended => {}
            other => panic!("a commit beside one that stands still was answered {other:?}"),
        }

        held.abort();
        let held = held.await.ok();
        wired.proxy.pass();
        wired.recovers(&space).await;
        // What was dropped may land until somebody else has.
        let tag = format!("last {piece}");
        let last = raw_batches::append_anywhere(&*calm, &space, 1, &tag);
        at = timeout(Duration::from_secs(10), last).await.expect("the wire moves, and so do all");
        let all = raw_batches::read_all(&*calm, &space).await;
        assert_eq!(raw_batches::chained(&all), at);
        let tags: Vec<_> = all.iter().map(raw_batches::tag).collect();
        let times = |tag: &str| tags.iter().filter(|it| *it == tag).count();
        if let Some(Ok(Commit::Done)) = held {
            assert_eq!(times(&format!("still {piece}")), 1, "done is there");
        }
        if matches!(answer, Ok(Commit::Done)) {
            assert_eq!(times(&format!("beside {piece}")), 1, "done is there");
        }
        assert!(times(&format!("still {piece}")) + times(&format!("beside {piece}")) <= 1);
        if !stood_still {
            break;
        }
    }
    wired.journal.close().await.expect("a handle closes");
}

/// Part of J6. The server is killed while several write: what it acknowledged is there when it comes back, once.
pub async fn killed_server(cx: &ClauseContext) {
    if cx.backend().restart().is_none() {
        return;
    }
    let mut writers = Vec::new();
    for first in [221, 225] {
        let journal = cx.journal().await;
        writers.push(Writers::start(&journal, first));
    }
    let kills = cx.times(2);
    for kill in 0..kills {
        let already = writers.iter().map(Writers::done).min().unwrap_or_default();
        for writers in &writers {
            writers.have_done(already + 5).await;
        }
        tokio::time::sleep(Duration::from_millis(7 * (kill as u64 % 20))).await;
        cx.restart().await;
    }
    let calm = cx.journal().await;
    for writers in writers {
        let told: Arc<Told> = writers.check(&*calm).await;
        cx.note(format!("the server was killed {kills} times: {told}"));
    }
}
