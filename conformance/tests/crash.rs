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

mod toy;

use std::sync::Arc;

use sessile_conformance::{
    Backend, Clause, Dir, Outcome,
    internal::crash::survivors::{Harness, OpenOn, Stop, judge_all},
    judge,
    medium::SimDisk,
};
use toy::Flaw;

fn opens(flaw: Flaw) -> Arc<OpenOn> {
    Arc::new(move |disk| Box::pin(toy::open(disk, flaw)))
}

/// Every stop, in two ways.
fn all(harness: &Harness) -> Vec<Stop> {
    harness.spread(2, u64::MAX)
}

#[test]
fn a_right_journal_survives_every_stop() {
    let every_way = std::env::var("SESSILE_PROFILE").is_ok_and(|p| p == "proof" || p == "nightly");
    let ways = if every_way { usize::MAX } else { 1 };
    let judged = judge_all(opens(Flaw::None), 1, |harness| harness.spread(ways, u64::MAX));
    let (operations, stops) = judged.unwrap();
    println!("{stops} stops at {operations} operations");
    assert!(operations > 100 && stops > 150, "{operations} operations, {stops} stops");
}

#[test]
fn each_wrong_journal_is_found() {
    let mut survivors = Vec::new();
    for &flaw in Flaw::STOPPED {
        match judge_all(opens(flaw), 1, all) {
            Err(what) => {
                let what: String = what.chars().take(300).collect();
                println!("{flaw:?} is found: {what}");
            }
            Ok(stops) => survivors.push((flaw, stops)),
        }
    }
    assert!(survivors.is_empty(), "wrong journals that pass: {survivors:?}");
}

fn backend(flaw: Flaw) -> Backend {
    let open = move |dir: Dir| {
        let disk = dir.kept::<SimDisk>().unwrap_or_default();
        dir.keep(Arc::clone(&disk));
        toy::open((*disk).clone(), flaw)
    };
    Backend::new("toy", open).with_crash(move |disk| toy::open(disk, flaw))
}

fn clause(id: &str) -> &'static Clause {
    Clause::all().find(|clause| clause.id == id).expect("a clause")
}

#[test]
fn the_clauses_use_the_hook() {
    for id in ["CRS1", "CRS3"] {
        let judged = judge(clause(id), &backend(Flaw::None));
        println!("{id} in {:?}: {:?}", judged.took, judged.notes);
        assert_eq!(judged.outcome, Outcome::Passed, "{id}");
    }
    let judged = judge(clause("CRS1"), &backend(Flaw::AcknowledgesBeforeFlush));
    assert!(matches!(judged.outcome, Outcome::Failed(_)), "{judged:?}");
}

#[test]
fn a_hindered_medium_finds_what_is_wrong() {
    for &flaw in Flaw::HINDERED {
        let judged = judge(clause("CRS3"), &backend(flaw));
        let Outcome::Failed(why) = judged.outcome else { panic!("{flaw:?} passes CRS3") };
        println!("{flaw:?} is found: {}", why.chars().take(300).collect::<String>());
    }
}
