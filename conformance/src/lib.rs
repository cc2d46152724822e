//! The contract of Sessile, as tests: it judges the project's own backends and any stranger's driver alike.
//!
//! Each clause of `CONTRACT.md` is one async function that takes a [`Cx`] and asserts. A driver joins in a few lines, in
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

pub mod backend;
pub mod check;
mod clause;
pub mod clauses;
mod clock;
pub mod crash;
mod cx;
pub mod fault;
pub mod fits;
pub mod history;
pub mod hostile;
mod judge;
pub mod kit;
pub mod machine;
pub mod methods;
pub mod model;
pub mod mutant;
pub mod process;
pub mod raw;
pub mod roles;
mod suite;
mod watched;

pub use backend::{Backend, Damage, Dir, IntoJournal, Tamper};
pub use check::{refused, unchanged};
pub use clause::{BoxFuture, Clause, Verdict};
pub use clock::{SeededIds, TestClock};
pub use cx::Cx;
pub use judge::{Judged, Outcome, judge};
pub use process::Child;
pub use suite::main;
pub use watched::Watched;
