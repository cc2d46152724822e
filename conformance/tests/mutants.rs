//! The tests, tested: each wrong journal fails the clauses it breaks.
//!
//! `cargo test -p sessile-conformance --test mutants -- --nocapture` names each mutant and what killed it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use sessile_conformance::{
    Backend, Clause, Level, Outcome,
    clauses::journal::behind_a_wire,
    internal::{
        Verdict,
        wired_journal::WireMistake,
        wrong_journals::{Mistake, WrongJournal},
    },
    judge,
};

fn clause(id: &str) -> &'static Clause {
    Clause::all().find(|clause| clause.id == id).unwrap_or_else(|| panic!("no clause {id}"))
}

/// Why a clause fails a backend. Races show in some histories and not in others, in few on a busy machine: it gets many tries.
fn killed(clause: &Clause, backend: &Backend) -> Result<String, Outcome> {
    let mut last = None;
    for _ in 0..50 {
        match judge(clause, backend).outcome {
            Outcome::Failed(why) => {
                return Ok(why.lines().next().unwrap_or_default().chars().take(100).collect());
            }
            other => last = Some(other),
        }
    }
    Err(last.unwrap())
}

/// J6 without its processes, which have no way to a server in this one.
const KILLED_SERVER: Clause = Clause {
    id: "J6",
    level: Level::Journal,
    run: |cx| {
        Box::pin(async move {
            behind_a_wire::killed_server(&cx).await;
            Verdict::Passed
        })
    },
};

fn behind_a_wire_clause(id: &str) -> Clause {
    if id == "J6" { KILLED_SERVER } else { *clause(id) }
}

/// Where wires are cut and stand still and servers are killed, what is right passes, and each mistake is found.
#[test]
fn each_mistake_behind_a_wire_is_found() {
    for id in ["J6", "J7", "J10", "J13", "LIN2"] {
        let judged = judge(&behind_a_wire_clause(id), &WireMistake::None.backend());
        println!("{id} on a right journal behind a wire in {:?}: {:?}", judged.took, judged.notes);
        assert_eq!(judged.outcome, Outcome::Passed, "{id}");
    }
    for &mistake in WireMistake::ALL {
        let id = mistake.breaks();
        match killed(&behind_a_wire_clause(id), &mistake.backend()) {
            Ok(why) => println!("journal {mistake:?} is killed by {id}: {why}"),
            Err(other) => panic!("{mistake:?} passes {id}: {other:?}"),
        }
    }
}

#[test]
fn each_wrong_journal_is_found() {
    let mut survivors = Vec::new();
    for &mistake in Mistake::ALL {
        let backend = WrongJournal::backend(mistake);
        for id in mistake.breaks() {
            match killed(clause(id), &backend) {
                Ok(why) => println!("journal {mistake:?} is killed by {id}: {why}"),
                Err(other) => survivors.push(format!("{mistake:?} against {id}: {other:?}")),
            }
        }
    }
    assert!(survivors.is_empty(), "wrong journals that pass: {survivors:#?}");
}
