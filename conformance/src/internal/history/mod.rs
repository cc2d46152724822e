//! Histories of concurrent clients: whether some order of their calls explains all answers.
//!
//! Clients - [tasks](drive::record) of one process or [processes] - record when each call began and ended and what it
//! answered; refusals count as answers, and a call whose outcome is unknown stays open for ever.
//! [`check`](check::linearisable) then looks for one order of the calls, each between its beginning and its end, in which a
//! plain sequential thread ([`spec::Spec`]) gives exactly those answers.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use sessile_core::{
    Caller,
    command::{NewSession, NewThread},
    id::ThreadId,
    store::AnyStore,
};

pub mod check;
pub mod drive;
pub mod processes;
pub mod spec;

/// One call of one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    /// Which client.
    pub client: usize,
    /// What it asked.
    pub call: spec::Call,
    /// What it was answered; `None` when that is unknown: it may have happened at any time after it began, or never.
    pub answer: Option<spec::Answer>,
    /// When it began, on a counter or clock that all clients share.
    pub began: u64,
    /// When it ended; `u64::MAX` while the outcome is unknown.
    pub ended: u64,
}

impl Invocation {
    /// Whether it may have changed the thread: it is no read, and it was not refused.
    pub fn may_write(&self) -> bool {
        let reads = matches!(self.call, spec::Call::Look(_) | spec::Call::Count);
        let refused =
            |answer: &spec::Answer| *answer == spec::Answer::Absent || answer.is_refusal();
        !reads && !self.answer.as_ref().is_some_and(refused)
    }
}

/// What the clients of one history recorded: each call by its client and its number there.
pub type Recorded = BTreeMap<(usize, u64), Invocation>;

/// A thread with two empty sessions, for one history.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct HistoryThread {
    /// The thread.
    pub thread: ThreadId,
    /// The versions of its sessions.
    pub sessions: [u64; 2],
}

impl HistoryThread {
    /// Makes one.
    pub async fn make(store: &dyn AnyStore, caller: &Caller) -> Self {
        let project = store.as_caller(caller).create_project("histories").await;
        let thread = store
            .as_caller(caller)
            .create_thread(project.unwrap(), NewThread::default())
            .await
            .unwrap();
        let a =
            store.as_caller(caller).create_session(thread, NewSession::default()).await.unwrap();
        let b =
            store.as_caller(caller).create_session(thread, NewSession::default()).await.unwrap();
        Self { thread, sessions: [a.version(), b.version()] }
    }

    /// Judges what clients recorded on it: some order explains it, and the thread's chain verifies. `what` describes the
    /// history where it fails, with the fewest calls that no order explains.
    pub async fn judge(
        &self,
        store: &dyn AnyStore,
        caller: &Caller,
        recorded: Recorded,
        what: impl FnOnce() -> String,
    ) {
        let history: Vec<Invocation> = recorded.into_values().collect();
        let start = spec::Spec::new(3, &self.sessions);
        if let Some(least) = check::minimal(&start, &history) {
            let calls: Vec<String> = least.iter().map(|i| format!("{i:?}")).collect();
            panic!("no order explains this ({}):\n{}", what(), calls.join("\n"));
        }
        let verified = store.as_caller(caller).verify(self.thread, None).await.unwrap();
        assert!(verified.problems.is_empty(), "{:?}", verified.problems);
    }
}

/// How much was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    histories: usize,
    calls: usize,
    refused: usize,
    open: usize,
    /// The longest call that was answered, on the clients' clock.
    longest: u64,
}

impl Tally {
    /// Counts a history.
    pub fn add(&mut self, recorded: &Recorded) {
        let answers = || recorded.values().map(|i| &i.answer);
        self.histories += 1;
        self.calls += recorded.len();
        self.refused += answers().flatten().filter(|a| a.is_refusal()).count();
        self.open += answers().filter(|a| a.is_none()).count();
        let took = recorded.values().filter(|i| i.answer.is_some()).map(|i| i.ended - i.began);
        self.longest = self.longest.max(took.max().unwrap_or(0));
    }

    /// The longest call, where clients read a clock in nanoseconds.
    pub const fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { histories, calls, refused, open, .. } = self;
        write!(f, "{histories} histories of {calls} calls, {refused} refused, {open} open")
    }
}
