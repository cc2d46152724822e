//! `sessile usage`: what the work of a tenant, or of one project, cost.

use std::collections::BTreeMap;

use serde::Serialize;
use sessile::{
    handle::Handle,
    model::{Currency, RollUp, Tokens},
};

use crate::{
    Status,
    address::{self, Scope},
    fail::{Fail, Result},
    lists,
    report::{Align, Out, Table, clean, count, money},
};

#[derive(Serialize)]
struct Sum {
    /// Millionths, per currency; never added across.
    cost: BTreeMap<Currency, u64>,
    tokens: Tokens,
    runs: u64,
    /// Those that tried another again.
    retries: u64,
}

/// Runs the command.
pub(crate) async fn run(out: &mut Out, scope: &Scope, address: &str) -> Result<Status> {
    let store = address::open(address).await?;
    let done = usage(out, scope, &scope.caller(&store, "reader")?).await;
    let closed = store.close().await;
    done?;
    closed?;
    Ok(Status::Fine)
}

async fn usage(out: &mut Out, scope: &Scope, reader: &Handle) -> Result<()> {
    let projects = lists::projects(reader, scope.project.as_deref()).await?;
    if let (true, Some(name)) = (projects.is_empty(), &scope.project) {
        return Err(Fail::input(format!("{} has no project {name:?}", scope.tenant)));
    }
    let mut sum = RollUp::default();
    let mut table = Table::new([
        ("project", Align::Left),
        ("runs", Align::Right),
        ("retries", Align::Right),
        ("calls", Align::Right),
        ("tokens in", Align::Right),
        ("out", Align::Right),
        ("cache read", Align::Right),
        ("written", Align::Right),
        ("cost", Align::Right),
    ]);
    for project in &projects {
        let usage = reader.project_usage(project.id).await?.roll_up;
        table.row(row(clean(&project.name), &usage));
        sum.add(&usage);
    }
    if out.json {
        let (runs, retries) = (sum.attempts, sum.retries());
        let totals = sum.totals.unwrap_or_default();
        return out.value(&Sum { cost: totals.cost, tokens: totals.tokens, runs, retries });
    }
    if projects.len() != 1 {
        table.row(row("all".into(), &sum));
    }
    out.table(&table)
}

fn row(name: String, usage: &RollUp) -> Vec<String> {
    let totals = usage.totals.as_ref();
    let number = |n: Option<u64>| n.map_or_else(|| "-".into(), count);
    let tokens = totals.map(|t| t.tokens);
    vec![
        name,
        count(usage.attempts),
        count(usage.retries()),
        number(totals.map(|t| t.calls)),
        number(tokens.map(|t| t.input)),
        number(tokens.map(|t| t.output)),
        number(tokens.map(|t| t.cache_read)),
        number(tokens.map(|t| t.cache_write)),
        money(totals),
    ]
}
