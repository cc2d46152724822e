//! ARC, ERA, SES12: archiving and restoring sessions, their bundles, crashes, retention; erasing what a person wrote.

pub mod archiving;
pub mod backends;
pub mod bundles;
pub mod crashes;
pub mod evict;
pub mod forgetting;
pub mod kinds;
mod place;
pub mod retention;
pub mod workspaces;

use crate::{Clause, internal::child_programs::ChildProgram};

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] = &[
    archiving::CLAUSES,
    backends::CLAUSES,
    bundles::CLAUSES,
    crashes::CLAUSES,
    evict::CLAUSES,
    forgetting::CLAUSES,
    kinds::CLAUSES,
    retention::CLAUSES,
    workspaces::CLAUSES,
];

/// What other processes do in them.
pub(super) const CHILD_PROGRAMS: &[&[ChildProgram]] = &[];
