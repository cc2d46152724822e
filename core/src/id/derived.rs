//! Ids of everything inside a thread.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    ThreadId, Version,
    minted::{self, MINTED_CHARS, invalid_id},
};
use crate::error::{Error, Result};

/// The base32 digits, by value; a version's length is written as the digit of that value.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Base32 behind one character that counts the digits, so that strings sort as the numbers do: 3 is `13`, 42 is `21a`.
fn encode_version(version: Version) -> String {
    let digits = fast32::base32::CROCKFORD_LOWER.encode_u64(version);
    let length = DIGITS.get(digits.len()).copied().unwrap_or(b'z');
    format!("{}{digits}", char::from(length))
}

fn decode_version(text: &str) -> Option<Version> {
    if !text.is_ascii() || text.len() < 2 {
        return None;
    }
    let version = fast32::base32::CROCKFORD_LOWER.decode_u64_str(text.get(1..)?).ok()?;
    (version > 0 && encode_version(version) == text).then_some(version)
}

macro_rules! derived {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $word:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            thread: ThreadId,
            version: Version,
        }

        impl $name {
            /// The id of what the record at `version` of `thread` created.
            pub const fn new(thread: ThreadId, version: Version) -> Self {
                Self { thread, version }
            }

            /// The thread it lives in.
            pub const fn thread(self) -> ThreadId {
                self.thread
            }

            /// The version of the record that created it.
            pub const fn version(self) -> Version {
                self.version
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}_{}"), minted::encode(self.thread.bits()), encode_version(self.version))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let parts = || {
                    let rest = text.strip_prefix($prefix)?;
                    let (thread, rest) = rest.split_at_checked(MINTED_CHARS)?;
                    let thread = ThreadId::from_bits(minted::decode(thread)?);
                    Some(Self { thread, version: decode_version(rest.strip_prefix('_')?)? })
                };
                parts().ok_or_else(|| invalid_id($word, text))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

derived!(
    /// A session of a thread: `ses_…_…`.
    SessionId, "ses_", "session"
);
derived!(
    /// An edge from a parent session to its child: `sub_…_…`.
    SubSessionId, "sub_", "sub-session"
);
derived!(
    /// A run of a session: `run_…_…`.
    RunId, "run_", "run"
);
derived!(
    /// An entry of a session's log: `msg_…_…`.
    EntryId, "msg_", "entry"
);
derived!(
    /// A sealed summary of a session: `sum_…_…`.
    SummaryId, "sum_", "summary"
);
derived!(
    /// A proposed collapse of a session: `col_…_…`.
    CollapseId, "col_", "collapse"
);
derived!(
    /// A workspace of a thread: `wsp_…_…`.
    WorkspaceId, "wsp_", "workspace"
);
derived!(
    /// An archiving of a session, and its bundle: `arc_…_…`.
    ArchiveId, "arc_", "archive"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_text_is_as_documented() {
        assert_eq!(encode_version(3), "13");
        assert_eq!(encode_version(42), "21a");
        assert_eq!(decode_version(&encode_version(u64::MAX)), Some(u64::MAX));
    }

    #[test]
    fn text_sorts_as_versions_do() {
        let mut last = String::new();
        for version in [1, 2, 9, 10, 31, 32, 33, 1023, 1024, 1 << 20, 1 << 40, u64::MAX] {
            let text = encode_version(version);
            assert!(text > last, "{text} after {last}");
            last = text;
        }
    }

    #[test]
    fn parsing_is_strict() {
        let id = SessionId::new(ThreadId::from_bits(7), 42);
        let text = id.to_string();
        assert_eq!(text.parse::<SessionId>().unwrap(), id);
        for bad in [
            text.to_uppercase(),
            text.replace("ses_", "run_"),
            format!("{text}0"),
            format!(" {text}"),
            text.replace("_21a", "_3001a"),
            text.replace("_21a", "_10"),
            text.replace("_21a", "_1é"),
            text.replace("_21a", ""),
            text.replacen('0', "o", 1),
            text.replacen("0", "z", 1),
            "ses_".into(),
            String::new(),
        ] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
    }
}
