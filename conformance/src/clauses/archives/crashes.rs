//! ARC4: stopped anywhere, a session is archived or not, and what is left belongs to it or is collected.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    Error, ErrorKind, Store,
    archive::{ArchiveBackends, CollectBundles, CollectOutcome, CollectedBundle, Unclaimed},
    command::{Archiving, NewSubSession},
    id::SessionId,
    model::{Autonomy, NewCollapse, SessionStatus, SubSessionStatus},
    store::StoreOptions,
};

use super::place::Place;
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        archives::{ARCHIVE, FailingArchive, Failure},
        concurrent::together,
        fault::{Call, InterruptedJournal},
        shorthand::{head, says},
        stops::polled,
    },
};

crate::clauses! { ARC4: Durable => arc4 }

/// Archived or not, wholly, and whole; answers which.
async fn either(place: &Place, session: SessionId) -> bool {
    let now = place.session(session).await;
    let edge = place.edge(now.parent.expect("an edge")).await;
    let is_archived = now.status == SessionStatus::Archived;
    assert_eq!(is_archived, now.archive.is_some());
    assert_eq!(is_archived, edge.status == SubSessionStatus::Archived);
    assert_eq!(is_archived, edge.before_archive.is_some());
    is_archived
}

/// After the archivers had their time: what is archived is restored, what is not is archived then, and nothing is left over.
async fn settles(place: &Place, sessions: &[SessionId]) {
    place.archivers_are_late();
    // A dry run says what a real one does, and neither touches what is archived.
    let found = place.collect(CollectBundles::new().dry_run()).await;
    let removed = place.collect(CollectBundles::new()).await;
    let names =
        |all: &[CollectedBundle]| -> Vec<_> { all.iter().map(|it| (it.archive, it.why)).collect() };
    assert_eq!(names(&found), names(&removed));
    assert!(found.iter().all(|it| it.outcome == CollectOutcome::Found));
    assert!(removed.iter().all(|it| it.outcome == CollectOutcome::Removed), "{removed:?}");
    assert_eq!(place.collect(CollectBundles::new()).await, [], "again there is nothing");
    let mut held = Vec::new();
    for session in sessions {
        if either(place, *session).await {
            held.push(place.session(*session).await.archive.expect("where it is").id.to_string());
        }
    }
    for name in place.objects().await {
        assert!(held.iter().any(|archive| name.contains(archive)), "{name} belongs to nothing");
    }
    for session in sessions {
        let before = place.all_of(*session).await;
        if before.session.archive.is_some() {
            place.handle.restore_session(*session).await.expect("it is restored");
        }
        place.archived(*session).await;
        place.handle.restore_session(*session).await.expect("it is restored");
        assert_eq!(
            place.all_of(*session).await.without_marks(true),
            before.without_marks(true),
            "nothing of it was lost"
        );
    }
    assert_eq!(place.objects().await, Vec::<String>::new());
}

/// A store of the place whose archive fails.
pub(super) async fn failing_archive(
    place: &Place,
    calls: usize,
    failure: Failure,
) -> (Store, Arc<FailingArchive>) {
    let failing = FailingArchive::after(place.archive(), calls, failure);
    let archives = ArchiveBackends::default().with(ARCHIVE, Arc::clone(&failing) as _);
    let archives = archives.expect("a name of its own");
    let with = |options: StoreOptions| options.with_archives(archives);
    (place.lab.cx.store_with(Arc::clone(&place.lab.clock), with).await, failing)
}

/// At every await, at every commit, at every call of the archive; and with others who write, spawn, erase, archive and restore
/// at the same time.
pub async fn arc4(cx: ClauseContext) -> Verdict {
    let place = Place::new(&cx).await;
    dropped(&cx, &place).await;
    failed(&place).await;
    collected(&place).await;
    together_with_others(&cx, &place).await;
    erased(&place).await;
    Verdict::Passed
}

async fn dropped(cx: &ClauseContext, place: &Place) {
    let mut sessions = Vec::new();
    for polls in 0..cx.times(16) {
        let (session, _) = place.ended("dropped").await;
        sessions.push(session);
        let call = place.handle.archive_session(session, Archiving::new());
        let archived = polled(polls, call).await;
        let is_archived = either(place, session).await;
        if let Some(archived) = archived {
            archived.expect("it is archived");
            assert!(is_archived);
        }
        if is_archived {
            let restored = polled(polls / 2, place.handle.restore_session(session)).await;
            let is_archived = either(place, session).await;
            assert!(restored.is_none() || !is_archived);
        }
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    settles(place, &sessions).await;
}

async fn failed(place: &Place) {
    let mut sessions = Vec::new();
    // Commits: the claim, the archive, the giving up. Of a restoration there is one.
    for commits in 0..4 {
        let (session, _) = place.ended("unlucky").await;
        sessions.push(session);
        let (store, broken) = place.failing_after(commits).await;
        let handle = store.as_caller(&place.lab.caller);
        let archived = handle.archive_session(session, Archiving::new()).await;
        assert_eq!(archived.is_err(), broken.is_over(), "{archived:?}");
        assert_eq!(either(place, session).await, archived.is_ok());
        if archived.is_ok() {
            let (store, _) = place.failing_after(0).await;
            let restored = store.as_caller(&place.lab.caller).restore_session(session).await;
            restored.expect_err("the engine fails");
            assert!(either(place, session).await);
        }
    }
    for failure in [Failure::Before, Failure::After] {
        for calls in 0.. {
            let (session, _) = place.ended("unlucky").await;
            sessions.push(session);
            let (store, failing) = failing_archive(place, calls, failure).await;
            let handle = store.as_caller(&place.lab.caller);
            let archived = handle.archive_session(session, Archiving::new()).await;
            assert_eq!(either(place, session).await, archived.is_ok());
            let restored = match archived {
                Ok(_) => handle.restore_session(session).await.map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = &restored {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            } else {
                assert!(!either(place, session).await);
            }
            // What is left of a bundle after its session was restored is no failure.
            if !failing.has_failed() {
                break;
            }
        }
    }
    settles(place, &sessions).await;
}

/// A bundle that is being written is not touched, and one whose writer slept for too long is not committed.
async fn collected(place: &Place) {
    let (session, _) = place.ended("slow").await;
    // Its writer never comes to the manifest.
    let (store, _) = failing_archive(place, 1, Failure::Hangs).await;
    let hangs = store.as_caller(&place.lab.caller);
    let call = hangs.archive_session(session, Archiving::new());
    let part_is_there = async {
        while place.objects().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        archived = call => panic!("it hangs, and answered {archived:?}"),
        () = part_is_there => {}
    }
    assert!(!either(place, session).await);
    let contended = place.handle.archive_session(session, Archiving::new());
    let contended = contended.await.expect_err("another archives it");
    assert_eq!(contended.kind(), ErrorKind::Contended);
    assert_eq!(place.collect(CollectBundles::new()).await, [], "it is claimed");
    place.archivers_are_late();
    let found = place.collect(CollectBundles::new()).await;
    assert_eq!(found.iter().map(|it| it.why).collect::<Vec<_>>(), [Unclaimed::ArchiverGone]);
    assert_eq!(place.objects().await, Vec::<String>::new());
    // One that sleeps between its manifest and its commit until its bundle was collected writes another.
    let (sleeper, _) = place.ended("sleeper").await;
    let (collector, clock) = (place.lab.another_store().await, Arc::clone(&place.lab.clock));
    let caller = place.lab.caller.clone();
    let sleeps = async move {
        clock.advance(Duration::from_secs(3600));
        let collected = collector.collect_bundles(&caller, CollectBundles::new()).await?;
        assert_eq!(collected.len(), 1, "{collected:?}");
        Ok(())
    };
    let below = place.lab.cx.journal().await;
    let journal = InterruptedJournal::after(below, Call::Commit, 1, sleeps);
    let clock = Arc::clone(&place.lab.clock);
    let with = |options: StoreOptions| options.with_deadline(Duration::from_secs(24 * 3600));
    let store = place.lab.cx.store_over(journal, clock, with);
    let sleepy = store.as_caller(&place.lab.caller);
    sleepy.archive_session(sleeper, Archiving::new()).await.expect("it is archived");
    place.handle.restore_session(sleeper).await.expect("its bundle is there");
    // Of a purged thread nothing is left.
    let thread = place.handle.create_thread(place.session(session).await.project, "t").await;
    let thread = thread.expect("a thread");
    let over = place.handle.create_session(thread, "over").await.expect("a session");
    place.archived(over).await;
    let kept = place.objects().await;
    let mut copies = Vec::new();
    for name in &kept {
        copies.push((name, place.archive().get(name).await.expect("it is listed")));
    }
    let refused = place.handle.delete_thread(thread).await.expect_err("a session is in it");
    assert!(matches!(refused, Error::ThreadNotEmpty { total: 1, .. }), "{refused}");
    place.handle.purge_thread(thread).await.expect("it is purged");
    assert_eq!(place.objects().await, Vec::<String>::new());
    for (name, bytes) in copies {
        place.archive().put(name, &bytes).await.expect("a writer that slept");
    }
    let found = place.collect(CollectBundles::new()).await;
    assert_eq!(found.iter().map(|it| it.why).collect::<Vec<_>>(), [Unclaimed::ThreadGone]);
    assert_eq!(place.objects().await, Vec::<String>::new());
    settles(place, &[session]).await;
}

/// Archiving against writers, spawns, other archivers and restorers.
async fn together_with_others(cx: &ClauseContext, place: &Place) {
    let store = place.lab.another_store().await;
    let (mine, theirs) = (&place.handle, store.as_caller(&place.lab.caller));
    for round in 0..cx.times(8) {
        let (session, _) = place.ended("busy").await;
        let before = place.session(session).await.entries;
        let archiving = async { mine.archive_session(session, Archiving::new()).await.map(drop) };
        let other = async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            match round % 4 {
                0 | 1 => theirs.append(session, [says("more")]).await.map(drop),
                2 => theirs.spawn(NewSubSession::under(session), "child").await.map(drop),
                _ => theirs.archive_session(session, Archiving::new()).await.map(drop),
            }
        };
        let (archived, done) = tokio::join!(archiving, other);
        let now = place.session(session).await;
        assert_eq!(either(place, session).await, now.archive.is_some());
        match &done {
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Closed | ErrorKind::Contended), "{error}")
            }
            Ok(()) if round % 4 < 2 => assert_eq!(now.entries, before + 1),
            Ok(()) if round % 4 == 2 => assert!(now.archive.is_none(), "its child is at work"),
            Ok(()) => assert!(now.archive.is_some()),
        }
        if let Some(archive) = &now.archive {
            assert!(archived.is_ok() || done.is_ok());
            assert_eq!(archive.entries, now.entries, "all of it is in the bundle");
            let both = [mine.restore_session(session), theirs.restore_session(session)];
            let both = together(both).await;
            assert!(both.iter().all(|it| it.is_ok()), "{both:?}");
            assert_eq!(both[0].as_ref().ok(), both[1].as_ref().ok(), "it was restored once");
        }
        place.archivers_are_late();
        place.collect(CollectBundles::new()).await;
        assert_eq!(place.objects().await, Vec::<String>::new());
    }
}

/// What is erased is in no bundle, whenever that happens, and never comes back.
async fn erased(place: &Place) {
    const SECRET: &str = "a secret that goes";
    let (session, thread) = (place.ended("open").await.0, place.lab.thread);
    let entry = place.handle.append(session, [says(SECRET)]).await.expect("an entry").first;
    let archive = place.archived(session).await;
    let holds = async || {
        for name in place.objects().await {
            let bytes = place.archive().get(&name).await.expect("it is listed");
            if String::from_utf8_lossy(&bytes).contains(SECRET) {
                return true;
            }
        }
        false
    };
    assert!(holds().await, "it is archived as it was said");
    // A store that does not have the archive refuses, and erases nothing.
    let with = |options: StoreOptions| options.with_archives(ArchiveBackends::default());
    let without = place.lab.cx.store_with(Arc::clone(&place.lab.clock), with).await;
    let refused = without.as_caller(&place.lab.caller).erase_entries(thread, [entry]).await;
    let refused = refused.expect_err("it cannot be erased there");
    assert!(matches!(refused, Error::ArchiveNotConfigured { .. }), "{refused}");
    assert!(place.handle.entry(entry).await.expect("an answer").expect("it").content.is_some());
    // So it does for a message that stands for an archived child: its draft is the child's, and goes with it.
    let (child, edge) = place.ended("child").await;
    let new = NewCollapse::of(SECRET).with_autonomy(Autonomy::Manual);
    let stands = place.handle.propose_collapse(edge, new).await.expect("a draft").entry;
    let stands = stands.expect("it is in the parent");
    place.archived(child).await;
    let before = head(&without, &place.lab.caller, thread).await;
    let refused = without.as_caller(&place.lab.caller).erase_entries(thread, [stands]).await;
    let refused = refused.expect_err("its draft cannot be erased there");
    assert!(matches!(refused, Error::ArchiveNotConfigured { .. }), "{refused}");
    assert_eq!(head(&without, &place.lab.caller, thread).await, before, "nothing is erased");
    place.handle.erase_entries(thread, [stands]).await.expect("it is erased");
    // One whose archive fails says that it is not sure, and a vacuum finishes it.
    let (store, _) = failing_archive(place, 0, Failure::Before).await;
    let unsure = store.as_caller(&place.lab.caller).erase_entries(thread, [entry]).await;
    assert_eq!(unsure.expect_err("it fails").kind(), ErrorKind::Indeterminate);
    assert!(holds().await);
    place.archivers_are_late();
    place.handle.vacuum_thread(thread).await.expect("a vacuum");
    assert!(!holds().await, "it is in no bundle");
    let now = place.session(session).await.archive.expect("it is archived");
    assert_ne!(now.id, archive);
    let before = head(&place.lab.store, &place.lab.caller, thread).await;
    place.handle.vacuum_thread(thread).await.expect("a vacuum");
    let after = head(&place.lab.store, &place.lab.caller, thread).await;
    assert_eq!(before, after, "again there is nothing to do");
    place.handle.restore_session(session).await.expect("it is restored");
    assert!(place.handle.entry(entry).await.expect("an answer").expect("it").content.is_none());
    // Two at once, of one bundle.
    let said = [says(SECRET), says(SECRET)];
    let said = place.handle.append(session, said).await.expect("entries");
    place.archived(session).await;
    let handle = &place.handle;
    let erasing = said.entries().map(|entry| handle.erase_entries(thread, [entry]));
    let erased = together(erasing).await;
    assert!(erased.iter().all(|it| it.is_ok()), "{erased:?}");
    assert!(!holds().await);
    settles(place, &[session, child]).await;
}
