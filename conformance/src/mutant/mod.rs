//! Wrong journals, to test the tests: the suite must fail each and name the clause.

mod bent;
mod plain;
mod wrong;

pub use bent::{Bend, Bent};
pub use plain::Plain;
pub use wrong::{Flaw, Wrong};
