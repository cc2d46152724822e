//! Setting keyed state, alone or with other records (SES15).

use std::collections::BTreeMap;

use super::View;
use crate::{
    command::{Caller, StateChange, StateScope},
    error::Result,
    id::ThreadId,
    json::Json,
    record::{Body, ChangedValue, Event, Lane, StateBody},
    rules::decision::{Decision, DecisionInput, Drafts, Reply},
    rules::thread::keyed::KeyedValues,
};

/// Changes of one scope, with what it holds.
#[derive(Debug)]
pub(super) struct StateWrite<'a> {
    of: StateScope,
    held: KeyedValues,
    changes: &'a [StateChange],
}

impl<'a> StateWrite<'a> {
    pub(super) fn new(
        of: StateScope,
        held: Option<&KeyedValues>,
        changes: &'a [StateChange],
    ) -> Self {
        Self { of, held: held.cloned().unwrap_or_default(), changes }
    }

    /// `Capacity` if it is more than a scope may hold.
    pub(super) fn require_room(&self) -> Result<()> {
        self.held.require_room(self.of, self.changes)
    }

    /// `Stale` if a key is not as a change expects.
    pub(super) fn require_expected(&self) -> Result<()> {
        self.held.require_expected(self.of, self.changes)
    }

    /// Adds its record, if it changes anything.
    pub(super) fn write(&self, drafts: &mut Drafts<'_>, caller: &Caller) {
        if self.changes.is_empty() {
            return;
        }
        let session = match self.of {
            StateScope::Session(session) => Some(session.version()),
            StateScope::Thread(_) => None,
        };
        let changes = self
            .changes
            .iter()
            .map(|change| ChangedValue { key: change.key.clone(), value: change.value.clone() });
        let body = StateBody {
            changes: changes.collect(),
            others: self.held.others(self.changes),
            by: caller.actor.clone(),
        };
        let stream = Lane::Rest.of(session.unwrap_or_default());
        drafts.push(stream, Event::StateSet { session }, Body::State(body));
    }
}

/// What something is created with, as changes of nothing.
pub(super) fn initial(values: &BTreeMap<String, Json>) -> Vec<StateChange> {
    values.iter().map(|(key, value)| StateChange::set(key, value.clone())).collect()
}

/// `Capacity` if a thread cannot begin with this state: said before its creation is reserved.
pub(crate) fn require_room_for(thread: ThreadId, values: &BTreeMap<String, Json>) -> Result<()> {
    StateWrite::new(thread.into(), None, &initial(values)).require_room()
}

impl View<'_> {
    pub(super) fn set_state(
        &self,
        input: &DecisionInput<'_>,
        of: StateScope,
        changes: &[StateChange],
    ) -> Result<Decision> {
        let (held, lease) = match of {
            StateScope::Session(id) => {
                let (version, session) = self.session(id)?;
                (&session.keyed, self.fence(input, version, session)?)
            }
            StateScope::Thread(_) => (&self.state.keyed, None),
        };
        let state = StateWrite::new(of, held.as_deref(), changes);
        state.require_room()?;
        state.require_expected()?;
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let version = drafts.next();
        state.write(&mut drafts, input.caller());
        drafts.done(Reply::changed(version))
    }
}
