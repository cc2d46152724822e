//! A project to create.

use crate::model::ProjectConfig;

/// A project to create. A text makes one with that name and the default configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewProject {
    /// Its name, 0 to 256 bytes; need not be unique.
    pub name: String,
    /// Its caps.
    pub config: ProjectConfig,
}

impl NewProject {
    /// A project with this name and the default configuration.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), config: ProjectConfig::default() }
    }

    /// Sets its configuration.
    #[must_use]
    pub fn with_config(mut self, config: ProjectConfig) -> Self {
        self.config = config;
        self
    }
}
