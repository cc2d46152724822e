//! Whole lists, page by page.

use sessile::{
    Caller, Result,
    command::{Cursor, MAX_PAGE, Page, Paging, SessionFilter, ThreadFilter, ThreadScope},
    id::{ProjectId, SessionId, ThreadId},
    journal::Direction,
    model::{Entry, Project, SessionRow, ThreadRow},
    store::{SessionStoreExt, Store, ThreadStoreExt},
};

async fn all<T, F: Future<Output = Result<Page<T>>>>(
    mut page: impl FnMut(Paging) -> F,
) -> Result<Vec<T>> {
    let mut items = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let mut next = page(Paging::first(MAX_PAGE).after(after)).await?;
        items.append(&mut next.items);
        after = next.next;
        if after.is_none() {
            return Ok(items);
        }
    }
}

/// The tenant's projects, or those of one name.
pub(crate) async fn projects(
    store: &Store,
    caller: &Caller,
    name: Option<&str>,
) -> Result<Vec<Project>> {
    let mut projects = all(|page| store.projects(caller, page)).await?;
    projects.retain(|p| name.is_none_or(|name| p.name == name));
    Ok(projects)
}

pub(crate) async fn threads(
    store: &Store,
    caller: &Caller,
    project: ProjectId,
) -> Result<Vec<ThreadRow>> {
    let filter = ThreadFilter::of(ThreadScope::Project(project));
    all(|page| store.threads(caller, filter.clone(), page)).await
}

pub(crate) async fn tenant_threads(store: &Store, caller: &Caller) -> Result<Vec<ThreadRow>> {
    let filter = ThreadFilter::of(ThreadScope::Tenant);
    all(|page| store.threads(caller, filter.clone(), page)).await
}

pub(crate) async fn sessions(
    store: &Store,
    caller: &Caller,
    thread: ThreadId,
) -> Result<Vec<SessionRow>> {
    all(|page| store.sessions(caller, thread, SessionFilter::default(), page)).await
}

/// One page of a session's log, from its beginning.
pub(crate) async fn entries(
    store: &Store,
    caller: &Caller,
    session: SessionId,
    after: Option<Cursor>,
) -> Result<Page<Entry>> {
    store.entries(caller, session, Direction::Forward, Paging::first(100).after(after)).await
}
