//! TEN: tenancy and ids.

pub mod isolation;

use crate::Clause;

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] = &[isolation::CLAUSES];
