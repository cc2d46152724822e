//! Who asks.

use std::{fmt, time::Duration};

use crate::{
    error::{Error, Result, Subject},
    hash::Hash,
    id::{TenantId, Version, check_outside},
    model::Actor,
    record::KeyMark,
};

/// An idempotency key: the `n`-th command of a producer, n rising.
///
/// A store keeps, for each producer and thread, the greatest n and the last 1,024 answers that wrote something: the same
/// key gets the same answer, whatever happened since; an n at or below the greatest that is not remembered is
/// `KeyExpired` and never applied; another command under one key is `KeyReused`. A thread remembers the 4,096 producers
/// that wrote last; the number of one that gave way counts as new, and is applied. One producer sends one command at a
/// time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// 1 to 128 bytes, no control characters; a process, a file, a queue.
    pub producer: String,
    /// Rising.
    pub n: u64,
}

impl Key {
    /// Names a command.
    pub fn new(producer: impl Into<String>, n: u64) -> Self {
        Self { producer: producer.into(), n }
    }

    pub(crate) fn producer_hash(&self) -> u128 {
        Hash::of(&[self.producer.as_bytes()]).prefix_128()
    }

    pub(crate) fn mark(&self, command: u128) -> KeyMark {
        KeyMark { producer: self.producer_hash(), n: self.n, command }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} of producer {:?}", self.n, self.producer)
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
            check_outside("key", &key.producer)?;
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
        if tag == self.tenant.tag() {
            Ok(())
        } else {
            Err(Error::TenantIsolation { what: id.into(), tenant: self.tenant.clone() })
        }
    }
}
