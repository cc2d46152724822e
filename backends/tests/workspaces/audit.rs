//! What a person sees who looks at the medium: no more than what is claimed, and all else as it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use sessile::workspace::WorkspaceName;
use sessile_conformance::Dir;

use super::{BEFORE, REPOSITORY, TEMPLATE, git};

/// Files below a folder with their contents.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(inner) = folders.pop() {
        for entry in std::fs::read_dir(&inner).expect("a folder") {
            let path = entry.expect("an entry").path();
            if std::fs::symlink_metadata(&path).expect("it is there").is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("a path below").to_path_buf();
                all.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    all
}

/// The names in a folder, but for those that begin with a dot: they are the driver's own.
fn names(folder: &Path) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeSet::new() };
    entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a text"))
        .filter(|name| !name.starts_with('.'))
        .collect()
}

/// The folders of workspaces are those that are claimed, nothing is half made or half removed, and the template is as it was.
pub(crate) async fn audit_directory(dir: Dir, claimed: Vec<WorkspaceName>) {
    let root = dir.path().join("workspaces");
    let claimed: BTreeSet<_> = claimed.iter().map(ToString::to_string).collect();
    for place in ["workspaces", "index"] {
        assert_eq!(names(&root.join(place)), claimed, "{place}");
    }
    for place in ["making", "trash"] {
        assert_eq!(names(&root.join(place)), BTreeSet::new(), "{place}");
    }
    let (before, now) = (dir.path().join(BEFORE), dir.path().join(TEMPLATE));
    assert_eq!(contents(&now), contents(&before), "the template");
}

/// Worktrees, branches, bases and folders are those that are claimed; the repository's own files, refs, index and config are as
/// they were, byte for byte.
pub(crate) async fn audit_git_worktree(dir: Dir, claimed: Vec<WorkspaceName>) {
    let repository = dir.path().join(REPOSITORY);
    let root = dir.path().join("worktrees").canonicalize().expect("the root");
    let claimed: BTreeSet<_> = claimed.iter().map(ToString::to_string).collect();
    assert_eq!(names(&root), claimed, "folders");

    let listed = git(&repository, &["worktree", "list", "--porcelain"]);
    let worktrees: BTreeSet<_> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("worktree "))
        .skip(1)
        .map(|path| {
            let name = Path::new(path).strip_prefix(&root).expect("a worktree below the root");
            name.to_str().expect("a name").to_owned()
        })
        .collect();
    assert_eq!(worktrees, claimed, "worktrees");

    let refs = git(&repository, &["for-each-ref", "--format=%(refname)"]);
    let below = |prefix: &str| -> BTreeSet<String> {
        refs.lines().filter_map(|line| line.strip_prefix(prefix)).map(str::to_owned).collect()
    };
    assert_eq!(below("refs/heads/sessile/"), claimed, "branches");
    assert_eq!(below("refs/sessile/base/"), claimed, "bases");
    let ours = ["refs/heads/sessile/", "refs/sessile/"];
    let other: Vec<_> =
        refs.lines().filter(|line| !ours.iter().any(|ours| line.starts_with(ours))).collect();
    assert_eq!(other, ["refs/heads/main"], "the repository's own refs");

    let (before, now) = (contents(&dir.path().join(BEFORE)), contents(&repository));
    for (path, content) in &before {
        assert!(now.get(path) == Some(content), "{} changed", path.display());
    }
    let inner = [".git/objects", ".git/worktrees", ".git/refs/heads/sessile", ".git/refs/sessile"];
    let logs = [".git/logs/refs/heads/sessile", ".git/logs/refs/sessile"];
    for path in now.keys().filter(|path| !before.contains_key(*path)) {
        let is_ours = inner.iter().chain(&logs).any(|ours| path.starts_with(ours));
        assert!(is_ours, "{} was added", path.display());
    }
}
