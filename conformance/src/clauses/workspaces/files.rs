//! WSP9: files keep any name and content, with modes, links and empty folders as declared; tried at random against maps.

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use sessile_core::{
    ErrorKind, Result,
    id::WorkspaceId,
    workspace::{FileChange, FilePath, TreeId},
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::refused,
        workspaces::{Files, Lab, changes_between},
    },
};

crate::clauses! { WSP9 => wsp9 }

/// Names that break code which quotes, splits, folds or escapes them.
fn names(lab: &Lab) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        "a",
        "b",
        "-f",
        "--",
        "a b",
        " ",
        "*",
        "?",
        "[x]",
        "\\",
        "\"",
        "'",
        "$HOME",
        "`id`",
        "%s",
        "#",
        "!",
        "~",
        "...",
        ".hidden",
        "con",
        "nul",
        "a:b",
        "|",
        "é",
        "e\u{301}",
        "日本",
        "A",
        "\u{202e}txt",
        "x\ny",
        "\t",
        "\u{1b}[31m",
        "a.lock",
        "HEAD",
        "core",
        "🦀",
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.push(vec![b'x'; 255]);
    if lab.can.any_names {
        names.extend([vec![0xff], vec![b'a', 0xc3, 0x28], vec![0xed, 0xa0, 0x80]]);
    }
    names
}

fn contents(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..8) {
        0 => Vec::new(),
        1 => b"line\r\nline\rline\n".to_vec(),
        2 => (0..=255).collect(),
        3 => vec![0; 70_000],
        4 => "$Id$ <<<<<<< =======\n".into(),
        _ => (0..rng.random_range(1..40)).map(|_| rng.random_range(b' '..b'z')).collect(),
    }
}

/// Random paths: mostly such that something is there already.
fn path(rng: &mut StdRng, names: &[Vec<u8>], known: &Files) -> FilePath {
    let paths: Vec<_> = known.items().keys().collect();
    if let (Some(path), true) = (paths.choose(rng), rng.random_bool(0.6)) {
        return match path.parent() {
            Some(folder) if rng.random_bool(0.3) => folder,
            _ => (*path).clone(),
        };
    }
    let mut path = names.choose(rng).expect("a name").clone();
    for _ in 0..rng.random_range(0..3) {
        path.push(b'/');
        path.extend(names.choose(rng).expect("a name"));
    }
    FilePath::new(path).expect("a path")
}

fn change(lab: &Lab, rng: &mut StdRng, names: &[Vec<u8>], known: &Files) -> FileChange {
    let at = path(rng, names, known);
    match rng.random_range(0..10) {
        0 | 1 => FileChange::Remove { path: at },
        2 | 3 => FileChange::Rename { from: at, to: path(rng, names, known) },
        4 if lab.can.empty_directories => FileChange::MakeDirectory { path: at },
        5 if lab.can.links => {
            let targets: [&[u8]; 6] = [b"a", b"/", b"../..", b".", b"nowhere/at/all", b"\xff\xfe"];
            let target = targets.choose(rng).expect("a target").to_vec();
            FileChange::Link { path: at, target }
        }
        _ => {
            let executable = lab.can.executable && rng.random_bool(0.3);
            FileChange::Write { path: at, content: contents(rng), executable }
        }
    }
}

/// One workspace, what it should hold, and trees that were kept of it.
struct Kept {
    workspace: WorkspaceId,
    files: Files,
}

/// Files keep any name and content.
pub async fn wsp9(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    declared(&lab).await;
    let names = names(&lab);
    each_name(&lab, &names).await;
    let mut rng = StdRng::seed_from_u64(cx.seed());
    let mut trees: Vec<(TreeId, Files)> = Vec::new();
    let mut all = Vec::new();
    for label in ["one", "two"] {
        let (_, workspace) = lab.workspace(label).await;
        all.push(Kept { workspace, files: lab.files(workspace).await });
    }
    for step in 0..cx.times(120) {
        let i = rng.random_range(0..all.len());
        match rng.random_range(0..20) {
            0 if all.len() < 5 => {
                let (_, workspace) = lab.branch("branch", all[i].workspace).await;
                let files = all[i].files.clone();
                all.push(Kept { workspace, files });
            }
            1 if all.len() > 2 => {
                let gone = all.swap_remove(i).workspace;
                lab.handle().dispose_of_workspace(gone, true).await.expect("it goes");
            }
            2 if lab.can.snapshots => {
                let kept = lab.handle().snapshot_workspace(all[i].workspace).await;
                trees.push((kept.expect("a snapshot").0, all[i].files.clone()));
            }
            3 if !trees.is_empty() => {
                let (tree, files) = trees.choose(&mut rng).expect("a tree").clone();
                let changed =
                    lab.handle().compare_files(all[i].workspace, tree.clone(), None).await;
                let changed: Vec<_> = changed
                    .expect("a comparison")
                    .into_iter()
                    .map(|it| (it.path, it.change))
                    .collect();
                let wanted: Vec<_> = changes_between(&files, &all[i].files).into_iter().collect();
                assert_eq!(changed, wanted, "step {step}");
                let restored = lab.handle().restore_workspace(all[i].workspace, tree).await;
                restored.expect("it is restored");
                all[i].files = files;
            }
            _ => {
                let change = change(&lab, &mut rng, &names, &all[i].files);
                let done = lab.handle().change_files(all[i].workspace, [change.clone()]).await;
                let wanted = all[i].files.apply(&change);
                agree(&done.map(drop), &wanted, &change, step);
            }
        }
        let seen = i.min(all.len() - 1);
        assert_eq!(lab.files(all[seen].workspace).await, all[seen].files, "step {step}");
    }
    for it in &all {
        assert_eq!(lab.files(it.workspace).await, it.files, "{}", it.workspace);
    }
    cx.note(format!("{} trees, {} workspaces in the end", trees.len(), all.len()));
    Verdict::Passed
}

fn agree(
    done: &Result<()>,
    wanted: &std::result::Result<(), ErrorKind>,
    change: &FileChange,
    step: usize,
) {
    let done = done.as_ref().map(|&()| ()).map_err(sessile_core::Error::kind);
    assert_eq!(done, *wanted, "step {step}: {change:?}");
}

/// Every name, as a file and as a folder; contents of a megabyte; many changes at once.
async fn each_name(lab: &Lab, names: &[Vec<u8>]) {
    let (_, workspace) = lab.workspace("names").await;
    let mut files = lab.files(workspace).await;
    let mut changes = Vec::new();
    for name in names {
        changes.push(FileChange::write(FilePath::new(name).expect("a path"), name.clone()));
        let inner = [b"in/", &**name, b"/", &**name].concat();
        changes.push(FileChange::write(FilePath::new(inner).expect("a path"), name.clone()));
    }
    let large: Vec<u8> =
        (0..1 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    changes.push(FileChange::write(FilePath::new("large").expect("a path"), large));
    for change in &changes {
        files.apply(change).expect("nothing is in the way");
    }
    lab.handle().change_files(workspace, changes).await.expect("all are written");
    assert_eq!(lab.files(workspace).await, files);
    lab.handle().dispose_of_workspace(workspace, true).await.expect("it goes");
}

/// What is not declared is refused, and leaves all as it is.
async fn declared(lab: &Lab) {
    let (_, workspace) = lab.workspace("declared").await;
    let files = lab.files(workspace).await;
    let path = FilePath::new("x").expect("a path");
    let refused_as = |change: FileChange, kind| {
        let handle = lab.handle();
        async move { drop(refused(handle.change_files(workspace, [change]).await, kind)) }
    };
    if !lab.can.executable {
        let change =
            FileChange::Write { path: path.clone(), content: Vec::new(), executable: true };
        refused_as(change, ErrorKind::Unsupported).await;
    }
    if !lab.can.links {
        let change = FileChange::Link { path: path.clone(), target: b"y".to_vec() };
        refused_as(change, ErrorKind::Unsupported).await;
    }
    if !lab.can.empty_directories {
        let change = FileChange::MakeDirectory { path: path.clone() };
        refused_as(change, ErrorKind::Unsupported).await;
    }
    if !lab.can.any_names {
        let path = FilePath::new([0xff]).expect("a path");
        refused_as(FileChange::write(path, "x"), ErrorKind::Invalid).await;
    }
    if lab.can.links {
        for target in [Vec::new(), b"a\0b".to_vec(), vec![b'x'; 4096]] {
            let change = FileChange::Link { path: path.clone(), target };
            refused_as(change, ErrorKind::Invalid).await;
        }
    }
    refused(lab.handle().change_files(workspace, []).await, ErrorKind::Invalid);
    let missing = FilePath::new("not/here").expect("a path");
    refused(lab.handle().read_file(workspace, missing.clone()).await, ErrorKind::NotFound);
    refused(lab.handle().list_files(workspace, Some(missing)).await, ErrorKind::NotFound);
    assert_eq!(lab.files(workspace).await, files);
    lab.write(workspace, "folder/file", "text").await;
    let at = |path: &str| FilePath::new(path).expect("a path");
    refused(lab.handle().read_file(workspace, at("folder")).await, ErrorKind::Precondition);
    let file = Some(at("folder/file"));
    refused(lab.handle().list_files(workspace, file).await, ErrorKind::Precondition);
    lab.handle().dispose_of_workspace(workspace, true).await.expect("it goes");
}
