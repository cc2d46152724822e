//! Workspaces: the files that agents work in.
//!
//! A *workspace* is a set of files that one session owns: a worktree of a repository, a copy of a folder, a tree that is
//! kept in the journal itself. A [`WorkspaceDriver`] makes one kind of them, and knows nothing of sessions, owners and
//! leases: those stand in the thread's journal, and the store compares the two. The record of a workspace is there before
//! its first file and until its last one is gone, so that whatever a crash leaves can be told from what is in use.
//!
//! The laws are numbered WSP1 to WSP11 in `CONTRACT.md` of the conformance suite.

mod driver;
mod file;
mod name;
mod node;
mod path;
mod reap;
mod registry;
mod tree;
mod virtual_tree;

pub use driver::{
    Begun, Disposal, Inspection, WorkspaceCapabilities, WorkspaceDriver, WorkspaceRef,
};
pub use file::{FileChange, FileEntry, FileKind};
pub use name::{Label, WorkspaceName};
pub(crate) use name::{check_kind, check_label};
pub use node::{Node, NodeEntry, NodeReader, ObjectRef, diff_trees};
pub use path::FilePath;
pub use reap::{Leak, Leaked, Reap, ReapOutcome, Reaped};
pub use registry::WorkspaceDrivers;
pub use tree::{Change, TreeChange, TreeId};
pub use virtual_tree::VirtualDriver;
