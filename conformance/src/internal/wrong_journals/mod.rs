//! WrongJournal journals, to test the tests: the suite must fail each and name the clause.

mod altering;
mod mistakes;

pub use altering::{Alteration, AlteringJournal};
pub use mistakes::{Mistake, WrongJournal};
