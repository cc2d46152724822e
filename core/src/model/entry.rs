//! Entries: the message log.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Actor, Part, ToolOutcome, ToolResult, part::present};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{EntryId, RunId, SessionId, Version},
    json::Json,
};

/// Whose voice a message is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Instructions to the model.
    System,
    /// A person, or whoever stands in for one.
    User,
    /// The model.
    Assistant,
    /// A tool.
    Tool,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// Whose voice.
    pub role: Role,
    /// The speaker's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its pieces, in order; may be none.
    pub parts: Vec<Part>,
    /// Whatever else the agent program wants back; a JSON `null` is something, too.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub metadata: Option<Json>,
}

impl Message {
    /// A message of these parts.
    pub const fn new(role: Role, parts: Vec<Part>) -> Self {
        Self { role, name: None, parts, metadata: None }
    }

    /// A message of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self::new(role, vec![Part::text(text)])
    }

    /// With the speaker's name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// With metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Json) -> Self {
        self.metadata = Some(metadata);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.parts.iter().try_for_each(Part::check)
    }

    /// Bytes of what it holds, before encoding.
    pub(crate) fn bytes(&self) -> usize {
        let name = self.name.as_deref().map_or(0, str::len);
        let metadata = self.metadata.as_ref().map_or(0, |metadata| metadata.get().len());
        name + metadata + self.parts.iter().map(Part::bytes).sum::<usize>()
    }
}

/// An entry to append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NewEntry {
    /// The message.
    pub message: Message,
    /// Its author, where it is not the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// The live run of the session it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// An earlier entry of the same thread that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<EntryId>,
}

impl NewEntry {
    /// An entry by the caller, outside any run.
    pub const fn new(message: Message) -> Self {
        Self { message, actor: None, run: None, in_reply_to: None }
    }

    /// An entry of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self::new(Message::text(role, text))
    }

    /// With an author.
    #[must_use]
    pub fn authored_by(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// In a run.
    #[must_use]
    pub const fn in_run(mut self, run: RunId) -> Self {
        self.run = Some(run);
        self
    }

    /// As an answer.
    #[must_use]
    pub const fn in_reply_to(mut self, entry: EntryId) -> Self {
        self.in_reply_to = Some(entry);
        self
    }
}

/// What a person says.
pub fn user(text: impl Into<String>) -> NewEntry {
    NewEntry::text(Role::User, text)
}

/// What the model says.
pub fn assistant(text: impl Into<String>) -> NewEntry {
    NewEntry::text(Role::Assistant, text)
}

/// Instructions to the model.
pub fn system(text: impl Into<String>) -> NewEntry {
    NewEntry::text(Role::System, text)
}

/// What a tool answered to the call with this id.
pub fn tool(call: impl Into<String>, text: impl Into<String>) -> NewEntry {
    let result = ToolResult::text(ToolOutcome::Ok, text).with_id(call);
    NewEntry::new(Message::new(Role::Tool, vec![result.into()]))
}

/// An entry of a session's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Its session.
    pub session: SessionId,
    /// Its version: the order of the log.
    pub version: Version,
    /// Who wrote it; `None` if it was erased.
    pub actor: Option<Actor>,
    /// When: by the writer's clock, but never before an earlier record of the thread. A store whose clock was ahead lets
    /// later records have its time.
    pub at: Timestamp,
    /// The run it belongs to.
    pub run: Option<RunId>,
    /// The entry it answers.
    pub in_reply_to: Option<EntryId>,
    /// The message; `None` if it was erased.
    pub message: Option<Message>,
}

impl Entry {
    /// The pieces of its message; none if it was erased.
    pub fn parts(&self) -> &[Part] {
        self.message.as_ref().map_or(&[], |message| &message.parts)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        })
    }
}

/// For a person to read: the role, then each part. Control characters other than line feed and tab are escaped, and so are
/// the marks that reverse the direction of text: a message cannot drive the terminal it is shown on.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(message) = &self.message else { return f.write_str("(erased)") };
        write!(f, "{}:", message.role)?;
        for part in &message.parts {
            write!(f, " {part}")?;
        }
        Ok(())
    }
}
