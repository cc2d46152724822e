//! The tests of the clauses of `CONTRACT.md`, a folder for each of its parts.
//!
//! No part of the promise: authors reach clauses through [`Clause::all`].

pub mod archives;
pub mod delegation;
pub mod journal;
pub mod log;
pub mod looking_back;
pub mod runs;
pub mod sessions;
pub mod tenants;
pub mod threads;
pub mod whole_store;
pub mod workspaces;

use crate::{Clause, internal::child_programs::ChildProgram};

/// The clauses of each folder, file by file.
const CLAUSES: &[&[&[Clause]]] = &[
    journal::CLAUSES,
    tenants::CLAUSES,
    threads::CLAUSES,
    sessions::CLAUSES,
    log::CLAUSES,
    looking_back::CLAUSES,
    runs::CLAUSES,
    workspaces::CLAUSES,
    delegation::CLAUSES,
    archives::CLAUSES,
    whole_store::CLAUSES,
];

/// What other processes do in the clauses of each folder, file by file.
const CHILD_PROGRAMS: &[&[&[ChildProgram]]] = &[
    journal::CHILD_PROGRAMS,
    threads::CHILD_PROGRAMS,
    sessions::CHILD_PROGRAMS,
    log::CHILD_PROGRAMS,
    looking_back::CHILD_PROGRAMS,
    runs::CHILD_PROGRAMS,
    workspaces::CHILD_PROGRAMS,
    delegation::CHILD_PROGRAMS,
    archives::CHILD_PROGRAMS,
    whole_store::CHILD_PROGRAMS,
];

/// All clauses that have a test.
pub(crate) fn all() -> impl Iterator<Item = &'static Clause> {
    CLAUSES.iter().copied().flatten().copied().flatten()
}

/// All programs that other processes run in them.
pub(crate) fn child_programs() -> impl Iterator<Item = &'static ChildProgram> {
    CHILD_PROGRAMS.iter().copied().flatten().copied().flatten()
}
