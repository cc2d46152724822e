//! What the tests of Sessile's drivers share. For tests only: it is not published.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected fails"
)]

pub mod journals;
