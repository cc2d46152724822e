//! Every clause that has a test, module by module.

pub mod lea;
pub mod msg;
pub mod prj;
pub mod run;
pub mod ses;
pub mod sub;
pub mod ten;
pub mod thd;
pub mod usage;

use crate::Clause;

/// The clauses of each module.
const MODULES: &[&[Clause]] = &[
    ten::CLAUSES,
    prj::CLAUSES,
    thd::CLAUSES,
    ses::CLAUSES,
    sub::CLAUSES,
    msg::CLAUSES,
    lea::CLAUSES,
    run::CLAUSES,
    usage::CLAUSES,
];

/// All clauses, in the order of the contract.
pub fn all() -> impl Iterator<Item = &'static Clause> {
    MODULES.iter().copied().flatten()
}
