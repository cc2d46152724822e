//! A stop of the machine.

use std::fmt;

use crate::medium::Survives;

/// Where and how the machine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// After so many operations.
    pub after: u64,
    /// Whether a part of the next one lands, if it is a write, and which.
    pub tear: Option<u64>,
    /// What is there afterwards.
    pub survives: Survives,
    /// Whether the journal is open during the stop, so that what it answers is judged too.
    pub is_live: bool,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after, tear, survives, is_live } = self;
        let how = if *is_live { "lived through" } else { "looked at" };
        write!(f, "stopped after {after} operations ({survives:?}, torn: {tear:?}, {how})")
    }
}
