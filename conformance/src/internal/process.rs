//! Child processes, and tasks in their place where a store may be open in one process only.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};

use crate::{
    Backend, Dir,
    failure::Panics,
    internal::{
        ClauseContext, child_programs,
        parent_pipe::{Line, ParentPipe},
    },
};

pub use crate::internal::parent_pipe::{finish, report};

/// The hidden first argument of a child.
const CHILD: &str = "--sessile-child";

/// What a child is to run, and on which store.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    program: String,
    backend: String,
    dir: std::path::PathBuf,
    index: usize,
    seed: u64,
    args: serde_json::Value,
}

/// A process, or a task in its place, that runs a child program.
#[derive(Debug)]
pub struct Child {
    reports: Arc<Mutex<Vec<String>>>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Process {
        process: std::process::Child,
        reader: Option<std::thread::JoinHandle<Option<String>>>,
        errors: Option<std::thread::JoinHandle<String>>,
    },
    Task(tokio::task::JoinHandle<String>),
}

impl Child {
    /// Starts a process whose output is that of [`report`] and [`finish`].
    pub fn spawn(command: &mut Command) -> Self {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a child process starts");
        let (out, mut err) = (process.stdout.take(), process.stderr.take());
        let received = Arc::clone(&reports);
        let reader = std::thread::spawn(move || {
            let mut result = None;
            for line in BufReader::new(out?).lines() {
                match serde_json::from_str(&line.ok()?) {
                    Ok(Line::Report(line)) => received.lock().expect("no panic inside").push(line),
                    Ok(Line::Result(line)) => result = Some(line),
                    Err(_) => {} // a line cut off by a kill, or printed by the driver
                }
            }
            result
        });
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _broken = err.as_mut().map(|err| err.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        });
        let (reader, errors) = (Some(reader), Some(errors));
        Self { reports, body: Body::Process { process, reader, errors } }
    }

    /// What it has reported so far.
    pub fn reports(&self) -> Vec<String> {
        self.reports.lock().expect("no panic inside").clone()
    }

    /// Whether it is a process of its own.
    pub fn is_process(&self) -> bool {
        matches!(self.body, Body::Process { .. })
    }

    /// Kills it at once (a process by `SIGKILL`; a task is cancelled) and returns all that it reported.
    pub async fn kill(mut self) -> Vec<String> {
        match &mut self.body {
            Body::Process { process, reader, .. } => {
                process.kill().expect("a child can be killed");
                process.wait().expect("a killed child ends");
                let reader = reader.take();
                join(reader).await;
            }
            Body::Task(task) => {
                task.abort();
                let _cancelled = task.await;
            }
        }
        self.reports()
    }

    /// Waits until it ends; returns the program's result. A program that panicked fails the clause.
    pub async fn wait(mut self) -> String {
        match &mut self.body {
            Body::Process { process, reader, errors } => {
                let (reader, errors) = (reader.take(), errors.take());
                let result = join(reader).await.flatten();
                let errors = join(errors).await.unwrap_or_default();
                let status = process.wait().expect("a child ends");
                match result {
                    Some(result) if status.success() => result,
                    _ => panic!("a child process failed ({status}): {errors}"),
                }
            }
            Body::Task(task) => match task.await {
                Ok(result) => result,
                Err(error) => panic!("a child program failed: {}", crate::judge::reason(error)),
            },
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        match &mut self.body {
            Body::Process { process, .. } => {
                let _gone = process.kill();
                let _status = process.wait();
            }
            Body::Task(task) => task.abort(),
        }
    }
}

async fn join<T: Send + 'static>(handle: Option<std::thread::JoinHandle<T>>) -> Option<T> {
    let handle = handle?;
    tokio::task::spawn_blocking(move || handle.join().ok()).await.ok()?
}

impl ClauseContext {
    /// Runs a child program in `n` processes on this store and returns their results, in order. Where only one process may
    /// have the store open: in `n` tasks, each with a `Store` and a clock of its own over the one handle, and the summary
    /// says so.
    pub async fn processes(
        &self,
        program: &str,
        n: usize,
        args: &serde_json::Value,
    ) -> Vec<String> {
        let mut results = Vec::with_capacity(n);
        for child in self.start_processes(program, n, args).await {
            results.push(child.wait().await);
        }
        results
    }

    /// Starts a child program in `n` processes, or tasks.
    pub async fn start_processes(
        &self,
        program: &str,
        n: usize,
        args: &serde_json::Value,
    ) -> Vec<Child> {
        if !self.many_processes() {
            self.note("processes are tasks here: the journal belongs to one process");
        }
        let start = |index| {
            if self.many_processes() {
                self.start_process(program, index, args)
            } else {
                self.start_task(program, index, args)
            }
        };
        (0..n).map(start).collect()
    }

    fn start_task(&self, program: &str, index: usize, args: &serde_json::Value) -> Child {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let run = child_programs::find(program).expect("a program of this suite").run;
        let mut cx = self.clone();
        cx.parent_pipe = ParentPipe::Buffer(Arc::clone(&reports));
        let task = tokio::spawn(run(cx, index, args.clone()));
        Child { reports, body: Body::Task(task) }
    }

    /// Starts a child program in one process, whatever the journal's sharing. Where only one process may have the store
    /// open, call [`close_all`](Self::close_all) first.
    pub fn start_process(&self, program: &str, index: usize, args: &serde_json::Value) -> Child {
        let order = Order {
            program: program.to_owned(),
            backend: self.backend().name().to_owned(),
            dir: self.dir().path().to_owned(),
            index,
            seed: self.seed(),
            args: args.clone(),
        };
        let order = serde_json::to_string(&order).expect("an order is JSON");
        Child::spawn(&mut child_command(&order))
    }
}

/// The command that starts this executable once more as a child, with an order that [`child_order`] finds there.
pub fn child_command(order: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args([CHILD, order]);
    command
}

/// In a child of [`child_command`]: its order.
pub fn child_order(arguments: &[String]) -> Option<&str> {
    match arguments {
        [_, flag, order] if flag == CHILD => Some(order),
        _ => None,
    }
}

/// Where a clause has started this process: runs what the clause wants done, and answers `true`.
///
/// A program that calls [`judge`](crate::judge) must call this first in its `main`, with its backends, and end if the answer is
/// `true`: where processes may share a store, clauses start the executable again. [`suite!`](crate::suite) does so by itself.
pub fn run_as_child(backends: &[Backend]) -> bool {
    let arguments: Vec<String> = std::env::args().collect();
    let Some(order) = child_order(&arguments) else { return false };
    let order: Order = serde_json::from_str(order).expect("an order");
    let backend =
        backends.iter().find(|b| b.name() == order.backend).expect("a backend of this suite");
    let run = child_programs::find(&order.program).expect("a program of this suite").run;
    let result = crate::judge::runtime(Panics::default()).block_on(async {
        let cx =
            ClauseContext::at(backend, Dir::new(order.dir), None, order.seed, ParentPipe::Stdout)
                .await;
        run(cx, order.index, order.args).await
    });
    finish(result);
    true
}
