//! Stops: a journal on a simulated medium that is switched off after any operation, and what is there afterwards.
//!
//! A driver that does its file operations through an interface of its own joins by opening itself on a [`SimDisk`](crate::medium::SimDisk): the
//! `crash` hook of [`suite!`](crate::suite). The harness lets a [workload](workload) run once, and looks at the medium as it
//! would be after each single operation, under each way a machine stops; it opens a journal on that, and [judges](survivors)
//! it against the model. For some stops it also lets the journal live through it: every operation fails from there on, so
//! that what it answers then is judged too.

pub mod failing_medium;
pub mod survivors;
pub mod workload;
