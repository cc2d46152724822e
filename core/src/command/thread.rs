//! Projects and threads.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Begun, Caller, Created, NewProject, NewSession, Page, Paging, TimelineFilter, TimelineRow,
    TimelineScope, WorkspaceChoice, check_initial,
    describe::{Check, Description, check_count, optional},
};
use crate::{
    error::{Error, Result, Subject},
    id::{EntryId, ProjectId, ThreadId, UserId, Version, check_external_id},
    journal::ListOrder,
    json::Json,
    model::{Budget, Labels, Project, ProjectConfig, RollUp, Thread, ThreadRow, check_text},
};

/// What a project becomes; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UpdateProject {
    /// Its name.
    pub name: Option<String>,
    /// Its caps.
    pub config: Option<ProjectConfig>,
}

/// A thread to create.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewThread {
    /// What the agent program knows it by: 1 to 512 bytes, no control characters, unique in the project. Where a thread has
    /// it already, that one is the answer, unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Its title, 0 to 256 bytes.
    pub title: String,
    /// Its labels.
    pub labels: Labels,
    /// What its state begins with, in the commit of its version 1: at most 1,024 keys of 1 to 256 bytes, together 256 KiB
    /// as JSON.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub state: BTreeMap<String, Json>,
    /// What all its sessions together may use (BUD1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

impl NewThread {
    /// With a title.
    pub fn titled(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// With one more label.
    #[must_use]
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels = self.labels.with(key, value);
        self
    }

    /// With one more key in its state.
    #[must_use]
    pub fn with_state(mut self, key: impl Into<String>, value: Json) -> Self {
        self.state.insert(key.into(), value);
        self
    }

    /// With a budget.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Under an external id.
    #[must_use]
    pub fn with_external_id(mut self, external_id: impl Into<String>) -> Self {
        self.external_id = Some(external_id.into());
        self
    }
}

/// What a thread becomes; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UpdateThread {
    /// Its title.
    pub title: Option<String>,
    /// Its labels, whole.
    pub labels: Option<Labels>,
    /// Its budget; `Some(None)` takes it away. What its sessions used before it has one counts as used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Option<Budget>>,
}

/// Writes to projects and threads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one for each call; a box would be the caller's"
)]
pub enum ThreadCommand {
    /// Creates a project. With a key and no external id, its id follows from tenant and key.
    CreateProject {
        /// What.
        project: NewProject,
    },
    /// Changes name or caps, if the project's version is the expected one (PRJ2).
    UpdateProject {
        /// Which.
        project: ProjectId,
        /// Its version.
        expected: Version,
        /// What changes.
        update: UpdateProject,
    },
    /// No new threads and sessions from here on (PRJ3). Archiving an archived project writes nothing.
    ArchiveProject {
        /// Which.
        project: ProjectId,
    },
    /// Takes them again (PRJ5). Reopening an open project writes nothing.
    ReopenProject {
        /// Which.
        project: ProjectId,
    },
    /// Deletes a project without threads (PRJ4). Idempotent. Finishes or undoes a deletion that was cut off.
    DeleteProject {
        /// Which.
        project: ProjectId,
    },
    /// Creates a thread in an open project (THD1, THD2).
    CreateThread {
        /// Where.
        project: ProjectId,
        /// What.
        thread: NewThread,
    },
    /// Creates a thread with its first session and that one's first entries, all or nothing (XID4). Where a thread has the
    /// external id already, only the session is created in it; where that one's external id is there too, nothing is, and
    /// no entry is appended.
    BeginThread {
        /// Where.
        project: ProjectId,
        /// The thread.
        thread: NewThread,
        /// Its first session, without a parent.
        session: Box<NewSession>,
    },
    /// Changes title, labels or budget, if the thread's version is the expected one (THD3).
    UpdateThread {
        /// Which.
        thread: ThreadId,
        /// Its version.
        expected: Version,
        /// What changes.
        update: UpdateThread,
    },
    /// Archives a thread in which nothing is at work (THD5). Archiving an archived thread writes nothing (THD6).
    ArchiveThread {
        /// Which.
        thread: ThreadId,
    },
    /// Opens an archived thread (THD9). Reopening an open thread writes nothing.
    ReopenThread {
        /// Which.
        thread: ThreadId,
    },
    /// Gives back what is left of the slice that a thread has of its project's budget (BUD1); the next run draws another. Also in
    /// archived threads. Without one it writes nothing. It writes to both journals, and finishes what was cut off.
    ReturnBudget {
        /// Which thread.
        thread: ThreadId,
    },
    /// Deletes a thread without sessions (THD8). Idempotent.
    DeleteThread {
        /// Which.
        thread: ThreadId,
    },
    /// Deletes a thread with everything in it, if nothing in it is at work (THD13). Idempotent. Its bytes may stay on the
    /// medium until the journal is scrubbed. Workspaces outside of the journal follow it, if no work would be lost; the
    /// [reaper](crate::store::Store::reap) takes the rest, and their snapshots.
    PurgeThread {
        /// Which.
        thread: ThreadId,
    },
    /// Removes the messages and authors of these entries for ever (J13), and the draft of one that stands for a child; deleted
    /// sessions' entries too, in archived threads too; their places, times and links stay, and the people the thread's card names. 1 to 256 entries of the
    /// thread. Erasing again writes nothing, and finishes what was cut off. Bytes may stay on the medium until the journal
    /// is scrubbed. The key of a command whose first entry is erased counts as expired.
    EraseEntries {
        /// Which thread.
        thread: ThreadId,
        /// Which entries.
        entries: Vec<EntryId>,
    },
    /// Says that the feed of a thread begins after a version from here on (EVT4): who asks for what is before is told so, by
    /// `Trimmed`. Nothing else changes, and nothing is removed. Also in archived threads; up to less than before it writes
    /// nothing.
    TrimFeed {
        /// Which thread.
        thread: ThreadId,
        /// Up to which version, the head at most.
        upto: Version,
    },
    /// Finishes erasures that were cut off, and collects blobs that no record names and that are older than a day
    /// (J19). Reads the whole thread; writes no record.
    VacuumThread {
        /// Which.
        thread: ThreadId,
    },
}

/// What a thread command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A project that is to be made.
    NewProject,
    /// A project, or a thread to make in it.
    Project(ProjectId),
    /// A thread.
    Thread(ThreadId),
}

/// Entries of one erasure.
const ERASE_ENTRIES: usize = 256;

impl NewThread {
    fn check(&self) -> Result<()> {
        optional(self.external_id.as_deref(), check_external_id)?;
        check_text("title", &self.title)?;
        self.labels.check()?;
        optional(self.budget.as_ref(), Budget::check)?;
        check_initial(&self.state)
    }
}

impl ThreadCommand {
    /// The thread that it creates, and the thread's first session.
    pub(crate) const fn new_thread(&self) -> Option<(&NewThread, Option<&NewSession>)> {
        match self {
            Self::CreateThread { thread, .. } => Some((thread, None)),
            Self::BeginThread { thread, session, .. } => Some((thread, Some(session))),
            _ => None,
        }
    }

    /// Checks the command as far as that is possible without state, and tells what its decision needs. What is
    /// malformed comes before what belongs to another tenant.
    pub(crate) fn describe(&self, caller: &Caller) -> Result<Description<Target>> {
        let mut check = Check::of(caller);
        if caller.lease.is_some() {
            return Err(Error::invalid("lease", "this command writes to no session"));
        }
        let description = match self {
            Self::CreateProject { project } => {
                optional(project.external_id.as_deref(), check_external_id)?;
                check_text("name", &project.name)?;
                project.config.check()?;
                Description::keyed(Target::NewProject)
            }
            Self::UpdateProject { project, update, .. } => {
                optional(update.name.as_deref(), |name| check_text("name", name))?;
                optional(update.config.as_ref(), |config| config.check())?;
                Description::keyed(Target::Project(*project))
            }
            Self::ArchiveProject { project } | Self::ReopenProject { project } => {
                Description::keyed(Target::Project(*project))
            }
            Self::DeleteProject { project } => Description::unkeyed(Target::Project(*project)),
            Self::CreateThread { project, thread } => {
                thread.check()?;
                Description::keyed(Target::Project(*project))
            }
            Self::BeginThread { project, thread, session } => {
                thread.check()?;
                if session.parent.is_some() {
                    let reason = "the first session of a thread has no parent";
                    return Err(Error::invalid("parent", reason));
                }
                if session.fork.is_some() {
                    let reason = "the first session of a thread has nothing to continue";
                    return Err(Error::invalid("fork", reason));
                }
                if let WorkspaceChoice::Make(_) = session.workspace {
                    let reason =
                        "a session that is begun with its thread gets its workspace afterwards";
                    return Err(Error::invalid("workspace", reason));
                }
                session.check(&mut check)?;
                Description::keyed(Target::Project(*project))
            }
            Self::UpdateThread { thread, update, .. } => {
                optional(update.title.as_deref(), |title| check_text("title", title))?;
                optional(update.labels.as_ref(), |labels| labels.check())?;
                optional(update.budget.as_ref().and_then(Option::as_ref), Budget::check)?;
                Description::keyed(Target::Thread(*thread))
            }
            Self::ArchiveThread { thread } | Self::ReopenThread { thread } => {
                Description::keyed(Target::Thread(*thread))
            }
            Self::DeleteThread { thread }
            | Self::ReturnBudget { thread }
            | Self::PurgeThread { thread }
            | Self::TrimFeed { thread, .. }
            | Self::VacuumThread { thread } => Description::unkeyed(Target::Thread(*thread)),
            Self::EraseEntries { thread, entries } => {
                check_count(entries.len(), ERASE_ENTRIES)?;
                entries.iter().for_each(|entry| check.entry(Some(*entry)));
                Description::keyed(Target::Thread(*thread))
                    .with_facts(entries.iter().map(|entry| entry.version()))
            }
        };
        match description.target {
            Target::NewProject => {
                check.done(caller.tenant.tag(), Subject::Actor { field: "actor" })?
            }
            Target::Project(project) => check.done(project.tag(), project)?,
            Target::Thread(thread) => check.done(thread.tag(), thread)?,
        }
        Ok(description)
    }
}

/// What a [`ThreadCommand`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThreadOutcome {
    /// The project exists.
    ProjectCreated(Created<ProjectId>),
    /// The thread exists.
    ThreadCreated(Created<ThreadId>),
    /// The thread exists, with the session.
    ThreadBegun(Begun),
    /// The change stands in the record at this version; for what wrote nothing, the version that made it so.
    Changed(Version),
    /// It is gone, or never was.
    Deleted,
    /// This many blobs were collected.
    Vacuumed(u64),
}

/// Where to list threads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThreadScope {
    /// All of the tenant's.
    Tenant,
    /// A project's.
    Project(ProjectId),
    /// Those a person created or wrote in, across projects (THD12). A thread's card keeps its creator and the 7 people
    /// who wrote in it last.
    User(UserId),
}

/// Which threads to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadFilter {
    /// Where.
    pub scope: ThreadScope,
    /// By id, or by the last commit, newest first.
    pub order: ListOrder,
    /// Only with this label.
    pub label: Option<(String, String)>,
}

impl ThreadFilter {
    /// All of a scope, by id.
    pub const fn of(scope: ThreadScope) -> Self {
        Self { scope, order: ListOrder::Id, label: None }
    }

    /// By the last commit, newest first.
    #[must_use]
    pub const fn newest_first(mut self) -> Self {
        self.order = ListOrder::Updated;
        self
    }

    /// Only with this label.
    #[must_use]
    pub fn labelled(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.label = Some((key.into(), value.into()));
        self
    }
}

/// Questions about projects and threads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThreadQuery {
    /// One project.
    Project(ProjectId),
    /// The tenant's project with this external id: one look-up, however many projects there are (XID2).
    ProjectByExternalId(String),
    /// The tenant's projects, by id.
    Projects(Paging),
    /// One thread.
    Thread(ThreadId),
    /// The thread of a project with this external id: one look-up, however many threads there are (XID2).
    ThreadByExternalId(ProjectId, String),
    /// Threads.
    Threads(ThreadFilter, Paging),
    /// Entries of a session, of a thread or of a project, newest or oldest first; with a text it is a search (TLN1 to TLN3). A
    /// page looks at about 4,096 records, and 64 more for each thread that it opens, and may be short or empty while there is
    /// more.
    Timeline(TimelineScope, Box<TimelineFilter>, Paging),
    /// What a project cost: the sum over its threads, each at its own head.
    ProjectUsage(ProjectId),
}

/// The totals of a project, and the heads they were read at. Nothing else is promised across threads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProjectUsage {
    /// The sum.
    pub roll_up: RollUp,
    /// The head of each thread that was added.
    pub heads: BTreeMap<ThreadId, Version>,
}

/// The answer to a [`ThreadQuery`], in its order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ThreadAnswer {
    /// The project, if it exists.
    Project(Option<Project>),
    /// A page of projects.
    Projects(Page<Project>),
    /// The thread, if it exists.
    Thread(Option<Thread>),
    /// A page of a timeline.
    Timeline(Page<TimelineRow>),
    /// A page of threads.
    Threads(Page<ThreadRow>),
    /// What the project cost.
    ProjectUsage(ProjectUsage),
}
