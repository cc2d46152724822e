//! A project to create.

use serde::Serialize;

use crate::model::ProjectConfig;

/// A project to create. A text makes one with that name and the default configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewProject {
    /// What the agent program knows it by: 1 to 512 bytes, no control characters, unique in the tenant. Where a project
    /// has it already, that one is the answer, unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Its name, 0 to 256 bytes; need not be unique.
    pub name: String,
    /// Its caps.
    pub config: ProjectConfig,
}

impl NewProject {
    /// A project with this name and the default configuration.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Under an external id.
    #[must_use]
    pub fn with_external_id(mut self, external_id: impl Into<String>) -> Self {
        self.external_id = Some(external_id.into());
        self
    }

    /// Sets its configuration.
    #[must_use]
    pub fn with_config(mut self, config: ProjectConfig) -> Self {
        self.config = config;
        self
    }
}
