//! The feed of a thread: its records, in order.

use std::time::Duration;

use serde::Serialize;

use crate::{
    clock::Timestamp,
    id::{SessionId, ThreadId, Version},
    json::Json,
};

/// Where a follower of a thread stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Which thread.
    pub thread: ThreadId,
    /// The last version seen; 0 for all.
    pub after: Version,
    /// At most this many records, 1 to 1,000.
    pub limit: usize,
    /// How long to wait for the first record, if there is none yet.
    pub wait: Duration,
}

/// One committed record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FeedRecord {
    /// Its version.
    pub version: Version,
    /// When; see [`Entry::at`](crate::model::Entry::at).
    pub at: Timestamp,
    /// The session it is about.
    pub session: Option<SessionId>,
    /// The name of its kind.
    pub kind: String,
    /// The facts: ids, numbers, states.
    pub facts: Json,
    /// Names, texts, messages. `None` where the session was deleted since, or the body was erased.
    pub body: Option<Json>,
    /// The body was erased.
    pub erased: bool,
}

/// Events in order, without a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedPage {
    /// Records after the position asked for; empty if there were none within the wait.
    pub records: Vec<FeedRecord>,
    /// Ask again after this version.
    pub after: Version,
}
