//! Writers that look closely at each answer.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use sessile::{
    ErrorKind,
    id::Space,
    journal::{Batch, Commit, Journal, Position},
    postgres::Postgres,
};
use sessile_conformance::internal::raw_batches;

/// What writers were told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) done: AtomicU64,
    pub(crate) in_doubt: AtomicU64,
    pub(crate) refused: AtomicU64,
}

impl Told {
    pub(crate) fn figures(&self) -> String {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (done, in_doubt, refused) = (of(&self.done), of(&self.in_doubt), of(&self.refused));
        format!("{done} acknowledged, {in_doubt} in doubt, {refused} refused")
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// Appends to a space of its own until it is stopped; answers with the tags of all records that must be there then.
pub(crate) async fn append(
    journal: &Postgres,
    space: &Space,
    told: &Told,
    stop: &AtomicBool,
) -> Vec<String> {
    let mut at: Option<Position> = None;
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        let batch = raw_batches::batch(at, 1 + n % 3, &n.to_string());
        match journal.commit(space, at, &batch).await {
            Ok(Commit::Done) => {
                told.done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Commit::Indeterminate { .. }) => {
                told.in_doubt.fetch_add(1, Ordering::Relaxed);
                resolve(journal, space, at, &batch).await;
            }
            Err(error) => {
                let is_clean =
                    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Contended);
                assert!(is_clean, "{error:?}");
                told.refused.fetch_add(1, Ordering::Relaxed);
                let head = loop {
                    match journal.head(space).await {
                        Ok(head) => break head,
                        Err(_) => pause().await,
                    }
                };
                assert_eq!(raw_batches::at(&head), at, "an error means: not applied; {error:?}");
                continue;
            }
            Ok(other) => panic!("nobody else writes here: {other:?}"),
        }
        at = batch.end();
        n += 1;
    }
    (0..n).flat_map(|n| vec![n.to_string(); 1 + n % 3]).collect()
}

/// Tries the same batch again until it is known to be there, which it is once.
async fn resolve(journal: &Postgres, space: &Space, at: Option<Position>, batch: &Batch) {
    loop {
        match journal.commit(space, at, batch).await {
            Ok(Commit::Done) => return,
            Ok(Commit::HeadMoved { head, .. }) => {
                assert_eq!(raw_batches::at(&head), batch.end(), "it is the one that was in doubt");
                return;
            }
            Ok(Commit::Indeterminate { .. }) | Err(_) => pause().await,
            Ok(other) => panic!("nobody else writes here: {other:?}"),
        }
    }
}
