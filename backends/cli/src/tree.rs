//! `sessile tree`: projects, threads and sessions, one under the other.
//!
//! With `--json` one document: `{"projects": [{..., "threads": [{..., "sessions": [{..., "edge", "usage",
//! "children": [...]}]}]}]}`, the fields of each as the store has them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sessile::{
    command::{Paging, UsageScope},
    handle::Handle,
    id::SessionId,
    model::{Project, SessionRow, SubSession, SubSessionKind, Summary, ThreadRow, Totals},
};

use crate::{
    Status,
    address::{self, Scope},
    fail::{Fail, Result},
    lists,
    report::{Align, Out, Table, clean, count, money, plural, short},
};

#[derive(Serialize)]
struct Tree {
    projects: Vec<ProjectNode>,
}

#[derive(Serialize)]
struct ProjectNode {
    #[serde(flatten)]
    project: Project,
    threads: Vec<ThreadNode>,
}

#[derive(Serialize)]
struct ThreadNode {
    #[serde(flatten)]
    thread: ThreadRow,
    sessions: Vec<SessionNode>,
}

#[derive(Serialize)]
struct SessionNode {
    #[serde(flatten)]
    session: SessionRow,
    edge: Option<SubSession>,
    /// What it came to.
    summary: Option<Summary>,
    usage: Option<Totals>,
    children: Vec<SessionNode>,
}

/// Runs the command.
pub(crate) async fn run(out: &mut Out, scope: &Scope, address: &str) -> Result<Status> {
    let store = address::open(address).await?;
    let tree = read(&scope.caller(&store, "reader")?, scope.project.as_deref()).await;
    let closed = store.close().await;
    let tree = tree?;
    closed?;
    if let (true, Some(name)) = (tree.projects.is_empty(), &scope.project) {
        return Err(Fail::input(format!("{} has no project {name:?}", scope.tenant)));
    }
    if out.json {
        out.value(&tree)?;
    } else {
        print(out, &tree, &scope.tenant)?;
    }
    Ok(Status::Fine)
}

/// Prints the tree of a store that is open already.
pub(crate) async fn show(out: &mut Out, reader: &Handle) -> Result<()> {
    print(out, &read(reader, None).await?, &reader.caller().tenant)
}

async fn read(reader: &Handle, project: Option<&str>) -> Result<Tree> {
    let mut projects = Vec::new();
    for project in lists::projects(reader, project).await? {
        let mut threads = Vec::new();
        for thread in lists::threads(reader, project.id).await? {
            let rows = lists::sessions(reader, thread.id).await?;
            let mut nodes = Vec::with_capacity(rows.len());
            let parents: BTreeSet<SessionId> = rows.iter().filter_map(|row| row.parent).collect();
            let mut edges = BTreeMap::new();
            for parent in parents {
                edges.append(&mut edges_below(reader, parent).await?);
            }
            for session in rows {
                let usage = reader.usage(UsageScope::Session(session.id)).await?.totals;
                let edge = edges.remove(&session.id);
                let summary = match edge.as_ref().and_then(|edge| edge.summary) {
                    Some(summary) => reader.summary(summary).await?,
                    None => None,
                };
                let children = Vec::new();
                nodes.push(SessionNode { session, edge, summary, usage, children });
            }
            threads.push(ThreadNode { thread, sessions: nest(nodes) });
        }
        projects.push(ProjectNode { project, threads });
    }
    Ok(Tree { projects })
}

async fn edges_below(
    reader: &Handle,
    parent: SessionId,
) -> Result<BTreeMap<SessionId, SubSession>> {
    let mut edges = BTreeMap::new();
    let mut after = None;
    loop {
        let page = reader.children(parent).page(Paging::first(1000).after(after)).await?;
        edges.extend(page.items.into_iter().map(|edge| (edge.child, edge)));
        after = page.next;
        if after.is_none() {
            return Ok(edges);
        }
    }
}

/// Puts children under their parents, deepest first, each generation in creation order.
fn nest(nodes: Vec<SessionNode>) -> Vec<SessionNode> {
    let known: BTreeSet<SessionId> = nodes.iter().map(|n| n.session.id).collect();
    let mut levels: BTreeMap<u32, Vec<SessionNode>> = BTreeMap::new();
    for node in nodes {
        levels.entry(node.session.depth).or_default().push(node);
    }
    let mut below: BTreeMap<SessionId, Vec<SessionNode>> = BTreeMap::new();
    let mut roots = Vec::new();
    for (_, level) in levels.into_iter().rev() {
        for mut node in level {
            node.children = below.remove(&node.session.id).unwrap_or_default();
            match node.session.parent.filter(|parent| known.contains(parent)) {
                Some(parent) => below.entry(parent).or_default().push(node),
                None => roots.push(node),
            }
        }
    }
    roots.sort_by_key(|node| node.session.id);
    roots
}

fn print(out: &mut Out, tree: &Tree, tenant: &sessile::id::TenantId) -> Result<()> {
    if tree.projects.is_empty() {
        return out.line(format!("tenant {tenant} has no projects here"));
    }
    for (i, node) in tree.projects.iter().enumerate() {
        if i > 0 {
            out.line("")?;
        }
        let project = &node.project;
        out.line(format!(
            "{}  {}",
            out.strong(&named("project", &project.name)),
            out.faint(&format!("{}  {}", project.id, project.status)),
        ))?;
        for node in &node.threads {
            thread(out, node)?;
        }
    }
    Ok(())
}

fn thread(out: &mut Out, node: &ThreadNode) -> Result<()> {
    let thread = &node.thread;
    out.line("")?;
    let sessions = plural(thread.sessions, "session", "sessions");
    let head =
        format!("{}  {}, {sessions}, {} records", thread.id, thread.status, count(thread.head));
    out.line(format!("  {}  {}", out.strong(&named("thread", &thread.title)), out.faint(&head)))?;
    let linked = node.sessions.iter().any(|s| !s.children.is_empty() || s.edge.is_some());
    let mut table = Table::new([
        ("session", Align::Left),
        ("status", Align::Left),
        (if linked { "edge" } else { "" }, Align::Left),
        ("entries", Align::Right),
        ("tokens in", Align::Right),
        ("out", Align::Right),
        ("cost", Align::Right),
        ("id", Align::Left),
    ])
    .indented("  ");
    for node in &node.sessions {
        session(&mut table, node, "", "");
    }
    if !node.sessions.is_empty() {
        out.table(&table)?;
    }
    Ok(())
}

fn session(table: &mut Table, node: &SessionNode, before: &str, below: &str) {
    let row = &node.session;
    let name = row.name.as_deref().unwrap_or("(no name)");
    let purpose = node.edge.as_ref().and_then(|edge| edge.purpose.as_deref());
    let purpose = purpose.map_or(String::new(), |purpose| format!(": {}", clean(purpose)));
    let tokens =
        |pick: fn(&Totals) -> u64| node.usage.as_ref().map_or("-".into(), |t| count(pick(t)));
    let came_to = node
        .summary
        .as_ref()
        .and_then(|it| it.content.as_ref())
        .map_or(String::new(), |it| format!(" → {}: {}", it.outcome, clean(&it.agent_summary)));
    table.row([
        short(&format!("{before}{}{purpose}{came_to}", clean(name)), 60),
        row.status.to_string(),
        node.edge.as_ref().map_or(String::new(), |edge| {
            let kind = match edge.kind {
                SubSessionKind::UserHandoff if edge.broadcast.is_some() => ", asked with others",
                SubSessionKind::UserHandoff => ", handed over",
                SubSessionKind::Intervention => ", intervention",
                _ => "",
            };
            format!("{}{kind}", edge.status)
        }),
        count(row.entries),
        tokens(|t| t.tokens.input),
        tokens(|t| t.tokens.output),
        money(node.usage.as_ref()),
        row.id.to_string(),
    ]);
    let last = node.children.len().saturating_sub(1);
    for (i, child) in node.children.iter().enumerate() {
        let (branch, trunk) = if i == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        session(table, child, &format!("{below}{branch}"), &format!("{below}{trunk}"));
    }
}

fn named(kind: &str, name: &str) -> String {
    if name.is_empty() { format!("{kind} (no name)") } else { format!("{kind} {}", clean(name)) }
}
