//! Ids of projects and threads.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Space, SpaceKind, TenantId};
use crate::error::{Error, Result};

/// Characters of the 128 bits in lower-case Crockford base32.
pub(super) const MINTED_CHARS: usize = 26;

pub(crate) fn encode(bits: u128) -> String {
    let digits = fast32::base32::CROCKFORD_LOWER.encode_u128(bits);
    format!("{digits:0>MINTED_CHARS$}")
}

/// The exact inverse of [`encode`]: what does not encode back to the same text is refused.
pub(crate) fn decode(text: &str) -> Option<u128> {
    if text.len() != MINTED_CHARS || !text.is_ascii() {
        return None;
    }
    let digits = text.trim_start_matches('0');
    let bits = if digits.is_empty() {
        0
    } else {
        fast32::base32::CROCKFORD_LOWER.decode_u128_str(digits).ok()?
    };
    (encode(bits) == text).then_some(bits)
}

pub(super) fn invalid_id(kind: &'static str, text: &str) -> Error {
    let shown: String = text.chars().take(64).collect();
    Error::invalid("id", format!("{shown:?} is not the id of a {kind}"))
}

macro_rules! minted {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $word:literal, $kind:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            // Two halves: an alignment of 8 makes every id of something inside a thread a quarter smaller.
            high: u64,
            low: u64,
        }

        impl $name {
            /// Mints an id: `millis` (the low 48 bits count), the tenant's tag, and the low 48 bits of `random`.
            pub fn mint(tenant: &TenantId, millis: u64, random: u64) -> Self {
                const LOW_48: u64 = (1 << 48) - 1;
                let high = u128::from(millis & LOW_48) << 80;
                let tag = u128::from(tenant.tag()) << 48;
                Self::from_bits(high | tag | u128::from(random & LOW_48))
            }

            /// The id with exactly these bits.
            pub const fn from_bits(bits: u128) -> Self {
                Self { high: (bits >> 64) as u64, low: bits as u64 }
            }

            /// All 128 bits.
            pub const fn bits(self) -> u128 {
                ((self.high as u128) << 64) | self.low as u128
            }

            /// The 32 bits that tell the tenant; a foreign tenant is refused by them before any I/O.
            pub const fn tag(self) -> u32 {
                (self.bits() >> 48) as u32
            }

            /// The space whose journal this id names, for the tenant that asks.
            pub fn space(self, tenant: &TenantId) -> Space {
                Space::new(tenant.clone(), $kind, self.bits())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), encode(self.bits()))
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
                text.strip_prefix($prefix)
                    .and_then(decode)
                    .map(Self::from_bits)
                    .ok_or_else(|| invalid_id($word, text))
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

minted!(
    /// A project of a tenant: `prj_` and 26 characters.
    ProjectId, "prj_", "project", SpaceKind::Project
);
minted!(
    /// A thread of a project: `thd_` and 26 characters.
    ThreadId, "thd_", "thread", SpaceKind::Thread
);
