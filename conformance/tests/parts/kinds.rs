//! Values of kinds of one's own are validated wherever entries are written.

use std::sync::Arc;

use sessile_conformance::internal::{MapJournal, SeededIds, TestClock};
use sessile_core::{
    Error, Store,
    command::{NewSession, NewThread, Paging},
    id::TenantId,
    journal::Journal as _,
    json::Json,
    model::{Actor, Message, NewEntry, Part, Role, ToolOutcome, ToolResult},
    store::StoreOptions,
};

fn value(kind: &str, value: u8) -> NewEntry {
    let value = Json::from_value(&value).unwrap();
    NewEntry::new(Message::new(Role::User, vec![Part::Json { kind: kind.into(), value }]))
}

fn store(journal: Arc<MapJournal>) -> Store {
    let options = StoreOptions::new(Arc::new(TestClock::default()), Arc::new(SeededIds::new(1)));
    let even = |value: &Json| match value.to::<u8>() {
        Ok(value) if value % 2 == 0 => Ok(()),
        Ok(value) => Err(format!("{value} is odd")),
        Err(error) => Err(error.to_string()),
    };
    Store::new(journal, options.with_kind("even", even))
}

fn refused<T: std::fmt::Debug>(answer: sessile_core::Result<T>) {
    let error = answer.unwrap_err();
    let Error::Invalid { field: "entries", reason } = &error else { panic!("{error}") };
    assert!(reason.contains("\"even\"") && reason.contains("3 is odd"), "{reason}");
}

#[tokio::test]
async fn a_value_that_its_validator_refuses_is_not_written() {
    let journal = Arc::new(MapJournal::default());
    let store = store(Arc::clone(&journal));
    let ann = store.caller("acme", Actor::user("ann")).unwrap();
    let project = ann.create_project("p").await.unwrap();
    let thread = ann.create_thread(project, "t").await.unwrap();
    let session = ann.create_session(thread, "s").await.unwrap();

    ann.append(session, [value("even", 2), value("odd", 3)]).await.unwrap();
    refused(ann.append(session, [value("even", 2), value("even", 3)]).await);
    let even = Json::from_value(&3).unwrap();
    let part = Part::Json { kind: "even".into(), value: even };
    let answer = ToolResult::new(ToolOutcome::Ok, vec![part]);
    refused(
        ann.append(session, [NewEntry::new(Message::new(Role::Tool, vec![answer.into()]))]).await,
    );
    let entries = ann.entries(session).page(Paging::default()).await.unwrap();
    assert_eq!(entries.items.len(), 2, "nothing of an append that was refused");

    let begin = |last| NewSession::named("b").with_turn([value("even", 2), value("even", last)]);
    refused(ann.create_session(thread, begin(3)).await);
    ann.create_session(thread, begin(4)).await.unwrap();
    let space = project.space(&TenantId::new("acme").unwrap());
    let before = journal.head(&space).await.unwrap();
    refused(ann.begin_thread(project, NewThread::titled("u"), begin(3)).await);
    let named = || NewThread::titled("v").with_external_id("v");
    refused(ann.begin_thread(project, named(), begin(3)).await);
    assert_eq!(journal.head(&space).await.unwrap(), before, "no thread is reserved");
    ann.begin_thread(project, named(), begin(4)).await.unwrap();
}
