//! SES, SUB: sessions, and the edges between them.

pub mod edges;
pub mod every_method;
pub mod fields;
pub mod lists;
pub mod state;
mod state_bounds;
pub mod tree;

use crate::{Clause, internal::child_programs::ChildProgram};

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] = &[
    fields::CLAUSES,
    every_method::CLAUSES,
    lists::CLAUSES,
    state::CLAUSES,
    tree::CLAUSES,
    edges::CLAUSES,
];

/// What other processes do in them.
pub(super) const CHILD_PROGRAMS: &[&[ChildProgram]] = &[edges::CHILD_PROGRAMS];
