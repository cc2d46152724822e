//! MACHINE, LIN, CLK, CRS: what holds across all commands.

pub mod clocks;
pub mod crashes;
pub mod histories;
pub mod stale_process;

use crate::{
    Clause,
    internal::{child_programs::ChildProgram, history::processes, machine},
};

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] = &[
    machine::CLAUSES,
    histories::CLAUSES,
    clocks::CLAUSES,
    crashes::CLAUSES,
    stale_process::CLAUSES,
];

/// What other processes do in them.
pub(super) const CHILD_PROGRAMS: &[&[ChildProgram]] =
    &[clocks::CHILD_PROGRAMS, processes::CHILD_PROGRAMS, crashes::CHILD_PROGRAMS];
