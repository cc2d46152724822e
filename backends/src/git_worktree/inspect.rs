//! What there is of a workspace, and whether it holds work.

use std::{fs, io, path::PathBuf};

use sessile_core::{
    error::{Error, Result},
    workspace::{Inspection, WorkspaceName},
};
use sessile_driver::blocking;

use super::{
    GitWorktree,
    git::Git,
    place::{self, Found, Place},
    status::Status,
};

/// All that there is of a workspace, whole or not.
#[derive(Debug)]
pub(super) struct State {
    /// At its path.
    pub(super) found: Found,
    /// Whether something is in the trash under its name.
    pub(super) trash: bool,
    /// The repository's folders for it; more than one if half made ones were left.
    pub(super) admins: Vec<PathBuf>,
    /// Its worktree, if it is one.
    pub(super) place: Option<Place>,
    /// The commit that its branch is at.
    pub(super) branch: Option<String>,
    /// The commit that it began at.
    pub(super) base: Option<String>,
}

impl State {
    /// Whether anything is held. A branch alone is the user's.
    pub(super) fn is_held(&self) -> bool {
        self.found != Found::Nothing || self.trash || !self.admins.is_empty() || self.base.is_some()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.place.as_ref().is_some_and(Place::is_ready)
            || self
                .admins
                .iter()
                .any(|admin| Place { folder: PathBuf::new(), admin: admin.clone() }.is_ready())
    }
}

impl GitWorktree {
    /// Looks for all that there is.
    pub(super) async fn state(&self, name: &WorkspaceName) -> Result<State> {
        let (common, root) = (self.repository.common.clone(), self.repository.root.clone());
        let of = name.clone();
        let seen = blocking::run(move || {
            let text = of.to_string();
            let found = place::look(&root.join(&text))?;
            let trash = place::look(&root.join(place::TRASH).join(&text))? != Found::Nothing;
            let admins = place::admins(&common, &root, &text)?;
            io::Result::Ok((found, trash, admins, place::find(&common, &root, &of)?))
        });
        let (found, trash, admins, place) = seen.await?.map_err(|e| failed(name, e))?;
        let (branch, base) = self.refs(name).await?;
        Ok(State { found, trash, admins, place, branch, base })
    }

    /// The commits of its branch, and of its base.
    pub(super) async fn refs(
        &self,
        name: &WorkspaceName,
    ) -> Result<(Option<String>, Option<String>)> {
        let (branch, base) = (self.prefix.branch_ref(name), self.prefix.base_ref(name));
        let call = self.repository.git.call(["for-each-ref", "--format=%(objectname) %(refname)"]);
        let list = call.arg(&branch).arg(&base).text().await?;
        let of = |which: &str| {
            list.lines()
                .filter_map(|line| line.split_once(' '))
                .find_map(|(id, name)| (name == which).then(|| id.to_owned()))
        };
        Ok((of(&branch), of(&base)))
    }

    /// The worktree of a workspace, if there is one.
    pub(super) async fn place(&self, name: &WorkspaceName) -> Result<Option<Place>> {
        let (common, root, of) =
            (self.repository.common.clone(), self.repository.root.clone(), name.clone());
        let found = blocking::run(move || place::find(&common, &root, &of)).await?;
        found.map_err(|e| failed(name, e))
    }

    /// `git` in a worktree, whatever stands in the worktree's own `.git`.
    pub(super) fn inside(&self, place: &Place) -> Git {
        Git::at(&place.folder).with("GIT_DIR", &place.admin).with("GIT_WORK_TREE", &place.folder)
    }

    pub(super) async fn inspection(&self, name: &WorkspaceName) -> Result<Option<Inspection>> {
        let state = self.state(name).await?;
        let path = self.repository.root.join(name.to_string());
        if state.found != Found::Folder {
            return Ok(None);
        }
        let Some(place) = &state.place else {
            // Somebody took it out of the repository. Its files are there.
            let dirty = self.has_files(name).await?;
            let reference = format!("{}, which is no worktree any more", self.prefix.branch(name));
            return Ok(dirty.then_some(Inspection { reference, dirty, path: Some(path) }));
        };
        if !place.is_ready() {
            return Ok(None);
        }
        let status = self.status(place).await?;
        let dirty = self.is_work(&state, place, &status).await?;
        let commit = status.head.as_deref().unwrap_or("without a commit");
        let branch = status.branch.as_deref().unwrap_or("(detached)");
        Ok(Some(Inspection { reference: format!("{branch} {commit}"), dirty, path: Some(path) }))
    }

    /// Whether disposing of it would lose work. What was never made completely holds none, nor does what is in the trash.
    pub(super) async fn is_dirty(&self, name: &WorkspaceName, state: &State) -> Result<bool> {
        match (&state.place, state.found) {
            (Some(place), _) if place.is_ready() => {
                let status = self.status(place).await?;
                self.is_work(state, place, &status).await
            }
            (Some(_), _) => Ok(false),
            (None, Found::Folder) => self.has_files(name).await,
            (None, Found::Other) => Ok(false),
            (None, Found::Nothing) if state.is_ready() && !state.trash => {
                self.loses_detached(state).await
            }
            (None, Found::Nothing) => Ok(false),
        }
    }

    async fn is_work(&self, state: &State, place: &Place, status: &Status) -> Result<bool> {
        if status.changed || is_locked(place) {
            return Ok(true);
        }
        if let (None, Some(head)) = (&status.branch, &status.head)
            && self.is_only_here(state, head).await?
        {
            return Ok(true);
        }
        self.has_work_in_submodules(place).await
    }

    /// Whether a folder that is no worktree holds anything but `.git`.
    async fn has_files(&self, name: &WorkspaceName) -> Result<bool> {
        let path = self.repository.root.join(name.to_string());
        let look = move || {
            let entries = place::entries(&path)?;
            io::Result::Ok(entries.iter().any(|entry| entry.file_name() != Some(".git".as_ref())))
        };
        blocking::run(look).await?.map_err(|e| failed(name, e))
    }

    /// Whether a commit is on no branch and no tag, so that nothing keeps it but this worktree.
    async fn is_only_here(&self, state: &State, commit: &str) -> Result<bool> {
        if state.base.as_deref() == Some(commit) {
            return Ok(false);
        }
        let call = self.repository.git.call(["for-each-ref", "--count=1", "--contains", commit]);
        let kept = call.arg("refs/heads").arg("refs/tags").arg("refs/remotes").output().await?;
        Ok(kept.is_empty())
    }

    /// Whether a worktree whose folder somebody removed was at a commit of its own, on no branch.
    async fn loses_detached(&self, state: &State) -> Result<bool> {
        for admin in &state.admins {
            let Ok(head) = fs::read_to_string(admin.join("HEAD")) else { continue };
            let head = head.trim();
            let detached = head.len() == self.repository.hex && !head.starts_with("ref:");
            if detached && self.is_only_here(state, head).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a submodule has commits that no server is known to have: its repository goes with the worktree.
    async fn has_work_in_submodules(&self, place: &Place) -> Result<bool> {
        let modules = place.admin.join("modules");
        let found = blocking::run(move || repositories_in(&modules)).await?;
        let found = found.map_err(|e| Error::unavailable("cannot look at submodules", e))?;
        for repository in found {
            let git = Git::at(&repository).with("GIT_DIR", &repository);
            let commits = git
                .call([
                    "rev-list",
                    "--max-count=1",
                    "HEAD",
                    "--branches",
                    "--not",
                    "--remotes",
                    "--tags",
                ])
                .finish()
                .await?;
            if !commits.status.success() || !commits.stdout.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether somebody locked the worktree to keep it. Git itself does while it makes one.
fn is_locked(place: &Place) -> bool {
    fs::read(place.admin.join("locked")).is_ok_and(|why| why.trim_ascii() != b"initializing")
}

/// The repositories below a folder, which may lie in folders of theirs.
fn repositories_in(folder: &std::path::Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        if folder.join("HEAD").is_file() && folder.join("objects").is_dir() {
            waiting.push(folder.join("modules"));
            found.push(folder);
            continue;
        }
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Ok(found)
}

pub(super) fn failed(name: &WorkspaceName, e: io::Error) -> Error {
    Error::unavailable(format!("cannot look at workspace {name}"), e)
}
