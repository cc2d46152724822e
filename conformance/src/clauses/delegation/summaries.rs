//! SUM: what an activity came to is sealed once, and ends it.

use sessile_core::{
    Error, ErrorKind, Handle,
    command::{NewRun, NewSubSession},
    id::SessionId,
    model::{
        Deliverable, NewSummary, Note, NoteKind, RunOutcome, SessionStatus, SubSessionStatus,
        SummaryOutcome, note,
    },
    workspace::FilePath,
};

use super::process_races;
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        concurrent::together,
        shorthand::{pages, says},
    },
};

crate::clauses! { SUM1: Concurrent => sum1, SUM2 => sum2, SUM3 => sum3, SUM4 => sum4, SUM5 => sum5 }

fn brief(text: &str) -> NewSummary {
    NewSummary::new(SummaryOutcome::Succeeded, text)
}

async fn is_ended(ann: &Handle, session: SessionId) -> bool {
    ann.session(session).await.expect("an answer").expect("the session").ended
}

/// One summary for an activity: of two at once one is sealed, none where nothing was done, none while a run lives.
pub async fn sum1(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let (ann, thread) = (store.as_caller(&caller), session.thread());
    let nothing = harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Precondition,
        ann.seal_summary(session, brief("nothing")),
    )
    .await;
    assert!(
        matches!(nothing, Error::NothingToSummarise { session: of, last: None } if of == session)
    );
    let run = ann.start_run(session, NewRun::default()).await.expect("a run");
    let alive = harmless(
        &store,
        &caller,
        thread,
        ErrorKind::Precondition,
        ann.seal_summary(session, brief("too early")),
    )
    .await;
    assert!(matches!(alive, Error::RunLive { run: of, .. } if of == run), "{alive}");
    ann.end_run(run, RunOutcome::Succeeded).await.expect("its end");
    let others = [cx.store().await, cx.store().await];
    let at_once = (0..8).map(|i| {
        let handle = others[i % 2].as_caller(&caller);
        async move { handle.seal_summary(session, brief(&format!("{i}"))).await }
    });
    let (sealed, refusals): (Vec<_>, Vec<_>) =
        together(at_once).await.into_iter().partition(Result::is_ok);
    assert_eq!(sealed.len(), 1, "one of them");
    let sealed = *sealed[0].as_ref().expect("a summary");
    for refusal in refusals {
        match refused(refusal, ErrorKind::Precondition) {
            Error::NothingToSummarise { last, .. } => assert_eq!(last, Some(sealed)),
            other => panic!("{other}"),
        }
    }
    process_races::two_summaries(&cx, cx.scale(20, 1000)).await;
    Verdict::Passed
}

/// With it what is active is idle and the edge above has it and has ended, in the same commit; any other status stays.
pub async fn sum2(cx: ClauseContext) -> Verdict {
    use SessionStatus::{Active, AwaitingHitl, Failed, Idle};
    let store = cx.store().await;
    let caller = cx.caller();
    let parent = cx.session(&store, &caller).await;
    let ann = store.as_caller(&caller);
    for (status, then) in
        [(Idle, Idle), (Active, Idle), (AwaitingHitl, AwaitingHitl), (Failed, Failed)]
    {
        let made = ann.spawn(NewSubSession::under(parent), "child").await.expect("a child");
        ann.append(made.id, says("work")).await.expect("an entry");
        if status != Idle {
            ann.set_status(made.id, status).await.expect("a status");
        }
        let before = ann.thread(parent.thread()).await.expect("an answer").expect("it").head;
        let summary = ann.seal_summary(made.id, brief("done")).await.expect("a summary");
        assert_eq!(summary.version(), before + 1, "one record");
        let child = ann.session(made.id).await.expect("an answer").expect("the child");
        assert_eq!((child.status, child.summary, child.ended), (then, Some(summary), true));
        let edge = ann.edge(made.edge.expect("an edge")).await.expect("an answer");
        let edge = edge.expect("the edge");
        let end = if status == Failed { SubSessionStatus::Failed } else { SubSessionStatus::Idle };
        assert_eq!((edge.status, edge.summary), (end, Some(summary)));
        assert_eq!(edge.version, summary.version());
    }
    Verdict::Passed
}

/// What is too long is refused, and never cut.
pub async fn sum3(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let ann = store.as_caller(&caller);
    let mut valid = 0;
    let long = |n: usize| "\u{1F980}".repeat(n);
    for (summary, is_valid) in [
        (brief(&long(4000)), true),
        (brief(&long(4001)), false),
        (brief(""), false),
        (brief("a").with_decision(long(4000)), true),
        (brief("a").with_decision(long(4001)), false),
        (brief("a").with_decision(""), false),
        (brief("a").with_verdict("x".repeat(256)), true),
        (brief("a").with_verdict("x".repeat(257)), false),
        ((0..257).fold(brief("a"), |it, _| it.with_decision("d")), false),
        ((0..70).fold(brief("a"), |it, _| it.with_decision("d".repeat(4000))), false),
        (brief("a").with_deliverable(file("0".repeat(63))), false),
        (brief("a").with_deliverable(file("G".repeat(64))), false),
        (brief("a").with_deliverable(file("0af".repeat(21) + "9")), true),
    ] {
        ann.append(session, says("work")).await.expect("an entry");
        let call = ann.seal_summary(session, summary.clone());
        if is_valid {
            let id = call.await.expect("a summary");
            let kept = ann.summary(id).await.expect("an answer").expect("the summary");
            assert_eq!(kept.content, Some(summary));
            valid += 1;
            assert_eq!(kept.activity, valid);
        } else {
            harmless(&store, &caller, session.thread(), ErrorKind::Invalid, call).await;
        }
    }
    Verdict::Passed
}

fn file(sha256: String) -> Deliverable {
    Deliverable::File { path: FilePath::new("a/b.txt").expect("a path"), sha256, size: 7 }
}

/// A summary is what the sealing said, and nothing else makes or changes one; what it names is there.
pub async fn sum4(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let (ann, thread) = (store.as_caller(&caller), session.thread());
    let entry = ann.append(session, says("work")).await.expect("an entry").first;
    let summary = brief("\u{0}all of \u{202e}it")
        .with_verdict("good")
        .with_decision("so be it\n")
        .with_deliverable(file("0".repeat(64)))
        .with_deliverable(Deliverable::Message(entry))
        .with_deliverable(Deliverable::Artifact {
            reference: "s3://bucket/key".into(),
            media_type: Some("text/plain".into()),
        });
    let id = ann.seal_summary(session, summary.clone()).await.expect("a summary");
    let kept = ann.summary(id).await.expect("an answer").expect("the summary");
    assert_eq!(kept.content.as_ref(), Some(&summary));
    assert_eq!((kept.session, kept.created_by.as_ref()), (session, Some(&caller.actor)));
    assert_eq!((kept.id, kept.version, kept.activity), (id, id.version(), 1));
    // An entry, an edge, a session are none.
    for version in [entry.version(), session.version(), 1 << 40] {
        let other = sessile_core::id::SummaryId::new(thread, version);
        assert_eq!(ann.summary(other).await.expect("an answer"), None);
    }
    ann.append(session, says("more")).await.expect("an entry");
    let naming = |named| ann.seal_summary(session, brief("names").with_deliverable(named));
    let far = cx.session(&store, &caller).await;
    let far_entry = ann.append(far, says("far")).await.expect("an entry").first;
    let call = naming(Deliverable::Message(far_entry));
    harmless(&store, &caller, thread, ErrorKind::Precondition, call).await;
    let nothing = sessile_core::id::EntryId::new(thread, id.version());
    let call = naming(Deliverable::Message(nothing));
    harmless(&store, &caller, thread, ErrorKind::NotFound, call).await;
    let no_summary = sessile_core::id::SummaryId::new(thread, entry.version());
    let call = naming(Deliverable::SessionSummary(no_summary));
    harmless(&store, &caller, thread, ErrorKind::NotFound, call).await;
    naming(Deliverable::SessionSummary(id)).await.expect("a summary of a summary");
    // It is gone with its session.
    ann.delete_session(session).await.expect("deleted");
    assert_eq!(ann.summary(id).await.expect("an answer"), None);
    Verdict::Passed
}

/// A session that goes on may be summarised again; all summaries stay, the newest first.
pub async fn sum5(cx: ClauseContext) -> Verdict {
    let mut store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let mut sealed = Vec::new();
    for round in 0..5_u32 {
        let ann = store.as_caller(&caller);
        match round {
            0 | 1 => drop(ann.append(session, says("work")).await.expect("an entry")),
            2 => {
                // Failed and reopened.
                ann.set_status(session, SessionStatus::Failed).await.expect("failed");
                assert!(is_ended(&ann, session).await);
                ann.reopen_session(session).await.expect("reopened");
            }
            3 => {
                let run = ann.start_run(session, NewRun::default()).await.expect("a run");
                ann.end_run(run, RunOutcome::Cancelled).await.expect("its end");
                assert!(is_ended(&ann, session).await, "what was cancelled is over");
            }
            _ => {
                let start = note(NoteKind::Start, Note::new("again"));
                ann.append(session, start).await.expect("a note");
            }
        }
        let id = ann.seal_summary(session, brief(&format!("{round}"))).await.expect("a summary");
        assert!(is_ended(&ann, session).await);
        let again = ann.seal_summary(session, brief("again")).await;
        refused(again, ErrorKind::Precondition);
        sealed.push((id, round + 1));
        store = cx.reopen(store).await;
        let ann = store.as_caller(&caller);
        let all = pages(2, |page| ann.summaries(session).page(page)).await;
        let all: Vec<_> = all.iter().rev().map(|it| (it.id, it.activity)).collect();
        assert_eq!(all, sealed);
    }
    Verdict::Passed
}
