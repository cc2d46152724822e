//! The tests, tested: a right journal passes every clause, and each wrong one fails the clauses it breaks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use sessile_conformance::{
    Backend, Clause, Outcome, clauses, judge,
    mutant::{Flaw, Plain, Wrong},
};

fn clause(id: &str) -> &'static Clause {
    clauses::all().find(|clause| clause.id == id).unwrap_or_else(|| panic!("no clause {id}"))
}

#[test]
fn each_flaw_is_found() {
    let mut survivors = Vec::new();
    for &flaw in Flaw::ALL {
        let backend = Backend::new("wrong", move |_dir| async move { Wrong::with(flaw) });
        for id in flaw.breaks() {
            match judge(clause(id), &backend).outcome {
                Outcome::Failed(why) => println!("{flaw:?} fails {id}: {why}"),
                other => survivors.push(format!("{flaw:?} against {id}: {other:?}")),
            }
        }
    }
    assert!(survivors.is_empty(), "wrong journals that pass: {survivors:#?}");
}

#[test]
fn a_right_journal_is_not_failed() {
    let backend = Backend::new("plain", |_dir| async { Plain::default() });
    let mut failed = Vec::new();
    for clause in clauses::all().filter(|clause| clause.id.starts_with('J')) {
        let judged = judge(clause, &backend);
        println!("{}: {:?} in {:?}", clause.id, judged.outcome, judged.took);
        if let Outcome::Failed(why) = judged.outcome {
            failed.push(format!("{}: {why}", clause.id));
        }
    }
    assert!(failed.is_empty(), "a right journal fails: {failed:#?}");
}
