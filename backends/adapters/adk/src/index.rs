//! Which threads have a session of an id: ADK appends to an id without telling whose it is.
//!
//! Each session id is a thread of a project of its own; its state has the ids of the users' threads as keys. A key is set before
//! its session is created, confirmed after, and removed after the session was deleted: a crash may leave a key too many, so that
//! whoever reads it looks whether the session is there. A key too few is left by a creation alone that dies unacknowledged
//! while another deletes the session before it.

use adk_core::Result;
use sessile_core::{
    command::{NewProject, NewThread, StateChange},
    error::ErrorKind,
    handle::Handle,
    id::{ThreadId, Version},
    json::Json,
    model::Session,
};

use crate::error::failed;

/// The external id of the project with the index.
const INDEX: &str = "adk:sessions";

/// Notes that this thread is about to have a session of this id; answers the thread of the index.
pub(crate) async fn add(handle: &Handle, session: &str, thread: ThreadId) -> Result<ThreadId> {
    let project = NewProject::named(INDEX).with_external_id(INDEX);
    let project = handle.create_project(project).await.map_err(failed)?;
    let key = thread.to_string();
    let entry = NewThread::titled(INDEX).with_external_id(session).with_state(&key, mark()?);
    let entry = handle.create_thread(project, entry).await.map_err(failed)?;
    if handle.state(entry).await.map_err(failed)?.get(&key).is_none() {
        confirm(handle, entry, thread).await?;
    }
    Ok(entry)
}

/// Sets the key of a session that was created now. Its version rises, and a deletion of the session before it, which read the
/// key already, leaves it.
pub(crate) async fn confirm(handle: &Handle, entry: ThreadId, thread: ThreadId) -> Result<()> {
    let change = StateChange::set(thread.to_string(), mark()?);
    handle.set_state(entry, [change]).await.map(|_| ()).map_err(failed)
}

fn mark() -> Result<Json> {
    Json::parse("1").map_err(failed)
}

/// The thread of the index, and the version of this key in it, 0 without one.
pub(crate) async fn find(
    handle: &Handle,
    session: &str,
    thread: ThreadId,
) -> Result<Option<(ThreadId, Version)>> {
    let Some(entry) = entry(handle, session).await? else { return Ok(None) };
    let state = handle.state(entry).await.map_err(failed)?;
    Ok(Some((entry, state.version_of(&thread.to_string()))).filter(|(_, version)| *version > 0))
}

/// Forgets the thread, unless a session of the id was created in it since the key had this version.
pub(crate) async fn remove(
    handle: &Handle,
    (entry, version): (ThreadId, Version),
    thread: ThreadId,
) -> Result<()> {
    let change = StateChange::remove(thread.to_string()).expecting(version);
    match handle.set_state(entry, [change]).await {
        Err(error) if error.kind() != ErrorKind::Stale => Err(failed(error)),
        _ => Ok(()),
    }
}

/// All sessions of this id.
pub(crate) async fn sessions(handle: &Handle, session: &str) -> Result<Vec<Session>> {
    let Some(entry) = entry(handle, session).await? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for key in handle.state(entry).await.map_err(failed)?.values {
        let Ok(thread) = key.key.parse::<ThreadId>() else { continue };
        match handle.session_by_external_id(thread, session).await {
            Ok(it) => found.extend(it),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(found)
}

async fn entry(handle: &Handle, session: &str) -> Result<Option<ThreadId>> {
    let project = handle.project_by_external_id(INDEX).await.map_err(failed)?;
    let Some(project) = project else { return Ok(None) };
    let entry = handle.thread_by_external_id(project.id, session).await.map_err(failed)?;
    Ok(entry.map(|entry| entry.id))
}
