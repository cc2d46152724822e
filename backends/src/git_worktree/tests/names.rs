use super::*;

#[test]
fn prefixes_are_narrow() {
    for good in ["sessile", "a/b", "A-1_x", "team/agents"] {
        assert!(Prefix::new(good.into()).is_ok(), "{good}");
    }
    for bad in [
        "",
        "/a",
        "a/",
        "a//b",
        "-a",
        "a/-b",
        "a.b",
        "..",
        "heads",
        "Tags/x",
        "é",
        "a b",
        &"x".repeat(65),
    ] {
        assert!(Prefix::new(bad.into()).is_err(), "{bad}");
    }
}

#[test]
fn a_port_is_a_function_of_the_label() {
    let of = |label: &str| port(&Label::new(label).unwrap());
    // CRC-32 of "123456789" is cbf43926.
    assert_eq!(u32::from(of("123456789")), 20_000 + 0xcbf4_3926 % 20_000);
    for label in ["a", "fix-login", &"x".repeat(64)] {
        assert!((20_000..40_000).contains(&of(label)), "{label}");
    }
}

#[tokio::test]
async fn a_prefix_of_ones_own_is_used() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await.with_prefix("team/agents").unwrap();
    let of = create(&driver, "a").await;
    assert!(of.reference.starts_with("team/agents/a."), "{}", of.reference);
    assert_eq!(driver.list(STORE).await.unwrap(), slice::from_ref(&of.name));
    driver.dispose(&of.name, false).await.unwrap();
    assert_empty(&fixture);
}

#[tokio::test]
async fn git_is_hidden_and_refused_at_any_depth() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "hidden").await;
    let names: Vec<_> = driver
        .list_files(&of, None)
        .await
        .unwrap()
        .into_iter()
        .map(|e| e.path.to_string())
        .collect();
    assert_eq!(names, [".gitignore", "src"]);
    for bad in [".git", ".git/config", "a/.git", "a/.GIT/hooks/x", "src/.git"] {
        let change = [FileChange::write(path(bad), "x")];
        assert!(
            matches!(driver.change_files(&of, &change).await, Err(Error::Invalid { .. })),
            "{bad}"
        );
        assert!(driver.read_file(&of, &path(bad), None).await.is_err(), "{bad}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_never_followed() {
    use std::os::unix::fs::symlink;
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "links").await;
    symlink(&fixture.repository, fixture.path(&of).join("out")).unwrap();
    symlink("/", fixture.path(&of).join("top")).unwrap();
    let before = files(&fixture.repository);
    assert!(driver.read_file(&of, &path("out/src/main.rs"), None).await.is_err());
    assert!(driver.list_files(&of, Some(&path("out"))).await.is_err());
    assert!(driver.change_files(&of, &[FileChange::write(path("out/x"), "x")]).await.is_err());
    // Nothing of the workspace is there to remove.
    driver.change_files(&of, &[FileChange::Remove { path: path("out/src") }]).await.unwrap();
    let tree = driver.snapshot(&of).await.unwrap();
    fs::remove_file(fixture.path(&of).join("out")).unwrap();
    driver.restore(&of, &tree).await.unwrap();
    assert_eq!(fs::read_link(fixture.path(&of).join("out")).unwrap(), fixture.repository);
    driver.dispose(&of.name, true).await.unwrap();
    let mut after = files(&fixture.repository);
    after.retain(|path, _| before.contains_key(path));
    let mut before = before;
    before.retain(|path, _| after.contains_key(path));
    assert_eq!(before, after);
    assert!(fixture.repository.join("src/main.rs").is_file());
    assert_empty(&fixture);
}

/// A folder that was replaced by a link is no workspace, and what the link points to is nobody's to touch.
#[cfg(unix)]
#[tokio::test]
async fn a_link_in_place_of_the_folder_is_removed_itself() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let of = create(&driver, "swapped").await;
    fs::remove_dir_all(fixture.path(&of)).unwrap();
    std::os::unix::fs::symlink(&fixture.repository, fixture.path(&of)).unwrap();
    assert_eq!(driver.inspect(&of).await.unwrap(), None);
    assert!(driver.list_files(&of, None).await.is_err());
    assert!(driver.snapshot(&of).await.is_err());
    assert_eq!(driver.list(STORE).await.unwrap(), slice::from_ref(&of.name));
    assert_eq!(driver.dispose(&of.name, false).await.unwrap(), Disposal::Removed);
    assert!(fixture.repository.join("src/main.rs").is_file());
    assert_empty(&fixture);
}
