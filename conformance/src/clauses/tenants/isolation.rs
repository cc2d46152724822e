//! TEN1 to TEN4: no tenant reaches, sees or disturbs another.

use sessile_core::{
    Caller, ErrorKind,
    command::{NewRun, NewSession, NewThread, Paging, ThreadFilter, ThreadScope, UpdateSession},
    error::Error,
    id::AgentId,
    model::Actor,
    store::AnyStore,
};

use crate::{
    Damage,
    clause::Verdict,
    internal::{
        ClauseContext, CountingJournal,
        assertions::{refused, unchanged},
        id_arguments::{Ids, calls_with_ids, entry_filters},
        shorthand::{self, pages, says},
    },
};

crate::clauses! { TEN1 => ten1, TEN2 => ten2, TEN3 => ten3, TEN4 => ten4 }

/// A foreign id is refused before any I/O, wherever it stands.
pub async fn ten1(cx: ClauseContext) -> Verdict {
    let journal = cx.journal().await;
    let watched = CountingJournal::new(journal.clone());
    let store = cx.store_over(watched.clone(), Default::default(), |options| options);
    let (ours, theirs) = (cx.caller(), cx.caller_of("evil-corp", "ada"));
    let (own, foreign) = (Ids::make(&store, &ours).await, Ids::make(&store, &theirs).await);
    let external = "only theirs";
    let run = NewRun { external_id: Some(external.into()), ..NewRun::default() };
    store.as_caller(&theirs).start_run(foreign.session, run).await.expect("a run");
    let tenants = [&ours.tenant, &theirs.tenant];
    unchanged(&*journal, &tenants, async {
        let before = watched.calls();
        for method in calls_with_ids(&ours, &own, &foreign) {
            let answer = method.request.send(&store, &ours).await;
            let error = refused(answer, ErrorKind::TenantIsolation);
            assert!(matches!(error, Error::TenantIsolation { .. }), "{}: {error}", method.name);
            assert_eq!(watched.calls(), before, "{} reached the journal", method.name);
        }
        // Foreign ids that name nothing are refused alike: no oracle for existence.
        for method in calls_with_ids(&ours, &own, &foreign.missing())
            .into_iter()
            .chain(calls_with_ids(&ours, &own, &foreign.in_missing_thread()))
        {
            refused(method.request.send(&store, &ours).await, ErrorKind::TenantIsolation);
        }
        for request in entry_filters(&own, &foreign) {
            refused(request.send(&store, &ours).await, ErrorKind::TenantIsolation);
        }
        // No id of its own: in one's own thread it is simply unknown.
        let unknown = store.as_caller(&ours).run_by_external_id(own.thread, external).await;
        assert_eq!(unknown.expect("an answer"), None);
    })
    .await;
    store.as_caller(&ours).append(own.session, says("on it goes")).await.expect("the next write");
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
            threads.push(
                store.as_caller(&caller).create_thread(project, new).await.expect("a thread"),
            );
        }
        threads.sort_unstable();
        made.push((caller, project, threads));
    }
    for (caller, project, threads) in &made {
        let projects = pages(1, |page| store.as_caller(caller).projects().page(page)).await;
        assert_eq!(projects.iter().map(|p| p.id).collect::<Vec<_>>(), [*project]);
        assert!(projects.iter().all(|p| p.tenant == caller.tenant));
        let user = caller.actor.user_id().expect("a user").clone();
        for scope in [ThreadScope::Tenant, ThreadScope::Project(*project), ThreadScope::User(user)]
        {
            let plain = ThreadFilter::of(scope);
            for filter in [plain.clone(), plain.clone().newest_first(), plain.labelled("k", "v")] {
                let rows =
                    pages(1, |page| store.as_caller(caller).threads(filter.clone()).page(page))
                        .await;
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
            for method in calls_with_ids(&caller, &ids, &ids) {
                refused(method.request.send(&store, &caller).await, ErrorKind::TenantIsolation);
            }
            let owned = NewSession::named("s").owned_by(actor.clone());
            let isolation = ErrorKind::TenantIsolation;
            refused(store.as_caller(&caller).create_session(ids.thread, owned).await, isolation);
            let update = UpdateSession { actor: Some(actor.clone()), ..UpdateSession::default() };
            refused(
                store.as_caller(&caller).update_session(ids.session, 2, update).await,
                isolation,
            );
            let entry = says("x").authored_by(actor.clone());
            refused(
                store.as_caller(&caller).append(ids.session, vec![says("y"), entry]).await,
                isolation,
            );
            let filter =
                sessile_core::command::SessionFilter { actor: Some(actor), ..Default::default() };
            let listed = store
                .as_caller(&caller)
                .sessions(ids.thread)
                .matching(filter)
                .page(Paging::default())
                .await;
            assert!(
                listed.map_or(true, |page| page.items.is_empty()),
                "a foreign owner matches nobody"
            );
        }
        let deep = chain(&caller, None, 9);
        refused(
            store.as_caller(&caller).append(ids.session, says("x").authored_by(deep)).await,
            ErrorKind::Invalid,
        );
    })
    .await;
    let deep = chain(&caller, None, 8);
    let said = store
        .as_caller(&caller)
        .append(ids.session, says("x").authored_by(deep.clone()))
        .await
        .expect("8 levels");
    let entry =
        store.as_caller(&caller).entry(said.first).await.expect("an answer").expect("the entry");
    assert_eq!(entry.actor, Some(deep), "the whole chain comes back");
    Verdict::Passed
}

/// A chain of so many actors: agents, and `end` at its end.
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
        return Verdict::NotJudged("the driver brought no tamper hook".into());
    }
    for damage in [Damage::FlipHeader, Damage::FlipBody, Damage::Drop] {
        let cx = cx.another().await;
        let store = cx.store().await;
        let (ours, theirs) = (cx.caller(), cx.caller_of("acme-", "ada"));
        let (own, foreign) = (Ids::make(&store, &ours).await, Ids::make(&store, &theirs).await);
        let before = answers(&store, &ours, &own).await;
        drop(store);
        cx.close_all().await;
        let space = foreign.thread.space(&theirs.tenant);
        cx.damage(&space, foreign.session.version(), damage).await;
        let store = cx.store().await;
        assert_eq!(before, answers(&store, &ours, &own).await, "after {damage:?}");
        let written = store.as_caller(&ours).append(own.session, says("we write on")).await;
        written.expect("a write of the other tenant");
        damaged(&store, &theirs, &foreign, damage).await;
    }
    Verdict::Passed
}

/// The damaged tenant sees the damage.
async fn damaged(store: &dyn AnyStore, caller: &Caller, ids: &Ids, damage: Damage) {
    let found = match store.as_caller(caller).verify(ids.thread, None).await {
        Ok(verified) => !verified.problems.is_empty(),
        Err(error) => error.kind() == ErrorKind::Corrupt,
    };
    assert!(found, "{damage:?} was not found");
}

/// What a tenant can ask about its ids, answered.
async fn answers(store: &dyn AnyStore, caller: &Caller, ids: &Ids) -> Vec<String> {
    let mut all = Vec::new();
    for method in calls_with_ids(caller, ids, ids) {
        if method.request.is_query() {
            all.push(format!("{:?}", method.request.send(store, caller).await));
        }
    }
    all.push(format!("{:?}", store.as_caller(caller).projects().page(Paging::default()).await));
    all.push(format!("{:?}", shorthand::threads(store, caller, ThreadScope::Tenant).await));
    all
}
