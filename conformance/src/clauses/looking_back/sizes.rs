//! CTX4: how long a context is, and the limit that it has.

use std::{collections::BTreeMap, sync::Arc};

use sessile_core::{
    Caller, ErrorKind,
    command::{Append, Expect, FeedRecord, NewSession},
    id::{SessionId, Version},
    model::{ContextLimit, Priority, annotate, edit},
    store::AnyStore,
};

use super::{
    contexts::counter,
    entries::{put, user},
    feed::feed,
};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        concurrent::together,
        fault::{Call, InterruptedJournal},
        looking_back::Life,
        shorthand::{head, named, says},
    },
};

crate::clauses! { CTX4 => ctx4 }

/// Steps of one life.
const STEPS: usize = 80;

/// What followers of the feed know of the sizes of contexts.
#[derive(Default)]
struct Told {
    /// The limit of each session that has one, and the threshold that it reached.
    limits: BTreeMap<SessionId, (ContextLimit, Option<u8>)>,
    seen: Version,
    /// Thresholds that were reached, and left.
    crossings: [usize; 2],
}

impl Told {
    /// Reads on; each measure is the size at its version.
    async fn follow(&mut self, store: &dyn AnyStore, caller: &Caller, new: &[FeedRecord]) {
        let (ann, seen) = (store.as_caller(caller), self.seen);
        for record in new.iter().filter(|record| record.version > seen) {
            self.seen = record.version;
            let facts: serde_json::Value = record.facts.to().expect("facts");
            let facts = &facts[&record.kind];
            let tokens = facts["tokens"].as_u64();
            let percent = |name: &str| facts[name].as_u64().map(|percent| percent as u8);
            let Some(session) = record.session else { continue };
            match record.kind.as_str() {
                "context_limit_set" => {
                    let limit: Option<ContextLimit> =
                        serde_json::from_value(facts["limit"].clone()).expect("a limit");
                    self.limits.remove(&session);
                    if let Some(limit) = limit {
                        let then = ann.context_at(session, record.version).await;
                        let then = then.ok().map(|it| it.tokens.total());
                        assert_eq!(tokens, then, "{record:?}");
                        let reached = limit.reached(tokens.expect("a size"));
                        self.limits.insert(session, (limit, reached));
                    }
                }
                "context_measured" => {
                    let (limit, level) = self.limits.get_mut(&session).expect("it has a limit");
                    match (percent("reached"), percent("left")) {
                        (Some(reached), None) => {
                            assert!(Some(reached) > *level, "{record:?}");
                            *level = Some(reached);
                            self.crossings[0] += 1;
                        }
                        (None, Some(left)) => {
                            assert!(Some(left) <= *level, "{record:?}");
                            *level = limit.thresholds.iter().copied().rfind(|it| *it < left);
                            self.crossings[1] += 1;
                        }
                        (None, None) => {}
                        both => panic!("{both:?} in {record:?}"),
                    }
                    let then = ann.context_at(session, record.version).await;
                    assert_eq!(tokens, then.ok().map(|it| it.tokens.total()), "{record:?}");
                }
                _ => {}
            }
        }
    }

    /// Whether what was told is what is, of every session.
    async fn compare(&self, store: &dyn AnyStore, caller: &Caller, sessions: &[SessionId]) {
        let ann = store.as_caller(caller);
        for session in sessions {
            let size = ann.context_size(*session).await.expect("a size");
            let context = ann.context(*session).await.expect("a context");
            assert_eq!((size.tokens, size.version), (context.tokens, context.version));
            let told = self.limits.get(session);
            assert_eq!(size.limit.as_ref(), told.map(|(limit, _)| limit), "{session}");
            if let Some((limit, level)) = told {
                let total = size.tokens.total();
                assert_eq!(limit.reached(total), *level, "{session}, {total} of {limit:?}");
                assert_eq!(size.share(), Some(total as f64 / limit.tokens as f64));
            }
        }
    }
}

/// A context's size is that of its messages. Where it has a limit, whatever is done to it, and whoever does it, the commit that
/// takes it past a threshold says so in the feed; it is never refused.
pub async fn ctx4(cx: ClauseContext) -> Verdict {
    for _ in 0..cx.times(1) {
        lived(&cx).await;
    }
    edges(&cx).await;
    interrupted(&cx).await;
    beside_each_other(&cx).await;
    Verdict::Passed
}

/// A random life in which sessions get limits, lose them and get others.
async fn lived(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread = cx.thread(&store, &caller).await;
    let counter = counter();
    let mut life = Life::new((&store, caller.clone()), thread, cx.seed(), &counter);
    let mut told = Told::default();
    for step in 0..STEPS {
        life.step().await;
        let sessions = life.sessions();
        if step % 5 == 0
            && let Some(session) = sessions.get(step / 5 % sessions.len().max(1))
        {
            let ann = store.as_caller(&caller);
            let now = ann.context_size(*session).await.expect("a size").tokens.total();
            let limit = ContextLimit::new(now * 9 / 8 + 8);
            let limit = limit.with_thresholds([20, 40, 60, 70, 80, 81, 90, 100]);
            let limit = (step % 20 != 15).then_some(limit);
            ann.set_context_limit(*session, limit).await.expect("set");
        }
        told.follow(&store, &caller, &feed(&store, &caller, thread).await).await;
        told.limits.retain(|session, _| sessions.contains(session));
        told.compare(&store, &caller, &sessions).await;
    }
    let reopened = cx.reopen(store.clone()).await;
    told.compare(&reopened, &caller, &life.sessions()).await;
}

/// Limits that are none, who may set them, what a fork begins with, and what a key answers.
async fn edges(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let ann = store.as_caller(&caller);
    let thread = cx.thread(&store, &caller).await;
    let session = named(&store, &caller, thread, "log").await;
    assert_eq!(ann.context_size(session).await.expect("a size").share(), None);
    for limit in [
        ContextLimit::new(0),
        ContextLimit::new(9).with_thresholds([0]),
        ContextLimit::new(9).with_thresholds([101]),
        ContextLimit::new(9).with_thresholds([50, 50]),
        ContextLimit::new(9).with_thresholds([90, 50]),
        ContextLimit::new(9).with_thresholds((1..10).collect::<Vec<_>>()),
    ] {
        let refusal = ann.set_context_limit(session, limit);
        harmless(&store, &caller, thread, ErrorKind::Invalid, refusal).await;
    }
    let lease =
        ann.claim_lease(session, std::time::Duration::from_secs(60)).await.expect("a lease");
    let refusal = ann.set_context_limit(session, ContextLimit::new(1));
    harmless(&store, &caller, thread, ErrorKind::Fenced, refusal).await;
    let holder = ann.with_lease(lease);
    // Far above its limit it takes what comes.
    holder.set_context_limit(session, ContextLimit::new(1)).await.expect("set");
    let one = holder.append(session, says("one")).await.expect("an entry").first;
    holder.release_lease(session).await.expect("released");
    let size = ann.context_size(session).await.expect("a size");
    assert!(size.share() > Some(1.0), "{size:?}");
    let keyed = ann.with_key("limit");
    let none = ContextLimit::new(u64::MAX).with_thresholds([]);
    let set = keyed.set_context_limit(session, none.clone()).await.expect("set");
    assert_eq!(keyed.set_context_limit(session, none).await.expect("again"), set);
    // The records that say how long it is are no part of what a key answers.
    ann.set_context_limit(session, ContextLimit::new(40)).await.expect("set");
    let fork = NewSession::named("fork").fork_of(session, None);
    let fork = ann.create_session(thread, fork).await.expect("a fork");
    assert_eq!(ann.context_size(fork).await.expect("a size").limit, None);
    let two = put(&store, &caller, fork, says("long ".repeat(80))).await;
    put(&store, &caller, fork, edit(one, user("uno"))).await;
    put(&store, &caller, fork, annotate(two, Priority::Pinned)).await;
    let merging = ann.with_key("merge");
    let merged = merging.merge_fork(fork, Expect::Any).await.expect("merged");
    assert_eq!(merged.map(|it| it.count), Some(3));
    assert_eq!(merging.merge_fork(fork, Expect::Any).await.expect("again"), merged);
    let noted = ann.with_key("note");
    let note = || Append::of(vec![annotate(one, Priority::Skip), says("and")]);
    let appended = noted.append(session, note()).await.expect("noted");
    assert_eq!(noted.append(session, note()).await.expect("again"), appended);
    let last = feed(&store, &caller, thread).await.pop().expect("a record");
    assert_eq!(
        (last.kind.as_str(), last.version),
        ("context_measured", appended.first.version() + 2)
    );
    let long = merged.expect("three entries").first;
    put(&store, &caller, session, annotate(long, Priority::Skip)).await;
    put(&store, &caller, session, annotate(long, None)).await;
    let mut told = Told::default();
    told.follow(&store, &caller, &feed(&store, &caller, thread).await).await;
    told.compare(&store, &caller, &[session, fork]).await;
    assert_eq!(told.crossings, [3, 1], "by the one entry, the merge and its return; by its skip");
    let strange = cx.caller_of("other", "eve");
    let eve = store.as_caller(&strange);
    refused(eve.context_size(session).await, ErrorKind::TenantIsolation);
}

/// What was written between the look and the commit counts.
async fn interrupted(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let thread = session.thread();
    let one = put(&store, &caller, session, says("one")).await;
    let mut told = Told::default();
    for step in 0..3 {
        let (ann, asked) = (store.clone(), caller.clone());
        let writes = async move {
            put(&ann, &asked, session, says("in between, and rather long")).await;
            Ok(())
        };
        let journal = InterruptedJournal::before(cx.journal().await, Call::Commit, writes);
        let slow = cx.store_over(journal.clone(), Arc::default(), |options| options);
        let ann = slow.as_caller(&caller);
        match step {
            0 => drop(ann.set_context_limit(session, ContextLimit::new(20)).await.expect("set")),
            1 => drop(put(&slow, &caller, session, annotate(one, Priority::Skip)).await),
            _ => drop(ann.copy_entries(session, [one], Expect::Any).await.expect("a copy")),
        }
        assert!(journal.is_over(), "it was written in between");
        told.follow(&store, &caller, &feed(&store, &caller, thread).await).await;
        told.compare(&slow, &caller, &[session]).await;
    }
}

/// Writers of all kinds beside each other: what the feed says is what is there in the end.
async fn beside_each_other(cx: &ClauseContext) {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let one = put(&store, &caller, session, says("one")).await;
    let limit = ContextLimit::new(120).with_thresholds([25, 50, 75, 100]);
    store.as_caller(&caller).set_context_limit(session, limit).await.expect("set");
    together((0..4).map(|writer| {
        let (cx, caller) = (cx.clone(), caller.clone());
        async move {
            let store = cx.store().await;
            for n in 0..6 {
                let entry = match (writer + n) % 3 {
                    0 => edit(one, user(&"word ".repeat(n))),
                    1 => annotate(one, if n % 2 == 0 { Priority::Skip } else { Priority::Normal }),
                    _ => says(n.to_string()),
                };
                put(&store, &caller, session, entry).await;
            }
        }
    }))
    .await;
    let mut told = Told::default();
    let thread = session.thread();
    told.follow(&store, &caller, &feed(&store, &caller, thread).await).await;
    assert!(told.crossings[0] > 0, "{:?}", told.crossings);
    told.compare(&store, &caller, &[session]).await;
    assert_eq!(told.seen, head(&store, &caller, thread).await);
}
