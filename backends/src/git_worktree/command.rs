//! Programs that a workspace begins and ends with.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    time::Duration,
};

use sessile_core::{
    error::{Error, Result},
    workspace::{Label, WorkspaceName},
};

use super::git::{Said, clean};
use crate::process::{self, Ending, Failure, Input, Limits, TAIL};

/// A program that prepares a workspace, or ends what runs in it.
///
/// It is run as it is, without a shell, in the workspace's folder, reads nothing, and finds these variables besides those of
/// this process (without the ones that would lead `git` elsewhere):
///
/// | variable | what |
/// | --- | --- |
/// | `SESSILE_WORKSPACE` | the workspace's name, unique for ever |
/// | `SESSILE_LABEL` | its label |
/// | `SESSILE_PORT` | [`port`] of its label |
///
/// It fails if it does not end with exit code 0 in time, which is ten minutes if nothing else was said; then it is killed, with
/// the processes that it began and that stayed in its group. The last 64 KiB of what it said are the source of the error.
/// What it leaves running in the background after it has ended stays, and is not waited for.
#[derive(Clone, Debug)]
pub struct Command {
    program: OsString,
    args: Vec<OsString>,
    limit: Duration,
}

impl Command {
    /// A program by its path, or by its name to be found in `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref().into();
        Self { program, args: Vec::new(), limit: Duration::from_secs(600) }
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().into());
        self
    }

    /// With another deadline.
    #[must_use]
    pub const fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it for a workspace; `role` is what it is to people: `setup`.
    pub(super) async fn run(&self, role: &str, name: &WorkspaceName, folder: &Path) -> Result<()> {
        let mut command = tokio::process::Command::new(&self.program);
        clean(&mut command);
        command.args(&self.args).current_dir(folder);
        command.env("SESSILE_WORKSPACE", name.to_string());
        command.env("SESSILE_LABEL", name.label().as_str());
        command.env("SESSILE_PORT", port(name.label()).to_string());
        let limits = Limits { time: self.limit, output: None, ending: Ending::Killed };
        let shown = self.program.to_string_lossy();
        let (why, said) = match process::run(command, Input::Nothing, &limits).await {
            Ok(finished) if finished.status.success() => return Ok(()),
            Ok(finished) => {
                (finished.status.to_string(), [finished.stdout, finished.stderr].concat())
            }
            Err(Failure::TimedOut(said)) => {
                (format!("did not end in {} s and was stopped", self.limit.as_secs_f32()), said)
            }
            Err(Failure::TooMuchOutput) => ("says too much".into(), Vec::new()),
            Err(Failure::Io(e)) => {
                return Err(Error::unavailable(format!("cannot run the {role} {shown:?}"), e));
            }
        };
        let reason = format!("the {role} {shown:?} of workspace {name} failed: {why}");
        Err(Error::unavailable(reason, Said::new(&said)))
    }
}

/// The port of a label: 20,000 and the CRC-32 (of ISO-HDLC, as in gzip) of its bytes modulo 20,000. The same for ever and on every
/// machine; two labels may have the same.
pub fn port(label: &Label) -> u16 {
    let offset = crc32fast::hash(label.as_str().as_bytes()) % 20_000;
    20_000 + u16::try_from(offset).unwrap_or_default()
}

const _: () = assert!(TAIL == 64 << 10, "the documentation says so");
