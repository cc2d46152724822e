//! LEA, RUN, USE: who may work on a session, what work was done, and what it cost.

pub mod leases;
pub mod lifecycle;
pub mod names;
mod run_pages;
pub mod scopes;
pub mod sweeps;
pub mod tasks;
pub mod usage;
pub mod waiting;

use crate::{Clause, internal::child_programs::ChildProgram};

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] = &[
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
pub(super) const CHILD_PROGRAMS: &[&[ChildProgram]] =
    &[leases::CHILD_PROGRAMS, tasks::CHILD_PROGRAMS, usage::CHILD_PROGRAMS];
