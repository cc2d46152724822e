//! WSP1, WSP2, WSP8: making workspaces, whole or not at all, from a base or from another one, many at once.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use sessile_core::{
    Error, ErrorKind,
    command::{NewSession, NewWorkspace},
    model::WorkspaceStatus,
    store::StoreOptions,
    workspace::{Disposal, FileChange, FilePath, Reap},
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::refused,
        concurrent::together,
        fault::{Call, InterruptedJournal},
        workspaces::Lab,
        wrong_journals::{Alteration, AlteringJournal},
    },
};

crate::clauses! { WSP1 => wsp1, WSP2 => wsp2, WSP8: Concurrent => wsp8 }

/// Whole or not at all: after an error, whatever it came of, nothing is left, and the same label can be tried again.
pub async fn wsp1(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let handle = lab.handle();
    let (session, workspace) = lab.workspace("first").await;
    let record = handle.workspace(workspace).await.expect("an answer").expect("its record");
    assert_eq!(record.status, WorkspaceStatus::Ready);
    assert_eq!((record.session, record.label.as_str()), (Some(session), "first"));
    assert_eq!(record.kind, lab.kind);
    let shown = handle.session(session).await.expect("an answer").expect("the session");
    assert_eq!(shown.workspace, Some(workspace));
    let there = handle.inspect_workspace(workspace).await.expect("an answer");
    assert!(!there.expect("it is there").dirty, "nothing was done in it");
    lab.agrees().await;

    // A base that is none: neither the session nor anything of the workspace is there.
    let before = lab.records().await;
    let no_base = lab.new_workspace("again").from_base("no-such-base-anywhere");
    let made = handle.create_session_in(lab.thread, "again", no_base.clone()).await;
    refused(made, ErrorKind::Invalid);
    let bare = cx.session_in(&lab.store, &lab.caller, lab.thread).await;
    refused(handle.create_workspace(bare, no_base).await, ErrorKind::Invalid);
    assert_eq!(lab.records().await, before);
    let sessions = handle.sessions(lab.thread).all().await.expect("a list");
    assert_eq!(sessions.len(), 2, "the first, and the bare one");
    lab.agrees().await;
    let given = handle.create_workspace(bare, lab.new_workspace("again")).await;
    let given = given.expect("the same label again").id().expect("the kind is registered");
    // One session has one workspace.
    let error = handle.create_workspace(bare, lab.new_workspace("more")).await;
    match refused(error, ErrorKind::Precondition) {
        Error::SessionHasWorkspace { session, workspace } => {
            assert_eq!((session, workspace), (bare, given));
        }
        other => panic!("{other}"),
    }
    lab.agrees().await;
    commits_that_fail(&lab).await;
    dropped_anywhere(&lab).await;
    Verdict::Passed
}

/// A journal that takes no more commits after some of them: what was made before that is removed again.
async fn commits_that_fail(lab: &Lab) {
    for commits in 0..2 {
        let journal = lab.cx.journal().await;
        let broken = InterruptedJournal::after(journal, Call::Commit, commits, async {
            Err(Error::failed("the engine fails for now"))
        });
        let drivers = lab.cx.drivers().await;
        let with = |options: StoreOptions| options.with_workspaces(drivers);
        let store = lab.cx.store_over(broken.clone(), Arc::clone(&lab.clock), with);
        let new = lab.new_workspace("unlucky");
        let made = store.as_caller(&lab.caller).create_session_in(lab.thread, "unlucky", new).await;
        assert_eq!(made.is_err(), broken.is_over(), "{made:?}");
        lab.agrees().await;
        if made.is_err() {
            let records = lab.records().await;
            assert!(records.iter().all(|it| it.label.as_str() != "unlucky"), "{records:?}");
        }
    }
}

/// A creation that is dropped after each number of steps: what is left is claimed by a record whose maker is late, and the
/// reaper removes it. What was acknowledged stays.
async fn dropped_anywhere(lab: &Lab) {
    let handle = lab.handle();
    let mut made = Vec::new();
    for steps in 0..lab.cx.times(24) {
        let (handle, new) = (handle.clone(), lab.new_workspace("dropped"));
        let thread = lab.thread;
        let mut creation =
            Box::pin(async move { handle.create_session_in(thread, "dropped", new).await });
        for _ in 0..=steps {
            if let Poll::Ready(session) = once(creation.as_mut()) {
                made.push(session.expect("a session").1.expect("a workspace"));
                break;
            }
            tokio::time::sleep(Duration::from_millis(1 + steps as u64)).await;
        }
    }
    // What a driver does in a thread of its own ends by itself.
    tokio::time::sleep(Duration::from_millis(200)).await;
    lab.makers_are_late();
    lab.reap(Reap::new()).await;
    lab.reap_all().await;
    lab.agrees().await;
    for workspace in made {
        let there = handle.inspect_workspace(workspace).await.expect("an answer");
        assert!(there.is_some(), "{workspace} was acknowledged");
    }
}

/// Lets a future take one step.
pub(super) fn once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A branch begins equal to its source, with what is not committed or kept there; then neither sees the other's writes.
pub async fn wsp2(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let handle = lab.handle();
    let (_, source) = lab.workspace("source").await;
    let path = |text: &str| FilePath::new(text).expect("a path");
    lab.write(source, "one.txt", "one").await;
    lab.write(source, "deep/er/two.txt", "two").await;
    if lab.can.executable {
        let run = FileChange::Write {
            path: path("deep/run.sh"),
            content: b"#!/bin/sh\n".to_vec(),
            executable: true,
        };
        handle.change_files(source, [run]).await.expect("a program");
    }
    if lab.can.links {
        let link = FileChange::Link { path: path("deep/link"), target: b"er/two.txt".to_vec() };
        handle.change_files(source, [link]).await.expect("a link");
    }
    if lab.can.empty_directories {
        let folder = FileChange::MakeDirectory { path: path("empty/inner") };
        handle.change_files(source, [folder]).await.expect("a folder");
    }
    let begun = lab.files(source).await;
    let (_, branch) = lab.branch("branch", source).await;
    assert_eq!(lab.files(branch).await, begun, "a branch is what its source is");
    assert_eq!(lab.files(source).await, begun, "the source stays as it is");
    lab.write(source, "one.txt", "another").await;
    lab.write(branch, "three.txt", "three").await;
    handle
        .change_files(branch, [FileChange::Remove { path: path("deep") }])
        .await
        .expect("a folder goes");
    assert_eq!(lab.read(branch, "one.txt").await.as_deref(), Some("one"));
    assert_eq!(lab.read(source, "three.txt").await, None);
    assert_eq!(lab.read(source, "deep/er/two.txt").await.as_deref(), Some("two"));
    // A branch of a branch, and the source goes.
    let (_, second) = lab.branch("second", branch).await;
    let held = lab.files(second).await;
    assert_eq!(held, lab.files(branch).await);
    for gone in [source, branch] {
        let disposal = handle.dispose_of_workspace(gone, true).await.expect("it goes");
        assert_eq!(disposal, Disposal::Removed);
    }
    assert_eq!(lab.files(second).await, held, "it stands without them");
    if lab.can.snapshots {
        let (tree, _) = handle.snapshot_workspace(second).await.expect("a snapshot");
        lab.write(second, "later.txt", "later").await;
        let at_tree = NewWorkspace::branch_of(second).at_tree(tree);
        let made = handle.create_session_in(lab.thread, "at a tree", at_tree).await;
        let (_, at_tree) = made.expect("a session");
        assert_eq!(lab.files(at_tree.expect("a branch")).await, held);
    }
    lab.agrees().await;
    if lab.can.in_journal {
        in_one_commit(&lab).await;
    }
    Verdict::Passed
}

/// A branch of what is kept in the journal is one commit, however much it holds.
async fn in_one_commit(lab: &Lab) {
    let (_, large) = lab.workspace("large").await;
    let file = |i: usize| {
        let path = FilePath::new(format!("folder{}/file{i}", i / 20)).expect("a path");
        FileChange::write(path, i.to_string())
    };
    lab.handle().change_files(large, (0..200).map(file)).await.expect("many files");
    let second = async { Err(Error::failed("that is a second commit")) };
    let journal = InterruptedJournal::after(lab.cx.journal().await, Call::Commit, 1, second);
    let store = lab.cx.store_over(journal, Arc::clone(&lab.clock), |options| options);
    let branch = NewWorkspace::branch_of(large);
    let handle = store.as_caller(&lab.caller);
    let made = handle.create_session_in(lab.thread, "in one commit", branch).await;
    let branch = made.expect("one commit is enough").1.expect("a branch");
    assert_eq!(lab.files(branch).await, lab.files(large).await);
}

/// Many are made and disposed of at once, by two stores: all succeed.
pub async fn wsp8(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    // Every call to the journal gives way, so that each can come between any two of another.
    let store = async || {
        let journal = AlteringJournal::over(cx.journal().await, Alteration::Yields);
        let drivers = cx.drivers().await;
        let with = |it: StoreOptions| it.with_workspaces(drivers);
        cx.store_over(Arc::new(journal), Arc::clone(&lab.clock), with)
    };
    let stores = [&store().await, &store().await];
    let make = |i: usize| {
        let (store, new, lab) = (stores[i % 2], lab.new_workspace("many"), &lab);
        async move {
            let handle = store.as_caller(&lab.caller);
            let made = handle.create_session_in(lab.thread, NewSession::default(), new).await;
            made.expect("a session").1.expect("a workspace")
        }
    };
    let n = cx.scale(8, 32);
    let first = together((0..n).map(make)).await;
    lab.agrees().await;
    for (i, workspace) in first.iter().enumerate() {
        let change = FileChange::write(FilePath::new("mine").expect("a path"), i.to_string());
        lab.handle().change_files(*workspace, [change]).await.expect("a file");
    }
    let rounds = first.iter().enumerate().map(|(i, workspace)| {
        let (store, lab, make) = (stores[(i + 1) % 2], &lab, &make);
        async move {
            let handle = store.as_caller(&lab.caller);
            if i % 2 == 0 {
                let disposal = handle.dispose_of_workspace(*workspace, true).await;
                assert_eq!(disposal.expect("it goes"), Disposal::Removed);
                make(i).await
            } else {
                *workspace
            }
        }
    });
    let second = together(rounds).await;
    lab.agrees().await;
    for (i, workspace) in second.iter().enumerate() {
        let mine = lab.read(*workspace, "mine").await;
        assert_eq!(mine, (i % 2 == 1).then(|| i.to_string()), "each has its own files");
    }
    // Several want a workspace for one session: one gets it, and the others leave nothing.
    let bare = cx.session_in(&lab.store, &lab.caller, lab.thread).await;
    let given = together((0..4).map(|i| {
        let (handle, new) = (stores[i % 2].as_caller(&lab.caller), lab.new_workspace("wanted"));
        async move { handle.create_workspace(bare, new).await }
    }))
    .await;
    let (given, refusals): (Vec<_>, Vec<_>) = given.into_iter().partition(Result::is_ok);
    assert_eq!(given.len(), 1, "{given:?}");
    for refusal in refusals {
        refused(refusal, ErrorKind::Precondition);
    }
    lab.agrees().await;
    // All work in one at once: whoever comes second changes what is there by then.
    let one = second[0];
    together((0..n).map(|i| {
        let handle = stores[i % 2].as_caller(&lab.caller);
        let path = FilePath::new(format!("shared/{i}")).expect("a path");
        let change = FileChange::write(path, i.to_string());
        async move { handle.change_files(one, [change]).await.expect("a file") }
    }))
    .await;
    for i in 0..n {
        assert_eq!(lab.read(one, &format!("shared/{i}")).await, Some(i.to_string()));
    }
    // Several dispose of one at once.
    let gone = together((0..4).map(|i| {
        let (handle, one) = (stores[i % 2].as_caller(&lab.caller), second[0]);
        async move { handle.dispose_of_workspace(one, true).await.expect("an answer") }
    }))
    .await;
    assert!(gone.contains(&Disposal::Removed), "{gone:?}");
    lab.agrees().await;
    Verdict::Passed
}
