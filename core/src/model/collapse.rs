//! Collapses: what a child came to, as one message in its parent's log.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Actor;
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{CollapseId, EntryId, SessionId, SubSessionId, Version},
};

/// Who writes the text of a collapse, and who accepts it (COL4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Autonomy {
    /// The caller brings the text, and it stands in the parent at once.
    #[default]
    Manual,
    /// The caller or the [`Summarizer`](crate::summarizer::Summarizer) drafts it, and it waits until somebody accepts it.
    Collaborative,
    /// The caller or the summarizer drafts it, and it stands in the parent at once.
    Autonomous,
}

impl Autonomy {
    pub(crate) const fn is_manual(&self) -> bool {
        matches!(self, Self::Manual)
    }
}

impl fmt::Display for Autonomy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manual => "manual",
            Self::Collaborative => "collaborative",
            Self::Autonomous => "autonomous",
        })
    }
}

/// What came of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CollapseStatus {
    /// It waits for somebody to accept or reject it.
    Open,
    /// It stands in the parent's log.
    Accepted,
    /// Somebody did not want it.
    Rejected,
    /// It cannot be accepted any more: another draft of the same state of the child came after it, the edge is gone, or the
    /// parent moved under a draft that was made for it exactly as it was.
    Stale,
}

impl fmt::Display for CollapseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Stale => "stale",
        })
    }
}

/// A collapse to propose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NewCollapse {
    /// The text: 1 byte to 64 KiB. Without one the store's [`Summarizer`](crate::summarizer::Summarizer) makes it, unless the
    /// collapse is manual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The last entry of the child that the text is about; the child's last entry if it is left out. Where the summarizer
    /// makes the text, it is what that read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upto: Option<EntryId>,
    /// Who decides; what the project's config says if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autonomy: Option<Autonomy>,
    /// The text holds for the parent exactly as it is: when the parent has another last entry, the draft is stale (COL5).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exact: bool,
    /// For the summarizer: how long the text should be, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_tokens: Option<u64>,
    /// For the summarizer: what else it should heed; at most 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
}

/// Bytes of the text of a draft, and of the instructions for one.
const BYTES: usize = 64 << 10;

/// Refuses a text that no collapse has.
pub(crate) fn check_collapse_text(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid("text", "a collapse says something"));
    }
    check_size("text", text)
}

fn check_size(field: &'static str, text: &str) -> Result<()> {
    if text.len() <= BYTES {
        return Ok(());
    }
    Err(Error::invalid(field, format!("{} bytes, where at most {BYTES} are allowed", text.len())))
}

impl NewCollapse {
    /// With this text.
    pub fn of(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// With a text that the store's summarizer makes.
    pub fn summarized() -> Self {
        Self::default()
    }

    /// About the child as it was with this last entry.
    #[must_use]
    pub const fn upto(mut self, entry: EntryId) -> Self {
        self.upto = Some(entry);
        self
    }

    /// Whatever the project's config says.
    #[must_use]
    pub const fn with_autonomy(mut self, autonomy: Autonomy) -> Self {
        self.autonomy = Some(autonomy);
        self
    }

    /// For the parent exactly as it is.
    #[must_use]
    pub const fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// With about so many tokens.
    #[must_use]
    pub const fn with_target_tokens(mut self, tokens: u64) -> Self {
        self.target_tokens = Some(tokens);
        self
    }

    /// With something that the summarizer should heed.
    #[must_use]
    pub fn with_instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.text.as_deref().map_or(Ok(()), check_collapse_text)?;
        self.instructions.as_deref().map_or(Ok(()), |it| check_size("instructions", it))?;
        if self.text.is_none() && self.autonomy == Some(Autonomy::Manual) {
            return Err(no_manual_text());
        }
        Ok(())
    }
}

pub(crate) fn no_manual_text() -> Error {
    Error::invalid("text", "a manual collapse brings its text")
}

/// A proposed collapse, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Collapse {
    /// Its id.
    pub id: CollapseId,
    /// The edge between the two sessions, as it was proposed.
    pub edge: SubSessionId,
    /// The session that it is about.
    pub child: SessionId,
    /// The version of the thread as of which the child is meant: that of the child's last entry, or of its birth. Its context
    /// at this version is what the text is about (COL3).
    pub upto: Version,
    /// The session whose log it is for, and no other's (COL2).
    pub parent: SessionId,
    /// Who was to decide.
    pub autonomy: Autonomy,
    /// What came of it.
    pub status: CollapseStatus,
    /// The entry of the parent's log, once it is accepted.
    pub entry: Option<EntryId>,
    /// The text as it was proposed; `None` if it was erased. The entry may have another, where whoever accepted it changed it.
    pub text: Option<String>,
    /// Tokens of that text, as the store counted.
    pub tokens: u64,
    /// Tokens of the context that the summarizer read; `None` where the caller brought the text.
    pub source_tokens: Option<u64>,
    /// Who proposed it; `None` if it was erased.
    pub created_by: Option<Actor>,
    /// When.
    pub at: Timestamp,
    /// The version of its record.
    pub version: Version,
}

/// Where a message comes from that stands for a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CollapsedFrom {
    /// The collapse.
    pub collapse: CollapseId,
    /// The session that it stands for.
    pub child: SessionId,
    /// The version of the thread as of which that session is meant.
    pub upto: Version,
}
