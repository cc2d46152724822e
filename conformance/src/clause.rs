//! Clauses, and how they end.

use std::{future::Future, pin::Pin};

use crate::{Level, internal::ClauseContext};

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The test of one clause of the contract.
#[derive(Clone, Copy, Debug)]
pub struct Clause {
    /// Its number in `CONTRACT.md`: `MSG5`.
    pub id: &'static str,
    /// The claim that it belongs to.
    pub level: Level,
    /// The test. It fails by a panic.
    #[doc(hidden)]
    pub run: fn(ClauseContext) -> BoxFuture<'static, Verdict>,
}

impl Clause {
    /// All clauses that have a test, in the order of the contract's parts.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        crate::clauses::all()
    }

    /// What holds: its sentences in `CONTRACT.md`. Only `machine`, which tries all of them at once, has none.
    pub fn law(&self) -> Option<&'static str> {
        include_str!("../CONTRACT.md").lines().find_map(|line| {
            let (_due, law) = line
                .strip_prefix("| ")?
                .strip_prefix(self.id)?
                .strip_prefix(" | ")?
                .split_once(" | ")?;
            law.strip_suffix(" |")
        })
    }
}

/// How the test of a clause ended, unless it panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It holds.
    Passed,
    /// The backend declares that it does not do this, and was seen to refuse; which refusal was seen.
    Unsupported(String),
    /// It could not be judged, and why.
    NotJudged(String),
}

/// Registers the tests of a module: `clauses! { MSG1 => msg1, MSG5: Shared => msg5 }` gives it a `CLAUSES`. A clause without a
/// level needs a store and no more.
macro_rules! clauses {
    ($($id:ident $(: $level:ident)? => $run:path),* $(,)?) => {
        /// The clauses of this module.
        pub const CLAUSES: &[$crate::Clause] = &[
            $($crate::Clause {
                id: stringify!($id),
                level: [$($crate::Level::$level,)? $crate::Level::Store][0],
                run: |cx| Box::pin($run(cx)),
            },)*
        ];
    };
}
pub(crate) use clauses;
