//! Wrong journals, to test the tests: the suite must fail each and name the clause.

mod altering;
mod mistakes;

pub use altering::{Bend, Bent};
pub use mistakes::{Flaw, Wrong};
