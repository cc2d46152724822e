//! Whole lists, in memory.

use sessile::{
    Result,
    command::{MAX_PAGE, ThreadFilter},
    handle::Handle,
    id::ThreadId,
    model::{Project, SessionRow, ThreadRow},
};

/// The tenant's projects, or those of one name.
pub(crate) async fn projects(reader: &Handle, name: Option<&str>) -> Result<Vec<Project>> {
    let mut projects = reader.projects().page_size(MAX_PAGE).all().await?;
    projects.retain(|p| name.is_none_or(|name| p.name == name));
    Ok(projects)
}

/// The threads of a project, or of the tenant.
pub(crate) async fn threads(
    reader: &Handle,
    of: impl Into<ThreadFilter>,
) -> Result<Vec<ThreadRow>> {
    reader.threads(of).page_size(MAX_PAGE).all().await
}

/// The sessions of a thread.
pub(crate) async fn sessions(reader: &Handle, thread: ThreadId) -> Result<Vec<SessionRow>> {
    reader.sessions(thread).page_size(MAX_PAGE).all().await
}
