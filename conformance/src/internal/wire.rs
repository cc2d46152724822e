//! A journal behind a wire of the suite, and writers that look closely at each answer.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use sessile_core::{
    ErrorKind, Result,
    id::Space,
    journal::{Batch, Commit, Journal, Position, Sharing},
};
use tokio::time::{Instant, timeout};

use super::{ClauseContext, proxy::Proxy, raw_batches};

/// How long a journal may take to be itself again once its wire is whole.
const RECOVERY: Duration = Duration::from_secs(10);

/// A journal that is reached through a proxy.
pub(crate) struct Wired {
    pub(crate) proxy: Proxy,
    pub(crate) journal: Arc<dyn Journal>,
}

impl ClauseContext {
    /// A handle behind a wire of the suite, if the driver brought the hook.
    pub(crate) async fn wired(&self) -> Option<Wired> {
        let Some(wire) = self.backend().wire(self.dir()) else {
            if self.info().sharing >= Sharing::ManyHosts {
                self.note("no `wire` hook: not judged with a wire that is cut or stands still");
            }
            return None;
        };
        // There is a store, whoever opened it first.
        drop(self.journal().await);
        let proxy = Proxy::before(wire.server()).await;
        let opened = self.opened_by_hand(wire.open(proxy.address())).await;
        Some(Wired { proxy, journal: opened })
    }
}

impl Wired {
    /// The journal works again, now that the wire is whole.
    pub(crate) async fn recovers(&self, space: &Space) {
        let recovery = async {
            while let Err(error) = self.journal.head(space).await {
                assert!(is_clean(error.kind()), "a head behind a wire that was cut: {error:?}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(RECOVERY, recovery).await.unwrap_or_else(|_| {
            panic!("the wire is whole again for {RECOVERY:?}, and the journal is not")
        });
    }
}

/// Whether an error says for certain that nothing was written, and that one may try again.
fn is_clean(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::Contended)
}

/// What writers were told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    done: AtomicU64,
    in_doubt: AtomicU64,
    refused: AtomicU64,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (done, in_doubt, refused) = (of(&self.done), of(&self.in_doubt), of(&self.refused));
        write!(f, "{done} acknowledged, {in_doubt} in doubt, {refused} refused")
    }
}

/// The end of a space to which nobody else writes, after a commit was answered so. Fails unless the answer was true, and as exact
/// as the contract wants it: done is there; an error is not there, and does not come later; doubt is called doubt.
///
/// Asks `calm`, a handle on which nothing fails, or which is asked again until it answers.
pub(crate) async fn settled(
    calm: &dyn Journal,
    space: &Space,
    at: Option<Position>,
    batch: &Batch,
    answer: &Result<Commit>,
    told: &Told,
) -> Option<Position> {
    let count = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
    match answer {
        Ok(Commit::Done) => {
            count(&told.done);
            batch.end()
        }
        Ok(Commit::Indeterminate { .. }) => {
            count(&told.in_doubt);
            resolved(calm, space, at, batch).await
        }
        Err(error) if error.kind() == ErrorKind::Indeterminate => {
            count(&told.in_doubt);
            resolved(calm, space, at, batch).await
        }
        Err(error) if is_clean(error.kind()) => {
            count(&told.refused);
            let end = raw_batches::at(&head(calm, space).await);
            let version = |at: Option<Position>| at.map_or(0, |position| position.version);
            assert!(
                version(end) >= version(at),
                "what was acknowledged is lost: it ended at {at:?}, and now at {end:?}"
            );
            assert_eq!(end, at, "an error means that nothing was written, and it was: {error:?}");
            at
        }
        Ok(Commit::Diverged { head }) => {
            panic!("what was acknowledged is lost: it ended at {at:?}, and now at {head:?}")
        }
        other => panic!("nobody else writes here, and a commit was answered {other:?}"),
    }
}

/// Tries the same batch until it is known to be there, which it is once.
async fn resolved(
    calm: &dyn Journal,
    space: &Space,
    at: Option<Position>,
    batch: &Batch,
) -> Option<Position> {
    loop {
        match calm.commit(space, at, batch).await {
            Ok(Commit::Done) => return batch.end(),
            Ok(Commit::HeadMoved { head, .. }) => {
                let end = raw_batches::at(&head);
                assert_eq!(end, batch.end(), "it is the one that was in doubt");
                return end;
            }
            Ok(Commit::Indeterminate { .. }) | Err(_) => pause().await,
            Ok(other) => panic!("nobody else writes here, and a commit was answered {other:?}"),
        }
    }
}

async fn head(calm: &dyn Journal, space: &Space) -> Option<sessile_core::journal::Head> {
    loop {
        match calm.head(space).await {
            Ok(head) => return head,
            Err(_) => pause().await,
        }
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// Writers at once, each in a space of its own, until they are stopped.
pub(crate) struct Writers {
    told: Arc<Told>,
    stop: Arc<AtomicBool>,
    tasks: Vec<(Space, tokio::task::JoinHandle<Vec<String>>)>,
}

impl Writers {
    /// Four of them.
    pub(crate) fn start(journal: &Arc<dyn Journal>, first: u128) -> Self {
        let (told, stop) = (Arc::new(Told::default()), Arc::new(AtomicBool::new(false)));
        let writer = |at| {
            let (journal, told, stop) = (Arc::clone(journal), Arc::clone(&told), Arc::clone(&stop));
            let space = raw_batches::space(at);
            (
                space.clone(),
                tokio::spawn(async move { write(&*journal, &space, &told, &stop).await }),
            )
        };
        let tasks = (first..first + 4).map(writer).collect();
        Self { told, stop, tasks }
    }

    /// How many commits were acknowledged.
    pub(crate) fn done(&self) -> u64 {
        self.told.done.load(Ordering::Relaxed)
    }

    /// Waits until so many commits were acknowledged.
    pub(crate) async fn have_done(&self, many: u64) {
        let start = Instant::now();
        while self.done() < many {
            let stuck = start.elapsed() > Duration::from_secs(30 + many / 4);
            assert!(!stuck, "writers get through at times, but: {}", self.told);
            if self.tasks.iter().any(|(_, task)| task.is_finished()) {
                return; // One has failed, and is asked why in the end.
            }
            pause().await;
        }
    }

    /// Stops them, and compares what is there with what they were told.
    pub(crate) async fn check(self, calm: &dyn Journal) -> Arc<Told> {
        self.stop.store(true, Ordering::Relaxed);
        for (space, task) in self.tasks {
            let said = task.await.expect("a writer ends");
            let records = raw_batches::read_all(calm, &space).await;
            raw_batches::chained(&records);
            let there: Vec<_> = records.iter().map(raw_batches::tag).collect();
            assert_eq!(there, said, "nothing is lost and nothing doubled");
        }
        self.told
    }
}

/// Appends until it is stopped; the tags of all records that must be there then.
async fn write(
    journal: &dyn Journal,
    space: &Space,
    told: &Told,
    stop: &AtomicBool,
) -> Vec<String> {
    let mut at: Option<Position> = None;
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        let batch = raw_batches::batch(at, 1 + n % 3, &n.to_string());
        let answer = journal.commit(space, at, &batch).await;
        let end = settled(journal, space, at, &batch, &answer, told).await;
        if end == batch.end() {
            at = end;
            n += 1;
        }
    }
    (0..n).flat_map(|n| vec![n.to_string(); 1 + n % 3]).collect()
}
