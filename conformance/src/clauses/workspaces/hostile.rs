//! WSP5: no label, base, tree or path acts as an option, leaves the root, or touches what is not the workspace's.

use std::{collections::BTreeMap, path::Path};

use sessile_core::{
    ErrorKind,
    command::{NewSession, NewWorkspace},
    workspace::{FileChange, FilePath, Label, Reap, ReapOutcome, TreeId},
};

use crate::{
    clause::Verdict,
    internal::{ClauseContext, assertions::refused, workspaces::Lab},
};

crate::clauses! { WSP5 => wsp5 }

/// Texts that are no label.
const LABELS: &[&str] = &[
    "",
    "-f",
    "--force",
    "--",
    "..",
    ".",
    "../up",
    "a/b",
    "a\\b",
    "a..b",
    "a.lock",
    "@",
    "@{-1}",
    "a~1",
    "a^",
    "a:b",
    "a b",
    "HEAD",
    "refs/heads/main",
    "a\0b",
    "a\nb",
    "é",
    "ａ",
    "а",
    "A",
    "con.txt",
    "*",
    "$(id)",
    "`id`",
    ";",
    "|",
    "'",
    "\"",
];

/// Texts that name no base of any driver.
const BASES: &[&str] = &[
    "-f",
    "--force",
    "--upload-pack=touch x",
    "-b",
    "--detach",
    "--",
    "..",
    "../..",
    "/etc",
    "HEAD:file",
    "main..main",
    "@{u}",
    "^HEAD",
    "no-such-branch",
    "HEAD~100000",
    ":/nothing",
    "refs/heads/../main",
    "$(id)",
    "`id`",
    "ｍain",
    "a b",
    "*",
    "--orphan",
    "-",
];

/// All files below a folder with their contents, links as what they say; but for the folder of a root that may change.
fn everything(folder: &Path, but: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let kind = std::fs::symlink_metadata(&path).expect("it is there").file_type();
            if path == but {
                continue;
            }
            if kind.is_symlink() {
                let target = std::fs::read_link(&path).expect("a link");
                all.insert(path, target.into_os_string().into_encoded_bytes());
            } else if kind.is_dir() {
                folders.push(path);
            } else {
                let content = std::fs::read(&path).expect("a file");
                all.insert(path, content);
            }
        }
    }
    all
}

/// Whatever is asked, nothing happens outside of the workspace.
pub async fn wsp5(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let handle = lab.handle();
    for label in LABELS.iter().copied().chain([&*"x".repeat(255)]) {
        refused(Label::new(label), ErrorKind::Invalid);
    }
    let (_, workspace) = lab.workspace("victim").await;
    lab.write(workspace, "inside.txt", "inside").await;
    let files = lab.files(workspace).await;
    for base in BASES {
        let new = lab.new_workspace("from-base").from_base(*base);
        let made = handle.create_session_in(lab.thread, NewSession::default(), new).await;
        refused(made, ErrorKind::Invalid);
    }
    for kind in ["", "-f", "../x", "a b", "VIRTUAL"] {
        let new = NewSession::default().with_workspace(NewWorkspace::of_kind(kind));
        refused(handle.create_session(lab.thread, new).await, ErrorKind::Invalid);
    }
    for tree in ["", "-f --x", "a b", "@x", "x@y@z", "../up", "é"] {
        refused(TreeId::new(tree), ErrorKind::Invalid);
    }
    for tree in ["-f", "--output:x", "..", "HEAD", "--", "0.0.0"] {
        let tree = TreeId::new(tree).expect("the form of an id");
        if lab.can.snapshots {
            refused(handle.restore_workspace(workspace, tree.clone()).await, ErrorKind::NotFound);
            let made = NewWorkspace::branch_of(workspace).at_tree(tree);
            let made = handle.create_session_in(lab.thread, "branch", made).await;
            refused(made, ErrorKind::NotFound);
        }
    }
    for path in ["", "/", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "./a", "a\0b"] {
        refused(FilePath::new(path), ErrorKind::Invalid);
    }
    assert_eq!(lab.files(workspace).await, files);
    lab.agrees().await;
    lab.audit(lab.claimed().await).await;
    if lab.can.links {
        links(&lab, workspace).await;
        lab.audit(lab.claimed().await).await;
    }
    mounts(&lab).await;
    Verdict::Passed
}

/// Another folder is mounted in a workspace, where that may be tried: what lies there is not removed with the workspace.
async fn mounts(lab: &Lab) {
    let handle = lab.handle();
    let (session, workspace) = lab.workspace("mounted").await;
    let there = handle.inspect_workspace(workspace).await.expect("an answer");
    let Some(path) = there.expect("it is there").path else { return };
    let outside = lab.cx.dir().path().join("mounted");
    std::fs::create_dir_all(&outside).expect("a folder");
    std::fs::write(outside.join("precious.txt"), "precious").expect("a file");
    let point = path.join("point");
    std::fs::create_dir(&point).expect("a folder");
    let mount = std::process::Command::new("mount").arg("--bind").args([&outside, &point]).output();
    if !mount.is_ok_and(|it| it.status.success()) {
        lab.cx.note("mount points were not tried: nothing can be mounted here");
        handle.dispose_of_workspace(workspace, true).await.expect("it goes");
        return;
    }
    let disposal = handle.dispose_of_workspace(workspace, true).await;
    let deletion = handle.delete_session(session).await;
    let reaped = lab.store.reap(&lab.caller, Reap::new().with_force()).await;
    let precious = std::fs::read_to_string(outside.join("precious.txt"));
    let unmounted = std::process::Command::new("umount").arg(&point).status();
    assert!(unmounted.is_ok_and(|it| it.success()), "{} stays mounted", point.display());
    assert_eq!(precious.ok().as_deref(), Some("precious"), "{disposal:?} {reaped:?}");
    assert!(disposal.is_err(), "{disposal:?}");
    deletion.expect("a session goes, whatever is mounted");
    for it in reaped.expect("it ends") {
        assert!(matches!(it.outcome, ReapOutcome::Failed(_)), "{it:?}");
    }
    let freed = lab.reap(Reap::new().with_force()).await;
    assert!(freed.iter().all(|it| it.outcome == ReapOutcome::Removed), "{freed:?}");
    lab.agrees().await;
}

/// Links out of the workspace: to the root of the file system, to the folder above, to the repository. Nothing is read,
/// written or removed through them.
async fn links(lab: &Lab, workspace: sessile_core::id::WorkspaceId) {
    let handle = lab.handle();
    let at = |path: &str| FilePath::new(path).expect("a path");
    let outside = lab.cx.dir().path().join("outside");
    std::fs::create_dir_all(outside.join("folder")).expect("a folder");
    std::fs::write(outside.join("precious.txt"), "precious").expect("a file");
    let path =
        handle.inspect_workspace(workspace).await.expect("an answer").expect("it is there").path;
    let nowhere = Path::new("/nowhere/at/all").to_path_buf();
    let but = path.as_deref().unwrap_or(&nowhere);
    let targets = [
        outside.clone().into_os_string().into_encoded_bytes(),
        b"../../../../../../../../..".to_vec(),
        b"/".to_vec(),
        b"..".to_vec(),
        b".".to_vec(),
    ];
    for (i, target) in targets.into_iter().enumerate() {
        let link = format!("link{i}");
        let make = FileChange::Link { path: at(&link), target };
        handle.change_files(workspace, [make]).await.expect("a link");
        let before = everything(&outside, but);
        for inner in ["precious.txt", "folder", "folder/new.txt", "inside.txt"] {
            let through = at(&format!("{link}/{inner}"));
            let write = FileChange::write(through.clone(), "overwritten");
            refused(handle.change_files(workspace, [write]).await, ErrorKind::Precondition);
            let link = FileChange::Link { path: through.clone(), target: b"x".to_vec() };
            refused(handle.change_files(workspace, [link]).await, ErrorKind::Precondition);
            let rename = FileChange::Rename { from: at("inside.txt"), to: through.clone() };
            refused(handle.change_files(workspace, [rename]).await, ErrorKind::Precondition);
            let remove = FileChange::Remove { path: through.clone() };
            handle.change_files(workspace, [remove]).await.expect("nothing is there to remove");
            assert!(handle.read_file(workspace, through.clone()).await.is_err());
            assert!(handle.list_files(workspace, Some(through)).await.is_err());
        }
        assert!(handle.list_files(workspace, Some(at(&link))).await.is_err());
        assert!(handle.read_file(workspace, at(&link)).await.is_err());
        assert_eq!(everything(&outside, but), before);
    }
    // A folder that becomes a link by hand, then is removed, replaced, kept and disposed of.
    if lab.can.snapshots {
        let tree = handle.snapshot_workspace(workspace).await.expect("a snapshot").0;
        handle
            .change_files(workspace, [FileChange::Remove { path: at("link0") }])
            .await
            .expect("it goes");
        handle.restore_workspace(workspace, tree).await.expect("it is restored");
    }
    let before = everything(&outside, but);
    handle
        .change_files(workspace, [FileChange::Remove { path: at("link0") }])
        .await
        .expect("it goes");
    assert_eq!(everything(&outside, but), before, "the link went, and not what it names");
    let branch = lab.branch("branch", workspace).await.1;
    assert_eq!(lab.files(branch).await, lab.files(workspace).await);
    for gone in [branch, workspace] {
        handle.dispose_of_workspace(gone, true).await.expect("it goes");
    }
    assert_eq!(everything(&outside, but), before);
    lab.agrees().await;
}
