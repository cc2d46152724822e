//! J: what a journal promises.

pub mod behind_a_wire;
pub mod cancel;
pub mod commit;
pub mod damage;
pub mod dropped;
pub mod erase;
mod in_doubt;
pub mod open_close;
pub mod read;
pub mod runtimes;
pub mod snapshots_and_blobs;
pub mod spaces;

use crate::{Clause, internal::child_programs::ChildProgram};

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] = &[
    commit::CLAUSES,
    read::CLAUSES,
    spaces::CLAUSES,
    dropped::CLAUSES,
    erase::CLAUSES,
    cancel::CLAUSES,
    open_close::CLAUSES,
    runtimes::CLAUSES,
    snapshots_and_blobs::CLAUSES,
    damage::CLAUSES,
];

/// What other processes do in them.
pub(super) const CHILD_PROGRAMS: &[&[ChildProgram]] = &[
    commit::CHILD_PROGRAMS,
    read::CHILD_PROGRAMS,
    dropped::CHILD_PROGRAMS,
    open_close::CHILD_PROGRAMS,
    snapshots_and_blobs::CHILD_PROGRAMS,
];
