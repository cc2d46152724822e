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
    /// Create a session below another.
    Spawn(u64),
    /// Hand a session over to somebody, if it was handed over so often.
    HandOff(u64, u64),
    /// Seal what the current activity of a session came to.
    Seal(u64),
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
    /// The tail is another, or it was handed over so often.
    Stale(u64),
    /// It has as many children as it may.
    Full,
    /// It has children.
    Linked,
    /// Nothing was done in it since the last summary.
    NothingDone,
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
    /// All of them are to begin.
    children: u64,
    handed_over: u64,
    /// Something was said in it since the last summary.
    at_work: bool,
}

/// Children that a session may have.
const WIDTH: u64 = 8;

impl Session {
    /// Somebody holds it, or a child is to begin.
    fn is_at_work(&self) -> bool {
        self.leased || self.children > 0
    }

    /// With a marker in the log, which moves no tail.
    fn give_child(&mut self) {
        self.children += 1;
        self.entries += 1;
    }
}

impl Answer {
    /// Whether it is a refusal.
    pub const fn is_refusal(&self) -> bool {
        use Answer::{Closed, Fenced, Full, Linked, NotEmpty, NothingDone, Stale};
        matches!(self, Closed | Fenced | NotEmpty | Stale(_) | Full | Linked | NothingDone)
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
                state.at_work = true;
                self.keys.extend(key.map(|k| (k, first)));
                Answer::At(first)
            }
            Call::Create if self.archived => Answer::Closed,
            Call::Create => {
                let first = self.write(1);
                self.sessions.insert(first, Session::default());
                Answer::At(first)
            }
            Call::Spawn(_) | Call::HandOff(..) | Call::Seal(_) if self.archived => Answer::Closed,
            Call::Spawn(session) => match self.sessions.get_mut(session) {
                None => Answer::Absent,
                Some(state) if state.leased => Answer::Fenced,
                Some(state) if state.children == WIDTH => Answer::Full,
                // Child, edge, marker.
                Some(state) => {
                    state.give_child();
                    let child = self.write(3);
                    self.sessions.insert(child, Session::default());
                    Answer::At(child)
                }
            },
            Call::HandOff(session, expected) => match self.sessions.get_mut(session) {
                None => Answer::Absent,
                Some(state) if state.handed_over != *expected => Answer::Stale(state.handed_over),
                // After the first its owner is somebody else.
                Some(state) if state.leased || state.handed_over > 0 => Answer::Fenced,
                Some(state) if state.children == WIDTH => Answer::Full,
                // Another owner, child, edge, marker.
                Some(state) => {
                    state.handed_over += 1;
                    state.give_child();
                    let child = self.write(4) + 1;
                    self.sessions.insert(child, Session::default());
                    Answer::At(child)
                }
            },
            Call::Seal(session) => match self.sessions.get_mut(session) {
                None => Answer::Absent,
                Some(state) if state.leased => Answer::Fenced,
                Some(state) if !state.at_work => Answer::NothingDone,
                Some(state) => {
                    state.at_work = false;
                    Answer::At(self.write(1))
                }
            },
            Call::Delete(session) => match self.sessions.get(session) {
                None => Answer::Nothing,
                Some(_) if self.archived => Answer::Closed,
                Some(state) if state.leased => Answer::Fenced,
                Some(state) if state.children > 0 => Answer::Linked,
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
            Call::Archive if self.sessions.values().any(Session::is_at_work) => Answer::NotEmpty,
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
