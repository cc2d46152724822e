//! CLK1: wrong clocks.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile_core::{
    Caller, Clock, ErrorKind, Key, Timestamp,
    command::{Append, Paging},
    id::{EntryId, SessionId, ThreadId},
    model::{NewEntry, Role},
    store::Store,
};

use crate::{
    clause::Verdict,
    internal::{ClauseContext, TestClock, assertions::refused, shorthand},
};

crate::clauses! { CLK1: Concurrent => clk1 }
crate::internal::child_programs! { "clocks" => play }

/// CLK1: order, versions and tokens hold under any clock; LEA3 holds for skew up to `max_skew`. Between stores of one
/// process, and between processes that each go by a clock of their own.
pub async fn clk1(cx: ClauseContext) -> Verdict {
    by_stores(&cx).await;
    by_processes(&cx).await;
    Verdict::Passed
}

async fn by_stores(cx: &ClauseContext) {
    let caller = cx.caller();
    let skew = Duration::from_secs(30);
    let clocks: Vec<Arc<TestClock>> = (0..3).map(|_| Arc::new(TestClock::default())).collect();
    let mut stores = Vec::new();
    for clock in &clocks {
        stores.push(cx.store_with(Arc::clone(clock), |o| o.with_max_skew(skew)).await);
    }
    clocks[1].set(Timestamp::from_millis(0));
    clocks[2].advance(Duration::from_secs(3600 * 24 * 365));
    let thread = cx.thread(&stores[0], &caller).await;
    let session = cx.session_in(&stores[1], &caller, thread).await;
    let mut texts = Vec::new();
    let mut last = 0;
    for n in 0..30 {
        let at = n % 3;
        clocks[at].rewind(Duration::from_secs(17));
        let text = format!("entry {n}");
        let appended = stores[at]
            .as_caller(&caller)
            .append(session, Append::from(NewEntry::text(Role::User, text.clone())))
            .await;
        let version = appended.unwrap().first.version();
        assert!(version > last, "versions rise under any clock");
        last = version;
        texts.push(text);
        let now = stores[(at + 1) % 3].as_caller(&caller).session(session).await.unwrap().unwrap();
        assert!(now.updated_at >= now.created_at && now.tail == version);
    }
    let page =
        stores[1].as_caller(&caller).entries(session).page(Paging::first(100)).await.unwrap();
    let read: Vec<String> = page.items.iter().map(|e| format!("{:?}", e.parts())).collect();
    assert_eq!(read.len(), texts.len());
    assert!(
        read.iter().zip(&texts).all(|(part, text)| part.contains(text.as_str())),
        "order is the order of appends"
    );

    // Two clocks apart by less than the skew: no claim before the holder's own clock says expired.
    let (holder, other) = (&stores[0], &stores[1]);
    clocks[0].set(TestClock::START);
    clocks[1].set(TestClock::START.plus(skew - Duration::from_secs(1)));
    let ttl = Duration::from_secs(10);
    let token = holder.as_caller(&caller).claim_lease(session, ttl).await.unwrap();
    clocks[0].advance(ttl - Duration::from_millis(1));
    clocks[1].advance(ttl - Duration::from_millis(1));
    refused(other.as_caller(&caller).claim_lease(session, ttl).await, ErrorKind::Fenced);
    holder
        .as_caller(&caller.with_lease(token))
        .append(session, NewEntry::text(Role::User, "still mine"))
        .await
        .unwrap();
    clocks[1].advance(ttl + skew + Duration::from_secs(2));
    let next = other.as_caller(&caller).claim_lease(session, ttl).await.unwrap();
    assert!(next > token);
    let late = holder
        .as_caller(&caller.with_lease(token))
        .append(session, NewEntry::text(Role::User, "too late"))
        .await;
    refused(late, ErrorKind::Fenced);
}

const HOUR: Duration = Duration::from_secs(3600);

/// A body of this size is a blob.
const LARGE: usize = 70_000;

/// What a process wrote: token and entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Wrote {
    token: u64,
    entry: EntryId,
    text: String,
}

/// The result of a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    wrote: Vec<Wrote>,
    fenced: Vec<String>,
    keyed: Vec<EntryId>,
    /// The latest its clock ever showed when it wrote.
    latest: u64,
}

/// Three clocks: one is hours ahead and stands still, one is years behind and goes back with every step, one jumps to and fro.
fn clock_of(index: usize) -> TestClock {
    TestClock::at(match index {
        0 => TestClock::START.plus(5 * HOUR),
        1 => Timestamp::from_millis(TestClock::START.millis() / 2),
        _ => TestClock::START,
    })
}

fn step(clock: &TestClock, index: usize, rng: &mut StdRng) {
    match index {
        0 => {}
        1 => clock.rewind(Duration::from_secs(17)),
        _ if rng.random_bool(0.5) => clock.advance(rng.random_range(1..8) * HOUR),
        _ => clock.rewind(rng.random_range(1..4) * HOUR),
    }
}

fn keyed(caller: &Caller, producer: usize, n: u64) -> Caller {
    caller.with_key(Key::rising(format!("process {producer}"), n))
}

/// One process: appends under keys to one session and under leases to another, and clears up, by its own clock.
async fn play(cx: ClauseContext, index: usize, args: Value) -> String {
    let clock = Arc::new(clock_of(index));
    let store = cx.store_with(Arc::clone(&clock), |options| options).await;
    let caller = cx.caller();
    let id =
        |name: &str| -> SessionId { args[name].as_str().expect("an id").parse().expect("one") };
    let (open, held) = (id("open"), id("held"));
    let mut rng = StdRng::seed_from_u64(cx.seed());
    let mut told = Told { wrote: Vec::new(), fenced: Vec::new(), keyed: Vec::new(), latest: 0 };
    for n in 1..=args["steps"].as_u64().expect("a number") {
        step(&clock, index, &mut rng);
        told.latest = told.latest.max(clock.now().millis());
        let text = format!("{index} {n} {}", "x".repeat(if n % 4 == 0 { LARGE } else { 1 }));
        let first =
            store.as_caller(&keyed(&caller, index, n)).append(open, shorthand::says(text)).await;
        told.keyed.push(first.expect("an append").first);
        // An earlier key by another time of day: the answer it had.
        let earlier = rng.random_range(0..told.keyed.len());
        step(&clock, index, &mut rng);
        told.latest = told.latest.max(clock.now().millis());
        let size = if (earlier + 1) % 4 == 0 { LARGE } else { 1 };
        let text = format!("{index} {} {}", earlier + 1, "x".repeat(size));
        let again = store
            .as_caller(&keyed(&caller, index, earlier as u64 + 1))
            .append(open, shorthand::says(text))
            .await;
        assert_eq!(again.expect("a replay").first, told.keyed[earlier]);
        if n % 3 == 0 {
            store.as_caller(&caller).vacuum_thread(open.thread()).await.expect("nothing is old");
        }
        let token = match store.as_caller(&caller).claim_lease(held, Duration::from_secs(1)).await {
            Ok(token) => token,
            Err(error) if error.kind() == ErrorKind::Fenced => continue,
            Err(error) => panic!("a claim by process {index}: {error}"),
        };
        for i in 0..2 {
            let text = format!("{index} {n} {i}");
            match store
                .as_caller(&caller.with_lease(token))
                .append(held, shorthand::says(text.clone()))
                .await
            {
                Ok(said) => told.wrote.push(Wrote { token, entry: said.first, text }),
                Err(error) if error.kind() == ErrorKind::Fenced => told.fenced.push(text),
                Err(error) => panic!("a write by process {index}: {error}"),
            }
            step(&clock, index, &mut rng);
            told.latest = told.latest.max(clock.now().millis());
        }
        // Every other lease is left to expire by whoever's clock says so first.
        if n % 2 == 0
            && store.as_caller(&caller.with_lease(token)).release_lease(held).await.is_ok()
        {
            let late = store
                .as_caller(&caller.with_lease(token))
                .append(held, shorthand::says("given back"))
                .await;
            refused(late, ErrorKind::Fenced);
        }
    }
    serde_json::to_string(&told).expect("what there is to tell")
}

/// The same between processes whose clocks are hours apart: only expiry depends on a clock.
async fn by_processes(cx: &ClauseContext) {
    let (store, caller) = (cx.store().await, cx.caller());
    let thread = cx.thread(&store, &caller).await;
    let open = shorthand::named(&store, &caller, thread, "open").await;
    let held = shorthand::named(&store, &caller, thread, "held").await;
    let steps = cx.times(12);
    let args = json!({ "open": open.to_string(), "held": held.to_string(), "steps": steps });
    let children = cx.start_processes("clocks", 3, &args).await;
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let watching = tokio::spawn(watch(store.clone(), caller.clone(), thread, Arc::clone(&done)));
    let mut told: Vec<Told> = Vec::new();
    for child in children {
        told.push(serde_json::from_str(&child.wait().await).expect("what it told"));
    }
    done.store(true, std::sync::atomic::Ordering::SeqCst);
    watching.await.expect("times are right");
    keys(&store, &caller, open, &told, steps).await;
    leases(cx, &store, &caller, held, &told).await;
    let updated = shorthand::the_thread(&store, &caller, thread).await.updated_at.millis();
    let latest = told.iter().map(|t| t.latest).max().expect("three processes");
    assert!(updated <= latest, "nobody's clock ever showed {updated}");
    let verified = store.as_caller(&caller).verify(thread, None).await.expect("an answer");
    assert_eq!(verified.problems, []);
}

/// `updated_at` never goes back, whoever writes; nor do versions.
async fn watch(
    store: Store,
    caller: Caller,
    thread: ThreadId,
    done: Arc<std::sync::atomic::AtomicBool>,
) {
    let mut last = shorthand::the_thread(&store, &caller, thread).await;
    while !done.load(std::sync::atomic::Ordering::SeqCst) {
        let now = shorthand::the_thread(&store, &caller, thread).await;
        assert!(now.head >= last.head && now.updated_at >= last.updated_at, "{last:?}, {now:?}");
        assert!(now.created_at <= now.updated_at);
        last = now;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Each keyed entry is there once, in the order its process wrote it, large ones with their text; and its key answers by
/// a clock that never was at that time.
async fn keys(store: &Store, caller: &Caller, open: SessionId, told: &[Told], steps: usize) {
    let log = shorthand::log(store, caller, open, 100).await;
    assert_eq!(log.len(), steps * told.len(), "each keyed append has one effect");
    let sizes: BTreeMap<_, _> = log.iter().map(|e| (e.version, shorthand::text(e).len())).collect();
    for (index, told) in told.iter().enumerate() {
        assert!(told.keyed.is_sorted(), "versions rise under any clock");
        for (n, entry) in (1..).zip(&told.keyed) {
            let large = sizes.get(&entry.version()).expect("it is there") > &LARGE;
            assert_eq!(large, n % 4 == 0, "entry {n} of process {index}");
        }
        let text = format!(
            "{index} {steps} {}",
            "x".repeat(if steps.is_multiple_of(4) { LARGE } else { 1 })
        );
        let again = store
            .as_caller(&keyed(caller, index, steps as u64))
            .append(open, shorthand::says(text))
            .await;
        assert_eq!(Some(again.expect("a replay").first), told.keyed.last().copied());
    }
}

/// Whoever claimed later writes later: no entry under an older token comes after one under a newer, none that was fenced
/// is there, and none that was acknowledged is missing.
async fn leases(
    cx: &ClauseContext,
    store: &Store,
    caller: &Caller,
    held: SessionId,
    told: &[Told],
) {
    let log: BTreeMap<_, _> = shorthand::log(store, caller, held, 100)
        .await
        .iter()
        .map(|e| (e.version, shorthand::text(e).to_owned()))
        .collect();
    let wrote = || told.iter().flat_map(|t| &t.wrote);
    let tokens: BTreeMap<_, _> = wrote().map(|w| (w.entry.version(), w.token)).collect();
    for w in wrote() {
        assert_eq!(log.get(&w.entry.version()), Some(&w.text), "acknowledged under {}", w.token);
    }
    assert_eq!(log.len(), tokens.len(), "what is there was acknowledged");
    assert!(tokens.values().is_sorted(), "a write under an older token: {tokens:?}");
    let fenced = told.iter().map(|t| t.fenced.len()).sum::<usize>();
    let holders = tokens.values().collect::<std::collections::BTreeSet<_>>().len();
    cx.note(format!("clocks hours apart: {holders} leases wrote, {fenced} writes were fenced"));
}
