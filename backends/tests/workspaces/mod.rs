//! Workspace drivers of this crate, each with what it works on, below the directory of a clause.

use std::{path::Path, process::Command};

use sessile::{Result, directory::Directory, git_worktree::GitWorktree};
use sessile_conformance::Dir;

/// Copies of a small folder.
pub(crate) async fn directory(dir: Dir) -> Result<Directory> {
    let template = dir.path().join("template");
    if !template.exists() {
        write(&template.join("README.md"), "begin here\n");
        write(&template.join("src/main.txt"), "text\n");
        std::fs::create_dir_all(template.join("empty")).expect("a folder");
    }
    Ok(Directory::new(dir.path().join("workspaces"))?.with_template(template))
}

/// Worktrees of a small repository.
pub(crate) async fn git_worktree(dir: Dir) -> Result<GitWorktree> {
    let repository = dir.path().join("repository");
    if !repository.exists() {
        write(&repository.join("README.md"), "begin here\n");
        write(&repository.join("src/main.txt"), "text\n");
        for arguments in [
            &["init", "--quiet", "--initial-branch=main"][..],
            &["add", "--all"],
            &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=first"],
        ] {
            let git = Command::new("git").current_dir(&repository).args(arguments).output();
            let output = git.expect("git runs");
            assert!(output.status.success(), "{output:?}");
        }
    }
    GitWorktree::open(repository, dir.path().join("worktrees")).await
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}
