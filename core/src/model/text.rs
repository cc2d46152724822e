//! Names, titles, labels: user text that is kept verbatim.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::check_outside;

/// Checks a title or a name: 0 to 256 bytes, no control characters; otherwise anything, kept verbatim.
pub fn check_text(field: &'static str, text: &str) -> Result<()> {
    if text.len() > 256 {
        return Err(Error::invalid(
            field,
            format!("{} bytes, where at most 256 are allowed", text.len()),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "contains a control character"));
    }
    Ok(())
}

/// Up to 8 labels, together at most 512 bytes; keys of 1 to 128 bytes, values of 0 to 256, no control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// No labels.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// With one more, or with the value of a key replaced.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// All pairs in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this key has this value.
    pub fn matches(&self, key: &str, value: &str) -> bool {
        self.get(key) == Some(value)
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.0.len() > 8 {
            return Err(Error::invalid(
                "labels",
                format!("{} labels, where at most 8 are allowed", self.0.len()),
            ));
        }
        let bytes: usize = self.0.iter().map(|(k, v)| k.len() + v.len()).sum();
        if bytes > 512 {
            return Err(Error::invalid(
                "labels",
                format!("{bytes} bytes, where at most 512 are allowed together"),
            ));
        }
        for (key, value) in &self.0 {
            check_outside("labels", key)?;
            check_text("labels", value)?;
        }
        Ok(())
    }
}
