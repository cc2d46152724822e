//! What a child begins with of what its parent knows.

use serde::Serialize;

use crate::{
    id::{EntryId, SessionId},
    model::Role,
};

/// What the log of a session that is created under a parent begins with (SPN4, SPN10). Roles stay what they are, and the marker
/// that the parent's log gets is not inherited.
///
/// All but [`FullHistory`](Self::FullHistory) are copies: entries of the child's own, which say what they are copies of, keep
/// their authors and belong to no run; with the entries of its turn they are at most 1,000. Edits, annotations and compressions are applied, not copied; a
/// note or a compression arrives as the message that the context shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Inheritance {
    /// Nothing.
    #[default]
    Empty,
    /// All, by reference: the child is a fork of its parent, at the version before its own (MSG12).
    FullHistory,
    /// The parent's context, as of the child's creation.
    HeadSnapshot {
        /// What it may have at most. Pinned messages come first, the oldest first, as far as they fit; then the newest of the
        /// others, without a gap, and not beginning with a tool's answer. Messages of which nobody counted anything cost
        /// nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        max_tokens: Option<u64>,
    },
    /// Those messages of the parent's context that a selection names.
    Selective(ContextSelection),
    /// The newest summary of a session of the thread, as one message of a user. Without one it is `NotSummarised`.
    Summary(SessionId),
}

/// Messages of a context: those for which all that is given holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ContextSelection {
    /// In one of these voices; in any, where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// One of these entries; any, where none is named. One that the context does not show is `NotFound`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<EntryId>,
    /// Pinned.
    pub pinned_only: bool,
    /// Of these at most so many: the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<usize>,
}

impl Inheritance {
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Whether something has to be read for it.
    pub(crate) const fn is_gathered(&self) -> bool {
        matches!(self, Self::HeadSnapshot { .. } | Self::Selective(_) | Self::Summary(_))
    }
}
