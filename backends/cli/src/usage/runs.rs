//! What each run used, and how that differs from the run of its session before it.

use std::collections::BTreeMap;

use serde::Serialize;
use sessile::{
    command::{MAX_PAGE, RunScope},
    handle::Handle,
    id::{RunId, SessionId, ThreadId},
    model::{Actor, Currency, RollUp, Run, RunStatus, Tokens, Totals},
};

use crate::{
    fail::Result,
    lists,
    report::{Align, Out, Table, clean, count, money},
};

/// A run, and who owns its session.
pub(super) struct Worked {
    pub(super) run: Run,
    pub(super) actor: Option<Actor>,
}

#[derive(Serialize)]
struct Row<'a> {
    run: RunId,
    session: SessionId,
    iteration: u32,
    task: Option<&'a str>,
    status: RunStatus,
    calls: u64,
    turns: u64,
    tokens: Tokens,
    cost: &'a BTreeMap<Currency, u64>,
    /// Absent for the first of a session.
    change: Option<Change>,
}

/// More or less than the run before, in percent of that; absent where that used nothing.
#[derive(Serialize)]
struct Change {
    tokens: Option<f64>,
    cost: BTreeMap<Currency, f64>,
}

#[derive(Serialize)]
struct Rows<'a> {
    by: &'static str,
    runs: Vec<Row<'a>>,
}

/// The runs of a thread, session by session, each in the order in which they began.
pub(super) async fn of_thread(reader: &Handle, thread: ThreadId) -> Result<Vec<Worked>> {
    let sessions = lists::sessions(reader, thread).await?;
    let actors: BTreeMap<SessionId, Option<Actor>> =
        sessions.into_iter().map(|row| (row.id, row.actor)).collect();
    let runs = reader.runs(RunScope::Thread(thread)).page_size(MAX_PAGE).all().await?;
    let actor = |run: &Run| actors.get(&run.session).cloned().flatten();
    let mut worked: Vec<_> =
        runs.into_iter().map(|run| Worked { actor: actor(&run), run }).collect();
    worked.sort_by_key(|it| (it.run.session, it.run.iteration));
    Ok(worked)
}

/// What one run used, as a sum.
pub(super) fn of_run(run: &Run) -> RollUp {
    let mut sum = RollUp::default();
    sum.attempts = 1;
    sum.iterations = u64::from(run.retry_of.is_none());
    sum.totals = (run.usage.calls > 0).then(|| run.usage.clone());
    sum
}

fn tokens(totals: &Totals) -> u64 {
    let Tokens { input, output, cache_read, cache_write } = totals.tokens;
    [input, output, cache_read, cache_write].into_iter().fold(0, u64::saturating_add)
}

#[allow(clippy::cast_precision_loss, reason = "for display; the exact numbers stand beside it")]
fn percent(before: u64, now: u64) -> Option<f64> {
    (before > 0).then(|| (now as f64 - before as f64) * 100.0 / before as f64)
}

fn change(before: &Totals, now: &Totals) -> Change {
    let cost = before.cost.iter().filter_map(|(currency, micro)| {
        let now = now.cost.get(currency).copied().unwrap_or(0);
        Some((currency.clone(), percent(*micro, now)?))
    });
    Change { tokens: percent(tokens(before), tokens(now)), cost: cost.collect() }
}

/// Millionths on average, in words.
pub(super) fn micro(each: f64, currency: &Currency) -> String {
    format!("{:.6} {currency}", each / 1e6)
}

pub(super) fn show(out: &mut Out, runs: &[Worked]) -> Result<()> {
    let before = std::iter::once(None).chain(runs.iter().map(Some));
    let rows = runs.iter().zip(before).map(|(Worked { run, .. }, before)| {
        let before = before.map(|it| &it.run).filter(|it| it.session == run.session);
        Row {
            run: run.id,
            session: run.session,
            iteration: run.iteration,
            task: run.task.as_deref(),
            status: run.status,
            calls: run.usage.calls,
            turns: run.usage.turns,
            tokens: run.usage.tokens,
            cost: &run.usage.cost,
            change: before.map(|before| change(&before.usage, &run.usage)),
        }
    });
    let rows: Vec<_> = rows.collect();
    if out.json {
        return out.value(&Rows { by: "run", runs: rows });
    }
    let mut table = Table::new([
        ("run", Align::Left),
        ("task", Align::Left),
        ("iteration", Align::Right),
        ("status", Align::Left),
        ("calls", Align::Right),
        ("tokens in", Align::Right),
        ("out", Align::Right),
        ("cache read", Align::Right),
        ("written", Align::Right),
        ("change", Align::Right),
        ("cost", Align::Right),
        ("change", Align::Right),
    ]);
    for (row, Worked { run, .. }) in rows.iter().zip(runs) {
        let signed = |percent: &f64| format!("{percent:+.1}%");
        let of_tokens = row.change.as_ref().and_then(|it| it.tokens.as_ref()).map(signed);
        let of_cost = row.change.iter().flat_map(|it| it.cost.values()).map(signed);
        let of_cost: Vec<_> = of_cost.collect();
        table.row([
            row.run.to_string(),
            row.task.map_or_else(|| "-".into(), clean),
            row.iteration.to_string(),
            row.status.to_string(),
            count(row.calls),
            count(row.tokens.input),
            count(row.tokens.output),
            count(row.tokens.cache_read),
            count(row.tokens.cache_write),
            of_tokens.unwrap_or_else(|| "-".into()),
            money(Some(&run.usage)),
            if of_cost.is_empty() { "-".into() } else { of_cost.join(" ") },
        ]);
    }
    out.table(&table)
}
