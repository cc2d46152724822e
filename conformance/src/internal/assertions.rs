//! Assertions that many clauses share.

use std::{fmt, future::Future};

use sessile_core::{
    Caller, Error, ErrorKind, Result, Timestamp,
    command::UpdateThread,
    error::Closure,
    id::{SpaceKind, TenantId, ThreadId},
    journal::{Journal, ListOrder, ListQuery, ListRow},
    model::ThreadStatus,
    store::AnyStore,
};

use crate::internal::shorthand::the_thread;

/// Asserts that a call was refused with an error of this kind; the error.
#[track_caller]
pub fn refused<T: fmt::Debug>(result: Result<T>, kind: ErrorKind) -> Error {
    match result {
        Err(error) if error.kind() == kind => error,
        other => panic!("should be refused as {kind:?}, but was {other:?}"),
    }
}

/// The error says what is closed, and for which command.
#[track_caller]
pub fn closed(error: &Error, wanted: Closure, command: &str) {
    match error {
        Error::Closed { what, operation } => {
            assert_eq!((*what, *operation), (wanted, Some(command)));
        }
        other => panic!("should be closed, but was {other:?}"),
    }
}

/// Every space of a tenant with its head and card, projects first.
pub async fn heads(journal: &dyn Journal, tenant: &TenantId) -> Vec<ListRow> {
    let mut all = Vec::new();
    for kind in SpaceKind::ALL {
        let mut after = None;
        loop {
            let query = ListQuery {
                tenant: tenant.clone(),
                kind,
                project: None,
                order: ListOrder::Id,
                after,
                limit: 100,
            };
            let page = journal.list(&query).await.expect("a list of the tenant's spaces");
            let Some(last) = page.last() else { break };
            after = Some((
                last.head.card.as_ref().map_or(Timestamp::from_millis(0), |c| c.updated_at),
                last.space.bits(),
            ));
            all.extend(page);
        }
    }
    all
}

/// Asserts that what runs writes nothing for these tenants: heads, cards and spaces are the same before and after.
/// `journal` is any handle to the same store.
pub async fn unchanged<T>(
    journal: &dyn Journal,
    tenants: &[&TenantId],
    doing: impl Future<Output = T> + Send,
) -> T {
    let mut before = Vec::new();
    for tenant in tenants {
        before.push(heads(journal, tenant).await);
    }
    let result = doing.await;
    for (tenant, before) in tenants.iter().zip(before) {
        let after = heads(journal, tenant).await;
        assert_eq!(before, after, "a refusal changed what tenant {tenant} has");
    }
    result
}

/// Asserts that a call is refused with an error of this kind, wrote nothing to the thread, and that the next write succeeds.
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
        let next = store
            .as_caller(caller)
            .update_thread(thread, after.version, UpdateThread::default())
            .await;
        assert_eq!(next.ok(), Some(after.head + 1), "the write after a refusal ({error})");
    }
    error
}
