//! LEA, RUN, USE: who may work on a session, what work was done, and what it cost.

pub mod leases;
pub mod lifecycle;
mod run_pages;
pub mod usage;

use crate::{Clause, internal::child_programs::ChildProgram};

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] = &[leases::CLAUSES, lifecycle::CLAUSES, usage::CLAUSES];

/// What other processes do in them.
pub(super) const CHILD_PROGRAMS: &[&[ChildProgram]] =
    &[leases::CHILD_PROGRAMS, usage::CHILD_PROGRAMS];
