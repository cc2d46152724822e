//! Making and branching: all or nothing, and what is copied.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use sessile_core::{
    error::{Error, ErrorKind},
    workspace::{Disposal, WorkspaceDriver},
};

use super::{Bench, Mounted, at, kind, name, name_in, tenant, write};
use crate::{
    directory::Directory,
    folder::model::{Item, path},
};

#[tokio::test]
async fn it_begins_as_the_template() {
    let bench = Bench::templated(|template| {
        fs::create_dir_all(template.join("empty/er")).unwrap();
        fs::write(template.join("run"), "x").unwrap();
        fs::set_permissions(template.join("run"), fs::Permissions::from_mode(0o750)).unwrap();
        fs::write(template.join("read-only"), "x").unwrap();
        fs::set_permissions(template.join("read-only"), fs::Permissions::from_mode(0o444)).unwrap();
        symlink("/", template.join("link")).unwrap();
        symlink("../secret", template.join("empty/out")).unwrap();
        fs::set_permissions(template.join("empty"), fs::Permissions::from_mode(0o555)).unwrap();
        let pipe = std::process::Command::new("mkfifo").arg(template.join("pipe")).status();
        assert!(pipe.unwrap().success());
    });
    let ours = name("a");
    let begun = bench.driver.create(&tenant(), &ours, None).await.unwrap();
    assert_eq!(begun.reference, begun.tree.unwrap().as_str());
    let holds = bench.holds(&ours);
    assert_eq!(holds.len(), 6);
    assert_eq!(holds[&path("run")], Item::File(b"x".to_vec(), true));
    assert_eq!(holds[&path("empty/er")], Item::Directory);
    assert_eq!(holds[&path("link")], Item::Link(b"/".to_vec()));
    assert_eq!(holds[&path("empty/out")], Item::Link(b"../secret".to_vec()));
    let mode = |name: &str| {
        fs::metadata(bench.live(&ours).join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!([mode("run"), mode("read-only"), mode("empty")], [0o750, 0o444, 0o555]);
    let there = bench.inspect(&ours).await.unwrap();
    assert_eq!((there.dirty, there.path), (false, Some(bench.live(&ours).canonicalize().unwrap())));
    // The template is as it was, whatever is done to the copy.
    bench.change(&ours, &[write("run", "y")]).await;
    let template = bench.outer.path().join("template/run");
    assert_eq!(fs::read_to_string(template).unwrap(), "x");
    assert_eq!(bench.driver.dispose(&ours, true).await.unwrap(), Disposal::Removed);
    assert_eq!(bench.leftovers(), 0);
    // So that it can be removed after the test.
    let locked = bench.outer.path().join("template/empty");
    fs::set_permissions(locked, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn ignored_files_are_left_out_on_request() {
    let mut bench = Bench::templated(|template| {
        fs::create_dir_all(template.join("target/deep")).unwrap();
        fs::create_dir_all(template.join("sub/out")).unwrap();
        fs::write(template.join("target/deep/x"), "x").unwrap();
        fs::write(template.join(".gitignore"), "target/\n*.log\n!keep.log\n").unwrap();
        fs::write(template.join("sub/.gitignore"), "out\n").unwrap();
        fs::write(template.join("sub/out/x"), "x").unwrap();
        for file in ["a.log", "keep.log", "sub/b.log", "sub/c", ".hidden"] {
            fs::write(template.join(file), "x").unwrap();
        }
    });
    fs::write(bench.outer.path().join(".gitignore"), "*\n").unwrap();
    bench.create(&name("all")).await;
    assert_eq!(bench.holds(&name("all")).len(), 13);
    bench.driver = bench.driver.clone().without_ignored();
    bench.create(&name("some")).await;
    let some: Vec<_> = bench.holds(&name("some")).into_keys().collect();
    let expected = [".gitignore", ".hidden", "keep.log", "sub", "sub/.gitignore", "sub/c"];
    assert_eq!(some, expected.map(path));
    // A branch is all of its source.
    bench.change(&name("some"), &[write("b.log", "x")]).await;
    bench.driver.branch(&name("branch"), &at(&name("some")), None).await.unwrap();
    assert_eq!(bench.holds(&name("branch")), bench.holds(&name("some")));
}

#[tokio::test]
async fn roots_and_templates_that_cannot_be_are_refused() {
    let bench = Bench::new();
    let outer = bench.outer.path();
    assert_eq!(kind(Directory::new(outer.join("secret"))), ErrorKind::Invalid);
    assert_eq!(kind(Directory::new(outer.join("secret/below"))), ErrorKind::Invalid);
    let base = bench.driver.create(&tenant(), &name("a"), Some("--main")).await;
    assert_eq!(kind(base), ErrorKind::Invalid);
    for template in ["missing", "secret", "."] {
        let driver = bench.driver.clone().with_template(outer.join(template));
        let made = driver.create(&tenant(), &name("a"), None).await;
        assert_eq!(kind(made), ErrorKind::Invalid, "{template}");
    }
    assert_eq!(bench.leftovers(), 0);
    // A root by another spelling is the same root.
    symlink(&bench.root, outer.join("alias")).unwrap();
    let alias = Directory::new(outer.join("alias/../alias")).unwrap();
    bench.create(&name("a")).await;
    let there = alias.inspect(&at(&name("a"))).await.unwrap().unwrap();
    assert_eq!(there.path, bench.inspect(&name("a")).await.unwrap().path);
    // The root's own folders are no links to others.
    let other = tempfile::tempdir().unwrap();
    symlink(&bench.root, other.path().join("trash")).unwrap();
    assert_eq!(kind(Directory::new(other.path())), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_failed_copy_leaves_nothing() {
    let bench = Bench::templated(|template| fs::write(template.join("f"), "x").unwrap());
    // A store of snapshots that cannot be written: the copy is done by then.
    fs::remove_dir(bench.root.join("snapshots")).unwrap();
    fs::write(bench.root.join("snapshots"), "").unwrap();
    let made = bench.driver.create(&tenant(), &name("a"), None).await;
    assert_eq!(kind(made), ErrorKind::Unavailable);
    assert!(bench.list().await.is_empty());
    assert_eq!(bench.leftovers(), 0);
    let missing = bench.driver.branch(&name("b"), &at(&name("a")), None).await;
    assert_eq!(kind(missing), ErrorKind::NotFound);
    assert_eq!(bench.leftovers(), 0);
}

/// Who is root can read every file, so that only others see this fail.
#[tokio::test]
async fn an_unreadable_file_is_named() {
    let bench = Bench::templated(|template| {
        fs::write(template.join("closed"), "x").unwrap();
        fs::set_permissions(template.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    });
    if fs::read(bench.outer.path().join("template/closed")).is_ok() {
        eprintln!("not run: this user can read every file");
        return;
    }
    let made = bench.driver.create(&tenant(), &name("a"), None).await.unwrap_err();
    assert!(matches!(&made, Error::Unavailable { reason, .. } if reason.contains("closed")));
    assert_eq!(bench.leftovers(), 0);
}

#[tokio::test]
async fn a_branch_takes_what_is_not_saved_and_is_its_own() {
    let bench = Bench::new();
    let (a, b, c) = (name("a"), name("b"), name("c"));
    bench.create(&a).await;
    bench.change(&a, &[write("d/f", "1"), write("g", "2")]).await;
    let before = bench.holds(&a);
    bench.driver.branch(&b, &at(&a), None).await.unwrap();
    assert_eq!((bench.holds(&b), bench.holds(&a)), (before.clone(), before.clone()));
    assert_eq!((bench.is_dirty(&a).await, bench.is_dirty(&b).await), (true, false));
    bench.change(&b, &[write("d/f", "b")]).await;
    bench.change(&a, &[write("g", "a")]).await;
    assert_eq!(bench.holds(&a)[&path("d/f")], Item::File(b"1".to_vec(), false));
    assert_eq!(bench.holds(&b)[&path("g")], Item::File(b"2".to_vec(), false));
    let tree = bench.snapshot(&b).await;
    bench.change(&b, &[write("d/f", "later")]).await;
    let begun = bench.driver.branch(&c, &at(&b), Some(&tree)).await.unwrap();
    assert_eq!(begun.tree, Some(tree));
    assert_eq!(bench.holds(&c)[&path("d/f")], Item::File(b"b".to_vec(), false));
    // Into another thread, which keeps its own.
    let other = name_in(super::STORE, 2, "other");
    let tree = bench.driver.branch(&other, &at(&b), None).await.unwrap().tree.unwrap();
    bench.driver.drop_snapshots(super::STORE, a.id().thread()).await.unwrap();
    bench.change(&other, &[write("d/f", "gone")]).await;
    bench.driver.restore(&at(&other), &tree).await.unwrap();
    assert_eq!(bench.holds(&other), bench.holds(&b));
    assert_eq!(kind(bench.driver.branch(&b, &at(&b), None).await), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_name_that_is_held_is_made_anew() {
    let bench = Bench::templated(|template| fs::write(template.join("f"), "new").unwrap());
    let ours = name("a");
    for place in ["workspaces", "making", "trash", "index"] {
        bench.leave(place, &ours);
    }
    bench.create(&ours).await;
    assert_eq!(bench.holds(&ours).len(), 1);
    assert_eq!(bench.leftovers(), 2);
    assert!(!bench.is_dirty(&ours).await);
}

#[tokio::test(flavor = "current_thread")]
async fn a_dropped_future_makes_nothing_later() {
    let bench = Bench::templated(|template| {
        for file in 0..2000 {
            fs::write(template.join(file.to_string()), "x").unwrap();
        }
    });
    let ours = name("a");
    for wait in [0, 1, 5, 20, 40, 80] {
        let acme = tenant();
        let create = bench.driver.create(&acme, &ours, None);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(wait), create).await;
        let there = bench.inspect(&ours).await.is_some();
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        if there {
            assert_eq!(bench.holds(&ours).len(), 2000);
        } else {
            assert!(bench.inspect(&ours).await.is_none(), "after {wait} ms");
        }
        bench.driver.dispose(&ours, true).await.unwrap();
        assert_eq!(bench.leftovers(), 0);
    }
}

#[tokio::test]
async fn files_share_their_blocks_where_the_file_system_can() {
    let Some(mounted) = Mounted::new() else {
        return;
    };
    let root = mounted.at().join("root");
    let driver = Directory::new(root).unwrap();
    driver.create(&tenant(), &name("a"), None).await.unwrap();
    let big = sessile_core::workspace::FileChange::write(path("big"), vec![7; 40 << 20]);
    driver.change_files(&at(&name("a")), &[big]).await.unwrap();
    // Sixteen copies of 40 MB, in 256 MB.
    for label in 0..16 {
        driver.branch(&name(&label.to_string()), &at(&name("a")), None).await.unwrap();
    }
    // And as many of a template, each of a thread of its own.
    let template = mounted.at().join("template");
    fs::create_dir(&template).unwrap();
    fs::write(template.join("big"), vec![8; 40 << 20]).unwrap();
    let driver = driver.with_template(&template);
    for thread in 0..16 {
        let ours = name_in(super::STORE, thread, "t");
        let begun = driver.create(&tenant(), &ours, None).await.unwrap();
        let write = sessile_core::workspace::FileChange::write(path("big"), "");
        driver.change_files(&at(&ours), &[write]).await.unwrap();
        driver.restore(&at(&ours), &begun.tree.unwrap()).await.unwrap();
    }
}
