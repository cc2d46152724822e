//! What other processes do in a clause: named functions, found by name in the child.

use crate::{BoxFuture, clauses, internal::ClauseContext};

/// A function that a clause runs in other processes.
#[derive(Clone, Copy, Debug)]
pub struct ChildProgram {
    /// Its name, unique in the suite.
    pub name: &'static str,
    /// Takes the context of the child, the child's number, and the arguments that the clause gave; answers the result that
    /// the clause gets.
    pub run: fn(ClauseContext, usize, serde_json::Value) -> BoxFuture<'static, String>,
}

/// Registers the child programs of a module: `child_programs! { "append" => append }` gives it a `CHILD_PROGRAMS`.
macro_rules! child_programs {
    ($($name:literal => $run:path),* $(,)?) => {
        /// What other processes do in the clauses of this module.
        pub const CHILD_PROGRAMS: &[$crate::internal::child_programs::ChildProgram] = &[
            $($crate::internal::child_programs::ChildProgram {
                name: $name,
                run: |context, index, args| Box::pin($run(context, index, args)),
            },)*
        ];
    };
}
pub(crate) use child_programs;

/// The program of this name.
pub(crate) fn find(name: &str) -> Option<ChildProgram> {
    clauses::child_programs().find(|program| program.name == name).copied()
}
