//! Stopping a flow anywhere: at each call that it makes to its journal or its driver, in each way, or after each number of
//! polls.

use std::{future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

use sessile_core::{
    ErrorKind, Handle, Result,
    command::{NewThread, Sweep},
    id::ThreadId,
    model::{Entry, KeyedState, Lease, Session, SubSession, Workspace},
    store::{Store, StoreOptions},
    workspace::WorkspaceDrivers,
};

use super::{
    ClauseContext,
    fault::{CountedCalls, StoppedDriver, StoppedJournal, Way},
    workspaces::Lab,
};

/// Polls a future at most so often; `None` if it is dropped then.
pub async fn polled<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// As long as this a flow may take to be stopped at every call every day.
const SHORT: Duration = Duration::from_millis(20);

/// All stops of a flow: one call after the other goes wrong, until the flow makes none of that number. In the nightly and in
/// the proof profile each in every way. Every day one that changes something in three ways, any other in one; and where a
/// flow takes long, because its driver does, only at some of its calls.
#[derive(Debug)]
pub struct Stops {
    is_thorough: bool,
    began: tokio::time::Instant,
    point: usize,
    way: usize,
    last: Option<Arc<CountedCalls>>,
    made: usize,
}

/// A store of which one call goes wrong.
#[derive(Debug)]
pub struct Stopped {
    /// The store.
    pub store: Store,
    /// Which call, and how it goes wrong.
    pub what: String,
    way: Way,
    calls: Arc<CountedCalls>,
}

impl Stops {
    /// Of a flow of this clause.
    pub fn of(cx: &ClauseContext) -> Self {
        let is_thorough = cx.scale(cx.times(1), 2) > 1;
        let began = tokio::time::Instant::now();
        Self { is_thorough, began, point: 0, way: 0, last: None, made: 0 }
    }

    /// The next; none when the flow ended before the last one came.
    pub async fn next(&mut self, lab: &Lab) -> Option<Stopped> {
        if let Some(last) = self.last.take() {
            if !last.came() {
                let (stops, calls) = (self.made - 1, self.point);
                lab.cx.note(format!("stopped {stops} times in {calls} calls"));
                return None;
            }
            let each = self.began.elapsed() / self.made as u32;
            let step = each.as_millis().div_ceil(SHORT.as_millis()).max(1) as usize;
            let (ways, step) = match last.was_write() {
                _ if self.is_thorough => (Way::ALL.len(), 1),
                true if step == 1 => (3, 1),
                _ => (1, step),
            };
            self.way = (self.way + 1) % ways;
            if self.way == 0 {
                self.point += step;
            }
        }
        let way = Way::ALL[(self.point + self.way) % Way::ALL.len()];
        self.made += 1;
        let calls = CountedCalls::stopped_at(self.point, way);
        self.last = Some(Arc::clone(&calls));
        let mut drivers = WorkspaceDrivers::default();
        if let Some(driver) = &lab.driver {
            let driver = StoppedDriver::over(Arc::clone(driver), Arc::clone(&calls));
            drivers = drivers.with(Arc::new(driver)).expect("a kind of its own");
        }
        let journal = StoppedJournal::over(lab.cx.journal().await, Arc::clone(&calls));
        let with = |options: StoreOptions| options.with_workspaces(drivers);
        let store = lab.cx.store_over(Arc::new(journal), Arc::clone(&lab.clock), with);
        Some(Stopped { store, what: format!("call {}, {way:?}", self.point), way, calls })
    }
}

impl Stopped {
    /// Carries out a flow until it ends or is dropped; none then.
    pub async fn run<F: Future>(&self, flow: F) -> Option<F::Output> {
        let answer = tokio::select! {
            biased;
            answer = flow => Some(answer),
            () = self.calls.gone() => None,
        };
        self.calls.end();
        answer
    }

    /// The caller goes on with the store that it has, or with another if its process has ended.
    pub async fn next_store(&self, lab: &Lab) -> Store {
        match self.way {
            Way::Killed { .. } => lab.another_store().await,
            _ => self.store.clone(),
        }
    }

    /// What was answered fits what is there: all of it, or nothing.
    pub fn fits<T: std::fmt::Debug>(&self, answer: Option<&Result<T>>, happened: bool) {
        match answer {
            Some(Ok(_)) => assert!(happened, "{}: acknowledged and not there", self.what),
            Some(Err(error)) if error.kind() != ErrorKind::Indeterminate => {
                assert!(!happened, "{}: refused and there: {error}", self.what);
            }
            _ => {}
        }
    }
}

/// All that a thread shows, but for versions and times of what changed.
#[derive(Debug, PartialEq)]
pub struct Seen {
    sessions: Vec<(Session, Vec<Entry>, Option<Lease>, KeyedState)>,
    edges: Vec<SubSession>,
    workspaces: Vec<Workspace>,
}

impl Seen {
    /// What it shows now.
    pub async fn of(handle: &Handle, thread: ThreadId) -> Self {
        let rows = handle.sessions(thread).all().await.expect("a list");
        let (mut sessions, mut edges) = (Vec::new(), Vec::new());
        for id in rows.iter().map(|row| row.id) {
            let mut session = handle.session(id).await.expect("an answer").expect("it is listed");
            (session.version, session.updated_at) = (0, session.created_at);
            let entries = handle.entries(id).all().await.expect("a list");
            let lease = handle.lease(id).await.expect("an answer");
            sessions.push((session, entries, lease, handle.state(id).await.expect("its state")));
            edges.extend(handle.children(id).all().await.expect("a list"));
        }
        let workspaces = handle.workspaces(thread).all().await.expect("a list");
        Self { sessions, edges, workspaces }
    }
}

/// A thread in the project of the lab's.
pub async fn another_thread(lab: &Lab) -> ThreadId {
    let handle = lab.handle();
    let it = handle.thread(lab.thread).await.expect("an answer").expect("the thread");
    handle.create_thread(it.project, NewThread::default()).await.expect("a thread")
}

/// After a flow was stopped in a thread of its own: lets the time pass that anything may take, sweeps, and reaps. Then nothing
/// is held that nobody claims, nothing is claimed that no session has, and no session is locked.
pub async fn settle(lab: &Lab, thread: ThreadId, what: &str) {
    lab.makers_are_late();
    let store = lab.another_store().await;
    let bound = Sweep::silent_for(Duration::from_secs(60));
    for swept in store.sweep(&lab.caller, bound).await.expect("the sweep ends") {
        assert!(swept.failed.is_none(), "{what}: {swept:?}");
    }
    lab.reap_all().await;
    lab.agrees_in(&[lab.thread, thread]).await;
    let handle = store.as_caller(&lab.caller);
    let owners = handle.workspaces(thread).all().await.expect("a list").into_iter();
    let owners: Vec<_> = owners.map(|it| Some(it.id)).collect();
    for row in handle.sessions(thread).all().await.expect("a list") {
        assert_ne!(row.status, sessile_core::model::SessionStatus::Locked, "{what}");
        let session = handle.session(row.id).await.expect("an answer").expect("it is listed");
        assert!(session.workspace.is_none() || owners.contains(&session.workspace), "{what}");
    }
}

/// The thread is of no use any more: its workspaces go.
pub async fn clear(lab: &Lab, thread: ThreadId) {
    let handle = lab.handle();
    for workspace in handle.workspaces(thread).all().await.expect("a list") {
        let lease = match workspace.session {
            Some(session) => handle.lease(session).await.expect("an answer"),
            None => None,
        };
        let holder = lease.map_or_else(|| handle.clone(), |it| handle.with_lease(it.token));
        holder.dispose_of_workspace(workspace.id, true).await.expect("it goes");
    }
}
