//! SES15: keyed state of sessions and threads.

use std::sync::Arc;

use sessile_core::{
    Caller, ErrorKind, Key,
    command::{
        Append, NewSession, NewSubSession, NewThread, SessionCommand, StateChange, StateScope,
    },
    error::{Counter, Error, StateKey},
    id::{SessionId, Version},
    json::Json,
    model::KeyedState,
    store::{AnyStore, SessionStore},
};

use super::{
    fields::the_session,
    state_bounds::{bounds, looking_back},
};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        shorthand::{self, head, named, pages, says, texts, the_thread},
    },
};

crate::clauses! { SES15 => ses15 }

/// State is set under compare-and-set or not, alone or with what it belongs to, within bounds, and is read at any version.
pub async fn ses15(cx: ClauseContext) -> Verdict {
    both_scopes(&cx).await;
    with_an_append(&cx).await;
    with_creation(&cx).await;
    counter(&cx).await;
    bounds(&cx).await;
    looking_back(&cx).await;
    fenced_and_deleted(&cx).await;
    Verdict::Passed
}

pub(super) fn set(key: &str, value: &str) -> StateChange {
    StateChange::set(key, Json::parse(value).expect("JSON"))
}

/// Keys, values as they are spelled, and the versions that set them.
fn shown(state: &KeyedState) -> Vec<(&str, &str, Version)> {
    state.values.iter().map(|v| (v.key.as_str(), v.value.get(), v.version)).collect()
}

pub(super) async fn state(store: &dyn AnyStore, caller: &Caller, of: StateScope) -> KeyedState {
    store.as_caller(caller).state(of).await.expect("a state")
}

fn stale(error: &Error, of: StateScope, key: &str, versions: (Version, Version)) {
    let Error::Stale { what, counter: Counter::Version, expected, actual } = error else {
        panic!("{error:?}")
    };
    assert_eq!(*what, StateKey { of, key: key.into() }.into());
    assert_eq!((*expected, *actual), versions);
}

/// Unconditional and expected changes, all of a command or none, in a session and in its thread, each apart.
async fn both_scopes(cx: &ClauseContext) {
    let mut store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let other = named(&store, &caller, thread, "other").await;
    let versions = (
        the_session(&store, &caller, session).await.version,
        the_thread(&store, &caller, thread).await.version,
    );
    for of in [StateScope::from(session), thread.into()] {
        let writer = store.as_caller(&caller);
        assert_eq!(state(&store, &caller, of).await, KeyedState::default());
        let before = head(&store, &caller, thread).await;
        let one = writer.set_state(of, [set("b", "1.0e0"), set("a", " null ")]).await.expect("set");
        assert_eq!(one, before + 1, "one record");
        let all = state(&store, &caller, of).await;
        assert_eq!(
            shown(&all),
            [("a", "null", one), ("b", "1.0e0", one)],
            "in byte order, verbatim"
        );
        assert_eq!((all.version, all.version_of("b"), all.version_of("c")), (one, one, 0));
        let two = writer.set_state(of, [set("b", "2").expecting(one)]).await.expect("as expected");
        for (change, versions) in [
            (set("b", "3").expecting(one), (one, two)),
            (set("a", "3").expecting(0), (0, one)),
            (set("c", "3").expecting(one), (one, 0)),
            (StateChange::remove("b").expecting(two + 1), (two + 1, two)),
        ] {
            let key = change.key.clone();
            let changes = [set("d", "0"), change];
            let refusal = writer.set_state(of, changes);
            let error = harmless(&store, &caller, thread, ErrorKind::Stale, refusal).await;
            stale(&error, of, &key, versions);
        }
        assert_eq!(
            shown(&state(&store, &caller, of).await),
            [("a", "null", one), ("b", "2", two)],
            "nothing of a refused command"
        );
        let change = [StateChange::remove("a").expecting(one), StateChange::remove("never")];
        let three = writer.set_state(of, change).await.expect("removed");
        let again = writer.set_state(of, [set("a", "0").expecting(0)]).await.expect("absent again");
        assert!(three < again);
        let want = [("a", "0", again), ("b", "2", two)];
        assert_eq!(shown(&state(&store, &caller, of).await), want);
        let parsed: Option<u64> = state(&store, &caller, of).await.parse("b").expect("a number");
        assert_eq!(parsed, Some(2));
        store = cx.reopen(store).await;
        assert_eq!(shown(&state(&store, &caller, of).await), want, "after a reopen");
        keyed_once(&store, &caller, of).await;
    }
    assert_eq!(state(&store, &caller, other.into()).await, KeyedState::default());
    assert_eq!(the_session(&store, &caller, session).await.version, versions.0);
    let thread_now = the_thread(&store, &caller, thread).await;
    assert!(thread_now.head > versions.1, "and the thread's own version is for its own fields");
    let rows =
        pages(1, |page| store.as_caller(&caller).sessions(thread).with_state().page(page)).await;
    let rows: Vec<_> = rows.into_iter().map(|row| (row.id, row.state)).collect();
    let here = state(&store, &caller, session.into()).await;
    assert_eq!(rows, [(session, Some(here)), (other, Some(KeyedState::default()))]);
    assert!(
        shorthand::sessions(&store, &caller, thread).await.iter().all(|row| row.state.is_none())
    );
}

/// One key of idempotency, one effect; to set `null` and to remove are two commands.
async fn keyed_once(store: &dyn AnyStore, caller: &Caller, of: StateScope) {
    let keyed = caller.with_key(Key::text(format!("once {of:?}")));
    let null = || [set("once", "null")];
    let first = store.as_caller(&keyed).set_state(of, null()).await.expect("set");
    assert_eq!(store.as_caller(&keyed).set_state(of, null()).await.ok(), Some(first));
    let other = store.as_caller(&keyed).set_state(of, [StateChange::remove("once")]).await;
    assert!(matches!(other, Err(Error::KeyReused { .. })), "{other:?}");
    store.as_caller(caller).set_state(of, [StateChange::remove("once")]).await.expect("removed");
}

/// State that is set with an append is there if and only if the append is.
async fn with_an_append(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let scopes = [StateScope::from(session), thread.into()];
    let before = head(&store, &caller, thread).await;
    let turn = |n: u32| {
        Append::of(vec![says(format!("{n}")), says("answer")])
            .with_state([StateChange::from_value("turn", &n).expect("a number")])
            .with_thread_state([StateChange::from_value("last", &n).expect("a number")])
    };
    let keyed = caller.with_key(Key::text("turn 1"));
    for _ in 0..2 {
        let said = store.as_caller(&keyed).append(session, turn(1)).await.expect("a turn");
        assert_eq!((said.first.version(), said.count), (before + 1, 2));
    }
    assert_eq!(head(&store, &caller, thread).await, before + 4, "once, two entries and two states");
    let mut wants = Vec::new();
    for (of, key, version) in [(scopes[0], "turn", before + 3), (scopes[1], "last", before + 4)] {
        assert_eq!(shown(&state(&store, &caller, of).await), [(key, "1", version)]);
        wants.push(state(&store, &caller, of).await);
    }
    // Each half refuses the other.
    let tail = the_session(&store, &caller, session).await.tail;
    let stale_state = turn(2).expecting_tail(tail).with_thread_state([set("x", "1").expecting(7)]);
    let large = format!("\"{}\"", "x".repeat(256 << 10));
    let writer = store.as_caller(&caller);
    for (append, kind) in [
        (turn(2).expecting_tail(tail - 1), ErrorKind::Stale),
        (stale_state, ErrorKind::Stale),
        (turn(2).with_state([set("x", &large)]), ErrorKind::Capacity),
        (turn(2).expecting_tail(1).with_thread_state([set("x", &large)]), ErrorKind::Capacity),
        (turn(2).with_state([set("turn", "2")]), ErrorKind::Invalid),
        (turn(2).with_thread_state([set("", "2")]), ErrorKind::Invalid),
        (Append::of(Vec::new()).with_state([set("turn", "2")]), ErrorKind::Invalid),
    ] {
        harmless(&store, &caller, thread, kind, writer.append(session, append)).await;
    }
    writer.archive_thread(thread).await.expect("it is archived");
    harmless(&store, &caller, thread, ErrorKind::Closed, writer.append(session, turn(3))).await;
    for (of, want) in scopes.iter().zip(&wants) {
        let set = writer.set_state(*of, [set("x", "1")]);
        harmless(&store, &caller, thread, ErrorKind::Closed, set).await;
        assert_eq!(state(&store, &caller, *of).await, *want);
    }
    assert_eq!(texts(&store, &caller, session).await, ["1", "answer"]);
}

/// What is created begins with its state, in the same commit.
async fn with_creation(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let project = cx.project(&store, &caller).await;
    let value = |text: &str| Json::parse(text).expect("JSON");
    let new = NewThread::titled("t").with_state("k", value("[1]"));
    let keyed = caller.with_key(Key::rising("maker", 1));
    let thread =
        store.as_caller(&keyed).create_thread(project, new.clone()).await.expect("a thread");
    let again = store.as_caller(&keyed).create_thread(project, new).await;
    assert_eq!(again.ok(), Some(thread));
    let now = the_thread(&store, &caller, thread).await;
    assert_eq!((now.version, now.head), (1, 2));
    assert_eq!(shown(&state(&store, &caller, thread.into()).await), [("k", "[1]", 2)]);
    let parent = named(&store, &caller, thread, "parent").await;
    let plain = NewSession::named("s").with_state("a", value("1")).with_state("b", value("2"));
    for new in [plain.clone(), plain.under(NewSubSession::under(parent))] {
        let keyed = caller.with_key(Key::text(format!("{}", new.parent.is_some())));
        let before = head(&store, &caller, thread).await;
        let command = SessionCommand::CreateSession { thread, session: Box::new(new.clone()) };
        let first = store.apply(&keyed, command.clone()).await.expect("a session");
        assert_eq!(store.apply(&keyed, command).await.ok(), Some(first), "replayed");
        let now = head(&store, &caller, thread).await;
        // An edge and a marker.
        let edge = u64::from(new.parent.is_some());
        assert_eq!(now, before + 2 + 2 * edge);
        let session = SessionId::new(thread, before + 1);
        let all = state(&store, &caller, session.into()).await;
        let set = before + 2 + edge;
        assert_eq!(shown(&all), [("a", "1", set), ("b", "2", set)]);
    }
    let large = value(&format!("\"{}\"", "x".repeat(256 << 10)));
    let too_much = NewSession::default().with_state("k", large.clone());
    let refusal = store.as_caller(&caller);
    let refusal = refusal.create_session(thread, too_much);
    harmless(&store, &caller, thread, ErrorKind::Capacity, refusal).await;
    let journal = cx.journal().await;
    crate::internal::assertions::unchanged(&*journal, &[&caller.tenant], async {
        let too_much = NewThread::titled("t").with_state("k", large);
        refused(
            store.as_caller(&caller).create_thread(project, too_much).await,
            ErrorKind::Capacity,
        );
        let nameless = NewThread::titled("t").with_state("", value("1"));
        refused(
            store.as_caller(&caller).create_thread(project, nameless).await,
            ErrorKind::Invalid,
        );
    })
    .await;
}

/// Sixteen writers count one counter up under compare-and-set, and no step is lost.
async fn counter(cx: &ClauseContext) {
    const STEPS: u64 = 4;
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    for of in [StateScope::from(session), session.thread().into()] {
        let stores = [Arc::new(cx.store().await), Arc::new(cx.store().await)];
        let writers: Vec<_> = (0..16_usize)
            .map(|i| {
                let (store, caller) = (stores[i % 2].clone(), caller.clone());
                tokio::spawn(async move {
                    let asks = store.as_caller(&caller);
                    let mut done = 0;
                    while done < STEPS {
                        let now = asks.state(of).await.expect("a state");
                        let next = now.parse::<u64>("n").expect("a number").unwrap_or(0) + 1;
                        let change = StateChange::from_value("n", &next).expect("a number");
                        match asks.set_state(of, [change.expecting(now.version_of("n"))]).await {
                            Ok(_) => done += 1,
                            other => drop(refused(other, ErrorKind::Stale)),
                        }
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.expect("no panic");
        }
        let sum = state(&store, &caller, of).await.parse::<u64>("n").expect("a number");
        assert_eq!(sum, Some(16 * STEPS));
    }
}

/// A lease guards a session's state as it guards its log, and not the thread's; a session's state goes with it.
async fn fenced_and_deleted(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let ttl = std::time::Duration::from_secs(60);
    let token = store.as_caller(&caller).claim_lease(session, ttl).await.expect("a lease");
    let held = caller.with_lease(token);
    let both =
        |n: &str| Append::from(says(n)).with_state([set("k", n)]).with_thread_state([set("k", n)]);
    for stranger in [&caller, &caller.with_lease(token + 1)] {
        let writer = store.as_caller(stranger);
        let refusal = writer.set_state(session, [set("k", "0")]);
        harmless(&store, &caller, thread, ErrorKind::Fenced, refusal).await;
        let refusal = writer.append(session, both("0"));
        harmless(&store, &caller, thread, ErrorKind::Fenced, refusal).await;
    }
    let kept = |of| state(&store, &caller, of);
    assert_eq!(kept(session.into()).await, KeyedState::default());
    assert_eq!(kept(thread.into()).await, KeyedState::default());
    store.as_caller(&held).append(session, both("1")).await.expect("the holder writes");
    store.as_caller(&held).set_state(session, [set("k", "2")]).await.expect("the holder writes");
    let refusal = store.as_caller(&held);
    let refusal = refusal.set_state(thread, [set("k", "2")]);
    harmless(&store, &caller, thread, ErrorKind::Invalid, refusal).await;
    store.as_caller(&caller).set_state(thread, [set("own", "3")]).await.expect("it has no lease");
    let now = head(&store, &caller, thread).await;
    store.as_caller(&held).delete_session(session).await.expect("it goes");
    for store in [&store, &cx.store().await] {
        let asks = store.as_caller(&caller);
        refused(asks.state(session).await, ErrorKind::NotFound);
        refused(asks.state_at(session, now).await, ErrorKind::NotFound);
        refused(asks.set_state(session, [set("k", "4")]).await, ErrorKind::NotFound);
        let of_thread = asks.state(thread).await.expect("a state");
        let values: Vec<_> = shown(&of_thread).iter().map(|v| (v.0, v.1)).collect();
        assert_eq!(values, [("k", "1"), ("own", "3")], "what was written to the thread stays");
    }
}
