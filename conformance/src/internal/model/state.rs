//! What the model remembers.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use sessile_core::{
    Caller, Key, Timestamp,
    command::{SessionCommand, ThreadCommand},
    id::{EntryId, ProjectId, RunId, SessionId, SubSessionId, TenantId, ThreadId, UserId, Version},
    model::{
        Actor, Budget, CompletionMode, FailureMode, Labels, Message, PrevArtifact, ProjectConfig,
        ProjectStatus, RunOutcome, RunStatus, SessionStatus, SubSessionKind, SubSessionStatus,
        ThreadStatus, Usage,
    },
};

use super::{budgets::SessionBudget, keyed::KeyedHistory, keys::Keys};

/// All tenants of one store.
#[derive(Clone, Debug)]
pub struct Model {
    /// By name.
    pub tenants: BTreeMap<TenantId, Tenant>,
    /// Every minted id ever seen: none may come again.
    pub minted: BTreeSet<u128>,
    pub(super) max_skew: Duration,
}

/// One tenant.
#[derive(Clone, Debug, Default)]
pub struct Tenant {
    /// Those that exist.
    pub projects: BTreeMap<ProjectId, Project>,
    /// Those that exist.
    pub threads: BTreeMap<ThreadId, Thread>,
    /// What was created under which key: projects have no journal to remember it in before they exist.
    pub(super) project_keys: HashMap<Key, (ThreadCommand, ProjectId)>,
    /// External ids that a thread of a project ever had: a later one costs a second reservation.
    pub(super) thread_names: BTreeSet<(ProjectId, String)>,
}

/// A project.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields of the core's own type")]
pub struct Project {
    pub external_id: Option<String>,
    pub name: String,
    pub status: ProjectStatus,
    pub config: ProjectConfig,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: Version,
    pub head: Version,
    /// The time of its journal, which never goes back.
    pub(super) last_at: Timestamp,
    pub(super) escrow: super::slices::Escrow,
    pub(super) keys: Keys<ThreadCommand, sessile_core::command::ThreadOutcome>,
}

/// Either side of the narrow waist, so that one thread remembers keys of both.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Any<T, S> {
    Thread(T),
    Session(S),
}

pub(super) type AnyCommand = Any<ThreadCommand, SessionCommand>;
pub(super) type AnyOutcome =
    Any<sessile_core::command::ThreadOutcome, sessile_core::command::SessionOutcome>;

/// A thread, with all there ever was in it.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields of the core's own type")]
pub struct Thread {
    pub project: ProjectId,
    pub external_id: Option<String>,
    pub title: String,
    pub labels: Labels,
    pub status: ThreadStatus,
    pub created_by: Actor,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: Version,
    pub head: Version,
    pub sessions: BTreeMap<Version, Session>,
    pub edges: BTreeMap<Version, Edge>,
    pub collapses: BTreeMap<Version, super::collapses::Draft>,
    /// Runs of deleted sessions too: what they cost stays.
    pub runs: BTreeMap<Version, ModelRun>,
    pub entries: BTreeMap<Version, LoggedEntry>,
    /// What each session that inherited a whole history, deleted or not, begins with: another's log, up to a version.
    pub(super) bases: BTreeMap<Version, (Version, Version)>,
    /// Whose activity each summary is of, deleted or not.
    pub summaries: BTreeMap<Version, Version>,
    /// Entries of deleted sessions: nobody reads them, but they can be erased.
    pub(super) unread: BTreeSet<Version>,
    /// Entries without message, and the record that erased each.
    pub(super) erased: BTreeMap<Version, Version>,
    /// What came back, in the records that hold it.
    pub(super) packs: Vec<super::archives::Pack>,
    /// Every task a session or run ever named.
    pub tasks: BTreeSet<String>,
    pub keyed: KeyedHistory,
    pub budget: Option<Budget>,
    pub(super) purse: super::slices::Purse,
    /// Who surely wrote in it (created it, appended), and who may count as having done so (any command).
    pub writers: BTreeSet<UserId>,
    pub(super) touched: BTreeSet<UserId>,
    pub(super) keys: Keys<AnyCommand, AnyOutcome>,
}

/// A session.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields of the core's own type")]
pub struct Session {
    pub external_id: Option<String>,
    pub name: Option<String>,
    pub labels: Labels,
    pub task: Option<String>,
    pub actor: Option<Actor>,
    pub previous_actors: Vec<Actor>,
    pub owner_version: u64,
    /// What it goes on with, and what goes on with it.
    pub continues: Option<Version>,
    pub continued_as: Option<Version>,
    /// The broadcast whose recipients it waits for.
    pub broadcast: Version,
    pub status: SessionStatus,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: Version,
    pub lease: Option<HeldLease>,
    /// The version after which runs that ended count for the current activity.
    pub activity: Version,
    /// How many activities began; whether the last is over, and summarised.
    pub activities: u32,
    pub ended: bool,
    pub summarised: bool,
    /// The newest summary, 0 before the first.
    pub summary: Version,
    pub keyed: KeyedHistory,
    pub budget: Option<SessionBudget>,
    /// The record that reserved its bundle, and where it stood before, while it is archived.
    pub archived: Option<(Version, SessionStatus)>,
    /// The entries that stand in its bundle only: after one version, up to another.
    pub evicted: Option<(Version, Version)>,
}

/// A current lease.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields of the core's own type")]
pub struct HeldLease {
    pub token: Version,
    pub holder: Actor,
    pub ttl: Duration,
    pub written: Timestamp,
}

/// An edge.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields of the core's own type")]
pub struct Edge {
    pub parent: Version,
    pub child: Version,
    pub kind: SubSessionKind,
    pub status: SubSessionStatus,
    pub spawned_by: Actor,
    pub spawned_by_run: Option<RunId>,
    pub failure_mode: FailureMode,
    pub completion_mode: CompletionMode,
    pub purpose: Option<String>,
    pub answers: Option<PrevArtifact>,
    pub broadcast: Option<Version>,
    pub summary: Version,
    pub before_archive: Option<SubSessionStatus>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: Version,
}

/// One booked call.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields of the core's own type")]
pub struct Call {
    pub version: Version,
    pub at: Timestamp,
    pub call: String,
    pub usage: Usage,
}

/// A run.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields of the core's own type")]
pub struct ModelRun {
    pub session: Version,
    pub iteration: u32,
    pub retry_of: Option<RunId>,
    pub task: Option<String>,
    pub labels: Labels,
    /// `None` where it was minted and nobody has looked yet.
    pub external_id: Option<String>,
    pub model: Option<String>,
    pub provider: Option<String>,
    pub status: RunStatus,
    pub awaits: Vec<Version>,
    pub outcome: Option<RunOutcome>,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub ended: Version,
    pub version: Version,
    pub calls: Vec<Call>,
    /// Its session was deleted.
    pub gone: bool,
}

/// An entry.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields of the core's own type")]
pub struct LoggedEntry {
    pub session: Version,
    pub actor: Actor,
    pub at: Timestamp,
    pub run: Option<RunId>,
    pub in_reply_to: Option<EntryId>,
    /// A marker has none.
    pub message: Option<Message>,
    pub copied_from: Option<EntryId>,
}

impl Model {
    /// An empty store whose leases may be claimed this long after they expired.
    pub fn new(max_skew: Duration) -> Self {
        Self { tenants: BTreeMap::new(), minted: BTreeSet::new(), max_skew }
    }

    /// Takes note of the external id that the store minted for a run.
    pub fn learn_external_id(&mut self, tenant: &TenantId, run: RunId, external_id: &str) {
        let thread = self.tenant(tenant).threads.get_mut(&run.thread());
        if let Some(run) = thread.and_then(|thread| thread.runs.get_mut(&run.version())) {
            run.external_id.get_or_insert_with(|| external_id.to_owned());
        }
    }

    /// A tenant; every name is one, with or without data.
    pub fn tenant(&mut self, tenant: &TenantId) -> &mut Tenant {
        self.tenants.entry(tenant.clone()).or_default()
    }
}

impl Model {
    /// Whether the contract leaves the answer open: the key of a project that was deleted since.
    pub fn forgotten(&self, caller: &Caller, command: &ThreadCommand) -> bool {
        let Some(tenant) = self.tenants.get(&caller.tenant) else { return false };
        matches!(command, ThreadCommand::CreateProject { project } if project.external_id.is_none())
            && caller
                .key
                .as_ref()
                .and_then(|key| tenant.project_keys.get(key))
                .is_some_and(|(_, id)| !tenant.projects.contains_key(id))
    }
}

impl Thread {
    /// The head moves by one record, and the thread's time, which never goes back: what is created, begins or changes
    /// here carries it.
    pub(super) fn record(&mut self, at: Timestamp, caller: &Actor) -> Version {
        self.head += 1;
        self.updated_at = self.updated_at.max(at);
        self.touched.extend(caller.user_id().cloned());
        self.head
    }

    /// A record in one of a session's lanes, perhaps by the holder of its lease.
    pub(super) fn record_in(
        &mut self,
        session: Version,
        at: Timestamp,
        caller: &sessile_core::Caller,
    ) -> Version {
        let version = self.record(at, &caller.actor);
        if let Some(session) = self.sessions.get_mut(&session) {
            session.updated_at = self.updated_at;
        }
        for session in self.sessions.values_mut() {
            if let Some(lease) = session.lease.as_mut().filter(|l| Some(l.token) == caller.lease) {
                lease.written = at;
            }
        }
        version
    }

    /// The edge above a session.
    pub fn above(&self, child: Version) -> Option<(Version, &Edge)> {
        self.edges.iter().find(|(_, e)| e.child == child).map(|(v, e)| (*v, e))
    }

    /// The edges below a session, in creation order.
    pub fn below(&self, parent: Version) -> impl Iterator<Item = (Version, &Edge)> {
        self.edges.iter().filter(move |(_, e)| e.parent == parent).map(|(v, e)| (*v, e))
    }

    /// Root to self.
    pub fn ancestry(&self, session: Version) -> Vec<Version> {
        let mut up = vec![session];
        let mut at = session;
        while let Some((_, edge)) = self.above(at) {
            at = edge.parent;
            up.push(at);
        }
        up.reverse();
        up
    }

    /// Levels below a session.
    pub fn height(&self, session: Version) -> u32 {
        self.below(session).map(|(_, e)| 1 + self.height(e.child)).max().unwrap_or(0)
    }

    /// Live children of a session.
    pub fn width(&self, session: Version) -> u64 {
        self.below(session).filter(|(_, e)| e.status.is_live()).count() as u64
    }

    /// Runs of a session that live.
    pub fn live_runs(&self, session: Version) -> impl Iterator<Item = (Version, &ModelRun)> {
        self.runs
            .iter()
            .filter(move |(_, r)| r.session == session && !r.status.is_terminal() && !r.gone)
            .map(|(v, r)| (*v, r))
    }

    /// Whether a list of this user's threads may name it: created by them, or touched in whatever way.
    pub fn may_list(&self, user: &UserId) -> bool {
        self.touched.contains(user)
    }

    /// Sessions that keep the thread from being archived: a lease does until others could claim it.
    pub fn at_work(&self, now: Timestamp, max_skew: Duration) -> Vec<(Version, SessionStatus)> {
        self.sessions
            .iter()
            .filter(|(v, s)| {
                matches!(
                    s.status,
                    SessionStatus::Active
                        | SessionStatus::AwaitingHitl
                        | SessionStatus::AwaitingMerge
                ) || self.above(**v).is_some_and(|(_, e)| e.status == SubSessionStatus::Pending)
                    || s.lease.as_ref().is_some_and(|l| now <= l.expires_at().plus(max_skew))
                    || self.live_runs(**v).next().is_some()
            })
            .map(|(v, s)| (*v, s.status))
            .collect()
    }
}

pub(super) const fn session_id(thread: ThreadId, version: Version) -> SessionId {
    SessionId::new(thread, version)
}

pub(super) const fn edge_id(thread: ThreadId, version: Version) -> SubSessionId {
    SubSessionId::new(thread, version)
}
