//! Summaries: what an activity of a session came to.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Actor;
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{EntryId, SessionId, SummaryId, Version},
    workspace::FilePath,
};

/// How an activity went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SummaryOutcome {
    /// It did what it was for.
    Succeeded,
    /// It did some of it.
    Partial,
    /// It did not.
    Failed,
}

impl fmt::Display for SummaryOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
        })
    }
}

/// Something that an activity made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Deliverable {
    /// A file, as it was.
    File {
        /// Where it lies in the workspace.
        path: FilePath,
        /// The SHA-256 of its bytes: 64 lower-case hexadecimal digits.
        sha256: String,
        /// How many bytes it has.
        size: u64,
    },
    /// Another session's summary, of the same thread.
    SessionSummary(SummaryId),
    /// An entry of the same thread.
    Message(EntryId),
    /// Something that is kept elsewhere.
    Artifact {
        /// Where: 1 to 1,024 bytes.
        reference: String,
        /// What it is: 1 to 128 bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
    },
}

/// A summary to seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NewSummary {
    /// How it went.
    pub outcome: SummaryOutcome,
    /// What is to be said of it in short: 1 to 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// What the agent says: 1 to 4,000 characters. More is refused, and never cut (SUM3).
    pub agent_summary: String,
    /// What was made; at most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deliverables: Vec<Deliverable>,
    /// What was decided; at most 256, each of 1 to 4,000 characters. All of the summary has at most 256 KiB.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_decisions: Vec<String>,
}

/// Characters of what an agent says, and of each decision.
const CHARACTERS: usize = 4000;
const ITEMS: usize = 256;
const BYTES: usize = 256 << 10;

impl NewSummary {
    /// A summary of this text.
    pub fn new(outcome: SummaryOutcome, agent_summary: impl Into<String>) -> Self {
        Self {
            outcome,
            verdict: None,
            agent_summary: agent_summary.into(),
            deliverables: Vec::new(),
            key_decisions: Vec::new(),
        }
    }

    /// With a verdict.
    #[must_use]
    pub fn with_verdict(mut self, verdict: impl Into<String>) -> Self {
        self.verdict = Some(verdict.into());
        self
    }

    /// With one more deliverable.
    #[must_use]
    pub fn with_deliverable(mut self, deliverable: Deliverable) -> Self {
        self.deliverables.push(deliverable);
        self
    }

    /// With one more decision.
    #[must_use]
    pub fn with_decision(mut self, decision: impl Into<String>) -> Self {
        self.key_decisions.push(decision.into());
        self
    }

    /// The entries and summaries that it names.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Deliverable> {
        let names = |it: &&Deliverable| {
            matches!(it, Deliverable::SessionSummary(_) | Deliverable::Message(_))
        };
        self.deliverables.iter().filter(names)
    }

    pub(crate) fn check(&self) -> Result<()> {
        let check_text = |field: &'static str, text: &str| {
            let characters = text.chars().count();
            if (1..=CHARACTERS).contains(&characters) {
                return Ok(());
            }
            let reason = format!("{characters} characters, where 1 to {CHARACTERS} are allowed");
            Err(Error::invalid(field, reason))
        };
        check_text("agent_summary", &self.agent_summary)?;
        self.key_decisions.iter().try_for_each(|it| check_text("key_decisions", it))?;
        let bounded = |field: &'static str, text: &str, limit: usize| {
            if (1..=limit).contains(&text.len()) {
                return Ok(());
            }
            let reason = format!("{} bytes, where 1 to {limit} are allowed", text.len());
            Err(Error::invalid(field, reason))
        };
        self.verdict.as_deref().map_or(Ok(()), |verdict| bounded("verdict", verdict, 256))?;
        for (field, count) in
            [("deliverables", self.deliverables.len()), ("key_decisions", self.key_decisions.len())]
        {
            if count > ITEMS {
                let reason = format!("{count}, where at most {ITEMS} are allowed");
                return Err(Error::invalid(field, reason));
            }
        }
        let mut bytes = self.agent_summary.len();
        bytes += self.key_decisions.iter().map(String::len).sum::<usize>();
        for deliverable in &self.deliverables {
            match deliverable {
                Deliverable::File { path, sha256, .. } => {
                    bytes += path.as_bytes().len();
                    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                    if sha256.len() != 64 || !sha256.bytes().all(is_digit) {
                        let reason = "a SHA-256 has 64 lower-case hexadecimal digits";
                        return Err(Error::invalid("deliverables", reason));
                    }
                }
                Deliverable::Artifact { reference, media_type } => {
                    bytes += reference.len();
                    bounded("deliverables", reference, 1024)?;
                    let media_type = media_type.as_deref();
                    media_type.map_or(Ok(()), |it| bounded("deliverables", it, 128))?;
                }
                Deliverable::SessionSummary(_) | Deliverable::Message(_) => {}
            }
        }
        if bytes > BYTES {
            let reason = format!("{bytes} bytes, where at most {BYTES} are allowed");
            return Err(Error::invalid("summary", reason));
        }
        Ok(())
    }
}

/// For a model: what the agent said, then what was decided and made.
impl fmt::Display for NewSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Summary ({}", self.outcome)?;
        self.verdict.as_deref().map_or(Ok(()), |verdict| write!(f, ", {verdict}"))?;
        write!(f, "): {}", self.agent_summary)?;
        if !self.key_decisions.is_empty() {
            f.write_str("\n\nDecisions:")?;
            self.key_decisions.iter().try_for_each(|it| write!(f, "\n- {it}"))?;
        }
        if !self.deliverables.is_empty() {
            f.write_str("\n\nDeliverables:")?;
            self.deliverables.iter().try_for_each(|it| write!(f, "\n- {it}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Deliverable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, size, .. } => write!(f, "file {path}, {size} bytes"),
            Self::SessionSummary(id) => write!(f, "summary {id}"),
            Self::Message(id) => write!(f, "entry {id}"),
            Self::Artifact { reference, .. } => write!(f, "artifact {reference}"),
        }
    }
}

/// A sealed summary. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Its id.
    pub id: SummaryId,
    /// Of which session.
    pub session: SessionId,
    /// Of which of its activities: 1, 2, 3 ...
    pub activity: u32,
    /// What it says; `None` if it was erased.
    pub content: Option<NewSummary>,
    /// Who sealed it; `None` if it was erased.
    pub created_by: Option<Actor>,
    /// When.
    pub at: Timestamp,
    /// The version of its record.
    pub version: Version,
}
