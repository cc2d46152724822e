//! Makes workspaces: all of it, or nothing.

use sessile_core::{
    error::{Error, Result},
    workspace::{Begun, TreeId, WorkspaceName, WorkspaceRef},
};
use sessile_driver::blocking;

use super::{GitWorktree, place::Place};

impl GitWorktree {
    /// The commit that a base names. `Invalid` if it names none.
    async fn resolve(&self, base: Option<&str>) -> Result<String> {
        let text = base.unwrap_or("HEAD");
        let shown: String = text.chars().take(100).collect();
        let none = |why: &str| Err(Error::invalid("base", format!("{shown:?} {why}")));
        if text.is_empty() || text.len() > 1024 || text.chars().any(char::is_control) {
            return none("is no name of a commit");
        }
        let wanted = format!("{text}^{{commit}}");
        let call =
            self.repository.git.call(["rev-parse", "--verify", "--quiet", "--end-of-options"]);
        match call.arg(wanted).answer().await? {
            // Not what begins with `^` and the like.
            Some(id)
                if id.len() == self.repository.hex && id.bytes().all(|b| b.is_ascii_hexdigit()) =>
            {
                Ok(id)
            }
            _ if base.is_none() => {
                none("is no commit: the repository has none yet, so name a base")
            }
            _ => none("is no commit of the repository"),
        }
    }

    pub(super) async fn begin(&self, name: &WorkspaceName, base: Option<&str>) -> Result<Begun> {
        let commit = self.resolve(base).await?;
        self.make(name, &commit, None).await
    }

    pub(super) async fn begin_as(
        &self,
        name: &WorkspaceName,
        source: &WorkspaceRef,
        tree: Option<&TreeId>,
    ) -> Result<Begun> {
        let place = self.place(&source.name).await?.filter(Place::is_ready);
        let tree = match (tree, &place) {
            (Some(tree), _) => self.known(&source.name, tree).await?.to_owned(),
            (None, Some(place)) => self.tree_now(place).await?,
            (None, None) => return Err(Error::not_found(source.name.id())),
        };
        let commit = match &place {
            Some(place) => {
                let call =
                    self.inside(place).call(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]);
                call.answer().await?
            }
            None => None,
        };
        let commit = match (commit, self.refs(&source.name).await?) {
            (Some(commit), _) | (None, (Some(commit), _) | (None, Some(commit))) => commit,
            (None, (None, None)) => self.resolve(None).await?,
        };
        self.make(name, &commit, Some(&tree)).await
    }

    async fn make(&self, name: &WorkspaceName, commit: &str, tree: Option<&str>) -> Result<Begun> {
        self.outlive_makers().await?;
        let state = self.state(name).await?;
        if state.is_held() {
            self.take_apart(name, &state, true).await?;
        } else if let Some(tip) = state.branch {
            let branch = self.prefix.branch(name);
            let reason = format!(
                "there is a branch {branch} already, with commits up to {tip}: rename or delete it"
            );
            return Err(Error::failed(reason));
        }
        match self.make_all(name, commit, tree).await {
            Ok(begun) => Ok(begun),
            Err(e) => {
                // What cannot be undone now is listed, and can be disposed of.
                if let Ok(state) = self.state(name).await {
                    let _listed = self.take_apart(name, &state, true).await;
                }
                Err(e)
            }
        }
    }

    async fn make_all(
        &self,
        name: &WorkspaceName,
        commit: &str,
        tree: Option<&str>,
    ) -> Result<Begun> {
        self.add_worktree(name, commit).await?;
        let place = self.place(name).await?;
        let place =
            place.ok_or_else(|| Error::failed("the worktree that was just made is gone"))?;
        self.check_out(&place, commit).await?;
        if let Some(tree) = tree {
            self.make_files(&place, tree).await?;
        }
        let included = self.include(&place).await?;
        if let Some(setup) = &self.setup {
            setup.run("setup", name, &place.folder).await?;
        }
        let tree = self.tree_now(&place).await?;
        let tree = self.keep_tree(name, &tree).await?;
        let done = place.clone();
        blocking::run(move || done.set_ready())
            .await?
            .map_err(|e| Error::unavailable(format!("cannot complete workspace {name}"), e))?;
        let mut reference = format!("{} {commit}", self.prefix.branch(name));
        if included > 0 {
            reference.push_str(&format!(" +{included} included"));
        }
        Ok(Begun { reference, tree: Some(tree) })
    }

    /// Makes the refs and the worktree, without files in it yet: what writes to the repository is short.
    async fn add_worktree(&self, name: &WorkspaceName, commit: &str) -> Result<()> {
        let git = &self.repository.git;
        let never = "0".repeat(self.repository.hex);
        let lock = self.lock().await?;
        // The base first: whatever is left from here on is listed by it.
        for at in [self.prefix.base_ref(name), self.prefix.branch_ref(name)] {
            self.remove_stale_lock(&at)?;
            let call = git.call(["update-ref", "--no-deref", &at, commit, &never]);
            call.locked(&lock).output().await?;
        }
        let call = git.call(["worktree", "add", "--quiet", "--no-checkout", "--"]);
        let call = call.arg(self.repository.root.join(name.to_string()));
        call.arg(self.prefix.branch(name)).locked(&lock).output().await?;
        Ok(())
    }

    /// Brings the files, and then runs the repository's hook, both as `git worktree add` would.
    async fn check_out(&self, place: &Place, commit: &str) -> Result<()> {
        let git = self.inside(place);
        if !self.sparse.is_empty() {
            // It may write to the repository's settings, once.
            let lock = self.lock().await?;
            let paths = self.sparse.iter().flat_map(|path| [path, "\n"]).collect::<String>();
            let call = git.call(["sparse-checkout", "set", "--cone", "--stdin"]);
            call.input(paths.into_bytes()).locked(&lock).output().await?;
        }
        // Not `reset`, which looks for refs to delete: without a lock on the repository, only what is the worktree's is written.
        git.call(["read-tree", "--reset", "-u", commit]).output().await?;
        let never = "0".repeat(self.repository.hex);
        let hook = git.call([
            "hook",
            "run",
            "--ignore-missing",
            "post-checkout",
            "--",
            &never,
            commit,
            "1",
        ]);
        hook.with_hooks().output().await?;
        Ok(())
    }
}
