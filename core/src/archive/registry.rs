//! The archives of a store, by name.

use std::{collections::BTreeMap, sync::Arc};

use super::ArchiveBackend;
use crate::{
    error::{Error, Result},
    workspace::check_label,
};

/// Where a store archives to, by the names that commands and project configurations use.
#[derive(Clone, Debug, Default)]
pub struct ArchiveBackends(BTreeMap<Box<str>, Arc<dyn ArchiveBackend>>);

impl ArchiveBackends {
    /// With one more. The records of archived sessions hold the name, so it stays with the place. `Invalid` if it does not match
    /// `[a-z0-9][a-z0-9_-]*` in 1 to 64 bytes, or is taken.
    pub fn with(mut self, name: &str, backend: Arc<dyn ArchiveBackend>) -> Result<Self> {
        check_name(name)?;
        if self.0.insert(name.into(), backend).is_some() {
            return Err(Error::invalid("archive_backend", format!("{name:?} is taken")));
        }
        Ok(self)
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn ArchiveBackend>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<dyn ArchiveBackend>)> {
        self.0.iter().map(|(name, backend)| (&**name, backend))
    }
}

/// Checks the name of an archive.
pub(crate) fn check_name(name: &str) -> Result<()> {
    check_label("archive_backend", name)
}
