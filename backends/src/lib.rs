//! Storage for agent sessions.

pub use sessile_core::*;
