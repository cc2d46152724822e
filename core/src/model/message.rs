//! Messages.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Part, part::present};
use crate::{error::Result, json::Json};

/// Whose voice a message is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Instructions to the model.
    System,
    /// A person, or whoever stands in for one.
    User,
    /// The model.
    Assistant,
    /// A tool.
    Tool,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// Whose voice.
    pub role: Role,
    /// The speaker's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its pieces, in order; may be none.
    pub parts: Vec<Part>,
    /// Whatever else the agent program wants back; a JSON `null` is something, too.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub metadata: Option<Json>,
}

impl Message {
    /// A message of these parts.
    pub const fn new(role: Role, parts: Vec<Part>) -> Self {
        Self { role, name: None, parts, metadata: None }
    }

    /// A message of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self::new(role, vec![Part::text(text)])
    }

    /// With the speaker's name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// With metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Json) -> Self {
        self.metadata = Some(metadata);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.parts.iter().try_for_each(Part::check)
    }

    /// Bytes of what it holds, before encoding.
    pub(crate) fn bytes(&self) -> usize {
        let name = self.name.as_deref().map_or(0, str::len);
        let metadata = self.metadata.as_ref().map_or(0, |metadata| metadata.get().len());
        name + metadata + self.parts.iter().map(Part::bytes).sum::<usize>()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        })
    }
}

/// As an [`Entry`](super::Entry) is shown: the role, then each part.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.role)?;
        for part in &self.parts {
            write!(f, " {part}")?;
        }
        Ok(())
    }
}
