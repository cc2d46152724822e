//! What many clauses do: read all pages, look at a head, check that a refusal harmed nobody.

use std::{fmt, future::Future, task::Poll};

use sessile_core::{
    Caller, Error, ErrorKind, Result,
    command::{NewSession, Page, Paging, SessionFilter, ThreadFilter, ThreadScope, UpdateThread},
    id::{ProjectId, SessionId, ThreadId, Version},
    journal::Direction,
    model::{Entry, NewEntry, Part, Role, SessionRow, Thread, ThreadRow, ThreadStatus},
    store::{AnyStore, SessionStoreExt, ThreadStoreExt},
};

use crate::refused;

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
    pages(100, |page| store.sessions(caller, thread, SessionFilter::default(), page)).await
}

/// All threads of a scope, by id.
pub async fn threads(store: &dyn AnyStore, caller: &Caller, scope: ThreadScope) -> Vec<ThreadRow> {
    pages(100, |page| store.threads(caller, ThreadFilter::of(scope.clone()), page)).await
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
    pages(limit, |page| store.entries(caller, session, Direction::Forward, page)).await
}

/// The text of an entry whose only part is one.
pub fn text(entry: &Entry) -> &str {
    match entry.parts() {
        [Part::Text { text }] => text,
        other => panic!("not one text: {other:?}"),
    }
}

/// The texts of a session's log.
pub async fn texts(store: &dyn AnyStore, caller: &Caller, session: SessionId) -> Vec<String> {
    log(store, caller, session, 1000).await.iter().map(|e| text(e).to_owned()).collect()
}

/// An entry of a person.
pub fn says(text: impl Into<String>) -> NewEntry {
    NewEntry::text(Role::User, text)
}

/// A thread that exists.
pub async fn the_thread(store: &dyn AnyStore, caller: &Caller, thread: ThreadId) -> Thread {
    store.thread(caller, thread).await.expect("an answer").expect("the thread exists")
}

/// The head of a thread that exists.
pub async fn head(store: &dyn AnyStore, caller: &Caller, thread: ThreadId) -> Version {
    the_thread(store, caller, thread).await.head
}

/// A refusal of this kind that wrote nothing to the thread and left it fit for the next write.
pub async fn harmless<T: fmt::Debug>(
    store: &dyn AnyStore,
    caller: &Caller,
    thread: ThreadId,
    kind: ErrorKind,
    doing: impl Future<Output = Result<T>> + Send,
) -> Error {
    let before = the_thread(store, caller, thread).await;
    let error = refused(doing.await, kind);
    let after = the_thread(store, caller, thread).await;
    assert_eq!(before, after, "a refusal ({error}) changed the thread");
    if after.status == ThreadStatus::Open {
        let next =
            store.update_thread(caller, thread, after.version, UpdateThread::default()).await;
        assert_eq!(next.ok(), Some(after.head + 1), "the write after a refusal ({error})");
    }
    error
}

/// A named session in a thread.
pub async fn named(
    store: &dyn AnyStore,
    caller: &Caller,
    thread: ThreadId,
    name: &str,
) -> SessionId {
    store.create_session(caller, thread, NewSession::named(name)).await.expect("a session").0
}

/// Asks for all of these at once, in this order, and waits for all answers.
pub async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(|cx| {
        let mut all = Poll::Ready(());
        for (future, answer) in &mut waiting {
            if answer.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(it) => *answer = Some(it),
                    Poll::Pending => all = Poll::Pending,
                }
            }
        }
        all
    })
    .await;
    waiting.into_iter().filter_map(|(_, answer)| answer).collect()
}

/// Carries all of these out as tasks, so many at a time; a panic in one is one here.
pub async fn in_tasks<F>(at_once: usize, futures: impl IntoIterator<Item = F>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = tokio::task::JoinSet::new();
    for future in futures {
        if tasks.len() == at_once {
            ended(tasks.join_next().await);
        }
        tasks.spawn(future);
    }
    while !tasks.is_empty() {
        ended(tasks.join_next().await);
    }
}

fn ended(task: Option<std::result::Result<(), tokio::task::JoinError>>) {
    if let Some(Err(error)) = task {
        std::panic::resume_unwind(error.into_panic());
    }
}
