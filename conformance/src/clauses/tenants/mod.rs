//! TEN: tenancy and ids.

pub mod ids;
pub mod isolation;
pub mod refusals;

use crate::Clause;

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] = &[isolation::CLAUSES, ids::CLAUSES, refusals::CLAUSES];
