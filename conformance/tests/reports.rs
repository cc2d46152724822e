//! What the suite says: this program runs itself once more as a suite on a journal that is right or wrong, and reads the output.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};
use sessile_conformance::{
    Backend,
    internal::{
        MapJournal,
        wrong_journals::{Mistake, WrongJournal},
    },
};

/// Says which suite the program is to be.
const SUITE: &str = "SESSILE_TEST_SUITE";

fn wrong(mistake: Mistake) -> Backend {
    Backend::journal("wrong", move |_dir| async move { WrongJournal::with(mistake) })
}

/// The suite of a name.
fn suite(name: &str) -> Vec<Backend> {
    match name {
        "confuses" => vec![MapJournal::backend(), wrong(Mistake::ConfusesDiverged)],
        other => panic!("no suite {other}"),
    }
}

/// Runs a suite: whether it succeeded, and all that it said.
fn run(name: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    let output = command
        .env(SUITE, name)
        .env_remove("RUST_BACKTRACE")
        .args(arguments)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), said + &String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn says(said: &str, lines: &[&str]) {
    for line in lines {
        assert!(said.contains(line), "should say {line:?}, but said:\n{said}");
    }
}

/// One clause of the journal fails: what stands on it is not judged, and another backend is.
fn a_journal_that_is_none() {
    let (succeeded, said) = run("confuses", &["--skip", "machine", "--skip", "plain::"]);
    assert!(!succeeded);
    says(
        &said,
        &["failed       j2: ", " clauses: failed: J2, J", "ignored (not judged: failed: J2, J"],
    );
    let (succeeded, said) = run("confuses", &["::j3"]);
    assert!(succeeded, "{said}");
    let (succeeded, said) = run("confuses", &["--exact", "wrong::thd1"]);
    assert!(succeeded, "what was asked for is judged: {said}");
    says(&said, &["wrong: 1 passed", "plain: not assessed"]);
}

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(SUITE) {
        return sessile_conformance::main(suite(&name));
    }
    let trials = vec![Trial::test("a_journal_that_is_none", || {
        a_journal_that_is_none();
        Ok(())
    })];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
