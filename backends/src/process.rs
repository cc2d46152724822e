//! Runs a program: its output is bounded, its time too, and what becomes of it without its caller.

use std::{
    fs::File,
    io,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use sessile_driver::lock;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};

/// What is kept of the end of what a program says.
pub(crate) const TAIL: usize = 64 << 10;
/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How long output is waited for when the program has ended, but something it began has not.
const LINGER: Duration = Duration::from_secs(1);

/// What a program reads.
pub(crate) enum Input {
    Nothing,
    Bytes(Vec<u8>),
    /// An empty file with a lock: the program has the lock, too, for as long as it lives.
    Lock(File),
}

/// How a program is run.
pub(crate) struct Limits {
    pub(crate) time: Duration,
    /// Bytes of standard output, more is an error; `None` keeps the end of it.
    pub(crate) output: Option<usize>,
    pub(crate) ending: Ending,
}

/// What becomes of a program whose caller is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It goes on to its end: a `git` that writes to what others share. Stopped in the wrong moment, by whatever signal, it
    /// leaves lock files that nobody removes.
    GoesOn,
    /// It is asked to end.
    Asked,
    /// It is killed with all that it began. What it leaves running when it ends by itself is not waited for.
    Killed,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    /// The end of it.
    pub(crate) stderr: Vec<u8>,
}

/// Why it did not end by itself.
#[derive(Debug)]
pub(crate) enum Failure {
    Io(io::Error),
    /// It had not ended in time; what it said last.
    TimedOut(Vec<u8>),
    TooMuchOutput,
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

/// Runs a program to its end, and keeps this thread waiting, whatever runs on it.
#[cfg(feature = "directory")]
pub(crate) fn run_here(command: Command, limits: &Limits) -> Result<Finished, Failure> {
    // A thread of its own: where this one waits for a future, no other may be waited for.
    std::thread::scope(|scope| {
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(run(command, Input::Nothing, limits))
        };
        let thread = std::thread::Builder::new().spawn_scoped(scope, work)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the runner panicked").into()))
    })
}

/// Runs a program to its end. When the future is dropped before that, it ends as said.
pub(crate) async fn run(
    mut command: Command,
    input: Input,
    limits: &Limits,
) -> Result<Finished, Failure> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let bytes = match input {
        Input::Nothing => {
            command.stdin(Stdio::null());
            None
        }
        Input::Lock(file) => {
            command.stdin(Stdio::from(file));
            None
        }
        Input::Bytes(bytes) => {
            command.stdin(Stdio::piped());
            Some(bytes)
        }
    };
    #[cfg(unix)]
    command.process_group(0);
    #[cfg(not(unix))]
    command.kill_on_drop(limits.ending != Ending::GoesOn);
    let mut child = command.spawn()?;
    // The command has a copy of what the program reads, and with it of the lock.
    drop(command);
    let mut group = Group { id: child.id(), ending: limits.ending };
    let feeding = child.stdin.take().zip(bytes).map(|(mut stdin, bytes)| {
        // A program that ends without reading all has its reasons, and says them.
        tokio::spawn(async move { stdin.write_all(&bytes).await.is_ok() })
    });
    let stdout =
        Pump::start(child.stdout.take(), limits.output.map_or(Keep::Last(TAIL), Keep::First));
    let stderr = Pump::start(child.stderr.take(), Keep::Last(TAIL));
    let Ok(status) = timeout(limits.time, child.wait()).await else {
        group.stop(&mut child).await;
        stdout.finish(Some(LINGER)).await;
        stderr.finish(Some(LINGER)).await;
        return Err(Failure::TimedOut([stdout.taken().0, stderr.taken().0].concat()));
    };
    group.id = None;
    let status = status?;
    if let Some(feeding) = feeding {
        feeding.abort();
    }
    let linger = (limits.ending == Ending::Killed).then_some(LINGER);
    stdout.finish(linger).await;
    stderr.finish(linger).await;
    let ((stdout, complete), (stderr, _)) = (stdout.taken(), stderr.taken());
    if complete { Ok(Finished { status, stdout, stderr }) } else { Err(Failure::TooMuchOutput) }
}

/// A program and all that it began.
struct Group {
    /// `None` once it has ended.
    id: Option<u32>,
    ending: Ending,
}

impl Group {
    #[cfg(unix)]
    fn signal(&self, hard: bool) {
        use nix::{
            sys::signal::{Signal, killpg},
            unistd::Pid,
        };
        let signal = if hard { Signal::SIGKILL } else { Signal::SIGTERM };
        if let Some(id) = self.id.and_then(|id| i32::try_from(id).ok()) {
            // It may have ended meanwhile.
            let _ended = killpg(Pid::from_raw(id), signal);
        }
    }

    #[cfg(not(unix))]
    fn signal(&self, _: bool) {}

    async fn stop(&mut self, child: &mut Child) {
        self.signal(self.ending == Ending::Killed);
        if timeout(GRACE, child.wait()).await.is_err() {
            self.signal(true);
            let _ended = child.kill().await;
        }
        self.id = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.ending != Ending::GoesOn {
            self.signal(self.ending == Ending::Killed);
        }
    }
}

/// What is kept of an output.
#[derive(Clone, Copy)]
enum Keep {
    /// All, and no more than this.
    First(usize),
    /// The end.
    Last(usize),
}

/// Reads an output to its end, so that the program never waits for a reader.
struct Pump {
    taken: Arc<Mutex<(Vec<u8>, bool)>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Pump {
    fn start(from: Option<impl AsyncRead + Unpin + Send + 'static>, keep: Keep) -> Self {
        let taken = Arc::new(Mutex::new((Vec::new(), true)));
        let into = taken.clone();
        let task = from.map(|mut from| {
            tokio::spawn(async move {
                let mut chunk = vec![0; 64 << 10];
                while let Ok(read) = from.read(&mut chunk).await {
                    let Some(new) = chunk.get(..read).filter(|new| !new.is_empty()) else { break };
                    let (bytes, complete) = &mut *lock(&into);
                    match keep {
                        Keep::First(limit) if bytes.len() + new.len() > limit => {
                            *complete = false;
                        }
                        Keep::First(_) => bytes.extend_from_slice(new),
                        Keep::Last(limit) => {
                            bytes.extend_from_slice(new);
                            // Seldom moved, so that much output is not moved much.
                            if bytes.len() > 2 * limit {
                                bytes.drain(..bytes.len() - limit);
                            }
                        }
                    }
                }
            })
        });
        Self { taken, task: Mutex::new(task) }
    }

    async fn finish(&self, within: Option<Duration>) {
        let Some(task) = lock(&self.task).take() else { return };
        let abort = task.abort_handle();
        match within {
            None => drop(task.await),
            Some(within) => drop(timeout(within, task).await),
        }
        abort.abort();
    }

    fn taken(&self) -> (Vec<u8>, bool) {
        std::mem::take(&mut *lock(&self.taken))
    }
}
