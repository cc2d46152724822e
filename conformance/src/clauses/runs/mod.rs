//! LEA, RUN, USE, BUD1: who may work on a session, what work was done, and what it cost.

pub mod budgets;
pub mod leases;
pub mod lifecycle;
pub mod names;
pub mod project_budgets;
mod run_pages;
pub mod scopes;
pub mod sweeps;
pub mod tasks;
pub mod usage;
pub mod waiting;

use crate::{Clause, internal::child_programs::ChildProgram};

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] = &[
    budgets::CLAUSES,
    leases::CLAUSES,
    lifecycle::CLAUSES,
    names::CLAUSES,
    scopes::CLAUSES,
    sweeps::CLAUSES,
    tasks::CLAUSES,
    usage::CLAUSES,
    waiting::CLAUSES,
];

/// What other processes do in them.
pub(super) const CHILD_PROGRAMS: &[&[ChildProgram]] = &[
    budgets::CHILD_PROGRAMS,
    project_budgets::CHILD_PROGRAMS,
    leases::CHILD_PROGRAMS,
    tasks::CHILD_PROGRAMS,
    usage::CHILD_PROGRAMS,
];
