//! MSG14, SES6, SES9, SES13, SPN, SUM, COL, HOF, BRD, INT, TLN4, LEA5: notes, spawning, summaries, collapses,
//! handoffs, broadcasts, interventions, resuming.

pub mod broadcasts;
pub mod collapses;
pub mod handoffs;
pub mod interventions;
pub mod notes;
pub mod process_races;
pub mod resuming;
pub mod spawn;
pub mod successors;
pub mod summaries;

use crate::{Clause, internal::child_programs::ChildProgram};

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] = &[
    broadcasts::CLAUSES,
    collapses::CLAUSES,
    handoffs::CLAUSES,
    interventions::CLAUSES,
    notes::CLAUSES,
    resuming::CLAUSES,
    spawn::CLAUSES,
    successors::CLAUSES,
    summaries::CLAUSES,
];

/// What other processes do in them.
pub(super) const CHILD_PROGRAMS: &[&[ChildProgram]] = &[process_races::CHILD_PROGRAMS];
