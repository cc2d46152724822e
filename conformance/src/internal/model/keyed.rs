//! Keyed state: what each scope held after each record that changed it.

use std::collections::BTreeMap;

use serde::Serialize;
use sessile_core::{
    Error,
    command::{SessionOutcome, StateChange, StateScope},
    error::{Counter, StateKey},
    id::{ThreadId, Version},
    json::Json,
};

use super::{Predicted, facts::Facts, project::stale, state::*};

/// Bytes of the keys and values of a scope, and of the changes of one command in it, as JSON; and its keys.
const BYTES: u64 = 256 << 10;
const KEYS: u64 = 1024;

type Values = BTreeMap<String, (Json, Version)>;

/// The keyed state of one scope, at all versions.
#[derive(Clone, Debug, Default)]
pub struct KeyedHistory {
    after: BTreeMap<Version, Values>,
}

/// As an answer of a store serialises.
#[derive(Serialize)]
struct Shown<'a> {
    values: Vec<ShownValue<'a>>,
    version: Version,
}

#[derive(Serialize)]
struct ShownValue<'a> {
    key: &'a str,
    value: &'a Json,
    version: Version,
}

fn bytes<'a>(pairs: impl IntoIterator<Item = (&'a String, Option<&'a Json>)>) -> u64 {
    let json = |key: &String| serde_json::to_string(key).expect("a text").len();
    let pair = |(key, value): (&String, Option<&Json>)| {
        json(key) + value.map_or(0, |value| value.get().len())
    };
    pairs.into_iter().map(pair).sum::<usize>() as u64
}

impl KeyedHistory {
    fn now(&self) -> Values {
        self.after.values().next_back().cloned().unwrap_or_default()
    }

    /// Versions at which it changed, ascending.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = Version> {
        self.after.keys().copied()
    }

    /// The version that last set a key; 0 if it is absent.
    pub fn version_of(&self, key: &str) -> Version {
        self.now().get(key).map_or(0, |(_, version)| *version)
    }

    /// What it was at a version, as JSON; a text, so that spelling counts.
    pub fn text_at(&self, version: Version) -> String {
        let found = self.after.range(..=version).next_back();
        let values = found.iter().flat_map(|(_, values)| values.iter());
        let values =
            values.map(|(key, (value, version))| ShownValue { key, value, version: *version });
        let shown = Shown { values: values.collect(), version: found.map_or(0, |(v, _)| *v) };
        serde_json::to_string(&shown).expect("a state serialises")
    }

    fn changed(&self, changes: &[StateChange], version: Version) -> Values {
        let mut values = self.now();
        for change in changes {
            match &change.value {
                Some(value) => values.insert(change.key.clone(), (value.clone(), version)),
                None => values.remove(&change.key),
            };
        }
        values
    }

    /// Whether the bounds leave room for changes.
    pub(super) fn has_room(&self, of: StateScope, changes: &[StateChange]) -> Predicted<()> {
        let added = bytes(changes.iter().map(|change| (&change.key, change.value.as_ref())));
        let after = self.changed(changes, 0);
        let sum = bytes(after.iter().map(|(key, (value, _))| (key, Some(value))));
        for (measure, limit, actual) in [
            ("bytes of changes of state", BYTES, added),
            ("keys of state", KEYS, after.len() as u64),
            ("bytes of state", BYTES, sum),
        ] {
            if actual > limit {
                return Err(Error::capacity(of, measure, limit, actual).into());
            }
        }
        Ok(())
    }

    /// Whether all keys are as the changes expect.
    pub(super) fn is_expected(&self, of: StateScope, changes: &[StateChange]) -> Predicted<()> {
        for StateChange { key, expected, .. } in changes {
            if let Some(expected) = expected {
                let name = StateKey { of, key: key.clone() };
                stale(name, Counter::Version, *expected, self.version_of(key))?;
            }
        }
        Ok(())
    }

    /// Changes it by the record at a version.
    pub(super) fn change(&mut self, changes: &[StateChange], version: Version) {
        let values = self.changed(changes, version);
        self.after.insert(version, values);
    }

    /// What something begins with.
    pub(super) fn initial(values: &BTreeMap<String, Json>) -> Vec<StateChange> {
        values.iter().map(|(key, value)| StateChange::set(key, value.clone())).collect()
    }
}

impl Thread {
    /// The state of a scope of this thread, if that exists.
    pub fn keyed(&self, of: StateScope) -> Option<&KeyedHistory> {
        match of {
            StateScope::Session(session) => {
                self.sessions.get(&session.version()).map(|session| &session.keyed)
            }
            StateScope::Thread(_) => Some(&self.keyed),
            _ => unreachable!("a scope of another kind"),
        }
    }

    pub(super) fn set_state(
        &mut self,
        facts: &Facts<'_>,
        of: StateScope,
        changes: &[StateChange],
    ) -> Predicted<SessionOutcome> {
        if let StateScope::Session(session) = of {
            self.writable(facts, session)?;
        }
        let held = self.keyed(of).expect("it is there");
        held.has_room(of, changes)?;
        held.is_expected(of, changes)?;
        Ok(SessionOutcome::Changed(self.write_state(facts, of, changes)))
    }

    /// Writes the record of some changes, if there are any.
    pub(super) fn write_state(
        &mut self,
        facts: &Facts<'_>,
        of: StateScope,
        changes: &[StateChange],
    ) -> Version {
        if changes.is_empty() {
            return self.head;
        }
        match of {
            StateScope::Session(session) => {
                let version = self.record_in(session.version(), facts.now, facts.caller);
                self.session(session.version()).keyed.change(changes, version);
                version
            }
            _ => {
                let version = self.record(facts.now, &facts.caller.actor);
                self.keyed.change(changes, version);
                version
            }
        }
    }

    /// Both states an append may change, with their changes.
    pub(super) fn both_states<'a>(
        &self,
        session: sessile_core::id::SessionId,
        append: &'a sessile_core::command::Append,
    ) -> [(StateScope, &'a [StateChange]); 2] {
        let thread: ThreadId = session.thread();
        [(session.into(), &append.state), (thread.into(), &append.thread_state)]
    }
}
