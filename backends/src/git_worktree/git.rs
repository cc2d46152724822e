//! Runs `git`, so that nothing of the surroundings decides what it does, and says what it said.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use sessile_core::error::{Error, Result};
use sessile_driver::clock;
use tokio::process::Command;

use super::lock::Lock;
use crate::process::{self, Ending, Failure, Finished, Input, Limits, TAIL};

/// How long one command may take: a checkout of a large repository, through filters that download.
const TIME: Duration = Duration::from_secs(600);
/// Bytes that a list may have: some million paths.
const OUTPUT: usize = 512 << 20;
/// How long a lock file of another program is waited for.
const CONTENTION: Duration = Duration::from_secs(15);

/// What `git` may see of the surroundings' variables that begin with `GIT_`: where the user's settings and programs are, who
/// the user is, and how servers are reached. Not which repository, index, or objects.
const KEPT: [&str; 17] = [
    "GIT_ASKPASS",
    "GIT_AUTHOR_EMAIL",
    "GIT_AUTHOR_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_EXEC_PATH",
    "GIT_PROXY_COMMAND",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
];

/// Settings of every command, against those of the repository that run programs, or act on more than was asked for.
const SETTINGS: [&str; 8] = [
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "worktree.useRelativePaths=false",
    // What is kept stays, after a loss of power, too.
    "core.fsync=committed,reference",
];

/// Takes out of a program's variables what would lead `git` elsewhere.
pub(super) fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("GIT_") && !KEPT.contains(&&*text) {
            command.env_remove(name);
        }
    }
}

/// The program, and where it runs.
#[derive(Clone, Debug)]
pub(super) struct Git {
    folder: PathBuf,
    variables: Vec<(&'static str, OsString)>,
}

impl Git {
    /// In a folder, whose repository `git` finds.
    pub(super) fn at(folder: &Path) -> Self {
        Self { folder: folder.into(), variables: Vec::new() }
    }

    /// With a variable.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// A command, with what it is asked to do.
    pub(super) fn call<const N: usize>(&self, args: [&str; N]) -> Call<'static> {
        let args = args.map(OsString::from).to_vec();
        Call {
            git: self.clone(),
            args,
            input: None,
            lock: None,
            output: OUTPUT,
            ending: Ending::Asked,
        }
    }
}

/// One command that was not run yet.
pub(super) struct Call<'a> {
    git: Git,
    args: Vec<OsString>,
    input: Option<Vec<u8>>,
    lock: Option<&'a Lock>,
    output: usize,
    ending: Ending,
}

impl<'a> Call<'a> {
    /// With one more argument.
    pub(super) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().into());
        self
    }

    /// Gives it something to read.
    pub(super) fn input(mut self, bytes: Vec<u8>) -> Self {
        self.input = Some(bytes);
        self
    }

    /// Lets it write to the repository: it has the lock for as long as it runs, even if this process ends before. A lock
    /// file of another program is waited for.
    pub(super) fn locked(mut self, lock: &'a Lock) -> Self {
        self.lock = Some(lock);
        self.ending = Ending::GoesOn;
        self
    }

    /// Bounds its output.
    pub(super) fn at_most(mut self, bytes: usize) -> Self {
        self.output = bytes;
        self
    }

    /// Lets it run the repository's hooks, which are killed when the caller is gone.
    pub(super) fn with_hooks(mut self) -> Self {
        self.ending = Ending::Killed;
        self
    }

    /// Lets it go on to its end when its caller is gone: it writes to what others use.
    pub(super) fn uninterrupted(mut self) -> Self {
        self.ending = Ending::GoesOn;
        self
    }

    /// Runs it; what it says, if it succeeds.
    pub(super) async fn output(self) -> Result<Vec<u8>> {
        let name = self.name();
        let finished = self.finish().await?;
        if finished.status.success() { Ok(finished.stdout) } else { Err(refused(&name, &finished)) }
    }

    /// Runs it; what it says as text without the last line's end, if it succeeds.
    pub(super) async fn text(self) -> Result<String> {
        let bytes = self.output().await?;
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
    }

    /// Runs it; `None` if it answers "no", with exit code 1 and without a word, or with one of 128.
    pub(super) async fn answer(self) -> Result<Option<String>> {
        let name = self.name();
        let finished = self.finish().await?;
        match finished.status.code() {
            Some(0) => {
                Ok(Some(String::from_utf8_lossy(&finished.stdout).trim_end_matches('\n').into()))
            }
            Some(1 | 128) => Ok(None),
            _ => Err(refused(&name, &finished)),
        }
    }

    /// Runs it, however it ends.
    pub(super) async fn finish(self) -> Result<Finished> {
        let until = clock::deadline(CONTENTION);
        let mut pause = Duration::from_millis(10);
        loop {
            let finished = self.once().await?;
            let contended = self.lock.is_some() && is_contention(&finished);
            if !contended || clock::instant() >= until {
                return Ok(finished);
            }
            clock::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    async fn once(&self) -> Result<Finished> {
        let name = self.name();
        let mut command = Command::new("git");
        clean(&mut command);
        command.current_dir(&self.git.folder);
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0");
        command.env("GIT_NO_REPLACE_OBJECTS", "1");
        command.envs(self.git.variables.iter().map(|(name, value)| (name, value)));
        command.args(["--no-pager", "--literal-pathspecs"]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        if self.ending != Ending::Killed {
            command.args(["-c", "core.hooksPath=/dev/null"]);
        }
        command.args(&self.args);
        let input = match (&self.input, self.lock) {
            (Some(bytes), _) => Input::Bytes(bytes.clone()),
            (None, Some(lock)) => Input::Lock(lock.share()?),
            (None, None) => Input::Nothing,
        };
        let limits = Limits { time: TIME, output: Some(self.output), ending: self.ending };
        process::run(command, input, &limits).await.map_err(|failure| match failure {
            Failure::Io(e)
                if e.kind() == std::io::ErrorKind::NotFound && self.git.folder.is_dir() =>
            {
                Error::unavailable(
                    "the program `git` is not to be found: install Git 2.36 or later",
                    e,
                )
            }
            Failure::Io(e) => {
                Error::unavailable(format!("cannot run {name} in {}", self.git.folder.display()), e)
            }
            Failure::TimedOut(said) => Error::unavailable(
                format!("{name} did not end in {} s and was stopped", TIME.as_secs()),
                Said::new(&said),
            ),
            Failure::TooMuchOutput => {
                Error::failed(format!("{name} answers more than {} bytes", self.output))
            }
        })
    }

    /// The command, for people.
    fn name(&self) -> String {
        let verb =
            self.args.iter().take_while(|arg| !arg.to_string_lossy().starts_with('-')).take(2);
        let verb: Vec<_> = verb.map(|arg| arg.to_string_lossy()).collect();
        format!("`git {}`", verb.join(" "))
    }
}

/// Whether it failed because another program was writing at the same time.
fn is_contention(finished: &Finished) -> bool {
    let said = String::from_utf8_lossy(&finished.stderr);
    !finished.status.success() && said.contains(".lock': File exists")
}

/// The error of a command that failed: its last words in the line, all of them below.
pub(super) fn refused(name: &str, finished: &Finished) -> Error {
    let said = Said::new(&finished.stderr);
    let last = said.0.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let last: String = last.chars().filter(|c| !c.is_control()).take(300).collect();
    Error::unavailable(format!("{name} failed with {}: {last}", finished.status), said)
}

/// What a program said, at its end.
#[derive(Debug)]
pub(super) struct Said(String);

impl Said {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let tail = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default();
        Self(String::from_utf8_lossy(tail).into_owned())
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Said {}

/// The parts of an answer that end in NUL.
pub(super) fn zero_terminated(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == 0).filter(|part| !part.is_empty())
}
