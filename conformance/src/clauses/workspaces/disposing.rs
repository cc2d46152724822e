//! WSP3, WSP4: disposing of workspaces, and what there is of them.

use std::sync::Arc;

use sessile_core::{
    ErrorKind,
    id::WorkspaceId,
    workspace::{Disposal, FileChange, FilePath, Reap},
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::refused,
        fault::{Call, InterruptedJournal},
        workspaces::Lab,
    },
};

crate::clauses! { WSP3 => wsp3, WSP4 => wsp4 }

/// Disposing may be repeated and says what it found; work goes only with force.
pub async fn wsp3(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let handle = lab.handle();
    let (session, clean) = lab.workspace("clean").await;
    let dispose = |workspace, force| handle.dispose_of_workspace(workspace, force);
    assert_eq!(dispose(clean, false).await.expect("it goes"), Disposal::Removed);
    for force in [false, true] {
        assert_eq!(dispose(clean, force).await.expect("it is gone"), Disposal::AlreadyGone);
    }
    assert_eq!(handle.workspace(clean).await.expect("an answer"), None);
    refused(handle.inspect_workspace(clean).await, ErrorKind::NotFound);
    refused(handle.list_files(clean, None).await, ErrorKind::NotFound);
    let unknown = WorkspaceId::new(lab.thread, 1 << 40);
    assert_eq!(dispose(unknown, true).await.expect("nothing"), Disposal::AlreadyGone);
    lab.agrees().await;

    // The session stays, and may get another.
    let shown = handle.session(session).await.expect("an answer").expect("it stays");
    assert_eq!(shown.workspace, None);
    let again = handle.create_workspace(session, lab.new_workspace("clean")).await;
    let again = again.expect("another").id().expect("the kind is registered");
    assert_ne!(again, clean, "an id is not used twice");

    // Work: a new file, a changed one, a removed one; each refused, and left as it is.
    lab.write(again, "work.txt", "hours of work").await;
    let held = lab.files(again).await;
    for _ in 0..2 {
        assert_eq!(dispose(again, false).await.expect("an answer"), Disposal::Refused);
        assert_eq!(lab.files(again).await, held, "nothing was touched");
    }
    lab.makers_are_late();
    assert_eq!(lab.reap(Reap::new().with_force()).await, [], "it has an owner");
    assert_eq!(dispose(again, true).await.expect("it goes"), Disposal::Removed);
    lab.agrees().await;

    work_in_between(&lab).await;

    // A lease: only its holder disposes.
    let (leased, workspace) = lab.workspace("leased").await;
    let ttl = std::time::Duration::from_secs(60);
    let token = handle.claim_lease(leased, ttl).await.expect("a lease");
    refused(dispose(workspace, true).await, ErrorKind::Fenced);
    let change = FileChange::write(FilePath::new("x").expect("a path"), b"x");
    refused(handle.change_files(workspace, [change.clone()]).await, ErrorKind::Fenced);
    let holder = handle.with_lease(token);
    holder.change_files(workspace, [change]).await.expect("a file");
    let disposal = holder.dispose_of_workspace(workspace, true).await;
    assert_eq!(disposal.expect("it goes"), Disposal::Removed);
    lab.agrees().await;
    Verdict::Passed
}

/// Somebody works in it after it was found clean and before it goes: that is work.
async fn work_in_between(lab: &Lab) {
    if !lab.can.in_journal {
        return; // There the driver looks and removes; between the two is its own.
    }
    let (_, workspace) = lab.workspace("between").await;
    let (handle, path) = (lab.handle(), FilePath::new("work.txt").expect("a path"));
    let journal = InterruptedJournal::before(lab.cx.journal().await, Call::Commit, async move {
        handle.change_files(workspace, [FileChange::write(path, "work")]).await.map(drop)
    });
    let store = lab.cx.store_over(journal.clone(), Arc::clone(&lab.clock), |options| options);
    let disposal = store.as_caller(&lab.caller).dispose_of_workspace(workspace, false).await;
    assert!(journal.is_over(), "it was worked in");
    assert_eq!(disposal.expect("an answer"), Disposal::Refused);
    assert_eq!(lab.read(workspace, "work.txt").await.as_deref(), Some("work"));
    lab.handle().dispose_of_workspace(workspace, true).await.expect("it goes");
}

/// Inspecting tells what is the case, also after somebody removed the folder.
pub async fn wsp4(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let handle = lab.handle();
    let (session, workspace) = lab.workspace("seen").await;
    let seen = || async { handle.inspect_workspace(workspace).await.expect("an answer") };
    let first = seen().await.expect("it is there");
    assert!(!first.dirty, "{first:?}");
    assert!(!first.reference.is_empty());
    let begun = lab.files(workspace).await;
    lab.write(workspace, "new.txt", "new").await;
    assert!(seen().await.expect("it is there").dirty, "a new file");
    let remove = FileChange::Remove { path: FilePath::new("new.txt").expect("a path") };
    handle.change_files(workspace, [remove]).await.expect("it goes");
    assert_eq!(lab.files(workspace).await, begun);
    assert!(!seen().await.expect("it is there").dirty, "it is again what it was");

    // What the driver says is what is there; and somebody takes it away.
    let Some(path) = first.path else {
        cx.note("no folder to remove by hand");
        return Verdict::Passed;
    };
    lab.write(workspace, "by-command.txt", "seen from outside").await;
    let text = std::fs::read_to_string(path.join("by-command.txt")).expect("a file of the folder");
    assert_eq!(text, "seen from outside");
    std::fs::write(path.join("by-hand.txt"), "seen from inside").expect("a file");
    assert_eq!(lab.read(workspace, "by-hand.txt").await.as_deref(), Some("seen from inside"));
    std::fs::remove_dir_all(&path).expect("it is removed by hand");
    assert_eq!(seen().await, None, "nothing is there");
    let record = handle.workspace(workspace).await.expect("an answer");
    assert!(record.is_some(), "its session still owns it");
    refused(
        handle.read_file(workspace, FilePath::new("x").expect("a path")).await,
        ErrorKind::NotFound,
    );
    let disposal = handle.dispose_of_workspace(workspace, false).await.expect("no work is lost");
    assert_ne!(disposal, Disposal::Refused);
    lab.agrees().await;
    let again = handle.create_workspace(session, lab.new_workspace("seen")).await;
    let again = again.expect("the same label").id().expect("the kind is registered");
    assert_eq!(lab.files(again).await, begun);
    lab.agrees().await;
    Verdict::Passed
}
