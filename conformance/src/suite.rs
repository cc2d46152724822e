//! `suite!`, and what it runs: one test for each clause and backend, and a summary.

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{Arc, Mutex},
};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::{Backend, Clause, Judged, Outcome, gate::Gate, judge, run_as_child};

/// Makes the `main` of a test target with `harness = false` that judges one or several backends.
///
/// For each backend it takes, in this order:
///
/// - `journal`: its name; test names begin with it;
/// - `open`: takes a [`Dir`](crate::Dir) and answers a journal, an `Arc` of one, or a `Result` of either; the same `Dir` always
///   gives the same store;
/// - `tamper`, if it has that: takes the same `Dir` and answers a [`Tamper`](crate::Tamper);
/// - `crash`, if it has that: takes a [`SimDisk`](crate::medium::SimDisk) and answers a journal on it, as `open` does;
/// - `not_run`, if a hook cannot be given: the ids of the clauses that need it, `["CRS3"]`. They are said to be *not judged*, and
///   are no failure; one that could be judged after all is;
/// - `absent`, if it may be missing: why it cannot be judged here (a server that is not there), or `None`. It is left out
///   then, and the summary says so; asking for it by name fails.
///
/// A workspace driver is judged in the same way, by the clauses on workspaces:
///
/// - `workspace`: its name;
/// - `open`: takes a [`Dir`](crate::Dir) and answers a driver, an `Arc` of one, or a `Result` of either, with a root below
///   `dir.path()`;
/// - `over`, if it has that: opens a journal for the records, as `open` of a journal does. Over one that several processes
///   share, the suite kills processes in the middle of creations and disposals;
/// - `audit`, if it has that: takes the `Dir` and the names of all workspaces that records claim, looks at the medium itself, and
///   panics if that does not agree.
///
/// An archive is judged in the same way, by the clauses on archives:
///
/// - `archive`: its name;
/// - `open`: takes a [`Dir`](crate::Dir) and answers an archive backend, an `Arc` of one, or a `Result` of either;
/// - `over`, if it has that: opens a journal for the records.
///
/// ```no_run
/// # use sessile_conformance::{Damage, Dir, Tamper, internal::MapJournal as Mine};
/// # use sessile_core::id::{Space, Version};
/// # struct MyTamper(Dir);
/// # #[async_trait::async_trait]
/// # impl Tamper for MyTamper {
/// #     async fn damage(&self, _: &Space, _: Version, _: Damage) {}
/// #     async fn newer_format(&self) -> bool { false }
/// # }
/// sessile_conformance::suite! {
///     journal: small,
///     open: |_dir| async move { Mine::default() };
///
///     journal: large,
///     open: |dir: Dir| async move {
///         let journal = std::sync::Arc::new(Mine::default());
///         dir.keep(std::sync::Arc::clone(&journal));
///         journal
///     },
///     tamper: |dir| MyTamper(dir),
///     absent: std::env::var_os("MY_SERVER").is_none().then(|| "MY_SERVER is not set".to_owned());
/// }
/// ```
#[macro_export]
macro_rules! suite {
    ($(
        $what:ident: $name:ident, open: $open:expr
        $(, over: $over:expr)? $(, audit: $audit:expr)? $(, tamper: $tamper:expr)? $(, crash: $crash:expr)?
        $(, not_run: $not_run:expr)? $(, absent: $absent:expr)? $(,)?
    );+ $(;)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::main(::std::vec![
                $(
                    $crate::Backend::$what(::core::stringify!($name), $open)
                        $(.with_journal($over))?
                        $(.with_audit($audit))?
                        $(.with_tamper($tamper))?
                        $(.with_crash($crash))?
                        $(.with_not_run(&$not_run))?
                        $(.with_absent($absent))?
                ),+
            ])
        }
    };
}

/// Judges these backends, as the `main` that [`suite!`](crate::suite) makes. Takes the arguments of the program: those of
/// libtest.
///
/// The `J` clauses of all backends come first. Where one fails, the other clauses of its backend are *not judged*: they would
/// fail for the same reason. A run whose filter leaves out a `J` clause judges what it was asked for.
pub fn main(backends: Vec<Backend>) -> ExitCode {
    if run_as_child(&backends) {
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    let (absent, backends): (Vec<_>, Vec<_>) =
        backends.into_iter().partition(|backend| backend.absent().is_some());
    arguments.test_threads.get_or_insert(2);

    let judged: Arc<Mutex<Vec<(String, Judged)>>> = Arc::default();
    let (mut first, mut then) = (Vec::new(), Vec::new());
    for backend in &backends {
        let clauses: Vec<_> = Clause::all()
            .filter(|clause| backend.is_judged_by(clause))
            .map(|clause| (clause, name(backend, clause)))
            .collect();
        let of_journals: Vec<_> =
            clauses.iter().filter(|(clause, _)| is_of_journals(clause)).collect();
        let is_whole = of_journals.iter().all(|(_, name)| is_asked_for(&arguments, name));
        let gate = is_whole.then(|| Arc::new(Gate::of(of_journals.len())));
        for (clause, name) in clauses {
            let (backend, judged, gate) = (backend.clone(), Arc::clone(&judged), gate.clone());
            let at = name.clone();
            let trial = Trial::ignorable_test(name, move || {
                let failed = match &gate {
                    Some(gate) if !is_of_journals(clause) => gate.wait(),
                    _ => Vec::new(),
                };
                let verdict = match failed.is_empty() {
                    true => judge(clause, &backend),
                    false => Judged::not_judged(format!("failed: {}", failed.join(", "))),
                };
                if let Some(gate) = gate.filter(|_| is_of_journals(clause)) {
                    gate.heard(clause, &verdict.outcome);
                }
                let completion = completion(clause, &backend, &verdict.outcome, !failed.is_empty());
                judged.lock().expect("no panic inside").push((at, verdict));
                completion
            });
            if is_of_journals(clause) { first.push(trial) } else { then.push(trial) }
        }
    }
    first.append(&mut then);
    let nothing = first.is_empty();
    let filter = arguments.filter.clone().unwrap_or_default();
    let conclusion = libtest_mimic::run(&arguments, first);
    let mut asked_for = false;
    for backend in &absent {
        asked_for |= filter.starts_with(&format!("{}::", backend.name()));
        eprintln!("NOT ASSESSED {}: {}", backend.name(), backend.absent().unwrap_or_default());
    }
    if asked_for {
        return ExitCode::FAILURE;
    }
    if !arguments.list {
        summary(&backends, &judged.lock().expect("no panic inside"));
    }
    if nothing {
        eprintln!("not assessed: the suite has no clause or no backend");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn name(backend: &Backend, clause: &Clause) -> String {
    format!("{}::{}", backend.name(), clause.id.to_lowercase())
}

fn is_of_journals(clause: &Clause) -> bool {
    clause.id.starts_with('J')
}

/// Whether the arguments of the program leave a test in the run.
fn is_asked_for(arguments: &Arguments, name: &str) -> bool {
    let matches =
        |filter: &String| if arguments.exact { name == filter } else { name.contains(filter) };
    arguments.filter.iter().all(matches) && !arguments.skip.iter().any(matches)
}

/// What libtest is told of a clause.
fn completion(
    clause: &Clause,
    backend: &Backend,
    outcome: &Outcome,
    is_gated: bool,
) -> Result<Completion, Failed> {
    let may_be_left = backend.not_run().contains(&clause.id);
    match outcome {
        Outcome::Failed(why) => Err(format!("{}: {why}", clause.id).into()),
        Outcome::NotJudged(why) if is_gated || may_be_left => {
            Ok(Completion::ignored_with(format!("not judged: {why}")))
        }
        Outcome::NotJudged(why) => Err(format!("{} was not judged: {why}", clause.id).into()),
        Outcome::Passed | Outcome::Unsupported(_) if may_be_left => {
            Err(format!("{} was judged: take it out of `not_run`", clause.id).into())
        }
        Outcome::Passed | Outcome::Unsupported(_) => Ok(Completion::Completed),
    }
}

fn summary(backends: &[Backend], judged: &[(String, Judged)]) {
    for backend in backends {
        let prefix = format!("{}::", backend.name());
        let mut mine: Vec<_> =
            judged.iter().filter_map(|(name, j)| Some((name.strip_prefix(&prefix)?, j))).collect();
        mine.sort_by_key(|(name, _)| *name);
        if mine.is_empty() {
            println!("{}: not assessed: no clause was run", backend.name());
            continue;
        }
        let count =
            |wanted: fn(&Outcome) -> bool| mine.iter().filter(|(_, j)| wanted(&j.outcome)).count();
        println!(
            "{}: {} passed, {} failed, {} unsupported (each seen to refuse), {} not judged",
            backend.name(),
            count(|o| matches!(o, Outcome::Passed)),
            count(|o| matches!(o, Outcome::Failed(_))),
            count(|o| matches!(o, Outcome::Unsupported(_))),
            count(|o| matches!(o, Outcome::NotJudged(_))),
        );
        let mut not_judged: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, judged) in mine {
            match &judged.outcome {
                Outcome::Passed => {}
                Outcome::Failed(why) => {
                    println!("  failed       {name}: {}", why.lines().next().unwrap_or_default());
                }
                Outcome::Unsupported(why) => println!("  unsupported  {name}: {why}"),
                Outcome::NotJudged(why) => {
                    not_judged.entry(why.as_str()).or_default().push(name);
                }
            }
            for note in &judged.notes {
                println!("  note         {name}: {note}");
            }
            if judged.took.as_millis() > 2000 {
                println!("  slow         {name}: {:.1} s", judged.took.as_secs_f64());
            }
        }
        for (why, names) in not_judged {
            let names = match names.len() {
                ..=8 => names.join(", "),
                many => format!("{many} clauses"),
            };
            println!("  not judged   {names}: {why}");
        }
    }
}
