//! How a session is archived.

use serde::Serialize;

/// How a session is archived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Archiving {
    /// The name of the archive; where there is none, the one that the project's
    /// [`Retention`](crate::model::Retention) names.
    pub backend: Option<String>,
    /// Its entries leave the journal, once the bundle was found whole (ARC6): see
    /// [`ArchiveSession`](crate::command::SessionCommand::ArchiveSession).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub evict: bool,
}

impl Archiving {
    /// To the archive that the project names.
    pub const fn new() -> Self {
        Self { backend: None, evict: false }
    }

    /// To this archive.
    #[must_use]
    pub fn to(mut self, backend: impl Into<String>) -> Self {
        self.backend = Some(backend.into());
        self
    }

    /// And its entries leave the journal.
    #[must_use]
    pub const fn evicting(mut self) -> Self {
        self.evict = true;
        self
    }
}
