//! WSP7: processes that are killed in the middle of creations and disposals.

use std::{collections::BTreeSet, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use sessile_core::{
    id::{ThreadId, WorkspaceId},
    model::WorkspaceStatus,
    workspace::{Disposal, FileChange, FilePath, Reap},
};

use crate::{
    clause::Verdict,
    internal::{ClauseContext, workspaces::Lab},
};

crate::clauses! { WSP7 => wsp7 }
crate::internal::child_programs! { "wsp make and dispose" => make_and_dispose }

/// Makes workspaces, works in half of them, disposes of some; says before and after what it does.
async fn make_and_dispose(cx: ClauseContext, index: usize, args: Value) -> String {
    let thread: ThreadId = args["thread"].as_str().expect("a thread").parse().expect("a thread");
    let store = cx.store().await;
    let lab = Lab::over(&cx, store, std::sync::Arc::default()).await;
    let lab = Lab { thread, ..lab };
    let handle = lab.handle();
    for round in 0.. {
        let label = format!("p{index}-{round}");
        let new = lab.new_workspace(&label);
        let made = handle.create_session_in(thread, label.as_str(), new).await;
        let workspace = made.expect("a session").1.expect("a workspace");
        cx.report(format!("made {workspace}"));
        if round % 2 == 0 {
            let change = FileChange::write(FilePath::new("work.txt").expect("a path"), label);
            handle.change_files(workspace, [change]).await.expect("a file");
            cx.report(format!("worked {workspace}"));
        }
        if round % 3 != 2 {
            let force = round % 2 == 0;
            cx.report(format!("disposing {workspace}"));
            let disposal = handle.dispose_of_workspace(workspace, force).await;
            assert_eq!(disposal.expect("it goes"), Disposal::Removed);
            cx.report(format!("disposed {workspace}"));
        }
    }
    String::new()
}

/// After kills and the reaper, what is held is what records claim: nothing leaks, nothing that is owned is lost.
pub async fn wsp7(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let handle = lab.handle();
    let mut rng = StdRng::seed_from_u64(cx.seed());
    let rounds = cx.scale(4, 100);
    let mut living = BTreeSet::new();
    let mut kills = 0;
    for round in 0..rounds {
        let args = json!({ "thread": lab.thread.to_string() });
        let children = cx.start_processes("wsp make and dispose", 2, &args).await;
        // Half of the kills come at once after a creation or in the middle of one, whatever a process takes to begin.
        while children.iter().all(|child| child.reports().is_empty()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..120))).await;
        for child in children {
            kills += usize::from(child.is_process());
            for report in child.kill().await {
                let (what, workspace) = report.split_once(' ').expect("a report");
                let workspace: WorkspaceId = workspace.parse().expect("an id");
                match what {
                    "made" => drop(living.insert((workspace, false))),
                    "worked" => {
                        living.remove(&(workspace, false));
                        living.insert((workspace, true));
                    }
                    // It may be gone or not; from here on nothing is promised but that it does not leak.
                    _ => living.retain(|(it, _)| *it != workspace),
                }
            }
        }
        // What a killed task's driver does in a thread of its own ends by itself.
        tokio::time::sleep(Duration::from_millis(if lab.cx.many_processes() { 0 } else { 300 }))
            .await;
        lab.clock.advance(Duration::from_secs(3600));
        lab.reap_all().await;
        lab.agrees().await;
        for record in lab.records().await {
            assert_eq!(record.status, WorkspaceStatus::Ready, "round {round}: {record:?}");
            assert!(record.session.is_some());
        }
        for (workspace, worked) in &living {
            let there = handle.inspect_workspace(*workspace).await.expect("an answer");
            let there = there.unwrap_or_else(|| panic!("round {round}: {workspace} is lost"));
            if *worked {
                assert!(there.dirty, "round {round}: its work");
                let work = handle.read_file(*workspace, FilePath::new("work.txt").expect("a path"));
                assert!(!work.await.expect("its work").is_empty());
            }
        }
    }
    cx.note(format!("{kills} processes killed, {} workspaces lived", living.len()));
    // All go in the end, and nothing is left.
    for record in lab.records().await {
        handle.dispose_of_workspace(record.id, true).await.expect("it goes");
    }
    assert_eq!(lab.reap(Reap::new()).await, []);
    assert_eq!(lab.held().await, []);
    Verdict::Passed
}
