//! MSG: entries.

pub mod append;
pub mod chain;
pub mod keys;
pub mod read;

use crate::{Clause, internal::child_programs::ChildProgram};

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] =
    &[append::CLAUSES, chain::CLAUSES, keys::CLAUSES, read::CLAUSES];

/// What other processes do in them.
pub(super) const CHILD_PROGRAMS: &[&[ChildProgram]] = &[append::CHILD_PROGRAMS];
