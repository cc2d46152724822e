//! The keyed state of one scope: folded, measured, and written whole from time to time (SES15).

use std::{collections::HashSet, sync::Arc};

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

use crate::{
    command::{STATE_KEYS, StateChange, StateScope},
    error::{Error, Result, StateKey, Subject},
    id::Version,
    json::Json,
    model::{KeyedState, StateValue},
    record::{ChangedValue, StateBody},
    rules::thread::decide::stale,
};

/// Bytes of the keys and values of one scope, and of the changes of one command in it: as JSON texts.
///
/// A record of state holds at most as much of changes and as much of other values, and is never in a blob, as the fold
/// needs its body: the two of one append and its entries fit into one batch together.
const STATE_BYTES: u64 = 256 << 10;

/// One record in so many tells the values that it leaves alone, too: to look at an earlier version, no more are read.
const WHOLE_EVERY: u32 = 64;

/// The values of a scope that was ever changed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct KeyedValues {
    values: RedBlackTreeMapSync<Arc<str>, Arc<Kept>>,
    /// Of keys and values, as JSON texts.
    bytes: u64,
    /// Of the last record.
    version: Version,
    /// Records since the last that told everything, that one too.
    since_whole: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    value: Json,
    version: Version,
}

/// Bytes of a text as JSON, with its quotes.
fn text_bytes(text: &str) -> u64 {
    let escaped = |c: char| match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8() as u64,
    };
    2 + text.chars().map(escaped).sum::<u64>()
}

fn pair_bytes(key: &str, value: Option<&Json>) -> u64 {
    text_bytes(key) + value.map_or(0, |value| value.get().len() as u64)
}

impl KeyedValues {
    /// What callers see.
    pub(crate) fn view(&self) -> KeyedState {
        let value = |(key, kept): (&Arc<str>, &Arc<Kept>)| StateValue {
            key: key.to_string(),
            value: kept.value.clone(),
            version: kept.version,
        };
        KeyedState { values: self.values.iter().map(value).collect(), version: self.version }
    }

    /// Bytes it takes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        128 + self.values.size() * 192 + usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }

    /// Bytes of its keys and values, as JSON texts.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Folds one record in.
    pub(crate) fn apply(&mut self, body: &StateBody, version: Version) {
        for ChangedValue { key, value } in &body.changes {
            if let Some(kept) = self.values.get(key.as_str()) {
                self.bytes -= pair_bytes(key, Some(&kept.value));
                self.values.remove_mut(key.as_str());
            }
            if let Some(value) = value {
                self.bytes += pair_bytes(key, Some(value));
                let kept = Kept { value: value.clone(), version };
                self.values.insert_mut(key.as_str().into(), Arc::new(kept));
            }
        }
        self.version = version;
        self.since_whole = if body.others.is_some() { 1 } else { self.since_whole + 1 };
    }

    /// The values that changes leave alone, if the record of these changes is to tell everything.
    pub(crate) fn others(&self, changes: &[StateChange]) -> Option<Vec<(String, Json, Version)>> {
        if self.since_whole > 0 && self.since_whole < WHOLE_EVERY {
            return None;
        }
        let changed: HashSet<&str> = changes.iter().map(|change| change.key.as_str()).collect();
        let all = self.values.iter().filter(|(key, _)| !changed.contains(&***key));
        Some(all.map(|(key, kept)| (key.to_string(), kept.value.clone(), kept.version)).collect())
    }

    /// `Capacity` if the changes, or what they would leave, are more than a scope may hold.
    pub(crate) fn require_room(
        &self,
        of: impl Into<Subject>,
        changes: &[StateChange],
    ) -> Result<()> {
        let (mut added, mut keys, mut bytes) = (0, self.values.size(), self.bytes);
        for change in changes {
            let pair = pair_bytes(&change.key, change.value.as_ref());
            added += pair;
            if let Some(kept) = self.values.get(change.key.as_str()) {
                keys -= 1;
                bytes -= pair_bytes(&change.key, Some(&kept.value));
            }
            if change.value.is_some() {
                keys += 1;
                bytes += pair;
            }
        }
        let (limit, keys) = (STATE_KEYS as u64, keys as u64);
        if added > STATE_BYTES {
            Err(Error::capacity(of, "bytes of changes of state", STATE_BYTES, added))
        } else if keys > limit {
            Err(Error::capacity(of, "keys of state", limit, keys))
        } else if bytes > STATE_BYTES {
            Err(Error::capacity(of, "bytes of state", STATE_BYTES, bytes))
        } else {
            Ok(())
        }
    }

    /// `Stale` if a key was last set by another record than a change expects.
    pub(crate) fn require_expected(&self, of: StateScope, changes: &[StateChange]) -> Result<()> {
        for StateChange { key, expected, .. } in changes {
            let actual = self.values.get(key.as_str()).map_or(0, |kept| kept.version);
            let Some(expected) = expected else { continue };
            stale(StateKey { of, key: key.clone() }, *expected, actual)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{TenantId, UserId},
        model::Actor,
    };

    #[test]
    fn a_text_has_the_bytes_of_its_json() {
        for text in ["", "a\"\\\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f}", "\u{e9}\u{2028}\u{1f600}\0"] {
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(text_bytes(text), json.len() as u64, "{json}");
        }
    }

    #[test]
    fn one_record_in_so_many_tells_everything() {
        let by =
            Actor::User { tenant: TenantId::new("acme").unwrap(), id: UserId::new("ada").unwrap() };
        let mut values = KeyedValues::default();
        let mut whole = Vec::new();
        for version in 1..=2 * u64::from(WHOLE_EVERY) + 1 {
            let change = StateChange::from_value(format!("k{}", version % 3), &version).unwrap();
            let others = values.others(std::slice::from_ref(&change));
            if let Some(others) = &others {
                whole.push((version, others.len()));
            }
            let changes = vec![ChangedValue { key: change.key, value: change.value }];
            values.apply(&StateBody { changes, others, by: by.clone() }, version);
        }
        assert_eq!(whole, [(1, 0), (65, 2), (129, 2)]);
        let seen = values.view();
        let bytes = seen.values.iter().map(|v| pair_bytes(&v.key, Some(&v.value)));
        assert_eq!(values.bytes(), bytes.sum::<u64>());
    }
}
