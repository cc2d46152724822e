use std::time::Duration;

use super::*;

#[tokio::test]
async fn a_workspace_is_a_worktree_with_a_branch() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let head = git(&fixture.repository, &["rev-parse", "HEAD"]);
    let of = create(&driver, "fix").await;
    assert_eq!(of.reference, format!("sessile/{} {head}", of.name));
    let seen = driver.inspect(&of).await.unwrap().unwrap();
    assert_eq!(seen.reference, of.reference);
    assert_eq!((seen.dirty, seen.path), (false, Some(fixture.path(&of))));
    assert_eq!(git(&fixture.path(&of), &["status", "--porcelain"]), "");
    let branch = git(&fixture.path(&of), &["symbolic-ref", "HEAD"]);
    assert_eq!(branch, format!("refs/heads/sessile/{}", of.name));
    assert_eq!(driver.list(STORE).await.unwrap(), [of.name.clone()]);
    assert_eq!(driver.list(STORE + 1).await.unwrap(), []);
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Removed);
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::AlreadyGone);
    assert_eq!(driver.inspect(&of).await.unwrap(), None);
    assert_empty(&fixture);
}

#[tokio::test]
async fn bases_are_commits_and_nothing_else() {
    let fixture = Fixture::new();
    let first = git(&fixture.repository, &["rev-parse", "HEAD"]);
    git(&fixture.repository, &["tag", "-am", "v1", "v1"]);
    commit(&fixture.repository, "second", "2");
    let driver = fixture.driver().await;
    for (version, base) in
        ["v1", "HEAD~1", &first, &first[..12], "main~1", "refs/tags/v1"].iter().enumerate()
    {
        let name = name("base", version as u64 + 1);
        let begun = driver.create(&tenant(), &name, Some(base)).await.unwrap();
        assert!(begun.reference.ends_with(&first), "{base}: {}", begun.reference);
        let config = git(&fixture.repository, &["config", "--list", "--local"]);
        assert!(!config.contains("branch."), "{config}");
        driver.dispose(&name, false).await.unwrap();
    }
    for bad in [
        "",
        "--upload-pack=x",
        "-f",
        "--all",
        "../x",
        "HEAD:src",
        "HEAD:src/main.rs",
        "@{u}",
        "main..v1",
        "main...v1",
        "^main",
        "ｍain",
        "main\0",
        "main\n",
        "none",
        ":/nothing",
        "HEAD^{tree}",
        "v1^!",
        &"x".repeat(2000),
    ] {
        let error = driver.create(&tenant(), &name("bad", 1), Some(bad)).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { field: "base", .. }), "{bad:?}: {error}");
    }
    assert_empty(&fixture);
}

#[tokio::test]
async fn a_repository_without_a_commit_needs_a_base() {
    let temp = tempfile::tempdir().unwrap();
    git(temp.path(), &["init", "-q", "-b", "main", "repository"]);
    let driver = GitWorktree::open(temp.path().join("repository"), temp.path().join("root"));
    let driver = driver.await.unwrap();
    let error = driver.create(&tenant(), &name("a", 1), None).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { field: "base", .. }), "{error}");
    assert!(error.to_string().contains("none yet"), "{error}");
    assert_eq!(driver.list(STORE).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_held_under_the_name_is_removed_first() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "twice").await;
    write(&driver, &of, "left", b"over").await;
    commit(&fixture.path(&of), "more", "work");
    let again = create(&driver, "twice").await;
    assert_eq!(again.reference, of.reference);
    assert!(driver.read_file(&again, &path("left"), None).await.is_err());
    driver.dispose(&of.name, false).await.unwrap();
    assert_empty(&fixture);
}

#[cfg(unix)]
#[tokio::test]
async fn a_hook_that_fails_undoes_all() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let hook = fixture.repository.join(".git/hooks/post-checkout");
    script(&hook, "echo \"$1 $2 $3 $(pwd)\" > hooked.ignored");
    let of = create(&driver, "hook").await;
    let said = driver.read_file(&of, &path("hooked.ignored"), None).await.unwrap();
    let said = String::from_utf8(said).unwrap();
    let head = git(&fixture.repository, &["rev-parse", "HEAD"]);
    assert_eq!(
        said.trim_end(),
        format!("{} {head} 1 {}", "0".repeat(40), fixture.path(&of).display())
    );
    driver.dispose(&of.name, false).await.unwrap();

    script(&hook, "echo no network >&2; exit 3");
    let error = driver.create(&tenant(), &name("hook", 2), None).await.unwrap_err();
    assert!(error.to_string().contains("no network"), "{error}");
    assert!(error.to_string().contains("exit status: 3"), "{error}");
    assert_eq!(driver.list(STORE).await.unwrap(), []);
    assert_empty(&fixture);
}

#[cfg(unix)]
#[tokio::test]
async fn a_setup_prepares_or_undoes() {
    let fixture = Fixture::new();
    let said = fixture.temp.path().join("said");
    let setup = fixture.temp.path().join("setup");
    script(&setup, &format!("env > {}; pwd >> {0}; echo ready > set-up", said.display()));
    let driver = fixture.driver().await.with_setup(Command::new(&setup).arg("x"));
    let of = create(&driver, "set-up").await;
    let said = fs::read_to_string(said).unwrap();
    let port = port(of.name.label());
    for line in [
        format!("SESSILE_WORKSPACE={}", of.name),
        "SESSILE_LABEL=set-up".into(),
        format!("SESSILE_PORT={port}"),
        fixture.path(&of).display().to_string(),
    ] {
        assert!(said.lines().any(|found| found == line), "{line} in {said}");
    }
    assert!(dirty(&driver, &of).await);
    assert_eq!(driver.snapshot(&of).await.unwrap(), of.saved.clone().unwrap());
    driver.dispose(&of.name, true).await.unwrap();

    script(&setup, "echo out; echo the reason >&2; exit 4");
    let error = driver.create(&tenant(), &name("a", 2), None).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.to_string().contains("exit status: 4"), "{error}");
    assert!(source.contains("the reason") && source.contains("out"), "{source}");
    assert_empty(&fixture);

    // What it began is stopped with it.
    let alive = fixture.temp.path().join("alive");
    script(&setup, &format!("echo began; (sleep 3; touch {}) & wait", alive.display()));
    let slow = fixture.driver().await;
    let slow = slow.with_setup(Command::new(&setup).within(Duration::from_millis(300)));
    let error = slow.create(&tenant(), &name("slow", 3), None).await.unwrap_err();
    assert!(error.to_string().contains("did not end in 0.3 s"), "{error}");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("began"));
    assert_empty(&fixture);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!alive.exists());

    let missing = fixture.driver().await.with_setup(Command::new("/nothing/here"));
    let error = missing.create(&tenant(), &name("none", 4), None).await.unwrap_err();
    assert!(error.to_string().contains("/nothing/here"), "{error}");
    assert_empty(&fixture);
}

#[tokio::test]
async fn sparse_folders_are_all_that_is_there() {
    let fixture = Fixture::new();
    commit(&fixture.repository, "docs/a", "a");
    commit(&fixture.repository, "big/b", "b");
    let driver = fixture.driver().await.with_sparse(["docs"]).unwrap();
    let of = create(&driver, "sparse").await;
    let names: Vec<_> = driver
        .list_files(&of, None)
        .await
        .unwrap()
        .into_iter()
        .map(|e| e.path.to_string())
        .collect();
    assert_eq!(names, [".gitignore", "docs"]);
    assert!(!dirty(&driver, &of).await);
    let tree = driver.snapshot(&of).await.unwrap();
    write(&driver, &of, "docs/a", b"changed").await;
    driver.restore(&of, &tree).await.unwrap();
    assert!(!dirty(&driver, &of).await);
    driver.dispose(&of.name, false).await.unwrap();
    assert_empty(&fixture);
    for bad in ["../x", "/x", "", "a\nb", "!a", "a\\b"] {
        assert!(driver.clone().with_sparse([bad]).is_err(), "{bad:?}");
    }
}
