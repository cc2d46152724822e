//! Snapshots: the files of a workspace as a tree of the repository, byte for byte.
//!
//! What a repository's attributes and filters make of files on their way into commits - line ends, keywords, encodings, large
//! files elsewhere - is for commits. A snapshot has the bytes that stand in the files, and is put back as these. So it is
//! taken with a git folder of its own, whose attributes switch all that off, and with an index of its own, in which stands
//! what files looked like when they were last read: what did not change since is not read again.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use sessile_core::{
    error::{Error, Result},
    workspace::FilePath,
};
use sessile_driver::blocking;

use super::{
    GitWorktree,
    git::{Git, zero_terminated},
    place::Place,
};
use crate::folder::{Folder, is_dot_git, is_temporary};

/// Attributes that leave content alone. Those of `info/attributes` come before all others.
const ATTRIBUTES: &str = "* -text -crlf -ident !eol !filter !working-tree-encoding\n";

/// A copy of an index, under a name that nobody else has; removed with this value.
#[derive(Debug)]
pub(super) struct TemporaryIndex(PathBuf);

impl TemporaryIndex {
    /// Copies an index, or begins without one if it is not there. The time of the copy is that of the original: by it, git
    /// knows which files may have changed right after they were looked at.
    pub(super) async fn copy(place: &Place, index: &Path) -> Result<Self> {
        let own = place.own();
        let path = own.join(format!("index-{:032x}", rand::random::<u128>()));
        let (from, to) = (index.to_owned(), path.clone());
        let copy = move || {
            fs::create_dir_all(own)?;
            let time = match fs::metadata(&from) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
                meta => meta?.modified()?,
            };
            fs::copy(&from, &to)?;
            fs::File::options().write(true).open(&to)?.set_modified(time)
        };
        let copied = blocking::run(copy).await?;
        let made = Self(path);
        copied.map_err(|e| Error::unavailable("cannot copy the index of a worktree", e))?;
        Ok(made)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Puts it where the next snapshot finds it.
    fn keep(self, at: &Path) -> Result<()> {
        fs::rename(&self.0, at)
            .map_err(|e| Error::unavailable("cannot keep the index of a snapshot", e))
    }
}

impl Drop for TemporaryIndex {
    fn drop(&mut self) {
        // It may never have been written, or be kept by now; and it goes with the worktree.
        let _gone = fs::remove_file(&self.0);
        let _gone = fs::remove_file(self.0.with_extension("lock"));
    }
}

impl GitWorktree {
    /// The tree of what a workspace holds now. Nothing keeps it yet.
    pub(super) async fn tree_now(&self, place: &Place) -> Result<String> {
        let listed = self.inside(place).call([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let listed = listed.output().await?;
        let (folder, own) = (place.folder.clone(), place.own());
        let config = self.private_config();
        let present = blocking::run(move || {
            write_private(&own, &config)
                .map_err(|e| Error::unavailable("cannot prepare a snapshot", e))?;
            present(&folder, &listed)
        });
        let present = present.await??;
        let private = place.own().join("index");
        let index = TemporaryIndex::copy(place, &private).await?;
        let git = Git::at(&place.folder)
            .with("GIT_DIR", place.own())
            .with("GIT_WORK_TREE", &place.folder)
            .with("GIT_OBJECT_DIRECTORY", self.repository.common.join("objects"))
            .with("GIT_INDEX_FILE", index.path());
        let before = git.call(["ls-files", "-z"]).output().await?;
        let gone: Vec<_> =
            zero_terminated(&before).filter(|path| !present.contains(*path)).collect();
        if !gone.is_empty() {
            let call = git.call(["update-index", "-z", "--force-remove", "--stdin"]);
            call.input(lines(gone)).output().await?;
        }
        let call = git.call(["update-index", "-z", "--add", "--remove", "--replace", "--stdin"]);
        call.input(lines(present.iter().map(Vec::as_slice))).output().await?;
        // A partial clone need not have the content of all files that it knows.
        let tree = git.call(["write-tree", "--missing-ok"]).text().await?;
        index.keep(&private)?;
        Ok(tree)
    }

    fn private_config(&self) -> String {
        let unix = cfg!(unix);
        let (level, format) = match self.repository.hex {
            64 => (1, "[extensions]\n\tobjectFormat = sha256\n"),
            _ => (0, ""),
        };
        format!(
            "[core]\n\trepositoryFormatVersion = {level}\n\tbare = false\n\tfileMode = {unix}\n\tsymlinks = {unix}\n\
             \tautocrlf = false\n\tsafecrlf = false\n\tignoreCase = false\n\tprecomposeUnicode = false\n\
             \tprotectNTFS = {}\n\tprotectHFS = false\n\ttrustctime = true\n\tcheckStat = default\n{format}",
            !unix
        )
    }
}

/// Makes the git folder of a workspace's snapshots what it must be. It holds settings and an index; objects go to the
/// repository.
fn write_private(own: &Path, config: &str) -> io::Result<()> {
    for folder in ["refs", "info"] {
        fs::create_dir_all(own.join(folder))?;
    }
    let files =
        [("config", config), ("info/attributes", ATTRIBUTES), ("HEAD", "ref: refs/heads/none\n")];
    for (name, content) in files {
        let path = own.join(name);
        if fs::read(&path).is_ok_and(|there| there == content.as_bytes()) {
            continue;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

/// Of a list of paths, those that a file or a link lies at, with folders all the way. A nested repository is one entry of the
/// list, and a folder: neither it nor a submodule is part of a snapshot.
fn present(folder: &Path, list: &[u8]) -> Result<BTreeSet<Vec<u8>>> {
    let folder =
        Folder::open(folder).map_err(|e| Error::unavailable("cannot open a workspace", e))?;
    let mut present = BTreeSet::new();
    let mut at: Option<(Option<FilePath>, Option<cap_std::fs::Dir>)> = None;
    for path in zero_terminated(list) {
        let is_own = |name: &[u8]| is_dot_git(name) || is_temporary(name);
        if path.ends_with(b"/") || path.split(|b| *b == b'/').any(is_own) {
            continue;
        }
        let path = FilePath::new(path)?;
        let parent = path.parent();
        let known = at.take().filter(|(known, _)| *known == parent);
        let (_, dir) = match known {
            Some(known) => at.insert(known),
            None => {
                let dir = match folder.open_folder(parent.as_ref()) {
                    Ok(dir) => Some(dir),
                    Err(Error::NotFound { .. } | Error::PathConflict { .. }) => None,
                    Err(e) => return Err(e),
                };
                at.insert((parent, dir))
            }
        };
        let Some(dir) = dir else { continue };
        match dir.symlink_metadata(os(path.name())?) {
            Ok(meta) if meta.is_file() || meta.is_symlink() => {
                present.insert(path.as_bytes().to_vec());
            }
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::unavailable(format!("cannot look at {path}"), e)),
        }
    }
    Ok(present)
}

fn lines<'a>(paths: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in paths {
        bytes.extend_from_slice(path);
        bytes.push(0);
    }
    bytes
}

/// Bytes of a path as the operating system takes them.
#[cfg(unix)]
pub(super) fn os(bytes: &[u8]) -> Result<&std::ffi::OsStr> {
    use std::os::unix::ffi::OsStrExt;
    Ok(std::ffi::OsStr::from_bytes(bytes))
}

/// Bytes of a path as the operating system takes them.
#[cfg(not(unix))]
pub(super) fn os(bytes: &[u8]) -> Result<&std::ffi::OsStr> {
    let text = std::str::from_utf8(bytes);
    text.map(std::ffi::OsStr::new).map_err(|_| Error::invalid("path", "it is not UTF-8"))
}
