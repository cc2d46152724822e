//! SUB1 to SUB5: the forest of sessions, and how it is read.

use std::sync::Arc;

use sessile_core::{
    Caller, ErrorKind,
    command::{LinkSessions, NewSession, NewSubSession, NewThread},
    error::Error,
    id::{SessionId, SubSessionId, ThreadId},
    model::{ProjectConfig, SubSession},
    store::AnyStore,
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        shorthand::{named, pages, says},
    },
};

crate::clauses! { SUB1 => sub1, SUB2 => sub2, SUB3 => sub3, SUB4 => sub4, SUB5: Concurrent => sub5 }

pub(super) fn link(parent: SessionId, child: SessionId) -> LinkSessions {
    LinkSessions { child, edge: NewSubSession::under(parent) }
}

pub(super) fn under(parent: SessionId) -> NewSession {
    NewSession::named("child").under(NewSubSession::under(parent))
}

pub(super) async fn child_of(
    store: &dyn AnyStore,
    caller: &Caller,
    parent: SessionId,
) -> (SessionId, SubSessionId) {
    let edge = NewSubSession::under(parent);
    let made = store.as_caller(caller).spawn(edge, "child").await.expect("a child");
    (made.id, made.edge.expect("an edge"))
}

pub(super) async fn the_edge(
    store: &dyn AnyStore,
    caller: &Caller,
    edge: SubSessionId,
) -> SubSession {
    store.as_caller(caller).edge(edge).await.expect("an answer").expect("the edge exists")
}

pub(super) async fn several(
    store: &dyn AnyStore,
    caller: &Caller,
    thread: ThreadId,
    n: usize,
) -> Vec<SessionId> {
    let mut all = Vec::new();
    for i in 0..n {
        all.push(named(store, caller, thread, &format!("s{i}")).await);
    }
    all
}

/// The parent relation is a forest.
pub async fn sub1(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let s = several(&store, &caller, thread, 5).await;
    for (parent, child) in [(0, 1), (1, 2), (0, 3)] {
        store.as_caller(&caller).link_sessions(link(s[parent], s[child])).await.expect("an edge");
    }
    // Self edges, second parents, cycles of every length.
    for (parent, child) in [(4, 4), (0, 0), (2, 3), (0, 1), (3, 1), (1, 0), (2, 0), (3, 0)] {
        let refusal_caller = store.as_caller(&caller);
        let refusal = refusal_caller.link_sessions(link(s[parent], s[child]));
        let error = harmless(&store, &caller, thread, ErrorKind::Precondition, refusal).await;
        assert!(matches!(error, Error::NotAForest { .. }), "{parent} above {child}: {error:?}");
    }
    // Two links that would close a cycle together: one wins.
    let store = Arc::new(store);
    for _ in 0..5 {
        let pair = several(&*store, &caller, thread, 2).await;
        let racers = [(pair[0], pair[1]), (pair[1], pair[0])].map(|(parent, child)| {
            let (store, caller) = (store.clone(), caller.clone());
            tokio::spawn(async move {
                store.as_caller(&caller).link_sessions(link(parent, child)).await
            })
        });
        let mut won = 0;
        for racer in racers {
            match racer.await.expect("no panic") {
                Ok(_) => won += 1,
                other => drop(refused(other, ErrorKind::Precondition)),
            }
        }
        assert_eq!(won, 1);
    }
    // Free again after the edge is gone.
    let (child, edge) = child_of(&*store, &caller, s[4]).await;
    store.as_caller(&caller).delete_edge(edge).await.expect("it goes");
    store.as_caller(&caller).link_sessions(link(child, s[4])).await.expect("the other way round");
    Verdict::Passed
}

/// Parent and child share the thread.
pub async fn sub2(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let project = cx.project(&store, &caller).await;
    let mut threads = Vec::new();
    for _ in 0..2 {
        threads.push(
            store
                .as_caller(&caller)
                .create_thread(project, NewThread::titled("t"))
                .await
                .expect("a thread"),
        );
    }
    let here = named(&store, &caller, threads[0], "here").await;
    let there = named(&store, &caller, threads[1], "there").await;
    for thread in &threads {
        let both = [link(here, there), link(there, here)];
        for link in both {
            let refusal_caller = store.as_caller(&caller);
            let refusal = refusal_caller.link_sessions(link);
            let error = harmless(&store, &caller, *thread, ErrorKind::Precondition, refusal).await;
            assert!(matches!(error, Error::WrongThread { .. }), "{error:?}");
        }
        let refusal_caller = store.as_caller(&caller);
        let refusal = refusal_caller.create_session(threads[0], under(there));
        let error = harmless(&store, &caller, *thread, ErrorKind::Precondition, refusal).await;
        assert!(matches!(error, Error::WrongThread { .. }), "{error:?}");
    }
    let (child, edge) = child_of(&store, &caller, here).await;
    let edge = the_edge(&store, &caller, edge).await;
    assert_eq!((edge.parent, edge.child, child.thread()), (here, child, threads[0]));
    Verdict::Passed
}

/// Children in the order they were created.
pub async fn sub3(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let config = ProjectConfig::default().with_max_delegation_width(100);
    let project = store
        .as_caller(&caller)
        .create_project(sessile_core::command::NewProject::named("wide").with_config(config))
        .await
        .expect("a project");
    let thread = store
        .as_caller(&caller)
        .create_thread(project, NewThread::titled("t"))
        .await
        .expect("a thread");
    let mut loose = several(&store, &caller, thread, 10).await;
    let parent = named(&store, &caller, thread, "parent").await;
    let mut edges = Vec::new();
    for i in 0..20 {
        // Linked sessions are older than created ones; the order is that of the edges.
        let edge = if i % 2 == 0 {
            let child = loose.pop().expect("one is left");
            store.as_caller(&caller).link_sessions(link(parent, child)).await.expect("an edge")
        } else {
            child_of(&store, &caller, parent).await.1
        };
        edges.push(edge);
    }
    store.as_caller(&caller).delete_edge(edges.remove(7)).await.expect("it goes");
    for limit in [1, 6, 1000] {
        let listed =
            pages(limit, |page| store.as_caller(&caller).children(parent).page(page)).await;
        assert_eq!(listed.iter().map(|e| e.id).collect::<Vec<_>>(), edges, "{limit} at a time");
    }
    let drill =
        store.as_caller(&caller).drill(parent).await.expect("an answer").expect("the parent");
    assert_eq!(drill.children.iter().map(|e| e.id).collect::<Vec<_>>(), edges);
    let leaf =
        pages(5, |page| store.as_caller(&caller).children(drill.children[0].child).page(page))
            .await;
    assert_eq!(leaf, []);
    Verdict::Passed
}

/// Ancestry is root to self; its length less one is the depth.
pub async fn sub4(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let config = ProjectConfig::default().with_max_delegation_depth(12);
    let project = store
        .as_caller(&caller)
        .create_project(sessile_core::command::NewProject::named("deep").with_config(config))
        .await
        .expect("a project");
    let thread = store
        .as_caller(&caller)
        .create_thread(project, NewThread::titled("t"))
        .await
        .expect("a thread");
    let mut line = vec![named(&store, &caller, thread, "root").await];
    let mut edges = Vec::new();
    for _ in 0..6 {
        let (child, edge) = child_of(&store, &caller, line[line.len() - 1]).await;
        line.push(child);
        edges.push(edge);
    }
    let check = |from: usize| {
        let (store, caller, line) = (&store, &caller, &line);
        async move {
            for at in from..line.len() {
                let drill = store
                    .as_caller(caller)
                    .drill(line[at])
                    .await
                    .expect("an answer")
                    .expect("a session");
                assert_eq!(drill.ancestry, line[from..=at]);
                assert_eq!(drill.session.depth as usize, at - from);
                let row = crate::internal::shorthand::sessions(store, caller, thread)
                    .await
                    .into_iter()
                    .find(|r| r.id == line[at]);
                let row = row.expect("its row");
                assert_eq!(
                    (row.depth as usize, row.parent),
                    (at - from, (at > from).then(|| line[at - 1]))
                );
            }
        }
    };
    check(0).await;
    // Cut in the middle, and put below another root: the whole subtree follows.
    store.as_caller(&caller).delete_edge(edges[2]).await.expect("it goes");
    check(3).await;
    let root = named(&store, &caller, thread, "another root").await;
    store.as_caller(&caller).link_sessions(link(root, line[3])).await.expect("an edge");
    let drill =
        store.as_caller(&caller).drill(line[6]).await.expect("an answer").expect("a session");
    assert_eq!(drill.ancestry, [root, line[3], line[4], line[5], line[6]]);
    assert_eq!(drill.session.depth, 4);
    Verdict::Passed
}

/// `drill` is one snapshot.
pub async fn sub5(cx: ClauseContext) -> Verdict {
    let store = Arc::new(cx.store().await);
    let caller = cx.caller();
    let thread = cx.thread(&*store, &caller).await;
    let s = several(&*store, &caller, thread, 3).await;
    // The middle hangs below one root with a child, or below the other without: always both or neither.
    let other = Arc::new(cx.store().await);
    let churn = {
        let (store, caller, s) = (other, caller.clone(), s.clone());
        tokio::spawn(async move {
            loop {
                let edge = store
                    .as_caller(&caller)
                    .link_sessions(link(s[0], s[1]))
                    .await
                    .expect("an edge");
                store.as_caller(&caller).append(s[1], says("under")).await.expect("an entry");
                tokio::task::yield_now().await;
                let (child, below) = child_of(&*store, &caller, s[1]).await;
                store.as_caller(&caller).delete_edge(below).await.expect("it goes");
                store.as_caller(&caller).delete_session(child).await.expect("it goes");
                store.as_caller(&caller).delete_edge(edge).await.expect("it goes");
                store.as_caller(&caller).append(s[1], says("free")).await.expect("an entry");
                tokio::task::yield_now().await;
            }
        })
    };
    let mut seen = [0, 0];
    for _ in 0..120 {
        let drill =
            store.as_caller(&caller).drill(s[1]).await.expect("an answer").expect("a session");
        let session = &drill.session;
        assert_eq!(
            drill.ancestry.len() as u32,
            session.depth + 1,
            "ancestry and depth are of one moment"
        );
        assert_eq!(session.parent.is_some(), drill.ancestry.len() == 2, "parent and ancestry");
        assert!(drill.children.is_empty() || session.parent.is_some(), "a child only while under");
        assert!(drill.children.iter().all(|e| e.version <= drill.head && e.parent == s[1]));
        assert!(session.tail <= drill.head);
        seen[usize::from(session.parent.is_some())] += 1;
        tokio::task::yield_now().await;
    }
    churn.abort();
    let _ended = churn.await;
    if seen.contains(&0) {
        cx.note("drill never met the other state: the race was not seen");
    }
    Verdict::Passed
}
