//! CRS: what a killed process leaves behind.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use sessile_core::{
    Key,
    command::{NewRun, NewSession, NewSubSession, Paging},
    id::{SessionId, ThreadId},
    journal::Durability,
    model::{NewEntry, Part, Role, RunOutcome, Tokens, Usage},
    store::Store,
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        crash::{failing_medium, survivors::judge_all},
    },
};

crate::clauses! { CRS1: Durable => crs1, CRS2: Durable => crs2, CRS3: Medium => crs3 }
crate::internal::child_programs! { "crs_work" => work, "crs_turns" => turns }

fn memory_only(cx: &ClauseContext) -> Option<Verdict> {
    let none = cx.info().durability == Durability::None;
    none.then(|| {
        Verdict::Unsupported("info() declares durability none: nothing outlives the process".into())
    })
}

/// Appends turns of three entries to one session and reports each acknowledgement, until it is killed.
async fn turns(cx: ClauseContext, index: usize, args: Value) -> String {
    let store = cx.store().await;
    let caller = cx.caller();
    let session: SessionId = args["session"].as_str().unwrap().parse().unwrap();
    let round = args["round"].as_u64().unwrap();
    for n in 1.. {
        let turn = (0..3)
            .map(|i| NewEntry::text(Role::User, format!("{round} {index} {n} {i}")))
            .collect::<Vec<_>>();
        let caller = caller.with_key(Key::rising(format!("{round} {index}"), n));
        let appended = store.as_caller(&caller).append(session, turn).await.unwrap();
        cx.report(format!("{n} {}", appended.first.version()));
    }
    unreachable!("it is killed")
}

/// Runs commands of each kind and reports each acknowledgement, until it is killed.
async fn work(cx: ClauseContext, index: usize, args: Value) -> String {
    let store = cx.store().await;
    let caller = cx.caller();
    let thread: ThreadId = args["thread"].as_str().unwrap().parse().unwrap();
    for n in 0.. {
        let name = format!("{index} {n}");
        let root = store
            .as_caller(&caller)
            .create_session(thread, NewSession::named(&name))
            .await
            .unwrap();
        cx.report(format!("root {root}"));
        let child = NewSession::named(&name).under(NewSubSession::under(root));
        let child = store.as_caller(&caller).create_session(thread, child).await.unwrap();
        cx.report(format!("child {child}"));
        let run = store.as_caller(&caller).start_run(child, NewRun::default()).await.unwrap();
        cx.report(format!("run {run}"));
        let usage = Usage::new(Tokens::new(1, 1), 1);
        store.as_caller(&caller).book_usage(run, "call", usage).await.unwrap();
        store
            .as_caller(&caller)
            .append(child, NewEntry::text(Role::User, name).in_run(run))
            .await
            .unwrap();
        store.as_caller(&caller).end_run(run, RunOutcome::Succeeded).await.unwrap();
        cx.report(format!("ended {run}"));
    }
    unreachable!("it is killed")
}

/// Starts a child program in several processes and kills them at a random moment after the first has begun.
async fn killed(
    cx: &ClauseContext,
    role: &str,
    n: usize,
    args: &Value,
    rng: &mut StdRng,
) -> Vec<Vec<String>> {
    let children = cx.start_processes(role, n, args).await;
    while children.iter().all(|child| child.reports().is_empty()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_micros(rng.random_range(0..20_000))).await;
    let mut said = Vec::new();
    for child in children {
        said.push(child.kill().await);
    }
    said
}

async fn texts(store: &Store, cx: &ClauseContext, session: SessionId) -> BTreeMap<u64, String> {
    let mut all = BTreeMap::new();
    let mut page = Paging::first(1000);
    loop {
        let read = store.as_caller(&cx.caller()).entries(session).page(page).await.unwrap();
        for entry in read.items {
            let [Part::Text(text)] = entry.parts() else { panic!("one text was appended") };
            assert!(all.insert(entry.version, text.text.clone()).is_none(), "an entry comes once");
        }
        match read.next {
            None => return all,
            next => page = page.after(next),
        }
    }
}

/// CRS2: kill -9 of writing processes, again and again on one store: every acknowledged entry is there, every turn is
/// whole, the chain verifies, and the next process goes on.
pub async fn crs2(cx: ClauseContext) -> Verdict {
    if let Some(unsupported) = memory_only(&cx) {
        return unsupported;
    }
    let caller = cx.caller();
    let store = cx.store().await;
    let session = cx.session(&store, &caller).await;
    let mut rng = StdRng::seed_from_u64(cx.seed());
    let mut acknowledged = BTreeMap::new();
    let kills = cx.scale(cx.times(3), 100);
    for round in 0..kills {
        let args = json!({ "session": session.to_string(), "round": round });
        for (index, said) in
            killed(&cx, "crs_turns", 2, &args, &mut rng).await.into_iter().enumerate()
        {
            for line in said {
                let (n, first) = line.split_once(' ').unwrap();
                for i in 0..3 {
                    acknowledged.insert(
                        first.parse::<u64>().unwrap() + i,
                        format!("{round} {index} {n} {i}"),
                    );
                }
            }
        }
        let fresh = cx.store().await;
        let all = texts(&fresh, &cx, session).await;
        for (version, text) in &acknowledged {
            assert_eq!(all.get(version), Some(text), "acknowledged and not there");
        }
        assert_eq!(all.len() % 3, 0, "a turn is not whole");
        for turn in all.values().collect::<Vec<_>>().chunks(3) {
            let stem = turn[0].strip_suffix(" 0").expect("a turn begins with its first entry");
            assert!(
                turn.iter().enumerate().all(|(i, text)| **text == format!("{stem} {i}")),
                "{turn:?}"
            );
        }
        let verified = fresh.as_caller(&caller).verify(session.thread(), None).await.unwrap();
        assert!(verified.problems.is_empty(), "{:?}", verified.problems);
    }
    cx.note(format!("{kills} kills, {} acknowledged entries", acknowledged.len()));
    Verdict::Passed
}

/// CRS1: stopped at any operation of a simulated medium and opened again, what was acknowledged is there and what was not is
/// whole or not at all. Where the driver gives no such medium: by killing a process at random.
pub async fn crs1(cx: ClauseContext) -> Verdict {
    if let Some(unsupported) = memory_only(&cx) {
        return unsupported;
    }
    let Some(open) = cx.backend().crash() else { return killed_at_random(cx).await };
    let seed = cx.seed();
    let (ways, most) = if cx.scale(cx.times(1), 2) > 1 { (6, 100_000) } else { (1, 60) };
    let judging = tokio::task::spawn_blocking(move || {
        judge_all(open, seed, |harness| harness.spread(ways, most))
    });
    match judging.await.expect("it is judged") {
        Ok((operations, stops)) => {
            cx.note(format!("{stops} stops of a simulated medium, at {operations} operations"));
            Verdict::Passed
        }
        Err(what) => panic!("{what}"),
    }
}

/// CRS3: a full disk or a read-only medium is `Unavailable` and passes, a failed flush poisons the handle, and nothing
/// acknowledged is lost.
pub async fn crs3(cx: ClauseContext) -> Verdict {
    if let Some(unsupported) = memory_only(&cx) {
        return unsupported;
    }
    let Some(open) = cx.backend().crash() else {
        return Verdict::NotJudged("the driver gives no `crash` hook".into());
    };
    let seed = cx.seed();
    let hindering = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime starts").block_on(async {
            failing_medium::full(&open, seed).await?;
            let turned = failing_medium::read_only(&open, seed).await?;
            Ok::<_, String>((turned, failing_medium::failed_flush(&open, seed).await?))
        })
    });
    match hindering.await.expect("it is judged") {
        Ok(((in_doubt, reopened), heard)) => {
            cx.note(match heard {
                0 => "no flush ever failed: each write is durable when it is answered".to_owned(),
                heard => format!("{heard} failed flushes were heard of"),
            });
            if in_doubt {
                cx.note(
                    "a medium that turns read-only under an open handle leaves a write in doubt",
                );
            }
            if reopened {
                cx.note("after a medium turned read-only and back, the store must be opened again");
            }
            Verdict::Passed
        }
        Err(what) => panic!("{what}"),
    }
}

/// At random kill points: sessions with their edges, runs with their ends, usage with its run: whole or not at all.
async fn killed_at_random(cx: ClauseContext) -> Verdict {
    cx.note("by killing a process: the driver gives no `crash` hook");
    let caller = cx.caller();
    let store = cx.store().await;
    let thread = cx.thread(&store, &caller).await;
    let mut rng = StdRng::seed_from_u64(cx.seed());
    for _ in 0..cx.times(2) {
        let args = json!({ "thread": thread.to_string() });
        let said = killed(&cx, "crs_work", 1, &args, &mut rng).await;
        let fresh = cx.store().await;
        for line in said.iter().flatten() {
            let (what, id) = line.split_once(' ').unwrap();
            match what {
                "root" => {
                    assert!(
                        fresh
                            .as_caller(&caller)
                            .session(id.parse().unwrap())
                            .await
                            .unwrap()
                            .is_some()
                    )
                }
                "child" => {
                    let drill = fresh
                        .as_caller(&caller)
                        .drill(id.parse().unwrap())
                        .await
                        .unwrap()
                        .expect("acknowledged");
                    assert_eq!(drill.ancestry.len(), 2, "the edge came with the child");
                }
                "run" => assert!(
                    fresh.as_caller(&caller).run(id.parse().unwrap()).await.unwrap().is_some()
                ),
                "ended" => {
                    let run = fresh
                        .as_caller(&caller)
                        .run(id.parse().unwrap())
                        .await
                        .unwrap()
                        .expect("acknowledged");
                    assert_eq!(run.outcome, Some(RunOutcome::Succeeded));
                    assert_eq!(run.usage.calls, 1);
                }
                other => panic!("nobody says {other}"),
            }
        }
        let verified = fresh.as_caller(&caller).verify(thread, None).await.unwrap();
        assert!(verified.problems.is_empty(), "{:?}", verified.problems);
    }
    Verdict::Passed
}
