//! Storage for agent sessions.

pub mod clock;

pub use clock::{OsIds, SystemClock, options};
pub use sessile_core::*;
