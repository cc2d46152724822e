//! TEN: tenancy and ids.

use sessile_core::{
    Caller, ErrorKind, Key,
    command::{
        Append, Expect, LinkSessions, NewRun, NewSession, NewSubSession, NewThread, Paging,
        ThreadFilter, ThreadScope, UpdateSession, UpdateThread,
    },
    error::Error,
    id::{AgentId, EntryId, ProjectId, RunId, SessionId, SubSessionId, TenantId, ThreadId, UserId},
    model::{Actor, ProjectConfig, RunOutcome, SessionStatus, Tokens, Usage},
    store::{AnyStore, SessionStoreExt, Store, ThreadStoreExt},
};

use crate::{
    Damage,
    clause::Verdict,
    internal::{
        ClauseContext, CountingJournal,
        assertions::{harmless, refused, unchanged},
        concurrent, hostile,
        id_arguments::{Ids, IfMissing, calls_with_ids, entry_filters},
        shorthand::{self, named, pages, says},
        text_limits,
    },
};

crate::clauses! {
    TEN1 => ten1, TEN2 => ten2, TEN3 => ten3, TEN4 => ten4, TEN5 => ten5, TEN6 => ten6, TEN7 => ten7, TEN8 => ten8,
}

/// A foreign id is refused before any I/O, wherever it stands.
pub async fn ten1(cx: ClauseContext) -> Verdict {
    let journal = cx.journal().await;
    let watched = CountingJournal::new(journal.clone());
    let store = cx.store_over(watched.clone(), Default::default(), |options| options);
    let (ours, theirs) = (cx.caller(), cx.caller_of("evil-corp", "ada"));
    let (own, foreign) = (Ids::make(&store, &ours).await, Ids::make(&store, &theirs).await);
    let tenants = [&ours.tenant, &theirs.tenant];
    unchanged(&*journal, &tenants, async {
        let before = watched.calls();
        for method in calls_with_ids(&own, &foreign) {
            let answer = method.request.send(&store, &ours).await;
            let error = refused(answer, ErrorKind::TenantIsolation);
            assert!(matches!(error, Error::TenantIsolation { .. }), "{}: {error}", method.name);
            assert_eq!(watched.calls(), before, "{} reached the journal", method.name);
        }
        // Foreign ids that name nothing are refused alike: no oracle for existence.
        for method in calls_with_ids(&own, &foreign.missing())
            .into_iter()
            .chain(calls_with_ids(&own, &foreign.in_missing_thread()))
        {
            refused(method.request.send(&store, &ours).await, ErrorKind::TenantIsolation);
        }
        for request in entry_filters(&own, &foreign) {
            refused(request.send(&store, &ours).await, ErrorKind::TenantIsolation);
        }
        let external = crate::internal::model::external_id(foreign.run);
        // No id of its own: in one's own thread it is simply unknown.
        refused(store.run_by_external_id(&ours, own.thread, external).await, ErrorKind::NotFound);
    })
    .await;
    store.append(&ours, own.session, says("on it goes")).await.expect("the next write");
    Verdict::Passed
}

/// Lists show one's own records only, also where all names are the same or begin alike.
pub async fn ten2(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let mut made = Vec::new();
    for tenant in ["a", "a-b", "a.b", "ab", "a_b", "a-b.c", "b"] {
        let caller = cx.caller_of(tenant, "ada");
        let mut threads = Vec::new();
        let project = cx.project(&store, &caller).await;
        for _ in 0..2 {
            let new = NewThread::titled("same").with_label("k", "v");
            threads.push(store.create_thread(&caller, project, new).await.expect("a thread"));
        }
        threads.sort_unstable();
        made.push((caller, project, threads));
    }
    for (caller, project, threads) in &made {
        let projects = pages(1, |page| store.projects(caller, page)).await;
        assert_eq!(projects.iter().map(|p| p.id).collect::<Vec<_>>(), [*project]);
        assert!(projects.iter().all(|p| p.tenant == caller.tenant));
        let user = caller.actor.user_id().expect("a user").clone();
        for scope in [ThreadScope::Tenant, ThreadScope::Project(*project), ThreadScope::User(user)]
        {
            let plain = ThreadFilter::of(scope);
            for filter in [plain.clone(), plain.clone().newest_first(), plain.labelled("k", "v")] {
                let rows = pages(1, |page| store.threads(caller, filter.clone(), page)).await;
                let mut ids: Vec<_> = rows.iter().map(|r| r.id).collect();
                ids.sort_unstable();
                assert_eq!(&ids, threads, "{} by {filter:?}", caller.tenant);
            }
        }
    }
    Verdict::Passed
}

/// A foreign tenant inside an actor is refused, at any depth of the chain.
pub async fn ten3(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let journal = cx.journal().await;
    let caller = cx.caller();
    let ids = Ids::make(&store, &caller).await;
    let foreign = cx.caller_of("evil-corp", "ada").actor;
    let nested = chain(&caller, Some(foreign.clone()), 3);
    let ours = cx.caller().tenant;
    unchanged(&*journal, &[&ours, foreign.tenant()], async {
        for actor in [foreign.clone(), nested] {
            let caller = Caller::new(caller.tenant.clone(), actor.clone());
            for method in calls_with_ids(&ids, &ids) {
                refused(method.request.send(&store, &caller).await, ErrorKind::TenantIsolation);
            }
            let owned = NewSession::named("s").owned_by(actor.clone());
            let isolation = ErrorKind::TenantIsolation;
            refused(store.create_session(&caller, ids.thread, owned).await, isolation);
            let update = UpdateSession { actor: Some(actor.clone()), ..UpdateSession::default() };
            refused(store.update_session(&caller, ids.session, 2, update).await, isolation);
            let entry = says("x").authored_by(actor.clone());
            refused(store.append(&caller, ids.session, vec![says("y"), entry]).await, isolation);
            let filter =
                sessile_core::command::SessionFilter { actor: Some(actor), ..Default::default() };
            let listed = store.sessions(&caller, ids.thread, filter, Paging::default()).await;
            assert!(
                listed.map_or(true, |page| page.items.is_empty()),
                "a foreign owner matches nobody"
            );
        }
        let deep = chain(&caller, None, 9);
        refused(
            store.append(&caller, ids.session, says("x").authored_by(deep)).await,
            ErrorKind::Invalid,
        );
    })
    .await;
    let deep = chain(&caller, None, 8);
    let said = store
        .append(&caller, ids.session, says("x").authored_by(deep.clone()))
        .await
        .expect("8 levels");
    let entry = store.entry(&caller, said.first).await.expect("an answer").expect("the entry");
    assert_eq!(entry.actor, Some(deep), "the whole chain comes back");
    Verdict::Passed
}

/// Agents one under the other, so many in all, with something at the end.
fn chain(caller: &Caller, end: Option<Actor>, levels: usize) -> Actor {
    let agent = |parent: Option<Actor>| Actor::Agent {
        tenant: caller.tenant.clone(),
        id: AgentId::new("agent").expect("an agent"),
        parent: parent.map(Box::new),
    };
    let agents = levels - usize::from(end.is_some());
    (0..agents).fold(end, |below, _| Some(agent(below))).expect("a level")
}

/// Damage to one tenant's records changes no other tenant's answers.
pub async fn ten4(cx: ClauseContext) -> Verdict {
    if cx.tamper().is_none() {
        return Verdict::NotRun("the driver brought no tamper hook".into());
    }
    for damage in [Damage::FlipHead, Damage::FlipBody, Damage::Drop] {
        let cx = cx.another().await;
        let store = cx.store().await;
        let (ours, theirs) = (cx.caller(), cx.caller_of("acme-", "ada"));
        let (own, foreign) = (Ids::make(&store, &ours).await, Ids::make(&store, &theirs).await);
        let before = answers(&store, &ours, &own).await;
        drop(store);
        cx.close_all().await;
        let space = foreign.thread.space(&theirs.tenant);
        let tamper = cx.tamper().expect("asked before");
        tamper.damage(&space, foreign.session.version(), damage).await;
        let store = cx.store().await;
        assert_eq!(before, answers(&store, &ours, &own).await, "after {damage:?}");
        let written = store.append(&ours, own.session, says("we write on")).await;
        written.expect("a write of the other tenant");
        damaged(&store, &theirs, &foreign, damage).await;
    }
    Verdict::Passed
}

/// The damage was real: the damaged tenant sees it.
async fn damaged(store: &dyn AnyStore, caller: &Caller, ids: &Ids, damage: Damage) {
    let found = match store.verify(caller, ids.thread, None).await {
        Ok(verified) => !verified.problems.is_empty(),
        Err(error) => error.kind() == ErrorKind::Corrupt,
    };
    assert!(found, "{damage:?} was not found");
}

/// What a tenant can ask about its ids, answered.
async fn answers(store: &dyn AnyStore, caller: &Caller, ids: &Ids) -> Vec<String> {
    let mut all = Vec::new();
    for method in calls_with_ids(ids, ids) {
        if method.request.is_query() {
            all.push(format!("{:?}", method.request.send(store, caller).await));
        }
    }
    all.push(format!("{:?}", store.projects(caller, Paging::default()).await));
    all.push(format!("{:?}", shorthand::threads(store, caller, ThreadScope::Tenant).await));
    all
}

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
    let titled = store.create_project(caller, text, ProjectConfig::default()).await;
    assert_eq!(titled.is_ok(), text_limits::is_title(text), "{text:?} as a name");
    let project = match titled {
        Ok(project) => project,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text:?} as a name");
            cx.project(store, caller).await
        }
    };
    let new = NewThread::titled("t").with_label(text, "v");
    let thread = match store.create_thread(caller, project, new).await {
        Ok(thread) => {
            let listed = ThreadFilter::of(ThreadScope::Tenant).labelled(text, "v");
            let rows = pages(10, |page| store.threads(caller, listed.clone(), page)).await;
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
            store.create_thread(caller, project, NewThread::titled("t")).await.expect("a thread")
        }
    };
    let session = named(store, caller, thread, "s").await;
    store.append(caller, session, says(text)).await.expect("any text is an entry");
    assert_eq!(
        shorthand::texts(store, caller, session).await,
        [text],
        "an entry comes back verbatim"
    );
    let keyed = caller.with_key(Key::new(text, 1));
    let again = store.append(&keyed, session, says("keyed")).await;
    assert_eq!(again.is_ok(), text_limits::is_name(text), "{text:?} as a producer");
    let run = store.start_run(caller, session, NewRun::default()).await.expect("a run");
    let usage = Usage::new(Tokens::new(1, 1), 1);
    let booked = store.book_usage(caller, run, text, usage).await;
    assert_eq!(booked.is_ok(), text_limits::is_name(text), "{text:?} as a call");
    let unknown = store.run_by_external_id(caller, thread, text).await;
    assert!(!matches!(unknown, Ok(Some(_))), "{text:?} names no run");
}

/// A tenant of a name that could be taken for something else has its own data.
async fn hostile_tenant(cx: ClauseContext, store: Store, tenant: String) {
    let (store, caller) = (&store, cx.caller_of(&tenant, "ada"));
    let session = cx.session(store, &caller).await;
    store.append(&caller, session, says(&tenant)).await.expect("an entry");
    assert_eq!(shorthand::texts(store, &caller, session).await, [tenant]);
}

/// Ids are unique, sort by creation as values and as strings, and never come again.
pub async fn ten6(cx: ClauseContext) -> Verdict {
    let clock = std::sync::Arc::new(crate::internal::TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let caller = cx.caller();
    let project = cx.project(&store, &caller).await;
    let thread =
        store.create_thread(&caller, project, NewThread::titled("t")).await.expect("a thread");
    let mut sessions: Vec<SessionId> = Vec::new();
    let mut entries: Vec<EntryId> = Vec::new();
    for round in 0..40_u64 {
        if round % 7 == 3 {
            clock.rewind(std::time::Duration::from_secs(3600));
        }
        let session = named(&store, &caller, thread, "same name").await;
        let said =
            store.append(&caller, session, vec![says("a"), says("b")]).await.expect("a turn");
        entries.extend(said.entries());
        sessions.push(session);
        if round % 3 == 0 {
            store.delete_session(&caller, session).await.expect("it goes");
        }
    }
    rising(&sessions);
    rising(&entries);
    let mut minted = vec![thread];
    store.delete_session(&caller, *sessions.last().expect("some")).await.expect("it goes");
    for _ in 0..20 {
        let next =
            store.create_thread(&caller, project, NewThread::titled("t")).await.expect("a thread");
        assert!(!minted.contains(&next), "{next} was minted twice");
        store.delete_thread(&caller, next).await.expect("it goes");
        assert_eq!(store.thread(&caller, next).await.expect("an answer"), None);
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

/// An id of one's own tenant that names nothing.
pub async fn ten7(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let journal = cx.journal().await;
    let caller = cx.caller();
    let own = Ids::make(&store, &caller).await;
    unchanged(&*journal, &[&caller.tenant], async {
        let mut cases = calls_with_ids(&own, &own.missing());
        cases.extend(calls_with_ids(&own, &own.of_other_kinds()));
        // In a thread that does not exist, an id named beside one's own may as well be one of another thread.
        let elsewhere = calls_with_ids(&own, &own.in_missing_thread());
        let beside =
            |name: &str| name.contains(' ') && !name.contains(" of ") && !name.contains("backward");
        cases.extend(elsewhere.iter().filter(|m| !beside(m.name)).cloned());
        for method in cases {
            let answer = method.request.send(&store, &caller).await;
            let shown = format!("{} answered {answer:?}", method.name);
            match method.if_missing {
                IfMissing::None => assert!(answer.is_ok_and(|a| a.ends_with("(None)")), "{shown}"),
                IfMissing::NotFound => match answer {
                    Err(Error::NotFound { what }) => {
                        assert!(!own.subjects().contains(&what), "{shown}")
                    }
                    _ => panic!("{shown}"),
                },
                IfMissing::Deleted => {
                    assert_eq!(answer.ok().as_deref(), Some("Deleted"), "{shown}")
                }
            }
        }
        for method in elsewhere.into_iter().filter(|m| beside(m.name)) {
            let error = method.request.send(&store, &caller).await.expect_err(method.name);
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::NotFound | ErrorKind::Precondition),
                "{}: {error}",
                method.name
            );
        }
    })
    .await;
    store.append(&caller, own.session, says("on it goes")).await.expect("the next write");
    Verdict::Passed
}

/// Of several reasons to refuse, the first in the stated order is told.
pub async fn ten8(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let (caller, theirs) = (cx.caller(), cx.caller_of("evil-corp", "eve"));
    let own = Ids::make(&store, &caller).await;
    let foreign = Ids::make(&store, &theirs).await;
    let other = Ids::make(&store, &caller).await;
    let long = UpdateThread { title: Some("x".repeat(257)), labels: None };
    // Invalid, TenantIsolation.
    refused(store.update_thread(&caller, foreign.thread, 1, long).await, ErrorKind::Invalid);
    // TenantIsolation, replay: the key is known, the id is foreign.
    let keyed = caller.with_key(Key::new("worker", 1));
    let first = store.append(&keyed, own.session, says("once")).await.expect("an entry");
    refused(store.append(&keyed, foreign.session, says("once")).await, ErrorKind::TenantIsolation);
    // Replay, NotFound and Closed: the answer outlives the session, and the thread's archive.
    let gone = named(&store, &caller, own.thread, "gone").await;
    let second = caller.with_key(Key::new("worker", 2));
    let told = store.append(&second, gone, says("twice")).await.expect("an entry");
    store.delete_session(&caller, gone).await.expect("it goes");
    assert_eq!(
        store.append(&second, gone, says("twice")).await.ok(),
        Some(told),
        "replay, not NotFound"
    );
    // Fenced, IllegalTransition; Fenced, Stale.
    let held = named(&store, &caller, own.thread, "held").await;
    let ttl = std::time::Duration::from_secs(60);
    let token = store.claim_lease(&caller, held, ttl).await.expect("a lease");
    let wrong = caller.with_lease(token - 1);
    let thread = own.thread;
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Fenced,
        store.set_status(&wrong, held, SessionStatus::Archived),
    )
    .await;
    let update = UpdateSession::default();
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Fenced,
        store.update_session(&wrong, held, 1, update),
    )
    .await;
    // WrongThread, Fenced.
    let answer = says("x").in_reply_to(other.entry);
    harmless(&store, &caller, thread, ErrorKind::Precondition, store.append(&wrong, held, answer))
        .await;
    // Fenced, RunEnded.
    let with = caller.with_lease(token);
    let run = store.start_run(&with, held, NewRun::default()).await.expect("a run");
    store.end_run(&with, run, RunOutcome::Succeeded).await.expect("it ends");
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Fenced,
        store.end_run(&wrong, run, RunOutcome::Succeeded),
    )
    .await;
    // RunEnded, Stale.
    let stale = Append { entries: vec![says("x").in_run(run)], expect: Expect::Tail(1) };
    harmless(&store, &caller, thread, ErrorKind::Precondition, store.append(&with, held, stale))
        .await;
    store.release_lease(&with, held).await.expect("it is given back");
    // Precondition (a second parent), Capacity (no width left).
    let narrow = ProjectConfig::default().with_max_delegation_width(1);
    let project = store.create_project(&caller, "narrow", narrow).await.expect("a project");
    let cramped =
        store.create_thread(&caller, project, NewThread::titled("t")).await.expect("a thread");
    let parent = named(&store, &caller, cramped, "parent").await;
    let child = NewSession::named("c").under(NewSubSession::under(parent));
    let (child, _) = store.create_session(&caller, cramped, child).await.expect("a child");
    let again = LinkSessions { child, edge: NewSubSession::under(parent) };
    harmless(
        &store,
        &caller,
        cramped,
        ErrorKind::Precondition,
        store.link_sessions(&caller, again),
    )
    .await;
    // Capacity, Stale.
    let huge = Append { entries: vec![says("x".repeat((32 << 20) + 1))], expect: Expect::Tail(1) };
    harmless(&store, &caller, thread, ErrorKind::Capacity, store.append(&caller, held, huge)).await;
    // NotFound, WrongThread: of two ids, one names nothing and one is another thread's.
    let nothing = own.missing();
    let both = vec![says("x").in_reply_to(other.entry), says("y").in_reply_to(nothing.entry)];
    let refusal = store.append(&caller, held, both);
    harmless(&store, &caller, thread, ErrorKind::NotFound, refusal).await;
    // NotFound, Capacity; Fenced, Capacity.
    let huge = || says("x".repeat((32 << 20) + 1));
    let refusal = store.append(&caller, nothing.session, huge());
    harmless(&store, &caller, thread, ErrorKind::NotFound, refusal).await;
    let refusal = store.append(&wrong, held, huge());
    harmless(&store, &caller, thread, ErrorKind::Fenced, refusal).await;
    // NotFound, Closed; Closed, WrongThread; Closed, Fenced; replay, Closed.
    let quiet = Ids::make(&store, &caller).await;
    store.end_run(&caller, quiet.run, RunOutcome::Succeeded).await.expect("it ends");
    let third = caller.with_key(Key::new("worker", 1));
    let kept = store.append(&third, quiet.session, says("kept")).await.expect("an entry");
    store.archive_thread(&caller, quiet.thread).await.expect("it is archived");
    let thread = quiet.thread;
    let nothing = quiet.missing().session;
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::NotFound,
        store.append(&caller, nothing, says("x")),
    )
    .await;
    let answer = says("x").in_reply_to(other.entry);
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Closed,
        store.append(&caller, quiet.session, answer),
    )
    .await;
    let unheld = caller.with_lease(1);
    harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Closed,
        store.append(&unheld, quiet.session, says("x")),
    )
    .await;
    let replay = store.append(&third, quiet.session, says("kept")).await;
    assert_eq!(replay.ok(), Some(kept), "replay, not Closed");
    assert_eq!(store.append(&keyed, own.session, says("once")).await.ok(), Some(first));
    Verdict::Passed
}
