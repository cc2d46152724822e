//! A thread as a sequential object: what each call answers when nothing runs beside it.
//!
//! Written from the contract, small on purpose, and with no code of the store's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What clients ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Call {
    /// Append that many entries to a session, if its tail is the expected one, under a key of this client.
    Append {
        /// The session's version.
        session: u64,
        /// How many entries.
        count: u64,
        /// The tail expected, if any.
        expected: Option<u64>,
        /// Producer and number of the idempotency key.
        key: Option<(usize, u64)>,
    },
    /// Create a session.
    Create,
    /// Delete a session.
    Delete(u64),
    /// Take the lease of a session, without a token.
    Claim(u64),
    /// Archive the thread.
    Archive,
    /// Reopen the thread.
    Reopen,
    /// Read a session's tail and count.
    Look(u64),
    /// Count the thread's sessions.
    Count,
}

/// What they are answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Answer {
    /// Written; the first record has this version.
    At(u64),
    /// Nothing to do.
    Nothing,
    /// There is no such session.
    Absent,
    /// The thread is archived.
    Closed,
    /// The session is leased.
    Fenced,
    /// The thread cannot be archived: a session is at work.
    NotEmpty,
    /// The tail is another.
    Stale(u64),
    /// Tail and count of entries.
    Seen(u64, u64),
    /// How many sessions.
    Sessions(u64),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Session {
    tail: u64,
    entries: u64,
    leased: bool,
}

impl Answer {
    /// Whether it is a refusal.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Closed | Self::Fenced | Self::NotEmpty | Self::Stale(_))
    }
}

/// The thread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spec {
    head: u64,
    archived: bool,
    sessions: BTreeMap<u64, Session>,
    keys: BTreeMap<(usize, u64), u64>,
}

impl Spec {
    /// A thread whose head is at this version, with these empty sessions.
    pub fn new(head: u64, sessions: &[u64]) -> Self {
        let sessions = sessions.iter().map(|v| (*v, Session::default())).collect();
        Self { head, archived: false, sessions, keys: BTreeMap::new() }
    }

    fn write(&mut self, records: u64) -> u64 {
        let first = self.head + 1;
        self.head += records;
        first
    }

    /// Carries out a call and gives its answer.
    pub fn apply(&mut self, call: &Call) -> Answer {
        match call {
            Call::Append { session, count, expected, key } => {
                if let Some(first) = key.and_then(|k| self.keys.get(&k)) {
                    return Answer::At(*first);
                }
                if self.archived {
                    return Answer::Closed;
                }
                let Some(state) = self.sessions.get(session) else { return Answer::Absent };
                if state.leased {
                    return Answer::Fenced;
                }
                if expected.is_some_and(|tail| tail != state.tail) {
                    return Answer::Stale(state.tail);
                }
                let first = self.write(*count);
                let state = self.sessions.get_mut(session).expect("it was there");
                state.tail = first + count - 1;
                state.entries += count;
                self.keys.extend(key.map(|k| (k, first)));
                Answer::At(first)
            }
            Call::Create if self.archived => Answer::Closed,
            Call::Create => {
                let first = self.write(1);
                self.sessions.insert(first, Session::default());
                Answer::At(first)
            }
            Call::Delete(session) => match self.sessions.get(session) {
                None => Answer::Nothing,
                Some(_) if self.archived => Answer::Closed,
                Some(state) if state.leased => Answer::Fenced,
                Some(_) => {
                    self.write(1);
                    self.sessions.remove(session);
                    Answer::Nothing
                }
            },
            Call::Claim(_) if self.archived => Answer::Closed,
            Call::Claim(session) => match self.sessions.get(session) {
                None => Answer::Absent,
                Some(state) if state.leased => Answer::Fenced,
                Some(_) => {
                    let token = self.write(1);
                    self.sessions.get_mut(session).expect("it was there").leased = true;
                    Answer::At(token)
                }
            },
            Call::Archive if self.archived => Answer::Nothing,
            Call::Archive if self.sessions.values().any(|s| s.leased) => Answer::NotEmpty,
            Call::Archive => {
                self.write(1);
                self.archived = true;
                Answer::Nothing
            }
            Call::Reopen if !self.archived => Answer::Nothing,
            Call::Reopen => {
                self.write(1);
                self.archived = false;
                Answer::Nothing
            }
            Call::Look(session) => self
                .sessions
                .get(session)
                .map_or(Answer::Absent, |s| Answer::Seen(s.tail, s.entries)),
            Call::Count => Answer::Sessions(self.sessions.len() as u64),
        }
    }
}
