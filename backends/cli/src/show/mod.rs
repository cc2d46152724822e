//! `sessile show`: one thing by its id.
//!
//! With `--json` one document: the thing itself, a thread with its `state`; a session as
//! `{"session", "state", "entries": [...]}`, every message and value whole.

pub(crate) mod message;
mod state;

use serde::Serialize;
use sessile::{
    Error,
    command::{Paging, RunScope, UsageScope},
    error::Subject,
    handle::Handle,
    id::{CollapseId, EntryId, ProjectId, RunId, SessionId, SubSessionId, ThreadId},
    model::{Actor, BudgetUse, KeyedState, Labels, RollUp, Run, Thread},
};

use crate::{
    Status,
    address::{self, Scope},
    fail::{Fail, Result},
    find,
    report::{Align, Out, Table, clean, coins, count, encode, money, plural, stamp},
};

/// A thread as programs read it.
#[derive(Serialize)]
struct WithState<'a> {
    #[serde(flatten)]
    thread: &'a Thread,
    state: &'a KeyedState,
}

enum Id {
    Project(ProjectId),
    Thread(ThreadId),
    Session(SessionId),
    Entry(EntryId),
    Run(RunId),
    Edge(SubSessionId),
    Collapse(CollapseId),
}

impl Id {
    /// A whole id; or the ending of a session's, a thread's, a project's or an entry's, whichever has one first.
    async fn find(reader: &Handle, text: &str) -> Result<Self> {
        Ok(match text.split_once('_').map(|(kind, _)| kind) {
            Some("prj") => Self::Project(text.parse()?),
            Some("thd") => Self::Thread(text.parse()?),
            Some("ses") => Self::Session(text.parse()?),
            Some("msg") => Self::Entry(text.parse()?),
            Some("run") => Self::Run(text.parse()?),
            Some("sub") => Self::Edge(text.parse()?),
            Some("col") => Self::Collapse(text.parse()?),
            _ => {
                if let Ok(id) = find::session(reader, text).await {
                    return Ok(Self::Session(id));
                }
                if let Ok(id) = find::thread(reader, text).await {
                    return Ok(Self::Thread(id));
                }
                if let Ok(id) = find::project(reader, text).await {
                    return Ok(Self::Project(id));
                }
                let entry = find::entry(reader, text).await;
                Self::Entry(entry.map_err(|_| {
                    Fail::input(format!(
                        "{text:?} is no id and no ending of one: ids begin with prj_, thd_, ses_, msg_, run_, sub_ or col_"
                    ))
                })?)
            }
        })
    }
}

/// Runs the command.
pub(crate) async fn run(out: &mut Out, scope: &Scope, address: &str, id: &str) -> Result<Status> {
    let store = address::open(address).await?;
    let reader = scope.caller(&store, "reader")?;
    let done = async {
        let id = Id::find(&reader, id).await?;
        show(out, &reader, id).await
    };
    let done = done.await;
    let closed = store.close().await;
    done?;
    closed?;
    Ok(Status::Fine)
}

async fn show(out: &mut Out, reader: &Handle, id: Id) -> Result<()> {
    match id {
        Id::Project(id) => {
            let found = there(reader.project(id).await?, id)?;
            if out.json {
                return out.value(&found);
            }
            let usage = reader.project_usage(id).await?;
            let caps = &found.config;
            let mut facts = vec![
                ("project", clean(&found.name)),
                ("id", id.to_string()),
                ("external id", external_id(found.external_id.as_deref())),
                ("status", found.status.to_string()),
                (
                    "caps",
                    format!(
                        "depth {}, width {}",
                        caps.max_delegation_depth, caps.max_delegation_width
                    ),
                ),
                ("budget", budget(found.budget.as_ref())),
                ("threads", count(usage.heads.len() as u64)),
                ("created", stamp(found.created_at)),
            ];
            facts.extend(cost(&usage.roll_up));
            list(out, facts)
        }
        Id::Thread(id) => {
            let found = there(reader.thread(id).await?, id)?;
            let state = reader.state(id).await?;
            if out.json {
                return out.value(&WithState { thread: &found, state: &state });
            }
            let usage = reader.usage(UsageScope::Thread(id)).await?;
            let mut facts = vec![
                ("thread", clean(&found.title)),
                ("id", id.to_string()),
                ("external id", external_id(found.external_id.as_deref())),
                ("project", found.project.to_string()),
                ("status", found.status.to_string()),
                (
                    "created",
                    format!("{} by {}", stamp(found.created_at), author(found.created_by.as_ref())),
                ),
                ("updated", stamp(found.updated_at)),
                ("head", count(found.head)),
                ("sessions", count(found.sessions)),
                ("labels", labels(&found.labels)),
                ("budget", budget(found.budget.as_ref())),
            ];
            facts.extend(cost(&usage));
            list(out, facts)?;
            state::print(out, &state)
        }
        Id::Session(id) => session(out, reader, id).await,
        Id::Entry(id) => {
            let found = there(reader.entry(id).await?, id)?;
            if out.json {
                return out.value(&found);
            }
            list(out, vec![("session", found.session.to_string())])?;
            message::print(out, &found, None)
        }
        Id::Run(id) => {
            let found = there(reader.run(id).await?, id)?;
            if out.json {
                return out.value(&found);
            }
            run_facts(out, &found)
        }
        Id::Collapse(id) => {
            let found = there(reader.collapse(id).await?, id)?;
            if out.json {
                return out.value(&found);
            }
            list(
                out,
                vec![
                    ("collapse", id.to_string()),
                    ("status", format!("{}, {}", found.status, found.autonomy)),
                    ("of", format!("{} as of version {}", found.child, count(found.upto))),
                    ("into", found.parent.to_string()),
                    ("entry", found.entry.map_or("-".into(), |entry| entry.to_string())),
                    (
                        "created",
                        format!("{} by {}", stamp(found.at), author(found.created_by.as_ref())),
                    ),
                    ("text", found.text.as_deref().map_or("(erased)".into(), clean)),
                ],
            )
        }
        Id::Edge(id) => {
            let found = there(reader.edge(id).await?, id)?;
            if out.json {
                return out.value(&found);
            }
            list(
                out,
                vec![
                    ("edge", id.to_string()),
                    ("parent", found.parent.to_string()),
                    ("child", found.child.to_string()),
                    ("status", found.status.to_string()),
                    ("purpose", found.purpose.as_deref().map_or("-".into(), clean)),
                    ("spawned by", author(found.spawned_by.as_ref())),
                    ("run", found.spawned_by_run.map_or("-".into(), |run| run.to_string())),
                    ("created", stamp(found.created_at)),
                ],
            )
        }
    }
}

fn there<T>(found: Option<T>, id: impl Into<Subject>) -> Result<T> {
    Ok(found.ok_or_else(|| Error::not_found(id))?)
}

/// A budget, and what is used of it.
fn budget(used: Option<&BudgetUse>) -> String {
    let Some(BudgetUse { budget, spent, reserved, .. }) = used else { return "-".into() };
    let of = |spent: String, reserved: Option<String>, limit: String| {
        let reserved = reserved.map(|it| format!(" and {it} reserved")).unwrap_or_default();
        format!("{spent}{reserved} of {limit}")
    };
    let is_some = |number: &u64| *number > 0;
    let tokens = budget.tokens.map(|limit| {
        let reserved = Some(reserved.tokens).filter(is_some).map(count);
        of(count(spent.tokens), reserved, format!("{} tokens", count(limit)))
    });
    let cost = budget.cost.as_ref().map(|limit| {
        let coins = |micro| coins(micro, &limit.currency);
        let reserved = Some(reserved.micro).filter(is_some).map(coins);
        of(coins(spent.micro), reserved, coins(limit.micro))
    });
    let both: Vec<_> = tokens.into_iter().chain(cost).collect();
    both.join(", ")
}

/// Writes a session's log page by page, as it may be larger than memory.
fn external_id(text: Option<&str>) -> String {
    text.map_or_else(|| "-".to_owned(), clean)
}

async fn session(out: &mut Out, reader: &Handle, id: SessionId) -> Result<()> {
    let drill = there(reader.drill(id).await?, id)?;
    let session = &drill.session;
    let state = reader.state(id).await?;
    if out.json {
        let (session, state) = (encode(session)?, encode(&state)?);
        out.raw(&format!("{{\"session\":{session},\"state\":{state},\"entries\":["))?;
    } else {
        let usage = reader.usage(UsageScope::Session(id)).await?;
        let owner = session.current_actor.as_ref().map_or("-".into(), |actor| clean(actor.name()));
        let parent = drill.ancestry.iter().rev().nth(1);
        let mut facts = vec![
            ("session", session.name.as_deref().map_or("(no name)".into(), clean)),
            ("id", id.to_string()),
            ("external id", external_id(session.external_id.as_deref())),
            ("thread", session.thread.to_string()),
            ("status", session.status.to_string()),
            ("owner", owner),
            ("task", session.task.as_deref().map_or("-".into(), clean)),
            ("labels", labels(&session.labels)),
            ("parent", parent.map_or("-".into(), ToString::to_string)),
            ("children", count(drill.children.len() as u64)),
            ("created", stamp(session.created_at)),
            ("updated", stamp(session.updated_at)),
            ("entries", count(session.entries)),
            ("budget", budget(session.budget.as_ref())),
        ];
        facts.extend(session.workspace.map(|id| ("workspace", id.to_string())));
        facts.extend(cost(&usage));
        list(out, facts)?;
        state::print(out, &state)?;
        runs(out, reader, id).await?;
    }
    let mut after = None;
    let mut first = true;
    loop {
        let page = reader.entries(id).page(Paging::default().after(after)).await?;
        for entry in &page.items {
            if out.json {
                out.raw(if first { "" } else { "," })?;
                out.raw(&encode(entry)?)?;
            } else {
                message::print(out, entry, Some(message::LINES))?;
            }
            first = false;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if out.json { out.line("]}") } else { Ok(()) }
}

async fn runs(out: &mut Out, reader: &Handle, session: SessionId) -> Result<()> {
    let page = reader.runs(RunScope::Session(session)).page(Default::default()).await?;
    if page.items.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        ("run", Align::Left),
        ("status", Align::Left),
        ("tokens in", Align::Right),
        ("out", Align::Right),
        ("cost", Align::Right),
    ])
    .indented("  ");
    for run in &page.items {
        table.row([
            run.id.to_string(),
            run.status.to_string(),
            count(run.usage.tokens.input),
            count(run.usage.tokens.output),
            money(Some(&run.usage)),
        ]);
    }
    out.line("")?;
    out.table(&table)?;
    if page.next.is_some() { out.line("  …") } else { Ok(()) }
}

fn run_facts(out: &mut Out, run: &Run) -> Result<()> {
    let ended = run.ended_at.map_or("-".into(), stamp);
    let outcome = match &run.outcome {
        Some(outcome) => clean(&outcome.to_string()),
        None => run.status.to_string(),
    };
    list(
        out,
        vec![
            ("run", run.id.to_string()),
            ("session", run.session.to_string()),
            ("iteration", count(run.iteration.into())),
            ("retry of", run.retry_of.map_or("-".into(), |of| of.to_string())),
            ("task", run.task.as_deref().map_or("-".into(), clean)),
            ("external id", clean(&run.external_id)),
            ("status", outcome),
            ("started", stamp(run.started_at)),
            ("ended", ended),
            (
                "tokens",
                format!(
                    "{} in, {} out",
                    count(run.usage.tokens.input),
                    count(run.usage.tokens.output)
                ),
            ),
            ("cost", money(Some(&run.usage))),
        ],
    )
}

fn cost(usage: &RollUp) -> Vec<(&'static str, String)> {
    let runs = plural(usage.attempts, "run", "runs");
    let Some(totals) = &usage.totals else {
        return vec![("usage", format!("{runs}, none booked"))];
    };
    let tokens = format!("{} in, {} out", count(totals.tokens.input), count(totals.tokens.output));
    vec![("usage", format!("{runs}, tokens {tokens}")), ("cost", money(Some(totals)))]
}

/// An erased name is shown as none.
fn author(actor: Option<&Actor>) -> String {
    actor.map_or("-".into(), |actor| clean(actor.name()))
}

fn labels(labels: &Labels) -> String {
    let pairs: Vec<_> = labels.iter().map(|(k, v)| format!("{}={}", clean(k), clean(v))).collect();
    if pairs.is_empty() { "-".into() } else { pairs.join(", ") }
}

fn list(out: &mut Out, facts: Vec<(&'static str, String)>) -> Result<()> {
    let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
    for (name, value) in facts {
        table.row([name.to_owned(), value]);
    }
    out.table(&table)
}
