//! What changed in a workspace, as people read it.

use serde::Serialize;
use sessile::{
    ErrorKind,
    handle::Handle,
    id::WorkspaceId,
    workspace::{Change, FilePath, TreeChange, TreeId},
};
use similar::TextDiff;

use crate::{
    Status,
    fail::{Fail, Result},
    report::{Out, clean, plural},
};

/// What changed as programs read it.
#[derive(Serialize)]
struct Changes<'a> {
    from: &'a TreeId,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a TreeId>,
    changes: &'a [TreeChange],
}

pub(super) async fn show(
    out: &mut Out,
    handle: &Handle,
    id: WorkspaceId,
    (from, to): (Option<&TreeId>, Option<&TreeId>),
    names: bool,
) -> Result<Status> {
    let workspace = handle.workspace(id).await?;
    let workspace = workspace.ok_or_else(|| Fail::input(format!("there is no workspace {id}")))?;
    let from = from.or(workspace.saved.as_ref()).ok_or_else(|| {
        Fail::input(format!("nothing was kept of {id}; name a tree to compare with, by --from"))
    })?;
    let changes = handle.compare_files(id, from.clone(), to.cloned()).await?;
    if out.json {
        out.value(&Changes { from, to, changes: &changes })?;
        return Ok(Status::Fine);
    }
    if changes.is_empty() {
        out.line("nothing changed")?;
        return Ok(Status::Fine);
    }
    if !names {
        out.page();
    }
    for change in &changes {
        let mark = match change.change {
            Change::Added => "A",
            Change::Removed => "D",
            Change::Modified => "M",
        };
        if names {
            out.line(format!("{mark} {}", change.path))?;
            continue;
        }
        let before = text(handle, id, &change.path, Some(from)).await?;
        let after = text(handle, id, &change.path, to).await?;
        one(out, mark, &change.path, before, after)?;
    }
    if names {
        out.line(plural(changes.len() as u64, "change", "changes"))?;
    }
    Ok(Status::Fine)
}

/// A file's content; none where there is no file.
async fn text(
    handle: &Handle,
    id: WorkspaceId,
    path: &FilePath,
    tree: Option<&TreeId>,
) -> Result<Option<Vec<u8>>> {
    let read = match tree {
        Some(tree) => handle.read_file_in(id, path.clone(), tree.clone()).await,
        None => handle.read_file(id, path.clone()).await,
    };
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Precondition) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn one(
    out: &mut Out,
    mark: &str,
    path: &FilePath,
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
) -> Result<()> {
    out.line(out.strong(&format!("{mark} {path}")))?;
    let text = |bytes: Option<Vec<u8>>| match bytes {
        Some(bytes) => String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')),
        None => Some(String::new()),
    };
    let (Some(before), Some(after)) = (text(before), text(after)) else {
        return out.line("  binary");
    };
    if before == after {
        return out.line("  a link, a folder, or another mode");
    }
    let diff = TextDiff::from_lines(&before, &after);
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        out.line(out.faint(&hunk.header().to_string()))?;
        for change in hunk.iter_changes() {
            let line = change.to_string_lossy();
            let line = clean(line.trim_end_matches(['\n', '\r']));
            out.line(format!("{}{line}", change.tag()))?;
        }
    }
    Ok(())
}
