//! What a workspace begins as: a copy of the template, or of another workspace.

use std::{
    collections::HashSet,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use cap_std::fs::Dir;
use ignore::WalkBuilder;
use sessile_core::{
    error::{Error, Result},
    hash::Hash,
    workspace::{FileKind, FilePath, TreeId, WorkspaceName},
};

use super::{
    Template,
    index::{Contents, Draft, Held, Index},
    make::{Making, Own, Proceed},
    objects::Objects,
    root::Root,
    save::{Tree, tree_id},
    shelf::digest_of,
    templates, whole,
};
use crate::folder::{Folder, Scanned, failed, path_of};

/// Nanoseconds by which file systems may round the times of files, at the most.
const ROUNDED: i64 = 3_000_000_000;

/// Copies all that a workspace holds into the folder of another that is made. Answers that, and what it holds; all of it is
/// kept in the snapshots of the other's thread. What the source's index knows is not read.
pub(super) fn copy_all(
    source: &WorkspaceName,
    from: &Folder,
    making: &Making<'_>,
) -> Result<(Own, Contents)> {
    let objects = Objects::make(making.root, making.name)?;
    let index = Index::load(making.root, source)?;
    // What a tree that is kept names is kept.
    let kept = index.as_ref().is_some_and(|index| objects.has_folder(&index.tree));
    let keep = |copy: &File, digest: &Hash, bytes, is_known| {
        if (kept && is_known) || objects.has_file(digest, bytes) {
            return Ok(());
        }
        objects.put_known(copy, digest)
    };
    let found = from.scan()?;
    let own = making.folder(found.len())?;
    let (contents, _) = copy(from, found, &own.folder, index.as_ref(), keep, making.proceed)?;
    Ok((own, contents))
}

/// Begins a workspace as the template, but for what that leaves out. Answers its folder and its tree; all of it is kept in the
/// folder of the template, in which the workspace's thread is named. What the index there knows is not read, and if it knows
/// all, the workspace begins as what is kept whole.
pub(super) fn begin_as(template: &Template, making: &Making<'_>) -> Result<(Own, TreeId)> {
    let root = making.root;
    let (path, from) = open(root, template)?;
    let shelf = templates::join(root, &key(template, &path), making.name)?;
    let shown = |e| failed("read", &shelf.at(), e);
    let index = Index::read(shelf.dir()).map_err(shown)?;
    let (index, mut state) = index.filter(|(index, _)| shelf.has_folder(&index.tree)).unzip();
    let mut draft = Draft::begin_in(shelf.dir().try_clone().map_err(shown)?, shelf.at().into())?;
    templates::sweep(&shelf, draft.taken)?;
    if !shares_clock(shelf.dir(), from.dir()).map_err(shown)? {
        draft.taken = draft.taken.saturating_sub(ROUNDED);
    }
    let found = if template.without_ignored {
        scan_not_ignored(&path, &from, draft.taken)?
    } else {
        from.scan()?
    };
    let keep = |copy: &File, digest: &Hash, bytes, is_known| {
        if is_known || shelf.has_file(digest, bytes) {
            return Ok(());
        }
        shelf.put_known(copy, digest)
    };
    making.proceed.check()?;
    if let (Some(index), Some(state)) = (&index, &state)
        && index.knows(&found)
        && let Some(own) = whole::begin(making, &shelf, state, (&from, &found))?
    {
        return Ok((own, tree_id(&index.tree)?));
    }
    let own = making.folder(found.len())?;
    let (contents, read) = copy(&from, found, &own.folder, index.as_ref(), keep, making.proceed)?;
    if read > 0 || index.is_none_or(|index| index.contents != contents) {
        let tree = Tree::of(&contents)?;
        tree.put(|digest| shelf.has_folder(digest), |digest, node| shelf.put_folder(digest, node))?;
        state = Some(draft.finish(tree.root, contents.clone())?);
    }
    let tree = making.save(&own, &contents.into())?;
    if let Some(state) = state {
        whole::keep(making, &own, &shelf, &state);
    }
    Ok((own, tree))
}

/// The template's path without links, and its folder.
fn open(root: &Root, template: &Template) -> Result<(PathBuf, Folder)> {
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
    Ok((path, from))
}

/// What tells a template from all others.
fn key(template: &Template, path: &Path) -> Hash {
    Hash::of(&[&[u8::from(template.without_ignored)], path.as_os_str().as_encoded_bytes()])
}

/// Whether times of files in both folders are comparable to the last digit: both lie on the same file system.
#[cfg(unix)]
fn shares_clock(a: &Dir, b: &Dir) -> io::Result<bool> {
    use cap_std::fs::MetadataExt;
    Ok(a.dir_metadata()?.dev() == b.dir_metadata()?.dev())
}

/// Whether times of files in both folders are comparable to the last digit: not known here.
#[cfg(not(unix))]
fn shares_clock(_: &Dir, _: &Dir) -> io::Result<bool> {
    Ok(false)
}

/// Copies what a scan found. Answers what that is, by how its source is known, and how many files of it were read. `keep` gets
/// each copy with its digest and length, and whether the index knew that.
fn copy(
    from: &Folder,
    found: Vec<Scanned>,
    to: &Folder,
    index: Option<&Index>,
    keep: impl Fn(&File, &Hash, u64, bool) -> io::Result<()>,
    proceed: &Proceed,
) -> Result<(Contents, usize)> {
    let mut contents = Contents::new();
    let mut read = 0;
    to.copy_from(
        from,
        &found,
        || proceed.check(),
        |scanned, mut stat, mut copy| {
            let path = &scanned.path;
            // Looked at after it was copied: whoever wrote into it meanwhile has left another time.
            let known = index.and_then(|index| index.known(path, &stat));
            let digest = match known {
                Some(digest) => digest,
                None => {
                    read += 1;
                    let digest = digest_of(&mut copy).map_err(|e| failed("read", path, e))?;
                    stat.len = digest.1;
                    digest.0
                }
            };
            keep(copy, &digest, stat.len, known.is_some()).map_err(|e| failed("keep", path, e))?;
            let executable = matches!(scanned.kind, FileKind::File { executable: true, .. });
            contents.insert(path.clone(), Held::File { executable, digest, stat });
            Ok(())
        },
    )?;
    for Scanned { path, kind, .. } in found {
        match kind {
            FileKind::Directory => drop(contents.insert(path, Held::Directory)),
            FileKind::Link { target } => drop(contents.insert(path, Held::Link { target })),
            _ => {}
        }
    }
    Ok((contents, read))
}

/// What a folder holds that its own rules do not ignore.
///
/// Who knows the rules lists the folder on their own, and may overlook what takes the place of another meanwhile: about what
/// was not named and has changed since a time they are asked again.
fn scan_not_ignored(path: &Path, from: &Folder, since: i64) -> Result<Vec<Scanned>> {
    /// What is ignored may change all the time.
    const WALKS: usize = 3;
    let mut kept = HashSet::new();
    let mut walks = 0;
    loop {
        kept.extend(not_ignored(path)?);
        walks += 1;
        let mut is_in_doubt = false;
        let found = from.scan_where(|found| {
            let is_kept = kept.contains(&found.path);
            is_in_doubt |= !is_kept && found.stat.ctime >= since;
            is_kept
        })?;
        if !is_in_doubt || walks == WALKS {
            return Ok(found);
        }
    }
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
