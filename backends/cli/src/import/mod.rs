//! `sessile import`: transcripts of agents become threads and sessions.
//!
//! A folder is a thread, a file in it is a session, an item of `history` - or a line - is an entry. What a file is known
//! by is the digest of tenant, name of the folder that was given, and path below it. That digest is a label of what the
//! import made, and the producer of its keys, which are numbered so that nothing is ever written twice:
//!
//! | producer | n | command |
//! | --- | --- | --- |
//! | digest of the project's name | 1 | create the project |
//! | digest of the folder | 1 | create the thread |
//! | digest of the file | 1 | create the session |
//! | digest of the file | 1 + k | append a turn whose last message is the file's k-th |
//! | digest of the file, `/usage` | 3j - 2, 3j - 1, 3j | start a run, book what the file says it used, end the run: the j-th time |
//!
//! A turn is an assistant message with what answers it; the messages before the first one are a turn too. A number per
//! message and not per turn, because the last turn of a file may grow: what is stored is read back and compared with the
//! file first, so that only the messages behind it are sent, under numbers that were never used. A file that differs
//! from what is stored is a conflict, and nothing of it is written. Where its usage grew, the difference is booked.

mod decimal;
mod lines;
mod message;
mod scan;
mod source;
mod target;
mod traj;
mod transcript;
mod usage;
mod write;

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::{
    Status,
    address::{self, Scope},
    fail::Result,
    report::{Align, Out, Table, clean, count, plural},
};
use scan::Scan;
use target::Target;
use transcript::Fault;

/// A file that was not imported, or not whole.
#[derive(Debug, Serialize)]
struct Broken {
    file: String,
    line: Option<u64>,
    reason: String,
}

impl Broken {
    fn whole(file: &Path, reason: impl Into<String>) -> Self {
        Self::new(file, Fault::whole(reason))
    }

    fn new(file: &Path, fault: Fault) -> Self {
        Self { file: file.to_string_lossy().into_owned(), line: fault.line, reason: fault.reason }
    }
}

/// What an import did. `files`, `threads`, `sessions` and `entries` count what of these paths is in the store now,
/// `added` the entries that were not before (an entry that two imports at the same time bring counts for both, and is
/// there once), `replaced` lone surrogates that became U+FFFD, `skipped` files that are no transcripts.
#[derive(Debug, Default, Serialize)]
struct Summary {
    files: u64,
    threads: u64,
    sessions: u64,
    entries: u64,
    added: u64,
    replaced: u64,
    skipped: u64,
    failed: Vec<Broken>,
}

/// Runs the command.
pub(crate) async fn run(
    out: &mut Out,
    scope: &Scope,
    store: &str,
    paths: &[PathBuf],
) -> Result<Status> {
    let scan = Scan::of(paths)?;
    let opened = address::create(store).await?;
    let project = scope.project.as_deref().unwrap_or("import");
    let target = Target::find(scope.caller(&opened, "importer")?, project).await?;
    let summary = import(&target, scan, out.json).await;
    let closed = opened.close().await;
    let summary = summary?;
    closed?;
    report(out, &summary)?;
    Ok(if summary.failed.is_empty() { Status::Fine } else { Status::Problems })
}

async fn import(target: &Target, scan: Scan, quiet: bool) -> Result<Summary> {
    let mut summary = Summary { skipped: scan.skipped, failed: scan.broken, ..Summary::default() };
    let files: usize = scan.folders.iter().map(|f| f.files.len()).sum();
    let bar = progress(files as u64, quiet);
    for folder in &scan.folders {
        let mut thread = None;
        for file in &folder.files {
            bar.set_message(clean(&file.source.title));
            let read = transcript::Transcript::read(
                &file.path,
                file.layout,
                &target.importer.caller().tenant,
            );
            let transcript = match read {
                Ok(transcript) => transcript,
                Err(fault) => {
                    summary.failed.push(Broken::new(&file.path, fault));
                    bar.inc(1);
                    continue;
                }
            };
            let thread = match &mut thread {
                Some(thread) => thread,
                none => {
                    summary.threads += 1;
                    none.insert(target.thread(&folder.source).await?)
                }
            };
            match write::session(target, thread, &file.source, &transcript).await? {
                Ok(written) => {
                    summary.files += 1;
                    summary.sessions += 1;
                    summary.entries += written.entries;
                    summary.added += written.added;
                    summary.replaced += transcript.replaced;
                }
                Err(fault) => summary.failed.push(Broken::new(&file.path, fault)),
            }
            if let Some(half) = transcript.half {
                summary.failed.push(Broken::new(&file.path, half));
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(summary)
}

/// A progress bar on a terminal; nothing elsewhere.
fn progress(files: u64, quiet: bool) -> ProgressBar {
    if quiet || !io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::with_draw_target(Some(files), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("  {bar:30} {pos}/{len} {wide_msg}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn report(out: &mut Out, summary: &Summary) -> Result<()> {
    if out.json {
        return out.value(summary);
    }
    if summary.files == 0 && summary.failed.is_empty() {
        out.line("no transcript found: nothing ends in .traj or .jsonl")?;
    } else {
        out.line(format!(
            "{} as {} in {}: {}, {} of them new",
            plural(summary.files, "file", "files"),
            plural(summary.sessions, "session", "sessions"),
            plural(summary.threads, "thread", "threads"),
            plural(summary.entries, "entry", "entries"),
            count(summary.added),
        ))?;
    }
    if summary.skipped > 0 {
        let files = plural(summary.skipped, "other file", "other files");
        out.line(out.faint(&format!("{files} left alone: no .traj, no .jsonl")))?;
    }
    if summary.replaced > 0 {
        let lone = plural(summary.replaced, "lone surrogate", "lone surrogates");
        out.line(format!("{lone} replaced by U+FFFD: no text can hold them"))?;
    }
    if !summary.failed.is_empty() {
        out.line(plural(summary.failed.len() as u64, "problem:", "problems:"))?;
        let mut table = Table::new([("", Align::Left), ("", Align::Left)]).indented("  ");
        for broken in &summary.failed {
            let line = broken.line.map_or(String::new(), |line| format!(", line {line}"));
            table.row([format!("{}{line}", clean(&broken.file)), clean(&broken.reason)]);
        }
        out.table(&table)?;
    }
    Ok(())
}
