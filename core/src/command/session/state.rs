//! Keyed state: whose, and what changes in it.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::{
    error::{Error, Result},
    id::{SessionId, ThreadId, Version},
    json::Json,
};

/// Whose state: each session has one, and each thread has one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StateScope {
    /// A session's. It goes with the session.
    Session(SessionId),
    /// A thread's, shared by its sessions.
    Thread(ThreadId),
}

impl StateScope {
    /// The thread it is of or in.
    pub const fn thread(self) -> ThreadId {
        match self {
            Self::Session(session) => session.thread(),
            Self::Thread(thread) => thread,
        }
    }
}

/// One key that is set or removed. The keys of one command and scope differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateChange {
    /// The key: 1 to 256 bytes of any text, kept verbatim.
    pub key: String,
    /// Its value, kept as it is spelled; `None` removes the key. JSON's `null` is a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// Only if the key was last set by the record at this version; 0: only if it is absent. `None`: whatever is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Version>,
}

impl StateChange {
    /// Sets a key, whatever it is now.
    pub fn set(key: impl Into<String>, value: Json) -> Self {
        Self { key: key.into(), value: Some(value), expected: None }
    }

    /// Sets a key to anything that serialises to JSON, whatever the key is now.
    ///
    /// `Invalid` if it does not, or nests deeper than [`MAX_DEPTH`](crate::json::MAX_DEPTH).
    pub fn from_value(key: impl Into<String>, value: &impl Serialize) -> Result<Self> {
        Json::from_value(value).map(|value| Self::set(key, value))
    }

    /// Removes a key; one that is absent stays absent.
    pub fn remove(key: impl Into<String>) -> Self {
        Self { key: key.into(), value: None, expected: None }
    }

    /// Only if the key was last set by the record at this version; 0: only if it is absent. Else the command is `Stale`.
    #[must_use]
    pub const fn expecting(mut self, version: Version) -> Self {
        self.expected = Some(version);
        self
    }
}

/// Keys that one command changes in one scope, and that one scope holds.
pub(crate) const STATE_KEYS: usize = 1024;
/// Bytes of one key.
const KEY_BYTES: usize = 256;

/// Checks changes as far as that is possible without state.
pub(crate) fn check_changes(changes: &[StateChange]) -> Result<()> {
    let keys = changes.iter().map(|change| change.key.as_str());
    check_keys(keys.clone())?;
    let mut seen = HashSet::with_capacity(changes.len());
    match keys.into_iter().find(|key| !seen.insert(*key)) {
        Some(twice) => Err(Error::invalid("state", format!("the key {twice:?} stands twice"))),
        None => Ok(()),
    }
}

/// Checks the keys of what is created with values.
pub(crate) fn check_initial(values: &BTreeMap<String, Json>) -> Result<()> {
    check_keys(values.keys().map(String::as_str))
}

fn check_keys<'a>(keys: impl ExactSizeIterator<Item = &'a str>) -> Result<()> {
    if keys.len() > STATE_KEYS {
        let reason = format!("{} changes, where at most {STATE_KEYS} are allowed", keys.len());
        return Err(Error::invalid("state", reason));
    }
    for key in keys {
        if key.is_empty() || key.len() > KEY_BYTES {
            let reason =
                format!("a key of {} bytes, where 1 to {KEY_BYTES} are allowed", key.len());
            return Err(Error::invalid("state", reason));
        }
    }
    Ok(())
}
