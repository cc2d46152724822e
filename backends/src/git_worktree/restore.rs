//! Makes the files of a workspace what a tree says.

use std::collections::BTreeSet;

use sessile_core::{
    error::{Error, Result},
    workspace::{FileChange, FileKind, FilePath},
};
use sessile_driver::blocking;

use super::{GitWorktree, git::zero_terminated, place::Place, snapshot::os};
use crate::folder::{Folder, is_dot_git};

/// Bytes of files that are in memory at once, if no single one is larger.
const CHUNK: u64 = 32 << 20;
/// Files that are in memory at once.
const FILES: usize = 1000;
/// Rounds until files are what they shall be. The second removes what a rule of the files put aside did hide.
const ROUNDS: usize = 6;

/// What a tree has at a path.
struct Entry {
    path: FilePath,
    mode: Vec<u8>,
    object: String,
}

/// What to do to get from a tree to another.
#[derive(Default)]
struct Plan {
    remove: Vec<FilePath>,
    write: Vec<Entry>,
}

impl GitWorktree {
    /// Makes the files of a worktree exactly a tree, and sees that they are. What git ignores stays, unless it is in the way;
    /// `HEAD`, the branch and the index stay, too: but a file that git ignores, and that is in the tree because it was
    /// added nevertheless, is added again, without content, or it would not count.
    pub(super) async fn make_files(&self, place: &Place, tree: &str) -> Result<()> {
        for _ in 0..ROUNDS {
            let now = self.tree_now(place).await?;
            if now == tree {
                return Ok(());
            }
            let plan = self.plan(&now, tree).await?;
            self.apply(place, plan).await?;
            let now = self.tree_now(place).await?;
            if now == tree {
                return Ok(());
            }
            let hidden = self.plan(&now, tree).await?.write;
            if !hidden.is_empty() {
                let mut paths = Vec::new();
                for entry in &hidden {
                    paths.extend_from_slice(entry.path.as_bytes());
                    paths.push(0);
                }
                let call = self.inside(place).call([
                    "add",
                    "--force",
                    "--intent-to-add",
                    "--pathspec-from-file=-",
                    "--pathspec-file-nul",
                ]);
                call.input(paths).uninterrupted().output().await?;
            }
        }
        let reason =
            format!("the files in {} change while they are restored", place.folder.display());
        Err(Error::failed(reason))
    }

    async fn plan(&self, now: &str, wanted: &str) -> Result<Plan> {
        let call = self.repository.git.call([
            "diff-tree",
            "-r",
            "-z",
            "--no-renames",
            "--raw",
            "--no-abbrev",
        ]);
        let said = call.arg("--end-of-options").arg(now).arg(wanted).output().await?;
        let mut parts = zero_terminated(&said);
        let mut plan = Plan::default();
        while let (Some(header), Some(path)) = (parts.next(), parts.next()) {
            let path = FilePath::new(path)?;
            let mut words = header.split(|b| *b == b' ').skip(1);
            let (mode, object) = (words.next(), words.nth(1));
            match (mode, object) {
                (Some(b"000000"), _) => plan.remove.push(path),
                (Some(mode), Some(object)) => plan.write.push(Entry {
                    path,
                    mode: mode.to_vec(),
                    object: String::from_utf8_lossy(object).into_owned(),
                }),
                _ => return Err(Error::failed("git says differences of trees in another way")),
            }
        }
        Ok(plan)
    }

    async fn apply(&self, place: &Place, plan: Plan) -> Result<()> {
        let path = place.folder.clone();
        let paths: Vec<_> = plan.write.iter().map(|entry| entry.path.clone()).collect();
        let remove = plan.remove;
        blocking::run(move || -> Result<()> {
            let folder = open(&path)?;
            let way = clear_way(&folder, &paths)?;
            for path in remove.into_iter().chain(way) {
                folder.change(&FileChange::Remove { path })?;
            }
            Ok(())
        })
        .await??;
        let sizes = self.sizes(&plan.write).await?;
        let mut rest = plan.write.into_iter().zip(sizes).peekable();
        while rest.peek().is_some() {
            let (mut chunk, mut bytes) = (Vec::new(), 0_u64);
            while let Some((entry, size)) = rest.next_if(|(_, size)| {
                chunk.is_empty() || (bytes.saturating_add(*size) <= CHUNK && chunk.len() < FILES)
            }) {
                bytes += size;
                chunk.push(entry);
            }
            self.write(place, chunk, bytes).await?;
        }
        Ok(())
    }

    async fn sizes(&self, entries: &[Entry]) -> Result<Vec<u64>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let call =
            self.repository.git.call(["cat-file", "--batch-check=%(objecttype) %(objectsize)"]);
        let said = call.input(objects(entries)).text().await?;
        let sizes: Option<Vec<_>> =
            said.lines().map(|line| line.strip_prefix("blob ")?.parse().ok()).collect();
        sizes.filter(|sizes| sizes.len() == entries.len()).ok_or_else(|| {
            Error::failed("the repository does not have all files of the tree any more")
        })
    }

    async fn write(&self, place: &Place, entries: Vec<Entry>, bytes: u64) -> Result<()> {
        // Each begins with a line of its id, its type and its length, and ends with an end of line.
        let headers = entries.len().saturating_mul(self.repository.hex + 40);
        let limit = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(headers);
        let call = self.repository.git.call(["cat-file", "--batch"]).at_most(limit);
        let said = call.input(objects(&entries)).output().await?;
        let path = place.folder.clone();
        blocking::run(move || -> Result<()> {
            let folder = open(&path)?;
            let mut rest = said.as_slice();
            for Entry { path, mode, .. } in entries {
                let content = next_object(&mut rest).ok_or_else(|| {
                    Error::failed(format!("git does not say the content of {path}"))
                })?;
                folder.change(&match &*mode {
                    b"120000" => FileChange::Link { path, target: content.to_vec() },
                    b"100755" | b"100644" => {
                        let executable = mode == b"100755" && cfg!(unix);
                        FileChange::Write { path, content: content.to_vec(), executable }
                    }
                    _ => {
                        return Err(Error::failed(format!(
                            "{path} is no file or link in the tree"
                        )));
                    }
                })?;
            }
            Ok(())
        })
        .await?
    }
}

/// A workspace's folder, with what a user may name.
pub(super) fn open(path: &std::path::Path) -> Result<Folder> {
    let folder = Folder::open(path)
        .map_err(|e| Error::unavailable(format!("cannot open {}", path.display()), e))?;
    Ok(folder.reserving(is_dot_git).without_empty_directories())
}

fn objects(entries: &[Entry]) -> Vec<u8> {
    entries.iter().flat_map(|entry| [entry.object.as_bytes(), b"\n"]).flatten().copied().collect()
}

fn next_object<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|b| *b == b'\n')?;
    let header = std::str::from_utf8(rest.get(..end)?).ok()?;
    let length: usize = header.rsplit(' ').next()?.parse().ok()?;
    let content = rest.get(end + 1..)?.get(..length)?;
    *rest = rest.get(end + 1 + length + 1..)?;
    Some(content)
}

/// What lies in the way of files that are to be written: files and links where folders must be, and folders where files must
/// be, which hold only what git ignores by then. Not a nested repository: a `PathConflict` before anything was done.
fn clear_way(folder: &Folder, paths: &[FilePath]) -> Result<BTreeSet<FilePath>> {
    let mut way = BTreeSet::new();
    let mut folders = BTreeSet::new();
    for path in paths {
        let mut above = Vec::new();
        let mut parent = path.parent();
        while let Some(path) = parent {
            parent = path.parent();
            above.push(path);
        }
        for path in above.into_iter().rev() {
            if folders.insert(path.clone()) && is_folder(folder, &path)? == Some(false) {
                way.insert(path);
            }
        }
        if is_folder(folder, path)? == Some(true) {
            if holds_repository(folder, path)? {
                let reason = "a nested git repository is there";
                return Err(Error::PathConflict { path: path.clone(), reason });
            }
            way.insert(path.clone());
        }
    }
    Ok(way)
}

/// Whether a folder lies at a path; `None` if nothing does, or a file or a link is above it.
fn is_folder(folder: &Folder, path: &FilePath) -> Result<Option<bool>> {
    let dir = match folder.open_folder(path.parent().as_ref()) {
        Err(Error::NotFound { .. } | Error::PathConflict { .. }) => return Ok(None),
        dir => dir?,
    };
    Ok(dir.symlink_metadata(os(path.name())?).ok().map(|meta| meta.is_dir()))
}

fn holds_repository(folder: &Folder, path: &FilePath) -> Result<bool> {
    let mut waiting = vec![path.clone()];
    while let Some(path) = waiting.pop() {
        let dir = folder.open_folder(Some(&path))?;
        if dir.symlink_metadata(".git").is_ok() {
            return Ok(true);
        }
        for entry in folder.list(Some(&path))? {
            if entry.kind == FileKind::Directory {
                waiting.push(entry.path);
            }
        }
    }
    Ok(false)
}
