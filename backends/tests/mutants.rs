//! What only processes can find: histories by processes refuse what histories by tasks let pass.
//!
//! `cargo test --workspace --test mutants -- --nocapture` names each mutant and what killed it, these and those of the suite.
#![allow(clippy::expect_used, reason = "tests")]

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use sessile::sqlite::{Options, Sqlite};
use sessile_conformance::{
    Backend, Clause, Dir, Level, Outcome,
    clauses::whole_store::histories,
    internal::{
        process,
        wrong_journals::{Alteration, AlteringJournal},
    },
    judge,
};

const BY_TASKS: Clause = Clause {
    id: "LIN1",
    level: Level::Concurrent,
    run: |cx| Box::pin(histories::lin1_by_tasks(cx)),
};
const BY_PROCESSES: Clause = Clause {
    id: "LIN1",
    level: Level::Concurrent,
    run: |cx| Box::pin(histories::lin1_by_processes(cx)),
};

fn right() -> Backend {
    Backend::journal("right", |dir: Dir| async move {
        Sqlite::open(dir.path().join("store.db"), Options::default()).await
    })
}

/// Each of its processes takes what it knows itself for the newest; inside of one all is well.
fn keeps_heads() -> Backend {
    Backend::journal("keeps_heads", |dir: Dir| async move {
        let inner = Sqlite::open(dir.path().join("store.db"), Options::default()).await?;
        sessile::Result::Ok(AlteringJournal::over(Arc::new(inner), Alteration::CachesHeads))
    })
}

/// Races show in some histories and not in others: each mutant gets several tries.
fn killed(who: &str, backend: &Backend) -> Result<(), Failed> {
    let mut last = None;
    for _ in 0..10 {
        match judge(&BY_PROCESSES, backend).outcome {
            Outcome::Failed(why) => {
                println!("{who} is killed by LIN1 by processes:\n{why}");
                return Ok(());
            }
            other => last = Some(other),
        }
    }
    Err(format!("{who} passes: {last:?}").into())
}

fn passes(clause: &Clause, backend: &Backend) -> Result<(), Failed> {
    match judge(clause, backend).outcome {
        Outcome::Passed => Ok(()),
        other => Err(format!("{}: {other:?}", backend.name()).into()),
    }
}

fn main() -> ExitCode {
    if process::run_as_child(&[right(), keeps_heads()]) {
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let trials = vec![
        Trial::test("what_is_right_is_not_failed", || passes(&BY_PROCESSES, &right())),
        Trial::test("a_process_that_keeps_its_heads_is_found", || {
            passes(&BY_TASKS, &keeps_heads())?;
            killed("journal CachesHeads, which passes LIN1 by tasks,", &keeps_heads())
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}
