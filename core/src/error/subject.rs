//! What an error is about, as a value.

use std::{fmt, sync::Arc};

use crate::{
    command::StateScope,
    id::{
        ArchiveId, CollapseId, EntryId, ProjectId, RunId, SessionId, Space, SubSessionId,
        SummaryId, ThreadId, Version, WorkspaceId,
    },
    journal::BlobName,
    workspace::{FilePath, TreeId},
};

/// What an error is about. Its text names the kind first: `session ses_…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// A project.
    Project(ProjectId),
    /// A thread.
    Thread(ThreadId),
    /// A session.
    Session(SessionId),
    /// An edge.
    Edge(SubSessionId),
    /// A run.
    Run(RunId),
    /// An entry.
    Entry(EntryId),
    /// A task of a thread.
    Task {
        /// Where it was looked for.
        thread: ThreadId,
        /// Its name as it was given.
        task: Arc<str>,
    },
    /// A key of a state.
    StateKey(Arc<StateKey>),
    /// The actor in a field of the request.
    Actor {
        /// The field.
        field: &'static str,
    },
    /// A record of a journal.
    Record {
        /// The journal.
        space: Arc<Space>,
        /// Its version.
        version: Version,
    },
    /// A blob of a journal.
    Blob {
        /// The journal.
        space: Arc<Space>,
        /// Its name.
        name: BlobName,
    },
    /// A file or an object of a store.
    File(Arc<str>),
    /// A summary.
    Summary(SummaryId),
    /// A collapse.
    Collapse(CollapseId),
    /// A workspace.
    Workspace(WorkspaceId),
    /// An archiving of a session, and its bundle.
    Archive(ArchiveId),
    /// A file, link or folder of a workspace.
    WorkspaceFile(FilePath),
    /// A tree that a workspace held.
    Tree(TreeId),
}

/// A key of the state of a session or of a thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StateKey {
    /// Whose state.
    pub of: StateScope,
    /// The key as it was given.
    pub key: String,
}

impl From<StateKey> for Subject {
    fn from(key: StateKey) -> Self {
        Self::StateKey(Arc::new(key))
    }
}

/// The session or thread whose state it is.
impl From<StateScope> for Subject {
    fn from(of: StateScope) -> Self {
        match of {
            StateScope::Session(session) => Self::Session(session),
            StateScope::Thread(thread) => Self::Thread(thread),
        }
    }
}

impl Subject {
    /// A record of a journal.
    pub fn record(space: &Space, version: Version) -> Self {
        Self::Record { space: Arc::new(space.clone()), version }
    }

    /// A blob of a journal.
    pub fn blob(space: &Space, name: &BlobName) -> Self {
        Self::Blob { space: Arc::new(space.clone()), name: name.clone() }
    }

    /// A file or an object of a store.
    pub fn file(name: impl fmt::Display) -> Self {
        Self::File(name.to_string().into())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project(id) => write!(f, "project {id}"),
            Self::Thread(id) => write!(f, "thread {id}"),
            Self::Session(id) => write!(f, "session {id}"),
            Self::Edge(id) => write!(f, "edge {id}"),
            Self::Run(id) => write!(f, "run {id}"),
            Self::Entry(id) => write!(f, "entry {id}"),
            Self::Task { thread, task } => write!(f, "task {task:?} in thread {thread}"),
            Self::StateKey(state) => {
                write!(f, "key {:?} of the state of {}", state.key, Self::from(state.of))
            }
            Self::Actor { field } => write!(f, "the actor in `{field}`"),
            Self::Record { space, version } => {
                write!(f, "record {version} of {}", JournalName(space))
            }
            Self::Blob { space, name } => write!(f, "blob {} of {}", name.0, JournalName(space)),
            Self::File(name) => f.write_str(name),
            Self::Summary(id) => write!(f, "summary {id}"),
            Self::Collapse(id) => write!(f, "collapse {id}"),
            Self::Workspace(id) => write!(f, "workspace {id}"),
            Self::Archive(id) => write!(f, "archive {id}"),
            Self::WorkspaceFile(path) => write!(f, "file {path} of the workspace"),
            Self::Tree(tree) => write!(f, "tree {tree}"),
        }
    }
}

/// A journal as people know it: by the id of its project or thread, and the tenant.
pub(super) struct JournalName<'a>(pub(super) &'a Space);

impl fmt::Display for JournalName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of tenant {}", Subject::from(self.0), self.0.tenant())
    }
}

/// The project or thread whose journal it is.
impl From<&Space> for Subject {
    fn from(space: &Space) -> Self {
        match (space.thread(), space.project()) {
            (Some(thread), _) => Self::Thread(thread),
            (None, Some(project)) => Self::Project(project),
            (None, None) => Self::File(space.to_string().into()),
        }
    }
}

macro_rules! from_id {
    ($($id:ident => $variant:ident),*) => {
        $(impl From<$id> for Subject {
            fn from(id: $id) -> Self {
                Self::$variant(id)
            }
        })*
    };
}

from_id!(
    ProjectId => Project,
    ThreadId => Thread,
    SessionId => Session,
    SubSessionId => Edge,
    RunId => Run,
    EntryId => Entry,
    SummaryId => Summary,
    CollapseId => Collapse,
    WorkspaceId => Workspace,
    ArchiveId => Archive,
    FilePath => WorkspaceFile,
    TreeId => Tree
);
