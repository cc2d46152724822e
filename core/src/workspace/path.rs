//! Where a file lies in its workspace.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// Bytes of a path, and of one name in it.
const PATH_BYTES: usize = 4095;
const NAME_BYTES: usize = 255;
const NAMES: usize = 256;

/// The path of a file inside its workspace: names with `/` between them, without a first or last one.
///
/// A name has 1 to 255 bytes and is neither `.` nor `..`; it holds no NUL and no `/`, and need not be UTF-8. A path has at
/// most 4,095 bytes and 256 names. Two paths with different bytes are two paths, whatever a medium thinks of case or accents.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(Box<[u8]>);

impl FilePath {
    /// Checks and takes a path; `Invalid` says what is wrong with it.
    pub fn new(path: impl AsRef<[u8]>) -> Result<Self> {
        let path = path.as_ref();
        let invalid =
            |why: &str| Err(Error::invalid("path", format!("\"{}\" {why}", path.escape_ascii())));
        if path.is_empty() || path.len() > PATH_BYTES {
            return invalid("does not have 1 to 4095 bytes");
        }
        for name in path.split(|b| *b == b'/') {
            if name.is_empty() || name == b"." || name == b".." {
                return invalid("has an empty name, `.` or `..` in it");
            }
            if name.len() > NAME_BYTES {
                return invalid("has a name of more than 255 bytes");
            }
            if name.contains(&0) {
                return invalid("has a NUL in it");
            }
        }
        if path.split(|b| *b == b'/').count() > NAMES {
            return invalid("has more than 256 names");
        }
        Ok(Self(path.into()))
    }

    /// The path as given.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The names, outermost first.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/')
    }

    /// The last name.
    pub fn name(&self) -> &[u8] {
        self.names().next_back().unwrap_or_default()
    }

    /// The folder that it lies in; `None` at the top.
    pub fn parent(&self) -> Option<Self> {
        let end = self.0.iter().rposition(|b| *b == b'/')?;
        self.0.get(..end).map(|parent| Self(parent.into()))
    }

    /// A file in this folder; `Invalid` as at [`new`](Self::new).
    pub fn join(&self, name: impl AsRef<[u8]>) -> Result<Self> {
        Self::new([self.as_bytes(), b"/", name.as_ref()].concat())
    }

    /// Whether it lies in this folder, at any depth.
    pub fn is_under(&self, folder: &Self) -> bool {
        self.0.strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'))
    }
}

/// As text if it is UTF-8 without control characters, else with escapes: safe in a terminal.
impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) if !text.chars().any(char::is_control) => f.write_str(text),
            _ => write!(f, "{}", self.0.escape_ascii()),
        }
    }
}

impl fmt::Debug for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl TryFrom<&str> for FilePath {
    type Error = Error;

    fn try_from(path: &str) -> Result<Self> {
        Self::new(path)
    }
}

/// A string where it is UTF-8, else an array of bytes.
impl Serialize for FilePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        bytes::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::new(bytes::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Bytes as a string where they are UTF-8, else as an array.
pub(super) mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::workspace) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_seq(bytes),
        }
    }

    pub(in crate::workspace) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Bytes(Vec<u8>),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Text(text) => text.into_bytes(),
            Form::Bytes(bytes) => bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for good in ["a", "a/b", ".git", "...", "-f", "a b", "é", "con", &"x".repeat(255)] {
            assert!(FilePath::new(good).is_ok(), "{good}");
        }
        for bad in
            ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b", &"x".repeat(256)]
        {
            assert!(FilePath::new(bad).is_err(), "{bad:?}");
        }
        assert!(FilePath::new(vec![0xff, b'/', 0xfe]).is_ok());
        assert!(FilePath::new("x/".repeat(255) + "x").is_ok());
        assert!(FilePath::new("x/".repeat(256) + "x").is_err());
        let long = |last: usize| ["x".repeat(255).as_str(); 15].join("/") + "/" + &"y".repeat(last);
        assert!(FilePath::new(long(255)).is_ok());
        assert!(FilePath::new(long(255) + "/").is_err());
    }

    #[test]
    fn they_know_their_folders() {
        let path = FilePath::new("a/b/c").unwrap();
        assert_eq!(path.parent(), Some(FilePath::new("a/b").unwrap()));
        assert_eq!(path.name(), b"c");
        assert!(path.is_under(&FilePath::new("a").unwrap()));
        assert!(!path.is_under(&path));
        assert!(!FilePath::new("ab/c").unwrap().is_under(&FilePath::new("a").unwrap()));
    }

    #[test]
    fn any_bytes_pass_through_json() {
        for bytes in [b"a/b".to_vec(), vec![0xff, b'/', 0x80], b"\x1b[0m".to_vec()] {
            let path = FilePath::new(bytes).unwrap();
            let json = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<FilePath>(&json).unwrap(), path);
            assert!(!path.to_string().contains('\x1b'));
        }
    }
}
