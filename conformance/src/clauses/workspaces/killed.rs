//! WSP7: processes that are killed in the middle of creations and disposals.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use sessile_core::{
    id::{ThreadId, WorkspaceId},
    model::WorkspaceStatus,
    store::StoreOptions,
    workspace::{Disposal, FileChange, FilePath, Reap},
};

use crate::{
    Dir,
    clause::Verdict,
    internal::{ClauseContext, TestClock, workspaces::Lab},
};

crate::clauses! { WSP7: Durable => wsp7 }
crate::internal::child_programs! { "wsp make and dispose" => make_and_dispose }

/// A store over another journal with the same driver on the same root, as the second process has it.
async fn second_store(cx: &ClauseContext, place: &str) -> ClauseContext {
    let dir = Dir::new(place.into());
    ClauseContext::at(cx.backend(), dir, None, cx.seed(), cx.parent_pipe.clone()).await
}

/// Makes workspaces, works in half of them, disposes of some; says before and after what it does. Each process has a store of
/// its own, where processes may.
async fn make_and_dispose(cx: ClauseContext, index: usize, args: Value) -> String {
    let thread = args["threads"][index].as_str().expect("a thread");
    let thread: ThreadId = thread.parse().expect("a thread");
    let journal = match (index, args["second"].as_str()) {
        (1, Some(place)) => second_store(&cx, place).await.journal().await,
        _ => cx.journal().await,
    };
    let drivers = cx.drivers().await;
    let store = cx.store_over(journal, Arc::default(), |it| it.with_workspaces(drivers));
    let lab = Lab { thread, ..Lab::over(&cx, store, Arc::default()).await };
    let handle = lab.handle();
    for round in 0.. {
        let label = format!("p{index}-{round}");
        let new = lab.new_workspace(&label);
        let made = handle.create_session_in(thread, label.as_str(), new).await;
        let workspace = made.expect("a session").1.expect("a workspace");
        cx.report(format!("made {workspace}"));
        let works = round % 2 == 0;
        if works {
            let change = FileChange::write(FilePath::new("work.txt").expect("a path"), label);
            handle.change_files(workspace, [change]).await.expect("a file");
            cx.report(format!("worked {workspace}"));
            // Whatever comes in between: without force its work stays.
            let disposal = handle.dispose_of_workspace(workspace, false).await;
            assert_eq!(disposal.expect("an answer"), Disposal::Refused);
        }
        // One in four lives, with its work.
        if round % 4 != 0 {
            cx.report(format!("disposing {workspace}"));
            let disposal = handle.dispose_of_workspace(workspace, works).await;
            assert_eq!(disposal.expect("it goes"), Disposal::Removed);
            cx.report(format!("disposed {workspace}"));
        }
    }
    String::new()
}

/// After kills and the reaper, what is held is what records claim: nothing leaks, nothing that is owned is lost. Two processes,
/// each with a store of its own, work on one root.
pub async fn wsp7(cx: ClauseContext) -> Verdict {
    let first = Lab::new(&cx).await;
    let elsewhere = cx.another().await;
    let mut labs = vec![first];
    if cx.many_processes() {
        let clock = Arc::<TestClock>::default();
        let drivers = cx.drivers().await;
        let with = |it: StoreOptions| it.with_workspaces(drivers);
        let store = cx.store_over(elsewhere.journal().await, Arc::clone(&clock), with);
        labs.push(Lab::over(&cx, store, clock).await);
    }
    let thread = |i: usize| labs.get(i).unwrap_or(&labs[0]).thread.to_string();
    let second = cx.many_processes().then(|| elsewhere.dir().path());
    let args = json!({ "threads": [thread(0), thread(1)], "second": second });
    let mut rng = StdRng::seed_from_u64(cx.seed());
    let rounds = cx.scale(4, 100);
    let mut living: BTreeMap<WorkspaceId, bool> = BTreeMap::new();
    let mut kills = 0;
    for round in 0..rounds {
        let children = cx.start_processes("wsp make and dispose", 2, &args).await;
        while children.iter().any(|child| child.reports().is_empty()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..400))).await;
        for child in children {
            kills += usize::from(child.is_process());
            for report in child.kill().await {
                let (what, workspace) = report.split_once(' ').expect("a report");
                let workspace: WorkspaceId = workspace.parse().expect("an id");
                match what {
                    "made" => drop(living.insert(workspace, false)),
                    "worked" => drop(living.insert(workspace, true)),
                    // It may be gone or not; from here on nothing is promised but that it does not leak.
                    _ => drop(living.remove(&workspace)),
                }
            }
        }
        // What a killed process' program, or a killed task's driver, does on its own ends by itself.
        tokio::time::sleep(Duration::from_millis(300)).await;
        agree(&labs, &living, round).await;
    }
    let worked = living.values().filter(|worked| **worked).count();
    cx.note(format!(
        "{kills} processes killed, {} workspaces lived, {worked} with work",
        living.len()
    ));
    // All go in the end, and nothing is left.
    for lab in &labs {
        for record in lab.records().await {
            lab.handle().dispose_of_workspace(record.id, true).await.expect("it goes");
        }
        assert_eq!(lab.reap(Reap::new()).await, []);
        assert_eq!(lab.held().await, []);
    }
    labs[0].audit(Vec::new()).await;
    Verdict::Passed
}

/// Reaps, and looks at everything.
async fn agree(labs: &[Lab], living: &BTreeMap<WorkspaceId, bool>, round: usize) {
    let mut claimed = Vec::new();
    for lab in labs {
        lab.makers_are_late();
        lab.reap_all().await;
        lab.agrees().await;
        for record in lab.records().await {
            assert_eq!(record.status, WorkspaceStatus::Ready, "round {round}: {record:?}");
            assert!(record.session.is_some());
        }
        claimed.extend(lab.claimed().await);
    }
    labs[0].audit(claimed).await;
    for (workspace, worked) in living {
        let owner = labs.iter().find(|lab| lab.thread == workspace.thread());
        let handle = owner.expect("a store of the two").handle();
        let there = handle.inspect_workspace(*workspace).await.expect("an answer");
        let there = there.unwrap_or_else(|| panic!("round {round}: {workspace} is lost"));
        if *worked {
            assert!(there.dirty, "round {round}: its work");
            let work = handle.read_file(*workspace, FilePath::new("work.txt").expect("a path"));
            assert!(!work.await.expect("its work").is_empty());
        }
    }
}
