use super::*;

fn put(at: &Path, path: &str, content: &str) {
    let file = at.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
}

#[tokio::test]
async fn exactly_what_is_named_and_ignored_is_copied() {
    let fixture = Fixture::new();
    let main = &fixture.repository;
    for (path, content) in [
        (".env", "SECRET=1"),
        (".env.local", "SECRET=2"),
        (".env.never", "SECRET=3"),
        ("build/cache/a", "a"),
        ("build/other", "b"),
        ("src/deep/.env", "SECRET=4"),
        ("x.ignored", "x"),
        ("named-but-not-ignored", "n"),
        // Ignored, and yet a part of the repository.
        ("tracked.ignored", "t"),
        (".worktreeinclude", "# files\n.env*\n!.env.never\nbuild/cache/\nnamed*\ntracked*\n"),
    ] {
        put(main, path, content);
    }
    git(main, &["add", "-f", "tracked.ignored"]);
    git(main, &["commit", "-qm", "tracked"]);
    git(main, &["init", "-q", "build/cache/nested"]);
    put(main, "build/cache/nested/file", "n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::os::unix::fs::symlink("/etc/passwd", main.join("build/cache/link")).unwrap();
        fs::set_permissions(main.join(".env"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(main.join("build/cache/a"), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let driver = fixture.driver().await;
    let of = create(&driver, "include").await;
    let at = fixture.path(&of);
    let mut found: Vec<_> = files(&at)
        .into_iter()
        .filter(|(_, content)| content != b"folder")
        .map(|(path, _)| path.strip_prefix(&at).unwrap().display().to_string())
        .collect();
    found.retain(|path| path != ".git");
    let mut expected = vec![
        ".env",
        ".env.local",
        ".gitignore",
        "build/cache/a",
        "src/deep/.env",
        "src/main.rs",
        "tracked.ignored",
    ];
    if cfg!(unix) {
        expected.insert(4, "build/cache/link");
    }
    assert_eq!(found, expected);
    assert_eq!(fs::read_to_string(at.join("src/deep/.env")).unwrap(), "SECRET=4");
    assert!(of.reference.ends_with(if cfg!(unix) { " +5 included" } else { " +4 included" }));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &str| fs::metadata(at.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(".env"), mode("build/cache/a")), (0o600, 0o755));
        assert_eq!(fs::read_link(at.join("build/cache/link")).unwrap(), Path::new("/etc/passwd"));
    }
    assert!(!dirty(&driver, &of).await);
    // A branch gets them as well.
    let name = name("branch", 2);
    let begun = driver.branch(&name, &of, None).await.unwrap();
    assert!(begun.reference.contains(" included"), "{}", begun.reference);
    driver.dispose(&name, false).await.unwrap();
    driver.dispose(&of.name, false).await.unwrap();
    assert_empty(&fixture);
}

/// The commit has a link where the ignored file has a folder: nothing goes through it, and nothing is made.
#[cfg(unix)]
#[tokio::test]
async fn nothing_is_written_through_a_link() {
    let fixture = Fixture::new();
    let outside = fixture.temp.path().join("outside");
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, fixture.repository.join("config")).unwrap();
    git(&fixture.repository, &["add", "config"]);
    git(&fixture.repository, &["commit", "-qm", "link"]);
    git(&fixture.repository, &["rm", "-q", "config"]);
    git(&fixture.repository, &["commit", "-qm", "no link"]);
    put(&fixture.repository, "config/.env", "SECRET");
    put(&fixture.repository, ".worktreeinclude", ".env\n");
    let driver = fixture.driver().await;
    let error = driver.create(&tenant(), &name("a", 1), Some("HEAD~1")).await.unwrap_err();
    assert!(error.to_string().contains("config/.env"), "{error}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_empty(&fixture);
}

#[cfg(unix)]
#[tokio::test]
async fn an_incomplete_copy_undoes_all() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    put(&fixture.repository, ".env", "x");
    let patterns = fixture.repository.join(".worktreeinclude");
    fs::write(&patterns, ".env\n").unwrap();
    let secret = fixture.repository.join(".env");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&secret).is_ok() {
        // Nothing is unreadable to root: patterns that are no file fail instead.
        fs::remove_file(&patterns).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &patterns).unwrap();
    }
    let driver = fixture.driver().await;
    let error = driver.create(&tenant(), &name("a", 1), None).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(".env") || text.contains(".worktreeinclude"), "{text}");
    assert_empty(&fixture);
}
