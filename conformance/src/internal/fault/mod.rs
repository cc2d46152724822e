//! A journal that fails on purpose, in the same way each time.
//!
//! [`FaultyJournal`] stands over any journal and does to each call what networks and machines do: the request is lost, the reply
//! is lost, the write lands long after reads found it absent, the engine fails, calls take their time. What
//! happens follows from a seed and the order of calls: one seed, one order, one [trace](FaultyJournal::trace).

mod interrupted;
mod stopped;
mod switch;

use std::{
    collections::HashSet,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sessile_core::{
    Error, Result,
    id::{Space, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Head, Journal, JournalInfo, ListQuery, ListRow, Position,
        ReadRange, Record, Scrub, Snapshot,
    },
};

pub use interrupted::{Call, InterruptedJournal};
pub use stopped::{CountedCalls, StoppedDriver, StoppedJournal, Way};
pub use switch::ReplaceableJournal;

/// How often each fault strikes, in thousandths of the calls that it can happen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// A commit never reaches the journal; the caller is answered `Indeterminate`.
    pub lost_request: u16,
    /// A commit is applied; the caller is answered `Indeterminate`.
    pub lost_reply: u16,
    /// A commit is not applied yet when the caller is answered `Indeterminate`, and lands some calls later.
    pub late: u16,
    /// A commit fails for certain: `Unavailable`, not applied.
    pub engine_error: u16,
    /// A drop never reaches the journal; the caller is answered `Indeterminate`.
    pub lost_drop: u16,
    /// A drop is applied; the caller is answered `Indeterminate`.
    pub lost_drop_reply: u16,
    /// A read fails: `Unavailable`.
    pub read_error: u16,
    /// A snapshot vanishes, on save or on load.
    pub lost_snapshot: u16,
    /// Any call yields up to this many times, before and after.
    pub yields: u8,
}

impl Faults {
    /// Nothing fails.
    pub const NONE: Self = Self {
        lost_request: 0,
        lost_reply: 0,
        late: 0,
        engine_error: 0,
        lost_drop: 0,
        lost_drop_reply: 0,
        read_error: 0,
        lost_snapshot: 0,
        yields: 0,
    };

    /// Every fault now and then.
    pub const SOME: Self = Self {
        lost_request: 40,
        lost_reply: 60,
        late: 60,
        engine_error: 30,
        lost_drop: 100,
        lost_drop_reply: 100,
        read_error: 10,
        lost_snapshot: 100,
        yields: 3,
    };
}

/// A commit that is applied after its caller was answered.
#[derive(Debug)]
struct DelayedCommit {
    /// Calls until it lands.
    calls: u32,
    space: Space,
    expected: Option<Position>,
    batch: Batch,
}

#[derive(Debug)]
struct FaultState {
    rng: StdRng,
    late: Vec<DelayedCommit>,
    trace: Vec<String>,
}

/// A journal over another that fails by the [`Faults`] given.
#[derive(Debug)]
pub struct FaultyJournal {
    inner: Arc<dyn Journal>,
    faults: Mutex<Faults>,
    state: Mutex<FaultState>,
}

/// What happens to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    LostRequest,
    LostReply,
    DelayedCommit(u32),
    EngineError,
}

impl FaultyJournal {
    /// Over a journal, by a seed.
    pub fn over(inner: Arc<dyn Journal>, faults: Faults, seed: u64) -> Self {
        let state =
            FaultState { rng: StdRng::seed_from_u64(seed), late: Vec::new(), trace: Vec::new() };
        Self { inner, faults: Mutex::new(faults), state: Mutex::new(state) }
    }

    /// Fails like this from now on.
    pub fn set(&self, faults: Faults) {
        *self.faults.lock().unwrap() = faults;
    }

    fn faults(&self) -> Faults {
        *self.faults.lock().unwrap()
    }

    /// What happened, call by call.
    pub fn trace(&self) -> Vec<String> {
        self.state.lock().unwrap().trace.clone()
    }

    /// Applies every delayed commit now.
    pub async fn flush(&self) {
        let late = std::mem::take(&mut self.state.lock().unwrap().late);
        for late in late {
            self.land(late).await;
        }
    }

    async fn land(&self, late: DelayedCommit) {
        let landed = self.inner.commit(&late.space, late.expected, &late.batch).await;
        let how = if matches!(landed, Ok(Commit::Done)) { "landed late" } else { "came too late" };
        self.state.lock().unwrap().trace.push(how.to_owned());
    }

    /// Counts a call: applies the delayed commits that are due, and yields a few times.
    async fn tick(&self) {
        let (due, yields) = {
            let mut state = self.state.lock().unwrap();
            state.late.iter_mut().for_each(|late| late.calls = late.calls.saturating_sub(1));
            let due: Vec<DelayedCommit> =
                state.late.extract_if(.., |late| late.calls == 0).collect();
            (due, state.rng.random_range(0..=self.faults().yields))
        };
        for late in due {
            self.land(late).await;
        }
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
    }

    fn happens(&self, thousandths: u16) -> bool {
        self.state.lock().unwrap().rng.random_range(0..1000) < thousandths
    }

    fn draw_fault(&self) -> Fault {
        let mut state = self.state.lock().unwrap();
        let (roll, calls) = (state.rng.random_range(0..1000_u16), state.rng.random_range(1..6));
        let faults = self.faults();
        let mut below = 0;
        let mut in_range = |width: u16| {
            below += width;
            roll < below
        };
        let fault = if in_range(faults.lost_request) {
            Fault::LostRequest
        } else if in_range(faults.lost_reply) {
            Fault::LostReply
        } else if in_range(faults.late) {
            Fault::DelayedCommit(calls)
        } else if in_range(faults.engine_error) {
            Fault::EngineError
        } else {
            Fault::None
        };
        state.trace.push(format!("commit: {fault:?}"));
        fault
    }

    async fn read_call(&self, what: &'static str) -> Result<()> {
        self.tick().await;
        if self.happens(self.faults().read_error) {
            self.state.lock().unwrap().trace.push(format!("{what}: failed"));
            return Err(Error::failed(format!("{what} failed on purpose")));
        }
        Ok(())
    }
}

#[async_trait]
impl Journal for FaultyJournal {
    fn info(&self) -> &JournalInfo {
        self.inner.info()
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        self.read_call("head").await?;
        self.inner.head(space).await
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        self.tick().await;
        let unknown = Ok(Commit::Indeterminate { source: None });
        match self.draw_fault() {
            Fault::None => {
                let answer = self.inner.commit(space, expected, batch).await;
                self.tick().await;
                answer
            }
            Fault::LostRequest => unknown,
            Fault::LostReply => {
                let _ = self.inner.commit(space, expected, batch).await;
                self.tick().await;
                unknown
            }
            Fault::DelayedCommit(calls) => {
                let late =
                    DelayedCommit { calls, space: space.clone(), expected, batch: batch.clone() };
                self.state.lock().unwrap().late.push(late);
                unknown
            }
            Fault::EngineError => Err(Error::failed("the engine failed on purpose".to_owned())),
        }
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        self.read_call("read").await?;
        self.inner.read(space, range).await
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.tick().await;
        if self.happens(self.faults().lost_snapshot) {
            return Ok(());
        }
        self.inner.save_snapshot(space, snapshot).await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        self.tick().await;
        if self.happens(self.faults().lost_snapshot) {
            return Ok(None);
        }
        self.inner.load_snapshot(space).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        self.read_call("list").await?;
        self.inner.list(query).await
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        self.inner.wait(space, after, time).await
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        self.tick().await;
        let faults = self.faults();
        let (lost, lost_reply) =
            (self.happens(faults.lost_drop), self.happens(faults.lost_drop_reply));
        self.state
            .lock()
            .unwrap()
            .trace
            .push(format!("drop: lost {lost}, reply lost {lost_reply}"));
        if lost {
            return Ok(Commit::Indeterminate { source: None });
        }
        let answer = self.inner.drop_space(space, expected).await;
        if lost_reply { Ok(Commit::Indeterminate { source: None }) } else { answer }
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        self.tick().await;
        self.inner.erase(space, versions).await
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.inner.scrub().await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

#[async_trait]
impl Blobs for FaultyJournal {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.inner.put_blob(space, bytes).await
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        self.inner.get_blob(space, name, range).await
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        self.inner.collect_blobs(space, in_use, older_than).await
    }
}
