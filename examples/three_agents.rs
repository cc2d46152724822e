//! How do three agents work on one repository at once, each in files of its own, and what happens to the files afterwards?

use std::{path::Path, process::Command, sync::Arc};

use sessile::{
    command::NewWorkspace,
    git_worktree::GitWorktree,
    id::WorkspaceId,
    prelude::*,
    workspace::{Disposal, Reap, WorkspaceDrivers},
};

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir().map_err(|e| Error::unavailable("no folder for a try", e))?;
    let repository = folder.path().join("website");
    std::fs::create_dir(&repository).map_err(|e| Error::unavailable("no folder", e))?;
    git(&repository, &["init", "--quiet", "--initial-branch=main"])?;
    write(&repository.join("index.html"), "<h1>Welcome</h1>\n")?;
    git(&repository, &["add", "--all"])?;
    git(&repository, &["commit", "--quiet", "--message=Begin"])?;

    let worktrees = GitWorktree::open(&repository, folder.path().join("worktrees")).await?;
    let drivers = WorkspaceDrivers::default().with(Arc::new(worktrees))?;
    let journal = sessile::open_journal("memory:").await?; // or "sqlite:agents.db"
    let store = Store::new(journal, sessile::options().with_workspaces(drivers));
    for line in work(&store, &repository).await? {
        println!("{line}");
    }
    store.close().await
}

/// Three agents, a worktree each. One succeeds, one is thrown away, one is forgotten.
pub(crate) async fn work(store: &Store, repository: &Path) -> Result<Vec<String>> {
    let ann = store.caller("acme", Actor::user("ann"))?;
    let project = ann.create_project("website").await?;
    let thread = ann.create_thread(project, "a better welcome").await?;

    // A session and its files are made together: both are there, or neither.
    let mut agents = Vec::new();
    for name in ["Short", "Long", "Forgotten"] {
        let worktree = NewWorkspace::of_kind("git_worktree").from_base("main");
        let (session, workspace) = ann.create_session_in(thread, name, worktree).await?;
        let workspace = workspace.ok_or_else(|| Error::failed("no workspace"))?;
        let folder = folder(&ann, workspace).await?;
        write(&folder.join("index.html"), &format!("<h1>{name}</h1>\n"))?;
        ann.append(session, assistant(format!("I wrote a {name} welcome."))).await?;
        agents.push((session, workspace, folder));
    }
    let [(_, short, short_folder), (_, long, _), (forgotten, _, _)] = agents.as_slice() else {
        return Err(Error::failed("three agents"));
    };

    // Ann likes the short one: its agent commits, and she merges its branch.
    git(short_folder, &["commit", "--quiet", "--all", "--message=Be short"])?;
    let branch = ann.inspect_workspace(*short).await?.map(|it| it.reference).unwrap_or_default();
    let branch = branch.split(' ').next().unwrap_or_default();
    git(repository, &["merge", "--quiet", "--ff-only", branch])?;
    let mut said = vec![format!("short: {:?}", ann.dispose_of_workspace(*short, false).await?)];

    // The long one holds work that is nowhere else. It goes when she says so, and not before.
    assert_eq!(ann.dispose_of_workspace(*long, false).await?, Disposal::Refused);
    said.push(format!("long: {:?}", ann.dispose_of_workspace(*long, true).await?));

    // The third session is deleted, and its work would be lost: it stays until somebody reaps it by force.
    ann.delete_session(*forgotten).await?;
    for reaped in store.reap(ann.caller(), Reap::new().with_force()).await? {
        said.push(format!("forgotten: {}, {:?}", reaped.why, reaped.outcome));
    }
    said.push(format!("{} workspaces are left", ann.workspaces(thread).all().await?.len()));
    Ok(said)
}

/// Where a workspace is.
async fn folder(ann: &Handle, workspace: WorkspaceId) -> Result<std::path::PathBuf> {
    let there = ann.inspect_workspace(workspace).await?.and_then(|it| it.path);
    there.ok_or_else(|| Error::failed("the workspace is gone"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|e| Error::unavailable("cannot write", e))
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Result<()> {
    let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
    let output = Command::new("git").current_dir(folder).args(who).args(arguments).output();
    let output = output.map_err(|e| Error::unavailable("cannot run git", e))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::failed(String::from_utf8_lossy(&output.stderr).into_owned()))
}
