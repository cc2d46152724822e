//! Asks the judge whether a clause fails.

use std::{
    fmt,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use crate::patch::Question;

/// Races show in some histories and not in others, in few on a busy machine: a clause gets this many tries.
pub(crate) const TRIES: u32 = 50;

/// A clause that no try has failed after this long is one that lets the mutant live.
const PATIENCE: Duration = Duration::from_secs(300);

/// A try that ran this long has hung, or ten times as long as it takes where nothing is wrong, if that is more.
const LONGEST_TRY: Duration = Duration::from_secs(20);

/// How a clause ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It failed, for this reason, at this try.
    Failed(u32, String),
    /// A try did not end in time.
    Hung(u32, Duration),
    /// The judge's process ended without an answer.
    Crashed(u32),
    /// It passed this many times.
    Passed(u32),
}

impl Verdict {
    /// Whether the clause noticed.
    pub(crate) const fn kills(&self) -> bool {
        !matches!(self, Self::Passed(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(at, why) => {
                let why: String = why.chars().take(100).collect();
                write!(f, "killed at try {at}: {why}")
            }
            Self::Hung(at, after) => {
                write!(f, "killed at try {at} by its hang: no end after {} s", after.as_secs())
            }
            Self::Crashed(at) => {
                write!(f, "killed at try {at}: the process ended without an answer")
            }
            Self::Passed(tries) => write!(f, "ALIVE after {tries} tries"),
        }
    }
}

/// The judge's process; killed when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// How long a try may take where one on the right code took this long.
pub(crate) fn longest_try(right: Duration) -> Duration {
    LONGEST_TRY.max(right * 10)
}

/// Runs a clause up to `tries` times, until it fails or a try takes longer than `longest`.
pub(crate) fn ask(
    judge: &Path,
    question: &Question,
    tries: u32,
    longest: Duration,
) -> Result<Verdict, String> {
    let mut child = Command::new(judge)
        .args([&question.backend, &question.clause, &question.histories.to_string()])
        .arg(tries.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", judge.display()))?;
    let out = child.stdout.take();
    let _running = Running(child);
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        let Some(out) = out else { return };
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    listen(&lines, tries, longest)
}

/// Follows what the judge prints.
fn listen(lines: &Receiver<String>, tries: u32, longest: Duration) -> Result<Verdict, String> {
    let start = Instant::now();
    let mut passed = 0;
    while passed < tries && start.elapsed() < PATIENCE {
        let line = match lines.recv_timeout(longest) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Ok(Verdict::Hung(passed + 1, longest)),
            Err(RecvTimeoutError::Disconnected) => return Ok(Verdict::Crashed(passed + 1)),
        };
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("passed"), ..) => passed += 1,
            (Some("failed"), _, why) => {
                return Ok(Verdict::Failed(passed + 1, why.unwrap_or_default().to_owned()));
            }
            (Some("error"), ..) => return Err(line),
            _ => {} // a line that the code under judgement printed
        }
    }
    Ok(Verdict::Passed(passed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(said: &[&str], open: bool) -> Result<Verdict, String> {
        let (send, lines) = mpsc::channel();
        for line in said {
            send.send((*line).to_owned()).unwrap();
        }
        let _kept = open.then_some(send);
        listen(&lines, 3, Duration::from_millis(20))
    }

    #[test]
    fn each_end_of_a_judge_is_told_apart() {
        let hung = Verdict::Hung(2, Duration::from_millis(20));
        let failed = Verdict::Failed(2, "not the same".to_owned());
        assert_eq!(heard(&["passed 1", "failed 2 not the same"], true), Ok(failed));
        assert_eq!(heard(&["passed 1"], true), Ok(hung));
        assert_eq!(heard(&["passed 1", "noise"], false), Ok(Verdict::Crashed(2)));
        assert_eq!(heard(&["passed 1", "passed 1", "passed 1"], false), Ok(Verdict::Passed(3)));
        assert!(heard(&["error no clause"], false).is_err());
    }
}
