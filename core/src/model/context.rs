//! The context of a session: what the model sees of its log.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::{Actor, EntryKind, Message, Priority, Role, TokenCount};
use crate::{
    clock::Timestamp,
    id::{EntryId, SessionId, Version},
};

/// One message of a context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ContextMessage {
    /// The entry that stands here: a message, or a compression.
    pub id: EntryId,
    /// Which of the two.
    pub kind: EntryKind,
    /// Who wrote the entry; `None` if it was erased.
    pub actor: Option<Actor>,
    /// When.
    pub at: Timestamp,
    /// What it says here, the newest edit applied; `None` if that was erased.
    pub message: Option<Arc<Message>>,
    /// The edit that it says it by.
    pub edited_by: Option<EntryId>,
    /// How much it matters: never [`Priority::Skip`], as what is skipped is not in a context.
    pub priority: Priority,
    /// How long the message is for a model.
    pub tokens: Option<TokenCount>,
}

impl ContextMessage {
    /// Whose voice; `None` if it was erased.
    pub fn role(&self) -> Option<Role> {
        self.message.as_ref().map(|message| message.role)
    }
}

/// Tokens of a whole context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ContextTokens {
    /// What the store's counter counted.
    pub counted: u64,
    /// What callers reported.
    pub reported: u64,
    /// Messages of which nobody counted anything; they are in no sum.
    pub uncounted_messages: u64,
}

impl ContextTokens {
    /// Counted and reported together.
    pub const fn total(self) -> u64 {
        self.counted.saturating_add(self.reported)
    }
}

/// What a model sees of a session: its messages in order, edits in their places, without what is skipped or compressed.
///
/// A value of its own: what is appended later does not change it. Clones share the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// Whose.
    pub session: SessionId,
    /// The version of the thread that it is the context at.
    pub version: Version,
    /// Version of the session's own last entry up to there, 0 for none: for
    /// [`expecting_tail`](crate::command::Append::expecting_tail).
    pub tail: Version,
    /// The messages.
    pub messages: Vec<Arc<ContextMessage>>,
    /// How long they are together.
    pub tokens: ContextTokens,
}

impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Out<'a> {
            session: SessionId,
            version: Version,
            tail: Version,
            messages: Vec<&'a ContextMessage>,
            tokens: ContextTokens,
        }
        let messages = self.messages.iter().map(|message| &**message).collect();
        let Self { session, version, tail, tokens, .. } = *self;
        Out { session, version, tail, messages, tokens }.serialize(serializer)
    }
}

/// What differs between two contexts. A message is the same one in both if it is of the same entry; so a fork and the
/// session it came from have in common what they share, and a copy is another message than what it is a copy of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContextDiff {
    /// Only in the second, in its order.
    pub added: Vec<Arc<ContextMessage>>,
    /// Only in the first, in its order.
    pub removed: Vec<Arc<ContextMessage>>,
    /// In both, with other messages: as in the first, and as in the second.
    pub edited: Vec<(Arc<ContextMessage>, Arc<ContextMessage>)>,
    /// In both, with other priorities: as in the first, and as in the second.
    pub reprioritised: Vec<(Arc<ContextMessage>, Arc<ContextMessage>)>,
}

impl ContextDiff {
    /// Whether nothing differs.
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.edited.is_empty()
            && self.reprioritised.is_empty()
    }
}

impl Context {
    /// What leads from this context to another: of the same session at another time, or of a fork.
    pub fn diff(&self, to: &Self) -> ContextDiff {
        let ids = |context: &Self| -> std::collections::HashMap<_, _> {
            context.messages.iter().map(|message| (message.id, Arc::clone(message))).collect()
        };
        let (before, after) = (ids(self), ids(to));
        let only = |of: &Self, other: &std::collections::HashMap<_, _>| {
            let absent = |message: &&Arc<ContextMessage>| !other.contains_key(&message.id);
            of.messages.iter().filter(absent).cloned().collect()
        };
        let mut diff = ContextDiff {
            added: only(to, &before),
            removed: only(self, &after),
            ..ContextDiff::default()
        };
        for old in &self.messages {
            let Some(new) = after.get(&old.id) else { continue };
            if old.message != new.message || old.edited_by != new.edited_by {
                diff.edited.push((Arc::clone(old), Arc::clone(new)));
            }
            if old.priority != new.priority {
                diff.reprioritised.push((Arc::clone(old), Arc::clone(new)));
            }
        }
        diff
    }
}
