//! Many writers before an engine that takes one transaction at a time, in the way that is usual: a thread owns the engine,
//! and commits whatever is queued when it comes round.

use std::sync::mpsc;

use tokio::{runtime::Handle, sync::oneshot, task};

use super::{BODY, WRITERS};
use crate::fail::{Fail, Result};

/// A row of a writer, and whom to tell that it is durable.
struct Ticket {
    row: Row,
    done: oneshot::Sender<()>,
}

/// What a writer wants written.
pub(super) struct Row {
    /// From 0.
    pub(super) writer: usize,
    /// From 0.
    pub(super) nth: u64,
    pub(super) body: String,
}

/// Lets 64 tasks write so many rows each, one after the other; `commit` makes a group of them durable. On a worker of a runtime of
/// several threads only.
pub(super) fn run(each: u64, mut commit: impl FnMut(&[Row]) -> Result<()> + Send) -> Result<u64> {
    let (queue, queued) = mpsc::channel::<Ticket>();
    std::thread::scope(|scope| {
        let engine = scope.spawn(move || -> Result<()> {
            while let Ok(first) = queued.recv() {
                let (rows, done): (Vec<Row>, Vec<_>) = std::iter::once(first)
                    .chain(queued.try_iter())
                    .map(|t| (t.row, t.done))
                    .unzip();
                commit(&rows)?;
                for done in done {
                    // Who has gone need not be told.
                    let _ = done.send(());
                }
            }
            Ok(())
        });
        let written = task::block_in_place(|| Handle::current().block_on(write(each, queue)));
        match engine.join() {
            Ok(committed) => committed.and(written),
            Err(_) => Err(Fail::input("the thread of the bare engine failed")),
        }
    })
}

async fn write(each: u64, queue: mpsc::Sender<Ticket>) -> Result<u64> {
    let gone = |_| Fail::input("the thread of the bare engine is gone");
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let queue = queue.clone();
            tokio::spawn(async move {
                for nth in 0..each {
                    let (done, durable) = oneshot::channel();
                    let row = Row { writer, nth, body: "x".repeat(BODY) };
                    queue.send(Ticket { row, done }).ok()?;
                    durable.await.ok()?;
                }
                Some(each)
            })
        })
        .collect();
    drop(queue);
    let mut written = 0;
    for writer in writers {
        written += writer.await.ok().flatten().ok_or(()).map_err(gone)?;
    }
    Ok(written)
}
