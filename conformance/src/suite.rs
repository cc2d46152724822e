//! `suite!`, and what it runs: one test for each clause and backend, and a summary.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::{Backend, Clause, Judged, Level, Outcome, gate::Gate, judge, run_as_child, summary};

/// Makes the `main` of a test target with `harness = false` that judges one or several backends.
///
/// For each backend it takes, in this order:
///
/// - `journal`: its name; test names begin with it;
/// - `open`: takes a [`Dir`](crate::Dir) and answers a journal, an `Arc` of one, or a `Result` of either; the same `Dir` always
///   gives the same store;
/// - `tamper`, if it has that: takes the same `Dir` and answers a [`Tamper`](crate::Tamper);
/// - `crash`, if it has that: takes a [`SimDisk`](crate::medium::SimDisk) and answers a journal on it, as `open` does;
/// - `wire`, if it speaks to a server: takes the same `Dir` and answers a [`Wire`](crate::Wire);
/// - `restart`, if it speaks to a server: takes the same `Dir`, kills the server and starts it again;
/// - `holds`, if the store is in no files below `dir.path()`: takes the same `Dir` and some bytes, and answers whether the medium
///   has them;
/// - `clean`, if the store is outside of `dir.path()`: takes the same `Dir` and removes what is left of it;
/// - `level`, if it is not to be judged by all that its [`JournalInfo`](sessile_core::journal::JournalInfo) claims: the highest
///   [`Level`](crate::Level) to judge. `level: Journal` is for a driver in the making, `level: Medium` for one with `crash`;
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
        $(, wire: $wire:expr)? $(, restart: $restart:expr)?
        $(, holds: $holds:expr)? $(, clean: $clean:expr)?
        $(, level: $level:ident)? $(, absent: $absent:expr)? $(,)?
    );+ $(;)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::main(::std::vec![
                $(
                    $crate::Backend::$what(::core::stringify!($name), $open)
                        $(.with_journal($over))?
                        $(.with_audit($audit))?
                        $(.with_tamper($tamper))?
                        $(.with_crash($crash))?
                        $(.with_wire($wire))?
                        $(.with_restart($restart))?
                        $(.with_holds($holds))?
                        $(.with_clean($clean))?
                        $(.with_level($crate::Level::$level))?
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

    let judged = Arc::default();
    let (mut first, mut then) = (Vec::new(), Vec::new());
    for backend in &backends {
        for (clause, trial) in trials(backend, &arguments, &judged) {
            if clause.level == Level::Journal { first.push(trial) } else { then.push(trial) }
        }
    }
    first.append(&mut then);
    let nothing = first.is_empty();
    let filter = arguments.filter.clone().unwrap_or_default();
    let conclusion = libtest_mimic::run(&arguments, first);
    let mut failed = false;
    for backend in &absent {
        failed |= filter.starts_with(&format!("{}::", backend.name()));
        eprintln!("NOT ASSESSED {}: {}", backend.name(), backend.absent().unwrap_or_default());
    }
    if failed {
        return ExitCode::FAILURE;
    }
    if !arguments.list {
        let judged = judged.lock().expect("no panic inside");
        for backend in &backends {
            failed |= !summary::print(backend, &judged);
        }
    }
    if nothing {
        eprintln!("not assessed: the suite has no clause or no backend");
    }
    if nothing || failed { ExitCode::FAILURE } else { conclusion.exit_code() }
}

/// What has ended: backend, clause, how.
pub(crate) type AllJudged = Vec<(&'static str, &'static Clause, Judged)>;

/// The tests of a backend.
fn trials(
    backend: &Backend,
    arguments: &Arguments,
    judged: &Arc<Mutex<AllJudged>>,
) -> Vec<(&'static Clause, Trial)> {
    let clauses: Vec<_> = Clause::all().filter(|clause| backend.is_judged_by(clause)).collect();
    let name = |clause: &Clause| format!("{}::{}", backend.name(), clause.id.to_lowercase());
    let lowest = clauses.iter().map(|clause| clause.level).min();
    let begins: Vec<_> = clauses.iter().filter(|clause| Some(clause.level) == lowest).collect();
    // A run that leaves out some of these judges whatever it is asked for.
    let is_whole = begins.iter().all(|clause| is_asked_for(arguments, &name(clause)));
    let gates = if lowest == Some(Level::Journal) { begins.len() } else { 0 };
    let gate = is_whole.then(|| Arc::new(Gate::of(gates)));
    let trial = |clause: &'static Clause| {
        let (backend, judged, gate) = (backend.clone(), Arc::clone(judged), gate.clone());
        let trial = Trial::ignorable_test(name(clause), move || {
            let left_out = why_not(clause, &backend, gate.as_deref());
            let is_left_out = left_out.is_some();
            let it = left_out.map_or_else(|| judge(clause, &backend), Judged::not_judged);
            if let Some(gate) = gate.filter(|_| clause.level == Level::Journal) {
                gate.heard(clause, &it.outcome);
            }
            let completion = completion(clause, &backend, &it.outcome, is_left_out);
            judged.lock().expect("no panic inside").push((backend.name(), clause, it));
            completion
        });
        (clause, trial)
    };
    clauses.into_iter().map(trial).collect()
}

/// Whether the arguments of the program leave a test in the run.
fn is_asked_for(arguments: &Arguments, name: &str) -> bool {
    let matches =
        |filter: &String| if arguments.exact { name == filter } else { name.contains(filter) };
    arguments.filter.iter().all(matches) && !arguments.skip.iter().any(matches)
}

/// Why a clause is not judged in a run of the whole backend, if it is not. Waits for the journal's own clauses.
fn why_not(clause: &Clause, backend: &Backend, gate: Option<&Gate>) -> Option<String> {
    let gate = gate?;
    if clause.level > backend.highest() {
        return Some(format!("above level {}", backend.highest()));
    }
    let failed = if clause.level == Level::Journal { Vec::new() } else { gate.wait() };
    (!failed.is_empty()).then(|| format!("failed: {}", failed.join(", ")))
}

/// What libtest is told of a clause. One that could not be judged has failed where its level must hold.
fn completion(
    clause: &Clause,
    backend: &Backend,
    outcome: &Outcome,
    is_left_out: bool,
) -> Result<Completion, Failed> {
    match outcome {
        Outcome::Passed | Outcome::Unsupported(_) => Ok(Completion::Completed),
        Outcome::Failed(why) => Err(format!("{}: {why}", clause.id).into()),
        Outcome::NotJudged(why) if !is_left_out && backend.must_hold(clause.level) => {
            Err(format!("{} was not judged: {why}", clause.id).into())
        }
        Outcome::NotJudged(why) => Ok(Completion::ignored_with(format!("not judged: {why}"))),
    }
}
