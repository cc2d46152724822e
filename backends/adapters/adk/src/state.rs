//! ADK's state as keyed state of Sessile.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sessile_core::{clock::Timestamp, command::StateChange, error::Result, model::KeyedState};

pub(crate) type Values = HashMap<String, Value>;

pub(crate) fn changes(values: &Values) -> Result<Vec<StateChange>> {
    values.iter().map(|(key, value)| StateChange::from_value(key, value)).collect()
}

pub(crate) fn values(state: &KeyedState) -> Result<Values> {
    state.values.iter().map(|it| Ok((it.key.clone(), it.value.to()?))).collect()
}

/// The time, as far as ADK can tell it: to the year 262142.
pub(crate) fn time(at: Timestamp) -> DateTime<Utc> {
    let millis = i64::try_from(at.millis()).ok();
    millis.and_then(DateTime::from_timestamp_millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
