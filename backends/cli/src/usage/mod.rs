//! `sessile usage`: what the work of a tenant, or of one project, cost.

mod groups;
mod runs;

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

/// What is summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    /// All runs of a project
    #[default]
    Project,
    /// Each run, and its change against the run of its session before it
    Run,
    /// The runs of a task
    Task,
    /// The runs that have a label; one with several counts for each
    Label,
    /// The runs of the sessions that somebody owns
    Actor,
}

impl By {
    const fn word(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Run => "run",
            Self::Task => "task",
            Self::Label => "label",
            Self::Actor => "actor",
        }
    }
}

/// Runs the command.
pub(crate) async fn run(out: &mut Out, scope: &Scope, address: &str, by: By) -> Result<Status> {
    let store = address::open(address).await?;
    let done = usage(out, scope, &scope.caller(&store, "reader")?, by).await;
    let closed = store.close().await;
    done?;
    closed?;
    Ok(Status::Fine)
}

async fn usage(out: &mut Out, scope: &Scope, reader: &Handle, by: By) -> Result<()> {
    let projects = lists::projects(reader, scope.project.as_deref()).await?;
    if let (true, Some(name)) = (projects.is_empty(), &scope.project) {
        return Err(Fail::input(format!("{} has no project {name:?}", scope.tenant)));
    }
    if by != By::Project {
        let mut all = Vec::new();
        for project in &projects {
            for thread in lists::threads(reader, project.id).await? {
                all.extend(runs::of_thread(reader, thread.id).await?);
            }
        }
        return if by == By::Run { runs::show(out, &all) } else { groups::show(out, &all, by) };
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
