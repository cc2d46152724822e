//! `sessile bench --delegation`: work that is handed on, in a store of SQLite, beside the bare engine and beside a store of ten
//! times as many sessions.
//!
//! | workload | one operation | of the bare engine |
//! | --- | --- | --- |
//! | `spawn` | a child with its edge and the marker in its parent's log, durably | 3 rows of 300 bytes in one transaction |
//! | `hand_off` | a session handed over, with all of that | 4 rows in one transaction |
//! | `summary` | an entry, and a summary of it, durably one after the other | 2 transactions of one row |
//! | `resume` | the 100 sessions of one thread that can be taken up again | 101 rows by index |
//! | `session_totals` | what a session's runs cost together | - |
//! | `task_totals` | what a task's runs cost together, in one thread | - |
//! | `project_totals` | what the runs of a project cost together, thread by thread | - |
//!
//! The session and its task have 10,000 runs, the project 1,000 threads. All three sides take turns; the figures are medians of 5
//! rounds. `ten_times` is the rate in the larger store over that in the smaller: it is about 1 where nothing grows with the
//! number of sessions in the store.

mod fixtures;

use std::path::Path;

use serde::Serialize;
use sessile::{Clock, SystemClock};

use super::{
    median, per_second,
    raw::sqlite::Sqlite,
    round,
    sizes::{ROUNDS, Sizes},
};
use crate::{
    address,
    fail::{Fail, Result},
    report::{Align, Out, Table, count},
};
use fixtures::Delegation;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amounts {
    /// Sessions of the smaller store that nothing is done with.
    pub(super) sessions: usize,
    /// Spawns, handoffs, summaries of a round.
    pub(super) writes: u64,
    /// Lists and totals of a round.
    pub(super) reads: u64,
    /// Runs of the session whose totals are asked for.
    pub(super) runs: usize,
    /// Threads of the project whose totals are asked for.
    pub(super) threads: usize,
}

impl Amounts {
    const QUICK: Self = Self { sessions: 200, writes: 20, reads: 5, runs: 200, threads: 20 };
    const FULL: Self =
        Self { sessions: 10_000, writes: 500, reads: 50, runs: 10_000, threads: 1000 };
}

/// One figure.
#[derive(Debug, Serialize)]
struct Figure {
    workload: &'static str,
    backend: &'static str,
    ops_per_s: f64,
    raw_ops_per_s: Option<f64>,
    ratio: Option<f64>,
    ten_times: f64,
}

/// Measures all of it.
pub(super) async fn run(out: &mut Out, quick: bool) -> Result<()> {
    let amounts = if quick { Amounts::QUICK } else { Amounts::FULL };
    let folder = tempfile::tempdir().map_err(Fail::io("cannot make a folder"))?;
    let ours = store(folder.path(), "ours", &amounts, amounts.sessions).await?;
    let large = store(folder.path(), "large", &amounts, amounts.sessions * 10).await?;
    let mut raw = Sqlite::new(folder.path().join("raw.db"), &Sizes::QUICK)?;
    let mut figures = Vec::new();
    /// All sides in turns.
    macro_rules! workload {
        ($name:literal, $do:ident, $n:expr, $raw:expr) => {{
            let (mut of_ours, mut of_large, mut of_raw) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                for (side, rates) in [(&ours, &mut of_ours), (&large, &mut of_large)] {
                    let prepared = side.prepare(stringify!($do), $n).await?;
                    let begin = SystemClock.elapsed();
                    side.$do(&prepared, $n).await?;
                    rates.push(per_second($n, begin));
                }
                let side: Option<fn(&mut Sqlite, u64) -> Result<u64>> = $raw;
                if let Some(side) = side {
                    let begin = SystemClock.elapsed();
                    of_raw.push(per_second(side(&mut raw, $n)?, begin));
                }
            }
            let (of_ours, of_large) = (median(of_ours), median(of_large));
            figures.push(show(out, $name, of_ours, of_large, median(of_raw))?);
        }};
    }
    let (writes, reads) = (amounts.writes, amounts.reads);
    workload!("spawn", spawn, writes, Some(|raw, n| raw.transactions(n, 3)));
    workload!("hand_off", hand_off, writes, Some(|raw, n| raw.transactions(n, 4)));
    workload!("summary", summary, writes, Some(|raw, n| { raw.transactions(2 * n, 1).map(|_| n) }));
    workload!("resume", resume, reads, Some(super::raw::Raw::list));
    workload!("session_totals", session_totals, reads, None);
    workload!("task_totals", task_totals, reads, None);
    workload!("project_totals", project_totals, reads.div_ceil(10), None);
    ours.close().await?;
    large.close().await?;
    if !out.json {
        print(out, &figures)?;
    }
    Ok(())
}

async fn store(folder: &Path, name: &str, amounts: &Amounts, more: usize) -> Result<Delegation> {
    let address = format!("sqlite:{}", folder.join(name).display());
    Delegation::fill(address::create(&address).await?, amounts, more).await
}

fn show(
    out: &mut Out,
    workload: &'static str,
    ours: Option<f64>,
    large: Option<f64>,
    raw: Option<f64>,
) -> Result<Figure> {
    let (ours, large) = (ours.unwrap_or_default(), large.unwrap_or_default());
    let figure = Figure {
        workload,
        backend: "sqlite",
        ops_per_s: round(ours, 10.0),
        raw_ops_per_s: raw.map(|raw| round(raw, 10.0)),
        ratio: raw.map(|raw| round(ours / raw.max(1e-9), 1000.0)),
        ten_times: round(large / ours.max(1e-9), 1000.0),
    };
    if out.json {
        out.value(&figure)?;
        out.flush()?;
    }
    Ok(figure)
}

fn print(out: &mut Out, figures: &[Figure]) -> Result<()> {
    let mut table = Table::new([
        ("workload", Align::Left),
        ("per second", Align::Right),
        ("bare engine", Align::Right),
        ("ratio", Align::Right),
        ("10 x the sessions", Align::Right),
    ]);
    let whole = |rate: f64| count(rate.round() as u64);
    for figure in figures {
        table.row([
            figure.workload.to_owned(),
            whole(figure.ops_per_s),
            figure.raw_ops_per_s.map_or("-".into(), whole),
            figure.ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
            format!("{:.2}", figure.ten_times),
        ]);
    }
    out.table(&table)
}
