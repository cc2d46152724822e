//! `sessile bench`: the store beside the bare engine, on this machine, in one run.
//!
//! | workload | one operation | of the bare engine |
//! | --- | --- | --- |
//! | `create_thread` | one thread in a project, durably | one write of 300 bytes under a new key, one flush |
//! | `append_1` | one writer appends an entry of 1 KiB, durably | one write of 1 KiB, one flush |
//! | `append_64` | the same by 64 writers at once, each in a session and thread of its own | 64 writers who wait for one thread, which commits what is queued in one transaction |
//! | `append_batch` | one of 64 entries of 1 KiB that one call appends, durably | 64 writes in one transaction, one flush |
//! | `tail_50` | the last 50 of a session's 10,000 entries | 50 rows backward by index |
//! | `list_100` | the 100 sessions of one thread among many threads | 101 rows by index |
//! | `open_thread` | a thread of 100 sessions, by a store that has nothing in memory | 101 rows of another thread by index |
//! | `open_store` | open and close a store of many sessions | open the database and ask one thing |
//!
//! Backends are `sqlite`, `disk`, `redb`, `object_store` and `memory`; beside `disk` are plain files, one a
//! thread, and 64 writers are 64 files flushed in parallel. Rounds of both sides take turns, so that a machine that slows down slows both; the figures are medians of 5 rounds,
//! the ratio is that of the medians. Memory is no engine to compare with: `raw_ops_per_s` and `ratio` are null, and
//! there is nothing to open. The store of objects is one in memory whose every request takes 20 ms, beside bare PUTs: it does
//! `append_1` and `append_64` only, and 64 writers beside one (`append_64_over_1`). The files are made in the temporary folder: point `TMPDIR` at the disk in question.
//!
//! Built with the feature `count-memory` it first counts the bytes of what is over: `ended_session`, `ended_run`. Every allocation is
//! counted then, so rates of such a build are worth less.

mod delegation;
#[cfg(feature = "count-memory")]
mod memory;
mod objects;
mod ours;
mod raw;
mod sizes;
mod workspaces;

use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;
use sessile::{Clock, SystemClock};

use crate::{
    Status, address,
    fail::{Fail, Result},
    report::{Align, Out, Table, count},
};
use ours::Ours;
use raw::Raw;
use sizes::{ROUNDS, Sizes};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    Sqlite,
    Disk,
    Redb,
    #[value(name = "object_store")]
    ObjectStore,
    Memory,
}

impl Backend {
    const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Disk => "disk",
            Self::Redb => "redb",
            Self::ObjectStore => "object_store",
            Self::Memory => "memory",
        }
    }

    /// The address of its store.
    fn address(self, folder: &Path) -> String {
        match self {
            Self::Memory => "memory:".into(),
            _ => format!("{}:{}", self.name(), folder.join("bench").display()),
        }
    }
}

/// One figure.
#[derive(Debug, Serialize)]
struct Figure {
    workload: &'static str,
    backend: &'static str,
    ops_per_s: f64,
    raw_ops_per_s: Option<f64>,
    ratio: Option<f64>,
}

/// Rounds of one workload.
struct Rounds {
    workload: &'static str,
    ours: Vec<f64>,
    raw: Vec<f64>,
}

impl Rounds {
    const fn of(workload: &'static str) -> Self {
        Self { workload, ours: Vec::new(), raw: Vec::new() }
    }

    /// The figure, at once if there is a line for each.
    fn show(self, out: &mut Out, backend: Backend) -> Result<Figure> {
        let figure = self.figure(backend.name());
        if out.json {
            out.value(&figure)?;
            out.flush()?;
        }
        Ok(figure)
    }

    fn figure(self, backend: &'static str) -> Figure {
        let (ours, raw) = (median(self.ours).unwrap_or_default(), median(self.raw));
        let ratio = raw.filter(|raw| *raw > 0.0).map(|raw| round(ours / raw, 1000.0));
        let raw_ops_per_s = raw.map(|raw| round(raw, 10.0));
        Figure {
            workload: self.workload,
            backend,
            ops_per_s: round(ours, 10.0),
            raw_ops_per_s,
            ratio,
        }
    }
}

/// What is measured other than backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// Each kind of workspace.
    Workspaces,
    /// Work that is handed on.
    Delegation,
}

/// Runs the command for something else, or for these backends, or for all of those.
pub(crate) async fn run(
    out: &mut Out,
    quick: bool,
    other: Option<Other>,
    backends: &[Backend],
) -> Result<Status> {
    match other {
        Some(Other::Workspaces) => workspaces::run(out, quick).await?,
        Some(Other::Delegation) => delegation::run(out, quick).await?,
        None => return run_backends(out, quick, backends).await,
    }
    Ok(Status::Fine)
}

async fn run_backends(out: &mut Out, quick: bool, backends: &[Backend]) -> Result<Status> {
    #[cfg(feature = "count-memory")]
    memory::run(out).await?;
    let sizes = if quick { Sizes::QUICK } else { Sizes::FULL };
    let all = Backend::value_variants();
    let mut figures = Vec::new();
    for backend in if backends.is_empty() { all } else { backends } {
        figures.extend(match backend {
            Backend::ObjectStore => objects::measure(out, &sizes).await?,
            _ => measure(out, *backend, &sizes).await?,
        });
    }
    if !out.json {
        print(out, &figures)?;
        let built = if cfg!(debug_assertions) {
            "a debug build: real figures need --release"
        } else {
            "a release build"
        };
        out.line(out.faint(&format!("medians of {ROUNDS} rounds in turns; {built}")))?;
    }
    Ok(Status::Fine)
}

async fn measure(out: &mut Out, backend: Backend, sizes: &Sizes) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir().map_err(Fail::io("cannot make a folder"))?;
    let address = backend.address(folder.path());
    let ours = Ours::fill(address::create(&address).await?, sizes).await?;
    let mut raw = raw::beside(backend, folder.path(), sizes)?;
    let mut figures = Vec::new();
    /// Both sides in turns.
    macro_rules! workload {
        ($name:literal, $ours:expr, $raw:expr) => {{
            let mut rounds = Rounds::of($name);
            for _ in 0..ROUNDS {
                let begin = SystemClock.elapsed();
                rounds.ours.push(per_second($ours.await?, begin));
                if let Some(raw) = &mut raw {
                    let begin = SystemClock.elapsed();
                    let side: fn(&mut dyn Raw, &Sizes) -> Result<u64> = $raw;
                    rounds.raw.push(per_second(side(&mut **raw, sizes)?, begin));
                }
            }
            figures.push(rounds.show(out, backend)?);
        }};
    }
    workload!("create_thread", ours.create(sizes.creates), |raw, s| raw.create(s.creates));
    workload!("append_1", ours.append(sizes.appends), |raw, s| raw.append(s.appends));
    workload!("append_64", ours.append_together(sizes.appends_each), |raw, s| raw
        .append_together(s.appends_each));
    workload!("append_batch", ours.append_batches(sizes.appends_each), |raw, s| raw
        .append_batches(s.appends_each));
    workload!("tail_50", ours.tail(sizes.reads), |raw, s| raw.tail(s.reads));
    workload!("list_100", ours.list(sizes.reads), |raw, s| raw.list(s.reads));
    workload!("open_thread", ours.open_threads(sizes.opens), |raw, s| raw.threads(s.opens));
    ours.store().close().await?;
    if raw.is_some() {
        let reopen = async || -> Result<u64> {
            for _ in 0..sizes.stores {
                address::open(&address).await?.close().await?;
            }
            Ok(sizes.stores)
        };
        workload!("open_store", reopen(), |raw, s| raw.open(s.stores));
    }
    Ok(figures)
}

#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(done: u64, begin: std::time::Duration) -> f64 {
    done as f64 / SystemClock.elapsed().saturating_sub(begin).as_secs_f64().max(1e-9)
}

fn median(mut rates: Vec<f64>) -> Option<f64> {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied()
}

fn round(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

fn print(out: &mut Out, figures: &[Figure]) -> Result<()> {
    let mut table = Table::new([
        ("workload", Align::Left),
        ("backend", Align::Left),
        ("per second", Align::Right),
        ("bare engine", Align::Right),
        ("ratio", Align::Right),
    ]);
    let whole = |rate: f64| count(rate.round() as u64);
    for figure in figures {
        table.row([
            figure.workload.to_owned(),
            figure.backend.to_owned(),
            whole(figure.ops_per_s),
            figure.raw_ops_per_s.map_or("-".into(), whole),
            figure.ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
        ]);
    }
    out.table(&table)
}
