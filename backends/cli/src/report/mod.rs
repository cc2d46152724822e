//! How answers are shown: to people in aligned tables, to programs as JSON.
//!
//! Whatever came from outside passes through [`clean`] before it reaches a terminal. A reader that goes away (`| head`)
//! is no failure: the rest of the output is dropped and the exit status stays what it would have been.

mod table;
mod text;

use std::{
    io::{self, IsTerminal, Write},
    process::{Child, Command, Stdio},
};

use serde::Serialize;

pub(crate) use table::{Align, Table};
pub(crate) use text::{clean, coins, count, money, plural, short, stamp, wide};

use crate::fail::{Fail, Result};

/// The output of a command.
pub(crate) struct Out {
    to: Box<dyn Write>,
    /// Shows it page by page.
    pager: Option<Child>,
    gone: bool,
    colours: bool,
    /// Whether it is JSON.
    pub(crate) json: bool,
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        let stdout = io::stdout();
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
            && std::env::var_os("TERM").is_none_or(|v| v != "dumb");
        let colours = !json && wanted && stdout.is_terminal();
        let to = Box::new(io::BufWriter::new(stdout));
        Self { to, pager: None, gone: false, colours, json }
    }

    /// From here on shows the output page by page, if it goes to a terminal: by the program that `PAGER` names, or `less`.
    /// Where there is none, or `PAGER` is empty, it is printed as ever.
    pub(crate) fn page(&mut self) {
        if self.json || !io::stdout().is_terminal() {
            return;
        }
        let pager = std::env::var("PAGER").unwrap_or_else(|_| "less".into());
        let mut words = pager.split_whitespace();
        let Some(program) = words.next() else { return };
        // One page is left as it is, colours pass through, and the screen stays.
        let mut command = Command::new(program);
        command.args(words).env("LESS", "FRX").stdin(Stdio::piped());
        if let Ok(mut pager) = command.spawn()
            && let Some(input) = pager.stdin.take()
        {
            self.to = Box::new(io::BufWriter::new(input));
            self.pager = Some(pager);
        }
    }

    /// Writes one line as it is; the caller has cleaned it.
    pub(crate) fn line(&mut self, line: impl AsRef<str>) -> Result<()> {
        self.raw(line.as_ref())?;
        self.raw("\n")
    }

    /// Writes text without an end of line.
    pub(crate) fn raw(&mut self, text: &str) -> Result<()> {
        let done = self.to.write_all(text.as_bytes());
        self.settle(done)
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn value(&mut self, value: &impl Serialize) -> Result<()> {
        self.line(encode(value)?)
    }

    pub(crate) fn table(&mut self, table: &Table) -> Result<()> {
        for line in table.lines(self.colours) {
            self.line(line)?;
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        let done = self.to.flush();
        self.settle(done)
    }

    /// Writes what is left and waits until it was read.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush()?;
        if let Some(mut pager) = self.pager.take() {
            self.to = Box::new(io::sink());
            pager.wait().map_err(Fail::io("the pager failed"))?;
        }
        Ok(())
    }

    /// Marks a heading.
    pub(crate) fn strong(&self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Marks what matters less: ids, times.
    pub(crate) fn faint(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn settle(&mut self, done: io::Result<()>) -> Result<()> {
        match done {
            Err(error) if !self.gone && error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Fail::Io("cannot write the answer".into(), error))
            }
            Err(_) => {
                self.gone = true;
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// A value as JSON text.
pub(crate) fn encode(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Fail::input(format!("cannot encode the answer: {e}")))
}
