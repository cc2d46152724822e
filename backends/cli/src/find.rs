//! Ids as people type them: whole, or any ending that only one of them has.

use std::fmt::Display;

use sessile::{
    Timestamp,
    command::{At, ThreadFilter, ThreadScope},
    handle::Handle,
    id::{EntryId, ProjectId, SessionId, ThreadId, WorkspaceId},
};

use crate::{
    fail::{Fail, Result},
    lists,
    report::clean,
};

/// Candidates that an error names, at most.
const NAMED: usize = 5;

/// The only one of these ids that ends so.
fn only<T: Display + Copy>(
    ids: impl IntoIterator<Item = T>,
    ending: &str,
    kind: &str,
) -> Result<T> {
    let mut found: Vec<T> = ids.into_iter().filter(|id| id.to_string().ends_with(ending)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(id), true) => Ok(id),
        (None, _) => {
            Err(Fail::input(format!("no {kind} has an id that ends with {}", clean(ending))))
        }
        (Some(last), false) => {
            found.push(last);
            let names: Vec<_> = found.iter().take(NAMED).map(ToString::to_string).collect();
            let more = if found.len() > NAMED { ", ..." } else { "" };
            Err(Fail::input(format!(
                "{} {kind}s have an id that ends with {}: {}{more}; give more of it",
                found.len(),
                clean(ending),
                names.join(", ")
            )))
        }
    }
}

async fn all_threads(reader: &Handle) -> Result<Vec<ThreadId>> {
    let rows = lists::threads(reader, ThreadFilter::of(ThreadScope::Tenant)).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// A session.
pub(crate) async fn session(reader: &Handle, text: &str) -> Result<SessionId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let mut sessions = Vec::new();
    for thread in all_threads(reader).await? {
        sessions.extend(lists::sessions(reader, thread).await?.into_iter().map(|row| row.id));
    }
    only(sessions, text, "session")
}

/// A thread.
pub(crate) async fn thread(reader: &Handle, text: &str) -> Result<ThreadId> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => only(all_threads(reader).await?, text, "thread"),
    }
}

/// An entry: of the threads whose id ends as what stands before its version.
pub(crate) async fn entry(reader: &Handle, text: &str) -> Result<EntryId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let (ending, version) = text.rsplit_once('_').unwrap_or(("", text));
    let mut entries = Vec::new();
    for thread in all_threads(reader).await? {
        let name = thread.to_string();
        let Some(bits) = name.strip_prefix("thd_").filter(|bits| bits.ends_with(ending)) else {
            continue;
        };
        if let Ok(id) = format!("msg_{bits}_{version}").parse::<EntryId>()
            && reader.entry(id).await?.is_some()
        {
            entries.push(id);
        }
    }
    only(entries, version, "entry")
}

/// A workspace.
pub(crate) async fn workspace(reader: &Handle, text: &str) -> Result<WorkspaceId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let mut workspaces = Vec::new();
    for thread in all_threads(reader).await? {
        workspaces.extend(reader.workspaces(thread).all().await?.into_iter().map(|it| it.id));
    }
    only(workspaces, text, "workspace")
}

/// A project, by its id or its name.
pub(crate) async fn project(reader: &Handle, text: &str) -> Result<ProjectId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let projects = lists::projects(reader, None).await?;
    match projects.iter().find(|project| project.name == text) {
        Some(project) => Ok(project.id),
        None => only(projects.iter().map(|project| project.id), text, "project"),
    }
}

/// A time, as RFC 3339 spells it: `2026-11-27T10:00:00Z`.
pub(crate) fn time(text: &str) -> Result<Timestamp> {
    let time: jiff::Timestamp = text.parse().map_err(|_| {
        Fail::input(format!("{} is no time: write it like 2026-11-27T10:00:00Z", clean(text)))
    })?;
    u64::try_from(time.as_millisecond())
        .map(Timestamp::from_millis)
        .map_err(|_| Fail::input(format!("{} is before 1970", clean(text))))
}

/// A version of a thread, or a time.
pub(crate) fn point(text: &str) -> Result<At> {
    match text.parse::<u64>() {
        Ok(version) => Ok(version.into()),
        Err(_) => time(text).map(Into::into),
    }
}
