//! The state of a thread: what decisions need, and no more.

use std::{sync::Arc, time::Duration};

use rpds::{QueueSync, RedBlackTreeMapSync, RedBlackTreeSetSync};
use serde::{Deserialize, Serialize};

use super::{
    budget::BudgetState,
    erased::Erased,
    evicted::{Evicted, Returned},
    external::{ExternalIds, derived_external_id},
    forks::{Base, Forks},
    keyed::KeyedValues,
    slices::Slices,
};
use crate::{
    clock::Timestamp,
    command::Caller,
    error::{Closure, Error, Result},
    hash::{Hash, hex128},
    id::{ProjectId, RunId, SessionId, ThreadId, UserId, Version, WorkspaceId},
    journal::Position,
    model::{
        Actor, CollapseStatus, CompletionMode, ContextLimit, FailureMode, Labels, RollUp,
        RunOutcome, RunStatus, SessionStatus, SubSessionKind, SubSessionStatus, ThreadStatus,
        Totals, WorkspaceStatus,
    },
    record::{RunEndBody, SummaryOf},
    rules::idempotency::IdempotencyLog,
    workspace::{Label, TreeId},
};

/// Everything a decision about a thread looks at: a fold of its records.
///
/// Maps are persistent: a clone shares everything, so a batch can be decided on a copy that is thrown away if the commit
/// fails. Messages are not here; they stay in the journal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ThreadState {
    pub(crate) head: Option<Position>,
    /// The greatest time any record had: `updated_at` never goes back.
    pub(crate) last_at: Timestamp,
    pub(crate) thread: Option<Arc<ThreadFields>>,
    pub(crate) sessions: RedBlackTreeMapSync<Version, Arc<SessionState>>,
    /// The sessions that have an external id, by it.
    pub(crate) named_sessions: RedBlackTreeMapSync<Arc<str>, Version>,
    pub(crate) edges: RedBlackTreeMapSync<Version, Arc<EdgeState>>,
    /// Live runs only.
    pub(crate) runs: RedBlackTreeMapSync<Version, Arc<RunState>>,
    /// Of every run there ever was.
    pub(crate) external_ids: ExternalIds,
    /// Every task a session or run ever named.
    pub(crate) tasks: RedBlackTreeMapSync<Arc<str>, Arc<RollUp>>,
    pub(crate) roll_up: Arc<RollUp>,
    /// The last calls of ended runs.
    pub(crate) late_calls: QueueSync<LateCall>,
    pub(crate) keys: IdempotencyLog,
    /// Entries without message.
    pub(crate) erased: Erased,
    /// Entries that were evicted and are back.
    #[serde(default)]
    pub(crate) returned: Returned,
    /// The newest `entries_evicted`; 0 for none.
    #[serde(default)]
    pub(crate) last_eviction: Version,
    pub(crate) forks: Forks,
    /// The feed begins after this version.
    pub(crate) trimmed: Version,
    /// The thread's own keyed state, if it was ever changed.
    pub(crate) keyed: Option<Arc<KeyedValues>>,
    /// What all keyed states weigh, the sessions' too.
    pub(crate) keyed_weight: usize,
    /// Every draft there ever was of a session that exists; the texts are in the journal.
    #[serde(default)]
    pub(crate) collapses: RedBlackTreeMapSync<Version, Arc<CollapseState>>,
    /// Sessions that are being handed over.
    #[serde(default)]
    pub(crate) locked: RedBlackTreeSetSync<Version>,
    /// All that are not gone yet.
    #[serde(default)]
    pub(crate) workspaces: RedBlackTreeMapSync<Version, Arc<WorkspaceState>>,
    /// The workspace of each session that has one.
    #[serde(default)]
    pub(crate) workspace_of: RedBlackTreeMapSync<Version, Version>,
    /// The thread's own.
    #[serde(default)]
    pub(crate) budget: Option<Arc<BudgetState>>,
    /// Of its project's budget, since it has one.
    #[serde(default)]
    pub(crate) slices: Option<Arc<Slices>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ThreadFields {
    pub(crate) project: ProjectId,
    /// The version of its reservation in the project's journal.
    pub(crate) reserved: Version,
    pub(crate) external_id: Option<Arc<str>>,
    pub(crate) title: String,
    pub(crate) labels: Labels,
    pub(crate) status: ThreadStatus,
    pub(crate) created_by: Option<Actor>,
    pub(crate) created_at: Timestamp,
    pub(crate) version: Version,
    /// The creator and the people who wrote last, newest last; at most [`USERS`].
    pub(crate) users: Vec<UserId>,
}

/// People a card names.
pub(crate) const USERS: usize = 8;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SessionState {
    pub(crate) external_id: Option<Arc<str>>,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) labels: Option<Arc<Labels>>,
    pub(crate) task: Option<Arc<str>>,
    pub(crate) actor: Option<Arc<Actor>>,
    /// Who owned it before, the first first; and how often it was handed over.
    #[serde(default)]
    pub(crate) previous_actors: Vec<Arc<Actor>>,
    #[serde(default)]
    pub(crate) owner_version: u64,
    /// What it goes on with, and what goes on with it; 0 for none.
    #[serde(default)]
    pub(crate) continues: Version,
    #[serde(default)]
    pub(crate) continued_as: Version,
    /// It is being handed over.
    #[serde(default)]
    pub(crate) lock: Option<HandoffLock>,
    /// The broadcast whose recipients it waits for.
    #[serde(default)]
    pub(crate) broadcast: Version,
    /// The newest draft of it; 0 before the first.
    #[serde(default)]
    pub(crate) last_collapse: Version,
    /// Its open drafts, each with the version as of which it is meant.
    #[serde(default)]
    pub(crate) open_collapses: Vec<(Version, Version)>,
    pub(crate) status: SessionStatus,
    pub(crate) parent: Option<Version>,
    pub(crate) children: RedBlackTreeSetSync<Version>,
    pub(crate) live_children: u32,
    /// A fork's: what it was asked to continue.
    pub(crate) base: Option<Base>,
    /// Of a fork: up to which version of its own log it was merged.
    pub(crate) merged: Version,
    /// Entries of its own, the first and the last of them.
    pub(crate) entries: u64,
    pub(crate) first_entry: Version,
    #[serde(default)]
    pub(crate) last_entry: Version,
    /// The last that is no marker.
    pub(crate) tail: Version,
    pub(crate) iterations: u32,
    pub(crate) live_runs: Vec<Version>,
    /// Ended runs of the current activity, and how many of them failed.
    pub(crate) ended_runs: u32,
    pub(crate) failed_runs: u32,
    #[serde(default)]
    pub(crate) activity: Activity,
    pub(crate) lease: Option<Arc<LeaseState>>,
    pub(crate) roll_up: Option<Arc<RollUp>>,
    /// Its keyed state, if it was ever changed.
    pub(crate) keyed: Option<Arc<KeyedValues>>,
    /// How long its context is, where that has a limit.
    #[serde(default)]
    pub(crate) context: Option<Arc<MeasuredContext>>,
    #[serde(default)]
    pub(crate) budget: Option<Arc<BudgetState>>,
    /// Where it is archived.
    #[serde(default)]
    pub(crate) archived: Option<Arc<ArchivedState>>,
    /// A bundle of it is being written.
    #[serde(default)]
    pub(crate) archiving: Option<Arc<ArchiveReservation>>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) version: Version,
    /// Of its last record: what a bundle is compared with.
    #[serde(default)]
    pub(crate) last_record: Version,
}

/// A bundle that is being written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArchiveReservation {
    /// The version of its record.
    pub(crate) archive: Version,
    /// The session's last record by then, and what was erased in the thread.
    pub(crate) after: Version,
    pub(crate) erasures: usize,
    pub(crate) ttl_millis: u64,
    /// By the clock of whoever writes it.
    pub(crate) at: Timestamp,
}

impl ArchiveReservation {
    /// Whether whoever writes it took longer than it may, by more than the clocks may differ.
    pub(crate) fn has_expired(&self, now: Timestamp, max_skew: Duration) -> bool {
        now > self.at.plus(Duration::from_millis(self.ttl_millis)).plus(max_skew)
    }
}

/// The bundle of an archived session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArchivedState {
    /// The version of the record that reserved it.
    pub(crate) archive: Version,
    /// Empty where the name of it was erased.
    pub(crate) backend: Arc<str>,
    /// Where the session stands again when it is restored.
    pub(crate) before: SessionStatus,
    pub(crate) records: u64,
    pub(crate) entries: u64,
    pub(crate) digest: Hash,
    /// What of the session's log is in the bundle only.
    #[serde(default)]
    pub(crate) evicted: Option<Evicted>,
}

/// What a session is at, from its first append or run after its birth or last end to its next end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Activity {
    /// 1, 2, 3 ...; 0 before the first.
    pub(crate) number: u32,
    /// It is over, and none began since.
    pub(crate) ended: bool,
    /// The newest note of the session that is no copy.
    pub(crate) note: Version,
    /// The session's newest summary; 0 before the first.
    pub(crate) summary: Version,
    /// That is of this activity.
    pub(crate) summarised: bool,
}

/// A handoff that is not committed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HandoffLock {
    /// The version of its record.
    pub(crate) token: Version,
    pub(crate) ttl_millis: u64,
    /// By the clock of whoever locked it.
    pub(crate) at: Timestamp,
}

impl HandoffLock {
    /// Whether it took longer than it may, by more than the clocks may differ (HOF5).
    pub(crate) fn has_expired(&self, now: Timestamp, max_skew: Duration) -> bool {
        now > self.at.plus(Duration::from_millis(self.ttl_millis)).plus(max_skew)
    }
}

impl SessionState {
    /// `Closed` if it is archived (ARC1, MSG8).
    pub(crate) fn require_not_archived(&self, id: SessionId) -> Result<()> {
        match self.archived {
            Some(_) => Err(Error::closed(Closure::SessionArchived(id))),
            None => Ok(()),
        }
    }

    /// Refuses whoever owned it before, and handed it over (SES9).
    pub(crate) fn require_not_former(&self, id: SessionId, actor: &Actor) -> Result<()> {
        match &self.actor {
            Some(owner)
                if matches!(actor, Actor::Agent { .. })
                    && !owner.is_same(actor)
                    && self.previous_actors.iter().any(|it| it.is_same(actor)) =>
            {
                Err(Error::NotOwner { session: id, owner: Box::new((**owner).clone()) })
            }
            _ => Ok(()),
        }
    }

    /// Work is done: that begins an activity, unless one is under way. A failed session waits for its reopening.
    pub(crate) fn begin_activity(&mut self) {
        if (self.activity.number == 0 || self.activity.ended)
            && self.status != SessionStatus::Failed
        {
            self.activity.number += 1;
            self.activity.ended = false;
            self.activity.summarised = false;
            (self.ended_runs, self.failed_runs) = (0, 0);
        }
    }

    /// The token of its lease, if it is the one given: else whoever gave it may not write (LEA2, LEA6).
    pub(crate) fn fence(&self, id: SessionId, given: Option<Version>) -> Result<Option<Version>> {
        let current = self.lease.as_ref().map(|lease| lease.token);
        if current == given {
            Ok(current)
        } else {
            Err(Error::Fenced { session: id, current, given })
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MeasuredContext {
    pub(crate) limit: ContextLimit,
    pub(crate) tokens: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LeaseState {
    pub(crate) token: Version,
    pub(crate) holder: Option<Actor>,
    pub(crate) ttl_millis: u64,
    /// The holder's last write, by the holder's clock.
    pub(crate) renewed_at: Timestamp,
}

impl LeaseState {
    pub(crate) const fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.renewed_at.millis().saturating_add(self.ttl_millis))
    }

    /// Whether another may take it, or end it: it expired by more than the clocks may differ (LEA3).
    pub(crate) fn has_expired(&self, now: Timestamp, max_skew: Duration) -> bool {
        now > self.expires_at().plus(max_skew)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WorkspaceState {
    pub(crate) kind: Arc<str>,
    pub(crate) label: Label,
    /// Whose it is, or was; 0 where its session is made with it.
    pub(crate) session: Version,
    pub(crate) status: WorkspaceStatus,
    /// Somebody may have worked in it.
    pub(crate) was_ready: bool,
    /// It was given up with the work in it.
    pub(crate) force: bool,
    pub(crate) ttl_millis: u64,
    /// By the clock of its maker.
    pub(crate) reserved_at: Timestamp,
    pub(crate) reference: Option<Arc<str>>,
    pub(crate) saved: Option<TreeId>,
    /// The version that recorded that tree.
    pub(crate) saved_at: Version,
    pub(crate) created_by: Actor,
    pub(crate) created_at: Timestamp,
    pub(crate) version: Version,
}

impl WorkspaceState {
    /// Whether nobody owns it: that is recorded, or its maker has taken longer than it may, by more than the clocks may
    /// differ.
    pub(crate) fn is_leaked(&self, now: Timestamp, max_skew: Duration) -> bool {
        let ttl = Duration::from_millis(self.ttl_millis);
        match self.status {
            WorkspaceStatus::Leaked => true,
            WorkspaceStatus::Ready => false,
            WorkspaceStatus::Intended => now > self.reserved_at.plus(ttl).plus(max_skew),
        }
    }
}

/// What an intervention answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answered {
    Summary(SummaryOf),
    /// Something outside; `None` where that was erased.
    Leaf(Option<Arc<str>>),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EdgeState {
    pub(crate) parent: Version,
    pub(crate) child: Version,
    pub(crate) kind: SubSessionKind,
    pub(crate) status: SubSessionStatus,
    pub(crate) spawned_by: Option<Arc<Actor>>,
    pub(crate) spawned_by_run: Option<Version>,
    pub(crate) failure_mode: FailureMode,
    pub(crate) completion_mode: CompletionMode,
    pub(crate) purpose: Option<Arc<str>>,
    #[serde(default)]
    pub(crate) broadcast: Option<Version>,
    /// What an intervention answers.
    #[serde(default)]
    pub(crate) answers: Option<Answered>,
    /// The child's newest summary; 0 before the first.
    #[serde(default)]
    pub(crate) summary: Version,
    /// While the child is archived: where it stood.
    #[serde(default)]
    pub(crate) before_archive: Option<SubSessionStatus>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) version: Version,
}

impl EdgeState {
    /// Whether nothing more is to come of it: it failed, was merged, rejected or archived, or is idle and returns a summary.
    pub(crate) fn is_over(&self) -> bool {
        use SubSessionStatus::{Archived, Failed, Idle, MergeRejected, Merged};
        match self.status {
            Merged | MergeRejected | Failed | Archived => true,
            Idle => self.completion_mode == CompletionMode::SummaryRef,
            _ => false,
        }
    }
}

/// A draft of what a child came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CollapseState {
    pub(crate) child: Version,
    pub(crate) edge: Version,
    pub(crate) parent: Version,
    /// The version as of which the child is meant.
    pub(crate) upto: Version,
    /// The last entry of the parent that it holds for, if it holds for no other.
    pub(crate) parent_tail: Option<Version>,
    /// The draft before it of the same child; 0 for none.
    pub(crate) previous: Version,
    /// As records say; see [`ThreadState::collapse_status`].
    pub(crate) status: CollapseStatus,
    /// The entry that accepted it; 0 for none.
    pub(crate) entry: Version,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunState {
    pub(crate) session: Version,
    pub(crate) iteration: u32,
    pub(crate) retry_of: Option<Version>,
    /// `None` where it is derived from the run's own id.
    pub(crate) external_id: Option<Arc<str>>,
    pub(crate) status: RunStatus,
    /// The edges it waits for, in `awaiting_subsession`.
    #[serde(default)]
    pub(crate) awaits: Vec<Version>,
    pub(crate) task: Option<Arc<str>>,
    pub(crate) labels: Option<Arc<Labels>>,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) provider: Option<Arc<str>>,
    pub(crate) started_at: Timestamp,
    pub(crate) totals: Totals,
    /// Calls booked, each with the version that booked it.
    pub(crate) calls: RedBlackTreeMapSync<u128, Version>,
    pub(crate) version: Version,
}

impl RunState {
    /// What the agent program knows the run by.
    pub(crate) fn external_id(&self, id: RunId) -> String {
        self.external_id.as_deref().map_or_else(|| derived_external_id(id), str::to_owned)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LateCall {
    pub(crate) run: Version,
    #[serde(with = "hex128")]
    pub(crate) call: u128,
    pub(crate) version: Version,
}

/// Calls of ended runs that are remembered.
pub(crate) const LATE_CALLS: usize = 1024;

impl ThreadState {
    /// Where the journal ends that this state folds.
    pub(crate) const fn head(&self) -> Option<Position> {
        self.head
    }

    /// The version of the head; 0 before the first record.
    pub(crate) fn version(&self) -> Version {
        self.head.map_or(0, |h| h.version)
    }

    pub(crate) fn session(&self, version: Version) -> Option<&SessionState> {
        self.sessions.get(&version).map(|s| &**s)
    }

    /// A workspace that is there.
    pub(crate) fn require_ready(&self, id: ThreadId, of: WorkspaceId) -> Result<&WorkspaceState> {
        debug_assert_eq!(id, of.thread());
        let it = self.workspaces.get(&of.version()).ok_or_else(|| Error::not_found(of))?;
        match it.status {
            WorkspaceStatus::Ready => Ok(it),
            status => Err(Error::WorkspaceNotReady { workspace: of, status }),
        }
    }

    /// A workspace that is there, in an open thread, whose session takes writes of this caller.
    pub(crate) fn require_changeable(
        &self,
        id: ThreadId,
        of: WorkspaceId,
        caller: &Caller,
    ) -> Result<&WorkspaceState> {
        self.require_not_archived(id)?;
        let it = self.require_ready(id, of)?;
        if let Some(owner) = self.session(it.session) {
            owner.require_not_archived(SessionId::new(id, it.session))?;
        }
        self.require_lease(id, it.session, caller)?;
        Ok(it)
    }

    /// `Closed` if the thread is archived.
    pub(crate) fn require_not_archived(&self, id: ThreadId) -> Result<()> {
        match self.thread.as_deref().map(|thread| thread.status) {
            Some(ThreadStatus::Archived) => Err(Error::closed(Closure::ThreadArchived(id))),
            _ => Ok(()),
        }
    }

    /// `Fenced` or `NotOwner` unless a session takes writes of this caller.
    pub(crate) fn require_lease(
        &self,
        id: ThreadId,
        session: Version,
        caller: &Caller,
    ) -> Result<()> {
        let id = SessionId::new(id, session);
        match self.session(session) {
            Some(state) => {
                state.fence(id, caller.lease)?;
                state.require_not_former(id, &caller.actor)
            }
            None => Ok(()),
        }
    }

    pub(crate) fn edge(&self, version: Version) -> Option<&EdgeState> {
        self.edges.get(&version).map(|e| &**e)
    }

    /// The body of the end of a live run; nothing in it but the outcome changes while the run lives.
    pub(crate) fn end_of_run(
        &self,
        run: Version,
        outcome: &RunOutcome,
        by: &Actor,
    ) -> Option<RunEndBody> {
        let run = self.run(run)?;
        Some(RunEndBody {
            outcome: outcome.clone(),
            external_id: run.external_id.as_deref().map(str::to_owned),
            task: run.task.as_deref().map(str::to_owned),
            labels: run.labels.as_deref().cloned().unwrap_or_default(),
            model: run.model.as_deref().map(str::to_owned),
            provider: run.provider.as_deref().map(str::to_owned),
            by: by.clone(),
        })
    }

    pub(crate) fn run(&self, version: Version) -> Option<&RunState> {
        self.runs.get(&version).map(|r| &**r)
    }

    /// Whether a session's log shows an entry of the log of `of`.
    pub(crate) fn shows(&self, session: Version, of: Version, entry: Version) -> bool {
        session == of || self.forks.shows(session, of, entry)
    }

    /// Whether anybody may read an entry of the log of `of`: its session exists, or a fork shares it.
    pub(crate) fn is_readable(&self, of: Version, entry: Version) -> bool {
        self.sessions.contains_key(&of) || self.forks.is_shared(of, entry)
    }

    /// The session above, if there is one.
    pub(crate) fn parent_of(&self, session: Version) -> Option<Version> {
        self.edge(self.session(session)?.parent?).map(|e| e.parent)
    }

    /// The interventions that an edge follows upon, the nearest first: each answers what came of the next. What answers
    /// something outside, or what is not there any more, is the last.
    pub(crate) fn interventions(&self, edge: Version) -> impl Iterator<Item = Version> {
        std::iter::successors(Some(edge), |edge| self.intervention_before(*edge)).skip(1)
    }

    fn intervention_before(&self, edge: Version) -> Option<Version> {
        self.intervention_of(self.answered_by(edge)?)
    }

    /// The session whose summary an edge answers.
    fn answered_by(&self, edge: Version) -> Option<Version> {
        match self.edge(edge)?.answers {
            Some(Answered::Summary(SummaryOf { session, .. })) => Some(session),
            _ => None,
        }
    }

    /// The session whose summary is answered by the intervention that a session came of.
    pub(crate) fn answered_before(&self, session: Version) -> Option<Version> {
        self.answered_by(self.intervention_of(session)?)
    }

    /// The intervention that a session came of.
    pub(crate) fn intervention_of(&self, session: Version) -> Option<Version> {
        let above = self.session(session)?.parent?;
        let edge = self.edge(above)?;
        (edge.kind == SubSessionKind::Intervention).then_some(above)
    }

    /// Whether a session waits for recipients of a broadcast of whom none is at it any more (BRD4).
    pub(crate) fn is_broadcast_over(&self, session: Version) -> bool {
        let Some(source) = self.session(session) else { return false };
        let mut recipients = source
            .children
            .iter()
            .filter_map(|edge| self.edge(*edge))
            .filter(|edge| edge.broadcast == Some(source.broadcast));
        source.status == SessionStatus::AwaitingMerge && recipients.all(EdgeState::is_over)
    }

    /// Self, parent, ..., root.
    pub(crate) fn upwards(&self, session: Version) -> impl Iterator<Item = Version> {
        std::iter::successors(Some(session), |s| self.parent_of(*s))
    }

    /// Sessions above it; the root is 0.
    pub(crate) fn depth(&self, session: Version) -> u32 {
        u32::try_from(self.upwards(session).count()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    /// Levels below it; a leaf has 0.
    pub(crate) fn height(&self, session: Version) -> u32 {
        let mut height = 0;
        let mut level = vec![session];
        loop {
            level = level
                .iter()
                .filter_map(|s| self.session(*s))
                .flat_map(|s| s.children.iter())
                .filter_map(|e| self.edge(*e))
                .map(|e| e.child)
                .collect();
            if level.is_empty() {
                return height;
            }
            height += 1;
        }
    }

    /// Whether the edge of a draft is there, and below the parent that it was made for.
    pub(crate) fn is_of_edge(&self, it: &CollapseState) -> bool {
        self.edge(it.edge).is_some_and(|edge| edge.parent == it.parent)
    }

    /// What came of a draft: an open one is stale once its edge is gone, or its parent is not as it was.
    pub(crate) fn collapse_status(&self, it: &CollapseState) -> CollapseStatus {
        let tail = self.session(it.parent).map(|parent| parent.tail);
        let is_as_it_was = it.parent_tail.is_none_or(|expected| tail == Some(expected));
        match it.status {
            CollapseStatus::Open if !self.is_of_edge(it) || !is_as_it_was => CollapseStatus::Stale,
            status => status,
        }
    }

    /// Whether nothing has changed that a list of threads shows: what did not change is still shared.
    pub(crate) fn listing_unchanged(&self, before: &Self) -> bool {
        let same_thread = match (&self.thread, &before.thread) {
            (Some(now), Some(before)) => Arc::ptr_eq(now, before),
            _ => false,
        };
        same_thread
            && Arc::ptr_eq(&self.roll_up, &before.roll_up)
            && self.sessions.size() == before.sessions.size()
            && self.workspaces.size() == before.workspaces.size()
    }

    /// Bytes it takes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        1024 + self.sessions.size() * 512
            + self.named_sessions.size() * 256
            + self.edges.size() * 384
            + self.runs.iter().map(|(_, r)| 512 + r.calls.size() * 96).sum::<usize>()
            + self.tasks.size() * 384
            + self.external_ids.weight()
            + self.late_calls.len() * 64
            + self.keys.weight()
            + self.erased.weight()
            + self.returned.weight()
            + self.forks.weight()
            + self.keyed_weight
            + self.collapses.size() * 192
            + self.workspaces.size() * 768
    }
}
