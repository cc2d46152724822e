//! The refs of a workspace.

use sessile_core::{
    error::{Error, Result},
    id::ThreadId,
    workspace::{TreeId, WorkspaceName},
};

/// First names below `refs/` that mean something to git.
const TAKEN: [&str; 11] = [
    "bisect",
    "bundle",
    "heads",
    "notes",
    "original",
    "prefetch",
    "remotes",
    "replace",
    "rewritten",
    "tags",
    "worktree",
];

/// What the refs of a driver begin with.
///
/// ```text
/// refs/heads/<prefix>/<name>                  the branch of a workspace
/// refs/<prefix>/base/<name>                   the commit it began at; there from before the first to after the last of it
/// refs/<prefix>/<store>/<thread>/<tree>       a snapshot: a commit of the tree, so that it is kept
/// ```
#[derive(Clone, Debug)]
pub(super) struct Prefix(String);

impl Prefix {
    pub(super) fn new(prefix: String) -> Result<Self> {
        let fits = |part: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            !part.is_empty() && !part.starts_with('-') && part.bytes().all(plain)
        };
        let taken = |part: &str| TAKEN.iter().any(|taken| part.eq_ignore_ascii_case(taken));
        let lead = prefix.split('/').next().unwrap_or_default();
        if prefix.len() > 64 || !prefix.split('/').all(fits) || taken(lead) {
            let reason = format!(
                "{prefix:?} is not 1 to 64 letters, digits, `-` and `_`, with `/` between, or begins with a name of git's own"
            );
            return Err(Error::invalid("prefix", reason));
        }
        Ok(Self(prefix))
    }

    /// The branch, as people write it.
    pub(super) fn branch(&self, name: &WorkspaceName) -> String {
        format!("{}/{name}", self.0)
    }

    pub(super) fn branch_ref(&self, name: &WorkspaceName) -> String {
        format!("refs/heads/{}/{name}", self.0)
    }

    pub(super) fn base_ref(&self, name: &WorkspaceName) -> String {
        format!("{}/{name}", self.bases())
    }

    pub(super) fn bases(&self) -> String {
        format!("refs/{}/base", self.0)
    }

    pub(super) fn of_store(&self, store: u128) -> String {
        format!("refs/{}/{}", self.0, WorkspaceName::store_text(store))
    }

    pub(super) fn of_thread(&self, store: u128, thread: ThreadId) -> String {
        format!("{}/{}", self.of_store(store), WorkspaceName::thread_text(thread))
    }

    pub(super) fn tree_ref(&self, name: &WorkspaceName, tree: &str) -> String {
        format!("{}/{tree}", self.of_thread(name.store(), name.id().thread()))
    }
}

/// The id of a tree's object. `NotFound` if the id cannot be one.
pub(super) fn object_of(tree: &TreeId, hex: usize) -> Result<&str> {
    let text = tree.as_str();
    let plain = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() == hex && text.bytes().all(plain) {
        return Ok(text);
    }
    Err(Error::not_found(tree.clone()))
}
