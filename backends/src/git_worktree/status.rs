//! Whether files of a worktree are changed.

use std::fs;

use sessile_core::error::Result;

use super::{
    GitWorktree,
    git::zero_terminated,
    place::Place,
    snapshot::{TemporaryIndex, os},
};

/// What `git status` says.
pub(super) struct Status {
    pub(super) head: Option<String>,
    /// `None` while none is checked out.
    pub(super) branch: Option<String>,
    pub(super) changed: bool,
}

impl GitWorktree {
    /// What there is of changes, those included that the index says do not count.
    pub(super) async fn status(&self, place: &Place) -> Result<Status> {
        // The index may say of files that changes of them do not count. Here they do.
        let hidden = self.inside(place).call(["ls-files", "-v", "-z"]).output().await?;
        let seen = self.inside(place);
        let marked =
            |line: &&[u8]| line.first().is_some_and(|tag| tag.is_ascii_lowercase() || *tag == b'S');
        let private = match zero_terminated(&hidden).any(|line| marked(&line)) {
            true => Some(self.index_without_marks(place, &hidden).await?),
            false => None,
        };
        let seen = match &private {
            Some(index) => seen.with("GIT_INDEX_FILE", index.path()),
            None => seen,
        };
        let call = seen.call([
            "status",
            "--porcelain=v2",
            "-z",
            "--branch",
            "--no-ahead-behind",
            "--no-renames",
            "--untracked-files=all",
            "--ignore-submodules=none",
        ]);
        let call = if self.ignored { call.arg("--ignored=traditional") } else { call };
        let said = call.output().await?;
        let mut status = Status { head: None, branch: None, changed: false };
        for line in zero_terminated(&said) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            if let Some(head) = line.strip_prefix(b"# branch.oid ") {
                status.head = Some(text(head)).filter(|head| head != "(initial)");
            } else if let Some(branch) = line.strip_prefix(b"# branch.head ") {
                status.branch = Some(text(branch)).filter(|branch| branch != "(detached)");
            } else if !line.starts_with(b"# ") {
                status.changed = true;
            }
        }
        Ok(status)
    }

    /// A copy of the index in which no file that is there is marked as unchanged, or as left out, whatever it is.
    async fn index_without_marks(&self, place: &Place, list: &[u8]) -> Result<TemporaryIndex> {
        let index = TemporaryIndex::copy(place, &place.admin.join("index")).await?;
        let git = self.inside(place).with("GIT_INDEX_FILE", index.path());
        let (mut unchanged, mut left_out) = (Vec::new(), Vec::new());
        for line in zero_terminated(list) {
            let (Some(tag), Some(path)) = (line.first(), line.get(2..)) else { continue };
            let mark = |list: &mut Vec<u8>| {
                list.extend_from_slice(path);
                list.push(0);
            };
            if tag.is_ascii_lowercase() {
                mark(&mut unchanged);
            }
            // What a sparse checkout leaves out is not there.
            if tag.eq_ignore_ascii_case(&b'S')
                && fs::symlink_metadata(place.folder.join(os(path)?)).is_ok()
            {
                mark(&mut left_out);
            }
        }
        for (option, paths) in
            [("--no-assume-unchanged", unchanged), ("--no-skip-worktree", left_out)]
        {
            if !paths.is_empty() {
                let call = git.call(["update-index", "-z", option, "--stdin"]);
                call.input(paths).output().await?;
            }
        }
        Ok(index)
    }
}
