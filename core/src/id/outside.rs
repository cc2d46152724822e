//! Ids that come from outside: tenants, users, agents.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// Bytes of an external id.
const EXTERNAL_ID_BYTES: usize = 512;

/// 1 to 128 bytes, no control characters: what every outside string must satisfy.
pub(crate) fn check_outside(field: &'static str, text: &str) -> Result<()> {
    check_within(field, text, 128)
}

/// 1 to 512 bytes, no control characters: what an agent program may know a thing by.
pub(crate) fn check_external_id(text: &str) -> Result<()> {
    check_within("external_id", text, EXTERNAL_ID_BYTES)
}

fn check_within(field: &'static str, text: &str, limit: usize) -> Result<()> {
    if text.is_empty() || text.len() > limit {
        return Err(Error::invalid(
            field,
            format!("{} bytes, where 1 to {limit} are allowed", text.len()),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "contains a control character"));
    }
    Ok(())
}

fn check_tenant(field: &'static str, text: &str) -> Result<()> {
    check_outside(field, text)?;
    let lead = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let rest =
        text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    if lead && rest {
        Ok(())
    } else {
        Err(Error::invalid(field, format!("{text:?} does not match [a-z0-9][a-z0-9._-]*")))
    }
}

macro_rules! outside {
    ($(#[$doc:meta])* $name:ident, $field:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes the text; `Invalid` says what is wrong with it.
            pub fn new(text: impl AsRef<str>) -> Result<Self> {
                $check($field, text.as_ref())?;
                Ok(Self(text.as_ref().into()))
            }

            /// The text as given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

outside!(
    /// Who the data belongs to: `[a-z0-9][a-z0-9._-]*`, 1 to 128 bytes.
    TenantId, "tenant", check_tenant
);
outside!(
    /// A person: 1 to 128 bytes, no control characters.
    UserId, "user", check_outside
);
outside!(
    /// An agent program: 1 to 128 bytes, no control characters.
    AgentId, "agent", check_outside
);

impl TenantId {
    /// The first 32 bits of BLAKE3 over the name: stands in every minted id.
    ///
    /// Two tenants may share a tag (about one pair in 2^32); then a foreign id is `NotFound` instead of
    /// `TenantIsolation`, and nothing leaks, because every key begins with the tenant itself.
    pub fn tag(&self) -> u32 {
        let hash = blake3::hash(self.0.as_bytes());
        let [a, b, c, d, ..] = *hash.as_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}
