use sessile_core::workspace::Change;

use super::*;

async fn contents(driver: &GitWorktree, of: &WorkspaceRef) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![None];
    while let Some(folder) = waiting.pop() {
        for entry in driver.list_files(of, folder.as_ref()).await.unwrap() {
            match entry.kind {
                FileKind::Directory => waiting.push(Some(entry.path)),
                FileKind::Link { target } => drop(found.insert(entry.path.to_string(), target)),
                FileKind::File { executable, .. } => {
                    let mut bytes = driver.read_file(of, &entry.path, None).await.unwrap();
                    bytes.push(u8::from(executable));
                    found.insert(entry.path.to_string(), bytes);
                }
                _ => unreachable!(),
            }
        }
    }
    found
}
use sessile_core::workspace::FileKind;

#[tokio::test]
async fn what_is_written_comes_back() {
    let fixture = Fixture::new();
    // Everything that git can do to content.
    fs::write(
        fixture.repository.join(".gitattributes"),
        "* text=auto eol=crlf\n*.id ident\n*.u working-tree-encoding=UTF-16LE\n*.f filter=f\n",
    )
    .unwrap();
    fs::write(fixture.repository.join("tracked.id"), "$Id$\n").unwrap();
    git(&fixture.repository, &["config", "filter.f.clean", "tr a-z A-Z"]);
    git(&fixture.repository, &["config", "filter.f.smudge", "tr A-Z a-z"]);
    git(&fixture.repository, &["config", "filter.f.required", "true"]);
    git(&fixture.repository, &["config", "core.autocrlf", "true"]);
    git(&fixture.repository, &["add", "."]);
    git(&fixture.repository, &["commit", "-qm", "attributes"]);
    fs::write(fixture.repository.join(".git/info/attributes"), "*.mixed text\n").unwrap();
    let driver = fixture.driver().await;
    let of = create(&driver, "bytes").await;
    for (at, content) in [
        ("crlf.txt", &b"a\r\nb\r\n"[..]),
        ("lf.txt", b"a\nb\n"),
        ("mixed.mixed", b"a\r\nb\n\r"),
        ("x.id", b"$Id: kept as it is $\n"),
        ("x.u", b"\xff\xfea\0"),
        ("x.f", b"Mixed Case\n"),
        ("empty", b""),
        ("binary", &[0, 1, 2, 255, 13, 10]),
        ("deep/er/file", b"x"),
    ] {
        write(&driver, &of, at, content).await;
    }
    #[cfg(unix)]
    driver
        .change_files(
            &of,
            &[
                FileChange::Link { path: path("link"), target: b"/nowhere\xff".to_vec() },
                FileChange::Write { path: path("run"), content: b"#!".to_vec(), executable: true },
                FileChange::write(FilePath::new(b"strange\xff\n\"name").unwrap(), "x"),
                FileChange::write(path("-f"), "x"),
                FileChange::write(path(":(glob)*"), "x"),
            ],
        )
        .await
        .unwrap();
    let before = contents(&driver, &of).await;
    let index =
        fs::read(fixture.repository.join(format!(".git/worktrees/{}/index", of.name))).unwrap();
    let tree = driver.snapshot(&of).await.unwrap();
    assert_eq!(driver.snapshot(&of).await.unwrap(), tree);
    assert_eq!(
        fs::read(fixture.repository.join(format!(".git/worktrees/{}/index", of.name))).unwrap(),
        index
    );
    for entry in driver.list_files(&of, None).await.unwrap() {
        if matches!(entry.kind, FileKind::File { .. }) {
            let now = driver.read_file(&of, &entry.path, None).await.unwrap();
            assert_eq!(
                driver.read_file(&of, &entry.path, Some(&tree)).await.unwrap(),
                now,
                "{}",
                entry.path
            );
        }
    }
    // Everything becomes something else.
    let removed: Vec<_> = driver
        .list_files(&of, None)
        .await
        .unwrap()
        .into_iter()
        .map(|e| FileChange::Remove { path: e.path })
        .collect();
    driver.change_files(&of, &removed).await.unwrap();
    write(&driver, &of, "deep", b"a file now").await;
    write(&driver, &of, "empty/a/b", b"a folder now").await;
    write(&driver, &of, "new", b"new").await;
    driver.restore(&of, &tree).await.unwrap();
    assert_eq!(contents(&driver, &of).await, before);
    assert_eq!(driver.snapshot(&of).await.unwrap(), tree);
    // And in a branch, beside it.
    let name = name("branch", 2);
    let begun = driver.branch(&name, &of, None).await.unwrap();
    let other = as_ref(&name, &begun);
    assert_eq!(begun.tree, Some(tree.clone()));
    assert_eq!(contents(&driver, &other).await, before);
    write(&driver, &other, "lf.txt", b"other").await;
    assert_eq!(contents(&driver, &of).await, before);
    let tree_only = driver.branch(&sessile_name("tree", 3), &of, Some(&tree)).await.unwrap();
    assert_eq!(tree_only.tree, Some(tree));
}

fn sessile_name(label: &str, version: u64) -> WorkspaceName {
    name(label, version)
}

#[tokio::test]
async fn a_branch_has_what_is_staged_and_what_is_not() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "source").await;
    let at = fixture.path(&of);
    let head = commit(&at, "committed", "c");
    fs::write(at.join("staged"), "s").unwrap();
    fs::write(at.join("forced.ignored"), "f").unwrap();
    git(&at, &["add", "-f", "staged", "forced.ignored"]);
    fs::write(at.join("staged"), "staged and changed").unwrap();
    fs::write(at.join("untracked"), "u").unwrap();
    fs::write(at.join("left.ignored"), "i").unwrap();
    fs::remove_file(at.join("src/main.rs")).unwrap();
    let status = git(&at, &["status", "--porcelain"]);
    let other_name = name("copy", 2);
    let begun = driver.branch(&other_name, &of, None).await.unwrap();
    let other = as_ref(&other_name, &begun);
    assert_eq!(begun.reference, format!("sessile/{other_name} {head}"));
    assert_eq!(begun.tree, Some(driver.snapshot(&of).await.unwrap()));
    let there = fixture.path(&other);
    for (file, content) in [
        ("staged", "staged and changed"),
        ("forced.ignored", "f"),
        ("untracked", "u"),
        ("committed", "c"),
    ] {
        assert_eq!(fs::read_to_string(there.join(file)).unwrap(), content, "{file}");
    }
    assert!(!there.join("left.ignored").exists());
    assert!(!there.join("src").exists());
    assert!(dirty(&driver, &other).await);
    assert_eq!(git(&at, &["status", "--porcelain"]), status);
    // A source that is gone has its trees still.
    let tree = driver.snapshot(&of).await.unwrap();
    driver.dispose(&of.name, true).await.unwrap();
    let third = name("third", 3);
    assert!(matches!(driver.branch(&third, &of, None).await, Err(Error::NotFound { .. })));
    let begun = driver.branch(&third, &of, Some(&tree)).await.unwrap();
    assert_eq!(begun.tree, Some(tree));
}

#[tokio::test]
async fn trees_are_compared() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "diff").await;
    let first = of.saved.clone().unwrap();
    write(&driver, &of, "b", b"1").await;
    write(&driver, &of, "a/x", b"1").await;
    write(&driver, &of, "src/main.rs", b"1").await;
    write(&driver, &of, "hidden.ignored", b"1").await;
    let all = |changes: Vec<TreeChange>| {
        changes.into_iter().map(|c| (c.path.to_string(), c.change)).collect::<Vec<_>>()
    };
    let expected = [
        ("a/x".to_owned(), Change::Added),
        ("b".to_owned(), Change::Added),
        ("src/main.rs".to_owned(), Change::Modified),
    ];
    assert_eq!(all(driver.diff(&of, &first, None).await.unwrap()), expected);
    let second = driver.snapshot(&of).await.unwrap();
    assert_eq!(all(driver.diff(&of, &first, Some(&second)).await.unwrap()), expected);
    assert_eq!(all(driver.diff(&of, &second, None).await.unwrap()), []);
    let back = driver.diff(&of, &second, Some(&first)).await.unwrap();
    assert_eq!(back[0], TreeChange { path: path("a/x"), change: Change::Removed });
    assert!(matches!(
        driver.read_file(&of, &path("a"), Some(&second)).await,
        Err(Error::PathConflict { .. })
    ));
    assert!(matches!(
        driver.read_file(&of, &path("b"), Some(&first)).await,
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(
        driver.read_file(&of, &path("b/c"), Some(&second)).await,
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(
        driver.read_file(&of, &path("*"), Some(&second)).await,
        Err(Error::NotFound { .. })
    ));
}

#[tokio::test]
async fn restoring_follows_the_rules_of_the_tree() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "rules").await;
    let first = of.saved.clone().unwrap();
    // Ignored from now on, and in the way of what was there before.
    write(&driver, &of, ".gitignore", b"*\n").await;
    write(&driver, &of, "later/x", b"x").await;
    write(&driver, &of, "src/main.rs", b"x").await;
    let second = driver.snapshot(&of).await.unwrap();
    driver.restore(&of, &first).await.unwrap();
    assert!(!fixture.path(&of).join("later").exists());
    assert!(!dirty(&driver, &of).await);
    driver.restore(&of, &second).await.unwrap();
    assert_eq!(driver.read_file(&of, &path("src/main.rs"), None).await.unwrap(), b"x");
    driver.restore(&of, &first).await.unwrap();
    // A folder with ignored files in the way of a file goes; one with a repository in it does not.
    write(&driver, &of, "thing", b"a file").await;
    let third = driver.snapshot(&of).await.unwrap();
    driver.change_files(&of, &[FileChange::Remove { path: path("thing") }]).await.unwrap();
    write(&driver, &of, "thing/a.ignored", b"x").await;
    driver.restore(&of, &third).await.unwrap();
    assert_eq!(driver.read_file(&of, &path("thing"), None).await.unwrap(), b"a file");
    driver.change_files(&of, &[FileChange::Remove { path: path("thing") }]).await.unwrap();
    git(&fixture.path(&of), &["init", "-q", "thing/nested"]);
    assert!(matches!(driver.restore(&of, &third).await, Err(Error::PathConflict { .. })));
    assert!(fixture.path(&of).join("thing/nested/.git").exists());
    assert!(dirty(&driver, &of).await);
}

#[tokio::test]
async fn trees_are_of_their_thread_and_go_with_it() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "own").await;
    write(&driver, &of, "x", b"only in a snapshot").await;
    let tree = driver.snapshot(&of).await.unwrap();
    let id = WorkspaceId::new(ThreadId::from_bits(43), 1);
    let other = WorkspaceName::new(Label::new("own").unwrap(), STORE, id);
    let begun = driver.create(&tenant(), &other, None).await.unwrap();
    let other = as_ref(&other, &begun);
    let head_tree = TreeId::new(git(&fixture.repository, &["rev-parse", "HEAD^{tree}"])).unwrap();
    for unknown in [
        tree.clone(),
        TreeId::new("0".repeat(40)).unwrap(),
        TreeId::new("main").unwrap(),
        TreeId::new(format!("{tree}@x")).unwrap(),
        TreeId::new("-f").unwrap(),
    ] {
        assert!(
            matches!(driver.restore(&other, &unknown).await, Err(Error::NotFound { .. })),
            "{unknown}"
        );
        assert!(
            matches!(driver.diff(&other, &unknown, None).await, Err(Error::NotFound { .. })),
            "{unknown}"
        );
        assert!(
            matches!(
                driver.read_file(&other, &path("x"), Some(&unknown)).await,
                Err(Error::NotFound { .. })
            ),
            "{unknown}"
        );
    }
    driver.restore(&other, &head_tree).await.unwrap();
    driver.dispose(&of.name, true).await.unwrap();
    git(&fixture.repository, &["gc", "-q", "--prune=now"]);
    assert_eq!(git(&fixture.repository, &["show", &format!("{tree}:x")]), "only in a snapshot");
    let threads = [ThreadId::from_bits(42), ThreadId::from_bits(43)];
    assert_eq!(driver.list_snapshots(STORE).await.unwrap(), threads);
    assert_eq!(driver.list_snapshots(STORE + 1).await.unwrap(), []);
    for _ in 0..2 {
        driver.drop_snapshots(STORE, threads[0]).await.unwrap();
        assert_eq!(driver.list_snapshots(STORE).await.unwrap(), threads[1..]);
    }
}

#[tokio::test]
async fn a_file_of_the_same_length_and_time_is_seen() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "racy").await;
    for round in 0..20_u8 {
        fs::write(fixture.path(&of).join("file"), [round]).unwrap();
        let tree = driver.snapshot(&of).await.unwrap();
        fs::write(fixture.path(&of).join("file"), [round + 100]).unwrap();
        assert_ne!(driver.snapshot(&of).await.unwrap(), tree);
        assert_eq!(driver.read_file(&of, &path("file"), Some(&tree)).await.unwrap(), [round]);
    }
}
