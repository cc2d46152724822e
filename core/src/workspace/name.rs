//! What a workspace is called: by people, and on the medium of its driver.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    error::{Error, Result},
    id::{ThreadId, Version, WorkspaceId, minted},
};

/// Bytes of a label, and of the name of a driver's kind.
const LABEL_BYTES: usize = 64;

/// Checks a name that becomes a part of names on media.
pub(crate) fn check_label(field: &'static str, text: &str) -> Result<()> {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let lead = text.bytes().next().is_some_and(is_letter);
    let rest = text.bytes().all(|b| is_letter(b) || b == b'_' || b == b'-');
    if lead && rest && text.len() <= LABEL_BYTES {
        return Ok(());
    }
    let reason = format!("{text:?} does not match [a-z0-9][a-z0-9_-]* in 1 to 64 bytes");
    Err(Error::invalid(field, reason))
}

/// Checks the name of a driver's kind: `git_worktree`.
pub(crate) fn check_kind(kind: &str) -> Result<()> {
    check_label("kind", kind)
}

/// What people call a workspace: `[a-z0-9][a-z0-9_-]*`, 1 to 64 bytes. Need not be unique.
///
/// So narrow because it becomes a part of folder names, of branches and of command lines: nothing that fits is an option,
/// leaves a folder, or is another name on a medium that folds case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Box<str>);

impl Label {
    /// Checks and takes the text; `Invalid` says what is allowed.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        check_label("label", text.as_ref())?;
        Ok(Self(text.as_ref().into()))
    }

    /// The text as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A label made of a name: what does not fit is left out or a `-`. Without anything left it is `session`.
    pub(crate) fn of_text(name: Option<&str>) -> Self {
        let mut label = String::new();
        for c in name.unwrap_or_default().chars().take(LABEL_BYTES) {
            let c = c.to_ascii_lowercase();
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                label.push(c);
            } else if !label.is_empty() && !label.ends_with('-') {
                label.push('-');
            }
        }
        let label = label.trim_end_matches('-');
        Self(if label.is_empty() { "session" } else { label }.into())
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for Label {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::new(text).map_err(serde::de::Error::custom)
    }
}

/// The name of one workspace on its driver's medium: label, store, and the record that claims it.
///
/// As text `fix-login.<store>.<thread>.<version>`: lower-case letters, digits, `.`, `_` and `-`, at most 134 bytes, unique
/// for ever. It says to whom a workspace belongs, whatever else was lost: a driver keeps it in the name of the folder, of
/// the branch, of the object. It can be part of a path, of a ref, or of a command line as it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkspaceName {
    label: Label,
    store: u128,
    id: WorkspaceId,
}

impl WorkspaceName {
    /// The name of a workspace of a store.
    pub const fn new(label: Label, store: u128, id: WorkspaceId) -> Self {
        Self { label, store, id }
    }

    /// What people call it.
    pub const fn label(&self) -> &Label {
        &self.label
    }

    /// The store whose record claims it: [`JournalInfo::store`](crate::journal::JournalInfo::store).
    pub const fn store(&self) -> u128 {
        self.store
    }

    /// Its id in that store.
    pub const fn id(&self) -> WorkspaceId {
        self.id
    }

    /// A store's id as it stands in names: 26 characters.
    pub fn store_text(store: u128) -> String {
        minted::encode(store)
    }

    /// A thread's id as it stands in names: 26 characters.
    pub fn thread_text(thread: ThreadId) -> String {
        minted::encode(thread.bits())
    }

    /// A thread by its text in names.
    pub fn thread_of_text(text: &str) -> Option<ThreadId> {
        minted::decode(text).map(ThreadId::from_bits)
    }
}

impl fmt::Display for WorkspaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = Self::store_text(self.store);
        let thread = Self::thread_text(self.id.thread());
        write!(f, "{}.{store}.{thread}.{}", self.label, self.id.version())
    }
}

impl fmt::Debug for WorkspaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for WorkspaceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Strict: a name reads back exactly, and nothing else does. A driver takes only what reads as its own.
impl FromStr for WorkspaceName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = || {
            let mut parts = text.split('.');
            let label = Label::new(parts.next()?).ok()?;
            let store = minted::decode(parts.next()?)?;
            let thread = Self::thread_of_text(parts.next()?)?;
            let version: Version = parts.next()?.parse().ok().filter(|version| *version > 0)?;
            let name = Self::new(label, store, WorkspaceId::new(thread, version));
            (parts.next().is_none() && name.to_string() == text).then_some(name)
        };
        parts().ok_or_else(|| Error::invalid("name", format!("{text:?} is no name of a workspace")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_narrow() {
        for good in ["a", "0", "fix-login", "a_b-9", &"x".repeat(64)] {
            assert!(Label::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-f",
            "--force",
            "_a",
            "A",
            "a.b",
            "..",
            "a/b",
            "a\\b",
            "a b",
            "é",
            "ａ",
            "a\0",
            "a\n",
            "@{u}",
            "HEAD",
            "a~1",
            "con.txt",
            &"x".repeat(65),
            &"x".repeat(255),
        ] {
            assert!(Label::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn labels_are_made_of_names() {
        for (name, label) in [
            (Some("Fix the login!"), "fix-the-login"),
            (Some("  ../../etc  "), "etc"),
            (Some("Über alles"), "ber-alles"),
            (Some("日本"), "session"),
            (None, "session"),
        ] {
            assert_eq!(Label::of_text(name).as_str(), label);
        }
        for name in ["-", "x--", &"é".repeat(200), &"x".repeat(200)] {
            let label = Label::of_text(Some(name));
            assert!(Label::new(label.as_str()).is_ok(), "{label}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_but_a_name_reads_as_one(text in "[a-z0-9._-]{0,140}", any in ".{0,140}") {
            for text in [text, any] {
                if let Ok(name) = text.parse::<WorkspaceName>() {
                    proptest::prop_assert_eq!(name.to_string(), text);
                }
            }
        }
    }

    #[test]
    fn names_read_back_exactly() {
        let id = WorkspaceId::new(ThreadId::from_bits(u128::MAX / 3), 42);
        let name = WorkspaceName::new(Label::new("x".repeat(64)).unwrap(), u128::MAX, id);
        let text = name.to_string();
        assert_eq!(text.parse::<WorkspaceName>().unwrap(), name);
        assert!(text.len() <= 134, "{}", text.len());
        for bad in [
            format!("{text}0a"),
            format!("{text}.1"),
            text.replace(".42", ".042"),
            text.replace(".42", ".0"),
            text.replace(".42", ""),
            text.to_uppercase(),
            format!("../{text}"),
            String::new(),
        ] {
            assert!(bad.parse::<WorkspaceName>().is_err(), "{bad}");
        }
    }
}
