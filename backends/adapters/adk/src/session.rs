//! A session as ADK reads it: a copy of what was stored when it was read.

use adk_core::identity::AdkIdentity;
use adk_session::{Event, Events, Session, State};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::state::Values;

pub(crate) struct Stored {
    pub(crate) identity: AdkIdentity,
    pub(crate) state: Values,
    pub(crate) events: Vec<Event>,
    pub(crate) updated: DateTime<Utc>,
}

impl Session for Stored {
    fn id(&self) -> &str {
        self.identity.session_id.as_ref()
    }

    fn app_name(&self) -> &str {
        self.identity.app_name.as_ref()
    }

    fn user_id(&self) -> &str {
        self.identity.user_id.as_ref()
    }

    fn state(&self) -> &dyn State {
        self
    }

    fn events(&self) -> &dyn Events {
        self
    }

    fn last_update_time(&self) -> DateTime<Utc> {
        self.updated
    }
}

/// Changes the copy alone, as ADK's own services do; a delta of an event changes what is stored.
impl State for Stored {
    fn get(&self, key: &str) -> Option<Value> {
        self.state.get(key).cloned()
    }

    fn set(&mut self, key: String, value: Value) {
        if adk_core::validate_state_key(&key).is_ok() {
            self.state.insert(key, value);
        }
    }

    fn all(&self) -> Values {
        self.state.clone()
    }
}

impl Events for Stored {
    fn all(&self) -> Vec<Event> {
        self.events.clone()
    }

    fn len(&self) -> usize {
        self.events.len()
    }

    fn at(&self, index: usize) -> Option<&Event> {
        self.events.get(index)
    }
}
