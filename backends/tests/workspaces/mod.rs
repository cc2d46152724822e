//! Workspace drivers of this crate, each with what it works on, below the directory of a clause.

mod audit;

use std::{path::Path, process::Command};

use sessile::{Result, directory::Directory, git_worktree::GitWorktree};
use sessile_conformance::Dir;

pub(crate) use audit::{audit_directory, audit_git_worktree};

/// What a driver works on, as it was before.
const BEFORE: &str = "before";
const TEMPLATE: &str = "template";
const REPOSITORY: &str = "repository";

/// Copies of a small folder.
pub(crate) async fn directory(dir: Dir) -> Result<Directory> {
    let template = dir.path().join(TEMPLATE);
    if !template.exists() {
        for folder in [template.clone(), dir.path().join(BEFORE)] {
            write(&folder.join("README.md"), "begin here\n");
            write(&folder.join("src/main.txt"), "text\n");
            std::fs::create_dir_all(folder.join("empty")).expect("a folder");
        }
    }
    Ok(Directory::new(dir.path().join("workspaces"))?.with_template(template))
}

/// Worktrees of a small repository.
pub(crate) async fn git_worktree(dir: Dir) -> Result<GitWorktree> {
    let repository = dir.path().join(REPOSITORY);
    if !repository.exists() {
        write(&repository.join("README.md"), "begin here\n");
        write(&repository.join("src/main.txt"), "text\n");
        let who = ["-c", "user.name=a", "-c", "user.email=a@b"];
        git(&repository, &["init", "--quiet", "--initial-branch=main"]);
        git(&repository, &["add", "--all"]);
        git(&repository, &[&who[..], &["commit", "--quiet", "--message=first"]].concat());
        let copied = Command::new("cp")
            .arg("-r")
            .args([&repository, &dir.path().join(BEFORE)])
            .status()
            .expect("cp runs");
        assert!(copied.success());
    }
    GitWorktree::open(repository, dir.path().join("worktrees")).await
}

fn git(repository: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").current_dir(repository).args(arguments).output();
    let output = output.expect("git runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}
