//! What a workspace begins as: a copy of the template, or of another workspace.

use std::{collections::HashSet, io, path::Path};

use ignore::WalkBuilder;
use sessile_core::{
    error::{Error, Result},
    workspace::FilePath,
};

use super::{Template, make::Proceed, root::Root};
use crate::folder::{Folder, Scanned, failed, path_of};

/// Copies all of a folder; answers how many things that is.
pub(super) fn copy_all(from: &Folder, to: &Folder, proceed: &Proceed) -> Result<usize> {
    copy(from, from.scan()?, to, proceed)
}

/// Copies the template, but for what it leaves out; answers how many things that is.
pub(super) fn copy_template(
    root: &Root,
    template: &Template,
    to: &Folder,
    proceed: &Proceed,
) -> Result<usize> {
    let shown = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            let reason = format!("the template {} is no folder", template.path.display());
            Error::invalid("template", reason)
        }
        _ => failed("read the template", &template.path.display(), e),
    };
    let path = template.path.canonicalize().map_err(shown)?;
    if root.path().starts_with(&path) {
        let reason = format!("the template {} holds the workspaces themselves", path.display());
        return Err(Error::invalid("template", reason));
    }
    let from = Folder::open(&path).map_err(shown)?;
    let found = if template.without_ignored {
        let kept = not_ignored(&path)?;
        from.scan_where(|path, _| kept.contains(path))?
    } else {
        from.scan()?
    };
    copy(&from, found, to, proceed)
}

fn copy(from: &Folder, found: Vec<Scanned>, to: &Folder, proceed: &Proceed) -> Result<usize> {
    to.copy_from(from, &found, || proceed.check())?;
    Ok(found.len())
}

/// The paths in a folder that its own rules do not ignore.
fn not_ignored(folder: &Path) -> Result<HashSet<FilePath>> {
    let walk = WalkBuilder::new(folder)
        .standard_filters(false)
        .git_ignore(true)
        .git_exclude(true)
        .require_git(false)
        .follow_links(false)
        .build();
    let mut kept = HashSet::new();
    for entry in walk {
        let entry = entry.map_err(|e| {
            let e = e.into_io_error().unwrap_or_else(|| io::Error::other("its rules contradict"));
            failed("read the template", &folder.display(), e)
        })?;
        let Ok(inner) = entry.path().strip_prefix(folder) else { continue };
        let mut path = None;
        for name in inner {
            path = Some(path_of(path.as_ref(), name)?);
        }
        kept.extend(path);
    }
    Ok(kept)
}
