//! What the suite says: this program runs itself once more as a suite on a journal that is right or wrong, and reads the output.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};
use sessile_conformance::{
    Backend, Damage, Level, Tamper,
    internal::{
        MapJournal,
        wrong_journals::{Mistake, WrongJournal},
    },
};
use sessile_core::id::{Space, Version};

/// Says which suite the program is to be.
const SUITE: &str = "SESSILE_TEST_SUITE";

fn right(name: &'static str) -> Backend {
    Backend::journal(name, |_dir| async { MapJournal::default() })
}

/// A hook that changes nothing.
struct IdleTamper;

#[async_trait::async_trait]
impl Tamper for IdleTamper {
    async fn damage(&self, _: &Space, _: Version, _: Damage) {}

    async fn newer_format(&self) -> bool {
        false
    }
}

/// The suite of a name.
fn suite(name: &str) -> Vec<Backend> {
    match name {
        "confuses" => vec![MapJournal::backend(), WrongJournal::backend(Mistake::ConfusesDiverged)],
        "denies" => vec![WrongJournal::backend(Mistake::DeniesCommits)],
        "idle" => vec![right("idle").with_tamper(|_dir| IdleTamper)],
        "journal" => vec![MapJournal::backend().with_level(Level::Journal)],
        "overreaches" => vec![right("overreaches").with_level(Level::Durable)],
        "bare" => vec![right("bare")],
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

/// A failure says where, which law and where to look; a hook that does nothing is no failure of the driver.
fn whose_fault() {
    let (succeeded, said) = run("confuses", &["wrong::j2"]);
    assert!(!succeeded);
    says(
        &said,
        &[
            "J2: a commit that expected nothing was answered",
            "    at conformance/src/clauses/journal/commit.rs:",
            "    J2: Conditional. A batch lands only where version and hash",
            "    look first at whether `commit` compares",
        ],
    );
    let (_, said) = run("confuses", &["wrong::j11"]);
    says(&said, &["\n    the first panic was at conformance/src/clauses/journal/dropped.rs:"]);
    let (_, said) = run("denies", &["wrong::j5"]);
    says(&said, &["src/internal/raw_batches.rs:", ", called at src/clauses/journal/read.rs:"]);
    for clause in ["J12", "MSG13", "TEN4"] {
        let (succeeded, said) =
            run("idle", &["--exact", &format!("idle::{}", clause.to_lowercase())]);
        assert!(!succeeded);
        let hand = format!("{clause} was not judged: the hook `tamper` failed, not the driver: ");
        says(&said, &[&hand, "0 failed, 0 unsupported"]);
    }
}

/// Each level is said to hold, to have failed or not to be judged; more than a journal claims cannot be asked for.
fn levels() {
    let (succeeded, said) = run("journal", &[]);
    assert!(succeeded, "{said}");
    says(
        &said,
        &[
            "  Journal      held\n",
            "  Store        not judged: ",
            "  Durable      not judged: ",
            "clauses: above level Journal",
            "ignored (not judged: above level Journal)",
        ],
    );
    let (succeeded, said) = run("journal", &["plain::thd1"]);
    assert!(succeeded, "{said}");
    says(&said, &["  Store        held by the "]);
    let (succeeded, said) = run("overreaches", &["::j3"]);
    assert!(!succeeded);
    says(&said, &["  Durable is asked for, and the journal's info() does not claim it"]);
    let (succeeded, said) = run("bare", &["::ten"]);
    assert!(!succeeded);
    says(&said, &["TEN4 was not judged: the driver brought no tamper hook"]);
}

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(SUITE) {
        return sessile_conformance::main(suite(&name));
    }
    let trials = [
        ("a_journal_that_is_none", a_journal_that_is_none as fn()),
        ("whose_fault", whose_fault),
        ("levels", levels),
    ];
    let trials = trials.map(|(name, judge)| {
        Trial::test(name, move || {
            judge();
            Ok(())
        })
    });
    let trials = trials.into_iter().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
