//! How a child program speaks to the clause that started it: in lines of JSON on the standard output of its process, or
//! through a buffer where it is a task.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};

/// One line of a child's output.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Line {
    Report(String),
    Result(String),
}

/// Where the reports of a child program go.
#[derive(Clone, Debug, Default)]
pub(crate) enum ParentPipe {
    /// Nowhere: this is the parent.
    #[default]
    None,
    /// To the parent process.
    Stdout,
    /// To the parent task.
    Buffer(Arc<Mutex<Vec<String>>>),
}

impl ParentPipe {
    pub(crate) fn report(&self, line: String) {
        match self {
            Self::None => {}
            Self::Stdout => report(line),
            Self::Buffer(reports) => reports.lock().expect("no panic inside").push(line),
        }
    }
}

/// In a child: sends its parent a line now.
pub fn report(line: impl Into<String>) {
    print(&Line::Report(line.into()));
}

/// In a child: sends its parent the result, for [`Child::wait`](super::process::Child::wait).
pub fn finish(result: impl Into<String>) {
    print(&Line::Result(result.into()));
}

fn print(line: &Line) {
    let line = serde_json::to_string(line).expect("a line is JSON");
    let mut out = std::io::stdout().lock();
    let _parent_gone = writeln!(out, "{line}").and_then(|()| out.flush());
}
