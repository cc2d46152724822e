//! J21: a journal works in every kind of tokio runtime.

use std::{future::Future, sync::Arc, thread, time::Duration};

use sessile_core::{id::Space, journal::Journal};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
    task::{self, LocalSet},
};

use crate::{
    clause::Verdict,
    internal::{ClauseContext, raw_batches},
};

crate::clauses! { J21: Journal => j21 }

/// Tasks at once in each kind of runtime.
const TASKS: u128 = 4;
/// Batches of each task, of [`RECORDS`] records each: one read of all is a long one.
const BATCHES: usize = 5;
const RECORDS: usize = 20;

/// Opened and used by tasks that share one thread, in `block_on`, and from work that blocks: each call ends, without a panic.
pub async fn j21(cx: ClauseContext) -> Verdict {
    elsewhere(&cx, "tasks of a LocalSet in a multi-threaded runtime", |cx| {
        let local = LocalSet::new();
        local.block_on(&many_threads(), local_tasks(cx, 100));
    })
    .await;
    elsewhere(&cx, "tasks of a current-thread runtime", |cx| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        LocalSet::new().block_on(&runtime, local_tasks(cx, 200));
    })
    .await;
    elsewhere(&cx, "block_on in blocking work of a multi-threaded runtime", |cx| {
        let runtime = many_threads();
        runtime.block_on(blocking_tasks(cx, 300));
    })
    .await;
    Verdict::Passed
}

/// A multi-threaded runtime, with one thread more for blocking work than there are [`TASKS`].
fn many_threads() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(2).max_blocking_threads(TASKS as usize + 1);
    builder.enable_all().build().expect("a runtime")
}

/// Runs something on a thread outside of the suite's runtime, for half a minute at most.
async fn elsewhere(
    cx: &ClauseContext,
    what: &str,
    work: impl FnOnce(ClauseContext) + Send + 'static,
) {
    let (ended, end) = oneshot::channel();
    let cx = cx.clone();
    let thread = thread::spawn(move || {
        work(cx);
        let _gone = ended.send(());
    });
    let end = tokio::time::timeout(Duration::from_secs(30), end).await;
    let end = end.unwrap_or_else(|_| panic!("a call waits for ever: {what}"));
    if end.is_err() {
        let why = thread.join().expect_err("it did not end");
        let why = why.downcast_ref::<String>().cloned();
        panic!("a call panics in {what}: {}", why.unwrap_or_default());
    }
}

/// The future of `block_on`, and tasks that run on its thread only.
async fn local_tasks(cx: ClauseContext, first: u128) {
    let journal = cx.journal().await;
    let tasks: Vec<_> = spaces(first)
        .map(|space| {
            let journal = Arc::clone(&journal);
            task::spawn_local(async move { use_all(&*journal, &space).await })
        })
        .collect();
    use_all(&*journal, &raw_batches::space(first + TASKS)).await;
    all(tasks).await;
    // A handle that is opened and closed in such a task.
    if cx.many_processes() {
        let task = task::spawn_local(async move {
            let journal = cx.journal().await;
            use_all(&*journal, &raw_batches::space(first + TASKS + 1)).await;
            journal.close().await.expect("a handle closes");
        });
        all(vec![task]).await;
    }
}

/// Calls from blocking work, which leaves one thread for such work.
async fn blocking_tasks(cx: ClauseContext, first: u128) {
    let journal = cx.journal().await;
    let tasks: Vec<_> = spaces(first)
        .map(|space| {
            let (journal, runtime) = (Arc::clone(&journal), Handle::current());
            task::spawn_blocking(move || runtime.block_on(use_all(&*journal, &space)))
        })
        .collect();
    all(tasks).await;
}

fn spaces(first: u128) -> impl Iterator<Item = Space> {
    (first..first + TASKS).map(raw_batches::space)
}

/// Waits for tasks; a panic of one goes on.
async fn all(tasks: Vec<impl Future<Output = Result<(), task::JoinError>>>) {
    for task in tasks {
        if let Err(error) = task.await {
            panic!("{error}");
        }
    }
}

/// Writes to a space, and reads it.
async fn use_all(journal: &dyn Journal, space: &Space) {
    let mut at = None;
    for batch in 0..BATCHES {
        at = raw_batches::append(journal, space, at, RECORDS, &format!("batch{batch}")).await;
    }
    let name = journal.put_blob(space, b"blob").await.expect("a blob is put");
    let blob = journal.get_blob(space, &name, None).await.expect("a blob is read");
    assert_eq!(blob, b"blob");
    let records = raw_batches::read_all(journal, space).await;
    assert_eq!(records.len(), BATCHES * RECORDS);
    assert_eq!(raw_batches::chained(&records), at);
}
