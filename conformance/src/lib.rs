//! The contract of Sessile, as tests: it judges the project's own backends and any stranger's driver alike.
//!
//! Each clause of `CONTRACT.md` is one async function that takes a [`ClauseContext`] and asserts. A driver joins in a few lines, in
//! a test target with `harness = false`:
//!
//! ```text
//! sessile_conformance::suite! {
//!     journal: my_driver,
//!     open: |dir| async move { MyJournal::open(dir.path().join("db")).await },
//! }
//! ```
//!
//! The functions are tests, so they panic to fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a clause fails by panicking: this crate is a test suite"
)]
#![allow(
    clippy::result_large_err,
    clippy::large_enum_variant,
    reason = "the model predicts the store's own errors and holds its commands; it need not be small"
)]

mod backend;
mod clause;
#[doc(hidden)]
pub mod clauses;
#[doc(hidden)]
pub mod internal;
mod judge;
pub mod medium;
mod suite;

#[doc(hidden)]
pub use backend::marker;
pub use backend::{Backend, Damage, Dir, IntoJournal, Tamper};
pub(crate) use clause::clauses;
pub use clause::{BoxFuture, Clause};
pub use judge::{Judged, Outcome, judge};
pub use suite::main;
