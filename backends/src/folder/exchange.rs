//! Files between a folder and a workspace, of whatever kind it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use sessile_core::{
    Handle,
    error::{Error, Result},
    hash::Hash,
    id::WorkspaceId,
    workspace::{FileChange, FileKind, FilePath},
};
use sessile_driver::blocking;

use super::{Folder, failed};

/// Bytes of the files of one command.
const BATCH_BYTES: usize = 16 << 20;

/// What an exchange did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// Files and links that were written.
    pub written: u64,
    /// Files, links and empty folders that were removed.
    pub removed: u64,
    /// Files and links that were looked at.
    pub files: u64,
}

/// Writes what a workspace holds into a folder, which is made, or is empty.
///
/// Nothing is written outside of the folder, whatever names and links the workspace holds. `Invalid` if the folder holds
/// anything; after another error it holds a part.
pub async fn checkout(
    handle: &Handle,
    workspace: WorkspaceId,
    folder: impl AsRef<Path>,
) -> Result<Exchanged> {
    let path = folder.as_ref().to_path_buf();
    blocking::run(move || {
        std::fs::create_dir_all(&path).map_err(|e| cannot("make", &path, e))?;
        let mut entries = std::fs::read_dir(&path).map_err(|e| cannot("list", &path, e))?;
        match entries.next() {
            Some(_) => Err(Error::invalid("folder", format!("{} is not empty", path.display()))),
            None => Ok(()),
        }
    })
    .await??;
    let mut exchanged = Exchanged::default();
    let mut changes = Batch::default();
    for (path, kind) in listed(handle, workspace).await? {
        exchanged.files += u64::from(kind != FileKind::Directory);
        let change = match kind {
            FileKind::File { executable, .. } => {
                let content = handle.read_file(workspace, path.clone()).await?;
                FileChange::Write { path, content, executable }
            }
            FileKind::Link { target } => FileChange::Link { path, target },
            _ => FileChange::MakeDirectory { path },
        };
        if let Some(full) = changes.add(change) {
            write(folder.as_ref(), full).await?;
        }
    }
    write(folder.as_ref(), changes.changes).await?;
    exchanged.written = exchanged.files;
    Ok(exchanged)
}

/// Makes a workspace hold what a folder holds: writes what differs, removes what is not there. `.git` at any depth is left
/// out, and so are sockets, pipes and devices.
///
/// A workspace that is kept in the journal changes in commands of about 16 MiB each, and each is all or nothing; a folder
/// that is written meanwhile comes in a state between.
pub async fn commit(
    handle: &Handle,
    workspace: WorkspaceId,
    folder: impl AsRef<Path>,
) -> Result<Exchanged> {
    let there = listed(handle, workspace).await?;
    let path = folder.as_ref().to_path_buf();
    let scanned = blocking::run(move || open(&path)?.scan()).await??;
    let (mut exchanged, mut changes) = (Exchanged::default(), Batch::default());
    let here: BTreeSet<_> = scanned.iter().map(|found| &found.path).collect();
    let gone: Vec<_> = there.keys().filter(|path| !here.contains(path)).collect();
    for path in &gone {
        let is_inner = gone.iter().any(|folder| path.is_under(folder));
        exchanged.removed += u64::from(there.get(*path) != Some(&FileKind::Directory));
        if !is_inner {
            send(handle, workspace, &mut changes, FileChange::Remove { path: (*path).clone() })
                .await?;
        }
    }
    let filled: BTreeSet<_> = scanned.iter().filter_map(|found| found.path.parent()).collect();
    for found in &scanned {
        let before = there.get(&found.path);
        let is_folder = found.kind == FileKind::Directory;
        exchanged.files += u64::from(!is_folder);
        // What is replaced by a folder, or replaces one.
        if before.is_some_and(|before| (*before == FileKind::Directory) != is_folder) {
            let path = found.path.clone();
            send(handle, workspace, &mut changes, FileChange::Remove { path }).await?;
        }
        let change = match &found.kind {
            FileKind::Directory if filled.contains(&found.path) => continue,
            FileKind::Directory | FileKind::Link { .. } if before == Some(&found.kind) => continue,
            FileKind::Directory => FileChange::MakeDirectory { path: found.path.clone() },
            FileKind::Link { target } => {
                FileChange::Link { path: found.path.clone(), target: target.clone() }
            }
            FileKind::File { executable, .. } => {
                let (root, path) = (folder.as_ref().to_path_buf(), found.path.clone());
                let content = blocking::run(move || open(&root)?.read(&path)).await??;
                if is_same(handle, workspace, &found.path, before, *executable, &content).await? {
                    continue;
                }
                FileChange::Write { path: found.path.clone(), content, executable: *executable }
            }
            _ => continue,
        };
        exchanged.written += u64::from(!is_folder);
        send(handle, workspace, &mut changes, change).await?;
    }
    if !changes.changes.is_empty() {
        handle.change_files(workspace, changes.changes).await?;
    }
    Ok(exchanged)
}

/// Whether a workspace holds this file already.
async fn is_same(
    handle: &Handle,
    workspace: WorkspaceId,
    path: &FilePath,
    before: Option<&FileKind>,
    executable: bool,
    content: &[u8],
) -> Result<bool> {
    let Some(FileKind::File { executable: x, bytes, digest }) = before else { return Ok(false) };
    if *x != executable || *bytes != content.len() as u64 {
        return Ok(false);
    }
    match digest {
        Some(digest) => Ok(*digest == Hash::of(&[content])),
        None => Ok(handle.read_file(workspace, path.clone()).await? == content),
    }
}

/// All that a workspace holds, folders too.
async fn listed(handle: &Handle, workspace: WorkspaceId) -> Result<BTreeMap<FilePath, FileKind>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![None];
    while let Some(folder) = folders.pop() {
        for entry in handle.list_files(workspace, folder).await? {
            if entry.kind == FileKind::Directory {
                folders.push(Some(entry.path.clone()));
            }
            all.insert(entry.path, entry.kind);
        }
    }
    Ok(all)
}

/// Changes that go together.
#[derive(Default)]
struct Batch {
    changes: Vec<FileChange>,
    bytes: usize,
}

impl Batch {
    /// Adds a change; the batch, if that made it full.
    fn add(&mut self, change: FileChange) -> Option<Vec<FileChange>> {
        if let FileChange::Write { content, .. } = &change {
            self.bytes += content.len();
        }
        self.changes.push(change);
        (self.bytes > BATCH_BYTES || self.changes.len() > 50_000).then(|| {
            self.bytes = 0;
            std::mem::take(&mut self.changes)
        })
    }
}

async fn send(
    handle: &Handle,
    workspace: WorkspaceId,
    batch: &mut Batch,
    change: FileChange,
) -> Result<()> {
    match batch.add(change) {
        Some(full) => handle.change_files(workspace, full).await.map(drop),
        None => Ok(()),
    }
}

async fn write(folder: &Path, changes: Vec<FileChange>) -> Result<()> {
    let folder = folder.to_path_buf();
    blocking::run(move || open(&folder)?.changes(&changes)).await?
}

/// A folder of the caller's; what it is called may be a link to it.
fn open(path: &Path) -> Result<Folder> {
    let real: PathBuf = path.canonicalize().map_err(|e| cannot("open", path, e))?;
    let folder = Folder::open(&real).map_err(|e| cannot("open", path, e))?;
    Ok(folder.reserving(super::is_dot_git))
}

fn cannot(what: &str, path: &Path, e: std::io::Error) -> Error {
    failed(what, &path.display(), e)
}
