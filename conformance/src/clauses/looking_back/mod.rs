//! MSG9 to MSG12, MSG16, CTX, CMP, TLN, EVT, BUD2: edits, forks, contexts, compressions, timelines, the feed.

pub mod compressions;
pub mod contexts;
pub mod copies;
pub mod entries;
pub mod feed;
pub mod forks;
pub mod limits;
pub mod sizes;
pub mod timelines;

use crate::{Clause, internal::child_programs::ChildProgram};

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] = &[
    compressions::CLAUSES,
    contexts::CLAUSES,
    copies::CLAUSES,
    entries::CLAUSES,
    feed::CLAUSES,
    forks::CLAUSES,
    limits::CLAUSES,
    sizes::CLAUSES,
    timelines::CLAUSES,
];

/// What other processes do in them.
pub(super) const CHILD_PROGRAMS: &[&[ChildProgram]] = &[feed::CHILD_PROGRAMS];
