use std::{sync::Arc, time::Duration};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_on_one_repository() {
    let fixture = Fixture::new();
    let drivers = [fixture.driver().await, fixture.driver().await].map(Arc::new);
    let mut tasks = Vec::new();
    for task in 0..8_u64 {
        let driver = drivers[usize::try_from(task % 2).unwrap()].clone();
        tasks.push(tokio::spawn(async move {
            for round in 0..3 {
                let name = name("race", 1 + task * 10 + round);
                let begun = driver.create(&tenant(), &name, None).await.unwrap();
                let of = as_ref(&name, &begun);
                write(&driver, &of, "x", format!("{task} {round}").as_bytes()).await;
                driver.snapshot(&of).await.unwrap();
                assert_eq!(driver.dispose(&name, false).await.unwrap(), Disposal::Refused);
                assert_eq!(driver.dispose(&name, true).await.unwrap(), Disposal::Removed);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_empty(&fixture);
    git(&fixture.repository, &["fsck", "--strict"]);
}

/// Whenever a creation is given up, what is left is listed, and can be disposed of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_creation_can_be_disposed_of() {
    let fixture = Fixture::new();
    let driver = fixture.driver().await;
    let mut seen = 0;
    for step in 0..25 {
        let name = name("dropped", step + 1);
        let given = Duration::from_millis(step * 4);
        let made = tokio::time::timeout(given, driver.create(&tenant(), &name, None)).await;
        let listed = driver.list(STORE).await.unwrap();
        if made.is_err() && !listed.is_empty() {
            seen += 1;
        }
        assert!(listed.is_empty() || listed == [name.clone()]);
        assert_ne!(driver.dispose(&name, false).await.unwrap(), Disposal::Refused);
        assert_eq!(driver.list(STORE).await.unwrap(), []);
    }
    assert!(seen > 0);
    assert_empty(&fixture);
    git(&fixture.repository, &["fsck", "--strict"]);
}
