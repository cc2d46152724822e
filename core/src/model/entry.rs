//! Entries: what a session's log holds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Actor, CollapsedFrom, Marker, Message, Note, NoteKind, Part, shown::Shown};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{EntryId, RunId, SessionId, Version},
};

/// How much an entry matters to the context of its session.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Priority {
    /// It counts for nothing: a message is left out of the context, an edit or a compression is undone. It stays in the log.
    Skip,
    /// As it is.
    #[default]
    Normal,
    /// It must not be compressed. System messages and notes are pinned unless an annotation says something else.
    Pinned,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EntryKind {
    /// A message.
    Message,
    /// Another text for a message.
    Edit,
    /// How much an entry matters.
    Annotation,
    /// One text for a range of messages.
    Compression,
    /// What whoever goes on has to know.
    Note,
    /// A place from which another session is reached.
    Marker,
}

impl EntryKind {
    /// Whether a context only gets longer by it, by what it says.
    pub(crate) const fn only_adds(self) -> bool {
        matches!(self, Self::Message | Self::Note | Self::Marker)
    }

    /// With its article, for sentences.
    pub(crate) const fn named(self) -> &'static str {
        match self {
            Self::Message => "a message",
            Self::Edit => "an edit",
            Self::Annotation => "an annotation",
            Self::Compression => "a compression",
            Self::Note => "a note",
            Self::Marker => "a marker",
        }
    }
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// A message.
    Message(Message),
    /// Another message in the place of an earlier one (MSG9). In the context the newest edit counts; the log keeps all.
    Edit {
        /// A message that the session's log shows.
        target: EntryId,
        /// What stands there from here on.
        message: Message,
    },
    /// How much an earlier entry matters from here on (MSG9).
    Annotation {
        /// A message, an edit, a compression or a note that the session's log shows.
        target: EntryId,
        /// `None` takes earlier annotations back: its priority is what it would be without any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        priority: Option<Priority>,
        /// Why; any text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// One message in the place of all that the context shows from one entry to another (CMP1); it stands where the first of
    /// them stood. They stay in the log. It is the first entry of its append: what comes with it follows it.
    Compression {
        /// The first that the context shows of them.
        first: EntryId,
        /// The last.
        last: EntryId,
        /// What stands for them.
        message: Message,
    },
    /// What whoever goes on has to know (MSG14).
    Note {
        /// What it is for.
        kind: NoteKind,
        /// What it says.
        note: Note,
    },
    /// A place from which another session is reached. Only the store writes it.
    Marker(Marker),
}

impl Content {
    /// What it is.
    pub const fn kind(&self) -> EntryKind {
        match self {
            Self::Message(_) => EntryKind::Message,
            Self::Edit { .. } => EntryKind::Edit,
            Self::Annotation { .. } => EntryKind::Annotation,
            Self::Compression { .. } => EntryKind::Compression,
            Self::Note { .. } => EntryKind::Note,
            Self::Marker(_) => EntryKind::Marker,
        }
    }

    /// The message in it; an annotation, a note and a marker have none.
    pub const fn message(&self) -> Option<&Message> {
        match self {
            Self::Message(message)
            | Self::Edit { message, .. }
            | Self::Compression { message, .. } => Some(message),
            Self::Annotation { .. } | Self::Note { .. } | Self::Marker(_) => None,
        }
    }

    /// The message in it; an annotation, a note and a marker have none.
    pub fn into_message(self) -> Option<Message> {
        match self {
            Self::Message(message)
            | Self::Edit { message, .. }
            | Self::Compression { message, .. } => Some(message),
            Self::Annotation { .. } | Self::Note { .. } | Self::Marker(_) => None,
        }
    }

    /// The earlier entries that it names.
    pub(crate) fn targets(&self) -> impl Iterator<Item = EntryId> {
        let (one, other) = match self {
            Self::Message(_) | Self::Note { .. } | Self::Marker(_) => (None, None),
            Self::Edit { target, .. } | Self::Annotation { target, .. } => (Some(*target), None),
            Self::Compression { first, last, .. } => (Some(*first), Some(*last)),
        };
        one.into_iter().chain(other)
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Note { note, .. } => note.check(),
            Self::Marker(_) => Err(Error::invalid("entries", "markers are written by the store")),
            other => other.message().map_or(Ok(()), Message::check),
        }
    }

    /// Bytes of what it holds, before encoding.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Annotation { reason, .. } => reason.as_deref().map_or(0, str::len),
            Self::Note { note, .. } => note.bytes(),
            other => other.message().map_or(0, Message::bytes),
        }
    }
}

impl From<Message> for Content {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}

/// Tokens of a message: how long it is for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenCount {
    /// As the store's counter counted when it was appended.
    Counted(u64),
    /// As the caller reported with the entry.
    Reported(u64),
}

impl TokenCount {
    /// The number, wherever it comes from.
    pub const fn number(self) -> u64 {
        match self {
            Self::Counted(number) | Self::Reported(number) => number,
        }
    }
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
    /// Who wrote it; `None` if it was erased or evicted.
    pub actor: Option<Actor>,
    /// When: by the writer's clock, but never before an earlier record of the thread. A store whose clock was ahead lets
    /// later records have its time.
    pub at: Timestamp,
    /// The run it belongs to.
    pub run: Option<RunId>,
    /// The entry it answers.
    pub in_reply_to: Option<EntryId>,
    /// The entry of another session that it is a copy of (MSG16).
    pub copied_from: Option<EntryId>,
    /// The collapse that it is the message of, and the child that it stands for (COL3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collapsed_from: Option<CollapsedFrom>,
    /// What it is, erased or not.
    pub kind: EntryKind,
    /// What it says; `None` if it was erased or evicted. Of such an annotation the priority stays.
    #[serde(flatten)]
    pub content: Option<Content>,
    /// How long its message is for a model; `None` where nobody counted.
    pub tokens: Option<TokenCount>,
    /// What it says left the journal with its session's archive, and is there again when that session is restored (ARC6).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub evicted: bool,
}

impl Entry {
    /// Its message; none if it was erased, or is an annotation, a note or a marker.
    pub fn message(&self) -> Option<&Message> {
        self.content.as_ref().and_then(Content::message)
    }

    /// The pieces of its message; none if it has no message.
    pub fn parts(&self) -> &[Part] {
        self.message().map_or(&[], |message| &message.parts)
    }
}

/// For a person to read: the role, then each part. Control characters other than line feed and tab are escaped, and so are
/// the marks that reverse the direction of text: a message cannot drive the terminal it is shown on.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            None if self.evicted => f.write_str("(archived)"),
            None => f.write_str("(erased)"),
            Some(Content::Message(message)) => write!(f, "{message}"),
            Some(Content::Edit { target, message }) => write!(f, "edit of {target}: {message}"),
            Some(Content::Annotation { target, priority, reason }) => {
                write!(f, "{target} is ")?;
                match priority {
                    Some(priority) => write!(f, "{priority}")?,
                    None => f.write_str("as it was")?,
                }
                reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {}", Shown(reason)))
            }
            Some(Content::Compression { first, last, message }) => {
                write!(f, "for {first} to {last}: {message}")
            }
            Some(Content::Note { kind, note }) => {
                write!(f, "note ({kind}): {}", Shown(&note.to_string()))
            }
            Some(Content::Marker(marker)) => write!(f, "{} {}", marker.kind, marker.session),
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Skip => "skipped",
            Self::Normal => "normal",
            Self::Pinned => "pinned",
        })
    }
}
