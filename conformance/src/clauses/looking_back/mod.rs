//! MSG9 to MSG12, MSG16, CTX, CMP, TLN, EVT: edits, forks, contexts, compressions, timelines, the feed.

pub mod compressions;
pub mod contexts;
pub mod copies;
pub mod entries;
pub mod feed;
pub mod forks;
pub mod timelines;

use crate::Clause;

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] = &[
    compressions::CLAUSES,
    contexts::CLAUSES,
    copies::CLAUSES,
    entries::CLAUSES,
    feed::CLAUSES,
    forks::CLAUSES,
    timelines::CLAUSES,
];
