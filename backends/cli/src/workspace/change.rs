//! Making, keeping, filling and removing workspaces.

use std::path::Path;

use serde::Serialize;
use sessile::{
    Store,
    command::{GivenWorkspace, NewWorkspace},
    handle::Handle,
    id::{Version, WorkspaceId},
    workspace::{
        Disposal, Exchanged, Label, Reap, ReapOutcome, TreeId, checkout as write, commit as take,
    },
};

use crate::{
    Status,
    fail::{Fail, Result},
    find,
    report::{Align, Out, Table, clean, plural},
};

#[derive(Serialize)]
struct Created {
    workspace: WorkspaceId,
}

#[derive(Serialize)]
struct Kept {
    tree: TreeId,
    version: Version,
}

#[derive(Serialize)]
struct Moved {
    files: u64,
    written: u64,
    removed: u64,
}

#[derive(Serialize)]
struct Disposed {
    outcome: Disposal,
}

pub(super) async fn create(
    out: &mut Out,
    handle: &Handle,
    session: &str,
    kind: &str,
    (label, base): (Option<&str>, Option<&str>),
) -> Result<()> {
    let session = find::session(handle, session).await?;
    let mut new = NewWorkspace::of_kind(kind);
    if let Some(label) = label {
        new = new.with_label(Label::new(label)?);
    }
    if let Some(base) = base {
        new = new.from_base(base);
    }
    let GivenWorkspace::Ready(workspace) = handle.create_workspace(session, new).await? else {
        return Err(Fail::input(format!("session {session} got no workspace")));
    };
    if out.json {
        return out.value(&Created { workspace });
    }
    out.line(workspace.to_string())?;
    match handle.inspect_workspace(workspace).await?.and_then(|it| it.path) {
        Some(path) => out.line(clean(&path.display().to_string())),
        None => Ok(()),
    }
}

pub(super) async fn keep(out: &mut Out, handle: &Handle, id: WorkspaceId) -> Result<()> {
    let (tree, version) = handle.snapshot_workspace(id).await?;
    if out.json {
        return out.value(&Kept { tree, version });
    }
    out.line(format!("kept as {tree}, at version {version} of its thread"))
}

fn moved(out: &mut Out, it: Exchanged) -> Result<()> {
    let Exchanged { files, written, removed, .. } = it;
    if out.json {
        return out.value(&Moved { files, written, removed });
    }
    let files = plural(files, "file", "files");
    out.line(format!("{files}: {written} written, {removed} removed"))
}

pub(super) async fn checkout(
    out: &mut Out,
    handle: &Handle,
    id: WorkspaceId,
    folder: &Path,
) -> Result<()> {
    moved(out, write(handle, id, folder).await?)
}

pub(super) async fn commit(
    out: &mut Out,
    handle: &Handle,
    id: WorkspaceId,
    folder: &Path,
) -> Result<()> {
    moved(out, take(handle, id, folder).await?)
}

pub(super) async fn dispose(
    out: &mut Out,
    handle: &Handle,
    id: WorkspaceId,
    force: bool,
) -> Result<Status> {
    let outcome = handle.dispose_of_workspace(id, force).await?;
    if out.json {
        out.value(&Disposed { outcome })?;
    } else {
        out.line(match outcome {
            Disposal::Removed => "removed",
            Disposal::AlreadyGone => "it was gone already",
            Disposal::Refused => "it holds work that is not kept; keep it first, or give --force",
        })?;
    }
    Ok(if outcome == Disposal::Refused { Status::Problems } else { Status::Fine })
}

pub(super) async fn reap(
    out: &mut Out,
    store: &Store,
    handle: &Handle,
    dry_run: bool,
    force: bool,
) -> Result<Status> {
    let reaped = store.reap(handle.caller(), Reap { dry_run, force }).await?;
    let stays = |it: &ReapOutcome| matches!(it, ReapOutcome::KeptWork | ReapOutcome::Failed(_));
    let status =
        if reaped.iter().any(|it| stays(&it.outcome)) { Status::Problems } else { Status::Fine };
    if out.json {
        out.value(&reaped)?;
        return Ok(status);
    }
    if reaped.is_empty() {
        out.line("nothing is leaked")?;
        return Ok(status);
    }
    let mut table = Table::new([
        ("kind", Align::Left),
        ("what", Align::Left),
        ("why", Align::Left),
        ("outcome", Align::Left),
    ]);
    for it in &reaped {
        let outcome = match &it.outcome {
            ReapOutcome::Found => "would be removed".into(),
            ReapOutcome::Removed => "removed".into(),
            ReapOutcome::KeptWork => "stays: it holds work".into(),
            ReapOutcome::Claimed => "stays: it is claimed again".into(),
            ReapOutcome::Failed(why) => format!("failed: {}", clean(why)),
            _ => String::new(),
        };
        table.row([clean(&it.kind), clean(&it.what.to_string()), it.why.to_string(), outcome]);
    }
    out.table(&table)?;
    Ok(status)
}
