//! The suite's own parts, tested; kinds of values too, which need a store that was opened with their validators.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod faults;
mod history;
mod kinds;
mod medium;
