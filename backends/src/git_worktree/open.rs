//! Opens a repository: what it is, where it is, and whether this `git` will do.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sessile_core::error::{Error, Result};

use super::git::Git;

/// The oldest `git` that will do: `git hook run`, lists of worktrees that end in NUL, and `core.fsync` came with it.
const OLDEST: (u32, u32) = (2, 36);

/// What does not change of a repository.
#[derive(Clone, Debug)]
pub(super) struct Repository {
    pub(super) git: Git,
    /// Where worktrees are made; without a link in it.
    pub(super) root: PathBuf,
    /// The folder of the repository that all worktrees share.
    pub(super) common: PathBuf,
    /// The folder of the files of the repository itself, if it has any.
    pub(super) main: Option<PathBuf>,
    /// Letters of an object's id.
    pub(super) hex: usize,
}

impl Repository {
    pub(super) async fn open(repository: &Path, root: &Path) -> Result<Self> {
        let given = fs::canonicalize(repository).map_err(|e| {
            if e.kind() == io::ErrorKind::NotFound {
                Error::invalid("repository", format!("nothing is at {}", repository.display()))
            } else {
                Error::unavailable(format!("cannot open {}", repository.display()), e)
            }
        })?;
        let git = Git::at(&given);
        check_version(&git.call(["--version"]).text().await?)?;
        let facts = git.call([
            "rev-parse",
            "--path-format=absolute",
            "--git-common-dir",
            "--absolute-git-dir",
            "--is-bare-repository",
            "--show-object-format",
        ]);
        let facts = facts.finish().await?;
        let said = String::from_utf8_lossy(&facts.stderr).trim().to_owned();
        let no_repository = |why: &str| {
            let reason = format!("{} is not the top of a git repository: {why}", given.display());
            Error::invalid("repository", reason)
        };
        if !facts.status.success() {
            return Err(no_repository(said.lines().next().unwrap_or_default()));
        }
        let facts = path_lines(&facts.stdout);
        let [common, own, bare, format] = facts.as_slice() else {
            return Err(no_repository("git says too little of it"));
        };
        let resolved = |path: &Path| {
            fs::canonicalize(path)
                .map_err(|e| Error::unavailable(format!("cannot open {}", path.display()), e))
        };
        let (common, own) = (resolved(common)?, resolved(own)?);
        if given != own {
            let top = git.call(["rev-parse", "--path-format=absolute", "--show-toplevel"]);
            let top = path_lines(&top.output().await?);
            let top = top.first().map(|top| resolved(top)).transpose()?;
            if top.as_ref() != Some(&given) {
                return Err(no_repository("it lies inside of one"));
            }
        }
        let root = make_root(root, &given, &own, &common)?;
        let main = match bare.as_os_str() == "true" {
            true => None,
            false => main_worktree(&git).await?,
        };
        let hex = if format.as_os_str() == "sha256" { 64 } else { 40 };
        Ok(Self { git, root, common, main, hex })
    }
}

/// The worktree of the repository itself: the first that it lists.
async fn main_worktree(git: &Git) -> Result<Option<PathBuf>> {
    let list = git.call(["worktree", "list", "--porcelain", "-z"]).output().await?;
    let mut first = list.split(|b| *b == 0).take_while(|line| !line.is_empty());
    let path = first.next().and_then(|line| line.strip_prefix(b"worktree ")).map(to_path);
    if first.any(|line| line == b"bare") {
        return Ok(None);
    }
    Ok(path.filter(|path| path.is_dir()))
}

fn path_lines(bytes: &[u8]) -> Vec<PathBuf> {
    bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(to_path).collect()
}

#[cfg(unix)]
fn to_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(bytes).into()
}

#[cfg(not(unix))]
fn to_path(bytes: &[u8]) -> PathBuf {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn check_version(said: &str) -> Result<()> {
    let mut numbers = said
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map_while(|number| number.parse::<u32>().ok());
    let found = numbers.next().zip(numbers.next());
    if found.is_some_and(|found| found >= OLDEST) {
        return Ok(());
    }
    let (major, minor) = OLDEST;
    let what = format!("worktrees with {said:?}: install Git {major}.{minor} or later");
    Err(Error::Unsupported { what })
}

/// Makes and resolves the folder for worktrees.
fn make_root(root: &Path, given: &Path, own: &Path, common: &Path) -> Result<PathBuf> {
    let failed = |e| Error::unavailable(format!("cannot make {}", root.display()), e);
    fs::create_dir_all(root).map_err(failed)?;
    let root = fs::canonicalize(root).map_err(failed)?;
    if root == given || root.starts_with(own) || root.starts_with(common) {
        let reason = format!(
            "{} is the repository, or lies in its git folder; take a folder beside or below it",
            root.display()
        );
        return Err(Error::invalid("root", reason));
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for good in ["git version 2.36.0", "git version 2.100.1.windows.1", "git version 3.0-rc1"] {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for bad in ["git version 2.35.9", "git version 1.99.0", "", "something else"] {
            assert!(check_version(bad).is_err(), "{bad}");
        }
    }
}
