//! Trees that are kept for a thread: by which refs, what stands in them, and what is between two.

use std::collections::BTreeSet;

use sessile_core::{
    error::{Error, Result},
    id::ThreadId,
    workspace::{Change, FilePath, TreeChange, TreeId, WorkspaceName, WorkspaceRef},
};

use super::{GitWorktree, git::zero_terminated, lock::Lock, names::object_of, snapshot::os};

/// Who makes the commits that keep trees: the same for the same tree, always.
const NOBODY: [(&str, &str); 6] = [
    ("GIT_AUTHOR_NAME", "sessile"),
    ("GIT_AUTHOR_EMAIL", "sessile@localhost"),
    ("GIT_AUTHOR_DATE", "@0 +0000"),
    ("GIT_COMMITTER_NAME", "sessile"),
    ("GIT_COMMITTER_EMAIL", "sessile@localhost"),
    ("GIT_COMMITTER_DATE", "@0 +0000"),
];

impl GitWorktree {
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
}
