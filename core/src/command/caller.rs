//! Who calls, and how.

use std::{fmt, time::Duration};

use crate::{
    error::{Error, Result, Subject},
    hash::Hash,
    id::{TenantId, Version, check_outside},
    model::Actor,
    record::KeyMark,
};

/// An idempotency key: it names one command. The same command sent again with the same key writes nothing and gets the
/// first answer, through crash, reopen and a lost reply.
///
/// Keys are remembered per thread, and per project for commands on it; only commands that wrote something count. Another
/// command under a known key is `KeyReused`. The key of a command whose first entry was erased or evicted is `KeyExpired`. The
/// two forms never collide, and differ in how long they are exact:
///
/// - **[`Text`](Self::text)**: any text, such as a UUID or the id of a message. A thread remembers the last 4,096 of
///   them. What is older is forgotten: no order tells an old text from a new one, so the command is then carried out
///   again. Use it for retries that come soon.
/// - **[`Rising`](Self::rising)**: the `n`-th command of a producer, n rising, one command at a time. A thread remembers
///   the 4,096 producers that wrote last, and for each the greatest n and the last 1,024 answers. A lower n that is not
///   remembered is `KeyExpired` and never carried out. The number of a producer that gave way counts as new.
///
/// ```
/// # use sessile_core::Key;
/// assert_eq!(Key::from("7c9e6679-7425-40de-944b-e07fc1f90ae7"), Key::text("7c9e6679-7425-40de-944b-e07fc1f90ae7"));
/// let third_line = Key::rising("import of transcript.jsonl", 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Key {
    /// A text; 1 to 128 bytes, no control characters.
    Text(String),
    /// A place in a producer's order.
    Rising {
        /// 1 to 128 bytes, no control characters; a process, a file, a queue.
        producer: String,
        /// Rising.
        n: u64,
    },
}

impl Key {
    /// A text, remembered among the last 4,096 of its thread.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The `n`-th command of a producer.
    pub fn rising(producer: impl Into<String>, n: u64) -> Self {
        Self::Rising { producer: producer.into(), n }
    }

    /// The text, or the producer's name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Text(name) | Self::Rising { producer: name, .. } => name,
        }
    }

    /// The number of a rising key.
    pub(crate) const fn n(&self) -> Option<u64> {
        match self {
            Self::Text(_) => None,
            Self::Rising { n, .. } => Some(*n),
        }
    }

    pub(crate) fn name_hash(&self) -> u128 {
        Hash::of(&[self.name().as_bytes()]).prefix_128()
    }

    pub(crate) fn mark(&self, command: u128) -> KeyMark {
        KeyMark { name: self.name_hash(), n: self.n(), command }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "key {text:?}"),
            Self::Rising { producer, n } => write!(f, "key {n} of producer {producer:?}"),
        }
    }
}

/// How fresh an answer must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Read {
    /// Includes everything acknowledged before the call, by anyone.
    #[default]
    Fresh,
    /// May be as old as what this process last saw.
    Cached,
}

/// Who asks, and how: ownership and fencing look at this, never at an entry's author.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// Whose data.
    pub tenant: TenantId,
    /// Who acts; its tenant must be the same.
    pub actor: Actor,
    /// The token of the lease held on the session; `Invalid` on what is no write to a session.
    pub lease: Option<Version>,
    /// The idempotency key of a command; `Invalid` on a query.
    pub key: Option<Key>,
    /// How long the call may take; the store's default without it.
    pub deadline: Option<Duration>,
    /// How fresh an answer must be; commands are always decided on the head.
    pub read: Read,
}

impl Caller {
    /// An actor of a tenant.
    pub const fn new(tenant: TenantId, actor: Actor) -> Self {
        Self { tenant, actor, lease: None, key: None, deadline: None, read: Read::Fresh }
    }

    /// With the token of a lease.
    #[must_use]
    pub fn with_lease(&self, token: Version) -> Self {
        Self { lease: Some(token), ..self.clone() }
    }

    /// With an idempotency key.
    #[must_use]
    pub fn with_key(&self, key: Key) -> Self {
        Self { key: Some(key), ..self.clone() }
    }

    /// With a deadline.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        Self { deadline: Some(time), ..self.clone() }
    }

    /// With answers from memory, where there are some.
    #[must_use]
    pub fn cached(&self) -> Self {
        Self { read: Read::Cached, ..self.clone() }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if let Some(key) = &self.key {
            check_outside("key", key.name())?;
        }
        self.actor.check("actor", &self.tenant)
    }

    pub(crate) fn check_query(&self) -> Result<()> {
        if self.key.is_some() {
            return Err(Error::invalid("key", "a query takes none"));
        }
        if self.lease.is_some() {
            return Err(Error::invalid("lease", "a query takes none"));
        }
        self.check()
    }

    /// Refuses an id of another tenant, before any I/O (TEN1).
    pub(crate) fn owns(&self, tag: u32, id: impl Into<Subject>) -> Result<()> {
        if tag == self.tenant.tag() { Ok(()) } else { Err(self.foreign(id)) }
    }

    /// The refusal of an id of another tenant.
    pub(crate) fn foreign(&self, id: impl Into<Subject>) -> Error {
        Error::TenantIsolation { what: id.into(), tenant: self.tenant.clone() }
    }
}
