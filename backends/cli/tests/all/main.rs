//! The command line as its users meet it, and the house it is built in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what is wrong by failing"
)]

mod archives;
mod cli;
mod delegation;
mod demo;
mod fixtures;
mod forgetting;
mod house;
mod import;
mod looking_back;
mod program;
mod real;
mod usage;
mod workspaces;
