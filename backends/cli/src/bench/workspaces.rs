//! `sessile bench --workspaces`: each kind of workspace beside what a person would type, on a repository of many files.
//!
//! | step | one operation | beside it |
//! | --- | --- | --- |
//! | `create` | a session with a workspace of all files; `virtual` takes them from a folder | `git worktree add`, `cp -r` |
//! | `branch` | a session with a branch of that workspace | the same |
//! | `snapshot` | a snapshot where nothing changed | nothing |
//! | `snapshot_10` | a snapshot after 10 files changed | nothing |
//! | `diff` | what changed since the first snapshot | `git diff --name-only`, `diff -rq` |
//! | `dispose` | the branch goes, with the work in it | `git worktree remove --force`, `rm -rf` |
//!
//! Figures are milliseconds, medians of rounds that take turns. Records stand in an SQLite file. Point `TMPDIR` at the file system
//! in question.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use serde::Serialize;
use sessile::{
    Clock, Store, SystemClock,
    command::NewWorkspace,
    directory::Directory,
    git_worktree::GitWorktree,
    handle::Handle,
    id::{ThreadId, WorkspaceId},
    model::Actor,
    workspace::{FileChange, FilePath, TreeId, WorkspaceDrivers, commit},
};

use crate::{
    fail::{Fail, Result},
    report::{Align, Out, Table},
};

/// Files of the repository, and bytes of each.
const FILES: usize = 10_000;
const BYTES: usize = 4096;
const ROUNDS: usize = 3;

#[derive(Serialize)]
struct Figure {
    step: &'static str,
    kind: &'static str,
    millis: f64,
    raw_millis: Option<f64>,
    ratio: Option<f64>,
}

/// All that is measured on.
struct Ground {
    folder: PathBuf,
    repository: PathBuf,
    thread: ThreadId,
    ann: Handle,
}

fn program(folder: &Path, name: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(name).current_dir(folder).args(arguments).output();
    let output = output.map_err(Fail::io(format!("cannot run {name}")))?;
    // `diff` says with its status that there are differences.
    if output.status.success() || (name == "diff" && output.status.code() == Some(1)) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Fail::input(format!("{name} {} failed: {said}", arguments.join(" "))))
}

/// The path of a file: a hundred to a folder.
fn name(i: usize) -> String {
    format!("part{:02}/file{i:05}.txt", i / 100)
}

fn content(i: usize, round: usize) -> Vec<u8> {
    let line = format!("line of file {i}, written in round {round}\n");
    line.bytes().cycle().take(BYTES).collect()
}

fn fill(repository: &Path, files: usize) -> Result<()> {
    for i in 0..files {
        let path = repository.join(name(i));
        if let Some(above) = path.parent() {
            std::fs::create_dir_all(above).map_err(Fail::io("cannot make a folder"))?;
        }
        std::fs::write(path, content(i, 0)).map_err(Fail::io("cannot write a file"))?;
    }
    program(repository, "git", &["init", "--quiet", "--initial-branch=main"])?;
    program(repository, "git", &["add", "--all"])?;
    let who = ["-c", "user.name=a", "-c", "user.email=a@b"];
    program(repository, "git", &[&who[..], &["commit", "--quiet", "--message=first"]].concat())
}

/// Runs the benchmark.
pub(super) async fn run(out: &mut Out, quick: bool) -> Result<()> {
    let files = if quick { FILES / 10 } else { FILES };
    let folder = tempfile::tempdir().map_err(Fail::io("cannot make a folder"))?;
    let repository = folder.path().join("repository");
    std::fs::create_dir(&repository).map_err(Fail::io("cannot make a folder"))?;
    fill(&repository, files)?;
    // Copies begin as the files alone.
    let template = folder.path().join("template");
    program(folder.path(), "cp", &["-r", "repository", "template"])?;
    std::fs::remove_dir_all(template.join(".git")).map_err(Fail::io("cannot remove a folder"))?;
    let worktrees = GitWorktree::open(&repository, folder.path().join("worktrees")).await?;
    let copies = Directory::new(folder.path().join("copies"))?.with_template(&template);
    let drivers = WorkspaceDrivers::default().with(Arc::new(worktrees))?.with(Arc::new(copies))?;
    let address = format!("sqlite:{}", folder.path().join("bench.db").display());
    let journal = sessile::open_journal(&address).await?;
    let store = Store::new(journal, sessile::options().with_workspaces(drivers));
    let ann = store.caller("bench", Actor::user("ann"))?;
    let project = ann.create_project("bench").await?;
    let thread = ann.create_thread(project, "bench").await?;
    let ground = Ground { folder: folder.path().to_path_buf(), repository, thread, ann };
    let mut figures = Vec::new();
    for kind in ["git_worktree", "directory", "virtual"] {
        measure(&ground, kind, files, &mut figures).await?;
    }
    store.close().await?;
    if out.json {
        return figures.iter().try_for_each(|figure| out.value(figure));
    }
    print(out, &figures, files)
}

/// Milliseconds of each step, round by round.
#[derive(Default)]
struct Steps(Vec<(&'static str, Vec<f64>)>);

impl Steps {
    fn add(&mut self, step: &'static str, begin: Duration) {
        let millis = SystemClock.elapsed().saturating_sub(begin).as_secs_f64() * 1000.0;
        match self.0.iter_mut().find(|(name, _)| *name == step) {
            Some((_, all)) => all.push(millis),
            None => self.0.push((step, vec![millis])),
        }
    }

    fn median(&self, step: &str) -> Option<f64> {
        let mut all = self.0.iter().find(|(name, _)| *name == step)?.1.clone();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    }
}

async fn measure(
    ground: &Ground,
    kind: &'static str,
    files: usize,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let (mut ours, mut raw) = (Steps::default(), Steps::default());
    for round in 1..=ROUNDS {
        one_round(ground, kind, (round, files), &mut ours).await?;
        match kind {
            "git_worktree" => raw_worktree(ground, round, &mut raw)?,
            _ => raw_copy(ground, round, &mut raw)?,
        }
    }
    for (step, _) in &ours.0 {
        let millis = ours.median(step).unwrap_or_default();
        let raw_millis = raw.median(step);
        let ratio = raw_millis.map(|raw| super::round(millis / raw.max(1e-9), 100.0));
        let shown = |millis: f64| super::round(millis, 10.0);
        figures.push(Figure {
            step,
            kind,
            millis: shown(millis),
            raw_millis: raw_millis.map(shown),
            ratio,
        });
    }
    Ok(())
}

async fn one_round(
    ground: &Ground,
    kind: &str,
    (round, files): (usize, usize),
    steps: &mut Steps,
) -> Result<()> {
    let ann = &ground.ann;
    let make = async |label: &str, new: NewWorkspace| -> Result<WorkspaceId> {
        let (_, workspace) = ann.create_session_in(ground.thread, label, new).await?;
        workspace.ok_or_else(|| Fail::input("no workspace"))
    };
    let begin = SystemClock.elapsed();
    let first = make("first", NewWorkspace::of_kind(kind)).await?;
    if kind == "virtual" {
        commit(ann, first, ground.folder.join("template")).await?;
    }
    steps.add("create", begin);
    let tree: TreeId = ann.snapshot_workspace(first).await?.0;
    let begin = SystemClock.elapsed();
    let branch = make("branch", NewWorkspace::branch_of(first)).await?;
    steps.add("branch", begin);
    ann.snapshot_workspace(branch).await?;
    let begin = SystemClock.elapsed();
    ann.snapshot_workspace(branch).await?;
    steps.add("snapshot", begin);
    let mut changes = Vec::new();
    for i in (0..10).map(|i| i * files / 10) {
        changes.push(FileChange::write(FilePath::new(name(i))?, content(i, round)));
    }
    ann.change_files(branch, changes).await?;
    let begin = SystemClock.elapsed();
    ann.snapshot_workspace(branch).await?;
    steps.add("snapshot_10", begin);
    let begin = SystemClock.elapsed();
    let changed = ann.compare_files(branch, tree, None).await?.len();
    steps.add("diff", begin);
    if changed != 10 {
        return Err(Fail::input(format!("{changed} files changed, of 10")));
    }
    let begin = SystemClock.elapsed();
    ann.dispose_of_workspace(branch, true).await?;
    steps.add("dispose", begin);
    ann.dispose_of_workspace(first, true).await?;
    Ok(())
}

fn change(folder: &Path, round: usize) -> Result<()> {
    (0..10).try_for_each(|i| {
        let i = i * 10;
        std::fs::write(folder.join(name(i)), content(i, round))
            .map_err(Fail::io("cannot write a file"))
    })
}

fn raw_worktree(ground: &Ground, round: usize, steps: &mut Steps) -> Result<()> {
    let path = ground.folder.join("plain");
    let (shown, branch) = (path.display().to_string(), format!("plain{round}"));
    let add = ["worktree", "add", "--quiet", "-b", &branch, &shown];
    let begin = SystemClock.elapsed();
    program(&ground.repository, "git", &add)?;
    steps.add("create", begin);
    steps.add("branch", begin);
    change(&path, round)?;
    let begin = SystemClock.elapsed();
    program(&path, "git", &["diff", "--name-only"])?;
    steps.add("diff", begin);
    let begin = SystemClock.elapsed();
    program(&ground.repository, "git", &["worktree", "remove", "--force", &shown])?;
    steps.add("dispose", begin);
    program(&ground.repository, "git", &["branch", "--quiet", "-D", &branch])
}

fn raw_copy(ground: &Ground, round: usize, steps: &mut Steps) -> Result<()> {
    let begin = SystemClock.elapsed();
    program(&ground.folder, "cp", &["-r", "--reflink=never", "template", "plain"])?;
    steps.add("create", begin);
    steps.add("branch", begin);
    change(&ground.folder.join("plain"), round)?;
    let begin = SystemClock.elapsed();
    program(&ground.folder, "diff", &["-rq", "template", "plain"])?;
    steps.add("diff", begin);
    let begin = SystemClock.elapsed();
    program(&ground.folder, "rm", &["-rf", "plain"])?;
    steps.add("dispose", begin);
    Ok(())
}

fn print(out: &mut Out, figures: &[Figure], files: usize) -> Result<()> {
    let mut table = Table::new([
        ("step", Align::Left),
        ("kind", Align::Left),
        ("ms", Align::Right),
        ("by hand", Align::Right),
        ("ratio", Align::Right),
    ]);
    for it in figures {
        table.row([
            it.step.to_owned(),
            it.kind.to_owned(),
            format!("{:.1}", it.millis),
            it.raw_millis.map_or("-".into(), |raw| format!("{raw:.1}")),
            it.ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
        ]);
    }
    out.table(&table)?;
    let built = if cfg!(debug_assertions) { "a debug build" } else { "a release build" };
    let mib = (files * BYTES) >> 20;
    let words = format!("{files} files, {mib} MiB; medians of {ROUNDS} rounds in turns; {built}");
    out.line(out.faint(&words))
}
