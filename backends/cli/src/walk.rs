//! Whole lists, page by page.

use sessile::{
    By, Result,
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
pub(crate) async fn projects(store: &Store, by: &By, name: Option<&str>) -> Result<Vec<Project>> {
    let mut projects = all(|page| store.projects(by, page)).await?;
    projects.retain(|p| name.is_none_or(|name| p.name == name));
    Ok(projects)
}

pub(crate) async fn threads(store: &Store, by: &By, project: ProjectId) -> Result<Vec<ThreadRow>> {
    let filter = ThreadFilter::of(ThreadScope::Project(project));
    all(|page| store.threads(by, filter.clone(), page)).await
}

pub(crate) async fn tenant_threads(store: &Store, by: &By) -> Result<Vec<ThreadRow>> {
    let filter = ThreadFilter::of(ThreadScope::Tenant);
    all(|page| store.threads(by, filter.clone(), page)).await
}

pub(crate) async fn sessions(store: &Store, by: &By, thread: ThreadId) -> Result<Vec<SessionRow>> {
    all(|page| store.sessions(by, thread, SessionFilter::default(), page)).await
}

/// One page of a session's log, from its beginning.
pub(crate) async fn entries(
    store: &Store,
    by: &By,
    session: SessionId,
    after: Option<Cursor>,
) -> Result<Page<Entry>> {
    store.entries(by, session, Direction::Forward, Paging::first(100).after(after)).await
}
