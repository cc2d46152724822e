//! What other processes do in a clause: named functions, found by name in the child.

use crate::{BoxFuture, Cx};

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

/// The role of this name. Each module of clauses registers its own, as it does its clauses.
pub(crate) fn find(name: &str) -> Option<Role> {
    crate::clauses::ROLES.iter().copied().flatten().find(|role| role.name == name).copied()
}
