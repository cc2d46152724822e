//! SUB11: runs that wait for sub-sessions, and what the end of one does to them.

use std::time::Duration;

use serde_json::Value;
use sessile_core::{
    Caller, ErrorKind, Key,
    command::{NewRun, NewSubSession, SessionCommand},
    error::{Error, State},
    id::{RunId, SessionId, SubSessionId, ThreadId, Version},
    journal::{Direction, ReadRange},
    model::{FailureMode, Run, RunOutcome, RunStatus, SessionStatus, SubSessionStatus},
    store::{SessionStore, Store},
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        concurrent::together,
        shorthand::{head, named, says},
    },
};

crate::clauses! { SUB11 => sub11 }

/// A parent and what it waits for.
struct Family<'a> {
    cx: &'a ClauseContext,
    store: Store,
    caller: Caller,
    thread: ThreadId,
}

impl Family<'_> {
    async fn run_in(&self, session: SessionId) -> RunId {
        self.store
            .as_caller(&self.caller)
            .start_run(session, NewRun::default())
            .await
            .expect("a run")
    }

    /// A session below another, with a run.
    async fn below(
        &self,
        parent: SessionId,
        failure_mode: FailureMode,
    ) -> (SubSessionId, SessionId, RunId) {
        let edge = NewSubSession { failure_mode, ..NewSubSession::under(parent) };
        let made = self.store.as_caller(&self.caller).spawn(edge, "child").await;
        let made = made.expect("a child");
        let (child, edge) = (made.id, made.edge.expect("an edge"));
        (edge, child, self.run_in(child).await)
    }

    async fn waits(&self, run: RunId, edges: &[SubSessionId]) -> Option<Version> {
        let writer = self.store.as_caller(&self.caller);
        writer.await_sub_sessions(run, edges.to_vec()).await.expect("an answer")
    }

    async fn end(&self, run: RunId, outcome: RunOutcome) -> Version {
        self.store.as_caller(&self.caller).end_run(run, outcome).await.expect("it ends")
    }

    async fn run(&self, run: RunId) -> Run {
        self.store.as_caller(&self.caller).run(run).await.expect("an answer").expect("the run")
    }

    async fn status(&self, session: SessionId) -> SessionStatus {
        let session = self.store.as_caller(&self.caller).session(session).await;
        session.expect("an answer").expect("a session").status
    }

    async fn edge(&self, edge: SubSessionId) -> SubSessionStatus {
        let edge = self.store.as_caller(&self.caller).edge(edge).await;
        edge.expect("an answer").expect("an edge").status
    }

    /// The kinds of the records after a version, all of one commit.
    async fn one_commit(&self, after: Version) -> Vec<String> {
        let space = self.thread.space(&self.caller.tenant);
        let range = ReadRange {
            stream: None,
            after,
            upto: Version::MAX >> 1,
            direction: Direction::Forward,
            limit: 1024,
        };
        let records = self.cx.journal().await.read(&space, &range).await.expect("records");
        let header = |at: usize| -> Value {
            serde_json::from_str(&records[at].header).expect("a header is JSON")
        };
        for at in 0..records.len() {
            assert_eq!(header(at)["n"], header(0)["n"], "one commit: {records:?}");
        }
        records.iter().map(|record| record.kind.to_string()).collect()
    }

    async fn head(&self) -> Version {
        head(&self.store, &self.caller, self.thread).await
    }
}

fn failed() -> RunOutcome {
    RunOutcome::Failed { reason: "no luck".into() }
}

/// `delegate` only ends the edge, `fail_fast` fails the parent's run that waits, in the same commit; and a run that waits goes
/// on in the commit that ends the last edge that it named.
pub async fn sub11(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let mut family = Family { cx: &cx, store, caller, thread };
    delegates(&family).await;
    other_ends(&family).await;
    refusals(&family).await;
    leases_and_keys(&family).await;
    fails_fast(&mut family).await;
    as_many_as_can_be(&family).await;
    let verified = family.store.as_caller(&family.caller).verify(thread, None).await;
    let problems = verified.expect("an answer").problems;
    assert!(problems.is_empty(), "{problems:?}");
    Verdict::Passed
}

async fn delegates(it: &Family<'_>) {
    let parent = named(&it.store, &it.caller, it.thread, "delegates").await;
    let waiting = it.run_in(parent).await;
    let (one, child, first) = it.below(parent, FailureMode::Delegate).await;
    let (two, _, second) = it.below(parent, FailureMode::Delegate).await;
    let since = it.waits(waiting, &[two, one, two]).await;
    let shown = it.run(waiting).await;
    assert_eq!((shown.status, Some(shown.version)), (RunStatus::AwaitingSubsession, since));
    assert_eq!((shown.awaits, shown.outcome), (vec![one, two], None));
    assert_eq!(it.status(parent).await, SessionStatus::Active, "a run that waits is at work");
    // A failure of one ends its edge and nothing else.
    let before = it.head().await;
    it.end(first, failed()).await;
    assert_eq!(it.one_commit(before).await, ["run_ended"]);
    assert_eq!(
        (it.edge(one).await, it.status(child).await),
        (SubSessionStatus::Failed, SessionStatus::Failed)
    );
    assert_eq!(it.run(waiting).await.status, RunStatus::AwaitingSubsession);
    // The last one lets the run go on, whatever its end.
    let before = it.head().await;
    let ended = it.end(second, RunOutcome::Cancelled).await;
    assert_eq!(ended, before + 1, "the answer is about the run that was ended");
    assert_eq!(it.one_commit(before).await, ["run_ended", "run_status_set"]);
    let shown = it.run(waiting).await;
    assert_eq!((shown.status, shown.version), (RunStatus::Running, ended + 1));
    assert!(shown.awaits.is_empty());
    assert_eq!(
        (it.edge(two).await, it.status(parent).await),
        (SubSessionStatus::Idle, SessionStatus::Active)
    );
    // What ended before is left out: nothing is there to wait for, not even a failure.
    let before = it.head().await;
    assert_eq!(it.waits(waiting, &[one, two]).await, None);
    assert_eq!((it.head().await, it.run(waiting).await), (before, shown));
    let (three, _, third) = it.below(parent, FailureMode::Delegate).await;
    it.waits(waiting, &[one, three]).await.expect("one lives");
    assert_eq!(it.run(waiting).await.awaits, [three]);
    it.end(third, RunOutcome::Succeeded).await;
    it.end(waiting, RunOutcome::Succeeded).await;
    assert_eq!(it.status(parent).await, SessionStatus::Idle);
}

/// Edges end in other ways too; each lets go of who waits.
async fn other_ends(it: &Family<'_>) {
    let writer = it.store.as_caller(&it.caller);
    let parent = named(&it.store, &it.caller, it.thread, "other ends").await;
    let run = it.run_in(parent).await;
    let under =
        || NewSubSession { failure_mode: FailureMode::FailFast, ..NewSubSession::under(parent) };
    // One that was deleted did not fail.
    let made = writer.spawn(under(), "pending").await.expect("a child");
    let edge = made.edge.expect("an edge");
    it.waits(run, &[edge]).await.expect("a pending edge lives");
    let before = it.head().await;
    writer.delete_edge(edge).await.expect("it goes");
    assert_eq!(it.one_commit(before).await, ["edge_deleted", "run_status_set"]);
    assert_eq!(it.run(run).await.status, RunStatus::Running);
    // One whose child was said to have failed did.
    let made = writer.spawn(under(), "pending").await.expect("a child");
    let (child, edge) = (made.id, made.edge.expect("an edge"));
    it.waits(run, &[edge]).await.expect("a pending edge lives");
    let before = it.head().await;
    writer.set_status(child, SessionStatus::Failed).await.expect("a status");
    assert_eq!(it.one_commit(before).await, ["session_status_set", "run_ended"]);
    let ended = it.run(run).await;
    assert_eq!(ended.outcome, Some(RunOutcome::SubSessionFailed { edge }));
    assert!(ended.awaits.is_empty() && ended.ended_at.is_some());
}

async fn refusals(it: &Family<'_>) {
    let writer = it.store.as_caller(&it.caller);
    let parent = named(&it.store, &it.caller, it.thread, "refusals").await;
    let (edge, _, child_run) = it.below(parent, FailureMode::Delegate).await;
    let (below, ..) = it.below(child_session(it, edge).await, FailureMode::Delegate).await;
    let run = it.run_in(parent).await;
    let refuses = async |run: RunId, edges: Vec<SubSessionId>, kind| {
        let caller = it.store.as_caller(&it.caller);
        harmless(&it.store, &it.caller, it.thread, kind, caller.await_sub_sessions(run, edges))
            .await
    };
    refuses(run, Vec::new(), ErrorKind::Invalid).await;
    refuses(run, vec![edge; 1001], ErrorKind::Invalid).await;
    refuses(run, vec![edge, SubSessionId::new(it.thread, 1 << 40)], ErrorKind::NotFound).await;
    match refuses(run, vec![edge, below], ErrorKind::Precondition).await {
        Error::WrongThread { what, expected } => {
            assert_eq!((what, expected), (below.into(), parent.into()));
        }
        other => panic!("{other:?}"),
    }
    // Only a running run begins to wait, only by naming edges, and only these let it go on.
    let illegal = |error: Error, from, to| match error {
        Error::IllegalTransition { what, from: f, to: t } => {
            assert_eq!((what, f, t), (run.into(), State::Run(from), State::Run(to)));
        }
        other => panic!("{other:?}"),
    };
    let (wait, running) = (RunStatus::AwaitingSubsession, RunStatus::Running);
    let step = async |to| {
        let caller = it.store.as_caller(&it.caller);
        let kind = ErrorKind::Precondition;
        harmless(&it.store, &it.caller, it.thread, kind, caller.set_run_status(run, to)).await
    };
    illegal(step(wait).await, running, wait);
    writer.set_run_status(run, RunStatus::AwaitingHitl).await.expect("a step");
    let refusal = refuses(run, vec![edge], ErrorKind::Precondition).await;
    illegal(refusal, RunStatus::AwaitingHitl, wait);
    writer.set_run_status(run, RunStatus::AwaitingHitlResolution).await.expect("a step");
    writer.set_run_status(run, running).await.expect("a step");
    it.waits(run, &[edge]).await.expect("it waits");
    for to in [running, RunStatus::AwaitingHitl, RunStatus::Queued] {
        illegal(step(to).await, wait, to);
    }
    illegal(refuses(run, vec![edge], ErrorKind::Precondition).await, wait, wait);
    let end = writer.end_run(run, RunOutcome::Succeeded);
    let kind = ErrorKind::Precondition;
    let refusal = harmless(&it.store, &it.caller, it.thread, kind, end).await;
    illegal(refusal, wait, RunStatus::Succeeded);
    // What only the store says of a run, nobody else does.
    for outcome in [RunOutcome::Abandoned, RunOutcome::SubSessionFailed { edge }] {
        let end = writer.end_run(run, outcome);
        harmless(&it.store, &it.caller, it.thread, ErrorKind::Invalid, end).await;
    }
    // It may give up; then nobody waits any more.
    it.end(run, RunOutcome::Cancelled).await;
    let before = it.head().await;
    it.end(child_run, failed()).await;
    assert_eq!(it.head().await, before + 1);
    let over = refuses(run, vec![edge], ErrorKind::Precondition).await;
    assert!(matches!(over, Error::RunEnded { run: told } if told == run), "{over:?}");
}

async fn child_session(it: &Family<'_>, edge: SubSessionId) -> SessionId {
    let edge = it.store.as_caller(&it.caller).edge(edge).await;
    edge.expect("an answer").expect("an edge").child
}

/// To begin to wait needs the token of the parent's lease; to end an edge needs that of the child's only.
async fn leases_and_keys(it: &Family<'_>) {
    let writer = it.store.as_caller(&it.caller);
    let parent = named(&it.store, &it.caller, it.thread, "leased").await;
    let (edge, _, child_run) = it.below(parent, FailureMode::Delegate).await;
    let run = it.run_in(parent).await;
    let token = writer.claim_lease(parent, Duration::from_secs(60)).await.expect("a lease");
    let wait = writer.await_sub_sessions(run, [edge]);
    harmless(&it.store, &it.caller, it.thread, ErrorKind::Fenced, wait).await;
    let keyed = it.caller.with_lease(token).with_key(Key::text("wait"));
    let since = it.store.as_caller(&keyed).await_sub_sessions(run, [edge]).await;
    let since = since.expect("the holder").expect("it waits");
    let again = it.store.as_caller(&keyed).await_sub_sessions(run, [edge]).await;
    assert_eq!(again.expect("a replay"), Some(since));
    let lease = writer.lease(parent).await.expect("an answer");
    it.end(child_run, RunOutcome::Succeeded).await;
    assert_eq!(it.run(run).await.status, RunStatus::Running);
    assert_eq!(writer.lease(parent).await.expect("an answer"), lease, "nobody renewed it");
    let again = it.store.as_caller(&keyed).await_sub_sessions(run, [edge]).await;
    assert_eq!(again.expect("a replay"), Some(since), "also after that");
    let late = SessionCommand::SetRunStatus { run, to: RunStatus::AwaitingHitl };
    refused(it.store.apply(&it.caller, late).await, ErrorKind::Fenced);
}

/// A failure goes up as far as edges are `fail_fast` and runs wait, in one commit.
async fn fails_fast(it: &mut Family<'_>) {
    let top = named(&it.store, &it.caller, it.thread, "top").await;
    let above = it.run_in(top).await;
    let (first, upper, upper_run) = it.below(top, FailureMode::Delegate).await;
    let (second, middle, middle_run) = it.below(upper, FailureMode::FailFast).await;
    let (third, lower, lower_run) = it.below(middle, FailureMode::FailFast).await;
    let (beside, _, beside_run) = it.below(middle, FailureMode::FailFast).await;
    it.waits(above, &[first]).await.expect("it waits");
    it.waits(upper_run, &[second]).await.expect("it waits");
    it.waits(middle_run, &[third, beside]).await.expect("it waits");
    // One more run of that session, which does not wait, stays as it is.
    let busy = it.run_in(upper).await;
    it.store = it.cx.reopen(it.store.clone()).await;
    assert_eq!(it.run(middle_run).await.awaits, [third, beside]);
    it.store.as_caller(&it.caller).append(lower, says("in trouble")).await.expect("an entry");
    let before = it.head().await;
    let ended = it.end(lower_run, failed()).await;
    assert_eq!(it.one_commit(before).await, ["run_ended"; 3]);
    let (middle_end, upper_end) = (it.run(middle_run).await, it.run(upper_run).await);
    assert_eq!(middle_end.outcome, Some(RunOutcome::SubSessionFailed { edge: third }));
    assert_eq!(upper_end.outcome, Some(RunOutcome::SubSessionFailed { edge: second }));
    assert_eq!((middle_end.version, upper_end.version), (ended + 1, ended + 2));
    assert_eq!(middle_end.status, RunStatus::Failed);
    assert_eq!(
        (it.status(lower).await, it.status(middle).await),
        (SessionStatus::Failed, SessionStatus::Failed)
    );
    // The other child of the failed run goes on, and nobody waits for it.
    assert_eq!(it.edge(beside).await, SubSessionStatus::Active);
    it.end(beside_run, RunOutcome::Succeeded).await;
    // With a run left the session is at work, so its own edge is too.
    assert_eq!(
        (it.status(upper).await, it.edge(first).await),
        (SessionStatus::Active, SubSessionStatus::Active)
    );
    let before = it.head().await;
    it.end(busy, failed()).await;
    assert_eq!(it.one_commit(before).await, ["run_ended", "run_status_set"]);
    let shown = it.run(above).await;
    assert_eq!(
        (shown.status, it.edge(first).await),
        (RunStatus::Running, SubSessionStatus::Failed)
    );
    let reopened = it.cx.reopen(it.store.clone()).await;
    it.store = reopened;
    assert_eq!(it.run(above).await, shown);
    assert_eq!(it.run(middle_run).await, middle_end);
}

/// As many runs as may wait at once go on in one commit.
async fn as_many_as_can_be(it: &Family<'_>) {
    const MOST: usize = 500;
    let writer = it.store.as_caller(&it.caller);
    let thread = writer.create_thread(
        writer.thread(it.thread).await.expect("an answer").expect("a thread").project,
        "many",
    );
    let it = &Family {
        thread: thread.await.expect("a thread"),
        store: it.store.clone(),
        caller: it.caller.clone(),
        cx: it.cx,
    };
    let parent = named(&it.store, &it.caller, it.thread, "many").await;
    let (edge, _, child_run) = it.below(parent, FailureMode::Delegate).await;
    let runs = together((0..=MOST).map(|_| writer.start_run(parent, NewRun::default()))).await;
    let mut runs: Vec<RunId> = runs.into_iter().map(|run| run.expect("a run")).collect();
    let last = runs.pop().expect("one more");
    let waits = together(runs.iter().map(|run| writer.await_sub_sessions(*run, [edge]))).await;
    assert!(waits.into_iter().all(|wait| wait.expect("an answer").is_some()));
    match refused(writer.await_sub_sessions(last, [edge]).await, ErrorKind::Capacity) {
        Error::Capacity { what, limit, actual, .. } => {
            assert_eq!((what, limit, actual), (it.thread.into(), 500, 501));
        }
        other => panic!("{other:?}"),
    }
    let before = it.head().await;
    it.end(child_run, RunOutcome::Succeeded).await;
    assert_eq!(it.one_commit(before).await.len(), 1 + MOST);
    for run in [runs[0], runs[MOST - 1], last] {
        assert_eq!(it.run(run).await.status, RunStatus::Running);
    }
}
