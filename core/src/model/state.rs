//! Keyed state, as callers read it.

use serde::{Serialize, de::DeserializeOwned};

use crate::{error::Result, id::Version, json::Json};

/// The keyed values of a session or of a thread, all of one version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyedState {
    /// In the byte order of their keys; at most 1,024, together at most 256 KiB as JSON: that is why there are no pages.
    pub values: Vec<StateValue>,
    /// Version of the record that last changed any of them; 0 if none ever did.
    pub version: Version,
}

/// One key of a [`KeyedState`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StateValue {
    /// The key, verbatim.
    pub key: String,
    /// The value, as it was spelled.
    pub value: Json,
    /// Version of the record that last set the key: what a change may expect.
    pub version: Version,
}

impl KeyedState {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.find(key).map(|found| &found.value)
    }

    /// The value of a key, deserialised; `None` if the key is absent.
    ///
    /// `Invalid` if it is JSON of another shape.
    pub fn parse<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.get(key).map(Json::to).transpose()
    }

    /// Version of the record that last set a key, 0 if it is absent: what a change expects that depends on this value.
    pub fn version_of(&self, key: &str) -> Version {
        self.find(key).map_or(0, |found| found.version)
    }

    fn find(&self, key: &str) -> Option<&StateValue> {
        let at = self.values.binary_search_by(|value| value.key.as_str().cmp(key)).ok()?;
        self.values.get(at)
    }
}
