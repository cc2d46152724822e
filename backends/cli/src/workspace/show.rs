//! Lists of workspaces, and one with what lies in it.

use serde::Serialize;
use sessile::{
    command::{ThreadFilter, ThreadScope},
    handle::Handle,
    id::WorkspaceId,
    model::{Workspace, WorkspaceStatus},
    workspace::{FileEntry, FileKind, Inspection},
};

use crate::{
    fail::{Fail, Result},
    find, lists,
    report::{Align, Out, Table, clean, count, plural, stamp},
};

/// Files that are listed.
const FILES: usize = 200;

/// A workspace as programs read it.
#[derive(Serialize)]
struct WithFiles<'a> {
    #[serde(flatten)]
    workspace: &'a Workspace,
    inspection: Option<Inspection>,
    files: Vec<FileEntry>,
}

pub(super) async fn list(out: &mut Out, handle: &Handle, within: Option<&str>) -> Result<()> {
    let threads = match within {
        Some(text) => vec![find::thread(handle, text).await?],
        None => {
            let all = lists::threads(handle, ThreadFilter::of(ThreadScope::Tenant)).await?;
            all.into_iter().map(|row| row.id).collect()
        }
    };
    let mut all = Vec::new();
    for thread in threads {
        all.extend(handle.workspaces(thread).all().await?);
    }
    if out.json {
        return out.value(&all);
    }
    if all.is_empty() {
        return out.line("no workspaces");
    }
    let mut table = Table::new([
        ("workspace", Align::Left),
        ("kind", Align::Left),
        ("label", Align::Left),
        ("status", Align::Left),
        ("session", Align::Left),
        ("since", Align::Left),
    ]);
    for it in &all {
        table.row([
            it.id.to_string(),
            clean(&it.kind),
            it.label.to_string(),
            it.status.to_string(),
            it.session.map_or_else(|| "-".into(), |session| session.to_string()),
            stamp(it.created_at),
        ]);
    }
    out.table(&table)
}

pub(super) async fn one(out: &mut Out, handle: &Handle, id: WorkspaceId) -> Result<()> {
    let workspace = handle.workspace(id).await?;
    let workspace = workspace.ok_or_else(|| Fail::input(format!("there is no workspace {id}")))?;
    let is_ready = workspace.status == WorkspaceStatus::Ready;
    let inspection = if is_ready { handle.inspect_workspace(id).await? } else { None };
    let (files, more) = match &inspection {
        Some(_) => files(handle, id, if out.json { usize::MAX } else { FILES }).await?,
        None => (Vec::new(), false),
    };
    if out.json {
        return out.value(&WithFiles { workspace: &workspace, inspection, files });
    }
    let mut facts = Table::new([("", Align::Left), ("", Align::Left)]);
    let mut fact = |name: &str, value: String| facts.row([name.to_owned(), value]);
    fact("workspace", workspace.label.to_string());
    fact("id", workspace.id.to_string());
    fact("kind", clean(&workspace.kind));
    fact("status", workspace.status.to_string());
    fact("session", workspace.session.map_or_else(|| "none".into(), |it| it.to_string()));
    fact("created", stamp(workspace.created_at));
    match &inspection {
        Some(it) => {
            fact("based on", clean(&it.reference));
            if let Some(path) = &it.path {
                fact("folder", clean(&path.display().to_string()));
            }
            let work = if it.dirty { "yes, not kept" } else { "none" };
            fact("work", work.into());
        }
        None if is_ready => fact("folder", "gone: somebody removed it".into()),
        None => {}
    }
    if let Some(tree) = &workspace.saved {
        fact("kept as", tree.to_string());
    }
    out.table(&facts)?;
    if inspection.is_none() {
        return Ok(());
    }
    out.line("")?;
    let mut table = Table::new([("bytes", Align::Right), ("", Align::Left), ("file", Align::Left)]);
    for entry in &files {
        let path = entry.path.to_string();
        table.row(match &entry.kind {
            FileKind::File { executable, bytes, .. } => {
                let mark = if *executable { "x" } else { "" };
                [count(*bytes), mark.into(), path]
            }
            FileKind::Link { target } => {
                let target = String::from_utf8_lossy(target);
                ["link".into(), String::new(), format!("{path} -> {}", clean(&target))]
            }
            _ => ["empty".into(), String::new(), format!("{path}/")],
        });
    }
    out.table(&table)?;
    if more {
        return out.line(format!("... the first {FILES}"));
    }
    out.line(plural(files.len() as u64, "file", "files"))
}

/// Files, links and empty folders in the order of their paths; at most so many, and whether there are more.
async fn files(handle: &Handle, id: WorkspaceId, limit: usize) -> Result<(Vec<FileEntry>, bool)> {
    let mut files = Vec::new();
    let mut folders = vec![None];
    while let Some(folder) = folders.pop() {
        let entries = handle.list_files(id, folder.clone()).await?;
        if let (Some(path), true) = (folder, entries.is_empty()) {
            files.push(FileEntry { path, kind: FileKind::Directory });
        }
        for entry in entries {
            match entry.kind {
                FileKind::Directory => folders.push(Some(entry.path)),
                _ => files.push(entry),
            }
        }
        if files.len() > limit {
            break;
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let more = files.len() > limit;
    files.truncate(limit);
    Ok((files, more))
}
