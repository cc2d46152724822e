//! WSP10: one restore point for a session and its workspace.

use std::sync::Arc;

use sessile_core::{
    ErrorKind,
    command::{NewSession, NewWorkspace},
    workspace::{FilePath, TreeId},
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::refused,
        shorthand::says,
        workspaces::Lab,
        wrong_journals::{Alteration, AlteringJournal},
    },
};

crate::clauses! { WSP10 => wsp10 }

/// A session is forked with its workspace at the version of a snapshot: both are what they were there. A snapshot of what did
/// not change writes nothing.
pub async fn wsp10(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let handle = lab.handle();
    let (session, workspace) = lab.workspace("work").await;
    let fork = |version| NewSession::named("fork").fork_of(session, version);
    if !lab.can.snapshots {
        refused(handle.snapshot_workspace(workspace).await, ErrorKind::Unsupported);
        return Verdict::Unsupported("it declares that it keeps no snapshots".into());
    }
    let begun = lab.files(workspace).await;
    let start = handle.append(session, says("a plan")).await.expect("an entry").first.version();
    lab.write(workspace, "plan.md", "1. try").await;
    let (first_tree, first) = handle.snapshot_workspace(workspace).await.expect("a snapshot");
    let head = |handle: &sessile_core::Handle| {
        let (handle, thread) = (handle.clone(), lab.thread);
        async move { handle.thread(thread).await.expect("an answer").expect("the thread").head }
    };
    let before = head(&handle).await;
    let again = handle.snapshot_workspace(workspace).await.expect("a snapshot");
    assert_eq!((again.0.content(), again.1), (first_tree.content(), first), "nothing changed");
    assert_eq!(head(&handle).await, before, "and nothing was written");
    let held_first = lab.files(workspace).await;
    handle.append(session, says("it failed")).await.expect("an entry");
    lab.write(workspace, "plan.md", "2. try again").await;
    lab.write(workspace, "notes/one.txt", "one").await;
    let (second_tree, second) = handle.snapshot_workspace(workspace).await.expect("a snapshot");
    assert_ne!(first_tree.content(), second_tree.content());
    let held_second = lab.files(workspace).await;
    lab.write(workspace, "plan.md", "3. not kept").await;
    let held_now = lab.files(workspace).await;

    for (version, files, entries) in [
        (Some(start), &begun, 1),
        (Some(first), &held_first, 1),
        (Some(second - 1), &held_first, 2),
        (Some(second), &held_second, 2),
        (None, &held_now, 2),
    ] {
        let made = handle.create_session_in(lab.thread, fork(version), NewWorkspace::fork()).await;
        let (forked, branch) = made.expect("a fork with its workspace");
        let branch = branch.expect("a branch");
        assert_eq!(&lab.files(branch).await, files, "at {version:?}");
        let shown = handle.context(forked).await.expect("a context");
        assert_eq!(shown.messages.len(), entries, "at {version:?}");
        // Each goes its own way.
        lab.write(branch, "plan.md", "of the fork").await;
        assert_eq!(lab.files(workspace).await, held_now);
    }

    // Back and forth in one workspace; a comparison says what changed.
    let kept = handle.snapshot_workspace(workspace).await.expect("a snapshot").0;
    for (tree, files) in
        [(&first_tree, &held_first), (&second_tree, &held_second), (&kept, &held_now)]
    {
        handle.restore_workspace(workspace, tree.clone()).await.expect("it is restored");
        assert_eq!(&lab.files(workspace).await, files);
        let same = handle.compare_files(workspace, tree.clone(), None).await.expect("a comparison");
        assert_eq!(same, [], "it is that tree");
    }
    let plan = FilePath::new("plan.md").expect("a path");
    let was = handle.read_file_in(workspace, plan.clone(), first_tree.clone()).await;
    assert_eq!(was.expect("the file as it was"), b"1. try");
    let changed = handle.compare_files(workspace, first_tree.clone(), Some(second_tree)).await;
    let changed: Vec<_> =
        changed.expect("a comparison").into_iter().map(|c| c.path.to_string()).collect();
    assert_eq!(changed, ["notes/one.txt", "plan.md"]);

    // What is no tree of the thread.
    for text in
        ["0", "deadbeef", &"0".repeat(40), &"0".repeat(64), "a@b", "refs:heads:main", "HEAD"]
    {
        let tree = TreeId::new(text).expect("the form of an id");
        refused(handle.restore_workspace(workspace, tree.clone()).await, ErrorKind::NotFound);
        refused(handle.compare_files(workspace, tree.clone(), None).await, ErrorKind::NotFound);
        refused(handle.read_file_in(workspace, plan.clone(), tree).await, ErrorKind::NotFound);
    }
    assert_eq!(lab.files(workspace).await, held_now, "nothing was touched");
    // The session that is forked has no workspace.
    let bare = cx.session_in(&lab.store, &lab.caller, lab.thread).await;
    let new = NewSession::named("fork").fork_of(bare, None);
    let made = handle.create_session_in(lab.thread, new, NewWorkspace::fork()).await;
    refused(made, ErrorKind::Invalid);
    let made = handle.create_session_in(lab.thread, "no fork", NewWorkspace::fork()).await;
    refused(made, ErrorKind::Invalid);
    // A vacuum takes what no record leads to, and no more: read by a store that has nothing in memory.
    lab.write(workspace, "plan.md", "4. kept by nobody").await;
    handle.restore_workspace(workspace, kept.clone()).await.expect("it is restored");
    let journal = AlteringJournal::over(cx.journal().await, Alteration::CollectsAtOnce);
    let vacuuming = cx.store_over(Arc::new(journal), Arc::clone(&lab.clock), |options| options);
    let collected = vacuuming.as_caller(&lab.caller).vacuum_thread(lab.thread).await;
    let collected = collected.expect("a vacuum");
    assert!(collected > 0 || !lab.can.in_journal, "what was written over is collected");
    let fresh = Lab { store: lab.another_store().await, ..Lab::new(&cx).await };
    assert_eq!(fresh.files(workspace).await, held_now);
    for (tree, files) in [(&first_tree, &held_first), (&kept, &held_now)] {
        fresh.handle().restore_workspace(workspace, tree.clone()).await.expect("it is restored");
        assert_eq!(&fresh.files(workspace).await, files, "it was kept");
    }
    // Snapshots outlive the workspace.
    handle.dispose_of_workspace(workspace, true).await.expect("it goes");
    let (_, other) = lab.workspace("other").await;
    handle.restore_workspace(other, kept).await.expect("a snapshot lives as long as its thread");
    assert_eq!(lab.files(other).await, held_now);
    lab.agrees().await;
    Verdict::Passed
}
