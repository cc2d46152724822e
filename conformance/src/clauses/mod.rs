//! Every clause that has a test, module by module.

use crate::Clause;

/// The clauses of each module.
const MODULES: &[&[Clause]] = &[];

/// All clauses, in the order of the contract.
pub fn all() -> impl Iterator<Item = &'static Clause> {
    MODULES.iter().copied().flatten()
}
