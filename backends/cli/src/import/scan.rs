//! Which files are transcripts, and which thread each belongs to.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Broken, source::Source};
use crate::fail::{Fail, Result};

/// How the messages of a file are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One JSON document with a `history`.
    Traj,
    /// One message a line.
    Lines,
}

impl Layout {
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?;
        if extension.eq_ignore_ascii_case("traj") {
            Some(Self::Traj)
        } else if extension.eq_ignore_ascii_case("jsonl") {
            Some(Self::Lines)
        } else {
            None
        }
    }
}

/// A file whose name says it is a transcript.
type Named = (PathBuf, Layout);

/// One transcript.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) layout: Layout,
    pub(super) source: Source,
}

/// The transcripts directly in one folder: one thread.
pub(super) struct Folder {
    pub(super) source: Source,
    pub(super) files: Vec<File>,
}

/// The transcripts under the paths, in an order that does not depend on the file system.
#[derive(Default)]
pub(super) struct Scan {
    pub(super) folders: Vec<Folder>,
    /// Files that are no transcripts.
    pub(super) skipped: u64,
    /// Files and folders that could not be read.
    pub(super) broken: Vec<Broken>,
    seen: BTreeSet<PathBuf>,
}

impl Scan {
    /// Looks under all paths. If one does not exist or is no transcript, nothing is imported.
    pub(super) fn of(paths: &[PathBuf]) -> Result<Self> {
        let mut scan = Self::default();
        for path in paths {
            let shown = path.display();
            let full = fs::canonicalize(path).map_err(Fail::io(format!("cannot read {shown}")))?;
            if full.is_dir() {
                scan.folder(&full);
            } else if let Some(layout) = Layout::of(&full) {
                let root = full.parent().unwrap_or(&full);
                scan.add(root, root, vec![(full.clone(), layout)]);
            } else {
                let reason =
                    format!("{shown} is no transcript: its name ends in neither .traj nor .jsonl");
                return Err(Fail::input(reason));
            }
        }
        Ok(scan)
    }

    fn folder(&mut self, root: &Path) {
        let mut waiting = vec![root.to_owned()];
        while let Some(folder) = waiting.pop() {
            match self.listing(&folder) {
                Ok((files, mut below)) => {
                    self.add(root, &folder, files);
                    below.reverse();
                    waiting.append(&mut below);
                }
                Err(error) => self.broken.push(Broken::whole(&folder, error.to_string())),
            }
        }
    }

    /// Transcripts and folders directly in a folder, by name. Links to folders are not followed: they may form a cycle.
    fn listing(&mut self, folder: &Path) -> io::Result<(Vec<Named>, Vec<PathBuf>)> {
        let mut items = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        items.sort_by_key(fs::DirEntry::file_name);
        let (mut files, mut below) = (Vec::new(), Vec::new());
        for item in items {
            let path = item.path();
            if item.file_type()?.is_dir() {
                below.push(path);
            } else if path.is_file() {
                match Layout::of(&path) {
                    Some(layout) => files.push((path, layout)),
                    None => self.skipped += 1,
                }
            }
        }
        Ok((files, below))
    }

    fn add(&mut self, root: &Path, folder: &Path, files: Vec<Named>) {
        let source = Source::new(name(root), relative(root, folder), name(folder));
        let new = files.into_iter().filter(|(path, _)| self.seen.insert(path.clone()));
        let files: Vec<_> = new
            .map(|(path, layout)| {
                let source = Source::new(name(root), relative(root, &path), name(&path));
                File { path, layout, source }
            })
            .collect();
        if files.is_empty() {
            return;
        }
        match self.folders.iter_mut().find(|f| f.source == source) {
            Some(known) => known.files.extend(files),
            None => self.folders.push(Folder { source, files }),
        }
    }
}

/// The last part of a path; of the root, the root.
fn name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or(path.as_os_str())
}

fn relative<'a>(root: &Path, path: &'a Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}
