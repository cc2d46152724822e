//! ARC5: retention archives what its project says, and nothing else.

use std::time::Duration;

use sessile_core::{
    archive::{Retain, RetainOutcome, Retained, RetentionReason},
    command::{NewProject, NewRun, NewSession, NewSubSession, UpdateProject},
    id::{ProjectId, SessionId, ThreadId},
    model::{ProjectConfig, Retention, RunOutcome, SessionStatus},
};

use super::place::{Place, config};
use crate::{
    clause::Verdict,
    internal::{ClauseContext, archives::ARCHIVE, shorthand::says},
};

crate::clauses! { ARC5 => arc5 }

const HOUR: Duration = Duration::from_secs(3600);

async fn retain(place: &Place, retain: Retain) -> Vec<Retained> {
    let lab = &place.lab;
    lab.store.retain(&lab.caller, retain).await.expect("retention ends")
}

/// What a dry run says, and that the real one right after does just that.
async fn both(place: &Place, asked: Retain) -> Vec<(SessionId, RetentionReason)> {
    let found = retain(place, asked.dry_run()).await;
    assert!(found.iter().all(|it| it.outcome == RetainOutcome::Found), "{found:?}");
    let done = retain(place, asked).await;
    for (found, done) in found.iter().zip(&done) {
        assert_eq!((found.session, found.why), (done.session, done.why));
        let archive = place.session(done.session).await.archive.expect("it is archived").id;
        assert_eq!(done.outcome, RetainOutcome::Archived(archive));
    }
    assert_eq!(found.len(), done.len());
    assert_eq!(retain(place, asked.dry_run()).await, [], "then there is nothing");
    done.iter().map(|it| (it.session, it.why)).collect()
}

async fn configure(place: &Place, project: ProjectId, retention: Retention) {
    let now = place.handle.project(project).await.expect("an answer").expect("the project");
    let config = now.config.with_retention(retention);
    let update = UpdateProject { config: Some(config), ..UpdateProject::default() };
    place.handle.update_project(project, now.version, update).await.expect("it is configured");
}

/// A thread with children: some over, some at work in every way.
async fn thread_with(place: &Place, project: ProjectId) -> (ThreadId, Vec<SessionId>) {
    let handle = &place.handle;
    let thread = handle.create_thread(project, "t").await.expect("a thread");
    let root = handle.create_session(thread, "root").await.expect("a session");
    let mut over = Vec::new();
    for outcome in [RunOutcome::Succeeded, RunOutcome::Failed { reason: "no".into() }] {
        let made = handle.spawn(NewSubSession::under(root), "over").await.expect("a child");
        place.work(made.id, outcome).await;
        over.push(made.id);
    }
    // Pending, active, with a lease, with a child at work.
    handle.spawn(NewSubSession::under(root), "pending").await.expect("a child");
    let active = handle.spawn(NewSubSession::under(root), "active").await.expect("a child");
    handle.start_run(active.id, NewRun::default()).await.expect("a run");
    let parent = handle.spawn(NewSubSession::under(root), "parent").await.expect("a child");
    place.work(parent.id, RunOutcome::Succeeded).await;
    handle.spawn(NewSubSession::under(parent.id), "grandchild").await.expect("a child");
    (thread, over)
}

/// Off unless it is asked for; then idle sub-sessions, and the oldest of too many, and never what is at work.
pub async fn arc5(cx: ClauseContext) -> Verdict {
    let place = Place::with(&cx, ProjectConfig::default().with_max_delegation_width(1000)).await;
    let handle = &place.handle;
    let project = place.session(place.parent).await.project;
    let (thread, over) = thread_with(&place, project).await;
    let week = 24 * 7 * HOUR;
    // Without configuration, without an archive, without rules: nothing.
    for retention in [
        Retention::default(),
        Retention::default().with_idle_sub_session_ttl(HOUR).with_max_sub_sessions(0),
        Retention::to(ARCHIVE),
    ] {
        configure(&place, project, retention).await;
        place.lab.clock.advance(week);
        assert_eq!(retain(&place, Retain::new()).await, []);
    }
    // By time: written to longest ago first; not before the skew has passed, too.
    configure(&place, project, Retention::to(ARCHIVE).with_idle_sub_session_ttl(HOUR)).await;
    handle.append(over[0], [says("still here")]).await.expect("an entry");
    let active: Vec<_> = handle.sessions(thread).all().await.expect("a list");
    let taken = both(&place, Retain::new()).await;
    assert_eq!(taken, [(over[1], RetentionReason::Idle)]);
    place.lab.clock.advance(HOUR + Duration::from_secs(30));
    assert_eq!(both(&place, Retain::new()).await, [], "the clocks may differ by so much");
    place.lab.clock.advance(Duration::from_millis(1));
    assert_eq!(both(&place, Retain::new()).await, [(over[0], RetentionReason::Idle)]);
    for row in handle.sessions(thread).all().await.expect("a list") {
        let before = active.iter().find(|it| it.id == row.id).expect("it was there");
        let is_over = over.contains(&row.id);
        assert_eq!(row.status == SessionStatus::Archived, is_over, "{row:?}");
        assert!(is_over || row.status == before.status);
    }
    // By number: the parent and its grandchild, the pending and the active one are four, and only what is over goes.
    configure(&place, project, Retention::to(ARCHIVE).with_max_sub_sessions(5)).await;
    let root = handle.sessions(thread).all().await.expect("a list")[0].id;
    let mut more = Vec::new();
    for _ in 0..3 {
        let made = handle.spawn(NewSubSession::under(root), "more").await.expect("a child");
        place.lab.clock.advance(Duration::from_secs(1));
        place.work(made.id, RunOutcome::Succeeded).await;
        more.push(made.id);
    }
    let taken = both(&place, Retain::new()).await;
    assert_eq!(taken, [0, 1].map(|i| (more[i], RetentionReason::TooMany)));
    configure(&place, project, Retention::to(ARCHIVE).with_max_sub_sessions(0)).await;
    assert_eq!(both(&place, Retain::new()).await, [(more[2], RetentionReason::TooMany)]);
    // A lease of somebody keeps it, until it could be claimed.
    let made = handle.spawn(NewSubSession::under(root), "leased").await.expect("a child");
    place.work(made.id, RunOutcome::Succeeded).await;
    handle.claim_lease(made.id, HOUR).await.expect("a lease");
    assert_eq!(retain(&place, Retain::new()).await, []);
    place.lab.clock.advance(2 * HOUR);
    assert_eq!(both(&place, Retain::new()).await, [(made.id, RetentionReason::TooMany)]);
    // Of one project, of one tenant, of no archived thread.
    scopes(&cx, &place, thread).await;
    Verdict::Passed
}

async fn scopes(cx: &ClauseContext, place: &Place, first: ThreadId) {
    let handle = &place.handle;
    let strict = config().with_retention(Retention::to(ARCHIVE).with_max_sub_sessions(0));
    let new = NewProject::named("other").with_config(strict.clone());
    let project = handle.create_project(new).await.expect("a project");
    let (thread, over) = thread_with(place, project).await;
    let (closed, _) = thread_with(place, project).await;
    for row in handle.sessions(closed).all().await.expect("a list") {
        if let Some(run) = row.open_run {
            handle.end_run(run, RunOutcome::Cancelled).await.expect("its end");
        } else if row.parent.is_some() && row.entries == 0 {
            place.work(row.id, RunOutcome::Cancelled).await;
        }
    }
    handle.archive_thread(closed).await.expect("it is archived");
    let stranger = cx.caller_of("globex", "eve");
    let others = place.lab.store.retain(&stranger, Retain::new()).await.expect("it ends");
    assert_eq!(others, []);
    let foreign = place.lab.store.retain(&stranger, Retain::new().of_project(project)).await;
    assert_eq!(
        foreign.expect_err("it is foreign").kind(),
        sessile_core::ErrorKind::TenantIsolation
    );
    let first_project = handle.thread(first).await.expect("an answer").expect("it").project;
    assert_eq!(retain(place, Retain::new().of_project(first_project)).await, []);
    let taken = both(place, Retain::new().of_project(project)).await;
    assert_eq!(taken.iter().map(|it| it.0).collect::<Vec<_>>(), over);
    let rows = handle.sessions(thread).all().await.expect("a list");
    assert_eq!(rows.iter().filter(|row| row.status == SessionStatus::Archived).count(), 2);
    // An archive that this store does not have takes nothing, and says so.
    let elsewhere = strict.with_retention(Retention::to("elsewhere").with_max_sub_sessions(0));
    let new = NewProject::named("third").with_config(elsewhere);
    let project = handle.create_project(new).await.expect("a project");
    let thread = handle.create_thread(project, "t").await.expect("a thread");
    let root = handle.create_session(thread, NewSession::named("root")).await.expect("a session");
    let made = handle.spawn(NewSubSession::under(root), "over").await.expect("a child");
    place.work(made.id, RunOutcome::Succeeded).await;
    let failed = retain(place, Retain::new().of_project(project)).await;
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert!(matches!(failed.outcome, RetainOutcome::Failed(_)), "{failed:?}");
    assert_eq!(place.session(made.id).await.status, SessionStatus::Idle);
}
