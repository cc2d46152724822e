//! Each rule of the driver, with a real `git`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests: also in what they share"
)]

mod create;
mod dispose;
mod include;
mod names;
mod races;
mod repositories;
mod snapshots;
mod states;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command as Program,
    slice,
};

use sessile_core::{
    id::{ThreadId, WorkspaceId},
    workspace::{FileChange, Label},
};
use tempfile::TempDir;

use super::*;

const STORE: u128 = 7 << 96;

/// Runs `git` and answers what it says.
fn git(folder: &Path, args: &[&str]) -> String {
    let out = Program::new("git")
        .current_dir(folder)
        .args(["-c", "protocol.file.allow=always"])
        .args(args)
        .env("GIT_AUTHOR_NAME", "ann")
        .env("GIT_AUTHOR_EMAIL", "ann@example.org")
        .env("GIT_COMMITTER_NAME", "ann")
        .env("GIT_COMMITTER_EMAIL", "ann@example.org")
        .output()
        .unwrap();
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim_end().to_owned()
}

fn commit(folder: &Path, path: &str, content: &str) -> String {
    let file = folder.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
    git(folder, &["add", "-f", "--", path]);
    git(folder, &["commit", "-qm", path]);
    git(folder, &["rev-parse", "HEAD"])
}

/// A repository with a commit, and a root beside it.
struct Fixture {
    temp: TempDir,
    repository: PathBuf,
    root: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(temp.path()).unwrap();
        let (repository, root) = (top.join("repository"), top.join("root"));
        fs::create_dir(&repository).unwrap();
        git(&repository, &["init", "-q", "-b", "main"]);
        fs::write(repository.join(".gitignore"), "*.ignored\nbuild/\n.env*\n").unwrap();
        fs::create_dir(repository.join("src")).unwrap();
        fs::write(repository.join("src/main.rs"), "fn main() {}\n").unwrap();
        git(&repository, &["add", "."]);
        git(&repository, &["commit", "-qm", "begin"]);
        Self { temp, repository, root }
    }

    async fn driver(&self) -> GitWorktree {
        GitWorktree::open(&self.repository, &self.root).await.unwrap()
    }

    fn path(&self, of: &WorkspaceRef) -> PathBuf {
        self.root.join(of.name.to_string())
    }
}

fn name(label: &str, version: u64) -> WorkspaceName {
    let id = WorkspaceId::new(ThreadId::from_bits(42), version);
    WorkspaceName::new(Label::new(label).unwrap(), STORE, id)
}

fn tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

fn as_ref(name: &WorkspaceName, begun: &Begun) -> WorkspaceRef {
    WorkspaceRef {
        tenant: tenant(),
        name: name.clone(),
        reference: begun.reference.clone(),
        saved: begun.tree.clone(),
    }
}

async fn create(driver: &GitWorktree, label: &str) -> WorkspaceRef {
    let name = name(label, 1);
    let begun = driver.create(&tenant(), &name, None).await.unwrap();
    as_ref(&name, &begun)
}

fn path(text: &str) -> FilePath {
    FilePath::new(text).unwrap()
}

async fn write(driver: &GitWorktree, of: &WorkspaceRef, at: &str, content: &[u8]) {
    driver.change_files(of, &[FileChange::write(path(at), content)]).await.unwrap();
}

async fn dirty(driver: &GitWorktree, of: &WorkspaceRef) -> bool {
    driver.inspect(of).await.unwrap().unwrap().dirty
}

/// All files of a folder but those of objects and logs, by path: what a repository is.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(at) = waiting.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                if entry.file_name() != "objects" {
                    found.insert(entry.path(), b"folder".to_vec());
                    waiting.push(entry.path());
                }
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path()).unwrap();
                found.insert(entry.path(), target.as_os_str().as_encoded_bytes().to_vec());
            } else {
                found.insert(entry.path(), fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

/// Nothing of the driver is left but its lock and its empty trash.
fn assert_empty(fixture: &Fixture) {
    for entry in fs::read_dir(&fixture.root).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() == ".trash" {
            assert_eq!(fs::read_dir(entry.path()).unwrap().count(), 0);
        } else {
            assert_eq!(entry.file_name(), ".lock");
        }
    }
    assert_eq!(git(&fixture.repository, &["worktree", "list"]).lines().count(), 1);
    assert!(!fixture.repository.join(".git/worktrees").exists());
    let refs =
        git(&fixture.repository, &["for-each-ref", "refs/heads/sessile", "refs/sessile/base"]);
    assert_eq!(refs, "");
}

#[cfg(unix)]
fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
