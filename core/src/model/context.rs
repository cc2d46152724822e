//! The context of a session: what the model sees of its log.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::{Actor, EntryKind, Message, OnExceeding, Priority, Role, TokenCount};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
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

    /// Adds a message.
    pub(crate) const fn add(&mut self, message: Option<TokenCount>) {
        match message {
            Some(TokenCount::Counted(number)) => {
                self.counted = self.counted.saturating_add(number);
            }
            Some(TokenCount::Reported(number)) => {
                self.reported = self.reported.saturating_add(number);
            }
            None => self.uncounted_messages += 1,
        }
    }
}

/// How long the context of a session may get, and where the feed says that it got there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ContextLimit {
    /// What the model takes, in tokens; at least 1.
    pub tokens: u64,
    /// In percent of it, 1 to 100, rising; at most 8.
    pub thresholds: Vec<u8>,
    /// What happens to an append after which the context would be longer than that. It goes on, unless asked otherwise. What
    /// makes the context shorter is never refused.
    #[serde(default = "warn", skip_serializing_if = "OnExceeding::is_warn")]
    pub on_exceeding: OnExceeding,
}

const fn warn() -> OnExceeding {
    OnExceeding::Warn
}

impl ContextLimit {
    /// A limit with thresholds at 75, 90 and 100 percent.
    pub fn new(tokens: u64) -> Self {
        Self { tokens, thresholds: vec![75, 90, 100], on_exceeding: OnExceeding::Warn }
    }

    /// With other thresholds.
    #[must_use]
    pub fn with_thresholds(self, thresholds: impl Into<Vec<u8>>) -> Self {
        Self { thresholds: thresholds.into(), ..self }
    }

    /// One that refuses what would take the context above it (BUD2).
    #[must_use]
    pub const fn refusing(mut self) -> Self {
        self.on_exceeding = OnExceeding::Refuse;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let rising = self.thresholds.is_sorted_by(|a, b| a < b);
        let inside = self.thresholds.iter().all(|percent| (1..=100).contains(percent));
        if self.tokens > 0 && rising && inside && self.thresholds.len() <= 8 {
            return Ok(());
        }
        let reason = "takes at least 1 token, and at most 8 rising thresholds of 1 to 100 percent";
        Err(Error::invalid("limit", reason))
    }

    /// The highest threshold that so many tokens reach.
    pub fn reached(&self, tokens: u64) -> Option<u8> {
        let reaches = |percent: &u8| {
            u128::from(tokens) * 100 >= u128::from(self.tokens) * u128::from(*percent)
        };
        self.thresholds.iter().copied().filter(reaches).max()
    }
}

/// How long a session's context is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ContextSize {
    /// Whose.
    pub session: SessionId,
    /// The version of the thread that it is the size at.
    pub version: Version,
    /// How long its messages are together.
    pub tokens: ContextTokens,
    /// The limit that the session has.
    pub limit: Option<ContextLimit>,
}

impl ContextSize {
    /// Its share of the limit: 1.0 is all of it. `None` without a limit.
    pub fn share(&self) -> Option<f64> {
        self.limit.as_ref().map(|limit| self.tokens.total() as f64 / limit.tokens as f64)
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
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
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
