//! The folder against a model of plain maps, and against hostile things.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests: also in what they share"
)]

use std::{
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use proptest::prelude::*;
use sessile_core::{
    error::{Error, ErrorKind},
    workspace::{FileChange, FileKind, FilePath},
};
use tempfile::TempDir;

use super::{
    Folder, TEMPORARY, is_dot_git,
    model::{Map, apply, changes, path, read},
    remove_all, temporary,
};

fn folder(at: &Path) -> Folder {
    Folder::open(at).unwrap()
}

fn write(text: &str, content: &str) -> FileChange {
    FileChange::write(path(text), content)
}

/// A folder beside which things lie that nothing may touch.
fn fenced() -> (TempDir, std::path::PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::create_dir(outer.path().join("secret")).unwrap();
    fs::write(outer.path().join("secret/file"), "secret").unwrap();
    (outer, inner)
}

fn assert_fence(outer: &TempDir) {
    assert_eq!(fs::read_to_string(outer.path().join("secret/file")).unwrap(), "secret");
    assert_eq!(fs::read_dir(outer.path().join("secret")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 2);
}

fn run(steps: &[FileChange], keep_empty: bool) {
    let (outer, at) = fenced();
    let mut folder = folder(&at);
    if !keep_empty {
        folder = folder.without_empty_directories();
    }
    let mut map = Map::new();
    for change in steps {
        let expected = apply(&mut map, change, keep_empty);
        let found = folder.change(change).map_err(|e| e.kind());
        assert_eq!(found, expected, "{change:?} of {map:?}");
        assert_eq!(read(&folder), map, "{change:?}");
    }
    let top: Vec<_> = folder.list(None).unwrap().into_iter().map(|entry| entry.path).collect();
    let expected: Vec<_> = map.keys().filter(|path| path.parent().is_none()).cloned().collect();
    assert_eq!(top, expected);
    assert_fence(&outer);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn changes_are_those_of_a_map(steps in prop::collection::vec(changes(), 1..40)) {
        run(&steps, true);
    }

    #[test]
    fn folders_go_with_their_last_file(steps in prop::collection::vec(changes(), 1..40)) {
        run(&steps, false);
    }
}

#[test]
fn no_link_leads_out() {
    let (outer, at) = fenced();
    symlink("..", at.join("up")).unwrap();
    symlink("/", at.join("root")).unwrap();
    symlink(".", at.join("self")).unwrap();
    symlink(outer.path().join("secret"), at.join("secret")).unwrap();
    symlink("../secret/file", at.join("file")).unwrap();
    fs::create_dir(at.join("inside")).unwrap();
    symlink("inside", at.join("near")).unwrap();
    let folder = folder(&at);
    for middle in ["up", "root", "self", "secret", "near"] {
        let through = format!("{middle}/secret/file");
        let direct = format!("{middle}/file");
        for text in [&through, &direct] {
            let conflict = |done: Result<(), Error>| match done {
                Err(Error::PathConflict { path: at, .. }) => assert_eq!(at, path(middle)),
                other => panic!("{text}: {other:?}"),
            };
            conflict(folder.change(&write(text, "x")));
            folder.change(&FileChange::Remove { path: path(text) }).unwrap();
            conflict(folder.change(&FileChange::MakeDirectory { path: path(text) }));
            conflict(folder.change(&FileChange::Link { path: path(text), target: b"x".to_vec() }));
            let rename = FileChange::Rename { from: path(text), to: path("x") };
            assert_eq!(folder.change(&rename).unwrap_err().kind(), ErrorKind::NotFound);
            conflict(folder.change(&FileChange::Rename { from: path("file"), to: path(text) }));
            conflict(folder.read(&path(text)).map(drop));
            conflict(folder.list(Some(&path(middle))).map(drop));
        }
    }
    assert_eq!(folder.read(&path("file")).unwrap_err().kind(), ErrorKind::Precondition);
    assert_eq!(folder.scan().unwrap().len(), 7);
    // The link itself is replaced, and removed.
    folder.change(&write("file", "mine")).unwrap();
    assert_eq!(folder.read(&path("file")).unwrap(), b"mine");
    for link in ["up", "root", "self", "secret", "near"] {
        folder.change(&FileChange::Remove { path: path(link) }).unwrap();
    }
    assert_eq!(folder.scan().unwrap().len(), 2);
    assert_fence(&outer);
    let link = outer.path().join("inner/link");
    symlink(&at, &link).unwrap();
    assert!(Folder::open(&link).is_err(), "a folder is no link to one");
}

#[test]
fn a_folder_that_becomes_a_link_meanwhile_leads_nowhere() {
    let (outer, at) = fenced();
    fs::create_dir(at.join("d")).unwrap();
    let folder = folder(&at);
    let stop = AtomicBool::new(false);
    // Told to stop by an assertion that fails, too.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // The other thread makes folders in between.
                let _ = fs::remove_dir_all(at.join("d"));
                let _ = symlink("../secret", at.join("d"));
                let _ = fs::remove_file(at.join("d"));
                let _ = fs::create_dir(at.join("d"));
            }
        });
        for round in 0..3000 {
            let _ = folder.change(&write("d/file", "x"));
            let _ = folder.change(&write("d/other/file", "x"));
            if let Ok(content) = folder.read(&path("d/file")) {
                assert_eq!(content, b"x");
            }
            for found in folder.scan().unwrap() {
                assert!(found.path.names().count() <= 3, "{found:?}");
            }
            if round % 7 == 0 {
                let _ = folder.change(&FileChange::Remove { path: path("d/other") });
            }
        }
    });
    assert_fence(&outer);
}

#[test]
fn names_and_targets_may_be_any_bytes() {
    let (_outer, at) = fenced();
    let folder = folder(&at);
    let long = "x".repeat(255);
    let deep = ["d"; 60].join("/") + "/f";
    for name in
        [&b"\xff\xfe"[..], long.as_bytes(), b"a\nb", b"-rf", b"a\\b", b"con", deep.as_bytes()]
    {
        folder.change(&FileChange::write(path(name), name)).unwrap();
        assert_eq!(folder.read(&path(name)).unwrap(), name);
    }
    for target in [&b"\xff"[..], b"/", &[b'x'; 4095]] {
        folder.change(&FileChange::Link { path: path("link"), target: target.to_vec() }).unwrap();
        let entries = folder.list(None).unwrap();
        let kind = &entries.iter().find(|entry| entry.path == path("link")).unwrap().kind;
        assert_eq!(*kind, FileKind::Link { target: target.to_vec() });
    }
    for target in [&b""[..], b"a\0b", &[b'x'; 4096]] {
        let refused = folder.change(&FileChange::Link { path: path("l"), target: target.to_vec() });
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    }
    // Longer than any path that the system takes at once.
    let far = ["n".repeat(200).as_str(); 20].join("/");
    folder.change(&write(&far, "far")).unwrap();
    assert_eq!(folder.read(&path(&far)).unwrap(), b"far");
    assert_eq!(read(&folder).len(), 1 + 7 + 60 + 20);
}

#[test]
fn reserved_names_are_neither_shown_nor_touched() {
    let (_outer, at) = fenced();
    fs::create_dir_all(at.join("sub/.git")).unwrap();
    fs::create_dir(at.join(".git")).unwrap();
    fs::write(at.join(".git/config"), "mine").unwrap();
    fs::write(at.join(temporary()), "left").unwrap();
    let folder = folder(&at).reserving(is_dot_git);
    assert_eq!(folder.list(None).unwrap().len(), 1);
    assert!(folder.list(Some(&path("sub"))).unwrap().is_empty());
    assert_eq!(folder.scan().unwrap().len(), 1);
    let left = temporary();
    for text in [".git", ".git/config", "sub/.git", "a/.GIT/b", ".git./x", "git~1", &left] {
        let is_invalid = |done: Result<(), Error>| {
            assert_eq!(done.unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        };
        is_invalid(folder.change(&write(text, "x")));
        is_invalid(folder.change(&FileChange::Remove { path: path(text) }));
        is_invalid(folder.change(&FileChange::Rename { from: path(text), to: path("y") }));
        is_invalid(folder.change(&FileChange::Rename { from: path("sub"), to: path(text) }));
        is_invalid(folder.read(&path(text)).map(drop));
        is_invalid(folder.list(Some(&path(text))).map(drop));
    }
    folder.change(&write(".gitignore", "x")).unwrap();
    folder.sweep().unwrap();
    let names: Vec<_> = fs::read_dir(&at).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.as_bytes().starts_with(TEMPORARY.as_bytes())));
    assert_eq!(names.len(), 3);
}

#[test]
fn other_things_are_left_out_and_removed() {
    let (_outer, at) = fenced();
    let made = std::process::Command::new("mkfifo").arg(at.join("pipe")).status();
    assert!(made.unwrap().success());
    let folder = folder(&at);
    assert!(folder.list(None).unwrap().is_empty());
    assert!(folder.scan().unwrap().is_empty());
    // Reading must not wait for a writer.
    assert_eq!(folder.read(&path("pipe")).unwrap_err().kind(), ErrorKind::Precondition);
    assert_eq!(folder.change(&write("pipe", "x")).unwrap_err().kind(), ErrorKind::Precondition);
    let rename = FileChange::Rename { from: path("pipe"), to: path("x") };
    assert_eq!(folder.change(&rename).unwrap_err().kind(), ErrorKind::Precondition);
    folder.change(&FileChange::Remove { path: path("pipe") }).unwrap();
    assert_eq!(fs::read_dir(&at).unwrap().count(), 0);
}

#[test]
fn two_names_of_one_file_become_one() {
    let (_outer, at) = fenced();
    fs::write(at.join("a"), "x").unwrap();
    fs::hard_link(at.join("a"), at.join("b")).unwrap();
    folder(&at).change(&FileChange::Rename { from: path("a"), to: path("b") }).unwrap();
    assert_eq!(read(&folder(&at)).into_keys().collect::<Vec<_>>(), [path("b")]);
    assert_eq!(fs::read_dir(&at).unwrap().count(), 1);
}

#[test]
fn who_may_run_a_file_is_written_anew() {
    let (_outer, at) = fenced();
    let folder = folder(&at);
    let mode = || fs::metadata(at.join("f")).unwrap().permissions().mode() & 0o111;
    let run =
        |executable| FileChange::Write { path: path("f"), content: b"x".to_vec(), executable };
    folder.change(&run(true)).unwrap();
    assert_ne!(mode(), 0);
    folder.change(&run(false)).unwrap();
    assert_eq!(mode(), 0);
}

/// Makes a chain of folders that no path reaches the end of.
fn bottomless(at: &Path, depth: usize) {
    let mut inner = cap_std::fs::Dir::open_ambient_dir(at, cap_std::ambient_authority()).unwrap();
    for _ in 0..depth {
        inner.create_dir("nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn").unwrap();
        inner = inner.open_dir("nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn").unwrap();
    }
    inner.write("end", "x").unwrap();
}

#[test]
fn anything_can_be_removed_and_nothing_else_is() {
    let (outer, at) = fenced();
    bottomless(&at, 1000);
    fs::create_dir(at.join("locked")).unwrap();
    fs::write(at.join("locked/file"), "x").unwrap();
    symlink(outer.path().join("secret"), at.join("locked/link")).unwrap();
    fs::set_permissions(at.join("locked/file"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(at.join("locked"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(&at, fs::Permissions::from_mode(0o500)).unwrap();
    let dir =
        cap_std::fs::Dir::open_ambient_dir(outer.path(), cap_std::ambient_authority()).unwrap();
    remove_all(&dir, "inner".as_ref()).unwrap();
    remove_all(&dir, "inner".as_ref()).unwrap();
    assert!(!at.exists());
    fs::create_dir(&at).unwrap();
    assert_fence(&outer);
    symlink("secret", outer.path().join("link")).unwrap();
    remove_all(&dir, "link".as_ref()).unwrap();
    assert_fence(&outer);
}

#[test]
fn a_missing_path_is_told() {
    let (_outer, at) = fenced();
    let folder = folder(&at);
    let missing = |done: Result<(), Error>| {
        assert!(matches!(done, Err(Error::NotFound { .. })), "{done:?}");
    };
    missing(folder.read(&path("a/b")).map(drop));
    missing(folder.list(Some(&path("a"))).map(drop));
    missing(folder.change(&FileChange::Rename { from: path("a/b"), to: path("c") }));
    folder.change(&FileChange::Remove { path: path("a/b") }).unwrap();
    folder.change(&write("f", "x")).unwrap();
    let conflict = folder.list(Some(&path("f"))).unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::Precondition);
    assert!(FilePath::new("../x").is_err());
}
