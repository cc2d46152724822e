//! Stops of a simulated machine: what a journal on its medium shows afterwards.
//!
//! The harness runs a [workload] once on a [`SimDisk`](crate::medium::SimDisk), through the `crash` hook of
//! [`suite!`](crate::suite). Then it takes the medium as it would be after each single operation, under each way a machine
//! stops, opens a journal on it and [compares](survivors) it with the model. For some stops it also keeps the journal open:
//! every operation fails from there on, and what the journal answers then is judged too.

mod expectation;
pub mod failing_medium;
mod stop;
pub mod survivors;
pub mod workload;

pub use stop::Stop;
