//! Repositories of all sorts.

use super::*;

/// Makes, changes, saves, restores, branches and disposes.
async fn cycle(driver: &GitWorktree, label: &str) {
    let of = create(driver, label).await;
    write(driver, &of, "src/new.rs", b"new").await;
    let tree = driver.snapshot(&of).await.unwrap();
    write(driver, &of, "src/new.rs", b"newer").await;
    driver.restore(&of, &tree).await.unwrap();
    assert_eq!(driver.read_file(&of, &path("src/new.rs"), None).await.unwrap(), b"new");
    let copy = name("copy", 9);
    assert_eq!(driver.branch(&copy, &of, None).await.unwrap().tree, Some(tree));
    assert!(dirty(driver, &of).await);
    for name in [&of.name, &copy] {
        assert_eq!(driver.dispose(name, false).await.unwrap(), Disposal::Refused);
        assert_eq!(driver.dispose(name, true).await.unwrap(), Disposal::Removed);
    }
    assert_eq!(driver.list(STORE).await.unwrap(), []);
}

#[tokio::test]
async fn bare_shallow_linked_and_sha256() {
    let fixture = Fixture::new();
    let top = fs::canonicalize(fixture.temp.path()).unwrap();
    commit(&fixture.repository, "second", "2");
    let url = format!("file://{}", fixture.repository.display());
    git(&top, &["clone", "-q", "--bare", &url, "bare"]);
    git(&top, &["clone", "-q", "--depth", "1", &url, "shallow"]);
    git(&top, &["clone", "-q", "--filter=blob:none", &url, "partial"]);
    git(
        &fixture.repository,
        &["worktree", "add", "-q", "-b", "linked", top.join("linked").to_str().unwrap()],
    );
    git(&top, &["init", "-q", "-b", "main", "--object-format=sha256", "long"]);
    commit(&top.join("long"), "src/a", "a");
    for sort in ["bare", "shallow", "partial", "linked", "long"] {
        let driver = GitWorktree::open(top.join(sort), top.join("roots").join(sort)).await.unwrap();
        cycle(&driver, sort).await;
    }
    // The git folder is as good as the folder, and a root may lie inside.
    let driver =
        GitWorktree::open(fixture.repository.join(".git"), fixture.repository.join(".worktrees"))
            .await;
    cycle(&driver.unwrap(), "inside").await;
}

#[cfg(unix)]
#[tokio::test]
async fn links_to_the_repository_and_the_root() {
    use std::os::unix::fs::symlink;
    let fixture = Fixture::new();
    let top = fixture.temp.path();
    fs::create_dir(top.join("real")).unwrap();
    symlink(&fixture.repository, top.join("to-repository")).unwrap();
    symlink(top.join("real"), top.join("to-root")).unwrap();
    let one = GitWorktree::open(top.join("to-repository"), top.join("to-root/")).await.unwrap();
    let two = GitWorktree::open(&fixture.repository, top.join("real/../to-root/.")).await.unwrap();
    let of = create(&one, "linked").await;
    for driver in [&one, &two] {
        assert_eq!(driver.inspect(&of).await.unwrap().unwrap().dirty, false);
        assert_eq!(driver.list(STORE).await.unwrap(), [of.name.clone()]);
    }
    assert_eq!(two.dispose(&of.name, false).await.unwrap(), Disposal::Removed);
    cycle(&one, "again").await;
}

#[tokio::test]
async fn what_is_no_repository_or_no_root_is_refused() {
    let fixture = Fixture::new();
    let refused = async |repository: &Path, root: &Path| {
        let error = GitWorktree::open(repository, root).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
    };
    refused(&fixture.temp.path().join("nothing"), &fixture.root).await;
    refused(fixture.temp.path(), &fixture.root).await;
    refused(&fixture.repository.join("src"), &fixture.root).await;
    refused(&fixture.repository, &fixture.repository).await;
    refused(&fixture.repository, &fixture.repository.join(".git")).await;
    refused(&fixture.repository, &fixture.repository.join(".git/worktrees")).await;
}

#[tokio::test]
async fn submodules_and_nested_repositories() {
    let fixture = Fixture::new();
    let library = fixture.temp.path().join("library");
    fs::create_dir(&library).unwrap();
    git(&library, &["init", "-q", "-b", "main"]);
    commit(&library, "lib", "1");
    git(&fixture.repository, &["submodule", "--quiet", "add", library.to_str().unwrap(), "lib"]);
    git(&fixture.repository, &["commit", "-qm", "submodule"]);
    let driver = fixture.driver().await;
    cycle(&driver, "empty").await;
    let of = create(&driver, "filled").await;
    let at = fixture.path(&of);
    git(&at, &["submodule", "--quiet", "update", "--init"]);
    assert!(!dirty(&driver, &of).await);
    let tree = driver.snapshot(&of).await.unwrap();
    assert_eq!(tree, of.saved.clone().unwrap());
    write(&driver, &of, "x", b"x").await;
    driver.restore(&of, &tree).await.unwrap();
    assert_eq!(fs::read_to_string(at.join("lib/lib")).unwrap(), "1");
    // A commit that only the submodule's repository in this worktree has, though the worktree itself is clean.
    commit(&at.join("lib"), "lib", "2");
    assert!(dirty(&driver, &of).await);
    git(&at, &["commit", "-qam", "newer"]);
    assert!(dirty(&driver, &of).await);
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Refused);
    git(&at.join("lib"), &["push", "-q", "origin", "HEAD:refs/heads/saved"]);
    assert!(!dirty(&driver, &of).await);
    // A repository that is nobody's submodule.
    git(&at, &["init", "-q", "nested"]);
    fs::write(at.join("nested/file"), "x").unwrap();
    assert!(dirty(&driver, &of).await);
    driver.snapshot(&of).await.unwrap();
    driver.restore(&of, &tree).await.unwrap();
    assert!(at.join("nested/file").exists());
    fs::remove_dir_all(at.join("nested")).unwrap();
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Removed);
    assert_eq!(driver.list(STORE).await.unwrap(), []);
}

/// What the repository's settings would run when somebody only looks.
#[cfg(unix)]
#[tokio::test]
async fn reading_runs_nothing_of_the_repositorys() {
    let fixture = Fixture::new();
    let ran = fixture.temp.path().join("ran");
    let program = fixture.temp.path().join("program");
    let driver = fixture.driver().await;
    let of = create(&driver, "read").await;
    script(&program, &format!("echo $0 $@ >> {}", ran.display()));
    let program = program.to_str().unwrap();
    for setting in
        ["core.fsmonitor", "core.pager", "diff.external", "core.editor", "core.sshCommand"]
    {
        git(&fixture.repository, &["config", setting, program]);
    }
    for hook in ["reference-transaction", "post-index-change", "pre-commit"] {
        script(
            &fixture.repository.join(".git/hooks").join(hook),
            &format!("echo {hook} >> {}", ran.display()),
        );
    }
    // The workspace has its own idea of where its repository is.
    fs::remove_file(fixture.path(&of).join(".git")).unwrap();
    git(&fixture.path(&of), &["-c", "core.fsmonitor=", "init", "-q"]);
    fs::write(
        fixture.path(&of).join(".git/config"),
        format!("[core]\n\tfsmonitor = {program}\n\thooksPath = /x\n"),
    )
    .unwrap();
    let _before = fs::remove_file(&ran);
    driver.inspect(&of).await.unwrap().unwrap();
    driver.list(STORE).await.unwrap();
    driver.list_files(&of, None).await.unwrap();
    let tree = driver.snapshot(&of).await.unwrap();
    driver.diff(&of, &tree, None).await.unwrap();
    driver.read_file(&of, &path("src/main.rs"), Some(&tree)).await.unwrap();
    write(&driver, &of, "x", b"x").await;
    driver.restore(&of, &tree).await.unwrap();
    driver.dispose(&of.name, true).await.unwrap();
    assert!(!ran.exists(), "{}", fs::read_to_string(&ran).unwrap_or_default());
    assert_empty(&fixture);
}
