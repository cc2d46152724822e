//! The crash harness, tested: a right journal passes every stop, and each wrong one is found.
//!
//! `cargo test -p sessile-conformance --test crash -- --nocapture` names each mutant and what killed it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod log_journal;

use std::sync::Arc;

use log_journal::Mistake;
use sessile_conformance::{
    Backend, Clause, Dir, Outcome,
    internal::crash::{
        Stop,
        survivors::{Harness, OpenOn, judge_all},
    },
    judge,
    medium::SimDisk,
};

fn opens(mistake: Mistake) -> Arc<OpenOn> {
    Arc::new(move |disk| Box::pin(log_journal::open(disk, mistake)))
}

/// Every stop, in two ways.
fn all(harness: &Harness) -> Vec<Stop> {
    harness.spread(2, u64::MAX)
}

#[test]
fn a_right_journal_survives_every_stop() {
    let every_way = std::env::var("SESSILE_PROFILE").is_ok_and(|p| p == "proof" || p == "nightly");
    let ways = if every_way { usize::MAX } else { 1 };
    let judged = judge_all(opens(Mistake::None), 1, |harness| harness.spread(ways, u64::MAX));
    let (operations, stops) = judged.unwrap();
    println!("{stops} stops at {operations} operations");
    assert!(operations > 100 && stops > 150, "{operations} operations, {stops} stops");
}

#[test]
fn each_wrong_journal_is_found() {
    let mut survivors = Vec::new();
    for &mistake in Mistake::SHOWN_BY_STOPS {
        match judge_all(opens(mistake), 1, all) {
            Err(what) => {
                let what: String = what.chars().take(300).collect();
                println!("{mistake:?} is found: {what}");
            }
            Ok(stops) => survivors.push((mistake, stops)),
        }
    }
    assert!(survivors.is_empty(), "wrong journals that pass: {survivors:?}");
}

fn backend(mistake: Mistake) -> Backend {
    let open = move |dir: Dir| {
        let disk = dir.kept::<SimDisk>().unwrap_or_default();
        dir.keep(Arc::clone(&disk));
        log_journal::open((*disk).clone(), mistake)
    };
    Backend::journal("log", open).with_crash(move |disk| log_journal::open(disk, mistake))
}

fn clause(id: &str) -> &'static Clause {
    Clause::all().find(|clause| clause.id == id).expect("a clause")
}

#[test]
fn the_clauses_use_the_hook() {
    for id in ["CRS1", "CRS3"] {
        let judged = judge(clause(id), &backend(Mistake::None));
        println!("{id} in {:?}: {:?}", judged.took, judged.notes);
        assert_eq!(judged.outcome, Outcome::Passed, "{id}");
    }
    let judged = judge(clause("CRS1"), &backend(Mistake::AcknowledgesBeforeFlush));
    assert!(matches!(judged.outcome, Outcome::Failed(_)), "{judged:?}");
}

#[test]
fn a_failing_medium_finds_what_is_wrong() {
    for &mistake in Mistake::SHOWN_BY_FAILURES {
        let judged = judge(clause("CRS3"), &backend(mistake));
        let Outcome::Failed(why) = judged.outcome else { panic!("{mistake:?} passes CRS3") };
        println!("{mistake:?} is found: {}", why.chars().take(300).collect::<String>());
    }
}
