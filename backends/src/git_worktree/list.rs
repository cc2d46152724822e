//! What the driver holds of a store.

use std::{collections::BTreeSet, io};

use sessile_core::{
    error::{Error, Result},
    workspace::WorkspaceName,
};
use sessile_driver::blocking;

use super::{
    GitWorktree,
    place::{self, TRASH},
};

impl GitWorktree {
    /// All names of a store that anything is left of: a folder, something in the trash, what the repository keeps of a
    /// worktree, a base. What is not named as a workspace is not looked at.
    pub(super) async fn held(&self, store: u128) -> Result<Vec<WorkspaceName>> {
        let (common, root) = (self.repository.common.clone(), self.repository.root.clone());
        let named = blocking::run(move || {
            let mut names = place::names_in(&root)?;
            names.extend(place::names_in(&root.join(TRASH))?);
            names.extend(place::names_of_admins(&common, &root)?);
            io::Result::Ok(names)
        });
        let named = named.await?.map_err(|e| Error::unavailable("cannot list workspaces", e))?;
        let bases = self.prefix.bases();
        let call = self.repository.git.call(["for-each-ref", "--format=%(refname)", &bases]);
        let list = call.text().await?;
        let base = |line: &str| line.strip_prefix(&bases)?.strip_prefix('/')?.parse().ok();
        let all: BTreeSet<WorkspaceName> =
            named.into_iter().chain(list.lines().filter_map(base)).collect();
        Ok(all.into_iter().filter(|name| name.store() == store).collect())
    }
}
