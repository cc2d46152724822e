//! `sessile bench --workspaces`: each kind of workspace beside what a person would type, on a repository of many files.
//!
//! | step | one operation | beside it |
//! | --- | --- | --- |
//! | `create_first` | as `create`, the first time that `directory` sees its template | `cp -r` |
//! | `create` | a session with a workspace of all files; `virtual` takes them from a folder | `git worktree add`, `cp -r` |
//! | `branch` | a session with a branch of that workspace | the same |
//! | `snapshot` | a snapshot where nothing changed | nothing |
//! | `snapshot_10` | a snapshot after 10 files changed | nothing |
//! | `diff` | what changed since the first snapshot | `git diff --name-only`, `diff -rq` |
//! | `dispose` | the branch goes, with the work in it | `git worktree remove --force`, `rm -rf` |
//! | `large_first`, `large` | as `create_first` and `create`, of fewer and larger files | `cp -r` |
//!
//! Figures are milliseconds, medians of rounds that take turns. `cp` copies every byte, `--reflink=never`. *Disk* is by how much
//! more of the file system was in use after it, in percent of the files' bytes; it is left out where `df` does not tell, and is
//! worth something where nobody else writes. Records stand in an SQLite file. Point `TMPDIR` at the file system in question.

mod by_hand;
mod figure;
mod large;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

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

use by_hand::{program, raw_copy, raw_worktree, used};
use figure::{Figure, Steps};

use crate::{
    fail::{Fail, Result},
    report::{Align, Out, Table},
};

/// Files of the repository, and bytes of each.
const FILES: usize = 10_000;
const BYTES: usize = 4096;
const ROUNDS: usize = 3;

/// All that is measured on.
struct Ground {
    folder: PathBuf,
    repository: PathBuf,
    thread: ThreadId,
    ann: Handle,
    /// Bytes of all files together.
    bytes: usize,
}

/// The path of a file: a hundred to a folder.
fn name(i: usize) -> String {
    format!("part{:02}/file{i:05}.txt", i / 100)
}

fn content(i: usize, round: usize, bytes: usize) -> Vec<u8> {
    let line = format!("line of file {i}, written in round {round}\n");
    line.bytes().cycle().take(bytes).collect()
}

fn write_files(folder: &Path, files: usize, bytes: usize) -> Result<()> {
    for i in 0..files {
        let path = folder.join(name(i));
        if let Some(above) = path.parent() {
            std::fs::create_dir_all(above).map_err(Fail::io("cannot make a folder"))?;
        }
        std::fs::write(path, content(i, 0, bytes)).map_err(Fail::io("cannot write a file"))?;
    }
    Ok(())
}

fn fill(repository: &Path, files: usize) -> Result<()> {
    write_files(repository, files, BYTES)?;
    program(repository, "git", &["init", "--quiet", "--initial-branch=main"])?;
    // Nobody tidies up behind the figures, or while the repository is copied.
    program(repository, "git", &["config", "maintenance.auto", "false"])?;
    program(repository, "git", &["config", "gc.auto", "0"])?;
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
    let (store, ground) = ground(folder.path(), "bench", drivers, files * BYTES).await?;
    let mut figures = Vec::new();
    for kind in ["git_worktree", "directory", "virtual"] {
        measure(&ground, kind, files, &mut figures).await?;
    }
    store.close().await?;
    let large = large::measure(folder.path(), quick, &mut figures).await?;
    if out.json {
        return figures.iter().try_for_each(|figure| out.value(figure));
    }
    print(out, &figures, files, large)
}

/// A store of this name with these kinds of workspaces, and a thread to make them in.
async fn ground(
    folder: &Path,
    name: &str,
    drivers: WorkspaceDrivers,
    bytes: usize,
) -> Result<(Store, Ground)> {
    let address = format!("sqlite:{}", folder.join(name).with_extension("db").display());
    let journal = sessile::open_journal(&address).await?;
    let store = Store::new(journal, sessile::options().with_workspaces(drivers));
    let ann = store.caller("bench", Actor::user("ann"))?;
    let project = ann.create_project("bench").await?;
    let thread = ann.create_thread(project, "bench").await?;
    let repository = folder.join("repository");
    let ground = Ground { folder: folder.to_path_buf(), repository, thread, ann, bytes };
    Ok((store, ground))
}

impl Ground {
    async fn make(&self, label: &str, new: NewWorkspace) -> Result<WorkspaceId> {
        let (_, workspace) = self.ann.create_session_in(self.thread, label, new).await?;
        workspace.ok_or_else(|| Fail::input("no workspace"))
    }

    /// Makes one as the step says: how long it takes, and what it takes of the disk.
    async fn create(
        &self,
        step: &'static str,
        kind: &str,
        steps: &mut Steps,
    ) -> Result<WorkspaceId> {
        let before = used(&self.folder);
        let begin = SystemClock.elapsed();
        let made = self.make("first", NewWorkspace::of_kind(kind)).await?;
        if kind == "virtual" {
            commit(&self.ann, made, self.folder.join("template")).await?;
        }
        steps.add(step, begin);
        if let (Some(before), Some(after)) = (before, used(&self.folder)) {
            steps.add_disk(step, (after - before) * 100.0 / self.bytes.max(1) as f64);
        }
        Ok(made)
    }

    /// Makes one, the first that a driver makes, and takes it away.
    async fn create_first(&self, step: &'static str, steps: &mut Steps) -> Result<()> {
        let made = self.create(step, "directory", steps).await?;
        self.ann.dispose_of_workspace(made, true).await?;
        Ok(())
    }
}

async fn measure(
    ground: &Ground,
    kind: &'static str,
    files: usize,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let (mut ours, mut raw) = (Steps::default(), Steps::default());
    if kind == "directory" {
        ground.create_first("create_first", &mut ours).await?;
    }
    for round in 1..=ROUNDS {
        one_round(ground, kind, (round, files), &mut ours).await?;
        match kind {
            "git_worktree" => raw_worktree(ground, round, &mut raw)?,
            _ => {
                // So that nobody writes what the other has left to be written.
                used(&ground.folder);
                raw_copy(ground, round, &mut raw)?;
            }
        }
    }
    figures.extend(ours.figures(kind, &raw));
    Ok(())
}

async fn one_round(
    ground: &Ground,
    kind: &str,
    (round, files): (usize, usize),
    steps: &mut Steps,
) -> Result<()> {
    let ann = &ground.ann;
    let first = ground.create("create", kind, steps).await?;
    let tree: TreeId = ann.snapshot_workspace(first).await?.0;
    let begin = SystemClock.elapsed();
    let branch = ground.make("branch", NewWorkspace::branch_of(first)).await?;
    steps.add("branch", begin);
    ann.snapshot_workspace(branch).await?;
    let begin = SystemClock.elapsed();
    ann.snapshot_workspace(branch).await?;
    steps.add("snapshot", begin);
    let mut changes = Vec::new();
    for i in (0..10).map(|i| i * files / 10) {
        changes.push(FileChange::write(FilePath::new(name(i))?, content(i, round, BYTES)));
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

fn print(out: &mut Out, figures: &[Figure], files: usize, large: usize) -> Result<()> {
    let mut table = Table::new([
        ("step", Align::Left),
        ("kind", Align::Left),
        ("ms", Align::Right),
        ("by hand", Align::Right),
        ("ratio", Align::Right),
        ("disk", Align::Right),
    ]);
    for it in figures {
        table.row([
            it.step.to_owned(),
            it.kind.to_owned(),
            format!("{:.1}", it.millis),
            it.raw_millis.map_or("-".into(), |raw| format!("{raw:.1}")),
            it.ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
            it.extra_disk_percent.map_or("-".into(), |percent| format!("{percent:.1} %")),
        ]);
    }
    out.table(&table)?;
    let built = if cfg!(debug_assertions) { "a debug build" } else { "a release build" };
    let mib = (files * BYTES) >> 20;
    let words = format!(
        "{files} files, {mib} MiB; `large` is {large} of 1 MiB; medians of {ROUNDS} rounds in turns; {built}"
    );
    out.line(out.faint(&words))
}
