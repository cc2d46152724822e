//! The crash harness, tested: a right journal passes every stop, and each wrong one is found.
//!
//! `cargo test -p sessile-conformance --test crash -- --nocapture` names each mutant and what killed it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod toy;

use std::sync::Arc;

use sessile_conformance::crash::judge::{Harness, OpenOn, Stop, judge_all};
use toy::Flaw;

fn opens(flaw: Flaw) -> Arc<OpenOn> {
    Arc::new(move |disk| Box::pin(toy::open(disk, flaw)))
}

/// Every stop in every way.
fn all(harness: &Harness) -> Vec<Stop> {
    let each = 0..=harness.operations();
    let live = each.clone().flat_map(|after| harness.lived_through(after));
    each.flat_map(|after| harness.ways(after)).chain(live).collect()
}

#[test]
fn a_right_journal_survives_every_stop() {
    let started = std::time::Instant::now();
    let (operations, stops) = judge_all(opens(Flaw::None), 1, all).unwrap();
    println!("{stops} stops at {operations} operations in {:?}", started.elapsed());
    assert!(operations > 100 && stops > 600, "{operations} operations, {stops} stops");
}

#[test]
fn each_wrong_journal_is_found() {
    let mut survivors = Vec::new();
    for &flaw in Flaw::STOPPED {
        let started = std::time::Instant::now();
        match judge_all(opens(flaw), 1, all) {
            Err(what) => {
                let what: String = what.chars().take(300).collect();
                println!("{flaw:?} is found in {:?}: {what}", started.elapsed());
            }
            Ok(stops) => survivors.push((flaw, stops)),
        }
    }
    assert!(survivors.is_empty(), "wrong journals that pass: {survivors:?}");
}
