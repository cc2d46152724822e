//! What the tests of Sessile's drivers share. For tests only: it is not published.
//!
//! The modules [`disk`], [`objects`] and [`sqlite`] damage a store where it is kept, with files or the engine's own crate, as
//! another program would; [`WrappedJournal`] does so for a journal in memory. (For stores over an ordered map the suite brings
//! its own hand.) [`faults`] is an object store that fails by script, [`journals`] has data and claims for every journal.
//!
//! Each `damage` returns whether there is such a record, and panics if the store cannot be changed.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

pub mod disk;
pub mod faults;
pub mod journals;
pub mod objects;
pub mod sqlite;
mod text;
mod wrapped;

pub use wrapped::WrappedJournal;
