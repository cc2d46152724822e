//! What a kill can leave: all of it is listed, and `dispose` without force removes it.

use super::*;

async fn is_listed_and_goes(
    fixture: &Fixture,
    driver: &GitWorktree,
    of: &WorkspaceName,
    what: &str,
) {
    assert_eq!(driver.list(STORE).await.unwrap(), [of.clone()], "{what}");
    assert_eq!(driver.dispose(of, false).await.unwrap(), Disposal::Removed, "{what}");
    assert_eq!(driver.list(STORE).await.unwrap(), [], "{what}");
    assert_empty(fixture);
}

#[tokio::test]
async fn steps_of_a_creation() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let repository = &fixture.repository;
    let of = name("half", 1);
    let reference = as_ref(&of, &Begun { reference: String::new(), tree: None });
    let at = fixture.root.join(of.to_string());
    let base = format!("refs/sessile/base/{of}");
    let branch = format!("sessile/{of}");
    let admin = repository.join(format!(".git/worktrees/{of}"));

    git(repository, &["update-ref", &base, "HEAD"]);
    is_listed_and_goes(&fixture, &driver, &of, "a base").await;

    git(repository, &["update-ref", &base, "HEAD"]);
    git(repository, &["branch", "--no-track", &branch]);
    is_listed_and_goes(&fixture, &driver, &of, "a base and a branch").await;

    git(repository, &["update-ref", &base, "HEAD"]);
    git(repository, &["branch", "--no-track", &branch]);
    fs::create_dir_all(&admin).unwrap();
    is_listed_and_goes(&fixture, &driver, &of, "an empty admin folder").await;

    fs::create_dir_all(&admin).unwrap();
    fs::write(admin.join("locked"), "initializing").unwrap();
    is_listed_and_goes(&fixture, &driver, &of, "a locked admin folder alone").await;

    fs::create_dir_all(&at).unwrap();
    is_listed_and_goes(&fixture, &driver, &of, "an empty folder").await;

    fs::create_dir_all(&at).unwrap();
    fs::write(at.join(".git"), "gitdir: nowhere").unwrap();
    is_listed_and_goes(&fixture, &driver, &of, "a folder with .git").await;

    // The worktree without its files, and with some of them.
    for files in [false, true] {
        git(repository, &["update-ref", &base, "HEAD"]);
        git(repository, &["branch", "--no-track", &branch]);
        git(repository, &["worktree", "add", "-q", "--no-checkout", at.to_str().unwrap(), &branch]);
        if files {
            fs::write(at.join("some"), "x").unwrap();
            fs::write(admin.join("index.lock"), "").unwrap();
        }
        assert_eq!(driver.inspect(&reference).await.unwrap(), None);
        is_listed_and_goes(&fixture, &driver, &of, "a worktree without files").await;
    }

    // Lock files of a `git` that was killed.
    git(repository, &["update-ref", &base, "HEAD"]);
    fs::write(repository.join(format!(".git/{base}.lock")), "").unwrap();
    is_listed_and_goes(&fixture, &driver, &of, "a locked base").await;
}

#[tokio::test]
async fn steps_of_a_disposal() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let repository = &fixture.repository;
    let trash = |of: &WorkspaceRef| {
        fs::create_dir_all(fixture.root.join(".trash")).unwrap();
        fs::rename(fixture.path(of), fixture.root.join(".trash").join(of.name.to_string()))
            .unwrap();
    };
    // In the trash it is decided, whatever it holds.
    let of = create(&driver, "half").await;
    write(&driver, &of, "work", b"x").await;
    trash(&of);
    assert_eq!(driver.inspect(&of).await.unwrap(), None);
    is_listed_and_goes(&fixture, &driver, &of.name, "in the trash").await;

    let of = create(&driver, "half").await;
    trash(&of);
    git(
        repository,
        &["worktree", "remove", "--force", "--force", fixture.path(&of).to_str().unwrap()],
    );
    is_listed_and_goes(&fixture, &driver, &of.name, "without the admin folder").await;

    let of = create(&driver, "half").await;
    trash(&of);
    git(
        repository,
        &["worktree", "remove", "--force", "--force", fixture.path(&of).to_str().unwrap()],
    );
    git(repository, &["update-ref", "-d", &format!("refs/heads/sessile/{}", of.name)]);
    is_listed_and_goes(&fixture, &driver, &of.name, "without the branch").await;

    // A branch that stays, and a kill before the base went.
    let of = create(&driver, "half").await;
    let tip = commit(&fixture.path(&of), "own", "x");
    trash(&of);
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Removed);
    let branch = format!("refs/heads/sessile/{}", of.name);
    assert_eq!(git(repository, &["rev-parse", &branch]), tip);
    git(repository, &["update-ref", &format!("refs/sessile/base/{}", of.name), "HEAD"]);
    assert_eq!(driver.list(STORE).await.unwrap(), [of.name.clone()]);
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Removed);
    assert_eq!(git(repository, &["rev-parse", &branch]), tip);
    assert_eq!(driver.list(STORE).await.unwrap(), []);
}

#[tokio::test]
async fn a_folder_that_the_repository_forgot_is_work() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "forgotten").await;
    write(&driver, &of, "work", b"x").await;
    fs::remove_dir_all(fixture.repository.join(".git/worktrees")).unwrap();
    let seen = driver.inspect(&of).await.unwrap().unwrap();
    assert!(seen.dirty);
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Refused);
    assert_eq!(driver.read_file(&of, &path("work"), None).await.unwrap(), b"x");
    assert_eq!(driver.dispose(&of.name, true).await.unwrap(), Disposal::Removed);
    assert_empty(&fixture);
}

#[tokio::test]
async fn what_is_not_a_workspaces_stays() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "mine").await;
    let others = ["notes.txt", "fix-login", &format!("{}x", of.name), "UPPER"];
    for other in others {
        fs::write(fixture.root.join(other), "x").unwrap();
    }
    git(&fixture.repository, &["update-ref", "refs/sessile/base/other", "HEAD"]);
    assert_eq!(driver.list(STORE).await.unwrap(), [of.name.clone()]);
    driver.dispose(&of.name, false).await.unwrap();
    for other in others {
        assert!(fixture.root.join(other).exists(), "{other}");
    }
    assert!(!git(&fixture.repository, &["for-each-ref", "refs/sessile/base/other"]).is_empty());
}
