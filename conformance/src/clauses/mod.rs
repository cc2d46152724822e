//! Every clause that has a test, module by module.

use crate::Clause;

pub mod j_commit;
pub mod j_read;

/// The clauses of each module.
const MODULES: &[&[Clause]] = &[j_commit::CLAUSES, j_read::CLAUSES];

/// What other processes do in the clauses of each module.
pub(crate) const ROLES: &[&[crate::roles::Role]] = &[j_commit::ROLES, j_read::ROLES];

/// All clauses.
pub fn all() -> impl Iterator<Item = &'static Clause> {
    MODULES.iter().copied().flatten()
}
