use super::*;

#[tokio::test]
async fn a_cycle_leaves_the_repository_as_it_was() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    // Something else is there: a worktree whose folder is away, a branch, a change that is staged.
    let other = fixture.temp.path().join("other");
    git(&fixture.repository, &["worktree", "add", "-q", "-b", "other", other.to_str().unwrap()]);
    fs::rename(&other, fixture.temp.path().join("away")).unwrap();
    fs::write(fixture.repository.join("staged"), "x").unwrap();
    git(&fixture.repository, &["add", "staged"]);
    let before = files(&fixture.repository);
    let of = create(&driver, "cycle").await;
    write(&driver, &of, "new", b"x").await;
    driver.dispose(&of.name, true).await.unwrap();
    driver.drop_snapshots(STORE, of.name.id().thread()).await.unwrap();
    let mut after = files(&fixture.repository);
    // Folders that git leaves, with nothing in them.
    after.retain(|path, content| before.contains_key(path) || content != b"folder");
    assert_eq!(before, after);
}

#[tokio::test]
async fn work_is_guarded() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "guard").await;
    let at = fixture.path(&of);
    let refused = async || {
        assert!(dirty(&driver, &of).await);
        assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Refused);
        assert!(driver.inspect(&of).await.unwrap().is_some());
    };
    write(&driver, &of, "untracked", b"x").await;
    refused().await;
    fs::remove_file(at.join("untracked")).unwrap();
    assert!(!dirty(&driver, &of).await);
    write(&driver, &of, "src/main.rs", b"changed").await;
    refused().await;
    git(&at, &["add", "."]);
    refused().await;
    git(&at, &["reset", "-q", "--hard"]);
    assert!(!dirty(&driver, &of).await);
    // Marked so that git does not look at it.
    git(&at, &["update-index", "--assume-unchanged", "src/main.rs"]);
    write(&driver, &of, "src/main.rs", b"hidden").await;
    refused().await;
    git(&at, &["update-index", "--no-assume-unchanged", "src/main.rs"]);
    git(&at, &["reset", "-q", "--hard"]);
    git(&fixture.repository, &["worktree", "lock", at.to_str().unwrap()]);
    refused().await;
    git(&fixture.repository, &["worktree", "unlock", at.to_str().unwrap()]);
    // Settings that hide what is there do not.
    git(&fixture.repository, &["config", "status.showUntrackedFiles", "no"]);
    write(&driver, &of, "untracked", b"x").await;
    refused().await;
    fs::remove_file(at.join("untracked")).unwrap();
    write(&driver, &of, "a.ignored", b"x").await;
    assert!(!dirty(&driver, &of).await);
    let counting = driver.clone().counting_ignored();
    assert!(dirty(&counting, &of).await);
    assert_eq!(counting.dispose(&of.name, false).await.unwrap(), Disposal::Refused);
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Removed);
    assert_empty(&fixture);
}

#[tokio::test]
async fn force_takes_everything() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "force").await;
    commit(&fixture.path(&of), "own", "commit");
    write(&driver, &of, "untracked", b"x").await;
    assert_eq!(driver.dispose(&of.name, true).await.unwrap(), Disposal::Removed);
    assert_empty(&fixture);
}

#[tokio::test]
async fn a_branch_with_commits_stays() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "kept").await;
    let tip = commit(&fixture.path(&of), "own", "commit");
    assert!(!dirty(&driver, &of).await);
    assert_eq!(
        driver.inspect(&of).await.unwrap().unwrap().reference,
        format!("sessile/{} {tip}", of.name)
    );
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Removed);
    let branch = format!("refs/heads/sessile/{}", of.name);
    assert_eq!(git(&fixture.repository, &["rev-parse", &branch]), tip);
    // It is the user's now.
    assert_eq!(driver.list(STORE).await.unwrap(), []);
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::AlreadyGone);
    assert_eq!(driver.dispose(&of.name, true).await.unwrap(), Disposal::AlreadyGone);
    let error = driver.create(&tenant(), &of.name, None).await.unwrap_err();
    assert!(error.to_string().contains("already"), "{error}");
    assert_eq!(git(&fixture.repository, &["rev-parse", &branch]), tip);

    // One that is merged goes.
    let of = {
        let name = name("merged", 2);
        let begun = driver.create(&tenant(), &name, None).await.unwrap();
        as_ref(&name, &begun)
    };
    commit(&fixture.path(&of), "more", "commit");
    git(&fixture.repository, &["merge", "-q", &format!("sessile/{}", of.name)]);
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Removed);
    git(&fixture.repository, &["branch", "-D", &branch["refs/heads/".len()..]]);
    assert_empty(&fixture);
}

#[tokio::test]
async fn commits_on_no_branch_are_work() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "detached").await;
    let at = fixture.path(&of);
    git(&at, &["checkout", "-q", "--detach"]);
    assert!(!dirty(&driver, &of).await);
    let tip = commit(&at, "own", "commit");
    assert!(dirty(&driver, &of).await);
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Refused);
    // Also when somebody removes the folder: the repository still knows the commit.
    fs::remove_dir_all(&at).unwrap();
    assert_eq!(driver.inspect(&of).await.unwrap(), None);
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Refused);
    git(&fixture.repository, &["branch", "saved", &tip]);
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Removed);
    assert_empty(&fixture);
}

#[tokio::test]
async fn a_branch_that_another_worktree_is_on_stays() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "moved").await;
    let elsewhere = fixture.temp.path().join("elsewhere");
    git(
        &fixture.repository,
        &["worktree", "move", fixture.path(&of).to_str().unwrap(), elsewhere.to_str().unwrap()],
    );
    assert_eq!(driver.inspect(&of).await.unwrap(), None);
    assert_eq!(driver.list(STORE).await.unwrap(), [of.name.clone()]);
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Removed);
    assert_eq!(git(&elsewhere, &["status", "--porcelain"]), "");
    assert_eq!(driver.list(STORE).await.unwrap(), []);
}

#[cfg(unix)]
#[tokio::test]
async fn a_teardown_can_refuse() {
    let fixture = Fixture::new();
    let teardown = fixture.temp.path().join("teardown");
    script(&teardown, "touch torn.ignored; exit 5");
    let driver = fixture.driver().await.with_teardown(Command::new(&teardown));
    let of = create(&driver, "torn").await;
    let error = driver.dispose(&of.name, false).await.unwrap_err();
    assert!(error.to_string().contains("exit status: 5"), "{error}");
    assert!(fixture.path(&of).join("torn.ignored").exists());
    assert!(driver.inspect(&of).await.unwrap().is_some());
    assert_eq!(driver.dispose(&of.name, true).await.unwrap(), Disposal::Removed);
    assert_empty(&fixture);
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_read_only_goes_too() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "read-only").await;
    let deep = fixture.path(&of).join("build/deep");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("x"), "x").unwrap();
    for folder in [&deep, deep.parent().unwrap()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o500)).unwrap();
    }
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Removed);
    assert_empty(&fixture);
}

#[tokio::test]
async fn a_folder_removed_by_hand_is_seen() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "by-hand").await;
    fs::remove_dir_all(fixture.path(&of)).unwrap();
    assert_eq!(driver.inspect(&of).await.unwrap(), None);
    assert_eq!(driver.list(STORE).await.unwrap(), [of.name.clone()]);
    assert!(matches!(driver.list_files(&of, None).await, Err(Error::NotFound { .. })));
    assert!(matches!(driver.snapshot(&of).await, Err(Error::NotFound { .. })));
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Removed);
    assert_empty(&fixture);
}
