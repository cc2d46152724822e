//! `sessile workspace`: the files that agents work in.

mod change;
mod diff;
mod drivers;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sessile::{Store, handle::Handle, id::WorkspaceId, workspace::TreeId};

use crate::{
    Status,
    address::{self, Scope},
    fail::Result,
    find,
    report::Out,
};

/// The commands.
#[derive(Args)]
pub(crate) struct Workspaces {
    #[command(subcommand)]
    command: Workspace,
    #[command(flatten)]
    drivers: drivers::Drivers,
}

#[derive(Subcommand)]
enum Workspace {
    /// List the workspaces of all threads, or of one
    Ls {
        /// The store
        store: String,
        /// Only of this thread: its id, or its ending
        #[arg(long = "in", value_name = "THREAD")]
        within: Option<String>,
    },
    /// Make a workspace for a session that has none
    Create {
        /// The store
        store: String,
        /// The session's id, or its ending
        session: String,
        /// The kind: virtual, git_worktree or directory
        #[arg(long, default_value = "virtual")]
        kind: String,
        /// What to call it; without it, made of the session's name
        #[arg(long)]
        label: Option<String>,
        /// What it begins as: for git_worktree a branch or commit, for virtual a tree
        #[arg(long)]
        base: Option<String>,
    },
    /// Show a workspace and what lies in it
    Show {
        /// The store
        store: String,
        /// The workspace's id, or its ending
        workspace: String,
    },
    /// Show what changed in a workspace since it was kept last, or between two trees
    Diff {
        /// The store
        store: String,
        /// The workspace's id, or its ending
        workspace: String,
        /// The tree to compare with; without it the one that was kept last, or what it began with
        #[arg(long, value_name = "TREE")]
        from: Option<TreeId>,
        /// Another tree; without it what the workspace holds now
        #[arg(long, value_name = "TREE")]
        to: Option<TreeId>,
        /// Only the names
        #[arg(long)]
        names: bool,
    },
    /// Keep what a workspace holds as a tree, as long as its thread lives
    Keep {
        /// The store
        store: String,
        /// The workspace's id, or its ending
        workspace: String,
    },
    /// Write the files of a workspace into an empty folder
    Checkout {
        /// The store
        store: String,
        /// The workspace's id, or its ending
        workspace: String,
        /// The folder; made if it does not exist
        folder: PathBuf,
    },
    /// Make a workspace hold what a folder holds
    Commit {
        /// The store
        store: String,
        /// The workspace's id, or its ending
        workspace: String,
        /// The folder
        folder: PathBuf,
    },
    /// Remove a workspace, if no work is lost
    Dispose {
        /// The store
        store: String,
        /// The workspace's id, or its ending
        workspace: String,
        /// Remove it with the work in it
        #[arg(long)]
        force: bool,
    },
    /// Remove workspaces that nobody owns: their sessions are gone, or a crash left them
    Reap {
        /// The store
        store: String,
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
        /// Remove those that hold work, too
        #[arg(long)]
        force: bool,
    },
}

impl Workspace {
    fn store(&self) -> &str {
        match self {
            Self::Ls { store, .. }
            | Self::Create { store, .. }
            | Self::Show { store, .. }
            | Self::Diff { store, .. }
            | Self::Keep { store, .. }
            | Self::Checkout { store, .. }
            | Self::Commit { store, .. }
            | Self::Dispose { store, .. }
            | Self::Reap { store, .. } => store,
        }
    }
}

/// Runs a command.
pub(crate) async fn run(out: &mut Out, scope: &Scope, args: &Workspaces) -> Result<Status> {
    let drivers = args.drivers.open().await?;
    let store = address::open_with(args.command.store(), |it| it.with_workspaces(drivers)).await?;
    let handle = scope.caller(&store, "workspaces")?;
    let done = carry_out(out, &store, &handle, &args.command).await;
    let closed = store.close().await;
    let status = done?;
    closed?;
    Ok(status)
}

async fn carry_out(
    out: &mut Out,
    store: &Store,
    handle: &Handle,
    command: &Workspace,
) -> Result<Status> {
    let find = |text| find::workspace(handle, text);
    match command {
        Workspace::Ls { within, .. } => show::list(out, handle, within.as_deref()).await?,
        Workspace::Create { session, kind, label, base, .. } => {
            change::create(out, handle, session, kind, (label.as_deref(), base.as_deref())).await?;
        }
        Workspace::Show { workspace, .. } => show::one(out, handle, find(workspace).await?).await?,
        Workspace::Diff { workspace, from, to, names, .. } => {
            let id: WorkspaceId = find(workspace).await?;
            return diff::show(out, handle, id, (from.as_ref(), to.as_ref()), *names).await;
        }
        Workspace::Keep { workspace, .. } => {
            change::keep(out, handle, find(workspace).await?).await?;
        }
        Workspace::Checkout { workspace, folder, .. } => {
            change::checkout(out, handle, find(workspace).await?, folder).await?;
        }
        Workspace::Commit { workspace, folder, .. } => {
            change::commit(out, handle, find(workspace).await?, folder).await?;
        }
        Workspace::Dispose { workspace, force, .. } => {
            return change::dispose(out, handle, find(workspace).await?, *force).await;
        }
        Workspace::Reap { dry_run, force, .. } => {
            return change::reap(out, store, handle, *dry_run, *force).await;
        }
    }
    Ok(Status::Fine)
}
