//! `sessile resume`: the sessions that can be taken up again, those that were written to last first.
//!
//! With `--json` one document: `{"sessions": [{"thread", "title", ..., "awaits", "note"}]}`, the fields of each as the store has
//! them, and the text of the note.

use serde::Serialize;
use sessile::{
    handle::Handle,
    id::ThreadId,
    model::{Awaited, Content, Resumable},
};

use crate::{
    Status,
    address::{self, Scope},
    fail::{Fail, Result},
    lists,
    report::{Align, Out, Table, clean, plural, short, stamp},
};

#[derive(Serialize)]
struct Row {
    thread: ThreadId,
    title: String,
    #[serde(flatten)]
    session: Resumable,
    /// What the note says.
    says: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(out: &mut Out, scope: &Scope, address: &str) -> Result<Status> {
    let store = address::open(address).await?;
    let rows = read(&scope.caller(&store, "reader")?, scope.project.as_deref()).await;
    let closed = store.close().await;
    let rows = rows?;
    closed?;
    if out.json {
        out.value(&serde_json::json!({ "sessions": rows }))?;
    } else {
        print(out, &rows)?;
    }
    Ok(Status::Fine)
}

async fn read(reader: &Handle, project: Option<&str>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let projects = lists::projects(reader, project).await?;
    if let (true, Some(name)) = (projects.is_empty(), project) {
        return Err(Fail::input(format!("there is no project {name:?}")));
    }
    for project in projects {
        for thread in lists::threads(reader, project.id).await? {
            for session in reader.resumable(thread.id).all().await? {
                let note = match session.note {
                    Some(note) => reader.entry(note).await?.and_then(|entry| entry.content),
                    None => None,
                };
                let says = match note {
                    Some(Content::Note { note, .. }) => Some(note.to_string()),
                    _ => None,
                };
                let (id, title) = (thread.id, thread.title.clone());
                rows.push(Row { thread: id, title, session, says });
            }
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.session.updated_at));
    Ok(rows)
}

/// What a session waits for, in a few words.
fn awaits(session: &Resumable) -> String {
    let mut words: Vec<String> = Vec::new();
    for awaited in &session.awaits {
        words.push(match awaited {
            Awaited::Turn(_) => "a run's turn".into(),
            Awaited::Person(_) => "a person".into(),
            Awaited::Resolution(_) => "taking up an answer".into(),
            Awaited::SubSessions { edges, .. } => {
                plural(edges.len() as u64, "sub-session", "sub-sessions")
            }
            Awaited::Recipients(edges) => plural(edges.len() as u64, "recipient", "recipients"),
            _ => "whoever ran it".into(),
        });
    }
    words.dedup();
    if words.is_empty() { "whoever goes on".into() } else { words.join(", ") }
}

fn print(out: &mut Out, rows: &[Row]) -> Result<()> {
    if rows.is_empty() {
        return out.line("nothing to take up again");
    }
    let mut table = Table::new([
        ("session", Align::Left),
        ("thread", Align::Left),
        ("waits for", Align::Left),
        ("note", Align::Left),
        ("last written", Align::Left),
        ("id", Align::Left),
    ]);
    for row in rows {
        let name = row.session.name.as_deref().unwrap_or("(no name)");
        let says = row.says.as_deref().and_then(|says| says.lines().next()).unwrap_or_default();
        table.row([
            short(&clean(name), 30),
            short(&clean(&row.title), 30),
            awaits(&row.session),
            short(&clean(says), 40),
            stamp(row.session.updated_at),
            row.session.session.to_string(),
        ]);
    }
    out.table(&table)
}
