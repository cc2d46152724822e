//! Work done by others: child processes where a store may be shared by processes, tasks where it may not.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};

use crate::{
    Backend, Dir,
    internal::{ClauseContext, child_programs},
};

/// The hidden first argument of a child.
const CHILD: &str = "--sessile-child";

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    role: String,
    backend: String,
    dir: std::path::PathBuf,
    index: usize,
    seed: u64,
    args: serde_json::Value,
}

/// One line of a child's output.
#[derive(Debug, Serialize, Deserialize)]
enum Line {
    Said(String),
    Done(String),
}

/// Where what a role says goes: to its parent, or nowhere.
#[derive(Clone, Debug, Default)]
pub(crate) enum Mouth {
    #[default]
    Shut,
    Stdout,
    Buffer(Arc<Mutex<Vec<String>>>),
}

impl Mouth {
    pub(crate) fn say(&self, line: String) {
        match self {
            Self::Shut => {}
            Self::Stdout => say(line),
            Self::Buffer(said) => said.lock().expect("no panic inside").push(line),
        }
    }
}

/// Some other process, or a task in its place, that plays a role.
#[derive(Debug)]
pub struct Child {
    said: Arc<Mutex<Vec<String>>>,
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
    /// Starts a process that speaks as [`say`] and [`done`] do.
    pub fn spawn(command: &mut Command) -> Self {
        let said = Arc::new(Mutex::new(Vec::new()));
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a child process starts");
        let (out, mut err) = (process.stdout.take(), process.stderr.take());
        let heard = Arc::clone(&said);
        let reader = std::thread::spawn(move || {
            let mut result = None;
            for line in BufReader::new(out?).lines() {
                match serde_json::from_str(&line.ok()?) {
                    Ok(Line::Said(line)) => heard.lock().expect("no panic inside").push(line),
                    Ok(Line::Done(line)) => result = Some(line),
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
        Self { said, body: Body::Process { process, reader, errors } }
    }

    /// What the role said so far.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().expect("no panic inside").clone()
    }

    /// Whether it is a process of its own.
    pub fn is_process(&self) -> bool {
        matches!(self.body, Body::Process { .. })
    }

    /// Kills it where it stands (`SIGKILL`; a task is cancelled) and returns all it said.
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
        self.said()
    }

    /// Waits for its end; the role's result. A role that panicked fails the clause.
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
                Err(error) => panic!("a role failed: {}", crate::judge::reason(error)),
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
    /// Lets `n` processes play a role on this store and returns their results, in order. Where one process holds the
    /// store: `n` tasks, each with its own `Store` and clock over the one handle, and the summary says so.
    pub async fn processes(&self, role: &str, n: usize, args: &serde_json::Value) -> Vec<String> {
        let mut results = Vec::with_capacity(n);
        for child in self.start_processes(role, n, args).await {
            results.push(child.wait().await);
        }
        results
    }

    /// Starts `n` processes, or tasks, in a role.
    pub async fn start_processes(
        &self,
        role: &str,
        n: usize,
        args: &serde_json::Value,
    ) -> Vec<Child> {
        if !self.many_processes() {
            self.note("processes are tasks here: the journal belongs to one process");
        }
        let start = |index| {
            if self.many_processes() {
                self.start_apart(role, index, args)
            } else {
                self.start_task(role, index, args)
            }
        };
        (0..n).map(start).collect()
    }

    fn start_task(&self, role: &str, index: usize, args: &serde_json::Value) -> Child {
        let said = Arc::new(Mutex::new(Vec::new()));
        let run =
            child_programs::find(role).unwrap_or_else(|| panic!("no role is named {role}")).run;
        let mut cx = self.clone();
        cx.mouth = Mouth::Buffer(Arc::clone(&said));
        let task = tokio::spawn(run(cx, index, args.clone()));
        Child { said, body: Body::Task(task) }
    }

    /// Starts one process in a role, whatever the journal's sharing: where one process holds the store, after
    /// [`close_all`](Self::close_all).
    pub fn start_apart(&self, role: &str, index: usize, args: &serde_json::Value) -> Child {
        let order = Order {
            role: role.to_owned(),
            backend: self.backend().name().to_owned(),
            dir: self.dir().path().to_owned(),
            index,
            seed: self.seed(),
            args: args.clone(),
        };
        let order = serde_json::to_string(&order).expect("an order is JSON");
        Child::spawn(&mut again(&order))
    }
}

/// This program once more, to be another process: its hidden first argument, and the order it is to carry out.
pub fn again(order: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args([CHILD, order]);
    command
}

/// The order that this process was started for by [`again`], if it was.
pub fn order(arguments: &[String]) -> Option<&str> {
    match arguments {
        [_, flag, order] if flag == CHILD => Some(order),
        _ => None,
    }
}

/// In a child: tells its parent something now.
pub fn say(line: impl Into<String>) {
    print(&Line::Said(line.into()));
}

/// In a child: its result, for [`Child::wait`].
pub fn done(result: impl Into<String>) {
    print(&Line::Done(result.into()));
}

fn print(line: &Line) {
    let line = serde_json::to_string(line).expect("a line is JSON");
    let mut out = std::io::stdout().lock();
    let _parent_gone = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Plays the role this process was started for, if it was: what the `main` of a program does first that judges backends with
/// [`judge`](crate::judge). Children are started as the program itself.
pub fn play(backends: &[Backend]) -> bool {
    let arguments: Vec<String> = std::env::args().collect();
    let Some(order) = order(&arguments) else { return false };
    let order: Order = serde_json::from_str(order).expect("an order");
    let backend =
        backends.iter().find(|b| b.name() == order.backend).expect("a backend of this suite");
    let run = child_programs::find(&order.role).expect("a role of this suite").run;
    let result = crate::judge::runtime().block_on(async {
        let cx =
            ClauseContext::at(backend, Dir::new(order.dir), None, order.seed, Mouth::Stdout).await;
        run(cx, order.index, order.args).await
    });
    done(result);
    true
}
