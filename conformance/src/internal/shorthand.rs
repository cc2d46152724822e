//! Short forms of calls that many clauses make: read all pages, read a head, create a named session.

use std::future::Future;

use sessile_core::{
    Caller, Result,
    command::{NewSession, Page, Paging, ThreadFilter, ThreadScope},
    id::{ProjectId, SessionId, ThreadId, Version},
    model::{Entry, EntryKind, NewEntry, Part, Role, SessionRow, Thread, ThreadRow},
    store::AnyStore,
};

/// Every item of a paged list, `limit` at a time; a list that does not end fails.
pub async fn pages<T, F, Fut>(limit: usize, mut page: F) -> Vec<T>
where
    F: FnMut(Paging) -> Fut,
    Fut: Future<Output = Result<Page<T>>>,
{
    let mut all = Vec::new();
    let mut after = None;
    for _ in 0..100_000 {
        let got = page(Paging::first(limit).after(after)).await.expect("a page");
        assert!(got.items.len() <= limit, "{} items, where {limit} were asked", got.items.len());
        all.extend(got.items);
        match got.next {
            None => return all,
            next => after = next,
        }
    }
    panic!("a list does not end");
}

/// All rows of a thread's sessions.
pub async fn sessions(store: &dyn AnyStore, caller: &Caller, thread: ThreadId) -> Vec<SessionRow> {
    pages(100, |page| store.as_caller(caller).sessions(thread).page(page)).await
}

/// All threads of a scope, by id.
pub async fn threads(store: &dyn AnyStore, caller: &Caller, scope: ThreadScope) -> Vec<ThreadRow> {
    pages(100, |page| store.as_caller(caller).threads(ThreadFilter::of(scope.clone())).page(page))
        .await
}

/// All threads of a project, by id.
pub async fn threads_of(
    store: &dyn AnyStore,
    caller: &Caller,
    project: ProjectId,
) -> Vec<ThreadId> {
    threads(store, caller, ThreadScope::Project(project)).await.into_iter().map(|r| r.id).collect()
}

/// A session's whole log, forward, `limit` entries at a time.
pub async fn log(
    store: &dyn AnyStore,
    caller: &Caller,
    session: SessionId,
    limit: usize,
) -> Vec<Entry> {
    pages(limit, |page| store.as_caller(caller).entries(session).page(page)).await
}

/// The text of an entry whose only part is one.
pub fn text(entry: &Entry) -> &str {
    match entry.parts() {
        [Part::Text(it)] => &it.text,
        other => panic!("not one text: {other:?}"),
    }
}

/// The texts of the messages of a session's log.
pub async fn texts(store: &dyn AnyStore, caller: &Caller, session: SessionId) -> Vec<String> {
    let log = log(store, caller, session, 1000).await;
    let messages = log.iter().filter(|entry| entry.kind == EntryKind::Message);
    messages.map(|entry| text(entry).to_owned()).collect()
}

/// An entry of a person.
pub fn says(text: impl Into<String>) -> NewEntry {
    NewEntry::text(Role::User, text)
}

/// A thread that exists.
pub async fn the_thread(store: &dyn AnyStore, caller: &Caller, thread: ThreadId) -> Thread {
    store.as_caller(caller).thread(thread).await.expect("an answer").expect("the thread exists")
}

/// The head of a thread that exists.
pub async fn head(store: &dyn AnyStore, caller: &Caller, thread: ThreadId) -> Version {
    the_thread(store, caller, thread).await.head
}

/// A named session in a thread.
pub async fn named(
    store: &dyn AnyStore,
    caller: &Caller,
    thread: ThreadId,
    name: &str,
) -> SessionId {
    store
        .as_caller(caller)
        .create_session(thread, NewSession::named(name))
        .await
        .expect("a session")
}
