//! TLN4, LEA5: what can be taken up again, and by whom.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    ErrorKind, Handle,
    command::{Inheritance, NewRun, NewSession, NewSubSession},
    id::{SessionId, ThreadId},
    model::{
        Awaited, CompletionMode, NewSummary, Note, NoteKind, Resumable, RunOutcome, RunStatus,
        SessionStatus, SubSessionStatus, SummaryOutcome, note,
    },
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, TestClock,
        assertions::refused,
        concurrent::together,
        shorthand::{named, pages, says},
    },
};

crate::clauses! { TLN4 => tln4, LEA5: Shared => lea5 }

async fn offered(handle: &Handle, thread: ThreadId) -> Vec<Resumable> {
    let all = pages(2, |page| handle.resumable(thread).page(page)).await;
    let whole = pages(100, |page| handle.resumable(thread).page(page)).await;
    assert_eq!(all, whole, "pages are the whole");
    all
}

/// Exactly those sessions whose work began and has not ended, and that nobody holds, newest first, with what each waits for.
pub async fn tln4(cx: ClauseContext) -> Verdict {
    let clock = Arc::<TestClock>::default();
    let store = cx.store_with(Arc::clone(&clock), |options| options).await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let ann = store.as_caller(&caller);
    assert_eq!(offered(&ann, thread).await, []);
    // Not: one in which nothing was done, and those whose activity ended in whatever way.
    named(&store, &caller, thread, "nothing was done").await;
    let begun = async |name: &str| -> SessionId {
        clock.advance(Duration::from_secs(1));
        let new = NewSession::named(name).with_turn([says("go")]);
        ann.create_session(thread, new).await.expect("a session")
    };
    let noted = begun("ended by a note").await;
    ann.append(noted, note(NoteKind::End, Note::new("done"))).await.expect("a note");
    let summarised = begun("summarised").await;
    let summary = NewSummary::new(SummaryOutcome::Succeeded, "done");
    ann.seal_summary(summarised, summary).await.expect("a summary");
    let failed = begun("failed").await;
    ann.set_status(failed, SessionStatus::Failed).await.expect("failed");
    let cancelled = begun("cancelled").await;
    let run = ann.start_run(cancelled, NewRun::default()).await.expect("a run");
    ann.end_run(run, RunOutcome::Cancelled).await.expect("its end");
    let source = begun("merged back").await;
    let edge = NewSubSession {
        completion_mode: CompletionMode::MergeBack,
        ..NewSubSession::under(source).inheriting(Inheritance::FullHistory)
    };
    let merged = ann.spawn(edge, NewSession::named("merged").with_turn([says("work")])).await;
    let merged = merged.expect("a child");
    let run = ann.start_run(merged.id, NewRun::default()).await.expect("a run");
    ann.end_run(run, RunOutcome::Succeeded).await.expect("its end");
    let edge = merged.edge.expect("an edge");
    for to in [SubSessionStatus::PendingMerge, SubSessionStatus::Merging, SubSessionStatus::Merged]
    {
        let version = ann.edge(edge).await.expect("an answer").expect("the edge").version;
        let is_offered = offered(&ann, thread).await.iter().any(|it| it.session == merged.id);
        assert!(is_offered, "until it is merged");
        ann.step_merge(edge, version, to).await.expect("a step");
    }
    let end = note(NoteKind::End, Note::new("all is merged"));
    ann.append(source, end).await.expect("a note");
    let held = begun("held").await;
    ann.claim_lease(held, Duration::from_secs(60)).await.expect("a lease");
    assert_eq!(offered(&ann, thread).await, []);

    // Each with what it waits for.
    let mut want = Vec::new();
    let idle = begun("idle").await;
    let checkpoint = note(NoteKind::Checkpoint, Note::new("so far"));
    let at = ann.append(idle, checkpoint).await.expect("a note").first;
    want.push((idle, vec![], Some(at)));
    for (queued, steps) in [
        (true, &[][..]),
        (false, &[]),
        (false, &[RunStatus::AwaitingHitl]),
        (false, &[RunStatus::AwaitingHitl, RunStatus::AwaitingHitlResolution]),
    ] {
        let session = begun("with a run").await;
        let new = NewRun { queued, ..NewRun::default() };
        let run = ann.start_run(session, new).await.expect("a run");
        for step in steps {
            ann.set_run_status(run, *step).await.expect("a step");
        }
        let awaited = match (queued, steps.len()) {
            (true, _) => Awaited::Turn(run),
            (_, 0) => Awaited::Worker(run),
            (_, 1) => Awaited::Person(run),
            _ => Awaited::Resolution(run),
        };
        want.push((session, vec![awaited], None));
    }
    let parent = begun("a parent").await;
    let run = ann.start_run(parent, NewRun::default()).await.expect("a run");
    let children = ["a", "b"].map(|name| ann.spawn(NewSubSession::under(parent), name));
    let children = together(children).await;
    let mut edges = Vec::new();
    for child in children {
        edges.push(child.expect("a child").edge.expect("an edge"));
    }
    ann.await_sub_sessions(run, edges.clone()).await.expect("it waits");
    edges.sort_unstable();
    want.push((parent, vec![Awaited::SubSessions { run, edges: edges.clone() }], None));
    let source = begun("a source").await;
    let recipient = |name: &str| {
        let owner = super::handoffs::agent(&caller, name);
        NewSession::named(name).owned_by(owner)
    };
    let sent = ann.broadcast(source, 0, [recipient("r1"), recipient("r2")]).await.expect("sent");
    let recipients = sent.iter().filter_map(|it| it.edge).collect();
    want.push((source, vec![Awaited::Recipients(recipients)], None));
    want.reverse();
    let shown = |it: Vec<Resumable>| -> Vec<_> {
        it.into_iter().map(|it| (it.session, it.awaits, it.note)).collect()
    };
    assert_eq!(shown(offered(&ann, thread).await), want);
    // One edge less to wait for.
    ann.delete_edge(edges[0]).await.expect("it goes");
    let parents = shown(offered(&ann, thread).await);
    let of_parent = parents.iter().find(|it| it.0 == parent).expect("it is offered");
    assert_eq!(of_parent.1, [Awaited::SubSessions { run, edges: edges[1..].to_vec() }]);

    // What goes on is offered again, and what is held no more.
    ann.reopen_session(failed).await.expect("reopened");
    ann.append(noted, says("more")).await.expect("an entry");
    clock.advance(Duration::from_secs(3600));
    let now = offered(&ann, thread).await;
    for session in [failed, noted, held] {
        let it = now.iter().find(|it| it.session == session).expect("it is offered");
        assert_eq!(it.expired_lease.is_some(), session == held);
    }
    assert!(now.iter().all(|it| it.session != summarised && it.session != cancelled));
    let note_of = now.iter().find(|it| it.session == noted).and_then(|it| it.note);
    assert!(note_of.is_some(), "the newest note comes with it");
    let store = cx.reopen_with(store, clock, |options| options).await;
    assert_eq!(offered(&store.as_caller(&caller), thread).await, now);
    Verdict::Passed
}

/// Of many who resume and claim one session, one gets it.
pub async fn lea5(cx: ClauseContext) -> Verdict {
    let clock = Arc::<TestClock>::default();
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(cx.store_with(Arc::clone(&clock), |options| options).await);
    }
    let caller = cx.caller();
    let thread = cx.thread(&stores[0], &caller).await;
    let ann = stores[0].as_caller(&caller);
    let new = NewSession::named("left behind").with_turn([says("go")]);
    let session = ann.create_session(thread, new).await.expect("a session");
    ann.claim_lease(session, Duration::from_secs(1)).await.expect("a lease");
    for round in 0..cx.times(4) {
        clock.advance(Duration::from_secs(3600));
        let claims = (0..9).map(|i| {
            let handle = stores[i % 3].as_caller(&caller);
            async move {
                let offered = handle.resumable(thread).all().await.expect("a list");
                let first = offered.first()?;
                Some(handle.claim_lease(first.session, Duration::from_secs(1)).await)
            }
        });
        let claims: Vec<_> = together(claims).await.into_iter().flatten().collect();
        let won = claims.iter().filter(|claim| claim.is_ok()).count();
        assert_eq!(won, 1, "round {round}: {claims:?}");
        for lost in claims.into_iter().filter(Result::is_err) {
            refused(lost, ErrorKind::Fenced);
        }
        assert_eq!(ann.resumable(thread).all().await.expect("a list"), [], "it is held");
    }
    Verdict::Passed
}
