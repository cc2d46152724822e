//! Which kinds of workspaces a command can work with, beside `virtual`.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use sessile::{directory::Directory, git_worktree::GitWorktree, workspace::WorkspaceDrivers};

use crate::fail::{Fail, Result};

#[derive(Args)]
pub(super) struct Drivers {
    /// The repository whose worktrees are workspaces of kind git_worktree
    #[arg(long, global = true, value_name = "PATH")]
    repository: Option<PathBuf>,
    /// The folder of those worktrees
    #[arg(long, global = true, value_name = "PATH")]
    worktrees: Option<PathBuf>,
    /// The folder of workspaces of kind directory
    #[arg(long, global = true, value_name = "PATH")]
    directories: Option<PathBuf>,
    /// What each of those begins as a copy of
    #[arg(long, global = true, value_name = "PATH")]
    template: Option<PathBuf>,
}

impl Drivers {
    pub(super) async fn open(&self) -> Result<WorkspaceDrivers> {
        let mut drivers = WorkspaceDrivers::default();
        match (&self.repository, &self.worktrees) {
            (Some(repository), Some(worktrees)) => {
                let driver = GitWorktree::open(repository, worktrees).await?;
                drivers = drivers.with(Arc::new(driver))?;
            }
            (None, None) => {}
            _ => {
                let reason = "--repository and --worktrees go together: give both";
                return Err(Fail::input(reason));
            }
        }
        match (&self.directories, &self.template) {
            (Some(root), template) => {
                let mut driver = Directory::new(root)?;
                if let Some(template) = template {
                    driver = driver.with_template(template);
                }
                drivers = drivers.with(Arc::new(driver))?;
            }
            (None, Some(_)) => return Err(Fail::input("--template needs --directories")),
            (None, None) => {}
        }
        Ok(drivers)
    }
}
