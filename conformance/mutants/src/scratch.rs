//! A copy of the project in which one patch at a time is applied and built.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::patch::Patch;

/// The profile of the workspace that mutants are built with.
const PROFILE: &str = "mutants";

/// The copy, and the folder that keeps what was built from it between runs.
#[derive(Debug)]
pub(crate) struct Scratch {
    root: PathBuf,
    tree: PathBuf,
    target: PathBuf,
}

/// Git in a folder, whatever repository a hook of git has named in the environment.
pub(crate) fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder).env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
    git.env_remove("GIT_INDEX_FILE");
    git
}

/// What a command printed; what it complained of, if it failed.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start {name}: {error}"))?;
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&done.stderr).trim().to_owned())
    }
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

/// Files below a folder, relative to it.
fn files(folder: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in folder.join(below).read_dir()? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            files(folder, &path, found)?;
        } else {
            found.insert(path);
        }
    }
    Ok(())
}

impl Scratch {
    /// A copy of the project at `root` below `place`. What an earlier run left there is brought up to date.
    pub(crate) fn new(root: &Path, place: &Path) -> Result<Self, String> {
        let scratch =
            Self { root: root.to_owned(), tree: place.join("tree"), target: place.join("target") };
        let tree = &scratch.tree;
        std::fs::create_dir_all(tree).map_err(|e| cannot("make", tree, &e))?;
        scratch.bring_up_to_date()?;
        Ok(scratch)
    }

    /// Makes the copy equal to the project as it is now: tracked files and new ones, with changes that are not committed.
    /// Files that are equal already are not touched, so that only what differs is built again.
    fn bring_up_to_date(&self) -> Result<(), String> {
        let listed = output(git(&self.root).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let mut surplus = BTreeSet::new();
        files(&self.tree, Path::new(""), &mut surplus)
            .map_err(|e| cannot("list", &self.tree, &e))?;
        for name in listed.split('\0').filter(|name| !name.is_empty()) {
            let (from, to) = (self.root.join(name), self.tree.join(name));
            if !from.is_file() {
                continue; // deleted, and not committed yet
            }
            surplus.remove(Path::new(name));
            let bytes = std::fs::read(&from).map_err(|e| cannot("read", &from, &e))?;
            if std::fs::read(&to).is_ok_and(|there| there == bytes) {
                continue;
            }
            if let Some(folder) = to.parent() {
                std::fs::create_dir_all(folder).map_err(|e| cannot("make", folder, &e))?;
            }
            std::fs::write(&to, bytes).map_err(|e| cannot("write", &to, &e))?;
        }
        for name in surplus {
            let path = self.tree.join(name);
            std::fs::remove_file(&path).map_err(|e| cannot("remove", &path, &e))?;
        }
        Ok(())
    }

    /// Applies a patch to the copy.
    pub(crate) fn apply(&self, patch: &Patch) -> Result<(), String> {
        output(self.git_apply().arg(&patch.path)).map(drop)
    }

    /// Takes back a patch that was applied. The project itself may have changed meanwhile; the copy stays what it was made of.
    pub(crate) fn take_back(&self, patch: &Patch) -> Result<(), String> {
        output(self.git_apply().arg("--reverse").arg(&patch.path)).map(drop)
    }

    fn git_apply(&self) -> Command {
        let mut git = git(&self.tree);
        // The copy may lie inside of a repository, and is none itself.
        git.env("GIT_CEILING_DIRECTORIES", self.tree.parent().unwrap_or(&self.tree));
        git.arg("apply");
        git
    }

    /// Builds the judge in the copy; its program.
    pub(crate) fn build(&self, with_sqlite: bool) -> Result<PathBuf, String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.current_dir(&self.tree).args(["build", "--quiet", "--locked", "--profile", PROFILE]);
        build.args(["--package", "sessile-mutants-judge", "--message-format", "short"]);
        build.arg("--target-dir").arg(&self.target);
        if !with_sqlite {
            build.arg("--no-default-features");
        }
        output(&mut build)?;
        let program = format!("sessile-mutants-judge{}", std::env::consts::EXE_SUFFIX);
        Ok(self.target.join(PROFILE).join(program))
    }
}

/// Whether a patch applies to the project as it is.
pub(crate) fn applies(root: &Path, patch: &Patch) -> Result<(), String> {
    output(git(root).args(["apply", "--check"]).arg(&patch.path)).map(drop)
}
