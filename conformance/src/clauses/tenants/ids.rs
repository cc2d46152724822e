//! TEN5, TEN6: what is an id, and that each is given once.

use sessile_core::{
    Caller, ErrorKind, Key,
    command::{NewRun, NewThread, ThreadFilter, ThreadScope},
    error::Error,
    id::{AgentId, EntryId, ProjectId, RunId, SessionId, SubSessionId, TenantId, ThreadId, UserId},
    model::{Tokens, Usage},
    store::Store,
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, TestClock, concurrent, hostile,
        id_arguments::Ids,
        shorthand::{self, named, pages, says},
        text_limits,
    },
};

crate::clauses! { TEN5 => ten5, TEN6 => ten6 }

/// Malformed ids are invalid; hostile texts are kept verbatim and reach no path, key or query.
pub async fn ten5(cx: ClauseContext) -> Verdict {
    for text in text_limits::corpus().into_iter().chain(hostile::bad_tenants()) {
        no_id(&text);
        let fits = text_limits::is_name(&text);
        assert_eq!(UserId::new(&text).is_ok(), fits, "{text:?} as a user");
        assert_eq!(AgentId::new(&text).is_ok(), fits, "{text:?} as an agent");
        assert_eq!(
            TenantId::new(&text).is_ok(),
            text_limits::is_tenant(&text),
            "{text:?} as a tenant"
        );
    }
    let store = cx.store().await;
    let caller = cx.caller();
    let ids = Ids::make(&store, &caller).await;
    let right = [
        ids.project.to_string(),
        ids.thread.to_string(),
        ids.session.to_string(),
        ids.edge.to_string(),
        ids.run.to_string(),
        ids.entry.to_string(),
    ];
    for (i, id) in right.iter().enumerate() {
        hostile::bad_ids(id).iter().for_each(|bad| no_id(bad));
        // Of the right spelling, and of one kind only.
        let kinds = parsed(id).map(|error| error.is_none());
        assert!((0..6).all(|kind| kinds[kind] == (kind == i)), "{id} parses as {kinds:?}");
    }
    let texts = text_limits::corpus().into_iter().enumerate().map(|(n, text)| {
        // A tenant for each sixteen, so that what a list looks at does not grow with all that was tried before.
        let caller = cx.caller_of(&format!("acme-{}", n / 16), "ada");
        hostile_texts(cx.clone(), store.clone(), caller, text)
    });
    concurrent::in_tasks(16, texts).await;
    let tenants = hostile::tenants().into_iter();
    concurrent::in_tasks(
        16,
        tenants.map(|tenant| hostile_tenant(cx.clone(), store.clone(), tenant)),
    )
    .await;
    text_limits::nothing_escaped(cx.dir().path());
    Verdict::Passed
}

/// What each kind of id says of a text.
fn parsed(text: &str) -> [Option<Error>; 6] {
    [
        text.parse::<ProjectId>().err(),
        text.parse::<ThreadId>().err(),
        text.parse::<SessionId>().err(),
        text.parse::<SubSessionId>().err(),
        text.parse::<RunId>().err(),
        text.parse::<EntryId>().err(),
    ]
}

fn no_id(text: &str) {
    for error in parsed(text) {
        let error = error.unwrap_or_else(|| panic!("{text:?} passes as an id"));
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text:?}: {error}");
    }
}

/// One hostile text wherever a caller may put one.
async fn hostile_texts(cx: ClauseContext, store: Store, caller: Caller, text: String) {
    let (store, caller, text) = (&store, &caller, text.as_str());
    let titled = store.as_caller(caller).create_project(text).await;
    assert_eq!(titled.is_ok(), text_limits::is_title(text), "{text:?} as a name");
    let project = match titled {
        Ok(project) => project,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text:?} as a name");
            cx.project(store, caller).await
        }
    };
    let new = NewThread::titled("t").with_label(text, "v");
    let thread = match store.as_caller(caller).create_thread(project, new).await {
        Ok(thread) => {
            let listed = ThreadFilter::of(ThreadScope::Tenant).labelled(text, "v");
            let rows =
                pages(10, |page| store.as_caller(caller).threads(listed.clone()).page(page)).await;
            assert_eq!(
                rows.iter().map(|r| r.id).collect::<Vec<_>>(),
                [thread],
                "labelled {text:?}"
            );
            thread
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text:?} as a label");
            assert!(!text_limits::is_name(text), "{text:?} as a label: {error}");
            store
                .as_caller(caller)
                .create_thread(project, NewThread::titled("t"))
                .await
                .expect("a thread")
        }
    };
    let session = named(store, caller, thread, "s").await;
    store.as_caller(caller).append(session, says(text)).await.expect("any text is an entry");
    assert_eq!(
        shorthand::texts(store, caller, session).await,
        [text],
        "an entry comes back verbatim"
    );
    let keyed = caller.with_key(Key::rising(text, 1));
    let again = store.as_caller(&keyed).append(session, says("keyed")).await;
    assert_eq!(again.is_ok(), text_limits::is_name(text), "{text:?} as a producer");
    let run = store.as_caller(caller).start_run(session, NewRun::default()).await.expect("a run");
    let usage = Usage::new(Tokens::new(1, 1), 1);
    let booked = store.as_caller(caller).book_usage(run, text, usage).await;
    assert_eq!(booked.is_ok(), text_limits::is_name(text), "{text:?} as a call");
    let unknown = store.as_caller(caller).run_by_external_id(thread, text).await;
    assert_eq!(unknown.expect("an answer"), None, "{text:?} names no run");
}

/// A tenant of a name that could be taken for something else has its own data.
async fn hostile_tenant(cx: ClauseContext, store: Store, tenant: String) {
    let (store, caller) = (&store, cx.caller_of(&tenant, "ada"));
    let session = cx.session(store, &caller).await;
    store.as_caller(&caller).append(session, says(&tenant)).await.expect("an entry");
    assert_eq!(shorthand::texts(store, &caller, session).await, [tenant]);
}

/// Ids are unique, sort by creation as values and as strings, and never come again.
pub async fn ten6(cx: ClauseContext) -> Verdict {
    let clock = std::sync::Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let caller = cx.caller();
    let project = cx.project(&store, &caller).await;
    let thread = store
        .as_caller(&caller)
        .create_thread(project, NewThread::titled("t"))
        .await
        .expect("a thread");
    let mut sessions: Vec<SessionId> = Vec::new();
    let mut entries: Vec<EntryId> = Vec::new();
    for round in 0..40_u64 {
        if round % 7 == 3 {
            clock.rewind(std::time::Duration::from_secs(3600));
        }
        let session = named(&store, &caller, thread, "same name").await;
        let said = store
            .as_caller(&caller)
            .append(session, vec![says("a"), says("b")])
            .await
            .expect("a turn");
        entries.extend(said.entries());
        sessions.push(session);
        if round % 3 == 0 {
            store.as_caller(&caller).delete_session(session).await.expect("it goes");
        }
    }
    rising(&sessions);
    rising(&entries);
    let mut minted = vec![thread];
    store
        .as_caller(&caller)
        .delete_session(*sessions.last().expect("some"))
        .await
        .expect("it goes");
    for _ in 0..20 {
        let next = store
            .as_caller(&caller)
            .create_thread(project, NewThread::titled("t"))
            .await
            .expect("a thread");
        assert!(!minted.contains(&next), "{next} was minted twice");
        store.as_caller(&caller).delete_thread(next).await.expect("it goes");
        assert_eq!(store.as_caller(&caller).thread(next).await.expect("an answer"), None);
        minted.push(next);
    }
    let store = cx.reopen(store).await;
    let after = named(&store, &caller, thread, "later").await;
    assert!(sessions.iter().all(|s| *s < after), "an id came again after a reopen");
    Verdict::Passed
}

fn rising<T: Ord + std::fmt::Display + std::fmt::Debug>(ids: &[T]) {
    for pair in ids.windows(2) {
        assert!(pair[0] < pair[1], "{pair:?} as values");
        assert!(pair[0].to_string() < pair[1].to_string(), "{pair:?} as strings");
    }
}
