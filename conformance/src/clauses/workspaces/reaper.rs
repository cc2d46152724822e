//! WSP6: what drivers hold, what records claim, and what is taken when the two differ.

use std::{sync::Arc, task::Poll, time::Duration};

use sessile_core::{
    Caller,
    model::WorkspaceStatus,
    store::{Store, StoreOptions},
    workspace::{Leak, Leaked, Reap, ReapOutcome},
};

use crate::{
    clause::Verdict,
    internal::{ClauseContext, SeededIds, workspaces::Lab},
};

use super::making::once;

crate::clauses! { WSP6 => wsp6 }

/// A list shows all that is held; the reaper takes what is leaked, of this store and this tenant, and no more.
pub async fn wsp6(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let handle = lab.handle();
    let (_, kept) = lab.workspace("kept").await;
    lab.write(kept, "work.txt", "work").await;
    let tree = match lab.can.snapshots {
        true => Some(handle.snapshot_workspace(kept).await.expect("a snapshot").0),
        false => None,
    };
    let (clean_session, clean) = lab.workspace("clean").await;
    let (dirty_session, dirty) = lab.workspace("dirty").await;
    lab.write(dirty, "work.txt", "work").await;
    lab.agrees().await;
    assert_eq!(lab.reap(Reap::new()).await, [], "all have owners");

    // A workspace follows its session, unless work would be lost.
    handle.delete_session(clean_session).await.expect("it goes");
    assert_eq!(handle.workspace(clean).await.expect("an answer"), None);
    lab.agrees().await;
    handle.delete_session(dirty_session).await.expect("it goes");
    let record = handle.workspace(dirty).await.expect("an answer").expect("it is still there");
    assert_eq!(record.session, None);
    lab.agrees().await;
    let outcome = |reap| {
        let lab = &lab;
        async move {
            let found = lab.reap(reap).await;
            let [it] = found.as_slice() else { panic!("one is leaked: {found:?}") };
            assert_eq!((it.kind.as_str(), it.why), (&*lab.kind, Leak::SessionGone));
            assert!(matches!(&it.what, Leaked::Workspace(name) if name.id() == dirty), "{it:?}");
            it.outcome.clone()
        }
    };
    assert_eq!(outcome(Reap::new().dry_run()).await, ReapOutcome::Found);
    assert_eq!(outcome(Reap::new()).await, ReapOutcome::KeptWork);
    assert!(handle.workspace(dirty).await.expect("an answer").is_some());
    assert_eq!(outcome(Reap::new().with_force().dry_run()).await, ReapOutcome::Found);
    assert_eq!(outcome(Reap::new().with_force()).await, ReapOutcome::Removed);
    lab.reap_all().await;
    lab.agrees().await;
    assert_eq!(lab.read(kept, "work.txt").await.as_deref(), Some("work"));

    // A thread that is purged takes its workspaces along; what holds work waits for the reaper.
    let doomed = cx.thread(&lab.store, &lab.caller).await;
    let in_doomed = Lab { thread: doomed, ..Lab::new(&cx).await };
    let (_, lost) = in_doomed.workspace("lost").await;
    in_doomed.write(lost, "work.txt", "work").await;
    if lab.can.snapshots {
        in_doomed.handle().snapshot_workspace(lost).await.expect("a snapshot");
        in_doomed.write(lost, "work.txt", "more work").await;
    }
    handle.purge_thread(doomed).await.expect("it goes");
    if lab.driver.is_some() {
        let found = lab.reap(Reap::new().with_force()).await;
        assert!(!found.is_empty());
        for it in &found {
            assert_eq!((it.why, &it.outcome), (Leak::ThreadGone, &ReapOutcome::Removed), "{it:?}");
        }
        let snapshots = found.iter().any(|it| it.what == Leaked::Snapshots(doomed));
        assert_eq!(snapshots, lab.can.snapshots, "{found:?}");
    }
    lab.reap_all().await;
    lab.agrees().await;
    in_the_middle(&lab, false).await;
    in_the_middle(&lab, true).await;
    another_tenant(&lab).await;
    another_store(&lab).await;
    assert_eq!(lab.read(kept, "work.txt").await.as_deref(), Some("work"));
    if let Some(tree) = tree {
        handle.restore_workspace(kept, tree).await.expect("its thread lives, and its snapshots");
    }
    Verdict::Passed
}

/// A reaper comes in the middle of a creation: one that has time left is let alone; one that is late finds what it made taken
/// back, and leaves nothing.
async fn in_the_middle(lab: &Lab, is_late: bool) {
    if lab.can.in_journal {
        return; // It is never seen half made.
    }
    // Who looks on has a store of its own: this creation stands still in the middle of whatever it does.
    let other =
        Lab { store: lab.another_store().await, thread: lab.thread, ..Lab::new(&lab.cx).await };
    let other = Lab { clock: Arc::clone(&lab.clock), ..other };
    let (handle, new, thread) = (lab.handle(), lab.new_workspace("middle"), lab.thread);
    let mut creation =
        Box::pin(async move { handle.create_session_in(thread, "middle", new).await });
    let made = loop {
        if let Poll::Ready(made) = once(creation.as_mut()) {
            break made;
        }
        let records = other.records().await;
        if !records.iter().any(|it| it.status == WorkspaceStatus::Intended) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        if !is_late {
            assert_eq!(other.reap(Reap::new().with_force()).await, [], "it has time left");
            break creation.await;
        }
        lab.makers_are_late();
        let found = other.reap(Reap::new()).await;
        assert!(found.iter().all(|it| it.why == Leak::MakerGone), "{found:?}");
        let made = creation.await;
        assert!(made.is_err(), "it was taken back: {made:?}");
        break made;
    };
    lab.reap_all().await;
    if let Ok((session, workspace)) = made {
        lab.agrees().await;
        let workspace = workspace.expect("the kind is registered");
        lab.handle().dispose_of_workspace(workspace, true).await.expect("it goes");
        lab.handle().delete_session(session).await.expect("it goes");
    }
    lab.agrees().await;
}

/// One tenant's reaper leaves the workspaces of others alone.
async fn another_tenant(lab: &Lab) {
    let theirs = lab.cx.caller_of("evil-corp", "eve");
    let session = lab.cx.session(&lab.store, &theirs).await;
    let handle = lab.store.as_caller(&theirs);
    let made = handle.create_workspace(session, lab.new_workspace("theirs"));
    let workspace = made.await.expect("a workspace").id().expect("the kind is registered");
    handle.delete_session(session).await.expect("it goes");
    let session = lab.cx.session(&lab.store, &theirs).await;
    let made = handle.create_workspace(session, lab.new_workspace("theirs"));
    let second = made.await.expect("a workspace").id().expect("the kind is registered");
    assert_eq!(lab.reap(Reap::new().with_force()).await, [], "they are another tenant's");
    let there = handle.inspect_workspace(second).await.expect("an answer");
    assert!(there.is_some());
    assert_eq!(handle.workspace(workspace).await.expect("an answer"), None);
    let disposal = handle.dispose_of_workspace(second, true).await;
    disposal.expect("it goes");
}

/// Two stores with the same driver on the same root: neither sees what is the other's.
async fn another_store(lab: &Lab) {
    let Some(driver) = &lab.driver else { return };
    let elsewhere = lab.cx.another().await;
    let journal = elsewhere.journal().await;
    let clock = Arc::clone(&lab.clock);
    let options = StoreOptions::new(clock, Arc::new(SeededIds::new(lab.cx.seed())))
        .with_workspaces(lab.cx.drivers().await);
    let store = Store::new(journal, options);
    let ids = [lab.store.journal().info().store, store.journal().info().store];
    assert_ne!(ids[0], ids[1], "two stores");
    let caller: Caller = lab.cx.caller();
    let session = lab.cx.session(&store, &caller).await;
    let made = store.as_caller(&caller).create_workspace(session, lab.new_workspace("kept")).await;
    let theirs = made.expect("a workspace").id().expect("the kind is registered");
    let listed = driver.list(ids[1]).await.expect("a list");
    assert_eq!(listed.iter().map(|name| name.id()).collect::<Vec<_>>(), [theirs]);
    lab.agrees().await;
    lab.makers_are_late();
    assert_eq!(lab.reap(Reap::new().with_force()).await, []);
    assert_eq!(driver.list(ids[1]).await.expect("a list"), listed);
    // Their session goes: that is for their reaper.
    store.as_caller(&caller).delete_session(session).await.expect("it goes");
    assert_eq!(lab.reap(Reap::new().with_force()).await, []);
    for reaped in store.reap(&caller, Reap::new()).await.expect("it ends") {
        assert_eq!(reaped.outcome, ReapOutcome::Removed);
    }
    assert_eq!(driver.list(ids[1]).await.expect("a list"), []);
    lab.agrees().await;
}
