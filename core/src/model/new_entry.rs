//! Entries to append.

use serde::{Deserialize, Serialize};

use super::{Actor, Content, Message, Priority, Role, ToolOutcome, ToolResult};
use crate::id::{EntryId, RunId};

/// An entry to append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NewEntry {
    /// What it says.
    #[serde(flatten)]
    pub content: Content,
    /// Its author, where it is not the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// The live run of the session it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// An earlier entry of the same thread that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<EntryId>,
    /// How many tokens the message has, where the caller knows; without it the store's counter counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

impl NewEntry {
    /// An entry by the caller, outside any run.
    pub fn new(content: impl Into<Content>) -> Self {
        Self { content: content.into(), actor: None, run: None, in_reply_to: None, tokens: None }
    }

    /// An entry of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self::new(Message::text(role, text))
    }

    /// Its message; an annotation and a note have none.
    pub const fn message(&self) -> Option<&Message> {
        self.content.message()
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

    /// With the number of its tokens, as the model's provider reported it.
    #[must_use]
    pub const fn with_tokens(mut self, tokens: u64) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// With a reason, where it is an annotation.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        if let Content::Annotation { reason, .. } = &mut self.content {
            *reason = Some(why.into());
        }
        self
    }
}

/// Another message in the place of an earlier one: see [`Content::Edit`].
pub fn edit(target: EntryId, message: Message) -> NewEntry {
    NewEntry::new(Content::Edit { target, message })
}

/// How much an earlier entry matters: see [`Content::Annotation`]. A [`Priority`], or `None` to take annotations back.
pub fn annotate(target: EntryId, priority: impl Into<Option<Priority>>) -> NewEntry {
    NewEntry::new(Content::Annotation { target, priority: priority.into(), reason: None })
}

/// One message for all that the context shows from the first to the last of these entries: see [`Content::Compression`].
pub fn compress(first: EntryId, last: EntryId, message: Message) -> NewEntry {
    NewEntry::new(Content::Compression { first, last, message })
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
