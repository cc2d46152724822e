//! Wrong journals, to test the tests: the suite must fail each and name the clause.

mod plain;
mod wrong;

pub use plain::Plain;
pub use wrong::{Flaw, Wrong};
