//! Entries: the message log.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Deserializer, Serialize};

use super::Actor;
use crate::{
    clock::Timestamp,
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

/// Whether a tool did what it was called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolOutcome {
    /// It did.
    Ok,
    /// It did not.
    Error,
}

/// One piece of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// Text a person sees.
    Text {
        /// The text; any, the empty one included.
        text: String,
    },
    /// What the model thought.
    Reasoning {
        /// The text.
        text: String,
    },
    /// The model asks for a tool.
    ToolCall {
        /// The model's id of the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Which tool.
        name: String,
        /// Its arguments.
        arguments: Json,
    },
    /// What a tool answered.
    ToolResult {
        /// The call it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Whether it worked.
        outcome: ToolOutcome,
        /// The answer.
        text: String,
    },
    /// A value of the agent program's own.
    Json {
        /// What the value is.
        kind: String,
        /// The value.
        value: Json,
    },
    /// A reference to something kept elsewhere.
    Artifact {
        /// Where; opaque to the store.
        reference: String,
        /// What, as a media type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
    },
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

/// What is there is `Some`, be it `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

impl Message {
    /// A message of these parts.
    pub const fn new(role: Role, parts: Vec<Part>) -> Self {
        Self { role, name: None, parts, metadata: None }
    }

    /// A message of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self::new(role, vec![Part::Text { text: text.into() }])
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
    let (id, text) = (Some(call.into()), text.into());
    NewEntry::new(Message::new(
        Role::Tool,
        vec![Part::ToolResult { id, outcome: ToolOutcome::Ok, text }],
    ))
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
    /// When.
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

/// For a person to read; see [`Entry`]'s.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { text } | Self::Reasoning { text } => write!(f, "{}", Shown(text)),
            Self::ToolCall { name, arguments, .. } => {
                write!(f, "{}({})", Shown(name), Shown(arguments.get()))
            }
            Self::ToolResult { outcome: ToolOutcome::Ok, text, .. } => write!(f, "{}", Shown(text)),
            Self::ToolResult { outcome: ToolOutcome::Error, text, .. } => {
                write!(f, "error: {}", Shown(text))
            }
            Self::Json { kind, value } => write!(f, "{} {}", Shown(kind), Shown(value.get())),
            Self::Artifact { reference, .. } => write!(f, "<{}>", Shown(reference)),
        }
    }
}

/// A text whose control characters are escaped.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\n' | '\t' => f.write_char(c),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                write!(f, "{}", c.escape_unicode())
            }
            _ if c.is_control() => write!(f, "{}", c.escape_default()),
            _ => f.write_char(c),
        })
    }
}
