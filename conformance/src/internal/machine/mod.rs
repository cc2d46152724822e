//! Random sequences of commands, judged against the model, shrunk to the few that matter.
//!
//! A case is a list of [`Step`]s that name things by number, so that every subsequence of it is a case too and shrinking
//! never gets stuck. All cases of a run share one store and its handles; each has tenants of its own, so that a case costs
//! what its steps cost: about 20 ms on memory. At least a third of the commands must be carried out: a machine whose commands
//! are refused tries nothing. Failures are kept as seeds in `conformance/proptest-regressions` when the suite runs from a
//! checkout, and tried first ever after. `SESSILE_CASES` and `SESSILE_SEED` say how many cases, and from which seed; the
//! nightly profile tries 100,000, from a new seed each time, or what fits into three quarters of an hour.

mod compare;
mod generate;
mod known;
mod resolve;
mod step;
mod world;

use std::{
    cell::{Cell, RefCell},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use proptest::test_runner::{
    Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner,
};
use proptest_state_machine::ReferenceStateMachine;
use sessile_core::hash::Hash;

pub(crate) use compare::{compare_tenant, is_uuid};
pub use generate::Shape;
pub use step::{Act, Answers, Change, Expected, KeyUse, Pick, Step, Text, Token, Under, Who};

use crate::{clause::Verdict, internal::ClauseContext};

crate::clauses! { MACHINE => machine }

const CASES: u32 = 64;
const NIGHTLY_CASES: u32 = 100_000;
/// Cases of which the generator is told at once; to generate those that have no time left would take time, too.
const BLOCK: u32 = 64;

/// After this long no further case is begun; the summary says how many there were.
const TIME: Duration = Duration::from_secs(45 * 60);

fn nightly() -> bool {
    std::env::var("SESSILE_PROFILE").is_ok_and(|profile| profile == "nightly")
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn config(backend: &str) -> Config {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = home.join("proptest-regressions").join(format!("machine-{backend}.txt"));
    let file: &'static str = Box::leak(file.to_string_lossy().into_owned().into_boxed_str());
    let given = number("SESSILE_CASES").and_then(|n| u32::try_from(n).ok());
    let mut config =
        Config::with_cases(given.unwrap_or(if nightly() { NIGHTLY_CASES } else { CASES }));
    config.max_shrink_iters = 4000;
    config.failure_persistence = None;
    if home.is_dir() {
        config.failure_persistence = Some(Box::new(FileFailurePersistence::Direct(file)));
    }
    config
}

/// Any sequence of commands by several tenants through several handles, with reopens, clock jumps, replays and foreign
/// ids, is answered as the model answers it, and reads as the model reads.
pub async fn machine(cx: ClauseContext) -> Verdict {
    let seed = number("SESSILE_SEED")
        .unwrap_or_else(|| if nightly() { rand::random() } else { cx.seed() });
    cx.note(format!("SESSILE_SEED={seed}"));
    let runtime = tokio::runtime::Handle::current();
    let failure = tokio::task::spawn_blocking(move || {
        let mut handles = runtime.block_on(world::Handles::open(&cx));
        let handles = RefCell::new(&mut handles);
        let (began, tried) = (tokio::time::Instant::now(), Cell::new((0_u64, 0)));
        let of_all = config(cx.backend().name());
        let cases = Shape::sequential_strategy(10..50);
        let one = |(_, steps, seen): (Shape, Vec<Step>, Option<Arc<AtomicUsize>>)| {
            let (cases, before) = tried.get();
            tried.set((cases + 1, before + steps.len()));
            let count = || {
                if let Some(seen) = &seen {
                    seen.fetch_add(1, Ordering::SeqCst);
                }
            };
            let mut handles = handles.borrow_mut();
            let case = world::run(&mut handles, &steps, count);
            runtime.block_on(case).map_err(|(_, what)| TestCaseError::fail(what))
        };
        let (mut failed, mut left) = (Ok(()), of_all.cases);
        for block in 0_u64.. {
            if failed.is_err() || left == 0 || began.elapsed() > TIME {
                break;
            }
            let config = Config { cases: left.min(BLOCK), ..of_all.clone() };
            left -= config.cases;
            let rng = Hash::of(&[&seed.to_be_bytes(), &block.to_be_bytes()]);
            let rng = TestRng::from_seed(RngAlgorithm::ChaCha, rng.bytes());
            failed = TestRunner::new_with_rng(config, rng).run(&cases, one);
        }
        let ((cases, steps), took) = (tried.get(), began.elapsed());
        let (commands, done) = handles.borrow().commands;
        let done = format!("{done} of {commands} commands carried out");
        cx.note(format!("{cases} cases of {steps} steps in {:.1} s, {done}", took.as_secs_f64()));
        match failed {
            Ok(()) if commands > 500 && handles.borrow().commands.1 * 3 < commands => {
                Some(format!("too few to say anything: {done}"))
            }
            Ok(()) => None,
            Err(TestError::Abort(why)) => Some(format!("no cases: {why}")),
            Err(TestError::Fail(why, (_, steps, _))) => {
                let mut handles = handles.borrow_mut();
                let again = runtime.block_on(world::run(&mut handles, &steps, || ()));
                let (trace, what) = again.err().unwrap_or((Vec::new(), why.to_string()));
                let (trace, steps) = (trace.join("\n  "), format!("{steps:#?}"));
                let steps = if trace.is_empty() { steps } else { String::new() };
                Some(format!("{what}\nafter, from SESSILE_SEED={seed}:\n  {trace}{steps}"))
            }
        }
    })
    .await
    .expect("the machine ends");
    if let Some(failure) = failure {
        panic!("{failure}");
    }
    Verdict::Passed
}
