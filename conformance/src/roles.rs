//! What other processes do in a clause: named functions, found by name in the child.

use crate::{BoxFuture, Cx, clauses};

/// A role: what the `index`-th process does with the arguments its clause gave; the string is its result.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// Its name, unique in the suite.
    pub name: &'static str,
    /// What it does.
    pub run: fn(Cx, usize, serde_json::Value) -> BoxFuture<'static, String>,
}

/// Registers role functions: `roles! { "append" => append }` gives a `ROLES`.
#[macro_export]
macro_rules! roles {
    ($($name:literal => $run:path),* $(,)?) => {
        /// The roles of this module.
        pub const ROLES: &[$crate::roles::Role] = &[
            $($crate::roles::Role { name: $name, run: |cx, index, args| Box::pin($run(cx, index, args)) },)*
        ];
    };
}

/// The roles of all modules.
const MODULES: &[&[Role]] = &[
    clauses::prj::ROLES,
    clauses::thd::ROLES,
    clauses::sub::ROLES,
    clauses::msg::ROLES,
    clauses::lea::ROLES,
    clauses::usage::ROLES,
];

pub(crate) fn find(name: &str) -> Option<Role> {
    MODULES.iter().copied().flatten().find(|role| role.name == name).copied()
}
