//! The drivers of a store, by kind.

use std::{collections::BTreeMap, sync::Arc};

use super::{VirtualDriver, WorkspaceDriver, check_kind};
use crate::{
    error::{Error, Result},
    journal::Journal,
};

/// The drivers of a store, by their kind.
#[derive(Clone, Debug, Default)]
pub struct WorkspaceDrivers(BTreeMap<Box<str>, Arc<dyn WorkspaceDriver>>);

impl WorkspaceDrivers {
    /// With one more. `Invalid` if its kind is no name of a kind, or has a driver already.
    pub fn with(mut self, driver: Arc<dyn WorkspaceDriver>) -> Result<Self> {
        check_kind(driver.kind())?;
        if driver.kind() == VirtualDriver::KIND {
            let reason = format!("{:?} is the kind that every store has", driver.kind());
            return Err(Error::invalid("kind", reason));
        }
        let kind = driver.kind().into();
        if self.0.insert(kind, Arc::clone(&driver)).is_some() {
            let reason = format!("{:?} has a driver already", driver.kind());
            return Err(Error::invalid("kind", reason));
        }
        Ok(self)
    }

    /// With the driver that every store has: it keeps its files in the journal.
    pub(crate) fn with_virtual(mut self, journal: Arc<dyn Journal>) -> Self {
        self.0.insert(VirtualDriver::KIND.into(), Arc::new(VirtualDriver::new(journal)));
        self
    }

    /// The driver of a kind.
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn WorkspaceDriver>> {
        self.0.get(kind)
    }

    /// The driver of a kind; `Unsupported` if there is none.
    pub fn require(&self, kind: &str) -> Result<&Arc<dyn WorkspaceDriver>> {
        self.get(kind).ok_or_else(|| {
            let known: Vec<_> = self.0.keys().map(|kind| format!("`{kind}`")).collect();
            let known = known.join(", ");
            Error::Unsupported {
                what: format!("this store has no workspace driver `{kind}`, but {known}"),
            }
        })
    }

    /// All of them, by kind.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn WorkspaceDriver>> {
        self.0.values()
    }
}
