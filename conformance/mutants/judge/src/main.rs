//! Runs one clause on one backend until it fails, at most a given number of times: `BACKEND CLAUSE HISTORIES TRIES`.
//!
//! Prints one line for each try, `passed MILLISECONDS` or `failed MILLISECONDS WHY`, and stops at the first failure. It knows
//! nothing of mutants: `sessile-mutants` builds it in a mutated copy of the project and reads its lines.

use std::{io::Write as _, process::ExitCode, time::Duration};

use sessile_conformance::{
    Backend, Clause, Level, Outcome,
    clauses::whole_store::histories,
    internal::{MapDriver, MapJournal, process},
    judge,
};

/// LIN1 without its tasks: histories recorded by processes alone.
const BY_PROCESSES: Clause = Clause {
    id: "LIN1",
    level: Level::Concurrent,
    run: |cx| Box::pin(histories::lin1_by_processes(cx)),
};

fn backends() -> Vec<Backend> {
    vec![
        MapJournal::backend(),
        MapDriver::backend(),
        #[cfg(feature = "sqlite")]
        Backend::journal("sqlite", |dir: sessile_conformance::Dir| async move {
            use sessile::sqlite::{Options, Sqlite};
            Sqlite::open(dir.path().join("store.db"), Options::default()).await
        }),
    ]
}

fn clause(id: &str, histories: &str) -> Option<Clause> {
    match (histories, id) {
        ("all", _) => Clause::all().find(|clause| clause.id == id).copied(),
        ("processes", "LIN1") => Some(BY_PROCESSES),
        _ => None,
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _reader_gone = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn run(arguments: &[String]) -> Result<(), String> {
    let [_, backend, id, histories, tries] = arguments else {
        return Err("expected BACKEND CLAUSE HISTORIES TRIES".to_owned());
    };
    let clause = clause(id, histories)
        .ok_or_else(|| format!("the suite has no clause {id} with histories by {histories}"))?;
    let backends = backends();
    let backend = backends
        .iter()
        .find(|one| one.name() == backend)
        .ok_or_else(|| format!("no backend is named {backend} here"))?;
    let tries: u32 = tries.parse().map_err(|_| format!("{tries} is not a number of tries"))?;
    for _ in 0..tries {
        let judged = judge(&clause, backend);
        let millis = Duration::as_millis(&judged.took);
        match judged.outcome {
            Outcome::Passed => say(&format!("passed {millis}")),
            Outcome::Failed(why) => {
                let why = why.lines().next().unwrap_or_default();
                say(&format!("failed {millis} {why}"));
                return Ok(());
            }
            other => return Err(format!("{id} cannot be judged on {}: {other:?}", backend.name())),
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    if process::run_as_child(&backends()) {
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&format!("error {why}"));
            ExitCode::FAILURE
        }
    }
}
