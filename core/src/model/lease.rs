//! Leases: who may write to a session.

use serde::{Deserialize, Serialize};

use super::Actor;
use crate::{
    clock::Timestamp,
    id::{SessionId, Version},
};

/// A current lease: granted, and not yet released, claimed or swept - whatever the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lease {
    /// The session.
    pub session: SessionId,
    /// Who holds it; `None` where that was erased.
    pub holder: Option<Actor>,
    /// The fencing token: the version of the record that granted it. Larger is newer.
    pub token: Version,
    /// Time to live, in milliseconds, from the holder's last write.
    pub ttl_millis: u64,
    /// The holder's last write to the session + the time to live. Past this + the store's `max_skew` others may claim;
    /// until one does, the holder may write.
    pub expires_at: Timestamp,
}
