//! The workloads, as a store does them.

use sessile::{
    command::{NewSession, NewThread, Paging},
    handle::Handle,
    id::{ProjectId, SessionId, ThreadId},
    model::{Actor, NewEntry, Role},
    store::Store,
};

use super::sizes::{BODY, LOG, SESSIONS, Sizes, WRITERS};
use crate::fail::{Fail, Result};

/// A store with everything the workloads need.
pub(super) struct Ours {
    store: Store,
    bench: Handle,
    project: ProjectId,
    /// One writer's.
    alone: SessionId,
    /// 64 writers', each in a thread of its own.
    writers: Vec<SessionId>,
    /// The long one.
    log: SessionId,
    /// Of 100 sessions each.
    threads: Vec<ThreadId>,
}

impl Ours {
    pub(super) async fn fill(store: Store, sizes: &Sizes) -> Result<Self> {
        let mut ours = Self::writers(store).await?;
        let Self { bench, project, log, .. } = &ours;
        for _ in 0..LOG / 500 {
            let entries: Vec<NewEntry> = (0..500).map(|_| entry()).collect();
            bench.append(*log, entries).await?;
        }
        let share = sizes.threads.div_ceil(WRITERS);
        let makers = (0..WRITERS).map(|i| {
            let (bench, project) = (bench.clone(), *project);
            let mine = share.min(sizes.threads.saturating_sub(i * share));
            async move {
                let mut threads = Vec::with_capacity(mine);
                for _ in 0..mine {
                    let new = NewThread::titled("many sessions");
                    let thread = bench.create_thread(project, new).await?;
                    for i in 0..SESSIONS {
                        let new = NewSession::named(format!("session {i}"));
                        bench.create_session(thread, new).await?;
                    }
                    threads.push(thread);
                }
                Ok(threads)
            }
        });
        ours.threads = together(makers).await?.into_iter().flatten().collect();
        Ok(ours)
    }

    /// With what writers need, and nothing to read.
    pub(super) async fn writers(store: Store) -> Result<Self> {
        let bench = store.caller("bench", Actor::system("bench"))?;
        let project = bench.create_project("bench").await?;
        let alone = session(&bench, project).await?;
        let log = session(&bench, project).await?;
        let mut writers = Vec::with_capacity(WRITERS);
        for _ in 0..WRITERS {
            writers.push(session(&bench, project).await?);
        }
        Ok(Self { store, bench, project, alone, writers, log, threads: Vec::new() })
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    pub(super) async fn create(&self, n: u64) -> Result<u64> {
        for _ in 0..n {
            self.bench.create_thread(self.project, NewThread::titled("one")).await?;
        }
        Ok(n)
    }

    pub(super) async fn append(&self, n: u64) -> Result<u64> {
        for _ in 0..n {
            self.bench.append(self.alone, entry()).await?;
        }
        Ok(n)
    }

    pub(super) async fn append_together(&self, each: u64) -> Result<u64> {
        let writers = self.writers.iter().map(|&session| {
            let bench = self.bench.clone();
            async move {
                for _ in 0..each {
                    bench.append(session, entry()).await?;
                }
                Ok(each)
            }
        });
        Ok(together(writers).await?.into_iter().sum())
    }

    pub(super) async fn append_batches(&self, n: u64) -> Result<u64> {
        for _ in 0..n {
            let entries: Vec<NewEntry> = (0..WRITERS).map(|_| entry()).collect();
            self.bench.append(self.alone, entries).await?;
        }
        Ok(n * WRITERS as u64)
    }

    pub(super) async fn tail(&self, n: u64) -> Result<u64> {
        for _ in 0..n {
            let page = Paging::first(50);
            let tail = self.bench.entries(self.log).backward().page(page).await?;
            expect(tail.items.len(), 50)?;
        }
        Ok(n)
    }

    pub(super) async fn list(&self, n: u64) -> Result<u64> {
        let thread = self.threads.first().copied().ok_or_else(|| Fail::input("no threads"))?;
        for _ in 0..n {
            let rows = self.bench.sessions(thread).page(Paging::first(100)).await?;
            expect(rows.items.len(), SESSIONS)?;
        }
        Ok(n)
    }

    /// A store that has nothing in memory asks each thread for itself.
    pub(super) async fn open_threads(&self, n: usize) -> Result<u64> {
        let cold = Store::new(self.store.journal().clone(), sessile::options());
        let cold = cold.as_caller(self.bench.caller());
        let threads = self.threads.iter().take(n);
        let opened = threads.len() as u64;
        for &thread in threads {
            let found = cold.thread(thread).await?;
            expect(found.map_or(0, |t| t.sessions) as usize, SESSIONS)?;
        }
        Ok(opened)
    }
}

async fn session(bench: &Handle, project: ProjectId) -> Result<SessionId> {
    let thread = bench.create_thread(project, "one session").await?;
    Ok(bench.create_session(thread, "one").await?)
}

fn entry() -> NewEntry {
    NewEntry::text(Role::Assistant, "x".repeat(BODY))
}

/// A figure for the wrong answer would be worth nothing.
pub(super) fn expect(found: usize, right: usize) -> Result<()> {
    if found == right {
        Ok(())
    } else {
        Err(Fail::input(format!("the store answered {found} items instead of {right}")))
    }
}

pub(super) async fn together<T: Send + 'static>(
    tasks: impl Iterator<Item = impl Future<Output = sessile::Result<T>> + Send + 'static>,
) -> Result<Vec<T>> {
    let tasks: Vec<_> = tasks.map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        let result = task.await.map_err(|e| Fail::input(format!("a writer failed: {e}")))?;
        results.push(result?);
    }
    Ok(results)
}
