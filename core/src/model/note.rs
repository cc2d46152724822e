//! Notes and markers: what stands in a log beside what was said.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Actor, Content, Message, NewEntry, Role};
use crate::{
    error::{Error, Result},
    id::{SessionId, SubSessionId, Version},
};

/// What a note is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoteKind {
    /// Work begins. It begins an activity, where the session is between two.
    Start,
    /// Where the work stands.
    Checkpoint,
    /// Somebody else goes on.
    Handoff,
    /// The work is over. It ends the session's activity.
    End,
}

impl fmt::Display for NoteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Checkpoint => "checkpoint",
            Self::Handoff => "handoff",
            Self::End => "end",
        })
    }
}

/// What whoever goes on has to know (MSG14). A context shows it as a message of its writer, and it is pinned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What was done.
    pub summary: String,
    /// What was decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<String>,
    /// What was tried, and did not work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_approaches: Vec<String>,
    /// What is to be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_steps: Vec<String>,
}

impl Note {
    /// A note of this summary.
    pub fn new(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), ..Self::default() }
    }

    /// With one more decision.
    #[must_use]
    pub fn with_decision(mut self, decision: impl Into<String>) -> Self {
        self.decisions.push(decision.into());
        self
    }

    /// With one more approach that failed.
    #[must_use]
    pub fn with_failed_approach(mut self, approach: impl Into<String>) -> Self {
        self.failed_approaches.push(approach.into());
        self
    }

    /// With one more step that is to be done.
    #[must_use]
    pub fn with_next_step(mut self, step: impl Into<String>) -> Self {
        self.next_steps.push(step.into());
        self
    }

    fn lists(&self) -> [(&'static str, &[String]); 3] {
        [
            ("Decisions", &self.decisions),
            ("Failed approaches", &self.failed_approaches),
            ("Next steps", &self.next_steps),
        ]
    }

    /// All that a person reads of it, piece by piece.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let items = self.lists().into_iter().flat_map(|(_, items)| items);
        std::iter::once(&self.summary).chain(items).map(String::as_str)
    }

    /// As a context shows it: a message of one text, in the voice of its writer - a user's or a part of the system's in
    /// theirs, an agent's as the model's.
    pub fn to_message(&self, writer: &Actor) -> Message {
        let role = match writer {
            Actor::User { .. } => Role::User,
            Actor::Agent { .. } => Role::Assistant,
            Actor::System { .. } => Role::System,
        };
        Message::text(role, self.to_string())
    }

    /// Bytes of what it holds, before encoding.
    pub(crate) fn bytes(&self) -> usize {
        self.texts().map(str::len).sum()
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.texts().all(str::is_empty) {
            return Err(Error::invalid("entries", "a note says something"));
        }
        Ok(())
    }
}

/// The summary, then each list that is not empty, with a dash before each of its items.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)?;
        let mut is_first = self.summary.is_empty();
        for (name, items) in self.lists().into_iter().filter(|(_, items)| !items.is_empty()) {
            f.write_str(if is_first { "" } else { "\n\n" })?;
            is_first = false;
            write!(f, "{name}:")?;
            items.iter().try_for_each(|item| write!(f, "\n- {item}"))?;
        }
        Ok(())
    }
}

/// A note, to be appended.
pub fn note(kind: NoteKind, note: Note) -> NewEntry {
    NewEntry::new(Content::Note { kind, note })
}

/// What a marker says happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MarkerKind {
    /// A child was created below the session.
    Spawned,
    /// The session was handed over to somebody, who goes on in a child.
    HandedOff,
}

impl fmt::Display for MarkerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spawned => "spawned",
            Self::HandedOff => "handed off to",
        })
    }
}

/// A place in a log from which another session is reached. The store writes it; no context shows it, no copy takes it, and
/// it does not move the session's tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Marker {
    /// What happened.
    pub kind: MarkerKind,
    /// The session that it leads to.
    pub session: SessionId,
    /// The edge between the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<SubSessionId>,
    /// The version of the thread as of which that session is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}
