//! `suite!`, and what it runs: one test for each clause and backend, and a summary.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::{Backend, Clause, Judged, Outcome, judge, run_as_child};

/// Makes the `main` of a test target with `harness = false` that judges one or several backends.
///
/// For each backend it takes, in this order:
///
/// - `journal`: its name; test names begin with it;
/// - `open`: takes a [`Dir`](crate::Dir) and answers a journal, an `Arc` of one, or a `Result` of either; the same `Dir` always
///   gives the same store;
/// - `tamper`, if it has that: takes the same `Dir` and answers a [`Tamper`](crate::Tamper);
/// - `crash`, if it has that: takes a [`SimDisk`](crate::medium::SimDisk) and answers a journal on it, as `open` does;
/// - `not_run`, if a hook cannot be given: the ids of the clauses that need it, `["CRS3"]`. They are said to be *not run*, and
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
pub fn main(backends: Vec<Backend>) -> ExitCode {
    if run_as_child(&backends) {
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    let (absent, backends): (Vec<_>, Vec<_>) =
        backends.into_iter().partition(|backend| backend.absent().is_some());
    arguments.test_threads.get_or_insert(2);

    let judged: Arc<Mutex<Vec<(String, Judged)>>> = Arc::default();
    let mut trials = Vec::new();
    for backend in &backends {
        for clause in Clause::all().filter(|clause| backend.is_judged_by(clause)) {
            let name = format!("{}::{}", backend.name(), clause.id.to_lowercase());
            let (backend, judged, at) = (backend.clone(), Arc::clone(&judged), name.clone());
            trials.push(Trial::test(name, move || {
                let verdict = judge(clause, &backend);
                let may_be_left = backend.not_run().contains(&clause.id);
                let failure = match &verdict.outcome {
                    Outcome::Failed(why) => Some(format!("{}: {why}", clause.id)),
                    Outcome::NotRun(why) if !may_be_left => {
                        Some(format!("{} was not run: {why}", clause.id))
                    }
                    Outcome::Passed | Outcome::Unsupported(_) if may_be_left => {
                        Some(format!("{} was judged: take it out of `not_run`", clause.id))
                    }
                    _ => None,
                };
                judged.lock().expect("no panic inside").push((at, verdict));
                failure.map_or(Ok(()), |why| Err(Failed::from(why)))
            }));
        }
    }
    let nothing = trials.is_empty();
    let filter = arguments.filter.clone().unwrap_or_default();
    let conclusion = libtest_mimic::run(&arguments, trials);
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
            "{}: {} passed, {} failed, {} unsupported (each seen to refuse), {} not run",
            backend.name(),
            count(|o| matches!(o, Outcome::Passed)),
            count(|o| matches!(o, Outcome::Failed(_))),
            count(|o| matches!(o, Outcome::Unsupported(_))),
            count(|o| matches!(o, Outcome::NotRun(_))),
        );
        for (name, judged) in mine {
            match &judged.outcome {
                Outcome::Passed => {}
                Outcome::Failed(why) => {
                    println!("  failed       {name}: {}", why.lines().next().unwrap_or_default());
                }
                Outcome::Unsupported(why) => println!("  unsupported  {name}: {why}"),
                Outcome::NotRun(why) => println!("  not run      {name}: {why}"),
            }
            for note in &judged.notes {
                println!("  note         {name}: {note}");
            }
            if judged.took.as_millis() > 2000 {
                println!("  slow         {name}: {:.1} s", judged.took.as_secs_f64());
            }
        }
    }
}
