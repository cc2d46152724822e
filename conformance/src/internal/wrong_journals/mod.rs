//! Journals that test the suite: it must fail each, in the clause that the mistake breaks.

mod altering;
mod mistakes;
mod wrong_journal;

pub use altering::{Alteration, AlteringJournal};
pub use mistakes::Mistake;
pub use wrong_journal::WrongJournal;
