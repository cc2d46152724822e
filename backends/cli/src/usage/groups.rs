//! What runs used, summed up by task, label or actor.

use std::collections::BTreeMap;

use serde::Serialize;
use sessile::model::{Currency, RollUp, Tokens};

use super::{
    By,
    runs::{Worked, micro, of_run},
};
use crate::{
    fail::Result,
    report::{Align, Out, Table, clean, count, money},
};

/// What the runs of one name used.
#[derive(Serialize)]
struct Group {
    /// Absent for the runs that name none.
    name: Option<String>,
    runs: u64,
    retries: u64,
    calls: u64,
    turns: u64,
    tokens: Tokens,
    cost: BTreeMap<Currency, u64>,
    per_run: PerRun,
}

#[derive(Serialize)]
struct PerRun {
    tokens: f64,
    turns: f64,
    /// Millionths, per currency.
    cost: BTreeMap<Currency, f64>,
}

#[derive(Serialize)]
struct Groups {
    by: By,
    groups: Vec<Group>,
}

/// The names that a run counts for; one that names none counts for `None`.
fn names(worked: &Worked, by: By) -> Vec<Option<String>> {
    let run = &worked.run;
    match by {
        By::Task => vec![run.task.clone()],
        By::Actor => vec![worked.actor.as_ref().map(|actor| actor.name().to_owned())],
        By::Label => {
            let labels = run.labels.iter().map(|(key, value)| Some(format!("{key}={value}")));
            let labels: Vec<_> = labels.collect();
            if labels.is_empty() { vec![None] } else { labels }
        }
        By::Project | By::Run => Vec::new(),
    }
}

pub(super) fn show(out: &mut Out, runs: &[Worked], by: By) -> Result<()> {
    let mut sums: BTreeMap<Option<String>, RollUp> = BTreeMap::new();
    for worked in runs {
        for name in names(worked, by) {
            sums.entry(name).or_default().add(&of_run(&worked.run));
        }
    }
    if out.json {
        let groups = sums.into_iter().map(|(name, sum)| group(name, &sum)).collect();
        return out.value(&Groups { by, groups });
    }
    let mut table = Table::new([
        (by.word(), Align::Left),
        ("runs", Align::Right),
        ("retries", Align::Right),
        ("calls", Align::Right),
        ("tokens in", Align::Right),
        ("out", Align::Right),
        ("cache read", Align::Right),
        ("written", Align::Right),
        ("cost", Align::Right),
        ("tokens a run", Align::Right),
        ("cost a run", Align::Right),
    ]);
    for (name, sum) in &sums {
        let group = group(name.clone(), sum);
        let cost = group.per_run.cost.iter();
        let cost: Vec<_> = cost.map(|(currency, each)| micro(*each, currency)).collect();
        table.row([
            name.as_deref().map_or_else(|| "-".into(), clean),
            count(group.runs),
            count(group.retries),
            count(group.calls),
            count(group.tokens.input),
            count(group.tokens.output),
            count(group.tokens.cache_read),
            count(group.tokens.cache_write),
            money(sum.totals.as_ref()),
            format!("{:.1}", group.per_run.tokens),
            if cost.is_empty() { "-".into() } else { cost.join(" + ") },
        ]);
    }
    out.table(&table)
}

fn group(name: Option<String>, sum: &RollUp) -> Group {
    let totals = sum.totals.clone().unwrap_or_default();
    let each = sum.per_run();
    let cost = totals.cost.keys();
    let cost = cost.map(|it| (it.clone(), sum.cost_per_attempt(it).value())).collect();
    Group {
        name,
        runs: sum.attempts,
        retries: sum.retries(),
        calls: totals.calls,
        turns: totals.turns,
        tokens: totals.tokens,
        cost: totals.cost,
        per_run: PerRun { tokens: each.tokens.value(), turns: each.turns.value(), cost },
    }
}
