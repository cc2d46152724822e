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
    id::ThreadId,
    workspace::{Change, FilePath, TreeChange, TreeId, WorkspaceName, WorkspaceRef},
};
use sessile_driver::blocking;

use super::{
    GitWorktree,
    git::{Git, zero_terminated},
    lock::Lock,
    names::object_of,
    place::Place,
};
use crate::folder::{Folder, is_dot_git, is_temporary};

/// Attributes that leave content alone. Those of `info/attributes` come before all others.
const ATTRIBUTES: &str = "* -text -crlf -ident !eol !filter !working-tree-encoding\n";

/// Who makes the commits that keep trees: the same for the same tree, always.
const NOBODY: [(&str, &str); 6] = [
    ("GIT_AUTHOR_NAME", "sessile"),
    ("GIT_AUTHOR_EMAIL", "sessile@localhost"),
    ("GIT_AUTHOR_DATE", "@0 +0000"),
    ("GIT_COMMITTER_NAME", "sessile"),
    ("GIT_COMMITTER_EMAIL", "sessile@localhost"),
    ("GIT_COMMITTER_DATE", "@0 +0000"),
];

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

    /// Keeps a tree as a snapshot of the thread of a workspace.
    pub(super) async fn keep_tree(&self, name: &WorkspaceName, tree: &str) -> Result<TreeId> {
        let id = TreeId::new(tree)?;
        let at = self.prefix.tree_ref(name, tree);
        if self.kept(&at).await?.as_deref() == Some(tree) {
            return Ok(id);
        }
        let git =
            NOBODY.into_iter().fold(self.repository.git.clone(), |git, (k, v)| git.with(k, v));
        let commit = git.call(["commit-tree", "-m", "A workspace's files", tree]).text().await?;
        let lock = self.lock().await?;
        let call = self.repository.git.call(["update-ref", "--no-deref", &at, &commit]);
        call.locked(&lock).output().await?;
        Ok(id)
    }

    /// The tree that a ref keeps.
    async fn kept(&self, at: &str) -> Result<Option<String>> {
        let wanted = format!("{at}^{{tree}}");
        let call =
            self.repository.git.call(["rev-parse", "--verify", "--quiet", "--end-of-options"]);
        call.arg(wanted).answer().await
    }

    /// The object of a tree of the workspace's thread; `NotFound` if it has no such tree.
    pub(super) async fn known<'a>(
        &self,
        name: &WorkspaceName,
        tree: &'a TreeId,
    ) -> Result<&'a str> {
        let object = object_of(tree, self.repository.hex)?;
        match self.kept(&self.prefix.tree_ref(name, object)).await? {
            Some(kept) if kept == object => Ok(object),
            _ => Err(Error::not_found(tree.clone())),
        }
    }

    pub(super) async fn changes_between(
        &self,
        of: &WorkspaceRef,
        from: &TreeId,
        to: Option<&TreeId>,
    ) -> Result<Vec<TreeChange>> {
        let from = self.known(&of.name, from).await?;
        let to = match to {
            Some(to) => self.known(&of.name, to).await?.to_owned(),
            None => self.tree_now(&self.worktree(of).await?).await?,
        };
        let call =
            self.repository.git.call(["diff-tree", "-r", "-z", "--no-renames", "--name-status"]);
        let said = call.arg("--end-of-options").arg(from).arg(&to).output().await?;
        let mut parts = zero_terminated(&said);
        let mut changes = Vec::new();
        while let (Some(status), Some(path)) = (parts.next(), parts.next()) {
            let change = match status {
                b"A" => Change::Added,
                b"D" => Change::Removed,
                _ => Change::Modified,
            };
            changes.push(TreeChange { path: FilePath::new(path)?, change });
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }

    /// The bytes of a file in a tree.
    pub(super) async fn read_tree(
        &self,
        of: &WorkspaceRef,
        path: &FilePath,
        tree: &TreeId,
    ) -> Result<Vec<u8>> {
        let tree = self.known(&of.name, tree).await?;
        let git = &self.repository.git;
        let call = git.call(["ls-tree", "-z", "-l", "--full-tree", "--end-of-options", tree]);
        let said = call.arg("--").arg(os(path.as_bytes())?).output().await?;
        let conflict = |reason| Error::PathConflict { path: path.clone(), reason };
        for line in zero_terminated(&said) {
            let Some(tab) = line.iter().position(|b| *b == b'\t') else { continue };
            let (header, name) = line.split_at(tab);
            if name.get(1..) != Some(path.as_bytes()) {
                continue;
            }
            let header = String::from_utf8_lossy(header);
            let mut words = header.split_ascii_whitespace();
            let (mode, _, object, size) = (words.next(), words.next(), words.next(), words.next());
            match mode {
                Some("100644" | "100755") => {}
                Some("120000") => return Err(conflict("it is a link, which is not followed")),
                Some("040000") => return Err(conflict("it is a folder, not a file")),
                _ => return Err(conflict("it is no file, link or folder")),
            }
            let size = size.and_then(|size| size.parse().ok()).unwrap_or(usize::MAX);
            let call = git.call(["cat-file", "blob", object.unwrap_or_default()]);
            return call.at_most(size).output().await;
        }
        Err(Error::not_found(path.clone()))
    }

    /// The threads that there are snapshots of.
    pub(super) async fn threads(&self, store: u128) -> Result<Vec<ThreadId>> {
        let under = self.prefix.of_store(store);
        let list = self.repository.git.call(["for-each-ref", "--format=%(refname)", &under]);
        let list = list.text().await?;
        let thread = |line: &str| {
            let thread = line.strip_prefix(&under)?.strip_prefix('/')?.split('/').next()?;
            WorkspaceName::thread_of_text(thread)
        };
        Ok(list.lines().filter_map(thread).collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// Lets go of the snapshots of a thread. Their objects go when the repository is next cleaned up.
    pub(super) async fn forget(&self, store: u128, thread: ThreadId) -> Result<()> {
        let under = self.prefix.of_thread(store, thread);
        let git = &self.repository.git;
        let lock: Lock = self.lock().await?;
        let list = git.call(["for-each-ref", "--format=%(refname)", &under]).text().await?;
        let mut commands = Vec::new();
        for name in list.lines() {
            commands.extend_from_slice(b"option no-deref\n");
            commands.extend_from_slice(format!("delete {name}\n").as_bytes());
        }
        if !commands.is_empty() {
            git.call(["update-ref", "--stdin"]).input(commands).locked(&lock).output().await?;
        }
        Ok(())
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
