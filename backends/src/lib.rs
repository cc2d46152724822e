//! Storage for agent sessions.

mod bell;
mod check;
pub mod clock;
mod lock;
#[cfg(feature = "memory")]
mod memory;
#[doc(hidden)]
pub mod tamper;
#[cfg(test)]
mod testing;

pub use clock::{OsIds, SystemClock, options};
#[cfg(feature = "memory")]
pub use memory::Memory;
pub use sessile_core::*;
