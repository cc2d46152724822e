//! WSP: workspaces, of the kind that every journal has, or of the driver under judgement.

pub mod disposing;
pub mod files;
pub mod hostile;
pub mod killed;
pub mod kinds;
pub mod making;
pub mod reaper;
pub mod restore_points;

use crate::{Clause, internal::child_programs::ChildProgram};

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] = &[
    disposing::CLAUSES,
    files::CLAUSES,
    hostile::CLAUSES,
    kinds::CLAUSES,
    killed::CLAUSES,
    making::CLAUSES,
    reaper::CLAUSES,
    restore_points::CLAUSES,
];

/// What other processes do in them.
pub(super) const CHILD_PROGRAMS: &[&[ChildProgram]] = &[killed::CHILD_PROGRAMS];
