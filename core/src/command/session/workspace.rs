//! Which workspace a session gets.

use serde::{Deserialize, Serialize};

use crate::{
    command::describe::{Check, optional},
    error::{Error, Result},
    id::WorkspaceId,
    workspace::{Label, TreeId, check_kind},
};

/// Bytes of a base.
const BASE_BYTES: usize = 1024;

/// Whether a session must have its workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Need {
    /// A kind without a driver in this store is `Unsupported`, before anything is done.
    #[default]
    Required,
    /// A kind without a driver in this store gives none, and the outcome says so.
    IfRegistered,
}

/// What a workspace begins as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorkspaceSource {
    /// What its driver begins with.
    #[default]
    Default,
    /// A base that its driver understands: a branch, a commit, a tree. At most 1 KiB; `Invalid` if it is none.
    Base(String),
    /// Another workspace of the thread, as it is, or as it was in a tree. The kind is that one's.
    Branch(WorkspaceId, Option<TreeId>),
    /// The workspace of the session that this one is a fork of: as it is, or as it was kept last before the version at which
    /// they part (WSP10). The kind is that one's.
    Fork,
}

/// A workspace to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewWorkspace {
    /// The kind of its driver; without it that of the source, or the project's default.
    pub kind: Option<String>,
    /// Whether it must be made.
    pub need: Need,
    /// What people call it; without it, made of the session's name.
    pub label: Option<Label>,
    /// What it begins as.
    pub source: WorkspaceSource,
}

impl NewWorkspace {
    /// Of this kind.
    pub fn of_kind(kind: impl Into<String>) -> Self {
        Self { kind: Some(kind.into()), ..Self::default() }
    }

    /// A branch of another workspace of the thread.
    pub fn branch_of(workspace: WorkspaceId) -> Self {
        Self { source: WorkspaceSource::Branch(workspace, None), ..Self::default() }
    }

    /// A branch of the workspace of the session that is forked.
    pub fn fork() -> Self {
        Self { source: WorkspaceSource::Fork, ..Self::default() }
    }

    /// With a label.
    #[must_use]
    pub fn with_label(mut self, label: Label) -> Self {
        self.label = Some(label);
        self
    }

    /// From a base that its driver understands.
    #[must_use]
    pub fn from_base(mut self, base: impl Into<String>) -> Self {
        self.source = WorkspaceSource::Base(base.into());
        self
    }

    /// As the source was in a tree; for a branch only.
    #[must_use]
    pub fn at_tree(mut self, tree: TreeId) -> Self {
        if let WorkspaceSource::Branch(_, at) = &mut self.source {
            *at = Some(tree);
        }
        self
    }

    /// Only if its kind has a driver.
    #[must_use]
    pub const fn if_registered(mut self) -> Self {
        self.need = Need::IfRegistered;
        self
    }

    pub(in crate::command) fn check(&self, check: &mut Check<'_>, is_fork: bool) -> Result<()> {
        optional(self.kind.as_deref(), check_kind)?;
        match &self.source {
            WorkspaceSource::Default => Ok(()),
            WorkspaceSource::Base(base) if base.is_empty() || base.len() > BASE_BYTES => {
                let reason = format!("{} bytes, where 1 to {BASE_BYTES} are allowed", base.len());
                Err(Error::invalid("base", reason))
            }
            WorkspaceSource::Base(base) if base.chars().any(char::is_control) => {
                Err(Error::invalid("base", "contains a control character"))
            }
            WorkspaceSource::Base(_) => Ok(()),
            WorkspaceSource::Branch(workspace, _) => {
                check.workspace(*workspace);
                Ok(())
            }
            WorkspaceSource::Fork if is_fork => Ok(()),
            WorkspaceSource::Fork => {
                Err(Error::invalid("workspace", "the session is no fork of another"))
            }
        }
    }
}

/// Which workspace a new session gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorkspaceChoice {
    /// One of the kind that its project says, if it says one.
    #[default]
    ProjectDefault,
    /// None.
    None,
    /// This one.
    Make(NewWorkspace),
}

impl WorkspaceChoice {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::ProjectDefault
    }
}

/// The workspace that a session got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GivenWorkspace {
    /// None: none was asked for, and its project has no default.
    #[default]
    None,
    /// None: there is no driver of that kind, and it was not required.
    NotRegistered,
    /// This one.
    Ready(WorkspaceId),
}

impl GivenWorkspace {
    /// The workspace, if it got one.
    pub const fn id(self) -> Option<WorkspaceId> {
        match self {
            Self::Ready(id) => Some(id),
            Self::None | Self::NotRegistered => None,
        }
    }
}
