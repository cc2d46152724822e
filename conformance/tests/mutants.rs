//! The tests, tested: each wrong journal fails the clauses it breaks.
//!
//! `cargo test -p sessile-conformance --test mutants -- --nocapture` names each mutant and what killed it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use sessile_conformance::{
    Backend, Clause, Outcome,
    internal::wrong_journals::{Mistake, WrongJournal},
    judge,
};

fn clause(id: &str) -> &'static Clause {
    Clause::all().find(|clause| clause.id == id).unwrap_or_else(|| panic!("no clause {id}"))
}

/// Why a clause fails a backend. Races show in some histories and not in others, in few on a busy machine: it gets many tries.
fn killed(id: &str, backend: &Backend) -> Result<String, Outcome> {
    let mut last = None;
    for _ in 0..50 {
        match judge(clause(id), backend).outcome {
            Outcome::Failed(why) => {
                return Ok(why.lines().next().unwrap_or_default().chars().take(100).collect());
            }
            other => last = Some(other),
        }
    }
    Err(last.unwrap())
}

#[test]
fn each_wrong_journal_is_found() {
    let mut survivors = Vec::new();
    for &mistake in Mistake::ALL {
        let backend = WrongJournal::backend(mistake);
        for id in mistake.breaks() {
            match killed(id, &backend) {
                Ok(why) => println!("journal {mistake:?} is killed by {id}: {why}"),
                Err(other) => survivors.push(format!("{mistake:?} against {id}: {other:?}")),
            }
        }
    }
    assert!(survivors.is_empty(), "wrong journals that pass: {survivors:#?}");
}
