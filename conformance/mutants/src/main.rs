//! Breaks Sessile on purpose and shows that the suite notices.
//!
//! Each patch below `conformance/mutants` is one mistake. It is applied to a copy of the project, the copy is built, and each
//! clause that the patch names must fail there. `--check` only sees whether the patches still apply.
#![allow(
    clippy::disallowed_methods,
    reason = "a tool measures its own time; it has no store whose clock to ask"
)]

mod judge;
mod patch;
mod scratch;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;

use crate::{
    patch::{Patch, Question},
    scratch::{Scratch, git, output},
};

/// Breaks Sessile on purpose, one patch at a time, and shows that the suite notices.
#[derive(Debug, Parser)]
struct Arguments {
    /// The mutants to judge, by name; all of them if none is named.
    names: Vec<String>,
    /// Only check that each patch applies and is described.
    #[arg(long, conflicts_with_all = ["some", "list"])]
    check: bool,
    /// Only judge this many: the next ones with each commit, and from the start again after the last.
    #[arg(long, value_name = "N", conflicts_with = "names")]
    some: Option<usize>,
    /// Only list the mutants, what they break and the clauses that must fail.
    #[arg(long)]
    list: bool,
    /// The folder for the copy and what is built from it; kept between runs [default: target/mutants].
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is as it should be.
fn run(arguments: &Arguments) -> Result<bool, String> {
    let root = output(git(Path::new(".")).args(["rev-parse", "--show-toplevel"]))?;
    let root = PathBuf::from(root.trim_end());
    let patches = chosen(arguments, &root)?;
    if arguments.list {
        for patch in &patches {
            let questions: Vec<String> = patch.questions().map(|q| q.to_string()).collect();
            println!("{}: {} ({})", patch.name, patch.breaks, questions.join(", "));
        }
        return Ok(true);
    }
    if arguments.check {
        return check(&root, &patches);
    }
    let place = match (&arguments.scratch, std::env::var_os("CARGO_TARGET_DIR")) {
        (Some(place), _) => place.clone(),
        (None, Some(target)) => PathBuf::from(target).join("mutants"),
        (None, None) => root.join("target/mutants"),
    };
    let place = std::path::absolute(&place).map_err(|e| format!("{}: {e}", place.display()))?;
    judge_all(&Scratch::new(&root, &place)?, &patches)
}

fn chosen(arguments: &Arguments, root: &Path) -> Result<Vec<Patch>, String> {
    let mut patches = patch::all(&root.join("conformance/mutants"))?;
    if let Some(unknown) = arguments.names.iter().find(|n| patches.iter().all(|p| p.name != **n)) {
        return Err(format!("no mutant is named {unknown}; --list names all"));
    }
    if let Some(n) = arguments.some {
        return Ok(patch::in_turn(patches, n, turn(root)?));
    }
    patches.retain(|p| arguments.names.is_empty() || arguments.names.contains(&p.name));
    Ok(patches)
}

/// A number that grows by one with each commit; where older commits are not at hand, one made of the commit's name.
fn turn(root: &Path) -> Result<usize, String> {
    let ask = |args: &[&str]| output(git(root).args(args)).map(|said| said.trim_end().to_owned());
    let shallow = ask(&["rev-parse", "--is-shallow-repository"])? == "true";
    let number = if shallow {
        usize::from_str_radix(&ask(&["rev-parse", "--short=7", "HEAD"])?, 16)
    } else {
        ask(&["rev-list", "--count", "HEAD"])?.parse()
    };
    number.map_err(|error| format!("git does not number commits as expected: {error}"))
}

fn check(root: &Path, patches: &[Patch]) -> Result<bool, String> {
    let contract = root.join("conformance/CONTRACT.md");
    let contract = std::fs::read_to_string(&contract)
        .map_err(|error| format!("cannot read {}: {error}", contract.display()))?;
    let mut wrong = 0;
    for patch in patches {
        let unknown = patch.clauses.iter().find(|id| !contract.contains(&format!("\n| {id} |")));
        if let Some(id) = unknown {
            println!("{}: the contract has no clause {id}", patch.name);
            wrong += 1;
        }
        if let Err(why) = scratch::applies(root, patch) {
            println!("{}: does not apply\n{why}", patch.name);
            wrong += 1;
        }
    }
    println!("{} patches, {wrong} to be mended", patches.len());
    Ok(wrong == 0)
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}

fn judge_all(scratch: &Scratch, patches: &[Patch]) -> Result<bool, String> {
    let start = Instant::now();
    // What is the same for several is built once: first all that need no SQLite.
    let (with, without): (Vec<&Patch>, Vec<&Patch>) =
        patches.iter().partition(|patch| patch.backend == "sqlite");
    let mut wrong = Vec::new();
    for (group, with_sqlite) in [(without, false), (with, true)] {
        if group.is_empty() {
            continue;
        }
        let Some(limits) = judge_right(scratch, &group, with_sqlite)? else {
            return Ok(false);
        };
        for (n, patch) in group.iter().enumerate() {
            println!("{} ({} of {}): {}", patch.name, n + 1, group.len(), patch.breaks);
            let judged = match scratch.apply(patch) {
                Ok(()) => {
                    let judged = judge_one(scratch, patch, with_sqlite, &limits);
                    scratch.take_back(patch)?;
                    judged
                }
                Err(why) => Err(format!("does not apply: {why}")),
            };
            if let Err(why) = judged {
                println!("  {why}");
                wrong.push(patch.name.clone());
            }
        }
    }
    let (all, took) = (patches.len(), seconds(start));
    if wrong.is_empty() {
        println!("all {all} mutants are killed, in {took}");
    } else {
        println!(
            "of {all} mutants, {} are not killed, in {took}: {}",
            wrong.len(),
            wrong.join(", ")
        );
    }
    Ok(wrong.is_empty())
}

/// Sees that the clauses of a group pass where nothing is wrong; how long a try of each may take. `None` if one fails.
fn judge_right(
    scratch: &Scratch,
    group: &[&Patch],
    with_sqlite: bool,
) -> Result<Option<BTreeMap<Question, Duration>>, String> {
    let start = Instant::now();
    let judge = scratch.build(with_sqlite)?;
    println!("built without a mistake in {}", seconds(start));
    let questions: BTreeSet<Question> = group.iter().flat_map(|patch| patch.questions()).collect();
    let (mut limits, start) = (BTreeMap::new(), Instant::now());
    for question in questions {
        let start = Instant::now();
        let verdict = judge::ask(&judge, &question, 1, Duration::from_secs(120))?;
        if verdict.kills() {
            println!("{question} fails where nothing is wrong: {verdict}");
            return Ok(None);
        }
        limits.insert(question, judge::longest_try(start.elapsed()));
    }
    println!("{} clauses pass where nothing is wrong, in {}", limits.len(), seconds(start));
    Ok(Some(limits))
}

/// Builds the copy with a patch applied and runs its clauses; why it is not killed.
fn judge_one(
    scratch: &Scratch,
    patch: &Patch,
    with_sqlite: bool,
    limits: &BTreeMap<Question, Duration>,
) -> Result<(), String> {
    let start = Instant::now();
    let judge = scratch.build(with_sqlite).map_err(|why| format!("does not build:\n{why}"))?;
    println!("  built in {}", seconds(start));
    let mut alive = Vec::new();
    for question in patch.questions() {
        let start = Instant::now();
        let longest = limits.get(&question).copied().unwrap_or_default();
        let verdict = judge::ask(&judge, &question, judge::TRIES, longest)?;
        println!("  {question}: {verdict} ({})", seconds(start));
        if !verdict.kills() {
            alive.push(question.to_string());
        }
    }
    if alive.is_empty() { Ok(()) } else { Err(format!("ALIVE: {} passes", alive.join(", "))) }
}
