//! ARC7: the workspace of an archived session goes after it, if nothing would be lost.

use sessile_core::{
    ErrorKind,
    model::{SessionStatus, WorkspaceStatus},
    workspace::{Reap, ReapOutcome},
};

use super::place::Place;
use crate::{
    clause::Verdict,
    internal::{ClauseContext, assertions::refused},
};

crate::clauses! { ARC7 => arc7 }

/// A clean one is removed, one with work stays with its session, and neither is in the way of restoring it.
pub async fn arc7(cx: ClauseContext) -> Verdict {
    let place = Place::new(&cx).await;
    let (lab, handle) = (&place.lab, &place.handle);
    let (clean, removed) = lab.workspace("clean").await;
    place.archived(clean).await;
    assert_eq!(handle.workspace(removed).await.expect("an answer"), None);
    lab.agrees().await;
    handle.restore_session(clean).await.expect("it is restored");
    assert_eq!(place.session(clean).await.workspace, None, "its workspace does not come back");
    handle.create_workspace(clean, lab.new_workspace("again")).await.expect("another");
    // One that holds work.
    let (dirty, kept) = lab.workspace("dirty").await;
    lab.write(kept, "work.txt", "work").await;
    place.archived(dirty).await;
    let workspace = handle.workspace(kept).await.expect("an answer").expect("it is there");
    assert_eq!(
        (workspace.status, workspace.session),
        (WorkspaceStatus::Ready, Some(dirty)),
        "its owner keeps it"
    );
    assert_eq!(lab.read(kept, "work.txt").await.as_deref(), Some("work"));
    assert_eq!(lab.reap(Reap::new()).await, [], "and nobody reaps it");
    let change = sessile_core::workspace::FileChange::write(
        sessile_core::workspace::FilePath::new("more.txt").expect("a path"),
        "more",
    );
    refused(handle.change_files(kept, [change]).await, ErrorKind::Closed);
    handle.restore_session(dirty).await.expect("it is restored");
    assert_eq!(place.session(dirty).await.workspace, Some(kept));
    lab.write(kept, "more.txt", "more").await;
    lab.agrees().await;
    // A driver that cannot remove it: that is recorded, and the session stays archived.
    if lab.driver.is_some() {
        let (session, workspace) = lab.workspace("stuck").await;
        let with = |options: sessile_core::store::StoreOptions| {
            let drivers = sessile_core::workspace::WorkspaceDrivers::default();
            options.with_workspaces(drivers)
        };
        let store = cx.store_with(std::sync::Arc::clone(&lab.clock), with).await;
        let archiving = sessile_core::command::Archiving::new();
        let without = store.as_caller(&lab.caller);
        without.archive_session(session, archiving).await.expect("it is archived");
        assert_eq!(place.session(session).await.status, SessionStatus::Archived);
        let it = handle.workspace(workspace).await.expect("an answer").expect("it is there");
        assert_eq!((it.status, it.session), (WorkspaceStatus::Leaked, Some(session)));
        let reaped = lab.reap(Reap::new()).await;
        assert_eq!(reaped.len(), 1);
        assert_eq!(reaped[0].outcome, ReapOutcome::Removed);
        handle.restore_session(session).await.expect("it is restored");
        lab.agrees().await;
    }
    Verdict::Passed
}
