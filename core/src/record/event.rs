//! What a record says happened: the part of it that stands in the header.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    hash::{Hash, ShortHash, hex128},
    id::{ProjectId, ThreadId, Version},
    journal::Stream,
    model::{
        Autonomy, Budget, BudgetKind, CompletionMode, ContextLimit, FailureMode, MarkerKind,
        NoteKind, Priority, RunStatus, SessionStatus, SubSessionKind, SubSessionStatus,
        SummaryOutcome, Totals, Usage,
    },
};

/// The lanes of the streams of a session, of a workspace, and of the thread itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Entries.
    Log = 0,
    /// The usage ledger.
    Usage = 1,
    /// One record when a run starts and one when it ends.
    Runs = 2,
    /// Everything else.
    Rest = 3,
}

impl Lane {
    /// The stream of this lane of a session; session 0 is the thread itself.
    pub const fn of(self, session: Version) -> Stream {
        Stream(session.saturating_mul(4) | self as u64)
    }
}

impl Stream {
    /// The version of the session or workspace it belongs to; 0 is the thread itself.
    pub const fn owner(self) -> Version {
        self.0 >> 2
    }
}

impl Event {
    /// The session that a record in this stream is about; 0 is the thread itself.
    pub const fn session_in(&self, stream: Stream) -> Version {
        match self {
            Self::WorkspaceReady { session, .. }
            | Self::WorkspaceChanged { session, .. }
            | Self::WorkspaceSaved { session, .. }
            | Self::WorkspaceReserved { session: Some(session), .. }
            | Self::WorkspaceLeaked { session: Some(session), .. }
            | Self::WorkspaceDisposed { session: Some(session), .. } => *session,
            // To reserve an archive is no work in the session: it stays as silent as it was.
            Self::ArchiveReserved { .. }
            | Self::ArchiveAbandoned { .. }
            | Self::WorkspaceReserved { .. }
            | Self::WorkspaceLeaked { .. }
            | Self::WorkspaceDisposed { .. } => 0,
            _ => stream.owner(),
        }
    }

    /// Whether its body may be erased.
    pub(crate) fn is_erasable(&self) -> bool {
        matches!(
            self,
            Self::CollapseProposed { .. }
                | Self::SummarySealed { .. }
                | Self::EntriesReturned { .. }
        ) || self.as_entry().is_some()
    }

    /// The edge that takes a step by this, becomes another, or goes.
    pub(crate) const fn stepped_edge(&self) -> Option<Version> {
        match self {
            Self::SessionStatusSet { then, .. }
            | Self::RunStarted { then, .. }
            | Self::RunStatusSet { then, .. }
            | Self::RunEnded { then, .. }
            | Self::SummarySealed { then, .. }
            | Self::SessionArchived { then, .. }
            | Self::SessionRestored { then, .. } => match then.edge {
                Some(step) => Some(step.edge),
                None => None,
            },
            Self::EdgeDeleted { edge } | Self::EdgeUpdated { edge, .. } => Some(*edge),
            Self::MergeStepped { step, .. } => Some(step.edge),
            _ => None,
        }
    }
}

/// A step an edge takes because of something that happened to its child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeStep {
    /// The edge's version.
    pub edge: Version,
    /// Where it goes.
    pub to: SubSessionStatus,
}

/// A sealed summary, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryOf {
    /// The summary's version.
    pub summary: Version,
    /// The session's.
    pub session: Version,
}

/// What follows from a run's step, decided once and written down, so that folding needs no rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consequence {
    /// The session's status afterwards.
    pub session: SessionStatus,
    /// The step of the edge above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<EdgeStep>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal { $($(#[$fdoc:meta])* $(@$attr:meta;)* $field:ident: $type:ty,)* })*) => {
        /// Every record kind. Sessions, edges, runs are named by the version that created them.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Event {
            $($(#[$doc])* #[serde(rename = $text)] $name { $($(#[$fdoc])* $(#[$attr])* $field: $type,)* },)*
        }

        impl Event {
            /// The name it has in records, and in the people's views of a store.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => $text,)* }
            }
        }

        /// The names of all kinds, in the order of [`Event`].
        pub const KIND_NAMES: &[&str] = &[$($text),*];
    };
}

kinds! {
    /// Version 1 of a project.
    ProjectCreated = "project_created" {}
    /// Name and config, whole.
    ProjectUpdated = "project_updated" {}
    /// It takes no new threads and sessions.
    ProjectArchived = "project_archived" {}
    /// It takes them again.
    ProjectReopened = "project_reopened" {}
    /// A deletion began; no reservation follows.
    ProjectDeleting = "project_deleting" {}
    /// The deletion found a living thread.
    ProjectDeleteUndone = "project_delete_undone" {}
    /// The moment a thread is created, in its project's journal.
    ThreadReserved = "thread_reserved" {
        /// The thread.
        thread: ThreadId,
        /// Versions of earlier reservations whose thread is known to have begun.
        @serde(default, skip_serializing_if = "Vec::is_empty"); settled: Vec<Version>,
    }
    /// A thread draws a slice of the project's budget, or more of it, before it spends it.
    SliceDrawn = "slice_drawn" {
        /// The thread.
        thread: ThreadId,
        /// The draw that began it, where this one enlarges it.
        @serde(default, skip_serializing_if = "Option::is_none"); opened: Option<Version>,
        /// How large it is by this.
        amount: Budget,
        /// Of what nothing is left in the project by this: what is used or drawn, and what is allowed.
        @serde(default, skip_serializing_if = "Vec::is_empty"); used_up: Vec<(BudgetKind, u64, u64)>,
    }
    /// A thread gave its slice back.
    SliceSettled = "slice_settled" {
        /// The thread.
        thread: ThreadId,
        /// The newest draw of the slice.
        draw: Version,
        /// What was spent of it.
        spent: Totals,
    }
    /// An external id stands for this id from here on, in the journal of the tenant.
    ExternalIdBound = "external_id_bound" {
        /// The digest of the kind, of the parent and of the external id.
        external_id: ShortHash,
        /// The bits of the id.
        @serde(with = "hex128"); to: u128,
    }
    /// Version 1 of a thread.
    ThreadCreated = "thread_created" {
        /// Its project.
        project: ProjectId,
        /// The version of its reservation there.
        reserved: Version,
        /// Its budget.
        @serde(default, skip_serializing_if = "Option::is_none"); budget: Option<Budget>,
    }
    /// Title, labels and budget, whole.
    ThreadUpdated = "thread_updated" {
        /// Its budget.
        @serde(default, skip_serializing_if = "Option::is_none"); budget: Option<Budget>,
    }
    /// It takes nothing.
    ThreadArchived = "thread_archived" {}
    /// It takes work again.
    ThreadReopened = "thread_reopened" {}
    /// The texts of these entries, drafts and summaries are gone: ranges of versions, both ends included.
    EntriesErased = "entries_erased" {
        /// The ranges, ascending.
        versions: Vec<(Version, Version)>,
    }
    /// The feed no longer gives what is up to a version.
    FeedTrimmed = "feed_trimmed" {
        /// Up to which version.
        upto: Version,
    }
    /// A session begins to exist.
    SessionCreated = "session_created" {
        /// A fork's: the session it continues, and up to which version.
        @serde(default, skip_serializing_if = "Option::is_none"); base: Option<(Version, Version)>,
        /// Its budget.
        @serde(default, skip_serializing_if = "Option::is_none"); budget: Option<Budget>,
    }
    /// Name, labels, task, actor and budget, whole.
    SessionUpdated = "session_updated" {
        /// Which session.
        session: Version,
        /// Its budget.
        @serde(default, skip_serializing_if = "Option::is_none"); budget: Option<Budget>,
    }
    /// A status set by hand.
    SessionStatusSet = "session_status_set" {
        /// Which session.
        session: Version,
        /// Its status, and the step of its edge.
        then: Consequence,
    }
    /// A failed session goes on, in a new activity.
    SessionReopened = "session_reopened" {
        /// Which session.
        session: Version,
    }
    /// The session, its entries, runs and leases are gone.
    SessionDeleted = "session_deleted" {
        /// Which session.
        session: Version,
    }
    /// A session has a parent from here on.
    EdgeCreated = "edge_created" {
        /// The session above.
        parent: Version,
        /// The session below.
        child: Version,
        /// How it came to be.
        kind: SubSessionKind,
        /// Pending, or active when the child is at work already.
        status: SubSessionStatus,
        /// What a failure does.
        failure_mode: FailureMode,
        /// How the result comes back.
        completion_mode: CompletionMode,
        /// The parent's run that asked for it.
        @serde(default, skip_serializing_if = "Option::is_none"); spawned_by_run: Option<Version>,
        /// The version of the project under whose caps it was decided.
        caps: Version,
        /// Of a recipient of a broadcast: the record that says so.
        @serde(default, skip_serializing_if = "Option::is_none"); broadcast: Option<Version>,
        /// What an intervention answers, where that is a summary; what is outside stands in the body.
        @serde(default, skip_serializing_if = "Option::is_none"); answers: Option<SummaryOf>,
        /// Whose budget the child's is a share of: a session's, or with 0 the thread's.
        @serde(default, skip_serializing_if = "Option::is_none"); share_of: Option<Version>,
    }
    /// Purpose and modes, whole.
    EdgeUpdated = "edge_updated" {
        /// Which edge.
        edge: Version,
        /// What a failure does.
        failure_mode: FailureMode,
        /// How the result comes back.
        completion_mode: CompletionMode,
        /// What an intervention answers from here on, where that is a summary.
        @serde(default, skip_serializing_if = "Option::is_none"); answers: Option<SummaryOf>,
    }
    /// The child has no parent any more.
    EdgeDeleted = "edge_deleted" {
        /// Which edge.
        edge: Version,
    }
    /// A message.
    Entry = "entry" {
        /// Whose log.
        session: Version,
        /// The run it belongs to.
        @serde(default, skip_serializing_if = "Option::is_none"); run: Option<Version>,
        /// The entry it answers.
        @serde(default, skip_serializing_if = "Option::is_none"); in_reply_to: Option<Version>,
        /// The entry it is a copy of.
        @serde(default, skip_serializing_if = "Option::is_none"); copied_from: Option<Version>,
        /// Tokens of its message, as the store counted.
        @serde(default, skip_serializing_if = "Option::is_none"); tokens: Option<u64>,
        /// Tokens of its message, as the caller reported.
        @serde(default, skip_serializing_if = "Option::is_none"); reported: Option<u64>,
    }
    /// Another message in the place of an earlier one.
    Edit = "edit" {
        /// Whose log.
        session: Version,
        /// The message it edits.
        target: Version,
        /// The run it belongs to.
        @serde(default, skip_serializing_if = "Option::is_none"); run: Option<Version>,
        /// The entry it answers.
        @serde(default, skip_serializing_if = "Option::is_none"); in_reply_to: Option<Version>,
        /// The entry it is a copy of.
        @serde(default, skip_serializing_if = "Option::is_none"); copied_from: Option<Version>,
        /// Tokens of its message, as the store counted.
        @serde(default, skip_serializing_if = "Option::is_none"); tokens: Option<u64>,
        /// Tokens of its message, as the caller reported.
        @serde(default, skip_serializing_if = "Option::is_none"); reported: Option<u64>,
    }
    /// How much an earlier entry matters.
    Annotation = "annotation" {
        /// Whose log.
        session: Version,
        /// Which entry.
        target: Version,
        /// How much; absent where earlier annotations are taken back.
        @serde(default, skip_serializing_if = "Option::is_none"); priority: Option<Priority>,
        /// The run it belongs to.
        @serde(default, skip_serializing_if = "Option::is_none"); run: Option<Version>,
        /// The entry it answers.
        @serde(default, skip_serializing_if = "Option::is_none"); in_reply_to: Option<Version>,
        /// The entry it is a copy of.
        @serde(default, skip_serializing_if = "Option::is_none"); copied_from: Option<Version>,
    }
    /// One message for all that the context showed from one entry to another.
    Compression = "compression" {
        /// Whose log.
        session: Version,
        /// The first of them.
        first: Version,
        /// The last of them.
        last: Version,
        /// The run it belongs to.
        @serde(default, skip_serializing_if = "Option::is_none"); run: Option<Version>,
        /// The entry it answers.
        @serde(default, skip_serializing_if = "Option::is_none"); in_reply_to: Option<Version>,
        /// The entry it is a copy of.
        @serde(default, skip_serializing_if = "Option::is_none"); copied_from: Option<Version>,
        /// Tokens of its message, as the store counted.
        @serde(default, skip_serializing_if = "Option::is_none"); tokens: Option<u64>,
        /// Tokens of its message, as the caller reported.
        @serde(default, skip_serializing_if = "Option::is_none"); reported: Option<u64>,
    }
    /// What whoever goes on has to know.
    Note = "note" {
        /// Whose log.
        session: Version,
        /// What it is for.
        kind: NoteKind,
        /// The run it belongs to.
        @serde(default, skip_serializing_if = "Option::is_none"); run: Option<Version>,
        /// The entry it answers.
        @serde(default, skip_serializing_if = "Option::is_none"); in_reply_to: Option<Version>,
        /// The entry it is a copy of.
        @serde(default, skip_serializing_if = "Option::is_none"); copied_from: Option<Version>,
        /// Tokens of it, as the store counted.
        @serde(default, skip_serializing_if = "Option::is_none"); tokens: Option<u64>,
        /// Tokens of it, as the caller reported.
        @serde(default, skip_serializing_if = "Option::is_none"); reported: Option<u64>,
    }
    /// A place from which another session is reached.
    Marker = "marker" {
        /// Whose log.
        session: Version,
        /// What happened.
        kind: MarkerKind,
        /// The session that it leads to.
        to: Version,
        /// The edge between the two.
        @serde(default, skip_serializing_if = "Option::is_none"); edge: Option<Version>,
        /// The version as of which that session is meant.
        @serde(default, skip_serializing_if = "Option::is_none"); version: Option<Version>,
    }
    /// A text for what a child came to, to stand in its parent's log.
    CollapseProposed = "collapse_proposed" {
        /// The child.
        session: Version,
        /// The edge above it.
        edge: Version,
        /// The session above it, whose log it is for.
        parent: Version,
        /// The version as of which the child is meant.
        upto: Version,
        /// Who decides.
        autonomy: Autonomy,
        /// The last entry of the parent that it holds for, if it holds for no other.
        @serde(default, skip_serializing_if = "Option::is_none"); parent_tail: Option<Version>,
        /// The draft before it of the same child.
        @serde(default, skip_serializing_if = "Option::is_none"); previous: Option<Version>,
        /// Tokens of its text, as the store counted.
        tokens: u64,
        /// Tokens of what the summarizer read.
        @serde(default, skip_serializing_if = "Option::is_none"); source_tokens: Option<u64>,
    }
    /// Somebody does not want it.
    CollapseRejected = "collapse_rejected" {
        /// The child.
        session: Version,
        /// The draft.
        collapse: Version,
    }
    /// A message that stands for what a child came to; it accepts the draft.
    Collapsed = "collapsed" {
        /// Whose log.
        session: Version,
        /// The draft.
        collapse: Version,
        /// The child.
        child: Version,
        /// The version as of which the child is meant.
        upto: Version,
        /// The entry it is a copy of.
        @serde(default, skip_serializing_if = "Option::is_none"); copied_from: Option<Version>,
        /// The entry it answers.
        @serde(default, skip_serializing_if = "Option::is_none"); in_reply_to: Option<Version>,
        /// Tokens of its message, as the store counted.
        @serde(default, skip_serializing_if = "Option::is_none"); tokens: Option<u64>,
        /// Tokens of its message, as the caller reported.
        @serde(default, skip_serializing_if = "Option::is_none"); reported: Option<u64>,
    }
    /// A session has a limit of its context, or none any more. Its context has so many tokens.
    ContextLimitSet = "context_limit_set" {
        /// Of which session.
        session: Version,
        /// The limit.
        @serde(default, skip_serializing_if = "Option::is_none"); limit: Option<ContextLimit>,
        /// How long the context is; 0 without a limit.
        tokens: u64,
    }
    /// The context of a session with a limit has so many tokens after the records before: it passed a threshold, or changed by
    /// more than messages that were added.
    ContextMeasured = "context_measured" {
        /// Of which session.
        session: Version,
        /// How long the context is.
        tokens: u64,
        /// The highest threshold that it reached by this, in percent.
        @serde(default, skip_serializing_if = "Option::is_none"); reached: Option<u8>,
        /// The lowest threshold that it came below by this.
        @serde(default, skip_serializing_if = "Option::is_none"); left: Option<u8>,
    }
    /// A session is being handed over, and workspaces are made for that.
    HandoffLocked = "handoff_locked" {
        /// Which session.
        session: Version,
        /// How long that may take.
        ttl_millis: u64,
    }
    /// That came to nothing.
    HandoffReleased = "handoff_released" {
        /// Which session.
        session: Version,
    }
    /// A session has another owner, who goes on in the child that the next records make.
    HandedOff = "handed_off" {
        /// Which session.
        session: Version,
        /// How often it was handed over.
        owner_version: u64,
    }
    /// A session waits for several, who go on in the children that the next records make.
    BroadcastSent = "broadcast_sent" {
        /// Which session.
        session: Version,
        /// How often it was handed over.
        owner_version: u64,
    }
    /// All recipients of a session's broadcast have come to an end.
    BroadcastEnded = "broadcast_ended" {
        /// Which session.
        session: Version,
    }
    /// A session goes on as another, which the records before this one made; its lease, its workspace and the edge above are
    /// the other's from here on.
    SessionContinued = "session_continued" {
        /// Which session.
        session: Version,
        /// The other.
        successor: Version,
    }
    /// An edge takes a step of merging back.
    MergeStepped = "merge_stepped" {
        /// The edge's child.
        session: Version,
        /// The step.
        step: EdgeStep,
    }
    /// What an activity of a session came to; it ends the activity.
    SummarySealed = "summary_sealed" {
        /// Of which session.
        session: Version,
        /// Of which of its activities.
        activity: u32,
        /// How it went.
        outcome: SummaryOutcome,
        /// The summary before this one.
        @serde(default, skip_serializing_if = "Option::is_none"); previous: Option<Version>,
        /// The edge above, which gets it.
        @serde(default, skip_serializing_if = "Option::is_none"); above: Option<Version>,
        /// The session's status, and the step of that edge.
        then: Consequence,
    }
    /// A fork's own entries up to a version stand in the log it came from, as the copies before this record.
    ForkMerged = "fork_merged" {
        /// The session that took them in.
        session: Version,
        /// The fork.
        fork: Version,
        /// Up to which version of its log.
        upto: Version,
    }
    /// A run begins.
    RunStarted = "run_started" {
        /// Whose.
        session: Version,
        /// 1, 2, 3 ...
        iteration: u32,
        /// The run it tries again.
        @serde(default, skip_serializing_if = "Option::is_none"); retry_of: Option<Version>,
        /// The digest of its external id. Absent in records of level 1, whose runs are known by their own id.
        @serde(default, skip_serializing_if = "Option::is_none"); external_id: Option<ShortHash>,
        /// Queued or running.
        status: RunStatus,
        /// What follows.
        then: Consequence,
    }
    /// A run takes a step and goes on living.
    RunStatusSet = "run_status_set" {
        /// Which run.
        run: Version,
        /// Its session.
        session: Version,
        /// Where it goes.
        status: RunStatus,
        /// The edges it waits for, where it waits for sub-sessions.
        @serde(default, skip_serializing_if = "Vec::is_empty"); edges: Vec<Version>,
        /// What follows.
        then: Consequence,
    }
    /// A run is over. Holds all there is to know of it, so that one record answers for an ended run.
    RunEnded = "run_ended" {
        /// Which run.
        run: Version,
        /// Its session.
        session: Version,
        /// Its iteration.
        iteration: u32,
        /// The run it tried again.
        @serde(default, skip_serializing_if = "Option::is_none"); retry_of: Option<Version>,
        /// When it began.
        started_at: Timestamp,
        /// How it ended.
        status: RunStatus,
        /// What it used.
        totals: Totals,
        /// What follows.
        then: Consequence,
    }
    /// A call is booked.
    UsageBooked = "usage_booked" {
        /// The run that made it.
        run: Version,
        /// Its session.
        session: Version,
        /// First 128 bits of BLAKE3 over the caller's id of the call.
        @serde(with = "hex128"); call: u128,
        /// The call.
        usage: Usage,
        /// The session's totals with it.
        running: Totals,
    }
    /// Nothing is left of what a budget bounds: the records before this one used it up, or the budget was lowered.
    BudgetUsedUp = "budget_used_up" {
        /// Whose it is; the thread's where it is absent.
        @serde(default, skip_serializing_if = "Option::is_none"); session: Option<Version>,
        /// It is the project's.
        @serde(default, skip_serializing_if = "std::ops::Not::not"); project: bool,
        /// What it bounds.
        kind: BudgetKind,
        /// What is used and reserved.
        used: u64,
        /// What it allows.
        limit: u64,
    }
    /// From here on the thread draws slices of its project's budget before it spends.
    SlicesBegun = "slices_begun" {}
    /// The project has no budget any more.
    SlicesEnded = "slices_ended" {}
    /// The thread has a slice of its project's budget, or more of the one it has.
    SliceCredited = "slice_credited" {
        /// The version of the draw in the project's journal.
        draw: Version,
        /// That of the draw that began the slice.
        opened: Version,
        /// How large it is.
        amount: Budget,
    }
    /// The thread has no slice any more; what is left of it is the project's.
    SliceReturned = "slice_returned" {
        /// The newest draw of the slice.
        draw: Version,
        /// What was spent of it.
        spent: Totals,
    }
    /// A lease begins; its token is this record's version. It ends any lease before it.
    LeaseGranted = "lease_granted" {
        /// The session.
        session: Version,
        /// Time to live.
        ttl_millis: u64,
    }
    /// The holder asks for more time; no lease record in the sense of LEA2.
    LeaseRenewed = "lease_renewed" {
        /// The session.
        session: Version,
        /// Time to live from here on.
        ttl_millis: u64,
    }
    /// The leases of these sessions had expired: the thread is archived by the next record, or a sweep ended the runs of the
    /// sessions by the records before.
    LeasesExpired = "leases_expired" {
        /// The sessions, ascending.
        sessions: Vec<Version>,
    }
    /// The holder gives it back.
    LeaseReleased = "lease_released" {
        /// The session.
        session: Version,
    }
    /// Keys of one scope's state are set or removed. The field `project` is reserved for a scope of that name.
    StateSet = "state_set" {
        /// Whose state; the thread's own where it is absent.
        @serde(default, skip_serializing_if = "Option::is_none"); session: Option<Version>,
    }
    /// A workspace is to be made: from here on it is claimed.
    WorkspaceReserved = "workspace_reserved" {
        /// For which session; absent where that is made with it.
        @serde(default, skip_serializing_if = "Option::is_none"); session: Option<Version>,
        /// How long its maker may take.
        ttl_millis: u64,
    }
    /// A workspace is there, and a session owns it.
    WorkspaceReady = "workspace_ready" {
        /// Which workspace.
        workspace: Version,
        /// Which session.
        session: Version,
    }
    /// A workspace whose files are kept in the journal has others.
    WorkspaceChanged = "workspace_changed" {
        /// Which workspace.
        workspace: Version,
        /// Whose it is.
        session: Version,
    }
    /// What a workspace holds was kept, as a tree.
    WorkspaceSaved = "workspace_saved" {
        /// Which workspace.
        workspace: Version,
        /// Whose it is.
        session: Version,
    }
    /// Nobody owns a workspace any more, or its owner gave it up: it is to be removed.
    WorkspaceLeaked = "workspace_leaked" {
        /// Which workspace.
        workspace: Version,
        /// Its owner wants it removed with the work in it.
        @serde(default, skip_serializing_if = "std::ops::Not::not"); force: bool,
        /// Whose it is, or was.
        @serde(default, skip_serializing_if = "Option::is_none"); session: Option<Version>,
    }
    /// A workspace is gone, and so is all that was there of it.
    WorkspaceDisposed = "workspace_disposed" {
        /// Which workspace.
        workspace: Version,
        /// Whose it is, or was.
        @serde(default, skip_serializing_if = "Option::is_none"); session: Option<Version>,
    }
    /// A bundle of a session is to be written: from here on it is claimed.
    ArchiveReserved = "archive_reserved" {
        /// Which session.
        session: Version,
        /// How long that may take.
        ttl_millis: u64,
    }
    /// That came to nothing.
    ArchiveAbandoned = "archive_abandoned" {
        /// Which session.
        session: Version,
        /// The record that reserved it.
        archive: Version,
    }
    /// A session is archived; its bundle is whole.
    SessionArchived = "session_archived" {
        /// Which session.
        session: Version,
        /// The record that reserved its bundle.
        archive: Version,
        /// Records in the bundle.
        records: u64,
        /// Entries among them.
        entries: u64,
        /// The digest of the bundle.
        digest: Hash,
        /// Archived, and the step of the edge above.
        then: Consequence,
    }
    /// Entries of an archived session leave the journal: until they are back they stand in its bundle only.
    EntriesEvicted = "entries_evicted" {
        /// Which session.
        session: Version,
        /// The record that reserved its bundle.
        archive: Version,
        /// The entries of its own log after this version
        after: Version,
        /// and up to this one.
        upto: Version,
        /// Earlier `entries_returned` that held some of them, and are erased: ranges of versions, both ends included.
        @serde(default, skip_serializing_if = "Vec::is_empty"); erased: Vec<(Version, Version)>,
    }
    /// Entries that were evicted are back: they stand in the body of this record.
    EntriesReturned = "entries_returned" {
        /// Which session.
        session: Version,
        /// The entries of its own log after this version
        after: Version,
        /// and up to this one.
        upto: Version,
        /// Some were erased since: the record that held them before, which is erased now.
        @serde(default, skip_serializing_if = "Option::is_none"); replaces: Option<Version>,
    }
    /// An archived session is what it was before.
    SessionRestored = "session_restored" {
        /// Which session.
        session: Version,
        /// The record that reserved its bundle.
        archive: Version,
        /// Its status, and the step of the edge above.
        then: Consequence,
    }
}
