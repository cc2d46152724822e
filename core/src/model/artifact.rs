//! What an intervention answers.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    id::SummaryId,
};

/// What came before an intervention, and what it is about. Set once (INT4).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PrevArtifact {
    /// A sealed summary of a session of the thread. Where that session came of an intervention itself, the chain goes on
    /// there.
    Summary(SummaryId),
    /// Something outside: a chain begins with it. 1 to 1,024 bytes.
    Leaf(String),
}

impl PrevArtifact {
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Leaf(reference) if !(1..=1024).contains(&reference.len()) => {
                let reason = format!("{} bytes, where 1 to 1024 are allowed", reference.len());
                Err(Error::invalid("prev_artifact", reason))
            }
            _ => Ok(()),
        }
    }
}
