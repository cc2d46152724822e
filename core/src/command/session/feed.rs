//! The feed of a thread: its records, in order.

use std::time::Duration;

use serde::Serialize;

use crate::{
    clock::Timestamp,
    id::{SessionId, ThreadId, Version},
    json::Json,
};

/// Which records of a thread; all of them by default. The records that pass are an exact subsequence (EVT6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedFilter {
    /// Only about this session.
    pub session: Option<SessionId>,
    /// Only about this session and those below it, as they stand when the page is read.
    pub subtree: Option<SessionId>,
    /// Only of these kinds, by their [names](crate::record::KIND_NAMES); of all without any.
    pub kinds: Vec<String>,
}

/// Where a session stands among the others, when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Lineage {
    /// The session above.
    pub parent: Option<SessionId>,
    /// The one above all.
    pub root: SessionId,
    /// Sessions above it; the root has 0.
    pub depth: u32,
}

/// Where a follower of a thread stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Which thread.
    pub thread: ThreadId,
    /// The last version seen; 0 for all.
    pub after: Version,
    /// At most this many records, 1 to 1,000.
    pub limit: usize,
    /// How long to wait for the first record, if there is none yet.
    pub wait: Duration,
    /// Which records.
    pub filter: FeedFilter,
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
    /// Where that session stands; `None` where it was deleted since (EVT2).
    pub lineage: Option<Lineage>,
    /// The level of the record's schema: a reader of this level reads it right (EVT2).
    pub schema: u16,
    /// The name of its kind.
    pub kind: String,
    /// The facts: ids, numbers, states.
    pub facts: Json,
    /// Names, texts, messages. `None` where the session was deleted since, the body was erased or evicted, and of
    /// `entries_returned`, which holds what records before it say.
    pub body: Option<Json>,
    /// The body was erased.
    pub erased: bool,
    /// The body left the journal with the session's archive, until that is restored.
    pub evicted: bool,
}

/// Records in order, without a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedPage {
    /// Records after the position asked for; empty if there were none within the wait, or none that passes the filter among
    /// those that one page looks at.
    pub records: Vec<FeedRecord>,
    /// Ask again after this version: everything up to it was looked at. At the end it is the position asked for.
    pub after: Version,
}
