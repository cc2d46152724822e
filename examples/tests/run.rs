//! What the examples promise.

#[allow(dead_code, reason = "its main is the example's own")]
#[path = "../agent_team.rs"]
mod agent_team;

#[allow(dead_code, reason = "its main is the example's own")]
#[path = "../change_backend.rs"]
mod change_backend;

#[allow(dead_code, reason = "its main is the example's own")]
#[path = "../looking_back.rs"]
mod looking_back;

#[allow(dead_code, reason = "its main is the example's own")]
#[path = "../many_workers.rs"]
mod many_workers;

#[allow(dead_code, reason = "its main is the example's own")]
#[path = "../own_ids.rs"]
mod own_ids;

#[allow(dead_code, reason = "its main is the example's own")]
#[path = "../three_agents.rs"]
mod three_agents;

#[tokio::test(flavor = "multi_thread")]
async fn a_team_comes_back_together() {
    let store = sessile::open("memory:").await.unwrap();
    agent_team::begin(&store).await.unwrap();
    let mut told = agent_team::go_on(&store).await.unwrap();
    // What was written to in one millisecond may come in either order.
    told[..3].sort();
    let refused = told.remove(4);
    assert!(refused.contains("is owned by ann"), "{refused}");
    let want = [
        "open: coder waits for its worker, who is gone",
        "open: supervisor waits for 2 sub-sessions",
        "open: tester waits for whoever goes on",
        "the run that waited: failed",
        "the supervisor, after both were merged: idle",
        "in the supervisor's log:",
        "  user: The coder wrote shop.html, without a framework. (of 6 messages)",
        "  user: The tester found no browser; Ann looked at the page, and it works. (of 5 messages)",
        "supervisor: idle, 0.0000 USD",
        "  coder: idle, 0.0096 USD",
        "  tester: idle, 0.0048 USD",
        "    by hand: idle, 0.0000 USD",
        "  designer: idle, 0.0048 USD",
        "  lawyer: idle, 0.0048 USD",
        "all of it: 0.0240 USD",
    ];
    assert_eq!(told, want);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_agents_leave_nothing_behind() {
    use sessile::{git_worktree::GitWorktree, store::Store, workspace::WorkspaceDrivers};

    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("website");
    std::fs::create_dir(&repository).unwrap();
    three_agents::git(&repository, &["init", "--quiet", "--initial-branch=main"]).unwrap();
    std::fs::write(repository.join("index.html"), "<h1>Welcome</h1>\n").unwrap();
    three_agents::git(&repository, &["add", "--all"]).unwrap();
    three_agents::git(&repository, &["commit", "--quiet", "--message=Begin"]).unwrap();
    let worktrees = folder.path().join("worktrees");
    let driver = GitWorktree::open(&repository, &worktrees).await.unwrap();
    let drivers = WorkspaceDrivers::default().with(std::sync::Arc::new(driver)).unwrap();
    let journal = sessile::open_journal("memory:").await.unwrap();
    let store = Store::new(journal, sessile::options().with_workspaces(drivers));
    let said = three_agents::work(&store, &repository).await.unwrap();
    let want = [
        "short: Removed",
        "long: Removed",
        "forgotten: its session is gone, Removed",
        "0 workspaces are left",
    ];
    assert_eq!(said, want);
    let page = std::fs::read_to_string(repository.join("index.html")).unwrap();
    assert_eq!(page, "<h1>Short</h1>\n", "one of them was merged");
    let branches = std::process::Command::new("git")
        .current_dir(&repository)
        .args(["branch", "--format=%(refname:short)"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(branches.stdout).unwrap(), "main\n");
    let left = std::fs::read_dir(&worktrees).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        !name.to_string_lossy().starts_with('.')
    });
    assert_eq!(left.count(), 0, "no folder is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workers_count_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite:{}", folder.path().join("tasks.db").display());
    for url in ["memory:", &sqlite] {
        let store = sessile::open(url).await.unwrap();
        let costs = many_workers::tasks(&store).await.unwrap();
        let iterations: Vec<u64> = costs.iter().map(|it| it.iterations).collect();
        assert_eq!(iterations, [30, 32, 34, 36, 38, 41, 43, 45, 47, 50]);
        for (task, it) in (0..).zip(&costs) {
            let runs = it.iterations + 1;
            assert_eq!((it.attempts, it.retries(), it.succeeded, it.live), (runs, 1, runs, 0));
            let totals = it.totals.as_ref().unwrap();
            assert_eq!((totals.calls, totals.tokens.output), (runs, runs * 10 * task));
            assert_eq!(totals.tokens.cache_write, (0..it.iterations).sum::<u64>());
            assert_eq!(totals.cost.values().sum::<u64>(), runs * 1_200);
        }
        store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_an_id_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("chats.db").display());
    for said in 1..=3 {
        let store = sessile::open(&url).await.unwrap();
        assert_eq!(own_ids::say(&store, "Why?").await.unwrap(), said);
        store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_is_seen_again() {
    let store = sessile::open("memory:").await.unwrap();
    let want = [
        "system: Be brief. | user: Why? | assistant: A typo. | user: Where?",
        "system: Be brief. | user: Why? | assistant: A typo in the form.",
        "system: Be brief. | user: It was a typo in the form. | assistant: In login.html, line 7.",
        "2 differ, 2 hits",
        "28 tokens, 70 %",
    ];
    assert_eq!(looking_back::look_back(&store).await.unwrap(), want);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_is_all_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |scheme: &str| format!("{scheme}:{}", folder.path().join(scheme).display());
    for (url, remembers) in [
        ("memory:".to_owned(), false),
        (at("disk"), true),
        (at("sqlite"), true),
        (at("redb"), true),
        (at("file"), true),
    ] {
        for visit in 1..=3 {
            let store = sessile::open(&url).await.unwrap();
            let counted = change_backend::visit(&store).await.unwrap();
            assert_eq!(counted, if remembers { visit } else { 1 }, "{url}");
            store.close().await.unwrap();
        }
    }
}
