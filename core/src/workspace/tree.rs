//! Trees: what a workspace held at one moment.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::FilePath;
use crate::error::{Error, Result};

/// Bytes of a tree's id.
const TREE_BYTES: usize = 512;

/// Names what a workspace held at one moment: 1 to 512 letters, digits and `. _ - :`, with one `@` at most.
///
/// What stands before the `@` is the digest of the content: it is equal iff the content is, within one kind of driver. What
/// stands behind it helps the driver find it, and means nothing to others.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct TreeId(Box<str>);

impl TreeId {
    /// Checks and takes the text; `Invalid` says what is allowed.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref();
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-:@".contains(&b);
        let one = text.bytes().filter(|b| *b == b'@').count() <= 1 && !text.starts_with('@');
        if one && (1..=TREE_BYTES).contains(&text.len()) && text.bytes().all(fits) {
            return Ok(Self(text.into()));
        }
        let shown: String = text.chars().take(64).collect();
        Err(Error::invalid("tree", format!("{shown:?} is no id of a tree")))
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest: equal iff the content is.
    pub fn content(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }

    /// What the driver finds it by, if it needs that.
    pub fn place(&self) -> Option<&str> {
        self.0.split_once('@').map(|(_, place)| place)
    }
}

impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for TreeId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for TreeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::new(text).map_err(serde::de::Error::custom)
    }
}

/// What became of one path between two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is only in the second.
    Added,
    /// It is only in the first.
    Removed,
    /// It is in both, with another content, mode or kind.
    Modified,
}

/// One difference between two trees: a file, a link, or a folder that is empty. A file that was renamed is removed and
/// added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TreeChange {
    /// Where.
    pub path: FilePath,
    /// What became of it.
    pub change: Change,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_narrow() {
        let tree = TreeId::new("ab12@00:7").unwrap();
        assert_eq!((tree.content(), tree.place()), ("ab12", Some("00:7")));
        assert_eq!(TreeId::new("ab12").unwrap().place(), None);
        for bad in ["", "@a", "a@b@c", "a b", "--x/..", "é", &"a".repeat(513)] {
            assert!(TreeId::new(bad).is_err(), "{bad}");
        }
    }
}
