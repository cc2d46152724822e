//! PRJ, THD: projects and their threads.

pub mod archive_delete;
pub mod create;
pub mod external_ids;
pub mod lists;
pub mod process_races;
pub mod projects;
pub mod purge;

use crate::{Clause, internal::child_programs::ChildProgram};

/// The clauses of each file.
pub(super) const CLAUSES: &[&[Clause]] = &[
    projects::CLAUSES,
    create::CLAUSES,
    external_ids::CLAUSES,
    archive_delete::CLAUSES,
    lists::CLAUSES,
    purge::CLAUSES,
];

/// What other processes do in them.
pub(super) const CHILD_PROGRAMS: &[&[ChildProgram]] = &[
    projects::CHILD_PROGRAMS,
    create::CHILD_PROGRAMS,
    external_ids::CHILD_PROGRAMS,
    archive_delete::CHILD_PROGRAMS,
    process_races::CHILD_PROGRAMS,
];
