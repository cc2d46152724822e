//! Projects and threads.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Caller, Page, Paging, check_initial,
    describe::{Check, Description, check_count, optional},
};
use crate::{
    error::{Error, Result, Subject},
    id::{EntryId, ProjectId, ThreadId, UserId, Version},
    journal::ListOrder,
    json::Json,
    model::{Labels, Project, ProjectConfig, RollUp, Thread, ThreadRow, check_text},
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
    /// Its title, 0 to 256 bytes.
    pub title: String,
    /// Its labels.
    pub labels: Labels,
    /// What its state begins with, in the commit of its version 1: at most 1,024 keys of 1 to 256 bytes, together 256 KiB
    /// as JSON.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub state: BTreeMap<String, Json>,
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
}

/// What a thread becomes; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UpdateThread {
    /// Its title.
    pub title: Option<String>,
    /// Its labels, whole.
    pub labels: Option<Labels>,
}

/// Writes to projects and threads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ThreadCommand {
    /// Creates a project. With a key, its id follows from tenant and key.
    CreateProject {
        /// Its name, 0 to 256 bytes.
        name: String,
        /// Its caps.
        config: ProjectConfig,
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
    /// Changes title or labels, if the thread's version is the expected one (THD3).
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
    /// Deletes a thread without sessions (THD8). Idempotent.
    DeleteThread {
        /// Which.
        thread: ThreadId,
    },
    /// Deletes a thread with everything in it, if nothing in it is at work (THD13). Idempotent. Its bytes may stay on the
    /// medium until the journal is scrubbed.
    PurgeThread {
        /// Which.
        thread: ThreadId,
    },
    /// Removes the messages and authors of these entries for ever (J13), deleted sessions' entries too, in archived
    /// threads too; their places, times and links stay, and the people the thread's card names. 1 to 256 entries of the
    /// thread. Erasing again writes nothing, and finishes what was cut off. Bytes may stay on the medium until the journal
    /// is scrubbed. The key of a command whose first entry is erased counts as expired.
    EraseEntries {
        /// Which thread.
        thread: ThreadId,
        /// Which entries.
        entries: Vec<EntryId>,
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

impl ThreadCommand {
    /// Checks the command as far as that is possible without state, and tells what its decision needs. What is
    /// malformed comes before what belongs to another tenant.
    pub(crate) fn describe(&self, caller: &Caller) -> Result<Description<Target>> {
        let mut check = Check::of(caller);
        if caller.lease.is_some() {
            return Err(Error::invalid("lease", "this command writes to no session"));
        }
        let description = match self {
            Self::CreateProject { name, config } => {
                check_text("name", name)?;
                config.check()?;
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
                check_text("title", &thread.title)?;
                thread.labels.check()?;
                check_initial(&thread.state)?;
                Description::keyed(Target::Project(*project))
            }
            Self::UpdateThread { thread, update, .. } => {
                optional(update.title.as_deref(), |title| check_text("title", title))?;
                optional(update.labels.as_ref(), |labels| labels.check())?;
                Description::keyed(Target::Thread(*thread))
            }
            Self::ArchiveThread { thread } | Self::ReopenThread { thread } => {
                Description::keyed(Target::Thread(*thread))
            }
            Self::DeleteThread { thread }
            | Self::PurgeThread { thread }
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
    ProjectCreated(ProjectId),
    /// The thread exists.
    ThreadCreated(ThreadId),
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
    /// The tenant's projects, by id.
    Projects(Paging),
    /// One thread.
    Thread(ThreadId),
    /// Threads.
    Threads(ThreadFilter, Paging),
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
    /// A page of threads.
    Threads(Page<ThreadRow>),
    /// What the project cost.
    ProjectUsage(ProjectUsage),
}
